//! Sizes as people write them.

use crate::fault::{Fault, Kind, Result};

/// Bytes of `text`, such as `64MiB`, at the key `place`.
///
/// # Errors
/// [`Kind::Configuration`] where it is none, or nothing.
pub(super) fn bytes(text: &str, place: &str) -> Result<u64> {
    const UNITS: [(&str, u32); 3] = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let (number, shift) = UNITS
        .iter()
        .find_map(|(unit, shift)| text.strip_suffix(unit).map(|number| (number, *shift)))
        .unwrap_or((text, 0));
    // Not what else `parse` takes, such as a sign.
    let digits = Some(number.trim()).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse::<u64>().ok())
        .and_then(|number| number.checked_mul(1 << shift))
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| {
            Fault::new(Kind::Configuration, "this is no size")
                .at(place)
                .value(text)
                .expected("such as 64MiB or 1GiB")
        })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_size_has_a_unit_of_its_own_or_is_in_bytes() {
        for (text, expected) in [("1", 1), ("2KiB", 2048), ("64 MiB", 64 << 20), ("1GiB", 1 << 30)] {
            assert_eq!(bytes(text, "x").unwrap(), expected, "{text}");
        }
        for text in ["", "0", "-1", "+1", "1.5MiB", "MiB", "1MB", "99999999999GiB", "1 2"] {
            assert!(bytes(text, "[serve] x").unwrap_err().to_string().starts_with("[serve] x: "), "{text}");
        }
    }
}
