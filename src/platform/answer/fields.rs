//! What is in a record becomes its fields.

use std::hash::Hasher;

use quick_xml::XmlVersion;
use quick_xml::events::BytesStart;

use super::limits::{LONGEST_RECORD_BYTES, fault, malformed};
use super::schema::Schema;
use super::space::Space;
use super::within::Within;
use super::{ANSWER, Parser, RESPONSE, attachment, is_blank, is_true};
use crate::fault::{Fault, Result};
use crate::platform::record::{Batch, Worth};

/// A batch is handed on when it has grown to this.
const BATCH_BYTES: usize = 64 << 10;

impl Parser<'_> {
    pub(super) fn open_record(&mut self, start: &BytesStart<'_>, name: &str) -> Result<()> {
        self.record = Some(self.level);
        self.record_start = self.batch.bytes();
        self.path.clear();
        self.path_ends.clear();
        self.columns_met = 0;
        self.express.restart();
        if !start.attributes_raw().is_empty() {
            self.rows.restart(start.name().as_ref());
        }
        let nil = self.attributes(start, "")?;
        // A record that has no elements is a value by itself, as in an array of strings.
        self.leaf = Some((self.batch.start_field(&[name]), worth(nil)));
        Ok(())
    }

    /// Takes the fields that `text` begins with, as far as they look like those of the records before, or what is
    /// plainly escaped of XML in a text; says how many bytes that is.
    #[inline]
    pub(super) fn express(&mut self, text: &str) -> Result<usize> {
        if self.is_in_host() {
            return self.express_host(text);
        }
        match self.record {
            // Only between the fields of a record, and between records.
            Some(record) if record == self.level => {}
            None if self.is_between_records() => return self.express_rows(text),
            _ => return Ok(0),
        }
        let mut taken = 0;
        while let Some(found) = self.express.find(text.get(taken..).unwrap_or_default()) {
            self.leave_text()?;
            taken += found.length;
            let name = self.express.name(found.field);
            let worth = meet(&self.schema, &mut self.columns_met, self.batch, name);
            let field = self.batch.start_field(&[name]);
            self.batch.push(found.value.unwrap_or_default());
            self.batch.end_field(field, if found.value.is_none() { Worth::Null } else { worth });
            self.check_record_size()?;
        }
        Ok(taken)
    }

    /// Whether a record may come next.
    fn is_between_records(&self) -> bool {
        let depth = self.level.checked_sub(RESPONSE);
        depth.is_some_and(|depth| {
            self.records.continues_below(depth) && depth + 1 == self.request.records.names().len()
        }) && self.refusal.is_none()
            && self.scalar.is_none()
            && !self.schema.is_open()
    }

    fn express_rows(&mut self, text: &str) -> Result<usize> {
        let mut taken = 0;
        loop {
            let start = self.batch.bytes();
            let Some(length) = self.rows.take(text.get(taken..).unwrap_or_default(), self.batch) else {
                return Ok(taken);
            };
            taken += length;
            self.record_start = start;
            self.check_record_size()?;
            self.end_record()?;
        }
    }

    pub(super) fn open_in_record(&mut self, start: &BytesStart<'_>) -> Result<()> {
        if let Some(parent) = self.leave_text()? {
            self.path_ends.push(self.path.len());
            // The record's own name is in front of all fields, and so of none.
            if self.record != Some(self.level - 1) {
                self.path.clear();
                self.path.push_str(&parent);
                self.path.push('/');
            }
        }
        let name = start.local_name().into_inner();
        let mut kind = Worth::Text;
        if self.record == Some(self.level - 1) {
            self.express.learn(start.name().as_ref());
            kind = meet(&self.schema, &mut self.columns_met, self.batch, name);
        }
        if !start.attributes_raw().is_empty() {
            if name == "Include" && self.spaces.element(start) == Space::Include {
                let field = self.path.trim_end_matches('/');
                let record = self.page.records + 1;
                return Err(attachment(&format!("{field} of record {record}")));
            }
            if self.attributes(start, name)? {
                kind = Worth::Null;
            }
        }
        self.leaf = Some((self.batch.start_field(&[&self.path, name]), kind));
        self.check_record_size()
    }

    /// An element opens in the innermost element of the record: whose name is given back,
    /// where it is the first. It is no field then, and text beside it would be none either.
    fn leave_text(&mut self) -> Result<Option<String>> {
        let Some((parent, _)) = self.leaf.take() else { return Ok(None) };
        if !is_blank(self.batch.value(parent)) {
            return Err(self.mixed());
        }
        let name = self.batch.name(parent).to_owned();
        self.batch.drop_field(parent);
        Ok(Some(name))
    }

    /// Takes the attributes of an element of a record as fields; says whether it is null.
    fn attributes(&mut self, start: &BytesStart<'_>, owner: &str) -> Result<bool> {
        let (mut nil, mut is_alone) = (false, true);
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| malformed(error, ANSWER))?;
            if attribute.key.as_namespace_binding().is_some() {
                is_alone = false;
                continue;
            }
            let (local, prefix) = attribute.key.decompose();
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|error| malformed(error, ANSWER))?;
            match self.spaces.attribute(prefix.as_ref().map(AsRef::as_ref)) {
                Space::Instance => nil |= local.as_ref() == "nil" && is_true(&value),
                // How a `DataSet` keeps its books: of no row itself.
                Space::Diffgram | Space::Data => {}
                Space::Xml if local.as_ref() == "space" => {}
                _ => {
                    is_alone = false;
                    let separator = if owner.is_empty() { "@" } else { "/@" };
                    let parts = [&self.path, owner, separator, local.as_ref()];
                    let mut kind = Worth::Text;
                    if self.record == Some(self.level) {
                        if self.schema.columns.is_empty() {
                            self.rows.learn(attribute.key.0, local.as_ref());
                        } else {
                            kind = meet(&self.schema, &mut self.columns_met, self.batch, &parts.concat());
                        }
                    }
                    let field = self.batch.start_field(&parts);
                    self.batch.push(&value);
                    self.batch.end_field(field, kind);
                }
            }
        }
        if nil && is_alone {
            self.express.learn_null(start.attributes_raw());
        }
        self.check_record_size()?;
        Ok(nil)
    }

    pub(super) fn close_in_record(&mut self) -> Result<()> {
        match self.leaf.take() {
            Some((field, kind)) => self.batch.end_field(field, kind),
            None => self.path.truncate(self.path_ends.pop().unwrap_or_default()),
        }
        Ok(())
    }

    pub(super) fn close_record(&mut self) -> Result<()> {
        if let Some((field, kind)) = self.leaf.take() {
            let has_fields = self.batch.has_open_record() || !self.schema.columns.is_empty();
            if kind == Worth::Null || (has_fields && is_blank(self.batch.value(field))) {
                self.batch.drop_field(field);
            } else {
                self.batch.end_field(field, kind);
            }
        }
        meet_all(&self.schema, self.columns_met, self.batch);
        self.record = None;
        self.walks_close(self.level + 1 - RESPONSE);
        self.end_record()
    }

    /// All fields of a record are in the batch.
    fn end_record(&mut self) -> Result<()> {
        self.batch.end_record();
        if self.page.records == 0 {
            self.within = self.batch.records().last().and_then(Within::of);
        }
        if self.is_paged {
            self.digest.write(self.batch.text_from(self.record_start));
        }
        self.page.records += 1;
        if self.batch.bytes() >= BATCH_BYTES {
            (self.sink)(self.batch)?;
            self.batch.clear();
        }
        Ok(())
    }

    pub(super) fn characters_in_record(&mut self, text: &str) -> Result<()> {
        if self.leaf.is_some() {
            self.batch.push(text);
            return self.check_record_size();
        }
        if is_blank(text) { Ok(()) } else { Err(self.mixed()) }
    }

    fn check_record_size(&self) -> Result<()> {
        if self.batch.bytes() - self.record_start > LONGEST_RECORD_BYTES {
            return Err(fault(format!("a single record has more than {LONGEST_RECORD_BYTES} bytes"))
                .value(&self.request.records)
                .next("check that [platform.request] records names a record, not all of them"));
        }
        Ok(())
    }

    fn mixed(&self) -> Fault {
        let place = if self.path.is_empty() {
            self.request.records.to_string()
        } else {
            self.path.trim_end_matches('/').to_owned()
        };
        fault(format!(
            "record {} has text beside elements in one element, which no column can hold",
            self.page.records + 1
        ))
        .value(place)
    }
}

const fn worth(nil: bool) -> Worth {
    if nil { Worth::Null } else { Worth::Text }
}

/// A field of a record comes: the columns of a `DataSet` that should have come before it are null.
/// A `DataSet` leaves out what is null, and writes the rest in the order of its columns.
fn meet(schema: &Schema, met: &mut usize, batch: &mut Batch, name: &str) -> Worth {
    let Some(ahead) = schema.columns.iter().skip(*met).position(|column| *column.name == *name) else {
        return Worth::Text;
    };
    let column = *met + ahead;
    nulls(schema, *met, column, batch);
    *met = column + 1;
    match schema.columns.get(column) {
        Some(column) if column.is_double => Worth::Double,
        _ => Worth::Text,
    }
}

/// The record has no more fields.
fn meet_all(schema: &Schema, met: usize, batch: &mut Batch) {
    nulls(schema, met, schema.columns.len(), batch);
}

fn nulls(schema: &Schema, from: usize, to: usize, batch: &mut Batch) {
    for column in schema.columns.get(from..to).unwrap_or_default() {
        let field = batch.start_field(&[&column.name]);
        batch.end_field(field, Worth::Null);
    }
}
