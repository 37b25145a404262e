//! What the simulated platform can do: one function for one operation.

use std::fmt::Write as _;

use quick_xml::escape::partial_escape;

use super::records::{Column, Form, Page, Query, Records, Type};
use super::soap::{Call, NAMESPACE, SoapFault};

/// The operations, with what the WSDL says of them.
pub(super) const OPERATIONS: [(&str, &str); 6] = [
    ("Ping", "Is the platform alive?"),
    ("WhoAmI", "The account that is signed in"),
    ("GetCounterparties", "All counterparties"),
    ("GetSettlements", "One page of settlement records, from <= start < to"),
    ("GetSettlementsDataSet", "The same page as a DataSet (inline schema and diffgram)"),
    ("GetSettlementsXml", "The same page as an XML document inside a string"),
];

/// What an operation answers.
#[derive(Debug)]
pub(super) struct Answer {
    /// The XML of the SOAP body.
    pub(super) body: String,
    /// How many records are in it.
    pub(super) rows: usize,
}

/// The platform behind the service.
#[derive(Debug)]
pub(super) struct Platform {
    pub(super) records: Records,
    /// The most records of one page, whatever is asked for.
    pub(super) page_size_max: usize,
}

impl Platform {
    /// Executes `call` for `user`. `surplus` is added to the total that is announced.
    pub(super) fn execute(&self, call: &Call, user: &str, surplus: usize) -> Result<Answer, SoapFault> {
        let (result, rows) = match call.operation.as_str() {
            "Ping" => ("pong".to_owned(), 0),
            "WhoAmI" => (partial_escape(user).into_owned(), 0),
            "GetCounterparties" => (self.counterparties(), self.records.vendors().len()),
            "GetSettlements" => self.settlements(call, surplus, Form::Array)?,
            "GetSettlementsDataSet" => self.settlements(call, surplus, Form::DataSet)?,
            "GetSettlementsXml" => self.settlements(call, surplus, Form::Document)?,
            other => return Err(SoapFault::caller(format!("The method {other} was not recognized."))),
        };
        let name = &call.operation;
        let body = format!(
            "<{name}Response xmlns=\"{NAMESPACE}\"><{name}Result>{result}</{name}Result></{name}Response>"
        );
        Ok(Answer { body, rows })
    }

    fn counterparties(&self) -> String {
        self.records.vendors().iter().filter(|name| !name.is_empty()).fold(String::new(), |mut out, name| {
            out.extend(["<string>", &partial_escape(name), "</string>"]);
            out
        })
    }

    fn settlements(&self, call: &Call, surplus: usize, form: Form) -> Result<(String, usize), SoapFault> {
        let moment = |name| {
            let text = call.argument(name).unwrap_or_default();
            self.records.moment(text).ok_or_else(|| {
                unreadable(
                    "System.FormatException",
                    &format!("The string '{text}' is not a valid AllXsd value."),
                )
            })
        };
        let count = |name| {
            let text = call.argument(name).unwrap_or_default();
            let number: i32 = text.trim().parse().map_err(|_| {
                unreadable("System.FormatException", "Input string was not in a correct format.")
            })?;
            usize::try_from(number).ok().filter(|number| *number > 0).ok_or_else(|| {
                SoapFault::caller(format!(
                    "System.ArgumentOutOfRangeException: {name} must be 1 or greater: {number}"
                ))
            })
        };
        let query = Query {
            vendor: call.argument("counterparty"),
            from: moment("from")?,
            to: moment("to")?,
            page: count("page")?,
            page_size: count("pageSize")?.min(self.page_size_max),
            form,
        };
        let page = self.records.page(&query).ok_or_else(|| {
            let name = query.vendor.unwrap_or_default();
            SoapFault::service(format!(
                "Server was unable to process request. ---> System.ArgumentException: Unknown counterparty: {name}\n   \
                 at Simulator.Settlement.Store.Select(String counterparty, DateTime from, DateTime to)\n   \
                 at Simulator.Settlement.Service.GetSettlements(String counterparty, DateTime from, DateTime to, \
                 Int32 page, Int32 pageSize)\n   \
                 --- End of inner exception stack trace ---"
            ))
        })?;
        let total = page.total + surplus;
        let result = match form {
            Form::Array => array(&query, &page, total),
            Form::DataSet => data_set(&self.records.columns, &query, &page, total),
            Form::Document => partial_escape(document(&query, &page, total)).into_owned(),
        };
        Ok((result, page.rows))
    }
}

