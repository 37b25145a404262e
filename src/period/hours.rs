//! The ways in which files call the hours of a day: `2`, `HE 02`, `02:00`, `24`, and the one that comes twice: `02X`, `2*`, `2B`.

use super::local::{Beside, Turn};
use super::text::{number, season};

/// An hour as it is called, and what says which of two it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hour {
    pub(super) number: i8,
    pub(super) beside: Option<Beside>,
}

/// Reads the name of an hour, 0 to 25.
pub(super) fn hour(text: &str) -> Result<Hour, String> {
    let wrong = || format!("{text} is not an hour");
    let text = text.trim();
    let head =
        text.trim_start_matches(|c: char| c.is_ascii_alphabetic() || matches!(c, ' ' | '_' | '-' | '.'));
    let word = text.get(..text.len() - head.len()).unwrap_or_default();
    let word: String = word.chars().filter(char::is_ascii_alphabetic).collect();
    if !["", "h", "hr", "he", "hb", "hour", "hourending", "hourbeginning"]
        .contains(&&*word.to_ascii_lowercase())
    {
        return Err(wrong());
    }
    let behind = head.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':');
    let digits = head.get(..head.len() - behind.len()).unwrap_or_default();
    let hours = match digits.split_once(':') {
        Some((hours, rest)) if !rest.is_empty() && rest.split(':').all(|part| part == "00") => hours,
        Some(_) => return Err(wrong()),
        None if digits.len() == 4 => digits.strip_suffix("00").ok_or_else(wrong)?,
        None => digits,
    };
    let number = number(hours).filter(|_| hours.len() <= 2).and_then(|n| i8::try_from(n).ok());
    let number = number
        .filter(|number| (0..=25).contains(number))
        .ok_or_else(|| format!("there is no hour {text}"))?;
    let beside = match behind.trim() {
        "" => None,
        "*" | "X" | "x" | "B" | "b" => Some(Beside::Turn(Turn::Second)),
        "A" | "a" => Some(Beside::Turn(Turn::First)),
        word => Some(season(word).ok_or_else(wrong)?),
    };
    Ok(Hour { number, beside })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn hours_by_the_names_that_markets_use() {
        let (first, second) = (Some(Beside::Turn(Turn::First)), Some(Beside::Turn(Turn::Second)));
        let season = |daylight| Some(Beside::Daylight(daylight));
        for (text, number, beside) in [
            ("2", 2, None),
            ("02", 2, None),
            ("24", 24, None),
            ("25", 25, None),
            ("HE 02", 2, None),
            ("HE02", 2, None),
            ("Hour Ending 2", 2, None),
            ("hour_ending_2", 2, None),
            ("Hour3", 3, None),
            ("01:00", 1, None),
            ("24:00:00", 24, None),
            ("0200", 2, None),
            ("02X", 2, second.clone()),
            ("2*", 2, second.clone()),
            ("02*", 2, second.clone()),
            ("2A", 2, first),
            ("2B", 2, second),
            ("HE 02 DST", 2, season(true)),
            ("02AD", 2, season(true)),
            ("02AS", 2, season(false)),
            ("02 CDT", 2, Some(Beside::Named("CDT".to_owned()))),
        ] {
            assert_eq!(hour(text).unwrap(), Hour { number, beside }, "{text}");
        }
        for text in ["", "26", "HE", "2C", "two", "02:30", "0230", "-1 h 2", "2 *x", "9999999999", "h:00"] {
            assert!(hour(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_an_hour_or_refused(text in "[HhEe0-9 :*XAB]{0,8}|.{0,8}") {
            let _ = hour(&text);
        }
    }
}
