//! The request as it goes out.

use std::borrow::Cow;

use quick_xml::escape::escape;

use super::fetch::Values;
use super::request::{Parameter, Request};
use super::settings::Soap;
use crate::fault::{Fault, Kind, Result};

/// Writes a call of `request` in SOAP: its parameters in order, in the namespace of the service.
///
/// # Errors
/// [`Kind::Configuration`] for a placeholder without a value, and for a value
/// that XML cannot carry (XML 1.0 §2.2: control characters).
pub(super) fn write(
    soap: Soap,
    namespace: &str,
    request: &Request,
    values: &Values,
    page: u64,
) -> Result<String> {
    let filling = Filling::new(request, values, page);
    let value = |name: &str| filling.value(name);
    let operation = &request.operation;
    let namespace = text("namespace", namespace)?;
    let mut parameters = String::new();
    write_table(&mut parameters, &request.parameters, &value)?;
    Ok(wrap(
        soap,
        &match request.qualified {
            true => format!(r#"<{operation} xmlns="{namespace}">{parameters}</{operation}>"#),
            false => format!(r#"<m:{operation} xmlns:m="{namespace}">{parameters}</m:{operation}>"#),
        },
    ))
}

/// The envelope around what stands in the body (SOAP 1.1 §4, SOAP 1.2 Part 1 §5).
pub(super) fn wrap(soap: Soap, body: &str) -> String {
    let namespace = match soap {
        Soap::V11 => "http://schemas.xmlsoap.org/soap/envelope/",
        Soap::V12 => "http://www.w3.org/2003/05/soap-envelope",
    };
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="{namespace}"><soap:Body>{body}</soap:Body></soap:Envelope>"#
    )
}

/// What the placeholders of one call stand for, its page among them.
pub(super) struct Filling<'v> {
    own: [(&'static str, String); 2],
    values: &'v Values,
}

impl<'v> Filling<'v> {
    pub(super) fn new(request: &Request, values: &'v Values, page: u64) -> Self {
        Self { own: [("page", page.to_string()), ("page_size", request.page_size.to_string())], values }
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.own
            .iter()
            .find_map(|(known, value)| (*known == name).then_some(value.as_str()))
            .or_else(|| self.values.get(name).map(String::as_str))
    }
}

fn write_table<'v>(
    out: &mut String,
    table: &[(String, Parameter)],
    value: &impl Fn(&str) -> Option<&'v str>,
) -> Result<()> {
    for (name, parameter) in table {
        out.push_str(&format!("<{name}>"));
        match parameter {
            Parameter::Nested(table) => write_table(out, table, value)?,
            Parameter::Text(template) => {
                let filled = template.fill(value).map_err(|unknown| {
                    Fault::new(Kind::Configuration, format!("{{{unknown}}} has no value in this call"))
                        .at(place(name))
                })?;
                out.push_str(&text(name, &filled)?);
            }
        }
        out.push_str(&format!("</{name}>"));
    }
    Ok(())
}

fn place(name: &str) -> String {
    format!("[platform.request] parameters.{name}")
}

/// `value` as XML text.
fn text<'v>(name: &str, value: &'v str) -> Result<Cow<'v, str>> {
    carried(value).map_err(|fault| fault.at(place(name)))
}

/// `value` as XML text.
///
/// # Errors
/// [`Kind::Configuration`], to which the place is to be added, where XML cannot carry it (XML 1.0 §2.2).
pub(super) fn carried(value: &str) -> Result<Cow<'_, str>> {
    let is_carried = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    if !value.chars().all(is_carried) {
        return Err(Fault::new(Kind::Configuration, "XML cannot carry a control character")
            .value(value)
            .expected("text without control characters (XML 1.0 §2.2)")
            .next("take it out"));
    }
    Ok(escape(value))
}
