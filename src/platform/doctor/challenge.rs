//! What a server says of itself in an NTLM CHALLENGE_MESSAGE (MS-NLMP §2.2.1.2).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::fault::shown;

/// Our NEGOTIATE_MESSAGE (§2.2.1.1): no domain, no workstation, no version. It names nobody and
/// proves nothing, so that it cannot count as an attempt to sign in.
pub(super) const NEGOTIATE: &[u8; 40] = b"NTLMSSP\0\x01\0\0\0\
    \x07\x82\x08\xa2\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
    \0\0\0\0\0\0\0\x0f";

/// The same as the first token of SPNEGO (RFC 4178 §4.2.1, `NegTokenInit`), with NTLM as the only mechanism.
pub(super) fn wrapped() -> Vec<u8> {
    // Lengths count from the inside out: 40 of the message, and the tags around it.
    const HEAD: &[u8; 34] = b"\x60\x48\x06\x06\x2b\x06\x01\x05\x05\x02\xa0\x3e\x30\x3c\
        \xa0\x0e\x30\x0c\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a\
        \xa2\x2a\x04\x28";
    [HEAD.as_slice(), NEGOTIATE].concat()
}

/// Flags of `NegotiateFlags` (§2.2.2.5) that decide how a sign-in goes.
const FLAGS: [(u32, &str); 8] = [
    (0x0000_0200, "NTLM"),
    (0x0008_0000, "extended session security"),
    (0x0080_0000, "target information"),
    (0x0000_0001, "Unicode"),
    (0x0000_8000, "always sign"),
    (0x4000_0000, "key exchange"),
    (0x2000_0000, "128 bit"),
    (0x8000_0000, "56 bit"),
];
const UNICODE: u32 = 1;
const TARGET_IS_DOMAIN: u32 = 0x0001_0000;
const TARGET_IS_SERVER: u32 = 0x0002_0000;
const EXTENDED_SECURITY: u32 = 0x0008_0000;
const TARGET_INFO: u32 = 0x0080_0000;
const VERSION: u32 = 0x0200_0000;

/// A challenge, read as far as it says something about the server.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Challenge {
    flags: u32,
    target: String,
    /// The texts of the target information, in its order, with what they are.
    names: Vec<(&'static str, String)>,
    /// `MsvAvTimestamp`: the server's clock.
    time: Option<SystemTime>,
    /// Major, minor and build of the server's Windows, or of what it takes itself for.
    version: Option<(u8, u8, u16)>,
}

impl Challenge {
    /// Reads a challenge, raw or wrapped in SPNEGO (RFC 4178), whose `responseToken` holds it whole.
    pub(super) fn read(token: &[u8]) -> Option<Self> {
        let start = token.windows(12).position(|part| part == b"NTLMSSP\0\x02\0\0\0")?;
        let message = token.get(start..)?;
        let flags = u32::from_le_bytes(*message.get(20..)?.first_chunk()?);
        let text = |bytes: &[u8], is_wide: bool| {
            let (units, _) = bytes.as_chunks();
            let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
            let text = if is_wide {
                String::from_utf16_lossy(&units)
            } else {
                String::from_utf8_lossy(bytes).into()
            };
            shown(&text)
        };
        let mut challenge =
            Self { flags, target: text(payload(message, 12)?, flags & UNICODE != 0), ..Self::default() };
        if flags & TARGET_INFO != 0 {
            let mut pairs = payload(message, 40)?;
            // AV_PAIRs (§2.2.2.1) up to MsvAvEOL; their texts are always Unicode.
            while let Some((&[a, b, c, d], rest)) = pairs.split_first_chunk() {
                let id = u16::from_le_bytes([a, b]);
                let (value, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([c, d])))?;
                pairs = rest;
                let name = match id {
                    0 => break,
                    1 => "computer",
                    2 => "domain",
                    3 => "DNS computer",
                    4 => "DNS domain",
                    5 => "DNS forest",
                    7 => {
                        challenge.time = value.first_chunk().and_then(|ticks| file_time(*ticks));
                        continue;
                    }
                    _ => continue,
                };
                if !value.is_empty() {
                    challenge.names.push((name, text(value, true)));
                }
            }
        }
        if flags & VERSION != 0
            && let Some(&[major, minor, low, high]) = message.get(48..).and_then(<[u8]>::first_chunk)
        {
            challenge.version = Some((major, minor, u16::from_le_bytes([low, high])));
        }
        Some(challenge)
    }

    /// Seconds that the server's clock is ahead of `now`.
    pub(super) fn ahead_seconds(&self, now: SystemTime) -> Option<i64> {
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        Some(match self.time?.duration_since(now) {
            Ok(ahead) => seconds(ahead),
            Err(behind) => -seconds(behind.duration()),
        })
    }

    /// Whether NTLMv2 can be spoken at all: it is made of these two.
    pub(super) fn lacks(&self) -> Vec<&'static str> {
        let needed = [(EXTENDED_SECURITY, "extended session security"), (TARGET_INFO, "target information")];
        needed.into_iter().filter(|(flag, _)| self.flags & flag == 0).map(|(_, name)| name).collect()
    }

    /// Whether the server tells its time, which a message integrity code needs (§3.1.5.1.2).
    pub(super) fn has_time(&self) -> bool {
        self.time.is_some()
    }

    /// Everything but the clock, line by line.
    pub(super) fn describe(&self) -> String {
        let role = match self.flags & (TARGET_IS_DOMAIN | TARGET_IS_SERVER) {
            TARGET_IS_DOMAIN => " (a domain)",
            TARGET_IS_SERVER => " (a server without a domain)",
            _ => "",
        };
        let target = if self.target.is_empty() { "not named" } else { &self.target };
        let mut lines = vec![format!("target {target}{role}")];
        if !self.names.is_empty() {
            let names: Vec<String> = self.names.iter().map(|(what, name)| format!("{what} {name}")).collect();
            lines.push(names.join(", "));
        }
        if let Some((major, minor, build)) = self.version.filter(|version| *version != (0, 0, 0)) {
            lines.push(format!("Windows version {major}.{minor}, build {build}"));
        }
        let flags: Vec<&str> =
            FLAGS.iter().filter(|(flag, _)| self.flags & flag != 0).map(|(_, name)| *name).collect();
        lines.push(format!("flags 0x{:08x}: {}", self.flags, flags.join(", ")));
        lines.join("\n")
    }
}

