//! The identity of a discrepancy: the same in every run over the same facts,
//! whatever file, row or call they came from.

use std::fmt::Write as _;

use rayon::iter::{IndexedParallelIterator as _, IntoParallelRefIterator as _, ParallelIterator as _};
use rayon::slice::ParallelSliceMut as _;
use sha2::{Digest as _, Sha256};

use super::Discrepancy;
use crate::matching::Book;
use crate::money;
use crate::normalise::{Ledger, Role, Side};

/// Letters and digits that are not mistaken for one another (Crockford's base 32).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The name of a discrepancy: `D-` and twelve characters of a SHA-256 over what the entries say.
pub(super) fn name(book: &Book<'_>, discrepancy: &Discrepancy) -> String {
    Facts::of(book, discrepancy).id()
}

/// Where several say exactly the same, their names go on with `-2`, `-3` …, in the order of their kinds and of what else they say, such as
/// attributes; only where all of it is the same, in the order in which they stand.
pub(super) fn tell_apart(book: &Book<'_>, discrepancies: &mut [Box<Discrepancy>]) {
    // As long as it has no number behind it, its start is all of it.
    let starts = discrepancies.par_iter().enumerate().map(|(number, of)| (start(&of.id), number));
    let mut order: Vec<(u128, usize)> = starts.collect();
    order.par_sort_unstable();
    for run in order.chunk_by_mut(|a, b| a.0 == b.0).filter(|run| run.len() > 1) {
        // The sort is stable.
        run.sort_by_cached_key(|(_, number)| discrepancies.get(*number).map(|of| (of.kind, facts(book, of))));
        for (copy, &mut (_, number)) in (1..).zip(run).skip(1) {
            if let Some(discrepancy) = discrepancies.get_mut(number) {
                let _ = write!(discrepancy.id, "-{copy}");
            }
        }
    }
}

/// All that its entries say, by side.
fn facts(book: &Book<'_>, of: &Discrepancy) -> impl Ord {
    [Side::Invoice, Side::Settlement].map(|side| {
        let mut all: Vec<_> = of.entries(side).iter().map(|&entry| book.facts(side, entry)).collect();
        all.sort_unstable();
        all
    })
}

/// The first characters of an identity as a number.
fn start(id: &str) -> u128 {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(id.bytes()).for_each(|(byte, of_id)| *byte = of_id);
    u128::from_be_bytes(bytes)
}

/// Bytes that most entries have room in to say what they say.
const USUAL: usize = 256;

/// What the entries of a discrepancy say, one after another.
struct Facts {
    text: String,
    /// Where the fact of each entry starts and ends.
    bounds: Vec<(usize, usize)>,
}

impl Facts {
    fn of(book: &Book<'_>, discrepancy: &Discrepancy) -> Self {
        let count = discrepancy.invoices.len() + discrepancy.settlements.len();
        let mut facts =
            Self { text: String::with_capacity(count * USUAL), bounds: Vec::with_capacity(count) };
        for side in [Side::Invoice, Side::Settlement] {
            for &entry in discrepancy.entries(side) {
                let start = facts.text.len();
                facts.add(book.ledger(side), entry);
                facts.bounds.push((start, facts.text.len()));
            }
        }
        facts
    }

    fn id(self) -> String {
        let Self { text, mut bounds } = self;
        let fact = |&(start, end): &(usize, usize)| text.get(start..end).unwrap_or_default();
        bounds.sort_unstable_by(|a, b| fact(a).cmp(fact(b)));
        let mut hasher = Sha256::new();
        for (number, bounds) in bounds.iter().enumerate() {
            if number > 0 {
                hasher.update("\u{1e}");
            }
            hasher.update(fact(bounds));
        }
        let mut id = String::with_capacity(14);
        id.push_str("D-");
        for byte in hasher.finalize().iter().take(12) {
            id.push(char::from(ALPHABET.get(usize::from(byte % 32)).copied().unwrap_or(b'0')));
        }
        id
    }

    /// Side, times, figures and texts, joined by a character that no text has a use for.
    fn add(&mut self, ledger: &Ledger, entry: u32) {
        let text = &mut self.text;
        text.push_str(ledger.side().name());
        for at in [ledger.start(entry), ledger.end(entry)] {
            text.push(BETWEEN);
            if let Some(at) = at {
                let _ = write!(text, "{}", at.0);
            }
        }
        for figure in [ledger.quantity(entry), ledger.price(entry), ledger.amount(entry)] {
            text.push(BETWEEN);
            if let Some(figure) = figure {
                money::show_plain(figure, text);
            }
        }
        // What the sources say, not what it is compared as: a new alias or key rule changes no identity.
        // (Taxes are no part of it: there were none when the first identity was given, and it must stay.)
        for role in Role::ALL.into_iter().filter(|role| !Role::TAXES.contains(role)) {
            text.push(BETWEEN);
            text.push_str(ledger.role(role, entry).trim());
        }
    }
}

const BETWEEN: char = '\u{1f}';
