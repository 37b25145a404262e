//! NTLM as the server sees it ([MS-NLMP]): one [`Handshake`] for one TCP connection.
//!
//! This is code of its own, and none of that which signs in: a mistake that both made alike would show in no test. (And
//! `sspi`, which can accept as well, tells a time that is 61 seconds behind: its year 1601 begins at 00:01:01.)

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use md4::{Digest, Md4};
use md5::Md5;
use rustls::crypto::ring;
use secrecy::ExposeSecret;

use super::User;

/// What every NTLM message begins with (§2.2.1).
const SIGNATURE: &[u8] = b"NTLMSSP\0";
/// `NTLMSSP_NEGOTIATE_UNICODE` (§2.2.2.5, bit A).
const UNICODE: u32 = 1;
/// What we answer with, whatever is asked for: Unicode, a target that is a server, NTLM, extended session security, target
/// information, a version. Sessions that are signed, sealed or have a key of their own are not for HTTP.
const FLAGS: u32 =
    UNICODE | 0x0000_0004 | 0x0000_0200 | 0x0002_0000 | 0x0008_0000 | 0x0080_0000 | 0x0200_0000;
/// What we answer with where it is asked for: always sign, 128 and 56 bits.
const FLAGS_IF_ASKED: u32 = 0x0000_8000 | 0x2000_0000 | 0x8000_0000;
/// `VERSION` (§2.2.2.10): that of a Windows Server 2019, and NTLMSSP_REVISION_W2K3.
const VERSION: [u8; 8] = [10, 0, 0x63, 0x45, 0, 0, 0, 15];
/// What the server calls itself.
const NAME: &str = "SIMULATOR";

/// `AV_PAIR`s (§2.2.2.1).
const END: u16 = 0;
const COMPUTER: u16 = 1;
const DOMAIN: u16 = 2;
const AV_FLAGS: u16 = 6;
const TIMESTAMP: u16 = 7;
const CHANNEL_BINDINGS: u16 = 10;

/// Where an `AUTHENTICATE_MESSAGE` that has an integrity code has it (§2.2.1.3).
const CODE: std::ops::Range<usize> = 72..88;

/// A sign-in under way: the challenge is out.
pub(super) struct Handshake {
    negotiate: Vec<u8>,
    challenge: Vec<u8>,
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
    /// Answers a negotiate message (Type 1) with the challenge (Type 2) to send back; `None` where it is none.
    pub(super) fn challenge(negotiate: &[u8]) -> Option<(Self, Vec<u8>)> {
        if message_type(negotiate)? != 1 {
            return None;
        }
        // NEGOTIATE_MESSAGE.NegotiateFlags (§2.2.1.1). curl asks for OEM alone, yet speaks Unicode as the challenge does.
        let asked = u32::from_le_bytes(*negotiate.get(12..)?.first_chunk()?);
        let mut server_challenge = [0; 8];
        ring::default_provider().secure_random.fill(&mut server_challenge).ok()?;
        let name = utf16_bytes(NAME);
        let information = [
            pair(DOMAIN, &name),
            pair(COMPUTER, &name),
            pair(TIMESTAMP, &file_time(SystemTime::now())?.to_le_bytes()),
            pair(END, &[]),
        ]
        .concat();
        // CHALLENGE_MESSAGE (§2.2.1.2): the fixed part takes 56 bytes.
        let challenge = [
            SIGNATURE,
            &2_u32.to_le_bytes(),
            &field(name.len(), 56),
            &(FLAGS | asked & FLAGS_IF_ASKED).to_le_bytes(),
            &server_challenge,
            &[0; 8],
            &field(information.len(), 56 + name.len()),
            &VERSION,
            &name,
            &information,
        ]
        .concat();
        let handshake =
            Self { negotiate: negotiate.to_vec(), challenge: challenge.clone(), server_challenge };
        Some((handshake, challenge))
    }

    /// Checks an authenticate message (Type 3) and gives whose it is.
    pub(super) fn verify<'a>(
        self,
        authenticate: &[u8],
        users: &'a [User],
        bindings: &Bindings,
    ) -> Result<&'a User, Refused> {
        let message = Authenticate::read(authenticate).ok_or(Refused { user: String::new() })?;
        let refused = || Refused { user: message.claimed() };
        let user = users.iter().find(|user| message.is_of(&user.name)).ok_or_else(refused)?;
        let is_right = message.key(user.password.expose_secret()).is_some_and(|key| {
            message.proves(&key, self.server_challenge)
                && message.fits(bindings)
                && message.is_intact(&key, &[&self.negotiate, &self.challenge], authenticate)
        });
        if is_right { Ok(user) } else { Err(refused()) }
    }
}

