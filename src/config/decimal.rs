//! Decimals of `tieout.toml`: in quotes, exact, zero or more, without a currency.

use crate::fault::{Fault, Kind, Result};
use crate::money::{self, Decimal, DecimalMark};

/// Reads what stands at `place`, if anything does.
pub(super) fn read(place: &str, text: Option<&str>) -> Result<Option<Decimal>> {
    text.map(|text| {
        let fault = |what: String| {
            Fault::new(Kind::Configuration, what)
                .at(place)
                .value(text)
                .expected("a decimal in quotes, such as \"0.01\", zero or more")
        };
        match money::parse(text, DecimalMark::Point) {
            Ok(parsed) if parsed.currency.is_some() => {
                Err(fault("this counts in every line's own currency and names none".to_owned())
                    .next("leave the currency out"))
            }
            Ok(parsed) if parsed.value.is_sign_negative() => Err(fault("this cannot be negative".to_owned())),
            Ok(parsed) => Ok(parsed.value),
            Err(why) => Err(fault(format!("this is not a number: {why}"))),
        }
    })
    .transpose()
}

/// Reads a list of percentages, each above zero and given once.
pub(super) fn rates(place: &str, texts: &[String]) -> Result<Vec<Decimal>> {
    let mut rates = Vec::new();
    for text in texts {
        let Some(rate) = read(place, Some(text))? else { continue };
        let fault = |what: &str| {
            Err(Fault::new(Kind::Configuration, what)
                .at(place)
                .value(text)
                .expected("percentages above zero, each once: 7.5 means 7.5 %"))
        };
        if rate.is_zero() || rate.scale() > 8 {
            return fault("this is no rate");
        }
        if rates.contains(&rate) {
            return fault("this rate is given twice");
        }
        rates.push(rate);
    }
    Ok(rates)
}
