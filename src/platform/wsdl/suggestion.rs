//! A `[platform.request]` to start from.

use super::Operation;
use super::answers::Answers;
use super::element::{Element, Simple};
use crate::platform::settings::default_action;

/// Where the comments start.
const WIDTH: usize = 44;

/// Writes the table for `operation`: all that the WSDL says, and a guess at what each parameter stands for.
pub(super) fn request(operation: &Operation) -> String {
    let versions: Vec<&str> = operation.soap.iter().map(|soap| soap.name()).collect();
    let mut lines = vec![
        format!(
            "# beside namespace = {} and soap = {} in [platform]",
            quoted(&operation.namespace),
            quoted(versions.first().unwrap_or(&"1.1"))
        ),
        "[platform.request]".to_owned(),
    ];
    let mut line = |key: &str, value: &str, comment: &str| {
        let pair = format!("{key} = {value}");
        lines.push(if comment.is_empty() { pair } else { format!("{pair:<WIDTH$} # {comment}") });
    };
    line("operation", &quoted(&operation.element), "");
    if operation.action != default_action(&operation.namespace, &operation.element) {
        line("action", &quoted(&operation.action), "");
    }
    if is_unqualified(&operation.parameters) {
        line("qualified", "false", "the parameters are in no namespace");
    }
    match &operation.answers {
        Answers::Records(records) => {
            line("records", &quoted(&records.records), "");
            for (key, path) in [("total", &records.total), ("more", &records.more)] {
                if let Some(path) = path {
                    line(key, &quoted(path), "a guess by its name: check it");
                }
            }
        }
        Answers::DataSet { at } => {
            line(
                "records",
                &quoted(&format!("{at}/diffgram/DATASET/TABLE")),
                "call it once to see its names",
            );
        }
        Answers::Open { at } => {
            line("records", &quoted(&format!("{at}/ELEMENT")), "call it once to see its names")
        }
        Answers::Values { fields } => {
            let first = fields.first().map(|field| field.name.as_str()).unwrap_or_default();
            let comment = match fields.as_slice() {
                [only] if only.base == Some(Simple::Text) => {
                    "a single text: if it is XML, call it once and go on with its names"
                }
                _ => "nothing repeats in this answer",
            };
            line("records", &quoted(first), comment);
        }
        Answers::Nothing => line("records", "\"ELEMENT\"", "the answer holds nothing"),
        Answers::Unknown => {
            line("records", "\"ELEMENT\"", "the WSDL does not say: call it once to see its names")
        }
    }
    let leaves: Vec<(String, &Element)> =
        operation.leaves().into_iter().filter(|(path, _)| !path.contains(['@', '*'])).collect();
    if !leaves.is_empty() {
        lines.push(String::new());
        lines.push("[platform.request.parameters]".to_owned());
    }
    for (path, element) in leaves {
        // Dotted keys keep the order of the WSDL, which tables of their own would not.
        let key: Vec<String> = path.split('/').map(key).collect();
        let value = guess(element);
        // What may be left out, and stands for nothing that is known, is left out.
        let mark = if value.is_empty() && element.optional { "# " } else { "" };
        let pair = format!("{mark}{} = {}", key.join("."), quoted(&value));
        let mut words = element.words();
        if !element.values.is_empty() {
            words = format!("{words}: {}", element.values.join(", "));
        }
        lines.push(format!("{pair:<WIDTH$} # {}", words.replace(char::is_control, " ")));
    }
    lines.join("\n")
}

/// Whether all that is sent in the operation's element is in no namespace.
fn is_unqualified(parameters: &[Element]) -> bool {
    !parameters.is_empty() && is_all_in(parameters, "")
}

fn is_all_in(elements: &[Element], namespace: &str) -> bool {
    let mut elements = elements.iter().filter(|element| !element.is_attribute() && element.name != "*");
    elements.all(|element| element.namespace == namespace && is_all_in(&element.elements, namespace))
}

/// What the operation needs, and tieout does not offer.
pub(super) fn missing(operation: &Operation) -> Vec<String> {
    let mut needs = Vec::new();
    if !operation.headers.is_empty() {
        let names = operation.headers.join(", ");
        needs.push(format!("it wants SOAP headers ({names}), which tieout does not send"));
    }
    if operation.encoded {
        needs.push(
            "its messages are encoded (use=\"encoded\"); references in answers are not followed".to_owned(),
        );
    }
    if !operation.is_known() {
        needs.push("the WSDL does not describe its parameters: what it imports is missing".to_owned());
    }
    needs
}

/// What the operation needs that a `[platform.request]` cannot say, or that tieout does not offer at all.
pub(super) fn beyond(operation: &Operation) -> Vec<String> {
    let mut needs = missing(operation);
    let parameters = &operation.parameters;
    if !is_unqualified(parameters) && !is_all_in(parameters, &operation.namespace) {
        needs.push(
            "its parameters are in several namespaces, which [platform.request] cannot say; `tieout platform call` knows them from the WSDL".to_owned(),
        );
    }
    needs
}

/// What a parameter seems to stand for, by its name and type.
fn guess(element: &Element) -> String {
    let name = element.name.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let is_time = matches!(element.base, Some(Simple::DateTime | Simple::Date)) || has(&["date", "time"]);
    let pattern = if element.base == Some(Simple::Date) { ":%Y-%m-%d" } else { "" };
    if is_time && has(&["from", "start", "begin", "since", "min", "after"]) {
        return format!("{{window.start{pattern}}}");
    }
    if is_time
        && (has(&["end", "until", "thru", "through", "max", "before", "stop"])
            || name == "to"
            || name.starts_with("to")
            || name.ends_with("to"))
    {
        return format!("{{window.end{pattern}}}");
    }
    if element.base.is_some_and(Simple::is_whole) {
        if has(&["size", "limit", "rows", "perpage", "maxrecords", "count", "take"]) {
            return "{page_size}".to_owned();
        }
        if has(&["page"]) {
            return "{page}".to_owned();
        }
    }
    if element.base == Some(Simple::Text)
        && element.values.is_empty()
        && has(&["counterparty", "vendor", "supplier", "party", "company", "customer", "shipper"])
    {
        return "{vendor}".to_owned();
    }
    String::new()
}

/// `text` as a TOML string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// `name` as a TOML key.
fn key(name: &str) -> String {
    let is_bare = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if is_bare { name.to_owned() } else { quoted(name) }
}
