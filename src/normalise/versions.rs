//! Restated settlements: which version of a line counts. `[settlements.versions]`.
//!
//! A line is what its texts and times say, without document, version and figures. What is decided of an entry depends
//! on the entries of its own line alone.

use std::collections::HashMap;

use super::keys::KeyRules;
use super::ledger::Ledger;
use super::pool::TextId;
use super::role::{Field, Fields, Role};
use crate::fault::{Fault, Kind, Result};
use crate::money::{self, Decimal, DecimalMark};
use crate::period::{Dates, Edge, Instant};

/// What a later version is to the earlier ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Restatement {
    /// It stands in their place.
    #[default]
    Replacement,
    /// It adds to them: their sum counts.
    Delta,
}

/// Which versions count, and how they follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionSettings {
    /// What a later version is to the earlier ones.
    pub kind: Restatement,
    /// The versions from the first to the last, as keys; where there are none, numbers and ISO dates follow by themselves.
    pub order: Vec<String>,
    /// The attribute that says when a version was published.
    pub published: Option<Field>,
    /// What is published at this instant or later does not count.
    pub before: Option<Instant>,
}

/// The place of a version among the others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Place(usize),
    Number(Decimal),
    Date(String),
}

/// What became of the versions of all lines.
#[derive(Clone, Debug, Default)]
pub struct Versions {
    is_delta: bool,
    published: Option<Field>,
    /// By entry; blank where every entry counts.
    superseded: Vec<bool>,
    /// The lines that have more than one version: their entries with the number of their version, which counts from 0
    /// within the line, the earliest first.
    lines: Vec<Vec<(usize, u32)>>,
    /// Entry → line, and the place of its version among those of all lines.
    line: HashMap<u32, (usize, Rank)>,
}

impl Versions {
    /// Whether later versions add to earlier ones.
    #[must_use]
    pub const fn is_delta(&self) -> bool {
        self.is_delta
    }

    /// The attribute that says when a version was published.
    #[must_use]
    pub const fn published(&self) -> Option<Field> {
        self.published
    }

    /// Whether a later version stands in the place of this entry, or it was published too late to count.
    #[must_use]
    pub fn is_superseded(&self, entry: u32) -> bool {
        self.superseded.get(entry as usize).copied().unwrap_or(false)
    }

    /// The number of the line of an entry, if it has more than one version.
    #[must_use]
    pub fn line_of(&self, entry: u32) -> Option<usize> {
        self.line.get(&entry).map(|(line, _)| *line)
    }

    /// The place of an entry's version among those of all lines, if its line has more than one.
    #[must_use]
    pub fn place_of(&self, entry: u32) -> Option<impl Ord + Copy + '_> {
        self.line.get(&entry).map(|(_, rank)| rank)
    }

    /// The entries of a line with the numbers of their versions, the earliest first.
    #[must_use]
    pub fn line(&self, number: usize) -> &[(usize, u32)] {
        self.lines.get(number).map(Vec::as_slice).unwrap_or_default()
    }

    /// The entries that do not count.
    pub fn all_superseded(&self) -> impl Iterator<Item = u32> + '_ {
        (0_u32..).zip(&self.superseded).filter(|&(_, &superseded)| superseded).map(|(entry, _)| entry)
    }

    /// Chooses among the entries of `ledger`.
    ///
    /// # Errors
    /// [`Kind::Input`] where a line has several versions and one of them has no place in the order, or a date of
    /// publication cannot be read.
    pub fn choose(
        ledger: &Ledger,
        fields: &Fields,
        keys: &KeyRules,
        dates: &Dates,
        settings: &VersionSettings,
    ) -> Result<Self> {
        let mut chosen = Self {
            is_delta: settings.kind == Restatement::Delta,
            published: settings.published,
            superseded: vec![false; ledger.len() as usize],
            ..Self::default()
        };
        let Some(version) = Field::of(Role::Version) else { return Ok(chosen) };
        let apart = [Field::of(Role::Document), Some(version), settings.published];
        let alike = Alike::new(ledger, keys, fields.all().filter(|field| !apart.contains(&Some(*field))));
        let mut entries: Vec<(u64, u32)> =
            (0..ledger.len()).map(|entry| (alike.print(ledger, entry), entry)).collect();
        entries.sort_unstable();
        for run in entries.chunk_by(|a, b| a.0 == b.0) {
            let mut lines: Vec<Vec<u32>> = Vec::new();
            for &(_, entry) in run {
                let same = |line: &&mut Vec<u32>| {
                    line.first().is_some_and(|&first| alike.is_same(ledger, first, entry))
                };
                match lines.iter_mut().find(same) {
                    Some(line) => line.push(entry),
                    None => lines.push(vec![entry]),
                }
            }
            for line in lines {
                chosen.choose_of_line(ledger, keys, dates, settings, version, &line)?;
            }
        }
        Ok(chosen)
    }

    fn choose_of_line(
        &mut self,
        ledger: &Ledger,
        keys: &KeyRules,
        dates: &Dates,
        settings: &VersionSettings,
        version: Field,
        line: &[u32],
    ) -> Result<()> {
        let mut counted = Vec::new();
        for &entry in line {
            if is_published(ledger, dates, settings, entry)? {
                counted.push(entry);
            } else {
                self.leave_out(entry);
            }
        }
        let text = |entry| ledger.text_id(version, entry);
        if counted.windows(2).all(|pair| matches!(pair, [a, b] if text(*a) == text(*b))) {
            return Ok(());
        }
        let mut ranked = counted
            .iter()
            .map(|&entry| Ok((rank(ledger, keys, settings, version, entry)?, entry)))
            .collect::<Result<Vec<_>>>()?;
        ranked.sort_unstable();
        let mut numbered: Vec<(usize, u32)> = Vec::with_capacity(ranked.len());
        let mut number = 0;
        for pair in ranked.windows(2) {
            let [(earlier, entry), (later, later_entry)] = pair else { continue };
            if std::mem::discriminant(earlier) != std::mem::discriminant(later) {
                return Err(Fault::new(
                    Kind::Input,
                    "the versions of this line are neither all numbers nor all dates",
                )
                .at(ledger.source(*later_entry))
                .value(ledger.text(version, *later_entry))
                .next(
                    "write the versions in order: [settlements.versions] order = [\"initial\", \"final\"]",
                ));
            }
            numbered.push((number, *entry));
            number += usize::from(earlier != later);
        }
        numbered.extend(ranked.last().map(|(_, entry)| (number, *entry)));
        for (&(of, entry), (rank, _)) in numbered.iter().zip(ranked) {
            if of < number && !self.is_delta {
                self.leave_out(entry);
            }
            if number > 0 {
                self.line.insert(entry, (self.lines.len(), rank));
            }
        }
        if number > 0 {
            self.lines.push(numbered);
        }
        Ok(())
    }

    fn leave_out(&mut self, entry: u32) {
        if let Some(superseded) = self.superseded.get_mut(entry as usize) {
            *superseded = true;
        }
    }
}