/// An `AV_PAIR`: what it is, how long it is, itself.
fn pair(id: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap_or_default();
    [&id.to_le_bytes(), length.to_le_bytes().as_slice(), value].concat()
}

/// A field of a message: its length, the space for it, its offset (§2.2.1.2).
fn field(length: usize, offset: usize) -> [u8; 8] {
    let [a, b] = u16::try_from(length).unwrap_or_default().to_le_bytes();
    let [c, d, e, f] = u32::try_from(offset).unwrap_or_default().to_le_bytes();
    [a, b, a, b, c, d, e, f]
}

/// A FILETIME (§2.3.1): units of 100 ns since 1601 in UTC.
fn file_time(at: SystemTime) -> Option<u64> {
    const TO_1970_SECONDS: u64 = 11_644_473_600;
    let since_1970 = at.duration_since(UNIX_EPOCH).ok()?;
    let ticks = (since_1970.as_secs() + TO_1970_SECONDS).checked_mul(10_000_000)?;
    Some(ticks + u64::from(since_1970.subsec_nanos() / 100))
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

    /// `NTOWFv2` (§3.3.2): the user's name in capitals, the domain as it was sent.
    fn key(&self, password: &str) -> Option<[u8; 16]> {
        let name = [utf16_bytes(&self.user.to_uppercase()), utf16_bytes(&self.domain)].concat();
        hmac_md5(&Md4::digest(utf16_bytes(password)), &name)
    }

    /// NTLM v2 authentication (§3.3.2): the proof is
    /// `HMAC_MD5(NTOWFv2, ServerChallenge ‖ NTLMv2_CLIENT_CHALLENGE)`.
    fn proves(&self, key: &[u8], server_challenge: [u8; 8]) -> bool {
        hmac_md5(key, &[&server_challenge, self.client_challenge.as_slice()].concat())
            .is_some_and(|proof| proof == self.proof)
    }

    /// Whether the integrity code over the `earlier` messages and this one ties (§3.2.5.1.2), where it says that it has one.
    /// Its key is the session's, `HMAC_MD5(NTOWFv2, proof)`: no other is exchanged.
    fn is_intact(&self, key: &[u8], earlier: &[&[u8]; 2], authenticate: &[u8]) -> bool {
        const HAS_CODE: u8 = 2;
        if self.pair(AV_FLAGS).and_then(<[u8]>::first).is_none_or(|flags| flags & HAS_CODE == 0) {
            return true;
        }
        let mut blank = authenticate.to_vec();
        let Some(code) = blank.get_mut(CODE) else { return false };
        let given = code.to_vec();
        code.fill(0);
        hmac_md5(key, &self.proof)
            .and_then(|key| hmac_md5(&key, &[earlier.concat(), blank].concat()))
            .is_some_and(|code| code == *given)
    }

    /// Whether it is bound to the channel: all zeros, and nothing at all, mean that it is not.
    fn fits(&self, bindings: &Bindings) -> bool {
        let given = self.pair(CHANNEL_BINDINGS).filter(|value| value.iter().any(|byte| *byte != 0));
        match (given, &bindings.token) {
            (None, _) => !bindings.required,
            (Some(_), None) => true,
            (Some(given), Some(token)) => {
                // MD5 over a gss_channel_bindings_struct without addresses (§3.1.5.1.2, RFC 2744 §3.11).
                let length = u32::try_from(token.len()).unwrap_or_default().to_le_bytes();
                *given == *Md5::digest([&[0; 16], length.as_slice(), token].concat())
            }
        }
    }

    /// What the client says of itself (§2.2.2.1).
    fn pair(&self, wanted: u16) -> Option<&[u8]> {
        let mut rest = self.client_challenge.get(28..)?;
        while let Some((&[id, id_high, length, length_high], tail)) = rest.split_first_chunk() {
            let (value, tail) =
                tail.split_at_checked(usize::from(u16::from_le_bytes([length, length_high])))?;
            match u16::from_le_bytes([id, id_high]) {
                id if id == wanted => return Some(value),
                END => return None,
                _ => rest = tail,
            }
        }
        None
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
        assert!(message.proves(&message.key("Password").unwrap(), server_challenge));
        assert!(!message.proves(&message.key("password").unwrap(), server_challenge));
        assert!(message.pair(CHANNEL_BINDINGS).is_none() && message.pair(DOMAIN).is_some());
    }

    fn negotiate() -> Vec<u8> {
        // curl's flags: OEM, target, NTLM, always sign, extended session security.
        [SIGNATURE, &1u32.to_le_bytes(), &0x0008_8206u32.to_le_bytes(), &[0; 16]].concat()
    }

    /// An authenticate message that an integrity code has room in, and the key of that.
    fn type3(user: &str, password: &str, server_challenge: [u8; 8], av_pairs: &[u8]) -> (Vec<u8>, [u8; 16]) {
        let client_challenge = [&[1, 1], [0; 26].as_slice(), av_pairs, &[0; 8]].concat();
        let name = utf16_bytes(&user.to_uppercase());
        let key = hmac_md5(&Md4::digest(utf16_bytes(password)), &name).unwrap();
        let proof = hmac_md5(&key, &[&server_challenge, client_challenge.as_slice()].concat()).unwrap();
        let response = [proof.as_slice(), &client_challenge].concat();
        let user = utf16_bytes(user);
        let empty = field(0, 88);
        // Flags: Unicode, NTLM, target information.
        let flags = 0x0080_0201u32.to_le_bytes();
        let response_field = field(response.len(), 88 + user.len());
        let fields = [empty, response_field, empty, field(user.len(), 88), empty, empty].concat();
        let head = [SIGNATURE, &3u32.to_le_bytes(), &fields, &flags, &[0; 24]].concat();
        ([head, user, response].concat(), hmac_md5(&key, &proof).unwrap())
    }

    #[test]
    fn without_an_integrity_code_the_password_still_counts() {
        let users = [("CORP\\svc", "right"), ("CORP\\other", "theirs")]
            .map(|(name, password)| User { name: name.into(), password: password.to_owned().into() });
        let attempt = |user: &str, password: &str, av_pairs: &[u8], bindings: &Bindings| {
            let (handshake, _) = Handshake::challenge(&negotiate()).unwrap();
            let (message, _) = type3(user, password, handshake.server_challenge, av_pairs);
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
        let others = pair(CHANNEL_BINDINGS, &[7; 16]);
        assert!(attempt("svc", "right", &others, &bound).is_err());
        assert!(attempt("svc", "right", &others, &Bindings { required: false, ..bound }).is_err());
    }

    #[test]
    fn an_integrity_code_covers_every_byte_of_the_three_messages() {
        let users = [User { name: "svc".into(), password: "right".to_owned().into() }];
        // In which message a byte is changed after the code was made.
        for changed in [None, Some(0), Some(1), Some(2)] {
            let (mut handshake, mut challenge) = Handshake::challenge(&negotiate()).unwrap();
            let mut first = negotiate();
            let (mut message, key) =
                type3("svc", "right", handshake.server_challenge, &pair(AV_FLAGS, &[2, 0, 0, 0]));
            let code = hmac_md5(&key, &[first.as_slice(), &challenge, &message].concat()).unwrap();
            message.get_mut(CODE).unwrap().copy_from_slice(&code);
            match changed {
                Some(0) => *first.last_mut().unwrap() ^= 1,
                Some(1) => *challenge.last_mut().unwrap() ^= 1,
                // The version, which nothing else depends on.
                Some(_) => *message.get_mut(64).unwrap() ^= 1,
                None => {}
            }
            (handshake.negotiate, handshake.challenge) = (first, challenge);
            let verified = handshake.verify(&message, &users, &Bindings::default());
            assert_eq!(verified.is_ok(), changed.is_none(), "{changed:?}");
        }
    }

    #[test]
    fn times_are_counted_from_the_first_day_of_1601() {
        assert_eq!(file_time(UNIX_EPOCH), Some(116_444_736_000_000_000));
        let later = UNIX_EPOCH + std::time::Duration::new(1, 200);
        assert_eq!(file_time(later), Some(116_444_736_010_000_002));
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
            assert!(Handshake::challenge(message.get(..length).unwrap()).is_none());
        }
        message.fill(0);
        assert!(Handshake::challenge(&message).is_none());
    }
}