fn array(query: &Query<'_>, page: &Page, total: usize) -> String {
    let has_more = query.page.saturating_mul(query.page_size) < page.total;
    let mut out = String::with_capacity(page.xml.len() + 256);
    // Writing to a String does not fail.
    let _ = write!(
        out,
        "<TotalCount>{total}</TotalCount><Page>{}</Page><PageSize>{}</PageSize><HasMore>{has_more}</HasMore>",
        query.page, query.page_size
    );
    match page.rows {
        0 => out.push_str("<Items />"),
        _ => out.extend(["<Items>", &page.xml, "</Items>"]),
    }
    out
}

/// As .NET writes a `DataSet` of two tables: what they look like, then their rows.
fn data_set(columns: &[Column], query: &Query<'_>, page: &Page, total: usize) -> String {
    let table = |name: &str, columns: &str| {
        format!(
            "<xs:element name=\"{name}\"><xs:complexType><xs:sequence>{columns}</xs:sequence></xs:complexType></xs:element>"
        )
    };
    let column = |name: &str, kind: &str| format!("<xs:element name=\"{name}\" {kind} minOccurs=\"0\" />");
    let settlement: String = columns
        .iter()
        .map(|Column { element, kind }| {
            column(
                element,
                match kind {
                    Type::Text => "type=\"xs:string\"",
                    Type::Decimal => "type=\"xs:decimal\"",
                    Type::Moment => "msdata:DateTimeMode=\"Unspecified\" type=\"xs:dateTime\"",
                },
            )
        })
        .collect();
    let page_info = ["TotalCount", "Page", "PageSize"].map(|name| column(name, "type=\"xs:int\"")).concat();
    format!(
        "<xs:schema id=\"SettlementData\" xmlns=\"\" xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" \
         xmlns:msdata=\"urn:schemas-microsoft-com:xml-msdata\"><xs:element name=\"SettlementData\" msdata:IsDataSet=\"true\" \
         msdata:UseCurrentLocale=\"true\"><xs:complexType><xs:choice minOccurs=\"0\" maxOccurs=\"unbounded\">{}{}</xs:choice>\
         </xs:complexType></xs:element></xs:schema><diffgr:diffgram xmlns:msdata=\"urn:schemas-microsoft-com:xml-msdata\" \
         xmlns:diffgr=\"urn:schemas-microsoft-com:xml-diffgram-v1\"><SettlementData xmlns=\"\">{}<PageInfo diffgr:id=\"PageInfo1\" \
         msdata:rowOrder=\"0\"><TotalCount>{total}</TotalCount><Page>{}</Page><PageSize>{}</PageSize></PageInfo></SettlementData>\
         </diffgr:diffgram>",
        table("Settlement", &settlement),
        table("PageInfo", &page_info),
        page.xml,
        query.page,
        query.page_size,
    )
}

/// A document of its own, as a .NET `StringWriter` declares it.
fn document(query: &Query<'_>, page: &Page, total: usize) -> String {
    let root = format!("<settlements total=\"{total}\" page=\"{}\"", query.page);
    let declaration = "<?xml version=\"1.0\" encoding=\"utf-16\"?>\n";
    match page.rows {
        0 => format!("{declaration}{root} />"),
        _ => format!("{declaration}{root}>{}\n</settlements>", page.xml),
    }
}

/// An argument that .NET could not deserialise.
fn unreadable(exception: &str, message: &str) -> SoapFault {
    SoapFault::caller(format!(
        "Server was unable to read request. ---> System.InvalidOperationException: There is an error in XML document. \
         ---> {exception}: {message}\n   \
         at Simulator.Settlement.Reader.ReadArgument(String text)\n   \
         --- End of inner exception stack trace ---\n   \
         at Simulator.Settlement.Service.ReadParameters()"
    ))
}
