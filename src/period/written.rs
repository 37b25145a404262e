//! From what a row says to its delivery interval.

use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime, Time};

use super::dates::{Told, Written, far};
use super::interval::{EndDate, Interval, Intervals, Length, Misread, Part, Texts};
use super::local::{Beside, Repeated, Rules, Trouble};
use super::{Dates, Edge, Instant, Turn, hours, text};

const HOUR: i64 = 3600;

/// Where an interval begins.
#[derive(Clone, Copy, Default)]
struct Begin {
    at: Option<Instant>,
    /// By the clock that the row states.
    local: Option<DateTime>,
    is_date: bool,
    at_change: bool,
}

impl Dates {
    /// The interval that a row states; of two rows at a repeated hour, the one whose `turn` it is.
    ///
    /// # Errors
    /// The part that cannot be read, and why.
    pub fn interval(&self, texts: &Texts<'_>, turn: Option<Turn>) -> Result<Interval, Misread> {
        if let (None, Some(text), Some(length)) =
            (texts.get(Part::Start), texts.get(Part::End), self.intervals.length)
        {
            return self.ending(text, length, texts, turn);
        }
        let begin = self.begin(texts, turn)?;
        let (end, at_change) = match (self.intervals.length, texts.get(Part::End)) {
            (Some(length), _) => (begin.at.and_then(|at| self.step(at, length, 1)), false),
            (None, Some(text)) if !text.is_empty() => {
                let end = self.end(text, &begin);
                let (end, at_change) =
                    end.map_err(|trouble| Misread { start: begin.at, ..Misread::of(Part::End)(trouble) })?;
                (Some(end), at_change)
            }
            _ => (None, false),
        };
        Ok(Interval { start: begin.at, end, at_change: begin.at_change || at_change })
    }

    /// One step of `length` from `at`, on or back.
    fn step(&self, at: Instant, length: Length, way: i64) -> Option<Instant> {
        let span = match length {
            Length::Minutes(minutes) => return Some(at.plus(way * i64::from(minutes) * 60)),
            Length::Day => way.days(),
            Length::Month => way.months(),
        };
        let local = self.zone.local(at)?;
        self.zone.at(local.date().checked_add(span).ok()?, local.time())
    }

    /// An interval that is stated by its end.
    fn ending(
        &self,
        text: &str,
        length: Length,
        texts: &Texts<'_>,
        turn: Option<Turn>,
    ) -> Result<Interval, Misread> {
        if text.is_empty() {
            return Ok(Interval::default());
        }
        let wrong = Misread::of(Part::End);
        let flag = self.beside(texts)?;
        let (end, at_change) = match self.told(text, Edge::End).map_err(|why| wrong(why.into()))? {
            Told::At(at) => (at, false),
            Told::Local(local) if local.written.is_date() && self.intervals.end_date.is_some() => {
                (self.behind(local.at.date()).ok_or_else(|| wrong(far().into()))?, false)
            }
            Told::Local(local) => {
                self.resolve(&local, local.beside.as_ref().or(flag.as_ref()), turn).map_err(wrong)?
            }
        };
        Ok(Interval { start: self.step(end, length, -1), end: Some(end), at_change })
    }

    fn begin(&self, texts: &Texts<'_>, turn: Option<Turn>) -> Result<Begin, Misread> {
        let wrong = Misread::of(Part::Start);
        let hour = texts.hour();
        let number = texts.get(Part::IntervalNumber);
        let text = texts.get(Part::Start).unwrap_or_default();
        if text.is_empty() {
            let stated =
                hour.is_some_and(|(_, text)| !text.is_empty()) || number.is_some_and(|text| !text.is_empty());
            let trouble =
                || Trouble::Wrong("it is blank, but the row states an hour or an interval of a day".into());
            return if stated { Err(wrong(trouble())) } else { Ok(Begin::default()) };
        }
        let told = self.told(text, Edge::Start).map_err(|why| wrong(why.into()))?;
        // Whatever is wrong with the rest, this is about when it is.
        let about = match &told {
            Told::At(at) => Some(*at),
            Told::Local(local) => self.zone.at(local.at.date(), local.at.time()),
        };
        self.begin_of(told, texts, turn).map_err(|misread| Misread { start: about, ..misread })
    }

