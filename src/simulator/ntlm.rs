//! NTLM as the server sees it ([MS-NLMP]): one [`Handshake`] for one TCP connection.
//!
//! `sspi` writes the challenge, and checks the message integrity code and the channel bindings. Three things
//! it leaves to its caller, and they are here: whose password is tried (sspi would try any on any name), the
//! proof itself (sspi takes a client that sends no integrity code at its word), and bindings that are missing.

use hmac::{Hmac, KeyInit, Mac};
use md4::{Digest, Md4};
use md5::Md5;
use secrecy::ExposeSecret;
use sspi::{
    AuthIdentityBuffers, BufferType, DataRepresentation, Ntlm, SecurityBuffer, ServerRequestFlags, Sspi,
    SspiImpl,
};

use super::User;

/// What every NTLM message begins with (§2.2.1).
const SIGNATURE: &[u8] = b"NTLMSSP\0";
/// `NTLMSSP_NEGOTIATE_UNICODE` (§2.2.2.5, bit A).
const UNICODE: u32 = 1;
/// `MsvAvChannelBindings` (§2.2.2.1).
const CHANNEL_BINDINGS: u16 = 0x000A;

/// A sign-in under way: the challenge is out.
pub(super) struct Handshake {
    context: Ntlm,
    server_challenge: [u8; 8],
}

/// Why a sign-in was refused. Callers learn none of it, the log does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// The name that was claimed, as far as it could be read.
    pub(super) user: String,
}

/// What the connection demands of an authenticate message.
#[derive(Clone, Debug, Default)]
pub(super) struct Bindings {
    /// `tls-server-end-point:` and the certificate's hash (RFC 5929 §4), on TLS.
    pub(super) token: Option<Vec<u8>>,
    /// Refuse who sends none.
    pub(super) required: bool,
}

/// The type of an NTLM message: 1 negotiate, 3 authenticate (§2.2.1).
pub(super) fn message_type(message: &[u8]) -> Option<u32> {
    message.strip_prefix(SIGNATURE)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

impl Handshake {
    /// Answers a negotiate message (Type 1) with the challenge (Type 2) to send back.
    pub(super) fn challenge(negotiate: &[u8]) -> sspi::Result<(Self, Vec<u8>)> {
        let mut context = Ntlm::new();
        let challenge = step(&mut context, &mut None, unicode(negotiate))?;
        // CHALLENGE_MESSAGE.ServerChallenge (§2.2.1.2).
        let server_challenge =
            challenge.get(24..).and_then(|rest| rest.first_chunk()).copied().ok_or_else(|| {
                sspi::Error::new(sspi::ErrorKind::InternalError, "the challenge is too short")
            })?;
        Ok((Self { context, server_challenge }, challenge))
    }

    /// Checks an authenticate message (Type 3) and gives whose it is.
    pub(super) fn verify<'a>(
        mut self,
        authenticate: &[u8],
        users: &'a [User],
        bindings: &Bindings,
    ) -> Result<&'a User, Refused> {
        let message = Authenticate::read(authenticate).ok_or(Refused { user: String::new() })?;
        let refused = || Refused { user: message.claimed() };
        let user = users.iter().find(|user| message.is_of(&user.name)).ok_or_else(refused)?;
        let password = user.password.expose_secret();
        if !message.proves(password, self.server_challenge) || bindings.required && !message.is_bound() {
            return Err(refused());
        }
        if let Some(token) = &bindings.token {
            self.context.set_channel_bindings(token);
        }
        let identity = AuthIdentityBuffers::from_utf8(&message.user, &message.domain, password);
        step(&mut self.context, &mut Some(identity), authenticate.to_vec())
            .and_then(|_| self.context.complete_auth_token(&mut []))
            .map_err(|_| refused())?;
        Ok(user)
    }
}

fn step(
    context: &mut Ntlm,
    identity: &mut Option<AuthIdentityBuffers>,
    message: Vec<u8>,
) -> sspi::Result<Vec<u8>> {
    let mut input = [SecurityBuffer::new(message, BufferType::Token)];
    let mut output = [SecurityBuffer::new(Vec::new(), BufferType::Token)];
    let builder = context
        .accept_security_context()
        .with_credentials_handle(identity)
        .with_context_requirements(ServerRequestFlags::ALLOCATE_MEMORY)
        .with_target_data_representation(DataRepresentation::Native)
        .with_input(&mut input)
        .with_output(&mut output);
    context.accept_security_context_impl(builder)?.resolve_to_result()?;
    let [output] = output;
    Ok(output.buffer)
}

/// The negotiate message with Unicode asked for. curl names only OEM, yet speaks Unicode when the challenge
/// does, as Windows' always does; sspi insists on the flag. An integrity code over the original would no
/// longer tie, so this admits only clients that send none.
fn unicode(negotiate: &[u8]) -> Vec<u8> {
    let mut message = negotiate.to_vec();
    // NEGOTIATE_MESSAGE.NegotiateFlags (§2.2.1.1), little-endian.
    if let Some(flags) = message.get_mut(12) {
        *flags |= 1;
    }
    message
}

