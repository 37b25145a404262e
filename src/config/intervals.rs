//! How a side writes its delivery intervals; what contradicts itself is refused.

use super::file::SideFile;
use crate::fault::{Fault, Kind, Result};
use crate::normalise::{Headers, Role, Template};
use crate::period::{Intervals, Length, Part, Repeated, Skipped, TimeOfDay, Zone};

/// The columns of a side, as far as they say when a delivery is.
struct Columns<'a> {
    table: &'static str,
    file: &'a SideFile,
    /// The part that the headers of a wide row hold.
    of_headers: Option<Part>,
}

/// The zone of a side, where it has its own, and how it states intervals.
pub(super) fn checked(file: &SideFile, table: &'static str) -> Result<(Option<Zone>, Intervals)> {
    let at = |key: &str| format!("[{table}] {key}");
    let zone =
        file.time_zone.as_deref().map(Zone::named).transpose().map_err(|fault| fault.at(at("time_zone")))?;
    let length = file.interval.as_deref().map(|text| {
        Length::parse(text).ok_or_else(|| {
            Fault::new(Kind::Configuration, "this is not the length of an interval").at(at("interval")).value(text).expected(
                "\"1 hour\", \"30 minutes\", \"15 minutes\", \"5 minutes\", another part of an hour or a day, \"1 day\" or \"1 month\"",
            )
        })
    });
    let (length, gas_day) = (length.transpose()?, gas_day(file.gas_day.as_deref(), table)?);
    let columns = Columns { table, file, of_headers: wide(file, table)? };
    columns.check_parts(length, gas_day)?;
    columns.check_edges(length, gas_day)?;
    columns.check_clock(zone.as_ref())?;
    let intervals = Intervals {
        length: match length {
            None if columns.hour()?.is_some() => Some(Length::Minutes(60)),
            None if gas_day.is_some() && !columns.has(Part::End) => Some(Length::Day),
            length => length,
        },
        gas_day,
        end_date: file.end_date,
        repeated: file.repeated_hour,
        skipped: file.skipped_hour,
    };
    Ok((zone, intervals))
}

/// When gas days begin.
pub(super) fn gas_day(text: Option<&str>, table: &str) -> Result<Option<TimeOfDay>> {
    let read = text.map(|text| {
        TimeOfDay::parse(text).ok_or_else(|| {
            Fault::new(Kind::Configuration, "this is not the time at which a gas day begins")
                .at(format!("[{table}] gas_day"))
                .value(text)
                .expected("a local time from 00:00 to 23:59, such as \"09:00\"")
        })
    });
    read.transpose()
}

/// What the headers of a wide row hold, if the rows are wide.
fn wide(file: &SideFile, table: &str) -> Result<Option<Part>> {
    let fault = |what: &str, name: &str| {
        Fault::new(Kind::Configuration, what).at(format!("[{table}.columns]")).value(name)
    };
    let numbers = [Role::Quantity, Role::Price, Role::Amount].map(Role::name);
    let is_template = |header: &String| Template::of(header).is_some();
    for (name, headers) in &file.columns {
        let any = headers.names().iter().any(is_template);
        if any && !numbers.contains(&name.as_str()) {
            return Err(
                fault("only numbers have a column for each hour", name).expected("quantity, price or amount")
            );
        }
        if any && !matches!(headers, Headers::One(_)) {
            return Err(
                fault("a column for each hour stands by itself", name).expected("one header, not a list")
            );
        }
    }
    let of = |name: &str| file.columns.get(name)?.names().first().and_then(|header| Template::of(header));
    let mut parts = numbers.iter().filter_map(|name| of(name)).map(|template| template.part);
    let Some(part) = parts.next() else { return Ok(None) };
    if parts.any(|other| other != part) {
        return Err(fault("the headers of the hours are written in different ways", part.name())
            .next("write the same name in braces in each of them"));
    }
    // A price may hold for all hours; a quantity or an amount that did would be counted for each of them.
    for name in [Role::Quantity, Role::Amount].map(Role::name) {
        if file.columns.contains_key(name) && of(name).is_none() {
            return Err(fault(
                "each hour is a line of its own, but this column holds one value for the whole row",
                name,
            )
            .next("leave it out, or map a column for each hour"));
        }
    }
    Ok(Some(part))
}

