//! How a text is made comparable: `[normalise.<field>]`.
//!
//! The report always shows what the sources say; only comparisons see what
//! these rules make of it. They are applied in this order: white space, patterns, case, zeros in front, aliases.
//!
//! Applying them twice is applying them once, unless a pattern matches what the patterns have made: `replace` can say
//! anything, and nothing can tell beforehand what a pattern makes of a text that it has not seen. So a text is made
//! comparable exactly once wherever it comes from, and a replacement that its own pattern would replace again, as far as
//! that can be seen, is refused.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::replace::{Replacement, Replacements};
use super::role::{Field, Fields};
use crate::fault::{Fault, Kind, Result};

/// What happens to letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// `COH` and `Coh` differ.
    #[default]
    Keep,
    /// They do not.
    Fold,
}

/// What happens to zeros in front.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeadingZeros {
    /// `033400` and `33400` differ.
    #[default]
    Keep,
    /// They do not.
    Strip,
}

/// The rule of one field, as `tieout.toml` states it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeySettings {
    /// White space at both ends is dropped, inside it becomes one space.
    pub trim: bool,
    /// Patterns and what stands in the place of what they match, in order.
    pub replace: Vec<Replacement>,
    /// Letters.
    pub case: Case,
    /// Zeros in front.
    pub leading_zeros: LeadingZeros,
    /// A CSV with the header `alias,name`: every alias stands for its name.
    pub aliases: Option<PathBuf>,
}

impl Default for KeySettings {
    fn default() -> Self {
        Self {
            trim: true,
            replace: Vec::new(),
            case: Case::Keep,
            leading_zeros: LeadingZeros::Keep,
            aliases: None,
        }
    }
}

/// One rule, its aliases read.
#[derive(Clone, Debug, Default)]
struct Rule {
    settings: KeySettings,
    replacements: Replacements,
    aliases: HashMap<String, String>,
    /// Whether it does more to a text than to trim it.
    changes: bool,
}

impl Rule {
    fn new(settings: KeySettings, replacements: Replacements, aliases: HashMap<String, String>) -> Self {
        let KeySettings { trim: _, replace: _, case, leading_zeros, aliases: _ } = settings;
        let changes = case == Case::Fold
            || leading_zeros == LeadingZeros::Strip
            || !replacements.is_empty()
            || !aliases.is_empty();
        Self { settings, replacements, aliases, changes }
    }

    fn trimmed(&self, text: &str) -> String {
        match self.settings.trim {
            true => text.split_whitespace().collect::<Vec<_>>().join(" "),
            false => text.to_owned(),
        }
    }

    fn shape(&self, text: &str) -> String {
        let mut text = self.trimmed(text);
        if !self.replacements.is_empty() {
            // What a pattern takes out may have white space on both sides.
            text = self.trimmed(&self.replacements.apply(text));
        }
        if self.settings.case == Case::Fold {
            text = text.to_lowercase();
        }
        if self.settings.leading_zeros == LeadingZeros::Strip {
            // A space that follows zeros stands in front then, and is trimmed as any other.
            let in_front = |c: char| c == '0' || (self.settings.trim && c == ' ');
            let stripped = text.trim_start_matches(in_front);
            if stripped.len() < text.len() {
                text = if stripped.is_empty() { "0".to_owned() } else { stripped.to_owned() };
            }
        }
        text
    }

    fn key(&self, text: &str) -> String {
        let shaped = self.shape(text);
        match self.aliases.get(&shaped) {
            Some(name) => self.shape(name),
            None => shaped,
        }
    }
}

/// The rules of all fields.
#[derive(Clone, Debug, Default)]
pub struct KeyRules {
    rules: Vec<Rule>,
}

