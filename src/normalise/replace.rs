//! Patterns of `[normalise.<field>] replace`: what a text is rid of before it is compared.
//!
//! The engine looks at each character a bounded number of times, whatever the pattern: no text takes long.

use std::borrow::Cow;

use regex::{Regex, RegexBuilder};
use serde::Deserialize;

use super::keys::Case;
use crate::fault::{Fault, Kind, Result};

/// A pattern, and what stands in the place of all that it matches.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// A regular expression in the syntax of the crate `regex`: without look-around and back-references.
    pub pattern: String,
    /// `$1` and `${name}` are what a group matched, `$$` is a dollar.
    pub with: String,
}

/// Replacements, compiled, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Replacements(Vec<(Regex, String)>);

impl Replacements {
    /// Where case is folded, it makes no difference to a pattern either.
    pub(super) fn compile(replacements: &[Replacement], case: Case) -> Result<Self> {
        let compiled = replacements.iter().map(|Replacement { pattern, with }| {
            let fault = |what: &str| Fault::new(Kind::Configuration, what);
            let regex = RegexBuilder::new(pattern).case_insensitive(case == Case::Fold).build();
            let regex = regex.map_err(|error| {
                // The last line says what is wrong, those above draw where.
                let why = error.to_string();
                let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                fault("this is not a pattern")
                    .value(pattern)
                    .expected(format!(
                        "a regular expression, in single quotes so that \\ stays as it is; here: {why}"
                    ))
                    .next("look-around and back-references do not exist here: match more, and keep a group as $1")
            })?;
            match stray_group(&regex, with) {
                Some(group) => Err(fault("this names a group that its pattern does not have")
                    .value(format!("{with} for {pattern}"))
                    .expected(format!("a group in brackets for ${group}"))
                    .next("write ${1}x where letters follow a group's number, and $$ for a dollar")),
                None => Ok((regex, with.clone())),
            }
        });
        let replacements = Self(compiled.collect::<Result<_>>()?);
        for (regex, with) in replacements.0.iter().filter(|(_, with)| !with.contains('$')) {
            let once = replacements.apply(with.clone());
            let twice = replacements.apply(once.clone());
            if once != twice {
                return Err(Fault::new(
                    Kind::Configuration,
                    "what this pattern puts in would be replaced again, so that no text is ever done with",
                )
                .value(format!("{with} for {regex}: {once}, then {twice}"))
                .next("anchor the pattern with ^ and $, so that it matches what the sources say and nothing else"));
            }
        }
        Ok(replacements)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn apply(&self, mut text: String) -> String {
        for (regex, with) in &self.0 {
            if let Cow::Owned(replaced) = regex.replace_all(&text, with.as_str()) {
                text = replaced;
            }
        }
        text
    }
}

/// The first group that `with` refers to and `regex` lacks. What is no group would silently be nothing.
fn stray_group<'w>(regex: &Regex, with: &'w str) -> Option<&'w str> {
    let mut rest = with;
    while let Some((_, behind)) = rest.split_once('$') {
        if let Some(behind) = behind.strip_prefix('$') {
            rest = behind;
            continue;
        }
        // As the crate reads it: a name in braces, or as many letters, digits and underscores as there are.
        let braced = behind.strip_prefix('{').and_then(|behind| behind.split_once('}'));
        let (name, behind) = braced.unwrap_or_else(|| {
            let end = behind.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(behind.len());
            behind.split_at(end)
        });
        rest = behind;
        let known = match name.parse::<usize>() {
            Ok(number) => number < regex.captures_len(),
            Err(_) => name.is_empty() || regex.capture_names().flatten().any(|known| known == name),
        };
        if !known {
            return Some(name);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn compile(all: &[(&str, &str)]) -> Result<Replacements> {
        let replacement =
            |(pattern, with): &(&str, &str)| Replacement { pattern: (*pattern).into(), with: (*with).into() };
        Replacements::compile(&all.iter().map(replacement).collect::<Vec<_>>(), Case::Keep)
    }

    #[test]
    fn replacements_follow_each_other() {
        for (all, text, made) in [
            (&[("^TX-0*([0-9]+)/.*$", "$1")][..], "TX-0042/7", "42"),
            (&[("-", "")], "a-b-c", "abc"),
            (&[("(?P<a>.)(.)", "${2}x$a")], "12", "2x1"),
            (&[("cents", "$$")], "5 cents", "5 $"),
            (&[("a", "b"), ("b", "c")], "ab", "cc"),
        ] {
            assert_eq!(compile(all).unwrap().apply(text.to_owned()), made);
        }
    }

    #[test]
    fn what_could_surprise_is_refused() {
        for (pattern, with, says) in [
            ("(", "", "unclosed group"),
            ("a(?=b)", "", "look-around"),
            (r"(a)\1", "", "backreferences are not supported"),
            ("(a)", "$1x", "group that its pattern does not have"),
            ("(a)", "$2", "group that its pattern does not have"),
            ("(a)", "${name}", "group that its pattern does not have"),
            ("GAS", "GAS-1", "would be replaced again"),
            ("x{1000}{1000}", "", "not a pattern"),
        ] {
            let said = compile(&[(pattern, with)]).unwrap_err().to_string();
            assert!(said.contains(says), "{pattern}: {said}");
        }
    }
}