    fn begin_of(&self, told: Told, texts: &Texts<'_>, turn: Option<Turn>) -> Result<Begin, Misread> {
        let wrong = Misread::of(Part::Start);
        let (hour, number) = (texts.hour(), texts.get(Part::IntervalNumber));
        let flag = self.beside(texts)?;
        if hour.is_none() && number.is_none() {
            return self.stated(told, flag, turn).map_err(wrong);
        }
        let date = self.date(&told).map_err(wrong)?;
        let (mut at, mut bound, mut at_change) = (None, None, false);
        if let Some((part, text)) = hour {
            let (begins, changed) = self.hour(date, part, text, flag, turn).map_err(Misread::of(part))?;
            (at, bound, at_change) = (Some(begins), Some(begins.plus(HOUR)), changed);
        }
        if let Some(text) = number {
            let wrong = Misread::of(Part::IntervalNumber);
            let far = || wrong(far().into());
            let first = at.or_else(|| self.day(date)).ok_or_else(far)?;
            let bound = bound.or_else(|| self.day(date.tomorrow().ok()?)).ok_or_else(far)?;
            at = Some(self.numbered(text, first, bound).map_err(wrong)?);
        }
        Ok(Begin { at, local: None, is_date: false, at_change })
    }

    /// A start that is a date or a time by itself.
    fn stated(&self, told: Told, flag: Option<Beside>, turn: Option<Turn>) -> Result<Begin, Trouble> {
        let local = match told {
            Told::At(at) => return Ok(Begin { at: Some(at), ..Begin::default() }),
            Told::Local(local) => local,
        };
        let of_minutes = matches!(self.intervals.length, Some(Length::Minutes(_)));
        if local.written == Written::Month && of_minutes {
            return Err(Trouble::Wrong("it is a month; expected a day and a time of day".into()));
        }
        match self.intervals.gas_day {
            Some(gas_day) if !of_minutes => {
                if !local.written.is_date() && local.at.time() != gas_day.time() {
                    return Err(Trouble::Wrong(format!(
                        "it is within a gas day, which begins at {gas_day}; expected a date"
                    )));
                }
                let at = self.day(local.at.date()).ok_or_else(far)?;
                Ok(Begin { at: Some(at), local: None, is_date: true, at_change: false })
            }
            _ => {
                let beside = local
                    .beside
                    .clone()
                    .or_else(|| flag.filter(|_| !matches!(local.written, Written::Month | Written::Day)));
                let (at, at_change) = self.resolve(&local, beside.as_ref(), turn)?;
                Ok(Begin { at: Some(at), local: Some(local.at), is_date: local.written.is_date(), at_change })
            }
        }
    }

    /// The date that an hour or an interval is counted in.
    fn date(&self, told: &Told) -> Result<Date, Trouble> {
        let local = match told {
            Told::Local(local) if matches!(local.written, Written::Day | Written::Midnight) => Some(local.at),
            Told::At(at) => self.zone.local(*at).filter(|local| local.time() == Time::midnight()),
            Told::Local(_) => None,
        };
        local.map(DateTime::date).ok_or_else(|| {
            Trouble::Wrong(
                "another column says which hour or interval of the day it is; expected a date alone".into(),
            )
        })
    }

    /// Where a date's day begins.
    fn day(&self, date: Date) -> Option<Instant> {
        match self.intervals.gas_day {
            Some(gas_day) => self.zone.at(date, gas_day.time()),
            None => self.zone.midnight(date),
        }
    }

    /// Where the day behind a date begins, or the date's own where it is not included.
    fn behind(&self, date: Date) -> Option<Instant> {
        match self.intervals.end_date {
            Some(EndDate::Excluded) => self.day(date),
            _ => self.day(date.tomorrow().ok()?),
        }
    }

    fn hour(
        &self,
        date: Date,
        part: Part,
        text: &str,
        flag: Option<Beside>,
        turn: Option<Turn>,
    ) -> Result<(Instant, bool), Trouble> {
        if text.is_empty() {
            return Err(Trouble::Wrong("it is blank".into()));
        }
        let hour = hours::hour(text)?;
        let mut beside = hour.beside.or(flag);
        let starts = match (part, hour.number) {
            (Part::HourEnding, ending @ 1..=24) => date.at(ending - 1, 0, 0, 0),
            (Part::HourEnding, 25) if self.intervals.repeated == Repeated::Hour25 => {
                beside = Some(Beside::Turn(Turn::Second));
                self.zone.repeated_hour(date).ok_or_else(|| {
                    Trouble::Beyond("no hour comes twice on this day, so that it has no hour 25".into())
                })?
            }
            (Part::HourEnding, 25) => {
                return Err(Trouble::Wrong("the clock has no hour 25: say repeated_hour = \"hour 25\" where it is the one that comes twice, \
                     and map the column as interval_number where hours are counted from midnight".into()));
            }
            (Part::HourEnding, _) => {
                return Err(Trouble::Wrong("hours called by their end are 1 to 24".into()));
            }
            (_, beginning @ 0..=23) => date.at(beginning, 0, 0, 0),
            _ => return Err(Trouble::Wrong("hours called by their start are 0 to 23".into())),
        };
        let Intervals { repeated, skipped, .. } = self.intervals;
        self.zone.resolve(starts, beside.as_ref(), Rules { repeated, skipped, turn })
    }

