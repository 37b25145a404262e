//! What a fetch asks for: windows × vendors, each a piece with all its pages.

use std::collections::HashSet;

use super::fetch::Values;
use super::request::{Request, Window};
use crate::fault::{Fault, Kind, Result};
use crate::period::{Instant, Period, Step, Zone};

/// The placeholders of a request that a plan fills, beside the platform's own for paging.
pub const PLACEHOLDERS: [&str; 4] = ["vendor", "window.start", "window.end", "window.last"];
/// How a time is written where its placeholder does not say.
const PATTERN: &str = "%Y-%m-%dT%H:%M:%S";
/// Pieces of one fetch after which something is wrong with the period or the window.
const MOST_PIECES: usize = 200_000;

/// What is asked for by itself, page by page, and kept when all its pages are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its window as ISO 8601, `start..end`; blank where the request names none.
    pub window: String,
    /// What the placeholders of its calls stand for.
    pub values: Values,
}

impl From<Values> for Piece {
    fn from(values: Values) -> Self {
        Self { window: String::new(), values }
    }
}

/// The name and the strftime pattern of a placeholder such as `window.start:%Y-%m-%d`.
#[must_use]
pub fn split_placeholder(placeholder: &str) -> (&str, Option<&str>) {
    match placeholder.split_once(':') {
        Some((name, pattern)) if name.starts_with("window.") => (name, Some(pattern)),
        _ => (placeholder, None),
    }
}

impl Request {
    /// Checks that the windows that are asked for can be told by the parameters.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where a window is set that no parameter names, or that has no last day.
    pub fn check_window(&self) -> Result<()> {
        let placeholders = self.placeholders();
        let has =
            |name: &str| placeholders.iter().any(|placeholder| split_placeholder(placeholder).0 == name);
        let fault = |what: &str| Fault::new(Kind::Configuration, what).at("[platform.request] window");
        if self.window.is_some() && !has("window.start") {
            return Err(fault(
                "no parameter says which window is asked for, so every call would bring all records",
            )
            .expected("{window.start}, and {window.end} or {window.last}, in parameters"));
        }
        if self.window == Some(Window::Hour) && has("window.last") {
            return Err(fault("an hour has no last day")
                .value("{window.last}")
                .expected("{window.end}, or window = \"day\""));
        }
        Ok(())
    }

    /// The pieces of a fetch, vendor by vendor (one that is blank where the request names none) and window by window.
    ///
    /// Two windows that the parameters would write alike are one: in autumn an hour comes twice in local time, and
    /// what is asked for by dates cannot be asked for by hours.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where there are too many, or two of them would be the same.
    pub fn plan(&self, zone: &Zone, period: Option<&Period>, vendors: &[String]) -> Result<Vec<Piece>> {
        let placeholders = self.placeholders();
        let windows = match period {
            Some(period) if placeholders.iter().any(|name| name.starts_with("window.")) => {
                self.windows(zone, period)?.into_iter().map(Some).collect()
            }
            _ => vec![None],
        };
        if windows.len().saturating_mul(vendors.len()) > MOST_PIECES {
            return Err(too_many());
        }
        let piece = |vendor: &str, window: Option<(Instant, Instant)>| Piece {
            window: window
                .map(|(start, end)| format!("{}..{}", zone.show(start, true), zone.show(end, true)))
                .unwrap_or_default(),
            values: self.values(zone, window, vendor),
        };
        let pieces: Vec<Piece> = vendors
            .iter()
            .flat_map(|vendor| windows.iter().map(move |window| (vendor, *window)))
            .map(|(vendor, window)| piece(vendor, window))
            .collect();
        let mut seen = HashSet::new();
        match pieces.iter().find(|piece| !seen.insert(&piece.values)) {
            None => Ok(pieces),
            Some(twice) => {
                let values = twice.values.iter().map(|(name, value)| format!("{{{name}}} {value}"));
                Err(Fault::new(
                    Kind::Configuration,
                    "two calls of the fetch would be the same, so records would come twice",
                )
                .at("[platform.request] parameters")
                .value(values.collect::<Vec<_>>().join(", "))
                .next("let the parameters name each window, with its date and, for hours, the time"))
            }
        }
    }

    /// What the placeholders stand for in the calls for one window (its first instant, and the first behind it) and one vendor.
    #[must_use]
    pub fn values(&self, zone: &Zone, window: Option<(Instant, Instant)>, vendor: &str) -> Values {
        let value = |placeholder: &str| -> Option<String> {
            let (name, pattern) = split_placeholder(placeholder);
            let at = match (name, window) {
                ("vendor", _) => return Some(vendor.to_owned()),
                ("window.start", Some((start, _))) => start,
                ("window.end", Some((_, end))) => end,
                ("window.last", Some((_, end))) => zone.day(Instant(end.0 - 1)),
                _ => return None,
            };
            zone.format(at, pattern.unwrap_or(PATTERN)).ok()
        };
        self.placeholders()
            .into_iter()
            .filter_map(|placeholder| Some((placeholder.to_owned(), value(placeholder)?)))
            .collect()
    }

