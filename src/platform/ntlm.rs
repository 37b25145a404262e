//! The NTLM sign-in of one connection (MS-NLMP, MS-NTHT): which schemes are on offer, and the two messages that we send.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use secrecy::{ExposeSecret, SecretString};
use sspi::{
    AuthIdentity, BufferType, ClientRequestFlags, CredentialUse, DataRepresentation, Ntlm, SecurityBuffer,
    Sspi, SspiImpl, Username,
};

/// Our half of a handshake.
pub(super) struct Handshake {
    ntlm: Ntlm,
    credentials: <Ntlm as SspiImpl>::CredentialsHandle,
}

impl Handshake {
    /// Prepares to sign in. The forms of `user` are `DOMAIN\user`, `user@domain` and `user`.
    pub(super) fn new(user: &str, password: &SecretString) -> sspi::Result<Self> {
        let mut ntlm = Ntlm::new();
        let username = Username::parse(user)
            .map_err(|error| sspi::Error::new(sspi::ErrorKind::UnknownCredentials, error.to_string()))?;
        let identity = AuthIdentity { username, password: password.expose_secret().to_owned().into() };
        let credentials = ntlm
            .acquire_credentials_handle()
            .with_credential_use(CredentialUse::Outbound)
            .with_auth_data(&identity)
            .execute(&mut ntlm)?
            .credentials_handle;
        Ok(Self { ntlm, credentials })
    }

    /// NEGOTIATE_MESSAGE (MS-NLMP §2.2.1.1), in base64.
    pub(super) fn negotiate(&mut self) -> sspi::Result<String> {
        self.step(Vec::new())
    }

    /// AUTHENTICATE_MESSAGE (§2.2.1.3) in answer to a CHALLENGE_MESSAGE, both in base64.
    /// `binding` ties it to the TLS connection that it travels on (§3.1.5.1.2, MsvAvChannelBindings).
    pub(super) fn authenticate(&mut self, challenge: &str, binding: Option<&[u8]>) -> sspi::Result<String> {
        let challenge = BASE64
            .decode(challenge)
            .map_err(|error| sspi::Error::new(sspi::ErrorKind::InvalidToken, error.to_string()))?;
        if let Some(binding) = binding {
            self.ntlm.set_channel_bindings(binding);
        }
        self.step(challenge)
    }

    fn step(&mut self, token: Vec<u8>) -> sspi::Result<String> {
        let mut input = [SecurityBuffer::new(token, BufferType::Token)];
        let mut output = [SecurityBuffer::new(Vec::new(), BufferType::Token)];
        let mut builder = self
            .ntlm
            .initialize_security_context()
            .with_credentials_handle(&mut self.credentials)
            // Messages are neither signed nor sealed over HTTP.
            .with_context_requirements(ClientRequestFlags::empty())
            .with_target_data_representation(DataRepresentation::Native)
            .with_input(&mut input)
            .with_output(&mut output);
        self.ntlm.initialize_security_context_impl(&mut builder)?.resolve_to_result()?;
        let [output] = output;
        Ok(BASE64.encode(output.buffer))
    }
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
            let mut ours = Handshake::new(user, &password).unwrap();
            assert!(BASE64.decode(ours.negotiate().unwrap()).unwrap().starts_with(b"NTLMSSP\0\x01\0\0\0"));
            let last = BASE64
                .decode(ours.authenticate(CHALLENGE, Some(b"tls-server-end-point:x")).unwrap())
                .unwrap();
            assert!(last.starts_with(b"NTLMSSP\0\x03\0\0\0"));
            let wide: Vec<u8> = format!("{domain}{name}").encode_utf16().flat_map(u16::to_le_bytes).collect();
            // The payload starts with domain and user (MS-NLMP §2.2.1.3), the domain's case untouched.
            assert_eq!(last.get(88..88 + wide.len()).unwrap(), wide);
        }
        let whole = BASE64.decode(CHALLENGE).unwrap();
        for broken in 0..whole.len() {
            for bytes in [whole.get(..broken).unwrap().to_vec(), {
                let mut bytes = whole.clone();
                if let Some(byte) = bytes.get_mut(broken) {
                    *byte ^= 0xff;
                }
                bytes
            }] {
                let mut ours = Handshake::new("svc", &password).unwrap();
                ours.negotiate().unwrap();
                // An error or an answer that the server refuses: anything but a panic.
                let _ = ours.authenticate(&BASE64.encode(bytes), None);
            }
        }
    }
}
