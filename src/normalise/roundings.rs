//! How each vendor rounds: counted line by line as the lines are read, and never guessed.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::FixedState;

use super::wordings::{Memo, Wording};
use crate::money::{Rounding, Ways};

/// So many vendors are told apart; where there are more, none is.
const MOST: usize = 10_000;

/// By vendor, how many lines follow from their quantity and price in which ways.
#[derive(Clone, Debug, Default)]
pub struct Roundings {
    vendors: Vec<Lines>,
    numbers: HashMap<String, u32, FixedState>,
    /// The numbers of their vendors.
    wordings: Memo<u32>,
}

/// The lines of one vendor, by the ways that make them.
#[derive(Clone, Debug, Default)]
struct Lines {
    vendor: String,
    /// The most digits behind the point that an amount is written with.
    written: u32,
    by_ways: Vec<(Ways, u64)>,
    /// By [`Ways::hint`], where among them the last ones stand that have it.
    likely: [u16; 16],
}

/// What rounds a vendor's lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inferred {
    /// The lines that state quantity, price and amount.
    pub lines: u64,
    /// Those whose amount is quantity × price to the last digit: they say nothing about rounding.
    pub exact: u64,
    /// The most lines that one way of rounding makes.
    pub reproduced: u64,
    /// To how many digits behind the point.
    pub places: u32,
    /// Every way that makes so many, more than one where the lines do not tell them apart; none where only those
    /// lines are made that are exact.
    pub ways: Vec<Rounding>,
}

impl Inferred {
    /// The one way that makes all of a vendor's lines, where the lines leave no other.
    #[must_use]
    pub fn only(&self) -> Option<Rounding> {
        match self.ways.as_slice() {
            [way] if self.reproduced == self.lines => Some(*way),
            _ => None,
        }
    }

    /// `1,204 of 1,204 lines are reproduced by half-even to 2 places, line-wise`.
    #[must_use]
    pub fn told(&self, noun: [&str; 2], how: &str) -> String {
        let [one, several] = noun;
        let count = |n: u64| crate::money::whole(n);
        let are = if self.lines == 1 { format!("{one} is") } else { format!("{several} are") };
        if self.exact == self.lines {
            return format!("{} {are} exact: nothing is rounded", count(self.lines));
        }
        let rest = count(self.lines - self.reproduced);
        let places = if self.places == 1 { "1 place".to_owned() } else { format!("{} places", self.places) };
        let made = format!("{} of {} {are} reproduced by", count(self.reproduced), count(self.lines));
        let all = self.reproduced == self.lines;
        match self.ways.iter().map(|way| way.name()).collect::<Vec<_>>().as_slice() {
            [] => format!(
                "{} of {} {are} exact; no way of rounding makes the other {rest}",
                count(self.exact),
                count(self.lines)
            ),
            [way] if all => format!("{made} {way} to {places}, {how}"),
            [ways @ .., last] if all => format!(
                "{made} {} and {last} to {places}, {how}: these agree on all {several}",
                ways.join(", ")
            ),
            [way] => format!("{made} {way} to {places}, {how}; no way of rounding makes all"),
            [way, others @ ..] => format!(
                "{made} {way} to {places}, {how}, and as many by {}; no way of rounding makes all",
                others.join(" and by ")
            ),
        }
    }
}

