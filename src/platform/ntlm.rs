//! The NTLM sign-in of one connection (MS-NLMP, MS-NTHT): which schemes are on offer, and the two messages that we send.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use secrecy::{ExposeSecret, SecretString};
use sspi::ntlm::NtlmConfig;
use sspi::{
    AuthIdentity, BufferType, ClientRequestFlags, CredentialUse, Credentials, DataRepresentation, Negotiate,
    NegotiateConfig, Ntlm, SecurityBuffer, Sspi, SspiImpl, Username,
};

/// How NTLM's messages travel in HTTP's headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Bare, under `NTLM`.
    Ntlm,
    /// Wrapped in SPNEGO (RFC 4178), under `Negotiate` (RFC 4559).
    Spnego,
    /// Bare, under `Negotiate`: for servers that know no SPNEGO, as [MS-N2HT] allows.
    Bare,
}

impl Way {
    /// The scheme's name in `Authorization` and `WWW-Authenticate`.
    pub(super) const fn scheme(self) -> &'static str {
        match self {
            Self::Ntlm => "NTLM",
            Self::Spnego | Self::Bare => "Negotiate",
        }
    }
}

/// Our half of a handshake.
pub(super) struct Handshake(Context);

enum Context {
    Ntlm(Box<Ntlm>, <Ntlm as SspiImpl>::CredentialsHandle),
    Spnego(Box<Negotiate>, <Negotiate as SspiImpl>::CredentialsHandle),
}

impl Handshake {
    /// Prepares to sign in. The forms of `user` are `DOMAIN\user`, `user@domain` and `user`.
    pub(super) fn new(way: Way, user: &str, password: &SecretString) -> sspi::Result<Self> {
        let username = Username::parse(user)
            .map_err(|error| sspi::Error::new(sspi::ErrorKind::UnknownCredentials, error.to_string()))?;
        let identity = AuthIdentity { username, password: password.expose_secret().to_owned().into() };
        Ok(Self(match way {
            Way::Ntlm | Way::Bare => {
                let mut ntlm = Box::new(Ntlm::new());
                let credentials = acquire(&mut *ntlm, &identity)?;
                Context::Ntlm(ntlm, credentials)
            }
            Way::Spnego => {
                let packages = "ntlm,!kerberos,!pku2u".to_owned();
                let config =
                    NegotiateConfig::new(Box::new(NtlmConfig::default()), Some(packages), String::new());
                let mut negotiate = Box::new(Negotiate::new_client(config)?);
                let credentials = acquire(&mut *negotiate, &Credentials::AuthIdentity(identity))?;
                Context::Spnego(negotiate, credentials)
            }
        }))
    }

    /// The first message, a NEGOTIATE_MESSAGE (MS-NLMP §2.2.1.1), in base64.
    pub(super) fn negotiate(&mut self) -> sspi::Result<String> {
        self.step(Vec::new(), None)
    }

    /// The last message, an AUTHENTICATE_MESSAGE (§2.2.1.3), in answer to a CHALLENGE_MESSAGE, both in base64.
    /// `binding` ties it to the TLS connection that it travels on (§3.1.5.1.2, MsvAvChannelBindings).
    pub(super) fn authenticate(&mut self, challenge: &str, binding: Option<&[u8]>) -> sspi::Result<String> {
        let challenge = BASE64
            .decode(challenge)
            .map_err(|error| sspi::Error::new(sspi::ErrorKind::InvalidToken, error.to_string()))?;
        self.step(challenge, binding)
    }

    fn step(&mut self, token: Vec<u8>, binding: Option<&[u8]>) -> sspi::Result<String> {
        let mut input = vec![SecurityBuffer::new(token, BufferType::Token)];
        input.extend(binding.map(|token| SecurityBuffer::new(bindings(token), BufferType::ChannelBindings)));
        match &mut self.0 {
            // Messages are neither signed nor sealed over HTTP.
            Context::Ntlm(ntlm, credentials) => {
                step(&mut **ntlm, credentials, &mut input, ClientRequestFlags::empty())
            }
            // SPNEGO signs its list of mechanisms. Without integrity asked for, implementations differ
            // in how NTLM signs: Windows then writes a constant.
            Context::Spnego(negotiate, credentials) => {
                step(&mut **negotiate, credentials, &mut input, ClientRequestFlags::INTEGRITY)
            }
        }
    }
}