/// What counts of an `AUTHENTICATE_MESSAGE` (§2.2.1.3).
struct Authenticate {
    domain: String,
    user: String,
    proof: [u8; 16],
    /// The `NTLMv2_CLIENT_CHALLENGE` (§2.2.2.7), which the proof covers.
    client_challenge: Vec<u8>,
}

impl Authenticate {
    /// `None` for what is no NTLMv2 over Unicode: NTLMv1 and anonymous responses among it.
    fn read(message: &[u8]) -> Option<Self> {
        let number = |at: usize| message.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        // A field: its length, the space for it, its offset (§2.2.1.3).
        let field = |at: usize| {
            let length = message.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))?;
            let start = usize::try_from(number(at + 4)?).ok()?;
            message.get(start..start.checked_add(length.into())?)
        };
        if message_type(message)? != 3 || number(60)? & UNICODE == 0 {
            return None;
        }
        let (proof, client_challenge) = field(20)?.split_first_chunk()?;
        // RespType and HiRespType of NTLMv2 are 1; the fixed part takes 28 bytes (§2.2.2.7).
        if !client_challenge.starts_with(&[1, 1]) || client_challenge.len() < 28 {
            return None;
        }
        Some(Self {
            domain: utf16(field(28)?)?,
            user: utf16(field(36)?)?,
            proof: *proof,
            client_challenge: client_challenge.to_vec(),
        })
    }

    fn claimed(&self) -> String {
        match self.domain.as_str() {
            "" => self.user.clone(),
            domain => format!("{domain}\\{}", self.user),
        }
    }

    /// Whether the claimed name is `name`: in any case, as Windows compares. A name without a domain is
    /// looked for in every domain; `user@corp.example` is `CORP\user`.
    fn is_of(&self, name: &str) -> bool {
        let fold = |(domain, user): (&str, &str)| (domain.to_lowercase(), user.to_lowercase());
        let (domain, user) = fold(match self.domain.as_str() {
            "" => split(&self.user),
            domain => (domain, self.user.as_str()),
        });
        let (own_domain, own_user) = fold(split(name));
        let short = |domain: &str| domain.split('.').next().unwrap_or_default().to_owned();
        user == own_user
            && (domain.is_empty()
                || own_domain.is_empty()
                || domain == own_domain
                || (domain.contains('.') != own_domain.contains('.') && short(&domain) == short(&own_domain)))
    }

    /// NTLM v2 authentication (§3.3.2): the proof is
    /// `HMAC_MD5(NTOWFv2, ServerChallenge ‖ NTLMv2_CLIENT_CHALLENGE)`.
    fn proves(&self, password: &str, server_challenge: [u8; 8]) -> bool {
        // NTOWFv2: the user's name in capitals, the domain as it was sent.
        let name = [utf16_bytes(&self.user.to_uppercase()), utf16_bytes(&self.domain)].concat();
        hmac_md5(&Md4::digest(utf16_bytes(password)), &name)
            .and_then(|key| hmac_md5(&key, &[&server_challenge, self.client_challenge.as_slice()].concat()))
            .is_some_and(|proof| proof == self.proof)
    }

    /// Whether channel bindings were sent (§2.2.2.1: an `AV_PAIR`; all zeros means none).
    fn is_bound(&self) -> bool {
        let mut rest = self.client_challenge.get(28..).unwrap_or_default();
        while let Some((&[id, id_high, length, length_high], tail)) = rest.split_first_chunk() {
            let length = usize::from(u16::from_le_bytes([length, length_high]));
            let Some((value, tail)) = tail.split_at_checked(length) else { return false };
            match u16::from_le_bytes([id, id_high]) {
                CHANNEL_BINDINGS => return value.iter().any(|byte| *byte != 0),
                0 => return false,
                _ => rest = tail,
            }
        }
        false
    }
}

/// A user's name as domain and user; the domain may be empty.
fn split(name: &str) -> (&str, &str) {
    name.split_once('\\')
        .or_else(|| name.rsplit_once('@').map(|(user, domain)| (domain, user)))
        .unwrap_or(("", name))
}

fn hmac_md5(key: &[u8], message: &[u8]) -> Option<[u8; 16]> {
    let mut mac = Hmac::<Md5>::new_from_slice(key).ok()?;
    mac.update(message);
    Some(mac.finalize().into_bytes().into())
}

fn utf16(bytes: &[u8]) -> Option<String> {
    let (units, rest) = bytes.as_chunks();
    let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    rest.is_empty().then(|| String::from_utf16(&units).ok()).flatten()
}