    fn windows(&self, zone: &Zone, period: &Period) -> Result<Vec<(Instant, Instant)>> {
        let step = match self.window {
            None => return Ok(vec![(period.start(), period.end())]),
            Some(Window::Hour) => Step::Hour,
            Some(Window::Day) => Step::Day,
            Some(Window::Month) => Step::Month,
        };
        let placeholders = self.placeholders();
        // How the parameters write an edge, as the start of a window and as the end of one.
        let written = |at: Instant| {
            ["window.start", "window.end"].map(|edge| {
                let patterns = placeholders.iter().filter_map(|placeholder| {
                    let (name, pattern) = split_placeholder(placeholder);
                    (name == edge).then(|| zone.format(at, pattern.unwrap_or(PATTERN)).unwrap_or_default())
                });
                patterns.collect::<Vec<_>>()
            })
        };
        let alike = |one: Instant, other: Instant| {
            written(one).iter().zip(&written(other)).any(|(one, other)| !one.is_empty() && one == other)
        };
        let mut kept: Vec<Instant> = Vec::new();
        for edge in period.edges(step) {
            if kept.len() > MOST_PIECES {
                return Err(too_many());
            }
            if kept.last().is_none_or(|last| !alike(*last, edge)) {
                kept.push(edge);
            } else if edge == period.end() && kept.len() > 1 {
                // The end is the end; the edge before it goes instead.
                kept.pop();
                kept.push(edge);
            }
        }
        if kept.len() < 2 {
            return Ok(vec![(period.start(), period.end())]);
        }
        Ok(kept.iter().copied().zip(kept.iter().copied().skip(1)).collect())
    }
}

fn too_many() -> Fault {
    Fault::new(Kind::Configuration, format!("the period has more than {MOST_PIECES} windows"))
        .at("[platform.request] window")
        .next("ask for a shorter period, or for longer windows")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::time::UNIX_EPOCH;

    use super::*;

    /// What is filled in for each window, in the order of the placeholders' names: the end, the start.
    fn plan(period: &str, window: &str, parameters: &str) -> Vec<String> {
        let request: Request = toml::from_str(&format!(
            "operation = \"Get\"\nrecords = \"R\"\nwindow = \"{window}\"\nparameters = {{ {parameters} }}"
        ))
        .unwrap();
        request.check_window().unwrap();
        let zone = Zone::named("America/Chicago").unwrap();
        let period = Period::parse(period, &zone, UNIX_EPOCH).unwrap();
        let pieces = request.plan(&zone, Some(&period), &["V".to_owned()]).unwrap();
        pieces.iter().map(|piece| piece.values.values().cloned().collect::<Vec<_>>().join(" > ")).collect()
    }

    const EDGES: &str = r#"b = "{window.start:%d %H:%M}", a = "{window.end:%d %H:%M}""#;

    #[test]
    fn windows_are_written_by_the_clock_of_the_zone() {
        let spring = plan("2026-03-08", "hour", EDGES);
        assert_eq!((spring.len(), spring.get(1).unwrap().as_str()), (23, "08 03:00 > 08 01:00"));
        // 01:00 comes twice; as it is written alike, its two hours are one window.
        let autumn = plan("2026-11-01", "hour", EDGES);
        assert_eq!((autumn.len(), autumn.get(1).unwrap().as_str()), (24, "01 02:00 > 01 01:00"));
        let autumn = plan("2026-11-01", "hour", r#"a = "{window.start:%H%z}", b = "{window.end:%H%z}""#);
        assert_eq!(autumn.len(), 25, "an offset tells them apart");
        assert_eq!(
            plan(
                "2026-10-30..2026-11-01",
                "month",
                r#"a = "{window.start:%m-%d}", b = "{window.last:%m-%d}""#
            ),
            ["10-31 > 10-30", "11-01 > 11-01"]
        );
    }

    #[test]
    fn what_is_written_alike_is_asked_for_once() {
        let days = r#"a = "{window.start:%m-%d}", b = "{window.last:%m-%d}""#;
        assert_eq!(plan("2026-10-30..2026-11-01", "day", days).len(), 3);
        let by_date = r#"a = "{window.start:%m-%d}", b = "{window.end:%m-%d}""#;
        assert_eq!(plan("2026-10-30..2026-11-01", "hour", by_date).len(), 3);
        let by_month = r#"a = "{window.start:%Y-%m}", b = "{window.end:%Y-%m}""#;
        assert_eq!(plan("2026-10-30..2026-11-05", "day", by_month).len(), 1);
        let mixed = r#"a = "{window.start}", b = "{window.end:%Y-%m-%d}""#;
        assert_eq!(plan("2026-10-30..2026-11-01", "hour", mixed).len(), 3);
    }

    #[test]
    fn a_window_that_cannot_be_told_is_refused() {
        for (window, parameters, expected) in [
            ("day", "", "every call would bring all"),
            ("day", r#"a = "{window.end}""#, "every call would bring all"),
            ("hour", r#"a = "{window.start}", b = "{window.last}""#, "no last day"),
        ] {
            let request: Request = toml::from_str(&format!(
                "operation = \"Get\"\nrecords = \"R\"\nwindow = \"{window}\"\nparameters = {{ {parameters} }}"
            ))
            .unwrap();
            let fault = request.check_window().unwrap_err();
            assert!(fault.to_string().contains(expected), "{fault}");
        }
    }
}