impl Roundings {
    /// Counts a line of a vendor, whose name is part of the wording; its amount is written with so many digits behind the point.
    pub(super) fn count<'v>(
        &mut self,
        wording: Option<Wording>,
        vendor: impl FnOnce() -> &'v str,
        ways: Ways,
        written: u32,
    ) {
        let number = match self.wordings.get(wording) {
            Some(&number) => number,
            None => {
                let number = self.number(vendor());
                self.wordings.keep(wording, number);
                number
            }
        };
        let Some(lines) = self.vendors.get_mut(number as usize) else { return };
        lines.written = lines.written.max(written);
        lines.add(ways, 1);
    }

    fn number(&mut self, vendor: &str) -> u32 {
        match self.numbers.get(vendor) {
            Some(&number) => number,
            None if self.vendors.len() >= MOST => {
                let rest = self.numbers.get(REST).copied();
                rest.unwrap_or_else(|| self.open(REST))
            }
            None => self.open(vendor),
        }
    }

    /// Counts what another has counted.
    pub(super) fn join(&mut self, other: Self) {
        for Lines { vendor, written, by_ways, .. } in other.vendors {
            let number = self.number(&vendor);
            let Some(lines) = self.vendors.get_mut(number as usize) else { continue };
            lines.written = lines.written.max(written);
            by_ways.into_iter().for_each(|(ways, count)| lines.add(ways, count));
        }
    }

    /// Closes the counts when all is read. Where there were too many vendors, which of them came first must not matter: all are
    /// one then.
    pub(super) fn close(&mut self) {
        if !self.numbers.contains_key(REST) {
            return;
        }
        let mut all = Lines { vendor: REST.to_owned(), ..Lines::default() };
        for lines in self.vendors.drain(..) {
            all.written = all.written.max(lines.written);
            lines.by_ways.into_iter().for_each(|(ways, count)| all.add(ways, count));
        }
        self.numbers = [(REST.to_owned(), 0)].into_iter().collect();
        self.vendors.push(all);
    }

    fn open(&mut self, vendor: &str) -> u32 {
        // They are few.
        let number = u32::try_from(self.vendors.len()).unwrap_or(u32::MAX);
        self.numbers.insert(vendor.to_owned(), number);
        self.vendors.push(Lines { vendor: vendor.to_owned(), ..Lines::default() });
        number
    }

    /// What rounds the lines of `vendor`.
    #[must_use]
    pub fn of(&self, vendor: &str) -> Option<Inferred> {
        let number = self.numbers.get(vendor).or_else(|| self.numbers.get(REST))?;
        Some(self.vendors.get(*number as usize)?.inferred())
    }

    /// What rounds the lines of each vendor, by its name as the source writes it.
    #[must_use]
    pub fn all(&self) -> BTreeMap<&str, Inferred> {
        self.vendors.iter().map(|lines| (lines.vendor.as_str(), lines.inferred())).collect()
    }
}

/// All vendors, where they are more than [`MOST`].
const REST: &str = "(all vendors)";

impl Lines {
    fn add(&mut self, ways: Ways, count: u64) {
        let hint = self.likely.get_mut(ways.hint());
        let likely = hint.as_deref().and_then(|&at| self.by_ways.get_mut(usize::from(at)));
        if let Some((_, known)) = likely.filter(|(likely, _)| *likely == ways) {
            *known += count;
            return;
        }
        let known = self.by_ways.iter().position(|(known, _)| *known == ways);
        let at = known.unwrap_or_else(|| {
            self.by_ways.push((ways, 0));
            self.by_ways.len() - 1
        });
        if let Some((_, known)) = self.by_ways.get_mut(at) {
            *known += count;
        }
        if let (Some(hint), Ok(at)) = (hint, u16::try_from(at)) {
            *hint = at;
        }
    }

    fn inferred(&self) -> Inferred {
        let sum = |holds: &dyn Fn(Ways) -> bool| -> u64 {
            self.by_ways.iter().filter(|(ways, _)| holds(*ways)).map(|(_, count)| count).sum()
        };
        let exact = sum(&Ways::is_exact);
        let mut inferred =
            Inferred { lines: sum(&|_| true), exact, reproduced: exact, ..Inferred::default() };
        for places in Ways::SCALES {
            let counts = Rounding::ALL.map(|way| (way, sum(&|ways| ways.has(places, way))));
            let most = counts.iter().map(|(_, count)| *count).max().unwrap_or_default();
            // Where places do not matter, they are as many as are written.
            let as_written = most == inferred.reproduced && most > exact && places <= self.written;
            if most > inferred.reproduced || as_written {
                let best = counts.iter().filter(|(_, count)| *count == most).map(|(way, _)| *way);
                inferred = Inferred { reproduced: most, places, ways: best.collect(), ..inferred };
            }
        }
        inferred
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::money::Number;

    #[test]
    fn more_vendors_than_are_told_apart_are_one_whatever_their_order() {
        let count = |vendors: &mut dyn Iterator<Item = usize>| {
            let mut roundings = Roundings::default();
            for number in vendors {
                let (price, amount) =
                    (Number::new(125, 3), Number::new(if number.is_multiple_of(2) { 12 } else { 13 }, 2));
                let vendor = format!("V-{number}");
                roundings.count(None, || &vendor, Ways::of(Number::new(1, 0), price, amount), 2);
            }
            roundings.close();
            let all = roundings.all().into_iter().map(|(vendor, of)| (vendor.to_owned(), of));
            all.collect::<Vec<_>>()
        };
        let one = count(&mut (0..MOST + 10));
        assert_eq!(one, count(&mut (0..MOST + 10).rev()));
        let (vendor, inferred) = one.first().unwrap();
        assert_eq!((one.len(), vendor.as_str(), inferred.lines), (1, REST, MOST as u64 + 10));
        assert_eq!(count(&mut (0..MOST)).len(), MOST);
    }
}
