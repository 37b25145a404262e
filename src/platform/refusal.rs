//! What a platform says when it says no, put so that a person can act on it.

use std::io::Read;

use crate::fault::{Fault, Kind, shown};

/// Bytes of a fault's text that are kept; the rest of a stack trace helps nobody.
const MOST_BYTES: usize = 64 << 10;
/// Elements of a fault that are kept.
const MOST_PARTS: usize = 1000;

/// A SOAP fault, 1.1 (§4.4) or 1.2 (Part 1 §5.4), as its elements arrive.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    open: Vec<String>,
    /// The elements that may hold text, in order.
    parts: Vec<Part>,
    kept: usize,
}

#[derive(Debug)]
struct Part {
    /// The element's name, and how deep it stands.
    name: String,
    depth: usize,
    place: Place,
    text: String,
}

/// What an element of a fault says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Code,
    Reason,
    Detail,
    Other,
}

impl Refusal {
    pub(super) fn open(&mut self, name: &str) {
        self.open.push(name.to_owned());
        let open: Vec<&str> = self.open.iter().map(String::as_str).collect();
        let place = match open.as_slice() {
            ["faultcode"] | ["Code", "Value"] => Place::Code,
            ["faultstring"] | ["Reason", "Text"] => Place::Reason,
            // Unqualified, of either spelling: 1.2 has a capital letter, and who moved on from 1.1 has not.
            [first, ..] if first.eq_ignore_ascii_case("detail") => Place::Detail,
            _ => Place::Other,
        };
        // A fault is one of millions of answers, but it may be a hostile one.
        if self.parts.len() < MOST_PARTS {
            self.parts.push(Part {
                name: name.to_owned(),
                depth: self.open.len(),
                place,
                text: String::new(),
            });
        }
    }

    pub(super) fn close(&mut self) {
        self.open.pop();
    }

    pub(super) fn text(&mut self, text: &str) {
        self.kept += text.len();
        let depth = self.open.len();
        // Behind an element, text of the one around it: there is none in a fault but white space.
        if self.kept <= MOST_BYTES
            && let Some(part) = self.parts.last_mut().filter(|part| part.depth == depth)
        {
            part.text.push_str(text);
        }
    }

    fn texts(&self, place: Place) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(move |part| part.place == place && !part.text.trim().is_empty())
    }

    /// The fault as the user meets it.
    pub(super) fn fault(&self, operation: &str) -> Fault {
        let code = self.texts(Place::Code).next().map_or("", |part| part.text.trim());
        let reason = self.texts(Place::Reason).next().map_or("", |part| &part.text);
        let details = self
            .texts(Place::Detail)
            .filter(|part| !part.name.eq_ignore_ascii_case("stacktrace"))
            .map(|part| format!("{} {}", part.name, essence(&part.text)));
        let value: Vec<String> =
            Some(code.to_owned()).filter(|code| !code.is_empty()).into_iter().chain(details).collect();
        let fault = Fault::new(
            Kind::Platform,
            format!("the platform refused {operation}: {}", shown(essence(reason))),
        )
        .value(value.join(", "))
        .detail(self.whole());
        let ours = ["Client", "Sender"].iter().any(|blame| code.ends_with(blame));
        fault.next(if ours {
            "it says the request is at fault: compare operation, namespace, action and parameters with the service's WSDL"
        } else {
            "check the parameters; else ask the platform's operators, who find the call by its correlation id"
        })
    }

    /// All that the fault says, an element to a line, with every line of a stack trace.
    fn whole(&self) -> String {
        let mut whole = String::new();
        for part in &self.parts {
            let text = part.text.trim_end();
            let separator = if text.trim().is_empty() { "" } else { " " };
            let indent = "  ".repeat(part.depth - 1);
            whole.push_str(&format!("{indent}{}:{separator}{}\n", part.name, text.trim_start()));
        }
        whole
    }
}

/// The first line that means something: .NET wraps the message in a chain of
/// exception types (`A: x ---> B: y`) and hangs stack traces below.
fn essence(reason: &str) -> &str {
    let is_trace = |line: &str| line.starts_with("at ") || line.starts_with("--- ");
    let end = reason.split_inclusive('\n').take_while(|line| !is_trace(line.trim())).map(str::len).sum();
    let message = reason.get(..end).unwrap_or(reason);
    let innermost = message.rsplit("---> ").next().unwrap_or(message).trim();
    let line = innermost.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no reason given");
    match line.split_once(": ") {
        Some((kind, rest)) if is_exception(kind) && !rest.trim().is_empty() => rest.trim(),
        _ => line,
    }
}

/// `System.ArgumentException`: dots, no spaces.
fn is_exception(kind: &str) -> bool {
    kind.contains('.') && kind.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '+' | '`'))
}

