//! The parts of a pass's key: a role, an attribute, or a calendar function of a time.

use crate::fault::{self, Fault, Kind, Result};
use crate::matching::KeyPart;
use crate::normalise::{Fields, Role};
use crate::period::{Calendar, Part, TimeOfDay};

/// The functions as they are written; what a reader of the message would copy.
const FUNCTIONS: [&str; 7] = [
    "day(start)",
    "month(start)",
    "hour(start)",
    "quarter_hour(start)",
    "gas_day(start, \"09:00\")",
    "hour_ending(start)",
    "hour_ending(end)",
];

/// Reads one part of the key of the pass at `at`; what it reads of an entry is added to `keyed`.
pub(super) fn part(text: &str, at: &str, fields: &mut Fields, keyed: &mut Vec<String>) -> Result<KeyPart> {
    let fault = |what: &str| Fault::new(Kind::Configuration, what).at(at).value(text);
    if let Some((function, arguments)) = text.strip_suffix(')').and_then(|call| call.split_once('(')) {
        let arguments: Vec<&str> = arguments.split(',').map(str::trim).collect();
        let calendar = match (function.trim(), arguments.as_slice()) {
            ("day", ["start"]) => Calendar::Day,
            ("month", ["start"]) => Calendar::Month,
            ("hour", ["start"]) => Calendar::Hour,
            ("quarter_hour", ["start"]) => Calendar::QuarterHour,
            ("hour_ending", ["start"]) => Calendar::HourEndingOfStart,
            ("hour_ending", ["end"]) => Calendar::HourEndingOfEnd,
            ("gas_day", ["start", begin]) => {
                let begin = begin.trim_matches(['"', '\'']);
                Calendar::GasDay(TimeOfDay::parse(begin).ok_or_else(|| {
                    fault("this is not the time at which a gas day begins")
                        .expected("a local time from 00:00 to 23:59, as in gas_day(start, \"09:00\")")
                })?)
            }
            ("gas_day", ["start"]) => {
                return Err(
                    fault("nothing says when the gas day begins").expected("gas_day(start, \"09:00\")")
                );
            }
            (name, _) => {
                let fault = fault("this is not a calendar function of a time").expected(FUNCTIONS.join(", "));
                let names = FUNCTIONS.iter().filter_map(|function| function.split('(').next());
                let near = fault::nearest(name, names).filter(|near| *near != name);
                return Err(match near {
                    Some(near) => fault.next(format!("did you mean {near}?")),
                    None => fault,
                });
            }
        };
        let edge = if calendar == Calendar::HourEndingOfEnd { Role::End } else { Role::Start };
        keyed.push(edge.name().to_owned());
        return Ok(KeyPart::Calendar(calendar));
    }
    keyed.push(text.to_owned());
    match Role::named(text) {
        Some(Role::Start) => Ok(KeyPart::Start),
        Some(Role::End) => Ok(KeyPart::End),
        _ => fields.add(text).map(KeyPart::Text).ok_or_else(|| {
            fault("a number is no key: use a [[tolerance]] for it").expected(format!(
                "document, vendor, deal, charge, location, start, end, an attribute, or one of {}",
                FUNCTIONS.join(", ")
            ))
        }),
    }
}

/// Refuses what would be read as an attribute, but says how the files write an interval.
pub(super) fn check(fields: &Fields) -> Result<()> {
    let names = fields.all().map(|field| fields.name(field));
    match names.filter_map(Part::beside).next() {
        None => Ok(()),
        Some(part) => Err(Fault::new(
            Kind::Configuration,
            "this column says when a delivery is; it is compared as start and end",
        )
        .at("[[pass]], [[tolerance]]")
        .value(part.name())
        .expected("start, end, or hour_ending(start)")),
    }
}