fn acquire<S: Sspi + SspiImpl>(
    context: &mut S,
    identity: &S::AuthenticationData,
) -> sspi::Result<S::CredentialsHandle> {
    let acquired = context
        .acquire_credentials_handle()
        .with_credential_use(CredentialUse::Outbound)
        .with_auth_data(identity)
        .execute(context)?;
    Ok(acquired.credentials_handle)
}

fn step<S: Sspi + SspiImpl>(
    context: &mut S,
    credentials: &mut S::CredentialsHandle,
    input: &mut [SecurityBuffer],
    requirements: ClientRequestFlags,
) -> sspi::Result<String> {
    let mut output = [SecurityBuffer::new(Vec::new(), BufferType::Token)];
    let mut builder = context
        .initialize_security_context()
        .with_credentials_handle(credentials)
        .with_context_requirements(requirements)
        .with_target_data_representation(DataRepresentation::Native)
        .with_input(input)
        .with_output(&mut output);
    context.initialize_security_context_impl(&mut builder)?.resolve_to_result()?;
    let [output] = output;
    Ok(BASE64.encode(output.buffer))
}

/// A `SEC_CHANNEL_BINDINGS` (sspi.h): eight numbers, of which only the last two count here, the length of the
/// application's data and where they start; then these.
fn bindings(token: &[u8]) -> Vec<u8> {
    let length = u32::try_from(token.len()).unwrap_or(u32::MAX);
    [&[0; 24], length.to_le_bytes().as_slice(), &32u32.to_le_bytes(), token].concat()
}

/// What a 401 offers: schemes, with the token that came along.
#[derive(Debug, Default)]
pub(super) struct Offers(Vec<(String, Option<String>)>);

impl Offers {
    /// Reads all `WWW-Authenticate` headers; each may hold several schemes (RFC 9110 §11.6.1).
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut offers = Vec::new();
        for header in headers.get_all(WWW_AUTHENTICATE) {
            // A list separated by commas, whose members may be `key=value` of the scheme before.
            for part in String::from_utf8_lossy(header.as_bytes()).split(',') {
                let mut words = part.split_whitespace();
                let Some(scheme) = words.next() else { continue };
                let is_scheme = scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
                if is_scheme {
                    offers.push((scheme.to_owned(), words.next().map(str::to_owned)));
                }
            }
        }
        Self(offers)
    }

    pub(super) fn has(&self, scheme: &str) -> bool {
        self.0.iter().any(|(offered, _)| offered.eq_ignore_ascii_case(scheme))
    }

    /// The server's token of a scheme.
    pub(super) fn token(&self, scheme: &str) -> Option<&str> {
        self.0
            .iter()
            .filter(|(offered, _)| offered.eq_ignore_ascii_case(scheme))
            .find_map(|(_, token)| token.as_deref())
    }
}