/// What the length and offset at `at` point to (§2.2.1.2: `TargetNameFields`, `TargetInfoFields`).
fn payload(message: &[u8], at: usize) -> Option<&[u8]> {
    let &[a, b, _, _, c, d, e, f] = message.get(at..)?.first_chunk()?;
    let offset = usize::try_from(u32::from_le_bytes([c, d, e, f])).ok()?;
    let length = usize::from(u16::from_le_bytes([a, b]));
    if length == 0 { Some(&[]) } else { message.get(offset..offset.checked_add(length)?) }
}

/// A FILETIME (§2.3.1): units of 100 ns since 1601 in UTC.
fn file_time(ticks: [u8; 8]) -> Option<SystemTime> {
    const TO_1970_SECONDS: u64 = 11_644_473_600;
    let ticks = u64::from_le_bytes(ticks);
    let since_1970 =
        Duration::from_secs(ticks / 10_000_000).checked_sub(Duration::from_secs(TO_1970_SECONDS))?;
    UNIX_EPOCH.checked_add(since_1970)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;

    use super::*;

    /// The challenge of a real Apache with gss-ntlmssp.
    const APACHE: &str = "TlRMTVNTUAACAAAABwAHADgAAAAGgooCgNN5guIahsMAAAAAAAAAAEwATAA/AAAABgIAAAAAAA9QTEFUU1JWAQAOAFAATABBAFQAUwBSAFYAAgAWAFcATwBSAEsAUwBUAEEAVABJAE8ATgADAAQAdgBtAAYABAAAAAAABwAIAPqMWyNaet0BAAAAAA==";

    #[test]
    fn a_real_challenge_is_read_raw_and_wrapped() {
        let raw = BASE64.decode(APACHE).unwrap();
        let challenge = Challenge::read(&raw).unwrap();
        assert_eq!(challenge.target, "PLATSRV");
        assert_eq!(
            challenge.names,
            [
                ("computer", "PLATSRV".to_owned()),
                ("domain", "WORKSTATION".to_owned()),
                ("DNS computer", "vm".to_owned())
            ]
        );
        let then = challenge.time.unwrap();
        assert_eq!(challenge.ahead_seconds(then + Duration::from_secs(90)), Some(-90));
        assert_eq!(challenge.ahead_seconds(then - Duration::from_secs(7)), Some(7));
        assert!(challenge.lacks().is_empty() && challenge.has_time());
        let text = challenge.describe();
        assert!(text.starts_with("target PLATSRV (a server without a domain)\n"), "{text}");
        assert!(text.contains("flags 0x028a8206: NTLM, extended session security"), "{text}");
        let wrapped = [b"\xa1\x81\x99\x30\x81\x96".as_slice(), &raw].concat();
        assert_eq!(Challenge::read(&wrapped).unwrap(), challenge);
    }

    #[test]
    fn the_wrapping_is_as_long_as_it_says() {
        let token = wrapped();
        for (at, follows) in [(1, 2), (11, 12), (13, 14), (31, 32), (33, 34)] {
            assert_eq!(usize::from(*token.get(at).unwrap()), token.len() - follows, "byte {at}");
        }
    }

    #[test]
    fn broken_challenges_are_refused_or_read_without_a_panic() {
        let raw = BASE64.decode(APACHE).unwrap();
        for end in 0..raw.len() {
            let _ = Challenge::read(raw.get(..end).unwrap());
            let mut bytes = raw.clone();
            if let Some(byte) = bytes.get_mut(end) {
                *byte ^= 0xff;
            }
            if let Some(challenge) = Challenge::read(&bytes) {
                let _ = (challenge.describe(), challenge.ahead_seconds(SystemTime::now()));
            }
        }
        assert_eq!(Challenge::read(b""), None);
    }
}