fn utf16_bytes(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// The worked example of [MS-NLMP] §4.2.4: User, Domain, Password.
    #[test]
    fn the_proof_of_the_specifications_example_ties() {
        let client_challenge = [
            &[1u8, 1, 0, 0, 0, 0, 0, 0][..],
            &[0; 8],
            &[0xAA; 8],
            &[0; 4],
            &[2, 0, 12, 0],
            &utf16_bytes("Domain"),
            &[1, 0, 12, 0],
            &utf16_bytes("Server"),
            &[0; 8],
        ]
        .concat();
        let message = Authenticate {
            domain: "Domain".into(),
            user: "User".into(),
            proof: [
                0x68, 0xcd, 0x0a, 0xb8, 0x51, 0xe5, 0x1c, 0x96, 0xaa, 0xbc, 0x92, 0x7b, 0xeb, 0xef, 0x6a,
                0x1c,
            ],
            client_challenge,
        };
        let server_challenge = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
        assert!(message.proves("Password", server_challenge));
        assert!(!message.proves("password", server_challenge));
        assert!(!message.is_bound());
    }

    /// An authenticate message without an integrity code, as curl writes it.
    fn type3(user: &str, password: &str, server_challenge: [u8; 8], client_challenge: &[u8]) -> Vec<u8> {
        let name = utf16_bytes(&user.to_uppercase());
        let key = hmac_md5(&Md4::digest(utf16_bytes(password)), &name).unwrap();
        let proof = hmac_md5(&key, &[&server_challenge, client_challenge].concat()).unwrap();
        let response = [proof.as_slice(), client_challenge].concat();
        let user = utf16_bytes(user);
        let field = |length: usize, offset: usize| {
            let length = u16::try_from(length).unwrap().to_le_bytes();
            [length.as_slice(), &length, &u32::try_from(offset).unwrap().to_le_bytes()].concat()
        };
        let empty = field(0, 64);
        let response_field = field(response.len(), 80 + user.len());
        // Flags: Unicode, NTLM, target information. sspi reads an integrity code after them, hence the zeros.
        let flags = 0x0080_0201u32.to_le_bytes();
        let head = [SIGNATURE, &3u32.to_le_bytes(), &empty, &response_field, &empty, &field(user.len(), 80)]
            .concat();
        [&head, &empty, &empty, flags.as_slice(), &[0; 16], &user, &response].concat()
    }

    #[test]
    fn without_an_integrity_code_the_password_still_counts() {
        let users = [("CORP\\svc", "right"), ("CORP\\other", "theirs")]
            .map(|(name, password)| User { name: name.into(), password: password.to_owned().into() });
        let attempt = |user: &str, password: &str, av_pairs: &[u8], bindings: &Bindings| {
            // curl's flags: OEM, target, NTLM, always sign, extended session security.
            let negotiate =
                [SIGNATURE, &1u32.to_le_bytes(), &0x0008_8206u32.to_le_bytes(), &[0; 16]].concat();
            let (handshake, _) = Handshake::challenge(&negotiate).unwrap();
            let client_challenge = [&[1, 1], [0; 26].as_slice(), av_pairs, &[0; 8]].concat();
            let message = type3(user, password, handshake.server_challenge, &client_challenge);
            handshake.verify(&message, &users, bindings).map(|user| user.name.clone())
        };
        let free = Bindings::default();
        assert_eq!(attempt("svc", "right", &[], &free).unwrap(), "CORP\\svc");
        for (user, password) in [("svc", "wrong"), ("svc", "theirs"), ("nobody", "right"), ("", "right")] {
            let refused = attempt(user, password, &[], &free).unwrap_err();
            assert_eq!(refused.user, user);
        }
        let bound = Bindings { token: Some(b"tls-server-end-point:x".to_vec()), required: true };
        assert!(attempt("svc", "right", &[], &bound).is_err());
        let others = [&[10, 0, 16, 0], [7; 16].as_slice()].concat();
        assert!(attempt("svc", "right", &others, &bound).is_err());
        assert!(attempt("svc", "right", &others, &Bindings { required: false, ..bound }).is_err());
    }

    #[test]
    fn names_are_compared_as_windows_does() {
        let message = |domain: &str, user: &str| Authenticate {
            domain: domain.into(),
            user: user.into(),
            proof: [0; 16],
            client_challenge: Vec::new(),
        };
        for (domain, user) in
            [("CORP", "svc"), ("corp", "SVC"), ("", "svc"), ("", "svc@corp"), ("", "svc@corp.example")]
        {
            assert!(message(domain, user).is_of("CORP\\svc"), "{domain} {user}");
        }
        for (domain, user) in [("OTHER", "svc"), ("CORP", "svc2"), ("", "svc@other.example"), ("", "")] {
            assert!(!message(domain, user).is_of("CORP\\svc"), "{domain} {user}");
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic() {
        let mut message = [SIGNATURE, &3u32.to_le_bytes(), &[0xFF; 80]].concat();
        assert!(Authenticate::read(&message).is_none());
        for length in 0..message.len() {
            assert!(Authenticate::read(message.get(..length).unwrap()).is_none());
            assert!(Handshake::challenge(message.get(..length).unwrap()).is_err());
        }
        message.fill(0);
        assert!(Handshake::challenge(&message).is_err());
    }
}
