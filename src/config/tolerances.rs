//! `[[tolerance]]`, read and checked one by one and against each other.

use super::file::ToleranceFile;
use crate::fault::{Fault, Kind, Result};
use crate::judge::Tolerance;
use crate::money::{self, Decimal, DecimalMark};
use crate::normalise::{Field, Fields, KeyRules, Reading, Role};

/// The fields that `when` names, which become known with this.
pub(super) fn fields<'f>(files: &'f [ToleranceFile], fields: &mut Fields) -> Result<Vec<&'f String>> {
    let mut named = Vec::new();
    for (name, values) in files.iter().flat_map(|file| &file.when) {
        if values.names().is_empty() {
            return Err(Fault::new(Kind::Configuration, "a tolerance for no value at all never applies")
                .at(format!("[[tolerance]] when {name}"))
                .expected("at least one value"));
        }
        fields.add(name).ok_or_else(|| {
            Fault::new(Kind::Configuration, "`when` compares texts, and this holds none")
                .at("[[tolerance]] when")
                .value(name)
        })?;
        named.push(name);
    }
    Ok(named)
}

/// The tolerances in order; none that an earlier one leaves nothing to decide.
pub(super) fn checked(
    files: Vec<ToleranceFile>,
    fields: &Fields,
    keys: &KeyRules,
    sides: [(&str, &Reading); 2],
) -> Result<Vec<Tolerance>> {
    let mut tolerances: Vec<Tolerance> = Vec::new();
    for file in files {
        let tolerance = tolerance(file, fields, keys)?;
        check_read(&tolerance, sides)?;
        if let Some(earlier) = tolerances.iter().find(|earlier| tolerance.is_shadowed_by(earlier)) {
            return Err(Fault::new(
                Kind::Configuration,
                "this tolerance can never apply: an earlier one decides first",
            )
            .at(format!("[[tolerance]] {} of {}", tolerances.len() + 1, tolerance.role))
            .value(format!("{tolerance}, behind {earlier}"))
            .next("put the one with the narrower `when` first, or remove one of the two"));
        }
        tolerances.push(tolerance);
    }
    Ok(tolerances)
}

/// Refuses a tolerance that would silently do nothing, since a side never states what it is for.
fn check_read(tolerance: &Tolerance, sides: [(&str, &Reading); 2]) -> Result<()> {
    let [_, settlements] = sides;
    let own = sides.map(|side| (side, tolerance.role));
    let quantity = tolerance.per_unit.map(|_| (settlements, Role::Quantity));
    let unread = own.into_iter().chain(quantity);
    let unread = unread.into_iter().find(|((_, reading), role)| !reading.states(*role));
    match unread {
        None => Ok(()),
        Some(((table, _), role)) => Err(Fault::new(
            Kind::Configuration,
            format!("this tolerance would do nothing: nothing says which column holds the {role}"),
        )
        .at(format!("[{table}.columns]"))
        .value(tolerance)
        .expected(format!("{role} = \"…\", a header"))
        .next("name the column, or remove the tolerance")),
    }
}

fn tolerance(file: ToleranceFile, fields: &Fields, keys: &KeyRules) -> Result<Tolerance> {
    let role = Role::named(&file.field).ok_or_else(|| {
        Fault::new(Kind::Configuration, "this field has no tolerance")
            .at("[[tolerance]] field")
            .value(&file.field)
            .expected("quantity, price or amount")
    })?;
    let when = file
        .when
        .iter()
        .filter_map(|(name, values)| {
            let field: Field = fields.find(name)?;
            Some((field, values.names().iter().map(|value| keys.key(field, value)).collect()))
        })
        .collect();
    Tolerance {
        absolute: limb("absolute", file.absolute)?,
        percent: limb("percent", file.percent)?,
        of: file.of.unwrap_or_default(),
        per_unit: limb("per_unit", file.per_unit)?,
        per_line: limb("per_line", file.per_line)?,
        floor: limb("floor", file.floor)?,
        cap: limb("cap", file.cap)?,
        combine: file.combine,
        when,
        ..Tolerance::of(role)
    }
    .checked()
}

fn limb(name: &str, text: Option<String>) -> Result<Option<Decimal>> {
    text.map(|text| {
        let fault = |what: String| {
            Fault::new(Kind::Configuration, what)
                .at(format!("[[tolerance]] {name}"))
                .value(&text)
                .expected("a decimal in quotes, such as \"0.01\"")
        };
        match money::parse(&text, DecimalMark::Point) {
            Ok(parsed) if parsed.currency.is_some() => {
                Err(fault("a tolerance counts in every line's own currency and names none".to_owned())
                    .next("leave the currency out, or limit the tolerance: when = { currency = \"…\" }"))
            }
            Ok(parsed) => Ok(parsed.value),
            Err(why) => Err(fault(format!("this is not a number: {why}"))),
        }
    })
    .transpose()
}
