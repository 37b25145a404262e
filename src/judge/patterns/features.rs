//! What discrepancies may share: the values of fields, the day, the cause, and how their figures compare.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use super::{Discrepancy, LIFT, Share};
use crate::judge::{Figures, Kind, Members};
use crate::matching::Book;
use crate::money::{self, Decimal, Ratio};
use crate::normalise::{Field, KeyRules, Saying, Side};
use crate::period::{Clocks, Instant};

/// Digits behind the point of a ratio that is looked for.
const DIGITS: u32 = 8;
/// Ratios are sorted into steps of as many digits, before one is looked for in a step.
const COARSE: u32 = 3;

/// One thing in which discrepancies may agree, with the value of each.
pub(super) struct Feature {
    name: String,
    /// By discrepancy; 0 is none.
    values: Vec<u32>,
    /// In words, by value − 1.
    words: Vec<String>,
    /// How many discrepancies have it, by value − 1.
    counts: Vec<usize>,
    evidence: Evidence,
}

/// What the entries of a discrepancy say in words, by side.
type Sayings = [Members<Saying>; 2];

/// What features look at. There may be many discrepancies, which lie all over the memory, and there are many features: each discrepancy is
/// looked at once.
pub(super) struct Gist<'d> {
    sayings: Sayings,
    /// When it starts.
    start: Option<Instant>,
    /// The figures that its kind speaks of, billed and settled, where neither is nought.
    figures: Option<(Kind, [Decimal; 2])>,
    cause: Option<&'d str>,
}

impl<'d> Gist<'d> {
    pub(super) fn of(book: &Book<'_>, discrepancy: &'d Discrepancy) -> Self {
        let sides = [Side::Invoice, Side::Settlement];
        let entries = |side: Side| discrepancy.entries(side).iter().map(move |&entry| (side, entry));
        let starts = sides.into_iter().flat_map(entries);
        Self {
            sayings: sides
                .map(|side| Members::of(discrepancy.entries(side), |entry| book.ledger(side).saying(entry))),
            start: starts.filter_map(|(side, entry)| book.ledger(side).start(entry)).min(),
            figures: figures(discrepancy),
            cause: discrepancy.cause.as_deref(),
        }
    }

    /// The figures of a discrepancy of that kind.
    fn figures_of(&self, kind: Kind) -> Option<[Decimal; 2]> {
        self.figures.filter(|(of, _)| *of == kind).map(|(_, figures)| figures)
    }
}

/// Why a value that many discrepancies share says something.
enum Evidence {
    /// That they share it at all.
    Sharing,
    /// That it is rarer among all lines: how many of the sampled ones have it, and how many state any, by value − 1. Sides may write a thing
    /// in two ways (MMBtu, MMBTU): it is the side on which it is commoner.
    Rarity(Vec<[u64; 2]>),
}

/// All features, those that say where before those that say what.
pub(super) fn features(book: &Book<'_>, keys: &KeyRules, gists: &[Gist<'_>], least: usize) -> Vec<Feature> {
    let fields = book.fields();
    let of_field = |field: Field| Feature::of_field(book, fields.name(field), field, keys, gists);
    let all: Vec<Field> = fields.all().collect();
    let of_fields = || all.into_par_iter().map(of_field).collect::<Vec<_>>();
    let of_figures = || {
        let of_kind = |kind| {
            let pairs: Vec<Option<[Decimal; 2]>> = gists.iter().map(|gist| gist.figures_of(kind)).collect();
            [Feature::of_ratios(kind, &pairs, least), Feature::of_differences(kind, &pairs)]
        };
        FIGURES.into_par_iter().flat_map_iter(of_kind).collect::<Vec<_>>()
    };
    let of_day = || vec![Feature::of_day(book, gists)];
    let of_causes = || vec![Feature::of_causes(gists)];
    let ((fields, figures), (day, causes)) =
        rayon::join(|| rayon::join(of_fields, of_figures), || rayon::join(of_day, of_causes));
    [fields, day, causes, figures].into_iter().flatten().collect()
}

