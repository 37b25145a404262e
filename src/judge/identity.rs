//! The identity of a discrepancy: the same in every run over the same facts,
//! whatever file, row or call they came from.

use std::collections::HashMap;
use std::fmt::Write as _;

use rayon::iter::{IntoParallelRefMutIterator as _, ParallelIterator as _};
use sha2::{Digest as _, Sha256};

use super::Discrepancy;
use crate::matching::Book;
use crate::money::Decimal;
use crate::normalise::{Role, Side};

/// Letters and digits that are not mistaken for one another (Crockford's base 32).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Names all discrepancies: `D-` and twelve characters of a SHA-256 over what
/// the entries say. Where several say exactly the same, `-2`, `-3` … follow.
pub(super) fn name(book: &Book<'_>, discrepancies: &mut [Discrepancy]) {
    discrepancies.par_iter_mut().for_each(|discrepancy| discrepancy.id = id(book, discrepancy));
    let mut seen: HashMap<String, u32> = HashMap::new();
    for Discrepancy { id, .. } in discrepancies {
        let copy = seen.entry(id.clone()).or_default();
        *copy += 1;
        if *copy > 1 {
            let _ = write!(id, "-{copy}");
        }
    }
}

fn id(book: &Book<'_>, discrepancy: &Discrepancy) -> String {
    let sides = [(Side::Invoice, &discrepancy.invoices), (Side::Settlement, &discrepancy.settlements)];
    let mut facts: Vec<String> = sides
        .into_iter()
        .flat_map(|(side, entries)| entries.iter().map(move |&entry| fact(book, side, entry)))
        .collect();
    facts.sort_unstable();
    let digest = Sha256::digest(facts.join("\u{1e}"));
    let mut id = String::from("D-");
    for byte in digest.iter().take(12) {
        id.push(char::from(ALPHABET.get(usize::from(byte % 32)).copied().unwrap_or(b'0')));
    }
    id
}

fn fact(book: &Book<'_>, side: Side, entry: u32) -> String {
    let ledger = book.ledger(side);
    let number =
        |value: Option<Decimal>| value.map(|value| value.normalize().to_string()).unwrap_or_default();
    let time = |at: Option<crate::period::Instant>| at.map(|at| at.0.to_string()).unwrap_or_default();
    let mut parts = vec![
        side.name().to_owned(),
        time(ledger.start(entry)),
        time(ledger.end(entry)),
        number(ledger.quantity(entry)),
        number(ledger.price(entry)),
        number(ledger.amount(entry)),
    ];
    // What the sources say, not what it is compared as: a new alias or key rule changes no identity.
    parts.extend(Role::ALL.into_iter().map(|role| ledger.role(role, entry).trim().to_owned()));
    parts.join("\u{1f}")
}
