//! A pass that brought nothing together, in words.

use crate::fault::shown;
use crate::matching::Idle;
use crate::normalise::Side;

/// How much it matters: that earlier passes left nothing is as it should be.
pub(super) const fn level(idle: &Idle) -> &'static str {
    match idle {
        Idle::NothingLeft(_) => "note",
        _ => "warning",
    }
}

/// Why it did, and what to do about it; nothing in it moves a terminal's cursor.
pub(super) fn told(idle: &Idle) -> String {
    match idle {
        Idle::NothingLeft(side) => format!("there are no {} for it, or earlier passes took them all", noun(*side)),
        Idle::Blank(side) => format!(
            "every part of its key is blank in all {} that are left for it; see [{}s.columns]",
            noun(*side),
            side.name()
        ),
        Idle::Apart(parts) => {
            let part = |(name, [billed, settled]): &(String, [Vec<String>; 2])| {
                format!(
                    "{} has no value that both sides know (invoices: {}; settlements: {})",
                    shown(name),
                    listed(billed),
                    listed(settled)
                )
            };
            let parts: Vec<String> = parts.iter().map(part).collect();
            format!(
                "{}; see whether the right columns are read, let [normalise] make the values comparable, or take it out of the key",
                parts.join("; ")
            )
        }
        Idle::Crossed(Some(nearly)) => {
            let [billed, settled] = &nearly.example;
            format!(
                "without {} in its key {} invoice line{} would have a settlement record, such as one with {} for one with {}; tieout explain shows for any discrepancy what keeps it apart",
                shown(&nearly.part),
                nearly.lines,
                if nearly.lines == 1 { "" } else { "s" },
                quoted(billed),
                quoted(settled)
            )
        }
        Idle::Crossed(None) => {
            "no line and record agree in all but one part of its key; tieout explain shows for any discrepancy what keeps it apart".to_owned()
        }
        Idle::Far([billed, settled]) => format!(
            "lines and records share its key, but none start near enough: the nearest at {} and at {}; widen the window, if that is the same delivery",
            quoted(billed),
            quoted(settled)
        ),
        Idle::Unfit => {
            "lines and records share its key, but nothing among them fits; tieout explain shows why for any discrepancy".to_owned()
        }
    }
}

const fn noun(side: Side) -> &'static str {
    match side {
        Side::Invoice => "invoice lines",
        Side::Settlement => "settlement records",
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", shown(text))
}

fn listed(values: &[String]) -> String {
    values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", ")
}