    /// The interval of that number between `first` and `bound`.
    fn numbered(&self, text: &str, first: Instant, bound: Instant) -> Result<Instant, Trouble> {
        let Some(Length::Minutes(minutes)) = self.intervals.length else {
            return Err(Trouble::Wrong("nothing says how long an interval is".into()));
        };
        let length = i64::from(minutes) * 60;
        let number = text::number(text).filter(|&number| number > 0);
        let number = number.ok_or_else(|| {
            Trouble::Wrong(format!("{text} is no number of an interval; they count from 1"))
        })?;
        let at = first.plus((number - 1) * length);
        if at < bound {
            return Ok(at);
        }
        let count = (bound.0 - first.0) / length;
        Err(Trouble::Beyond(format!(
            "there are {count} intervals of {minutes} minutes, and this would be number {number}"
        )))
    }

    /// The end that `text` states of what begins there.
    fn end(&self, text: &str, begin: &Begin) -> Result<(Instant, bool), Trouble> {
        let edge = if self.intervals.end_date == Some(EndDate::Excluded) { Edge::Start } else { Edge::End };
        let local = match self.told(text, edge)? {
            Told::At(at) => return Ok((at, false)),
            Told::Local(local) => local,
        };
        // A midnight is a date where the start is one as well.
        let is_date = matches!(local.written, Written::Month | Written::Day)
            || (local.written == Written::Midnight && begin.is_date && !self.intervals.has_hours());
        if is_date && local.beside.is_none() {
            return match (self.intervals.end_date, self.intervals.gas_day) {
                (Some(_), _) => self.behind(local.at.date()).map(|at| (at, false)).ok_or_else(|| far().into()),
                (None, Some(_)) => Err(Trouble::Wrong(
                    "nothing says whether the gas day of this date belongs to it: say end_date = \"included\" or \"excluded\""
                        .into(),
                )),
                (None, None) => self.resolve(&local, None, None),
            };
        }
        let resolved = self.resolve(&local, local.beside.as_ref(), None);
        let (Some(start), None) = (begin.at, &local.beside) else { return resolved };
        // An interval of no more than an hour lasts as long as its clock says: by that, an end that the clock repeats or
        // skips follows from the start.
        let lasts = begin.local.map_or(0, |start| local.at.duration_since(start).as_secs());
        let plain = matches!(resolved, Ok((_, false))) && !begin.at_change;
        if !plain && (1..=HOUR).contains(&lasts) {
            return Ok((start.plus(lasts), true));
        }
        // And nothing ends before it starts.
        let turn = |turn| self.resolve(&local, Some(&Beside::Turn(turn)), None);
        match (turn(Turn::First), turn(Turn::Second)) {
            (Ok((first, _)), Ok((second, _))) if first <= start && start < second => Ok((second, true)),
            _ => resolved,
        }
    }

    /// What a column beside the time says about a repeated hour.
    fn beside(&self, texts: &Texts<'_>) -> Result<Option<Beside>, Misread> {
        let flags = [Part::Repeated, Part::Daylight, Part::UtcOffset];
        let Some((part, text)) = flags.into_iter().find_map(|part| Some((part, texts.get(part)?))) else {
            return Ok(None);
        };
        let is = |known: &[&str]| known.iter().any(|known| text.eq_ignore_ascii_case(known));
        let (yes, no) = (is(&["Y", "yes", "true", "1", "X", "*"]), is(&["N", "no", "false", "0"]));
        let beside = match part {
            Part::Repeated if yes || is(&["2", "B", "second"]) => Some(Beside::Turn(Turn::Second)),
            // Who marks the second leaves the others blank.
            Part::Repeated if no || is(&["", "A", "first"]) => Some(Beside::Turn(Turn::First)),
            Part::Daylight if yes => Some(Beside::Daylight(true)),
            Part::Daylight if no => Some(Beside::Daylight(false)),
            Part::Daylight if matches!(text::season(text), Some(Beside::Daylight(_))) => text::season(text),
            Part::Daylight | Part::UtcOffset if text.is_empty() => return Ok(None),
            Part::UtcOffset if is(&["Z"]) => Some(Beside::Offset(0)),
            Part::UtcOffset => {
                let signed = text.strip_prefix("UTC").or_else(|| text.strip_prefix("GMT")).unwrap_or(text);
                text::offset(signed).map(Beside::Offset).or_else(|| text::season(text))
            }
            _ => None,
        };
        let expected = match part {
            Part::UtcOffset => "an offset such as -05:00, or a name such as CDT",
            Part::Daylight => "Y or N, 1 or 0, true or false, D or S",
            _ => "Y or N, 1 or 0, true or false; the second of the two is Y",
        };
        match beside {
            Some(beside) => Ok(Some(beside)),
            None => Err(Misread::of(part)(Trouble::Wrong(format!("expected {expected}")))),
        }
    }
}