impl Columns<'_> {
    fn has(&self, part: Part) -> bool {
        let name = part.name();
        let is_edge = matches!(part, Part::Start | Part::End);
        self.file.columns.contains_key(name)
            || self.of_headers == Some(part)
            || (is_edge && self.file.defaults.contains_key(name))
    }

    fn fault(&self, what: &str, key: &str) -> Fault {
        Fault::new(Kind::Configuration, what).at(format!("[{}] {key}", self.table))
    }

    /// The part that names an hour of the day, if there is one.
    fn hour(&self) -> Result<Option<Part>> {
        match [Part::HourEnding, Part::HourBeginning].map(|part| self.has(part).then_some(part)) {
            [Some(_), Some(_)] => Err(self
                .fault("the hour is stated twice, by its end and by its start", "columns")
                .next("leave one of the two out")),
            [ending, beginning] => Ok(ending.or(beginning)),
        }
    }

    /// Hours and numbers of a day.
    fn check_parts(&self, length: Option<Length>, gas_day: Option<TimeOfDay>) -> Result<()> {
        if let Some(part) = self.of_headers.filter(|part| self.file.columns.contains_key(part.name())) {
            return Err(self
                .fault("the headers of the hours say this already, and a column says it again", "columns")
                .value(part.name())
                .next("leave the column out"));
        }
        let hour = self.hour()?;
        let number = self.has(Part::IntervalNumber).then_some(Part::IntervalNumber);
        let Some(part) = hour.or(number) else { return Ok(()) };
        if !self.has(Part::Start) {
            return Err(self
                .fault("nothing says on which date the hours or intervals are", "columns")
                .expected("start = \"…\", the header of the date"));
        }
        if self.has(Part::End) {
            return Err(self
                .fault("the end follows from the hour or the number, and a column states it again", "columns")
                .value("end")
                .next(format!("leave out either end or {}", part.name())));
        }
        match (hour, number, length) {
            (None, Some(_), Some(Length::Minutes(_))) | (Some(_), None, None | Some(Length::Minutes(60))) => {
            }
            (Some(_), Some(_), Some(Length::Minutes(minutes))) if minutes < 60 => {}
            (Some(_), None, _) => {
                return Err(self
                    .fault("an hour lasts an hour", "interval")
                    .value(self.file.interval.as_deref().unwrap_or_default())
                    .next("leave interval out, or map interval_number: which interval of the hour it is"));
            }
            (_, _, None) => {
                return Err(self
                    .fault("intervals are counted, but nothing says how long one is", "interval")
                    .expected("interval = \"15 minutes\" or the like"));
            }
            _ => {
                return Err(self
                    .fault(
                        "intervals of this length cannot be counted within what they are counted in",
                        "interval",
                    )
                    .value(self.file.interval.as_deref().unwrap_or_default())
                    .expected("\"15 minutes\" or the like"));
            }
        }
        match (gas_day, hour) {
            (Some(_), Some(part)) => Err(self
                .fault("hours by the clock belong to a day that begins at midnight, not to a gas day", "gas_day")
                .value(part.name())
                .next("map the column as interval_number, with interval = \"1 hour\", where the hours of the gas day are counted; else leave gas_day out")),
            _ => Ok(()),
        }
    }

    /// Starts, ends and what follows from them.
    fn check_edges(&self, length: Option<Length>, gas_day: Option<TimeOfDay>) -> Result<()> {
        let (start, end) = (self.has(Part::Start), self.has(Part::End));
        if length.is_some() && start && end {
            return Err(self
                .fault("the end is stated by a column, and follows from the start as well", "interval")
                .value(self.file.interval.as_deref().unwrap_or_default())
                .next("leave out interval, or the column of end"));
        }
        if length.is_some() && !start && !end {
            return Err(self
                .fault("a length is stated, but no start and no end", "interval")
                .expected("[…columns] start = \"…\", a header"));
        }
        if gas_day.is_some() && !start {
            return Err(self
                .fault("nothing says which date a gas day has", "gas_day")
                .expected("[…columns] start = \"…\", the header of the date"));
        }
        let of_days = matches!(length, None | Some(Length::Day)) || self.has(Part::IntervalNumber);
        if gas_day.is_some() && !of_days {
            return Err(self
                .fault("intervals of this length are no gas days", "gas_day")
                .value(self.file.interval.as_deref().unwrap_or_default())
                .next("leave out one of the two; hours of a gas day that are counted are interval_number"));
        }
        if self.file.end_date.is_some() && !end {
            return Err(self
                .fault("no column states an end, so that this says nothing", "end_date")
                .next("leave it out, or map end"));
        }
        Ok(())
    }

    /// What tells a repeated hour, and what becomes of a skipped one.
    fn check_clock(&self, zone: Option<&Zone>) -> Result<()> {
        let flags: Vec<&str> = [Part::Repeated, Part::Daylight, Part::UtcOffset]
            .into_iter()
            .filter(|part| self.has(*part))
            .map(Part::name)
            .collect();
        if flags.len() > 1 {
            return Err(self
                .fault("several columns say which of two hours it is", "columns")
                .value(flags.join(", "))
                .next("leave all but one out"));
        }
        let counted = self.has(Part::IntervalNumber) && self.hour()?.is_none();
        let SideFile { repeated_hour, skipped_hour, .. } = self.file;
        let rules = [
            ("repeated_hour", *repeated_hour != Repeated::Reject),
            ("skipped_hour", *skipped_hour != Skipped::Reject),
        ];
        let stated = rules.into_iter().filter(|(_, stated)| *stated).map(|(key, _)| key).chain(flags).next();
        if let Some(key) = stated.filter(|_| counted) {
            return Err(self
                .fault("intervals that are counted through the day are neither repeated nor skipped, so that this says nothing", key)
                .next("leave it out"));
        }
        if let Some((key, _)) =
            rules.into_iter().find(|(_, stated)| *stated && zone.is_some_and(Zone::is_fixed))
        {
            return Err(self
                .fault("the side's time is the same all year: nothing is repeated or skipped", key)
                .value(self.file.time_zone.as_deref().unwrap_or_default())
                .next(format!("leave out {key}, or time_zone")));
        }
        if *repeated_hour == Repeated::Hour25 && !self.has(Part::HourEnding) {
            return Err(self
                .fault(
                    "no column holds hours that are called by their end, so that there is no hour 25",
                    "repeated_hour",
                )
                .expected("[…columns] hour_ending = \"…\", a header"));
        }
        Ok(())
    }
}