impl KeyRules {
    /// Reads the alias tables (relative to `base`).
    ///
    /// # Errors
    /// [`Kind::Configuration`] where a table cannot be read, an alias has two names, a name is an alias again, or a
    /// pattern is none.
    pub fn load<'a>(
        settings: impl IntoIterator<Item = (Field, &'a KeySettings)>,
        fields: &Fields,
        base: &Path,
    ) -> Result<Self> {
        let mut rules = vec![Rule::default(); fields.count()];
        for (field, settings) in settings {
            let place = format!("[normalise.{}] replace", fields.name(field));
            let replacements =
                Replacements::compile(&settings.replace, settings.case).map_err(|fault| fault.at(place))?;
            let mut rule = Rule::new(settings.clone(), replacements, HashMap::new());
            if let Some(path) = &settings.aliases {
                let aliases = read_aliases(&rule, &base.join(path), path)?;
                rule = Rule::new(rule.settings, rule.replacements, aliases);
            }
            if let Some(slot) = rules.get_mut(field.index()) {
                *slot = rule;
            }
        }
        Ok(Self { rules })
    }

    /// What `text` is compared as.
    #[must_use]
    pub fn key(&self, field: Field, text: &str) -> String {
        self.rules.get(field.index()).map_or_else(|| text.trim().to_owned(), |rule| rule.key(text))
    }

    /// Whether `text`, trimmed, is its own key. Where this is `false`, it may still be.
    #[must_use]
    pub fn is_key(&self, field: Field, text: &str) -> bool {
        !self.rules.get(field.index()).is_some_and(|rule| rule.changes) && is_graphic(text.as_bytes())
    }

    /// The name that `text` stands for, in the case of the alias table; `text`, trimmed, where it is no alias.
    #[must_use]
    pub fn canonical<'a>(&'a self, field: Field, text: &'a str) -> &'a str {
        self.rules
            .get(field.index())
            .and_then(|rule| rule.aliases.get(&rule.shape(text)))
            .map_or_else(|| text.trim(), String::as_str)
    }
}

/// Whether all are printable ASCII, and none a space.
fn is_graphic(bytes: &[u8]) -> bool {
    // Eight at a time: the highest bit of a byte tells whether it is none. A borrow or a carry only comes from one that is none.
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let is_other = |eight: &[u8; 8]| {
        let eight = u64::from_ne_bytes(*eight);
        let (below, above) = (eight.wrapping_sub(ONES * 0x21), eight.wrapping_add(ONES));
        (below | above | eight) & (ONES * 0x80) != 0
    };
    // The last eight overlap those before them, the last four the first four.
    if let (Some(last), (eights, _)) = (bytes.last_chunk::<8>(), bytes.as_chunks::<8>()) {
        return !is_other(last) && !eights.iter().any(is_other);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let eight = u64::from(u32::from_ne_bytes(*first)) << 32 | u64::from(u32::from_ne_bytes(*last));
        return !is_other(&eight.to_ne_bytes());
    }
    bytes.iter().all(u8::is_ascii_graphic)
}

