//! What `[[pass]]` says beside its key, and what passes say to each other.

use std::collections::BTreeSet;

use super::decimal;
use super::file::PassFile;
use crate::fault::{Fault, Kind, Result};
use crate::matching::{Compare, KeyPart, Pass, Within};
use crate::normalise::{Reading, Role, Side};

/// A window of more than a year finds nothing but chance.
const MOST_DAYS: u32 = 366;

/// The pass with this key.
pub(super) fn checked(file: PassFile, key: Vec<KeyPart>) -> Result<Pass> {
    let fault = |what: &str| Fault::new(Kind::Configuration, what).at(format!("[[pass]] {:?}", file.name));
    if file.name.trim().is_empty() {
        return Err(fault("this pass has no name").expected("a name that reports can call it by"));
    }
    if let Some((number, _)) =
        key.iter().enumerate().find(|(number, part)| key.iter().take(*number).any(|other| other == *part))
    {
        return Err(fault("the key names this twice")
            .value(file.key.get(number).map(String::as_str).unwrap_or_default())
            .next("remove one of the two"));
    }
    let subset = file.compare == Compare::Subset;
    for (name, given) in [("of", file.of.is_some()), ("sum_within", file.sum_within.is_some())] {
        if given && !subset {
            return Err(fault("this is for sub-sets, which the pass does not look for")
                .value(name)
                .next("add compare = \"subset\", or remove it"));
        }
    }
    let within = file.within.as_deref().map(|text| {
        let fault = |what: &str| fault(what).value(format!("within = {text:?}"));
        if file.compare != Compare::Lines {
            return Err(fault("a window pairs one line with one record, and this pass compares something else")
                .next("remove within, or compare = …; a total over days is key = [\"…\", \"month(start)\"]"));
        }
        if !key.contains(&KeyPart::Start) {
            return Err(fault("a window is how far starts may be apart, but start is not in the key")
                .expected("key = [\"deal\", …, \"start\"]"));
        }
        if key.contains(&KeyPart::End) {
            return Err(fault("where starts may be apart, ends are as well, but this key asks for the same end")
                .next("take end out of the key"));
        }
        if key.len() == 1 {
            return Err(fault("nothing but their time would bring lines and records together")
                .expected("another part in the key, which must be the same on both sides"));
        }
        window(text).ok_or_else(|| {
            fault("this is no span of time").expected(format!(
                "a whole number of minutes, hours or days, from 1 minute to {MOST_DAYS} days, such as \"1 day\" or \"2 hours\""
            ))
        })
    });
    let within = within.transpose()?;
    let place = format!("[[pass]] {:?} sum_within", file.name);
    let sum_within = decimal::read(&place, file.sum_within.as_deref())?;
    Ok(Pass {
        within,
        of: file.of.map_or(Side::Settlement, |of| match of {
            PartsOf::Settlements => Side::Settlement,
            PartsOf::Invoices => Side::Invoice,
        }),
        sum_within: sum_within.unwrap_or_default(),
        ..Pass::exact(file.name, key, file.compare)
    })
}

/// Whose entries add up to one of the other side.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum PartsOf {
    Settlements,
    Invoices,
}

/// Reads `1 day`.
fn window(text: &str) -> Option<Within> {
    let (number, unit) = text.trim().split_once(' ')?;
    let number: u32 = number.parse().ok().filter(|&number| number > 0)?;
    let within = match unit.trim().strip_suffix('s').unwrap_or(unit.trim()) {
        "minute" => Within::Seconds(i64::from(number) * 60),
        "hour" => Within::Seconds(i64::from(number) * 3600),
        "day" => Within::Days(number),
        _ => return None,
    };
    let days = match within {
        Within::Days(days) => i64::from(days),
        Within::Seconds(seconds) => seconds / 86_400,
    };
    (days <= i64::from(MOST_DAYS)).then_some(within)
}

/// What must be equal, in an order of its own.
fn parts(pass: &Pass) -> BTreeSet<String> {
    pass.equal_parts().into_iter().map(|part| format!("{part:?}")).collect()
}

/// Refuses passes that reports could not tell apart, those for which an earlier one leaves nothing, and those for which
/// a side has nothing.
pub(super) fn check(passes: &[Pass], sides: [(&str, &Reading); 2]) -> Result<()> {
    for (number, pass) in passes.iter().enumerate() {
        let earlier = || passes.iter().take(number);
        let at = format!("[[pass]] {:?}", pass.name);
        let without = sides.into_iter().find(|(_, reading)| !reading.states(Role::Amount));
        if let (Compare::Subset, Some((table, _))) = (pass.compare, without) {
            return Err(Fault::new(
                Kind::Configuration,
                "sub-sets are of amounts, but nothing says which column holds them",
            )
            .at(format!("[{table}.columns]"))
            .value(&at)
            .expected("amount = \"…\", a header"));
        }
        if earlier().any(|earlier| earlier.name == pass.name) {
            return Err(Fault::new(
                Kind::Configuration,
                "two passes have this name, so that no report tells them apart",
            )
            .at(at)
            .next("give each a name of its own"));
        }
        let key = parts(pass);
        let takes_all = |earlier: &&Pass| {
            let lines = earlier.is_exact() && earlier.compare == Compare::Lines;
            let same = (earlier.compare, earlier.within, earlier.of, earlier.sum_within)
                == (pass.compare, pass.within, pass.of, pass.sum_within);
            parts(earlier) == key && (lines || same)
        };
        if let Some(earlier) = earlier().find(takes_all) {
            return Err(Fault::new(
                Kind::Configuration,
                "this pass can never match anything: an earlier one takes all that shares its key",
            )
            .at(at)
            .value(format!("the key of {:?}", earlier.name))
            .next("give it another key, or remove it"));
        }
    }
    Ok(())
}
