//! The settlement records that the simulator serves: a CSV file in memory.

use std::collections::HashMap;
use std::path::Path;

use csv::StringRecord;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use quick_xml::escape::partial_escape;

use crate::fault::{Fault, Kind, Result, nearest};

/// What a column holds, as far as its cells show: the type that the WSDL states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// `xs:string`; an empty cell is an absent element.
    Text,
    /// `xs:decimal`; an empty cell is `xsi:nil`, as .NET writes a nullable value type.
    Decimal,
    /// `xs:dateTime`; empty as for decimals.
    Moment,
}

/// One column: the element that its cells become.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) element: String,
    pub(super) kind: Type,
}

/// All records, in the order of the file.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) columns: Vec<Column>,
    vendors: Vec<String>,
    vendor_numbers: HashMap<String, usize>,
    rows: Vec<Row>,
    zone: TimeZone,
}

#[derive(Debug)]
struct Row {
    vendor: usize,
    start: DateTime,
    cells: StringRecord,
}

/// Which records a call asks for.
#[derive(Debug)]
pub(super) struct Query<'a> {
    /// All counterparties where `None`.
    pub(super) vendor: Option<&'a str>,
    /// Inclusive, on the start column.
    pub(super) from: DateTime,
    /// Exclusive.
    pub(super) to: DateTime,
    /// Counted from 1.
    pub(super) page: usize,
    pub(super) page_size: usize,
    pub(super) form: Form,
}

/// How a page renders its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As elements of an array: `SettlementRecord`, null as `xsi:nil`.
    Array,
    /// As rows of a diffgram: `Settlement`, null left out.
    DataSet,
    /// As a person would write them: `settlement`, indented, null left out.
    Document,
}

/// The records of one page, rendered as XML.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) xml: String,
    pub(super) rows: usize,
    pub(super) total: usize,
}

/// Headers that usually hold the counterparty, and those that hold the start of delivery.
const VENDOR_HEADERS: [&str; 5] = ["counterparty", "vendor", "vendorname", "counterpartyname", "supplier"];
const START_HEADERS: [&str; 7] =
    ["flowstart", "deliverystart", "periodstart", "startdate", "starttime", "start", "deliverydate"];

impl Records {
    /// Reads the file whole.
    ///
    /// # Errors
    /// [`Kind::Input`] where the file cannot be read as CSV, a start is not a date, a cell cannot stand in XML;
    /// [`Kind::Configuration`] where a column is not there.
    pub(super) fn load(
        path: &Path,
        vendor_column: Option<&str>,
        start_column: Option<&str>,
        zone: TimeZone,
    ) -> Result<Self> {
        let unreadable = |error: csv::Error| {
            Fault::new(Kind::Input, "the simulator's records cannot be read as CSV")
                .at(path.display())
                .because(error)
        };
        let mut reader = csv::Reader::from_path(path).map_err(unreadable)?;
        let headers = reader.headers().map_err(unreadable)?.clone();
        let elements = elements(&headers).map_err(|fault| fault.at(path.display()))?;
        let column = |wanted: Option<&str>, usual: &[&str], what: &str| {
            find(&headers, wanted, usual, what).map_err(|fault| fault.at(path.display()))
        };
        let vendor_at = column(vendor_column, &VENDOR_HEADERS, "vendor_column")?;
        let start_at = column(start_column, &START_HEADERS, "start_column")?;

        let mut records = Self {
            columns: Vec::new(),
            vendors: Vec::new(),
            vendor_numbers: HashMap::new(),
            rows: Vec::new(),
            zone,
        };
        for cells in reader.records() {
            let cells = cells.map_err(unreadable)?;
            let line = cells.position().map_or(0, csv::Position::line);
            let fault = |at: usize, what: &str, expected: &str| {
                Fault::new(Kind::Input, what)
                    .at(format!("{}:{line}, column {}", path.display(), headers.get(at).unwrap_or_default()))
                    .value(cells.get(at).unwrap_or_default())
                    .expected(expected)
            };
            if let Some(at) = cells.iter().position(|cell| !cell.chars().all(allowed_in_xml)) {
                return Err(fault(
                    at,
                    "this text cannot be carried by XML",
                    "text without control characters",
                ));
            }
            let start = local(cells.get(start_at).unwrap_or_default(), &records.zone).ok_or_else(|| {
                fault(
                    start_at,
                    "this is not a start of delivery",
                    "a date such as 2026-10-01, or 2026-10-01T06:00",
                )
            })?;
            let vendor = records.vendor_number(cells.get(vendor_at).unwrap_or_default());
            records.rows.push(Row { vendor, start, cells });
        }
        records.columns = elements
            .into_iter()
            .enumerate()
            .map(|(at, element)| Column { element, kind: records.type_of(at) })
            .collect();
        Ok(records)
    }