fn read_aliases(rule: &Rule, path: &Path, shown: &Path) -> Result<HashMap<String, String>> {
    let fault = |what: &str| Fault::new(Kind::Configuration, what.to_owned());
    let whole = |error: csv::Error| {
        fault("the alias table cannot be read").at(shown.display()).because(error).next("check aliases in [normalise] (the folder of tieout.toml is where it starts), and that the file is UTF-8")
    };
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_path(path).map_err(whole)?;
    if reader.headers().map_err(whole)? != vec!["alias", "name"] {
        return Err(fault("the alias table has another header").at(shown.display()).expected("alias,name"));
    }
    let mut aliases: HashMap<String, String> = HashMap::new();
    let mut lines: HashMap<String, u64> = HashMap::new();
    for record in reader.records() {
        let record = record.map_err(whole)?;
        let line = record.position().map_or(0, csv::Position::line);
        let place = format!("{}:{line}", shown.display());
        let (Some(alias), Some(name), 2) = (record.get(0), record.get(1), record.len()) else {
            return Err(fault("this line is not an alias and a name").at(place).expected("two cells"));
        };
        let key = rule.shape(alias);
        if key.is_empty() || rule.shape(name).is_empty() {
            return Err(fault(
                "blank is neither an alias nor a name: a blank text matches nothing by itself",
            )
            .at(place)
            .value(format!("{alias},{name}"))
            .next("complete the line, or remove it"));
        }
        if let Some(other) = aliases.get(&key).filter(|other| *other != name) {
            return Err(fault("this alias stands for two names")
                .at(place)
                .value(format!("{alias}: {other} and {name}"))
                .next("keep one of the two lines"));
        }
        lines.entry(key.clone()).or_insert(line);
        aliases.insert(key, name.to_owned());
    }
    for (alias, name) in &aliases {
        let key = rule.shape(name);
        if key != *alias && aliases.contains_key(&key) {
            let line = lines.get(alias).copied().unwrap_or_default();
            return Err(fault("this name is an alias of another line again")
                .at(format!("{}:{line}", shown.display()))
                .value(name)
                .next("let every alias name what it finally stands for"));
        }
    }
    Ok(aliases)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::super::role::Role;
    use super::*;

    fn rules(settings: &KeySettings, base: &Path) -> Result<KeyRules> {
        KeyRules::load([(location(), settings)], &Fields::default(), base)
    }

    fn location() -> Field {
        Field::of(Role::Location).unwrap()
    }

    proptest::proptest! {
        #[test]
        fn only_a_text_of_graphic_characters_is_surely_its_own_key(
            bytes in proptest::collection::vec(0x1e_u8..=0x81, 0..20),
            any in "[!-~]{7,9}.?[!-~]{0,9}",
        ) {
            for bytes in [bytes.as_slice(), any.as_bytes()] {
                proptest::prop_assert_eq!(is_graphic(bytes), bytes.iter().all(u8::is_ascii_graphic));
            }
        }
    }

    #[test]
    fn a_meter_that_lost_its_zero_is_the_same_meter() {
        let settings =
            KeySettings { leading_zeros: LeadingZeros::Strip, case: Case::Fold, ..KeySettings::default() };
        let rules = rules(&settings, Path::new("")).unwrap();
        for (text, key) in [
            ("033400", "33400"),
            ("33400", "33400"),
            (" 00 ", "0"),
            ("23-01", "23-01"),
            ("COH  7", "coh 7"),
            ("00 7", "7"),
        ] {
            assert_eq!(rules.key(location(), text), key);
            assert_eq!(rules.key(location(), key), key, "twice is once");
        }
    }

    #[test]
    fn patterns_see_what_the_sources_say() {
        let replace = |pattern: &str, with: &str| Replacement { pattern: pattern.into(), with: with.into() };
        let settings = KeySettings {
            replace: vec![replace(r"^TX-0*(\d+)/.*$", "$1"), replace("^n/a$", "")],
            case: Case::Fold,
            leading_zeros: LeadingZeros::Strip,
            ..KeySettings::default()
        };
        let rules = rules(&settings, Path::new("")).unwrap();
        for (text, key) in [
            (" TX-0042/7 rev ", "42"),
            ("42", "42"),
            ("tx-42/7", "42"),
            ("TX-00X/1", "tx-00x/1"),
            ("N/A", ""),
            ("0042", "42"),
        ] {
            assert_eq!(rules.key(location(), text), key);
            assert!(!rules.is_key(location(), text), "what a pattern would change is never its own key");
        }
    }

    #[test]
    fn aliases_meet_their_name_and_contradictions_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let settings =
            KeySettings { aliases: Some("a.csv".into()), case: Case::Fold, ..KeySettings::default() };
        let with = |text: &str| {
            std::fs::write(folder.path().join("a.csv"), text).unwrap();
            rules(&settings, folder.path())
        };
        let good = with("alias,name\nZone 6,TRANSCO-Z6\nZ6,TRANSCO-Z6\n").unwrap();
        assert_eq!(good.key(location(), "ZONE 6"), good.key(location(), "transco-z6"));
        assert_eq!(good.canonical(location(), "z6"), "TRANSCO-Z6");
        for (text, why) in [
            ("alias,name\na,b\na,c\n", "two names"),
            ("alias,name\na,b\nb,c\n", "alias of another line again"),
            ("alias,name\na,b\nb,a\n", "alias of another line again"),
            ("from,to\na,b\n", "another header"),
            ("alias,name\na\n", "not an alias and a name"),
            ("alias,name\n,b\n", "blank is neither"),
            ("alias,name\na, \n", "blank is neither"),
        ] {
            assert!(with(text).unwrap_err().to_string().contains(why), "{why}");
        }
    }
}