impl Feature {
    /// From the words of each discrepancy, if it has any.
    fn of_words<K: Eq + std::hash::Hash>(
        name: String,
        evidence: Evidence,
        of: impl Iterator<Item = Option<K>>,
        word: impl Fn(usize, &K) -> String,
    ) -> Self {
        let mut numbers: HashMap<K, u32, FixedState> = HashMap::default();
        let (mut words, mut counts) = (Vec::new(), Vec::new());
        let values = of
            .enumerate()
            .map(|(number, key)| {
                let Some(key) = key else { return 0 };
                let next = u32::try_from(words.len() + 1).unwrap_or(u32::MAX);
                let value = *numbers.entry(key).or_insert_with_key(|key| {
                    words.push(word(number, key));
                    counts.push(0);
                    next
                });
                if let Some(count) = counts.get_mut(value as usize - 1) {
                    *count += 1;
                }
                value
            })
            .collect();
        Self { name, values, words, counts, evidence }
    }

    /// The text of a field: the invoice's where it has any. Entries of one discrepancy that differ have none.
    fn of_field(book: &Book<'_>, name: &str, field: Field, keys: &KeyRules, gists: &[Gist<'_>]) -> Self {
        let common = |sayings: &Members<Saying>, side: Side| {
            let mut all = sayings.iter().map(|&saying| book.key_said(side, field, saying));
            let first = all.next().filter(|&key| key != 0)?;
            all.all(|key| key == first).then_some(first)
        };
        let key = |[invoices, settlements]: &Sayings| {
            common(invoices, Side::Invoice).or_else(|| common(settlements, Side::Settlement))
        };
        let text = |number: usize, _: &u32| {
            let Some(Gist { sayings: [invoices, settlements], .. }) = gists.get(number) else {
                return String::new();
            };
            let (side, sayings) = match common(invoices, Side::Invoice) {
                Some(_) => (Side::Invoice, invoices),
                None => (Side::Settlement, settlements),
            };
            let ledger = book.ledger(side);
            let words = sayings.iter().map(|&saying| ledger.pool().text(ledger.said(field, saying)));
            words.min().unwrap_or_default().to_owned()
        };
        let of = gists.iter().map(|gist| key(&gist.sayings));
        let mut feature = Self::of_words(name.to_owned(), Evidence::Sharing, of, text);
        // As the sample has it: by its key, whichever text stands for it.
        let numbers: HashMap<String, usize> =
            (0..).zip(&feature.words).map(|(number, word)| (keys.key(field, word), number)).collect();
        let mut rarity = vec![[0, 0]; feature.words.len()];
        for side in [Side::Invoice, Side::Settlement] {
            let (mut counts, mut stated) = (vec![0; feature.words.len()], 0);
            let sample = &book.ledger(side).counts.sample;
            let mut known: HashMap<_, (bool, Option<usize>)> = HashMap::new();
            for drawn in sample.drawn() {
                let id = sample.text_id(drawn, field);
                let (states, number) = *known.entry(id).or_insert_with(|| {
                    let key = keys.key(field, sample.text(id));
                    (!key.is_empty(), numbers.get(&key).copied())
                });
                stated += u64::from(states);
                if let Some(count) = number.and_then(|number| counts.get_mut(number)) {
                    *count += 1;
                }
            }
            more_common(&mut rarity, &counts, stated);
        }
        feature.evidence = Evidence::Rarity(rarity);
        feature
    }

    /// The local day on which a discrepancy starts.
    fn of_day(book: &Book<'_>, gists: &[Gist<'_>]) -> Self {
        let zone = book.zone();
        let mut clocks = Clocks::new(zone);
        let mut day = |at: Instant| clocks.day_and_time(at).0;
        let mut feature = Self::of_words(
            "day".to_owned(),
            Evidence::Sharing,
            gists.iter().map(|gist| gist.start.map(&mut day)),
            |_, &day| zone.show(day, false),
        );
        let numbers: HashMap<&str, usize> =
            feature.words.iter().enumerate().map(|(number, word)| (word.as_str(), number)).collect();
        let mut rarity = vec![[0, 0]; feature.words.len()];
        for side in [Side::Invoice, Side::Settlement] {
            let (mut counts, mut stated) = (vec![0; feature.words.len()], 0);
            for at in book.ledger(side).counts.sample.drawn().iter().filter_map(|drawn| drawn.start) {
                stated += 1;
                let number = numbers.get(zone.show(day(at), false).as_str());
                if let Some(count) = number.and_then(|&number| counts.get_mut(number)) {
                    *count += 1;
                }
            }
            more_common(&mut rarity, &counts, stated);
        }
        feature.evidence = Evidence::Rarity(rarity);
        feature
    }

    fn of_causes(gists: &[Gist<'_>]) -> Self {
        let causes = gists.iter().map(|gist| gist.cause);
        Self::of_words("cause".to_owned(), Evidence::Sharing, causes, |_, cause| (*cause).to_owned())
    }

    /// Billed − settled, of the figure that the kind speaks of, where settled figures differ.
    fn of_differences(kind: Kind, pairs: &[Option<[Decimal; 2]>]) -> Self {
        let difference = |pair: &Option<[Decimal; 2]>| {
            let [billed, settled] = (*pair)?;
            money::subtract(billed, settled)
        };
        let differences: Vec<Option<Decimal>> = pairs.iter().map(difference).collect();
        // By difference: a settled figure, and whether there is another.
        let mut settled: HashMap<_, (Decimal, bool), FixedState> = HashMap::default();
        for (apart, pair) in differences.iter().zip(pairs) {
            if let (Some(apart), Some([_, figure])) = (apart, pair) {
                let (first, varied) = settled.entry(money::canonical(*apart)).or_insert((*figure, false));
                *varied = *varied || first != figure;
            }
        }
        let varied = |apart: &(i128, u32)| settled.get(apart).is_some_and(|(_, varied)| *varied);
        let words = |number: usize, _: &(i128, u32)| {
            let apart = differences.get(number).copied().flatten().unwrap_or_default();
            if kind == Kind::Amount { money::shown(apart) } else { money::plain(apart) }
        };
        let of = differences.iter().map(|apart| apart.map(money::canonical).filter(varied));
        Self::of_words(format!("{} difference", kind.name()), Evidence::Sharing, of, words)
    }

    /// Billed ÷ settled, of the figure that the kind speaks of, exact or rounded to the digits of the billed one, where
    /// settled figures differ.
    fn of_ratios(kind: Kind, pairs: &[Option<[Decimal; 2]>], least: usize) -> Self {
        let mut steps: HashMap<_, Vec<usize>, FixedState> = HashMap::default();
        for (number, pair) in pairs.iter().enumerate() {
            if let Some([billed, settled]) = pair
                && let Some(ratio) = money::quotient(*billed, *settled, COARSE)
            {
                steps.entry(money::canonical(ratio)).or_default().push(number);
            }
        }
        let mut ratios: Vec<Option<Decimal>> = vec![None; pairs.len()];
        for numbers in steps.values().filter(|numbers| numbers.len() >= least) {
            let of_step: Vec<(usize, [Decimal; 2])> =
                numbers.iter().filter_map(|&number| Some((number, (*pairs.get(number)?)?))).collect();
            if let Some((ratio, having)) = ratio(&of_step).filter(|(_, having)| having.len() >= least) {
                for number in having {
                    if let Some(slot) = ratios.get_mut(number) {
                        *slot = Some(ratio);
                    }
                }
            }
        }
        Self::of_words(format!("{} ratio", kind.name()), Evidence::Sharing, ratios.into_iter(), |_, ratio| {
            money::plain(*ratio)
        })
    }

    /// All values, but for those that hardly any discrepancy has.
    pub(super) fn all(&self) -> impl Iterator<Item = u32> + '_ {
        (1..).zip(&self.counts).filter(|(_, count)| **count > 1).map(|(value, _)| value)
    }

    /// The value of a discrepancy; 0 is none.
    pub(super) fn value(&self, number: usize) -> u32 {
        self.values.get(number).copied().unwrap_or(0)
    }

    fn count(&self, value: u32) -> usize {
        (value as usize).checked_sub(1).and_then(|at| self.counts.get(at)).copied().unwrap_or(0)
    }

    /// Of so many sampled lines, so many have the value.
    fn common(&self, value: u32) -> Option<[u64; 2]> {
        match &self.evidence {
            Evidence::Sharing => None,
            Evidence::Rarity(rarity) => rarity.get((value as usize).checked_sub(1)?).copied(),
        }
    }

    /// Whether it says something that so many of all discrepancies have this value.
    pub(super) fn is_telling(&self, value: u32, all: usize, least: usize) -> bool {
        let count = self.count(value);
        count >= least
            && self.common(value).is_none_or(|common| is_commoner([count as u64, all as u64], common, LIFT))
    }

    /// The value that nearly all of these discrepancies have, if they have one.
    pub(super) fn of_nearly_all(&self, numbers: &[usize]) -> Option<u32> {
        // What more than half of them have outlasts all others, one against one.
        let (mut value, mut lead) = (0, 0_usize);
        for &number in numbers {
            let own = self.value(number);
            match lead.checked_sub(1) {
                None => (value, lead) = (own, 1),
                Some(less) => lead = if own == value { lead + 1 } else { less },
            }
        }
        let having = numbers.iter().filter(|&&number| self.value(number) == value).count();
        (value != 0 && having * 10 >= numbers.len() * 9).then_some(value)
    }

    /// Whether the value is rarer among the others than among these: among all lines for a field, among the other discrepancies
    /// for what only discrepancies have.
    pub(super) fn sets_apart(&self, value: u32, numbers: &[usize], all: usize) -> bool {
        let own = numbers.iter().filter(|&&number| self.value(number) == value).count();
        match self.common(value) {
            // Half as common again: what nearly all lines have sets nothing apart.
            Some(common) => is_commoner([2 * own as u64, 3 * numbers.len() as u64], common, 1),
            None => {
                let (others, with) = (all - numbers.len(), self.count(value) - own);
                others == 0
                    || is_commoner(
                        [2 * own as u64, 3 * numbers.len() as u64],
                        [with as u64, others as u64],
                        1,
                    )
            }
        }
    }

    pub(super) fn share(&self, value: u32) -> Option<Share> {
        let value_in_words = self.words.get((value as usize).checked_sub(1)?)?.clone();
        Some(Share { name: self.name.clone(), value: value_in_words, common: self.common(value) })
    }
}

