//! The text of a workbook's cell.

use std::fmt::Write as _;

use calamine::{DataType, ExcelDateTime};

use super::Mark;

/// The serial number after 9999-12-31, the last day that Excel knows.
const AFTER_LAST_DAY: f64 = 2_958_466.0;

/// Writes the text of `cell` to `out` and says what it is. Whole workbooks and streamed ones have
/// different cell types; both are a [`DataType`].
pub(super) fn write(cell: &impl DataType, out: &mut String) -> Mark {
    if let Some(text) = cell.get_string() {
        out.push_str(text);
    } else if let Some(number) = cell.get_float() {
        return write_number(number, out);
    } else if let Some(number) = cell.get_int() {
        let _ = write!(out, "{number}");
        return Mark::Double;
    } else if let Some(moment) = cell.get_datetime() {
        return write_moment(moment, out);
    } else if let Some(text) = cell.get_datetime_iso() {
        // OpenDocument and strict workbooks write dates out; midnight means no time of day, as in a
        // serial number.
        let whole_day =
            text.split_once('T').filter(|(_, time)| time.chars().all(|c| matches!(c, '0' | ':' | '.')));
        out.push_str(whole_day.map_or(text, |(day, _)| day));
        return Mark::Date;
    } else if let Some(text) = cell.get_duration_iso() {
        write_iso_duration(text, out);
    } else if let Some(truth) = cell.get_bool() {
        out.push_str(if truth { "TRUE" } else { "FALSE" });
    } else if let Some(error) = cell.get_error() {
        let _ = write!(out, "{error}");
        return Mark::Error;
    }
    Mark::Text
}

/// The shortest decimal that reads back as `number`: plain notation, never an exponent.
fn write_number(number: f64, out: &mut String) -> Mark {
    if !number.is_finite() {
        let _ = write!(out, "{number}");
        return Mark::Error;
    }
    // Minus nought is a trick of binary arithmetic, not something that anyone billed.
    let number = if number == 0.0 { 0.0 } else { number };
    let _ = write!(out, "{number}");
    Mark::Double
}

fn write_moment(moment: ExcelDateTime, out: &mut String) -> Mark {
    let serial = moment.as_f64();
    if moment.is_duration() {
        write_duration(serial, out);
        return Mark::Text;
    }
    if !(0.0..AFTER_LAST_DAY).contains(&serial) {
        // Excel shows such a date as ####: it is no date, so the number stands for itself.
        return write_number(serial, out);
    }
    let (year, month, day, hour, minute, second, milli) = moment.to_ymd_hms_milli();
    let clock = (hour, minute, second, milli) != (0, 0, 0, 0);
    // A serial number below one is a time of day without a day.
    let dated = serial >= 1.0;
    if dated {
        let _ = write!(out, "{year:04}-{month:02}-{day:02}");
        if clock {
            out.push('T');
        }
    }
    if clock || !dated {
        let _ = write!(out, "{hour:02}:{minute:02}:{second:02}");
        if milli != 0 {
            let _ = write!(out, ".{milli:03}");
        }
    }
    if dated { Mark::Date } else { Mark::Text }
}

/// A span of `days` as `36:00:00`, to the millisecond.
#[expect(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    reason = "a workbook stores spans as fractions of a day; the cast saturates"
)]
fn write_duration(days: f64, out: &mut String) {
    let millis = (days * 86_400_000.0).round() as i64;
    let sign = if millis < 0 { "-" } else { "" };
    let millis = millis.unsigned_abs();
    let (hours, minutes, seconds) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
    let _ = write!(out, "{sign}{hours}:{minutes:02}:{seconds:02}");
    if !millis.is_multiple_of(1000) {
        let _ = write!(out, ".{:03}", millis % 1000);
    }
}

/// `PT36H00M00S` as `36:00:00`; anything else as it stands.
fn write_iso_duration(text: &str, out: &mut String) {
    let parts = || {
        let (hours, rest) = text.strip_prefix("PT")?.split_once('H')?;
        let (minutes, rest) = rest.split_once('M')?;
        let seconds = rest.strip_suffix('S')?;
        let hours: u64 = hours.parse().ok()?;
        Some((hours, minutes, seconds.trim_end_matches('0').strip_suffix('.').unwrap_or(seconds)))
    };
    match parts() {
        Some((hours, minutes, seconds)) => {
            let _ = write!(out, "{hours}:{minutes}:{seconds}");
        }
        None => out.push_str(text),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use calamine::{Data, ExcelDateTimeType};

    use super::*;

    fn text(cell: &Data) -> (String, Mark) {
        let mut out = String::new();
        let mark = write(cell, &mut out);
        (out, mark)
    }

    #[test]
    fn numbers_are_the_shortest_plain_decimal() {
        for (number, expected) in [
            ("86.593999999999994".parse().unwrap(), "86.594"),
            (4.524_999_999_999_999_5, "4.5249999999999995"),
            (-0.0, "0"),
            (1e21, "1000000000000000000000"),
            (1.5e-7, "0.00000015"),
            (-12.0, "-12"),
        ] {
            assert_eq!(text(&Data::Float(number)), (expected.to_owned(), Mark::Double));
        }
        assert_eq!(text(&Data::Float(f64::NAN)).1, Mark::Error);
    }

    #[test]
    fn moments_honour_the_epoch_the_false_leap_year_and_the_clock() {
        let moment = |serial, is_1904| {
            text(&Data::DateTime(ExcelDateTime::new(serial, ExcelDateTimeType::DateTime, is_1904)))
        };
        let date = |expected: &str| (expected.to_owned(), Mark::Date);
        assert_eq!(moment(1.0, false), date("1900-01-01"));
        assert_eq!(moment(59.0, false), date("1900-02-28"));
        assert_eq!(moment(61.0, false), date("1900-03-01"));
        assert_eq!(moment(36_739.0, false), date("2000-08-01"));
        assert_eq!(moment(36_739.0 - 1462.0, true), date("2000-08-01"));
        assert_eq!(moment(2_958_465.0, false), date("9999-12-31"));
        assert_eq!(moment(36_739.0 + 7.0 / 24.0, false), date("2000-08-01T07:00:00"));
        assert_eq!(moment(36_739.999_999_999, false), date("2000-08-02"));
        assert_eq!(moment(36_739.000_005_787, false), date("2000-08-01T00:00:00.500"));
        assert_eq!(moment(0.5, false), ("12:00:00".to_owned(), Mark::Text));
        assert_eq!(moment(-3.0, false), ("-3".to_owned(), Mark::Double));
    }

    #[test]
    fn durations_are_hours_minutes_and_seconds() {
        let span =
            |days| text(&Data::DateTime(ExcelDateTime::new(days, ExcelDateTimeType::TimeDelta, false))).0;
        assert_eq!(span(1.5), "36:00:00");
        assert_eq!(span(-1.0 / 24.0), "-1:00:00");
        assert_eq!(text(&Data::DurationIso("PT36H00M00S".to_owned())).0, "36:00:00");
        assert_eq!(text(&Data::DateTimeIso("2000-08-01T00:00:00".to_owned())).0, "2000-08-01");
    }
}