fn is_published(ledger: &Ledger, dates: &Dates, settings: &VersionSettings, entry: u32) -> Result<bool> {
    let (Some(field), Some(before)) = (settings.published, settings.before) else { return Ok(true) };
    let text = ledger.text(field, entry);
    let fault = |what: String| {
        Fault::new(Kind::Input, what)
            .at(ledger.source(entry))
            .value(text)
            .expected("a date, such as 2026-10-31")
            .next("correct the record, or [settlements.versions] published")
    };
    if text.is_empty() {
        return Err(fault("nothing says when this version was published".to_owned()));
    }
    let at = dates
        .parse(text, Edge::Start)
        .map_err(|why| fault(format!("the day on which this version was published cannot be read: {why}")))?;
    Ok(at < before)
}

fn rank(
    ledger: &Ledger,
    keys: &KeyRules,
    settings: &VersionSettings,
    version: Field,
    entry: u32,
) -> Result<Rank> {
    let text = ledger.text(version, entry);
    let key = keys.key(version, text);
    let fault = |what: &str| Fault::new(Kind::Input, what).at(ledger.source(entry)).value(text);
    if !settings.order.is_empty() {
        return settings.order.iter().position(|known| *known == key).map(Rank::Place).ok_or_else(|| {
            fault("this version has no place among the others of its line")
                .expected(format!("one of [settlements.versions] order: {}", settings.order.join(", ")))
                .next("write it into the order, or correct the record")
        });
    }
    let shape = key.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
    if shape.take(10).eq(*b"0000-00-00") {
        return Ok(Rank::Date(key));
    }
    match money::parse(&key, DecimalMark::Point) {
        Ok(parsed) if parsed.currency.is_none() => Ok(Rank::Number(parsed.value.normalize())),
        _ => Err(fault("nothing says where this version stands among the others of its line")
            .expected("a number, or an ISO date")
            .next("write the versions in order: [settlements.versions] order = [\"initial\", \"final\"]")),
    }
}

/// Which entries are the same line.
struct Alike {
    /// By field: by text, what it is compared as, as a number.
    keys: Vec<(Field, Vec<u32>)>,
}

impl Alike {
    fn new(ledger: &Ledger, rules: &KeyRules, fields: impl Iterator<Item = Field>) -> Self {
        const UNSEEN: u32 = u32::MAX;
        let keys = fields.map(|field| {
            let mut numbers: HashMap<String, u32> = HashMap::new();
            let mut keys = vec![UNSEEN; ledger.pool().count()];
            for entry in 0..ledger.len() {
                let id: TextId = ledger.text_id(field, entry);
                if let Some(key) = keys.get_mut(id.index()).filter(|key| **key == UNSEEN) {
                    let next = u32::try_from(numbers.len()).unwrap_or(UNSEEN - 1);
                    *key = *numbers.entry(rules.key(field, ledger.pool().text(id))).or_insert(next);
                }
            }
            (field, keys)
        });
        Self { keys: keys.collect() }
    }

    fn parts<'a>(&'a self, ledger: &'a Ledger, entry: u32) -> impl Iterator<Item = u64> + 'a {
        let time = |at: Option<Instant>| at.map_or(u64::MAX, |at| at.0.cast_unsigned());
        let texts = self.keys.iter().map(move |(field, keys)| {
            keys.get(ledger.text_id(*field, entry).index()).map_or(u64::MAX, |&key| u64::from(key))
        });
        texts.chain([time(ledger.start(entry)), time(ledger.end(entry))])
    }

    fn print(&self, ledger: &Ledger, entry: u32) -> u64 {
        self.parts(ledger, entry)
            .fold(0_u64, |hash, part| (hash.rotate_left(26) ^ part).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn is_same(&self, ledger: &Ledger, a: u32, b: u32) -> bool {
        self.parts(ledger, a).eq(self.parts(ledger, b))
    }
}