/// The start of a body that is no SOAP, for a look at what it is instead.
pub(super) fn peek(body: impl Read) -> String {
    let mut start = Vec::new();
    // What cannot be read any more is not needed for a message.
    let _ = body.take(64 << 10).read_to_end(&mut start);
    String::from_utf8_lossy(&start).into_owned()
}

/// The title of an HTML page; `None` where the text is no HTML at all.
pub(super) fn html_title(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let start = lower.trim_start_matches('\u{feff}').trim_start();
    if !start.starts_with("<!doctype html") && !lower.contains("<html") {
        return None;
    }
    let title = lower
        .find("<title")
        .and_then(|at| lower.get(at..)?.find('>').map(|end| at + end + 1))
        .and_then(|from| {
            let to = from + lower.get(from..)?.find("</title")?;
            text.get(from..to)
        })
        .unwrap_or_default();
    let words: Vec<&str> = title.split_whitespace().collect();
    Some(if words.is_empty() {
        "without a title".to_owned()
    } else {
        format!("\"{}\"", shown(&words.join(" ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_essence_of_a_dotnet_fault_is_its_innermost_message() {
        for (reason, expected) in [
            (
                "System.Web.Services.Protocols.SoapException: Server was unable to process request. ---> System.ArgumentException: Unknown counterparty: NOBODY\n  at X.Y () [0x0]\n   --- End of inner exception stack trace ---",
                "Unknown counterparty: NOBODY",
            ),
            ("Server was unable to process request. ---> No such period\r\n", "No such period"),
            ("plain words", "plain words"),
            ("Period 2025: closed", "Period 2025: closed"),
            ("", "no reason given"),
            ("   at Only.A.Trace()", "no reason given"),
            ("System.Exception: ", "System.Exception:"),
        ] {
            assert_eq!(essence(reason), expected, "{reason:?}");
        }
    }

    /// A fault of elements (name and text), where a name in front of a slash is around those that follow.
    fn fault(elements: &[(&str, &str)]) -> Fault {
        let mut refusal = Refusal::default();
        for (path, text) in elements {
            let names: Vec<&str> = path.split('/').collect();
            for name in &names {
                refusal.open(name);
            }
            refusal.text(text);
            for _ in &names {
                refusal.close();
            }
        }
        refusal.fault("Get")
    }

    #[test]
    fn a_fault_is_short_and_its_detail_is_whole() {
        let trace = "System.Exception: period is closed\n   at X.Y () in <f>:0";
        for elements in [
            vec![
                ("faultcode", "s:Server"),
                ("faultstring", trace),
                ("detail/ExceptionDetail/Message", "period is closed"),
                ("detail/ExceptionDetail/StackTrace", "   at X.Y () in <f>:0"),
            ],
            vec![
                ("Code/Value", "s:Server"),
                ("Code/Subcode/Value", "x:Closed"),
                ("Reason/Text", trace),
                ("Reason/Text", "das Abrechnungsjahr ist zu"),
                ("Node", "urn:n"),
                ("Detail/Message", "period is closed"),
            ],
        ] {
            let fault = fault(&elements);
            let short = fault.to_string();
            assert!(short.starts_with("the platform refused Get: period is closed\n"), "{short}");
            assert!(short.contains("found: s:Server, Message period is closed\n"), "{short}");
            let long = format!("{fault:#}");
            for (path, text) in elements {
                let name = path.rsplit('/').next().unwrap_or_default();
                let line = text.lines().last().unwrap_or_default().trim();
                assert!(long.contains(name) && long.contains(line), "{line} in {long}");
            }
        }
        let deep = fault(&[("faultstring", "no"), ("detail", "because\nof this")]).to_string();
        assert!(deep.contains("found: detail because\n"), "{deep}");
    }

    #[test]
    fn a_hostile_fault_is_kept_small() {
        let mut refusal = Refusal::default();
        for _ in 0..100_000 {
            refusal.open("detail");
            refusal.text("0123456789");
            refusal.close();
        }
        assert!(format!("{:#}", refusal.fault("Get")).len() < 100_000);
    }

    #[test]
    fn a_page_is_known_by_its_title() {
        assert_eq!(
            html_title("<!DOCTYPE html><TITLE lang=x>\n Sign  in </TITLE>").as_deref(),
            Some("\"Sign in\"")
        );
        assert_eq!(html_title("<html>").as_deref(), Some("without a title"));
        assert_eq!(html_title("<soap:Envelope/>"), None);
        assert_eq!(html_title("\u{212a}<html><title>\u{212a}</title>").as_deref(), Some("\"\u{212a}\""));
    }
}