/// Takes over what is commoner on one side than on those before.
fn more_common(rarity: &mut [[u64; 2]], counts: &[u64], stated: u64) {
    for (known, &count) in rarity.iter_mut().zip(counts) {
        let share = |[count, of]: [u64; 2], other: u64| {
            u128::from(count) * u128::from(other.max(1)) * u128::from(of > 0)
        };
        if known[1] == 0 || share([count, stated], known[1]) > share(*known, stated) {
            *known = [count, stated];
        }
    }
}

/// Whether one share is at least `times` the other; nothing is known where nothing was sampled.
fn is_commoner([count, of]: [u64; 2], [other, of_others]: [u64; 2], times: u64) -> bool {
    of_others > 0
        && u128::from(count) * u128::from(of_others) >= u128::from(times) * u128::from(other) * u128::from(of)
}

/// The kinds that speak of one figure.
const FIGURES: [Kind; 3] = [Kind::Quantity, Kind::Price, Kind::Amount];

/// See [`Gist::figures`].
fn figures(of: &Discrepancy) -> Option<(Kind, [Decimal; 2])> {
    let pick = |figures: &Figures| match of.kind {
        Kind::Quantity => figures.quantity,
        Kind::Price => figures.price,
        _ => figures.amount,
    };
    let kind = Some(of.kind).filter(|kind| FIGURES.contains(kind))?;
    let pair = [pick(&of.figures.invoiced)?, pick(&of.figures.settled)?];
    pair.iter().all(|figure| !figure.is_zero()).then_some((kind, pair))
}

/// The shortest ratio that nearly all of these pairs have, exactly or to the last digit that is billed, and those that have it.
fn ratio(pairs: &[(usize, [Decimal; 2])]) -> Option<(Decimal, Vec<usize>)> {
    // The largest figure tells a ratio best.
    let (_, [billed, settled]) =
        pairs.iter().max_by_key(|(number, [_, settled])| (settled.abs(), *number))?;
    (0..=DIGITS).find_map(|digits| {
        let wanted = money::quotient(*billed, *settled, digits)?.normalize();
        let ratio = Ratio::of(wanted, Decimal::ONE).filter(|ratio| *ratio != Ratio::ONE)?;
        let having: Vec<&(usize, [Decimal; 2])> =
            pairs.iter().filter(|(_, [billed, settled])| ratio.is_near(*billed, *settled)).collect();
        let varied = having.windows(2).any(|two| matches!(two, [a, b] if a.1[1] != b.1[1]));
        (varied && having.len() * 10 >= pairs.len() * 8)
            .then(|| (wanted, having.into_iter().map(|(number, _)| *number).collect()))
    })
}
