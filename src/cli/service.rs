//! What a person sees of the platform: its operations, a request, an answer.

use std::io::Write as _;

use super::print::{Printer, program, quoted};
use crate::fault::{Result, shown, shown_lines};
use crate::operations::{Asked, Described, Operations, answers};
use crate::report::{records_table, table};

/// Values beside the records that are shown; JSON has all.
const BESIDE: usize = 8;

impl Printer {
    /// What a service can do.
    pub(super) fn described(&mut self, described: &Described, asked: &Operations) -> Result<()> {
        if asked.json {
            return self.json(described);
        }
        let wsdl = &described.wsdl;
        if described.is_one {
            for operation in &wsdl.operations {
                self.operation(operation);
            }
        } else {
            self.line(&format!("{}\n", shown_lines(&wsdl.source)));
            self.line(&table(
                self.width,
                &["service", "port", "SOAP", "style", "address"],
                described.ports().into_iter(),
            ));
            self.line("");
            let operations = described.operations();
            self.line(&match operations.is_empty() {
                true => "there is no operation".to_owned(),
                false => table(self.width, &["operation", "parameters", "answer"], operations.into_iter()),
            });
        }
        if let Some(suggestion) = &described.suggestion {
            self.line("\nto start from, in tieout.toml:\n");
            self.line(&shown_lines(suggestion));
        } else if let Some(operation) = wsdl.operations.first() {
            let words = asked.of_one(&operation.name);
            let words: Vec<String> = words.iter().map(|word| quoted(&shown_lines(word))).collect();
            self.line(&format!("\nall of one operation: {} {}", program(), words.join(" ")));
        }
        for note in &wsdl.notes {
            self.note(&shown_lines(note));
        }
        Ok(())
    }

    fn operation(&mut self, operation: &crate::operations::Operation) {
        self.line(&shown_lines(&operation.name));
        if !operation.about.is_empty() {
            self.line(&format!("  {}", shown_lines(&operation.about)));
        }
        let versions: Vec<&str> = operation.soap.iter().map(|soap| soap.name()).collect();
        for (label, value) in [
            ("ports", operation.ports.join(", ")),
            ("SOAP", format!("{}, {}", versions.join(" and "), operation.style.name())),
            ("action", operation.action.clone()),
            ("element", operation.element.clone()),
            ("namespace", operation.namespace.clone()),
        ] {
            self.line(&format!("  {label:<10} {}", shown_lines(&value)));
        }
        let parameters = Described::parameters(operation);
        if !operation.is_known() {
            self.line("\nits parameters are not described");
        } else if parameters.is_empty() {
            self.line("\nit has no parameters");
        } else {
            self.line("");
            self.line(&table(self.width, &["parameter", "type", "values"], parameters.into_iter()));
        }
        self.line(&format!("\nanswer\n{}", shown_lines(&answers(&operation.answers))));
        let fields = Described::fields(operation);
        if !fields.is_empty() {
            self.line(&table(self.width, &["field", "type", "values"], fields.into_iter()));
        }
        for need in operation.beyond() {
            self.note(&shown_lines(&need));
        }
    }

    /// A request or an answer.
    pub(super) fn asked(&mut self, asked: Asked, as_json: bool) -> Result<()> {
        let notes = match &asked {
            Asked::Request { notes, .. } | Asked::Raw { notes, .. } | Asked::Answer { notes, .. } => {
                notes.clone()
            }
        };
        match asked {
            Asked::Raw { bytes, fault, .. } => {
                self.bytes(&bytes);
                fault.map_or(Ok(()), Err)?;
            }
            // The notes are in the JSON.
            asked if as_json => return self.json(&asked),
            Asked::Request { method, url, headers, sign_in, body, .. } => {
                self.line(&format!("{method} {url}"));
                for (name, value) in headers {
                    self.line(&format!("{name}: {value}"));
                }
                self.line(&format!("(sign-in: {})\n", shown_lines(&sign_in)));
                self.line(&shown_lines(&body));
            }
            Asked::Answer { operation, records_at, records, count, beside, .. } => {
                let first: Vec<_> = records.into_iter().map(|record| record.0).collect();
                let hidden_records = count - first.len() as u64;
                if !first.is_empty() {
                    self.line(&records_table(self.width, &first));
                }
                match records_at {
                    Some(path) => {
                        let records = if count == 1 { "record" } else { "records" };
                        self.line(&format!("{count} {records} at {}", shown_lines(&path)));
                    }
                    None if count == 0 => self.line(&format!("{operation} answered, with nothing in it")),
                    None => {}
                }
                let hidden = beside.0.len().saturating_sub(BESIDE);
                for (name, value) in beside.0.iter().take(BESIDE) {
                    self.line(&format!("{} = {}", shown(name), shown(value.as_deref().unwrap_or("null"))));
                }
                if hidden > 0 {
                    self.line(&format!("… and {hidden} more values beside the records: --json has all"));
                }
                if hidden_records > 0 {
                    self.line(&format!("… and {hidden_records} more: give --limit, or --raw for all"));
                }
            }
        }
        for note in notes {
            self.note(&shown_lines(&note));
        }
        Ok(())
    }

    /// Bytes as they came.
    fn bytes(&mut self, bytes: &[u8]) {
        let mut out = std::io::stdout();
        if !self.quiet && out.write_all(bytes).and_then(|()| out.flush()).is_err() {
            self.quiet = true;
        }
    }
}
