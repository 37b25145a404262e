//! What many discrepancies have in common: `87 of 92 discrepancies share charge TRANSPORT and the price ratio 1.02`.
//!
//! Patterns start from what more discrepancies share than chance would have: a cause, a ratio or a difference of the
//! figures, or a value that is at least [`LIFT`] times as common among discrepancies as among all lines of the run. They take in what nearly all
//! of these share as well, and are ranked by the money that they explain. A pattern is a count, not a cause: it says where to look.

mod features;

use std::borrow::Cow;
use std::collections::BTreeMap;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use self::features::{Feature, Gist, features};
use super::Discrepancy;
use crate::matching::Book;
use crate::money::{self, Decimal, Sum};
use crate::normalise::{KeyRules, Role};

/// The fewest discrepancies that make a pattern.
const LEAST: usize = 3;
/// They are at least one in so many of all.
const ONE_IN: usize = 50;
/// How many patterns are told.
const MOST: usize = 10;
/// How much more common a value must be among discrepancies than among lines.
const LIFT: u64 = 3;

/// What several discrepancies share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// What it is that they share; at least one thing.
    pub shares: Vec<Share>,
    /// Their numbers, ascending.
    pub discrepancies: Vec<usize>,
    /// By currency: the sum of their variances without signs, and that of all discrepancies.
    pub money: BTreeMap<String, [Sum; 2]>,
}

/// One thing that discrepancies share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// `charge`, `price ratio`, `cause`, …
    pub name: String,
    /// Which one: `TRANSPORT`, `1.02`, `one hour late`, …
    pub value: String,
    /// Of so many lines of the run that were sampled, so many have it; `None` where lines are not asked.
    pub common: Option<[u64; 2]>,
}

impl Pattern {
    /// `charge TRANSPORT, price ratio 1.02`
    #[must_use]
    pub fn words(&self) -> String {
        let words: Vec<String> =
            self.shares.iter().map(|share| format!("{} {}", share.name, share.value)).collect();
        words.join(", ")
    }

    /// `87 of 92 discrepancies share charge TRANSPORT, price ratio 1.02: 96 % of the variance in USD`
    #[must_use]
    pub fn sentence(&self, of: usize) -> String {
        let count = self.discrepancies.len();
        let part = self.percent().map_or_else(String::new, |(percent, currency)| {
            let percent = if percent == 0 { "less than 1".to_owned() } else { percent.to_string() };
            let place = if currency.is_empty() { String::new() } else { format!(" in {currency}") };
            format!(": {percent} % of the variance{place}")
        });
        format!("{count} of {of} discrepancies share {}{part}", self.words())
    }

    /// The part of the money that it explains, in whole percent, in the currency where that is most.
    #[must_use]
    pub fn percent(&self) -> Option<(u64, &str)> {
        let percent = |[own, all]: &[Sum; 2]| {
            let (own, all) = (own.value()?, all.value().filter(|all| !all.is_zero())?);
            let hundredfold = money::multiply(own, Decimal::ONE_HUNDRED)?;
            u64::try_from(money::quotient(hundredfold, all, 0)?.mantissa()).ok()
        };
        let of = self.money.iter().filter_map(|(currency, money)| Some((percent(money)?, currency.as_str())));
        of.max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(a.1)))
    }
}

/// Finds the patterns of a run, the one that explains most money first.
pub(super) fn mine(book: &Book<'_>, keys: &KeyRules, discrepancies: &[Box<Discrepancy>]) -> Vec<Pattern> {
    let count = discrepancies.len();
    let least = LEAST.max(count.div_ceil(ONE_IN));
    if count < least {
        return Vec::new();
    }
    let (gists, money): (Vec<Gist<'_>>, Vec<(Cow<'_, str>, Decimal)>) = discrepancies
        .par_iter()
        .map(|of| (Gist::of(book, of), (of.said(book, Role::Currency), size(of))))
        .unzip();
    let features = features(book, keys, &gists, least);
    let seeds: Vec<(usize, u32)> = features
        .iter()
        .enumerate()
        .flat_map(|(number, feature)| {
            let telling = move |&value: &u32| feature.is_telling(value, count, least);
            feature.all().filter(telling).map(move |value| (number, value))
        })
        .collect();
    let mut all = BTreeMap::<&str, Sum>::new();
    for (currency, size) in &money {
        all.entry(currency).or_default().add(*size);
    }
    let mut patterns: Vec<Pattern> = seeds
        .par_iter()
        .filter_map(|&seed| {
            let (shared, numbers) = extend(&features, seed, count);
            if numbers.len() < least {
                return None;
            }
            let mut explained: BTreeMap<&str, [Sum; 2]> = BTreeMap::new();
            for (currency, size) in numbers.iter().filter_map(|&number| money.get(number)) {
                let of_all = || [Sum::default(), all.get(&**currency).copied().unwrap_or_default()];
                let [own, _] = explained.entry(currency).or_insert_with(of_all);
                own.add(*size);
            }
            let share = |&(feature, value): &(usize, u32)| features.get(feature)?.share(value);
            Some(Pattern {
                shares: shared.iter().filter_map(share).collect(),
                discrepancies: numbers,
                money: explained.into_iter().map(|(currency, sums)| (currency.to_owned(), sums)).collect(),
            })
        })
        .collect();
    patterns.sort_by_cached_key(|pattern| {
        let percent = pattern.percent().map_or(0, |(percent, _)| percent);
        // Of two that explain the same, the one that says more.
        let said = pattern.shares.len();
        std::cmp::Reverse((percent, pattern.discrepancies.len(), said, std::cmp::Reverse(pattern.words())))
    });
    told(patterns, count)
}

/// The patterns that say something about at least as many discrepancies that none before them is about as about others.
fn told(patterns: Vec<Pattern>, count: usize) -> Vec<Pattern> {
    let mut known = vec![false; count];
    let mut is_new = |pattern: &Pattern| {
        let all = &pattern.discrepancies;
        let new = all.iter().filter(|&&number| known.get(number) == Some(&false)).count();
        let is_new = 2 * new >= all.len();
        if is_new {
            for &number in all {
                known.get_mut(number).into_iter().for_each(|known| *known = true);
            }
        }
        is_new
    };
    patterns.into_iter().filter(|pattern| is_new(pattern)).take(MOST).collect()
}

/// What nearly all discrepancies with the seed share and others do not, the seed among it, and those that have all of it.
fn extend(features: &[Feature], seed: (usize, u32), count: usize) -> (Vec<(usize, u32)>, Vec<usize>) {
    let of = |(feature, value): (usize, u32), number: usize| {
        features.get(feature).is_some_and(|feature| feature.value(number) == value)
    };
    let seeded: Vec<usize> = (0..count).filter(|&number| of(seed, number)).collect();
    let mut shared: Vec<(usize, u32)> = features
        .iter()
        .enumerate()
        .filter_map(|(number, feature)| {
            if number == seed.0 {
                return Some(seed);
            }
            let value = feature.of_nearly_all(&seeded)?;
            feature.sets_apart(value, &seeded, count).then_some((number, value))
        })
        .collect();
    let mut numbers = seeded;
    numbers.retain(|&number| shared.iter().all(|&share| of(share, number)));
    // The places first, then what is wrong there.
    shared.sort_unstable();
    (shared, numbers)
}

fn size(discrepancy: &Discrepancy) -> Decimal {
    discrepancy.variance.map_or_else(Decimal::default, |variance| variance.total.abs())
}