    /// How many records there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The counterparties, in the order of the file.
    pub(super) fn vendors(&self) -> &[String] {
        &self.vendors
    }

    /// A date or date-time of a request as the platform's local time.
    pub(super) fn moment(&self, text: &str) -> Option<DateTime> {
        local(text, &self.zone)
    }

    /// The page that `query` asks for; `None` where there is no such counterparty.
    pub(super) fn page(&self, query: &Query<'_>) -> Option<Page> {
        let vendor = match query.vendor {
            Some(name) => Some(*self.vendor_numbers.get(name)?),
            None => None,
        };
        let skipped = query.page.saturating_sub(1).saturating_mul(query.page_size);
        let mut page = Page { xml: String::new(), rows: 0, total: 0 };
        for row in &self.rows {
            if vendor.is_some_and(|vendor| vendor != row.vendor)
                || row.start < query.from
                || row.start >= query.to
            {
                continue;
            }
            if page.total >= skipped && page.rows < query.page_size {
                page.rows += 1;
                self.render(row, query.form, page.rows, &mut page.xml);
            }
            page.total += 1;
        }
        Some(page)
    }

    /// Renders a row; `number` counts those of the page from 1.
    fn render(&self, row: &Row, form: Form, number: usize, out: &mut String) {
        let (name, indent, end) = match form {
            Form::Array => ("SettlementRecord", "", ""),
            Form::DataSet => ("Settlement", "", ""),
            Form::Document => ("settlement", "    ", "\n  "),
        };
        match form {
            Form::Array => out.push_str("<SettlementRecord>"),
            Form::DataSet => {
                let order = number - 1;
                out.push_str(&format!(
                    "<Settlement diffgr:id=\"Settlement{number}\" msdata:rowOrder=\"{order}\">"
                ));
            }
            Form::Document => out.push_str("\n  <settlement>"),
        }
        for (Column { element, kind }, cell) in self.columns.iter().zip(&row.cells) {
            match (cell.is_empty(), kind) {
                (true, Type::Decimal | Type::Moment) if form == Form::Array => {
                    out.extend(["<", element, " xsi:nil=\"true\" />"]);
                }
                (true, _) => {}
                (false, _) => {
                    if form == Form::Document {
                        out.extend(["\n", indent]);
                    }
                    out.extend(["<", element, ">", &partial_escape(cell), "</", element, ">"]);
                }
            }
        }
        out.extend([end, "</", name, ">"]);
    }

    fn vendor_number(&mut self, name: &str) -> usize {
        if let Some(number) = self.vendor_numbers.get(name) {
            return *number;
        }
        let number = self.vendors.len();
        self.vendors.push(name.to_owned());
        self.vendor_numbers.insert(name.to_owned(), number);
        number
    }

    fn type_of(&self, at: usize) -> Type {
        let all = |test: fn(&str) -> bool| {
            let mut cells =
                self.rows.iter().filter_map(|row| row.cells.get(at)).filter(|cell| !cell.is_empty());
            let mut some = false;
            cells.all(|cell| {
                some = true;
                test(cell)
            }) && some
        };
        match () {
            () if all(is_decimal) => Type::Decimal,
            () if all(is_moment) => Type::Moment,
            () => Type::Text,
        }
    }
}

/// A plain decimal. What starts with a needless zero is a code, and stays text.
fn is_decimal(cell: &str) -> bool {
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let numeric = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    numeric(whole) && numeric(fraction) && (whole == "0" || !whole.starts_with('0'))
}

/// `xs:dateTime` as XML Schema wants it: with a `T` and seconds.
fn is_moment(cell: &str) -> bool {
    cell.len() >= "2026-10-01T06:00:00".len()
        && cell.as_bytes().get(10) == Some(&b'T')
        && local(cell, &TimeZone::UTC).is_some()
}

/// An ISO date or date-time as local time of `zone`: as it stands without an offset, converted with one.
fn local(text: &str, zone: &TimeZone) -> Option<DateTime> {
    let text = text.trim();
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(zone.to_datetime(instant));
    }
    text.parse::<DateTime>().ok().or_else(|| text.parse::<Date>().ok().map(Date::into))
}

fn find(headers: &StringRecord, wanted: Option<&str>, usual: &[&str], what: &str) -> Result<usize> {
    let fold = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    let found = match wanted {
        Some(name) => headers.iter().position(|header| header == name),
        None => usual.iter().find_map(|name| headers.iter().position(|header| fold(header) == *name)),
    };
    found.ok_or_else(|| {
        let name = wanted.unwrap_or_else(|| usual.first().copied().unwrap_or_default());
        let fault = Fault::new(Kind::Configuration, format!("the simulator's records have no such {what}"))
            .value(name)
            .expected(format!("one of {}", headers.iter().collect::<Vec<_>>().join(", ")));
        match nearest(name, headers) {
            Some(header) => fault.next(format!("did you mean {header}? set {what} to it")),
            None => fault.next(format!("set {what} to the header of that column")),
        }
    })
}