impl std::fmt::Display for Offers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut names: Vec<&str> = Vec::new();
        for (scheme, _) in &self.0 {
            if !names.contains(&scheme.as_str()) {
                names.push(scheme);
            }
        }
        f.write_str(if names.is_empty() { "nothing" } else { "" })?;
        f.write_str(&names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// The challenge of a real Apache with gss-ntlmssp.
    const CHALLENGE: &str = "TlRMTVNTUAACAAAABwAHADgAAAAGgooCgNN5guIahsMAAAAAAAAAAEwATAA/AAAABgIAAAAAAA9QTEFUU1JWAQAOAFAATABBAFQAUwBSAFYAAgAWAFcATwBSAEsAUwBUAEEAVABJAE8ATgADAAQAdgBtAAYABAAAAAAABwAIAPqMWyNaet0BAAAAAA==";

    fn offers(headers: &[&str]) -> Offers {
        let mut map = HeaderMap::new();
        for header in headers {
            map.append(WWW_AUTHENTICATE, header.parse().unwrap());
        }
        Offers::of(&map)
    }

    #[test]
    fn offers_come_in_several_headers_or_in_one() {
        for offers in [
            offers(&["Negotiate", "NTLM", r#"Basic realm="a, b""#]),
            offers(&[r#"negotiate,ntlm, basic realm="a, b""#]),
        ] {
            assert!(offers.has("NTLM") && offers.has("Negotiate") && offers.has("Basic"));
            assert!(!offers.has("Digest"));
            assert_eq!(offers.token("NTLM"), None);
        }
        assert_eq!(offers(&["Negotiate", "NTLM TlRMTVM="]).token("ntlm"), Some("TlRMTVM="));
        assert_eq!(offers(&["Negotiate", "NTLM"]).to_string(), "Negotiate, NTLM");
        assert_eq!(offers(&[]).to_string(), "nothing");
    }

    #[test]
    fn a_handshake_answers_a_real_challenge_and_survives_broken_ones() {
        let password = SecretString::from("pässwörd");
        for (user, domain, name) in [
            (r"EnErgy\svc", "EnErgy", "svc"),
            ("svc@energy.example", "", "svc@energy.example"),
            ("svc", "", "svc"),
        ] {
            let mut ours = Handshake::new(Way::Ntlm, user, &password).unwrap();
            assert!(BASE64.decode(ours.negotiate().unwrap()).unwrap().starts_with(b"NTLMSSP\0\x01\0\0\0"));
            let last = BASE64
                .decode(ours.authenticate(CHALLENGE, Some(b"tls-server-end-point:x")).unwrap())
                .unwrap();
            assert!(last.starts_with(b"NTLMSSP\0\x03\0\0\0"));
            let wide: Vec<u8> = format!("{domain}{name}").encode_utf16().flat_map(u16::to_le_bytes).collect();
            // The payload starts with domain and user (MS-NLMP §2.2.1.3), the domain's case untouched.
            assert_eq!(last.get(88..88 + wide.len()).unwrap(), wide);
        }
        no_challenge_makes_it_panic(Way::Ntlm, &BASE64.decode(CHALLENGE).unwrap());
    }

    /// Cut off anywhere, and with any byte changed: an error or an answer that the server refuses.
    fn no_challenge_makes_it_panic(way: Way, whole: &[u8]) {
        let password = SecretString::from("secret");
        let answer = |bytes: &[u8]| {
            let mut ours = Handshake::new(way, "svc", &password).unwrap();
            ours.negotiate().unwrap();
            ours.authenticate(&BASE64.encode(bytes), None)
        };
        answer(whole).unwrap();
        for broken in 0..whole.len() {
            let _ = answer(whole.get(..broken).unwrap());
            for bits in [0xff, 1, 0x80] {
                let mut bytes = whole.to_vec();
                if let Some(byte) = bytes.get_mut(broken) {
                    *byte ^= bits;
                }
                let _ = answer(&bytes);
            }
        }
    }

    #[test]
    fn under_negotiate_the_messages_are_wrapped_and_a_broken_wrapping_is_survived() {
        let challenge = BASE64.decode(CHALLENGE).unwrap();
        // NegTokenResp (RFC 4178 §4.2.2): accept-incomplete, NTLMSSP, and the challenge.
        let tagged = |tag: u8, content: &[u8]| {
            let length = u8::try_from(content.len()).unwrap();
            [if length < 0x80 { vec![tag, length] } else { vec![tag, 0x81, length] }.as_slice(), content]
                .concat()
        };
        let fields = [
            tagged(0xa0, &[0x0a, 1, 1]),
            tagged(0xa1, &[6, 10, 0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 10]),
            tagged(0xa2, &tagged(4, &challenge)),
        ];
        let whole = tagged(0xa1, &tagged(0x30, &fields.concat()));

        let mut ours = Handshake::new(Way::Spnego, r"CORP\svc", &SecretString::from("secret")).unwrap();
        let first = BASE64.decode(ours.negotiate().unwrap()).unwrap();
        let holds = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        assert!(first.starts_with(&[0x60]) && holds(&first, b"NTLMSSP\0\x01"));
        let binding = Some(b"tls-server-end-point:x".as_slice());
        let last = BASE64.decode(ours.authenticate(&BASE64.encode(&whole), binding).unwrap()).unwrap();
        assert!(last.starts_with(&[0xa1]) && holds(&last, b"NTLMSSP\0\x03"));
        // MsvAvChannelBindings (MS-NLMP §2.2.2.1): 16 bytes, not all of them zero.
        assert!(holds(&last, &[10, 0, 16, 0]) && !holds(&last, &[&[10, 0, 16, 0][..], &[0; 16]].concat()));
        no_challenge_makes_it_panic(Way::Spnego, &whole);
    }
}
