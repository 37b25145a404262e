//! SPNEGO (RFC 4178 §4.2) around NTLM's messages, as far as one mechanism needs it: the message is taken out of the
//! client's token, and the challenge is put into one. The client's signature of the list of mechanisms is not looked at.

use super::tls::der;

/// `NegTokenInit` inside GSS-API's frame (RFC 2743 §3.1): `[APPLICATION 0]`.
const INIT: u8 = 0x60;
/// `NegTokenResp`: `[1]` of the choice (§4.2).
const RESPONSE: u8 = 0xa1;
const SEQUENCE: u8 = 0x30;
/// `mechToken` of the one, `responseToken` of the other: `[2]`, and an OCTET STRING in it.
const TOKEN: u8 = 0xa2;
/// 1.3.6.1.4.1.311.2.2.10, NTLMSSP ([MS-SPNG] §1.9).
const NTLMSSP: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x02, 0x0a];

/// The mechanism's message in a token of the client.
pub(super) fn message(token: &[u8]) -> Option<&[u8]> {
    let (mut content, _) = der(token)?;
    match *token.first()? {
        INIT => {
            // Behind the object identifier of SPNEGO: the choice of §4.2.
            let (_spnego, choice) = der(content)?;
            content = der(choice)?.0;
        }
        RESPONSE => {}
        _ => return None,
    }
    let (mut fields, _) = der(content)?;
    while let Some(&tag) = fields.first() {
        let (field, rest) = der(fields)?;
        if tag == TOKEN {
            return der(field).map(|(message, _)| message);
        }
        fields = rest;
    }
    None
}

/// A `NegTokenResp` (§4.2.2) that goes on with `challenge`.
pub(super) fn go_on(challenge: &[u8]) -> Vec<u8> {
    let accept_incomplete = tagged(0x0a, &[1]);
    let fields = [
        tagged(0xa0, &accept_incomplete),
        tagged(0xa1, &tagged(0x06, NTLMSSP)),
        tagged(TOKEN, &tagged(0x04, challenge)),
    ];
    tagged(RESPONSE, &tagged(SEQUENCE, &fields.concat()))
}

/// A DER element (X.690 §8.1).
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits: Vec<u8> = length.into_iter().skip_while(|digit| *digit == 0).collect();
    let length = match digits.as_slice() {
        [] => vec![0],
        [short @ ..0x80] => vec![*short],
        // At most eight digits.
        _ => [&[0x80 | u8::try_from(digits.len()).unwrap_or_default()], digits.as_slice()].concat(),
    };
    [&[tag], length.as_slice(), content].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_out_as_it_went_in() {
        for length in [0, 5, 200, 70_000] {
            let challenge = vec![7; length];
            let token = go_on(&challenge);
            assert_eq!(message(&token), Some(challenge.as_slice()));
            for end in 0..token.len().min(300) {
                assert_eq!(message(token.get(..end).unwrap_or_default()), None);
            }
        }
        assert_eq!(message(b"NTLMSSP\0"), None);
    }
}
