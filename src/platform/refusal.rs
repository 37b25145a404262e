//! What a platform says when it says no, put so that a person can act on it.

use std::io::Read;

use crate::fault::{Fault, Kind, shown};

/// Characters of a fault that are kept; the rest of a stack trace helps nobody.
const MOST_CHARACTERS: usize = 64 << 10;

/// A SOAP fault, 1.1 (§4.4) or 1.2 (Part 1 §5.4), as its elements arrive.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    open: Vec<String>,
    code: String,
    reason: String,
    /// The texts below `detail`, each with the name of its element.
    details: Vec<(String, String)>,
    kept: usize,
}

impl Refusal {
    pub(super) fn open(&mut self, name: &str) {
        self.open.push(name.to_owned());
        if self.is_detail() {
            self.details.push((name.to_owned(), String::new()));
        }
    }

    pub(super) fn close(&mut self) {
        self.open.pop();
    }

    pub(super) fn text(&mut self, text: &str) {
        self.kept += text.len();
        if self.kept > MOST_CHARACTERS {
            return;
        }
        let open: Vec<&str> = self.open.iter().map(String::as_str).collect();
        match open.as_slice() {
            ["faultcode"] | ["Code", "Value"] => self.code.push_str(text),
            ["faultstring"] | ["Reason", "Text"] => self.reason.push_str(text),
            _ if self.is_detail() => {
                if let Some((_, detail)) = self.details.last_mut() {
                    detail.push_str(text);
                }
            }
            _ => {}
        }
    }

    fn is_detail(&self) -> bool {
        self.open.len() > 1 && self.open.first().is_some_and(|name| name.eq_ignore_ascii_case("detail"))
    }

    /// The fault as the user meets it.
    pub(super) fn fault(&self, operation: &str) -> Fault {
        let mut value = vec![self.code.trim().to_owned()];
        for (name, detail) in &self.details {
            if !detail.trim().is_empty() {
                value.push(format!("{name} {}", detail.trim()));
            }
        }
        value.retain(|part| !part.is_empty());
        let fault = Fault::new(
            Kind::Platform,
            format!("the platform refused {operation}: {}", shown(essence(&self.reason))),
        )
        .value(value.join(", "));
        let ours = ["Client", "Sender"].iter().any(|code| self.code.trim().ends_with(code));
        fault.next(if ours {
            "it says the request is at fault: compare operation, namespace, action and parameters with the service's WSDL"
        } else {
            "check the parameters; else ask the platform's operators, who find the call by the correlation id in the log"
        })
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
