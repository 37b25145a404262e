//! Parameter values with placeholders: `{vendor}`, `{window.start:%Y-%m-%d}`, `{page}`; `{{` is a brace.

use serde::Deserialize;

/// Text with placeholders in it, taken apart once.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Placeholder(String),
}

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            plain.push_str(before);
            if let Some(after) = from.strip_prefix("{{") {
                plain.push('{');
                rest = after;
            } else if let Some(after) = from.strip_prefix("}}") {
                plain.push('}');
                rest = after;
            } else if let Some(after) = from.strip_prefix('{') {
                let (name, after) = after.split_once('}').ok_or_else(|| {
                    format!("the placeholder in {text:?} is not closed; write {{{{ for a brace itself")
                })?;
                let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
                // Behind a colon is how the value is written, which is the caller's business.
                let bare = name.split_once(':').map_or(name, |(bare, _)| bare);
                if bare.is_empty() || !bare.chars().all(named) {
                    return Err(format!(
                        "{{{name}}} in {text:?} is no placeholder: letters, digits, . _ and - only"
                    ));
                }
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Placeholder(name.to_owned()));
                rest = after;
            } else {
                // A closing brace on its own is no danger to anybody.
                plain.push('}');
                rest = from.get(1..).unwrap_or_default();
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }
}

impl Template {
    /// Text without placeholders.
    #[must_use]
    pub fn literal(text: String) -> Self {
        Self(vec![Piece::Text(text)])
    }

    /// The names of its placeholders, as often as they stand there.
    pub fn placeholders(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Placeholder(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// The text with every placeholder replaced; the first name that `value` does not know is the error.
    pub(super) fn fill<'v>(&self, value: impl Fn(&str) -> Option<&'v str>) -> Result<String, &str> {
        let mut filled = String::new();
        for piece in &self.0 {
            filled.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Placeholder(name) => value(name).ok_or(name.as_str())?,
            });
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn placeholders_are_filled_and_doubled_braces_are_braces() {
        let template = Template::try_from("a{{{vendor}}} b } {window.start}{page}".to_owned()).unwrap();
        assert_eq!(template.placeholders().collect::<Vec<_>>(), ["vendor", "window.start", "page"]);
        let filled = template.fill(|name| Some(if name == "vendor" { "V{page}" } else { "1" })).unwrap();
        assert_eq!(filled, "a{V{page}} b } 11", "what is filled in is not looked at again");
        assert_eq!(template.fill(|_| None), Err("vendor"));
        let template = Template::try_from("{window.end:%d/%m/%Y %H:%M}".to_owned()).unwrap();
        assert_eq!(template.placeholders().collect::<Vec<_>>(), ["window.end:%d/%m/%Y %H:%M"]);
    }

    #[test]
    fn a_placeholder_is_closed_and_named() {
        for bad in ["{vendor", "{}", "{a b}", "{:%Y}", "x{"] {
            assert!(Template::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
