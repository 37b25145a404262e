//! `[invoices.totals]` and `[settlements.totals]`: rows that are totals of others.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::decimal;
use crate::fault::{Fault, Kind, Result};
use crate::normalise::{Field, Fields, Headers, KeyRules, Reading, Role, Share, TotalRule, TotalRules};

/// One table, or several.
#[derive(Default)]
pub(super) struct OneOrMore<T>(pub(super) Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMore<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        // By hand: what serde does for an untagged enum would not say which key is unknown.
        struct Tables<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Tables<T> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table, or several")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<Vec<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|one| vec![one])
            }

            fn visit_seq<A: SeqAccess<'de>>(self, tables: A) -> std::result::Result<Vec<T>, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(tables))
            }
        }
        deserializer.deserialize_any(Tables(PhantomData)).map(Self)
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TotalFile {
    #[serde(default)]
    when: BTreeMap<String, Headers>,
    of: Option<Headers>,
    absolute: Option<String>,
}

/// What stands for the file in `of`.
const FILE: &str = "file";

impl TotalFile {
    /// The names of the fields that it speaks of.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.when.keys().map(String::as_str).chain(self.of().filter(|name| *name != FILE))
    }

    fn of(&self) -> impl Iterator<Item = &str> {
        let document = std::slice::from_ref(&DOCUMENT);
        let named = self.of.as_ref().map(Headers::names).unwrap_or_default().iter().map(String::as_str);
        let default = if self.of.is_none() { document } else { &[] };
        named.chain(default.iter().copied())
    }
}

const DOCUMENT: &str = Role::Document.name();

/// Makes the fields known that the rules of a side speak of, and sees that they are read there.
pub(super) fn fields(table: &str, files: &[TotalFile], reading: &Reading, fields: &mut Fields) -> Result<()> {
    for file in files {
        let at = format!("[{table}.totals]");
        if file.when.values().any(|values| values.names().is_empty()) || file.when.is_empty() {
            return Err(Fault::new(Kind::Configuration, "nothing says which rows are totals")
                .at(format!("{at} when"))
                .expected("when = { charge = \"TOTAL\" }, with at least one value"));
        }
        if file.of().next().is_none() {
            return Err(Fault::new(Kind::Configuration, "nothing says what these rows are totals of")
                .at(format!("{at} of"))
                .expected("of = [\"document\"], or of = \"file\""));
        }
        for name in file.names() {
            if fields.add(name).is_none() {
                return Err(Fault::new(Kind::Configuration, "totals are told by texts, and this holds none")
                    .at(&at)
                    .value(name)
                    .expected("a role that holds text, or an attribute"));
            }
            let is_read = reading.columns.contains_key(name) || reading.defaults.contains_key(name);
            if Role::named(name).is_some() && !is_read {
                return Err(Fault::new(
                    Kind::Configuration,
                    format!("totals are told by {name}, but nothing says which column holds it"),
                )
                .at(format!("[{table}.columns]"))
                .expected(format!("{name} = \"…\", a header")));
            }
        }
    }
    Ok(())
}

/// The rules of a side; none where it has no totals.
pub(super) fn checked(
    table: &str,
    files: &[TotalFile],
    fields: &Fields,
    keys: &KeyRules,
) -> Result<Option<TotalRules>> {
    let mut rules = Vec::new();
    for file in files {
        let key = |field: Field, value: &String| keys.key(field, value);
        let when = file.when.iter().filter_map(|(name, values)| {
            let field = fields.find(name)?;
            Some((field, values.names().iter().map(|value| key(field, value)).collect()))
        });
        let share = |name| if name == FILE { Some(Share::File) } else { fields.find(name).map(Share::Text) };
        let absolute = decimal::read(&format!("[{table}.totals] absolute"), file.absolute.as_deref())?;
        rules.push(TotalRule {
            when: when.collect(),
            of: file.of().filter_map(share).collect(),
            absolute: absolute.unwrap_or_default(),
        });
    }
    Ok((!rules.is_empty()).then(|| TotalRules { rules, keys: keys.clone() }))
}