/// The element names of the columns.
fn elements(headers: &StringRecord) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::with_capacity(headers.len());
    for header in headers {
        let name = element_name(header);
        if name.is_empty() || names.contains(&name) {
            return Err(Fault::new(Kind::Input, "the header row names a column twice, or not at all")
                .value(header)
                .expected("a header of its own for every column"));
        }
        names.push(name);
    }
    Ok(names)
}

/// `header` as an XML name, the way of .NET's `XmlConvert.EncodeLocalName`: what may not stand there
/// becomes `_xHHHH_`, and so does the underscore of a text that looks like such an escape.
pub(super) fn element_name(header: &str) -> String {
    let mut name = String::with_capacity(header.len());
    for (at, c) in header.char_indices() {
        let escape_like = || {
            let rest = header.get(at..).unwrap_or_default().as_bytes();
            rest.starts_with(b"_x")
                && rest.get(6) == Some(&b'_')
                && rest.get(2..6).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
        };
        let allowed = match c {
            '_' => !escape_like(),
            c => starts_a_name(c) || (at > 0 && continues_a_name(c)),
        };
        match (allowed, u32::from(c)) {
            (true, _) => name.push(c),
            (false, code @ 0..=0xFFFF) => name.push_str(&format!("_x{code:04X}_")),
            (false, code) => name.push_str(&format!("_x{code:08X}_")),
        }
    }
    name
}

/// XML 1.0 §2.3, `NameStartChar`, without the colon (that is for namespaces), and of the rest letters alone: .NET
/// keeps to the older editions, which had no symbols.
fn starts_a_name(c: char) -> bool {
    (c.is_alphabetic() || c == '_')
        && matches!(c,
        'A'..='Z' | '_' | 'a'..='z' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}')
}

/// XML 1.0 §2.3, what `NameChar` adds.
fn continues_a_name(c: char) -> bool {
    matches!(c, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// XML 1.0 §2.2, `Char`.
pub(super) fn allowed_in_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn headers_become_names_as_net_encodes_them() {
        for (header, name) in [
            ("FlowStart", "FlowStart"),
            ("Flow Start", "Flow_x0020_Start"),
            ("2nd", "_x0032_nd"),
            ("a_x0020_b", "a_x005F_x0020_b"),
            ("Zähler-Nr.", "Zähler-Nr."),
            ("a:b/€", "a_x003A_b_x002F__x20AC_"),
            ("Nº", "N_x00BA_"),
            ("😀", "_x0001F600_"),
        ] {
            assert_eq!(element_name(header), name);
        }
    }

    fn load(text: &str) -> Result<Records> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.csv");
        std::fs::write(&path, text).unwrap();
        Records::load(&path, None, None, TimeZone::get("America/Chicago").unwrap())
    }

    #[test]
    fn windows_include_their_start_and_exclude_their_end_in_local_time() {
        let records = load(
            "Counterparty,FlowStart,Amount,Code\n\
             A,2026-10-01,1.50,007\n\
             B,2026-10-01T23:59:59-05:00,,x\n\
             A,2026-10-02T05:00:00Z,-2,\n",
        )
        .unwrap();
        let ask = |vendor, from: &str, to: &str| {
            let moment = |text| records.moment(text).unwrap();
            let (from, to) = (moment(from), moment(to));
            records
                .page(&Query { vendor, from, to, page: 1, page_size: 10, form: Form::Array })
                .map(|page| (page.total, page.xml))
        };
        assert_eq!(ask(None, "2026-10-01", "2026-10-02").unwrap().0, 2);
        assert_eq!(ask(None, "2026-10-02", "9999-12-31T23:59:59").unwrap().0, 1);
        assert_eq!(ask(Some("C"), "2026-10-01", "2026-10-02"), None);
        let (_, xml) = ask(Some("B"), "0001-01-01T00:00:00", "2027-01-01").unwrap();
        assert!(xml.contains("<Amount xsi:nil=\"true\" /><Code>x</Code>"), "{xml}");
    }

    #[test]
    fn what_cannot_be_served_is_refused_with_its_place() {
        let fault = load("Counterparty,FlowStart\nA,soon\n").unwrap_err().to_string();
        assert!(fault.contains(":2, column FlowStart") && fault.contains("soon"), "{fault}");
        let fault = load("Counterparty,Flow_Strt\nA,2026-01-01\n").unwrap_err().to_string();
        assert!(fault.contains("did you mean Flow_Strt?"), "{fault}");
        let fault = load("Counterparty,FlowStart\nA\u{1},2026-01-01\n").unwrap_err().to_string();
        assert!(fault.contains("column Counterparty"), "{fault}");
        assert!(load("Counterparty,FlowStart,x,x\n").is_err());
    }
}
