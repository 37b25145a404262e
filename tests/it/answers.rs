//! Answers in every form that legacy services have for them: the same records come out of all.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;
use tieout::fault::{Kind, Result};
use tieout::platform::answer::{self, Page};
use tieout::platform::{Batch, Manner, Platform, Request, Settings, Values};
use tieout::progress::Silent;

use super::support::shared;

fn request(keys: &str) -> Request {
    toml::from_str(&format!("operation = \"Get\"\n{keys}")).unwrap()
}

/// Records as they came, one inner list each; `None` is null.
type Rows = Vec<Vec<(String, Option<String>)>>;

/// Reads `bytes` in pieces of a length, so that tokens are split at all places.
fn read_in_pieces(bytes: &[u8], request: &Request, piece: usize) -> Result<(Rows, Page)> {
    struct Pieces<'x>(&'x [u8], usize);
    impl Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let most = into.len().min(self.1);
            self.0.read(&mut into[..most])
        }
    }
    let mut rows = Rows::new();
    let page = answer::read(Pieces(bytes, piece), request, 1 << 30, &mut Batch::default(), &mut |batch| {
        rows.extend(batch.records().map(|record| {
            record.iter().map(|(name, value)| (name.to_owned(), value.map(str::to_owned))).collect()
        }));
        Ok(())
    })?;
    assert_eq!(page.records, rows.len() as u64);
    Ok((rows, page))
}

fn read(xml: &str, request: &Request) -> Result<(Rows, Page)> {
    read_in_pieces(xml.as_bytes(), request, usize::MAX)
}

fn row(fields: &[(&str, Option<&str>)]) -> Vec<(String, Option<String>)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect()
}

fn envelope(body: &str) -> String {
    format!(
        r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><s:Body>{body}</s:Body></s:Envelope>"#
    )
}

fn result(inner: &str) -> String {
    envelope(&format!("<GetResponse xmlns=\"urn:x\"><GetResult>{inner}</GetResult></GetResponse>"))
}

/// `text` as it stands in an element, or between quotes: every character comes back.
fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' | '\n' | '\t' => out.push_str(&format!("&#x{:X};", u32::from(c))),
            _ => out.push(c),
        }
        out
    })
}

/// The forms that an answer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Array,
    /// The same as another stack writes it: prefixes everywhere, indented, null declared where it stands.
    Prefixed,
    DataSet,
    Text,
    Cdata,
    Attributes,
}

const FORMS: [Form; 6] =
    [Form::Array, Form::Prefixed, Form::DataSet, Form::Text, Form::Cdata, Form::Attributes];
const COLUMNS: [&str; 3] = ["Id", "Remark", "Amount"];

/// The values of the columns of each record.
type Table = Vec<[Option<String>; 3]>;

impl Form {
    fn request(self) -> Request {
        request(match self {
            Self::Array | Self::Prefixed => {
                "records = \"GetResult/Items/Item\"\ntotal = \"GetResult/Total\"\nparameters = { page = \"{page}\" }"
            }
            Self::DataSet => {
                "records = \"GetResult/diffgram/Data/Item\"\ntotal = \"GetResult/diffgram/Data/Info/Total\""
            }
            Self::Text | Self::Cdata => {
                "records = \"GetResult/items/item\"\ntotal = \"GetResult/items/@total\""
            }
            Self::Attributes => {
                "records = \"GetResult/listitems/data/row\"\ntotal = \"GetResult/listitems/data/@ItemCount\""
            }
        })
    }

    /// The name of a column's field.
    fn field(self, column: &str) -> String {
        if self == Self::Attributes { format!("@ows_{column}") } else { column.to_owned() }
    }

    fn render(self, table: &Table) -> String {
        let total = table.len();
        let rows = |open: &str, close: &str, cell: &dyn Fn(&str, Option<&str>) -> String| -> String {
            let row = |values: &[Option<String>; 3]| {
                let cells: String =
                    COLUMNS.iter().zip(values).map(|(name, value)| cell(name, value.as_deref())).collect();
                format!("{open}{cells}{close}")
            };
            table.iter().map(row).collect()
        };
        let element = |name: &str, value: Option<&str>| match value {
            Some(value) => format!("<{name}>{}</{name}>", escape(value)),
            None => format!("<{name} xsi:nil=\"true\" />"),
        };
        let document = || {
            format!(
                "<?xml version=\"1.0\" encoding=\"utf-16\"?>\n<items xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" total=\"{total}\">{}\n</items>",
                rows("\n  <item>", "</item>", &element)
            )
        };
        match self {
            Self::Array => {
                let items = rows("<Item>", "</Item>", &element);
                result(&format!("<Total>{total}</Total><Items>{items}</Items>"))
            }
            Self::Prefixed => {
                let items = rows("\n  <a:Item>", "\n  </a:Item>", &|name, value| match value {
                    Some(value) => format!("\r\n    <a:{name}>{}</a:{name}>", escape(value)),
                    None => format!(
                        "\r\n    <a:{name} i:nil=\"1\" xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\"/>"
                    ),
                });
                result(&format!(
                    "<a:Total xmlns:a='urn:a'>{total}</a:Total><b:Items xmlns:b='urn:b' xmlns:a='urn:a'>{items}</b:Items>"
                ))
            }
            Self::DataSet => {
                let columns: String = COLUMNS
                    .iter()
                    .map(|name| format!("<xs:element name=\"{name}\" type=\"xs:string\" minOccurs=\"0\" />"))
                    .collect();
                let rows =
                    rows("<Item diffgr:id=\"Item1\" msdata:rowOrder=\"0\">", "</Item>", &|name, value| {
                        value.map(|value| element(name, Some(value))).unwrap_or_default()
                    });
                result(&data_set(
                    &columns,
                    &format!("<Data xmlns=\"\">{rows}<Info><Total>{total}</Total></Info></Data>"),
                ))
            }
            Self::Text => result(&escape(&document())),
            Self::Cdata => result(&format!("<![CDATA[{}]]>", document().replace("]]>", "]]]]><![CDATA[>"))),
            Self::Attributes => {
                let rows = rows("<z:row ", "/>", &|name, value| {
                    value.map(|value| format!("ows_{name}=\"{}\" ", escape(value))).unwrap_or_default()
                });
                result(&format!(
                    "<listitems xmlns:rs='urn:schemas-microsoft-com:rowset' xmlns:z='#RowsetSchema'><rs:data ItemCount=\"{total}\">\n{rows}</rs:data></listitems>"
                ))
            }
        }
    }

    /// What was read, by column; what is not there is null.
    fn table(self, rows: &Rows) -> Table {
        let value = |row: &[(String, Option<String>)], column: &str| {
            let named: Vec<_> = row.iter().filter(|(name, _)| *name == self.field(column)).collect();
            assert!(named.len() < 2, "{column} comes twice: {row:?}");
            named.first().and_then(|(_, value)| value.clone())
        };
        rows.iter().map(|row| COLUMNS.map(|column| value(row, column))).collect()
    }
}

/// A `DataSet` with a table `Item`, as .NET writes it.
fn data_set(columns: &str, data: &str) -> String {
    format!(
        "<xs:schema id=\"Data\" xmlns=\"\" xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" xmlns:msdata=\"urn:schemas-microsoft-com:xml-msdata\">\
         <xs:element name=\"Data\" msdata:IsDataSet=\"true\"><xs:complexType><xs:choice minOccurs=\"0\" maxOccurs=\"unbounded\">\
         <xs:element name=\"Item\"><xs:complexType><xs:sequence>{columns}</xs:sequence></xs:complexType></xs:element>\
         <xs:element name=\"Info\"><xs:complexType><xs:sequence><xs:element name=\"Total\" type=\"xs:int\"/></xs:sequence></xs:complexType></xs:element>\
         </xs:choice></xs:complexType></xs:element></xs:schema>\
         <diffgr:diffgram xmlns:msdata=\"urn:schemas-microsoft-com:xml-msdata\" xmlns:diffgr=\"urn:schemas-microsoft-com:xml-diffgram-v1\">{data}</diffgr:diffgram>"
    )
}

const DATA_SET: &str = "records = \"GetResult/diffgram/Data/Item\"";
const ITEMS: &str = "records = \"GetResult/items/item\"";

fn sample() -> Table {
    let text = |text: &str| Some(text.to_owned());
    vec![
        [text("1"), text("a & <b> \"ł\" ]]>\r\n\t😀"), text("-0.03")],
        [text("2"), None, text("")],
        [text("3"), text(" "), None],
        [None, None, None],
    ]
}

#[test]
fn all_forms_give_the_same_records() {
    for form in FORMS {
        let xml = form.render(&sample());
        for piece in [1, 7, 64, usize::MAX] {
            let (rows, page) = read_in_pieces(xml.as_bytes(), &form.request(), piece)
                .unwrap_or_else(|fault| panic!("{form:?}: {fault}"));
            assert_eq!(form.table(&rows), sample(), "{form:?} in pieces of {piece}");
            assert_eq!(page.total, Some(4));
        }
        let (rows, page) = read(&form.render(&Table::new()), &form.request()).unwrap();
        assert_eq!((rows.len(), page.total), (0, Some(0)), "{form:?}");
    }
}

#[test]
fn no_form_gives_less_when_it_is_cut_off() {
    for form in FORMS {
        let xml = form.render(&sample());
        for end in 0..xml.len() {
            let fault = read_in_pieces(&xml.as_bytes()[..end], &form.request(), 50).unwrap_err();
            assert_eq!(fault.kind(), Kind::Platform);
            let text = fault.to_string();
            assert!(
                text.contains("cut off in the middle") || text.contains("is empty"),
                "{form:?} at {end}: {text}"
            );
        }
    }
    // Whole outside, but not inside: a field that it stood in was too short.
    let Some((_, document)) = Form::Text.render(&sample()).split_once("<GetResult>").map(|(_, rest)| {
        let text = rest.split_once("</GetResult>").unwrap().0;
        ((), quick_xml::escape::unescape(text).unwrap().into_owned())
    }) else {
        unreachable!()
    };
    let start = document.find("<items").unwrap();
    for (end, _) in document.char_indices().filter(|(end, _)| *end > start) {
        let text = read(&result(&escape(&document[..end])), &request(ITEMS)).unwrap_err().to_string();
        assert!(text.contains("cut off in the middle") || text.contains("no records"), "at {end}: {text}");
    }
}

#[test]
fn recorded_answers_of_all_three_operations_hold_the_same_records() {
    let Some(shared) = shared("") else { return };
    let requests = [
        (
            "GetSettlements",
            "records = \"GetSettlementsResult/Items/SettlementRecord\"\ntotal = \"GetSettlementsResult/TotalCount\"",
        ),
        (
            "GetSettlementsDataSet",
            "records = \"GetSettlementsDataSetResult/diffgram/SettlementData/Settlement\"\ntotal = \"GetSettlementsDataSetResult/diffgram/SettlementData/PageInfo/TotalCount\"",
        ),
        (
            "GetSettlementsXml",
            "records = \"GetSettlementsXmlResult/settlements/settlement\"\ntotal = \"GetSettlementsXmlResult/settlements/@total\"",
        ),
    ];
    // The third calls its columns otherwise, and leaves some out.
    let common = [
        ("Id", "@id"),
        ("Counterparty", "counterparty"),
        ("DeliveryStart", "start"),
        ("VolumeMWh", "volume"),
        ("PricePerMWh", "price"),
        ("Amount", "amount"),
        ("Correction", "correction"),
        ("Currency", "currency"),
        ("Status", "status"),
        ("Remark", "remark"),
    ];
    let mut answers = Vec::new();
    for soap in ["soap11", "soap12"] {
        for (operation, keys) in requests {
            let file = |end: &str| {
                std::fs::read_to_string(shared.join("platform").join(format!("{soap}-{operation}{end}.xml")))
                    .unwrap()
            };
            let (rows, page) = read(&file(""), &request(keys)).unwrap();
            assert_eq!(page.total, Some(96), "{operation}");
            let (none, empty) = read(&file("-empty"), &request(keys)).unwrap();
            assert_eq!((none.len(), empty.total), (0, Some(0)), "{operation}");
            let table: Vec<BTreeMap<_, _>> = rows
                .iter()
                .map(|row| {
                    let value = |(long, short): (&'static str, &str)| {
                        let found = row.iter().find(|(name, _)| name == long || name == short);
                        (long, found.and_then(|(_, value)| value.clone()))
                    };
                    common.map(value).into()
                })
                .collect();
            answers.push((soap, operation, rows, table));
        }
    }
    let (_, _, _, first) = &answers[0];
    assert_eq!((first.len(), first[3]["Correction"].as_deref()), (5, Some("-0.03")));
    for (soap, operation, _, table) in &answers {
        assert_eq!(table, first, "{soap} {operation}");
    }
    // A DataSet that leaves a column out says by its schema that it is null, as the array says by itself.
    assert_eq!(answers[0].2[0], answers[1].2[0]);
    let corrections =
        answers[1].2.iter().filter(|row| row.contains(&("Correction".to_owned(), None))).count();
    assert_eq!(corrections, 4);
}

#[test]
fn a_data_set_keeps_its_books_to_itself() {
    let columns = "<xs:element name='A' type='xs:int'/><xs:element name='B' minOccurs='0'><xs:simpleType>\
        <xs:restriction base='xs:double'/></xs:simpleType></xs:element><xs:element name='C' type='xs:string' minOccurs='0'/>\
        <xs:element name='Child'><xs:complexType><xs:sequence><xs:element name='D' type='xs:string'/></xs:sequence></xs:complexType></xs:element>\
        </xs:sequence><xs:attribute name='Key' type='xs:string'/><xs:sequence>";
    let rows = "<Data><Item diffgr:id='1' msdata:rowOrder='0' diffgr:hasChanges='modified' msdata:hiddenX='9' Key='k'><A>1</A><C xml:space='preserve'> </C></Item>\
        <Item diffgr:id='2' msdata:rowOrder='1' diffgr:hasErrors='true'><A>2</A><B>0.5</B></Item>\
        <Item diffgr:id='4' msdata:rowOrder='3'/></Data>\
        <diffgr:before><Item diffgr:id='1'><A>0</A></Item><Item diffgr:id='3' msdata:rowOrder='2'><A>3</A></Item></diffgr:before>\
        <diffgr:errors><Item diffgr:id='2' diffgr:Error='bad'/></diffgr:errors>";
    let (read_rows, _) = read(&result(&data_set(columns, rows)), &request(DATA_SET)).unwrap();
    assert_eq!(
        read_rows,
        [
            row(&[("@Key", Some("k")), ("A", Some("1")), ("B", None), ("C", Some(" "))]),
            row(&[("@Key", None), ("A", Some("2")), ("B", Some("0.5")), ("C", None)]),
            row(&[("@Key", None), ("A", None), ("B", None), ("C", None)]),
        ]
    );
    // All rows are deleted, or there never were any.
    for data in [
        "<diffgr:before><Item><A>3</A></Item></diffgr:before>",
        "",
        "<Data/>",
        "<Data><Info><Total>0</Total></Info></Data>",
    ] {
        assert!(read(&result(&data_set(columns, data)), &request(DATA_SET)).unwrap().0.is_empty(), "{data}");
    }
    // Without its schema a DataSet still has its rows, and an empty one none.
    let bare = |data: &str| {
        result(&format!(
            "<d:diffgram xmlns:d='urn:schemas-microsoft-com:xml-diffgram-v1'>{data}</d:diffgram>"
        ))
    };
    assert_eq!(
        read(&bare("<Data><Item d:id='1'><A>1</A></Item></Data>"), &request(DATA_SET)).unwrap().0,
        [row(&[("A", Some("1"))])]
    );
    assert!(read(&bare(""), &request(DATA_SET)).unwrap().0.is_empty());
    // What is called like a column of the books, but is none.
    let own = "<Data><Item id='7' rowOrder='8'><before>1</before></Item></Data>";
    assert_eq!(
        read(&bare(own), &request(DATA_SET)).unwrap().0,
        [row(&[("@id", Some("7")), ("@rowOrder", Some("8")), ("before", Some("1"))])]
    );
}

#[test]
fn what_a_schema_calls_double_is_marked() {
    let columns = "<xs:element name='A' type='xs:double'/><xs:element name='B' type='xs:decimal'/>";
    let xml = result(&data_set(columns, "<Data><Item><A>0.1</A><B>0.1</B></Item></Data>"));
    let mut seen = Vec::new();
    answer::read(xml.as_bytes(), &request(DATA_SET), 1 << 20, &mut Batch::default(), &mut |batch| {
        seen.extend(batch.records().flat_map(|record| {
            record.marked().map(|(name, _, double)| (name.to_owned(), double)).collect::<Vec<_>>()
        }));
        Ok(())
    })
    .unwrap();
    assert_eq!(seen, [("A".to_owned(), true), ("B".to_owned(), false)]);
}

#[test]
fn a_text_that_is_xml_is_read_in_all_the_ways_that_it_is_written() {
    let two = [row(&[("@id", Some("1")), ("a", Some("x & y"))]), row(&[("@id", Some("2"))])];
    let items = "<item id=\"1\"><a>x &amp; y</a></item><!-- c --><item id='2'/>";
    for text in [
        format!("<items>{items}</items>"),
        format!("\u{feff}<?xml version='1.0' encoding='utf-16'?><items>{items}</items>\n"),
        format!("\r\n  <items>\r\n{items}\r\n</items>\r\n"),
        // Without a root, as a database writes rows: here the path has one name less below the text.
        format!("<n:items xmlns:n='urn:n'>{items}</n:items>"),
    ] {
        for written in
            [escape(&text), format!("<![CDATA[{text}]]>"), format!(" <!-- c --> <![CDATA[{text}]]> "), {
                // Character references for everything, by somebody careful.
                text.chars().map(|c| format!("&#{};", u32::from(c))).collect()
            }]
        {
            assert_eq!(read(&result(&written), &request(ITEMS)).unwrap().0, two, "{written}");
        }
    }
    let fragments = escape("<item id=\"1\"><a>x &amp; y</a></item> <item id='2'/>");
    assert_eq!(read(&result(&fragments), &request("records = \"GetResult/item\"")).unwrap().0, two);
    // An array of texts, each one record; and a text in a text.
    let each = format!(
        "<string>{}</string><string>{}</string>",
        escape("<item id='1'><a>x &amp; y</a></item>"),
        escape("<item id='2'/>")
    );
    assert_eq!(read(&result(&each), &request("records = \"GetResult/string/item\"")).unwrap().0, two);
    let twice = escape(&format!("<outer>{}</outer>", escape(&format!("<items>{items}</items>"))));
    assert_eq!(read(&result(&twice), &request("records = \"GetResult/outer/items/item\"")).unwrap().0, two);
    // A DataSet in a text, and a path that ends above: then the text is the value.
    let data = escape(&data_set(
        "<xs:element name='A'/><xs:element name='B'/>",
        "<Data><Item diffgr:id='1'><A>1</A></Item></Data>",
    ));
    assert_eq!(read(&result(&data), &request(DATA_SET)).unwrap().0, [row(&[("A", Some("1")), ("B", None)])]);
    let whole = read(&result(&escape("<a/>")), &request("records = \"GetResult\"")).unwrap().0;
    assert_eq!(whole, [row(&[("GetResult", Some("<a/>"))])]);
    // Longer than any single token may be.
    let long = format!("<items>{}</items>", "<item><a>0123456789</a></item>".repeat(700_000));
    for written in [format!("<![CDATA[{long}]]>"), escape(&long)] {
        assert_eq!(read(&result(&written), &request(ITEMS)).unwrap().0.len(), 700_000);
    }
}

#[test]
fn a_text_that_is_no_good_xml_is_refused() {
    let bomb = "<!DOCTYPE items [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]><items><item>&b;</item></items>";
    for (text, expected) in [
        (bomb.to_owned(), "the XML in the text of GetResult has a DOCTYPE"),
        ("<items><item>&b;</item></items>".to_owned(), "does not define: &b;"),
        (
            "<items><item></items>".to_owned(),
            "the XML in the text of GetResult, at byte 13, is not well-formed",
        ),
        ("<items><item/>".to_owned(), "the XML in the text of GetResult is cut off"),
        ("<items><item".to_owned(), "cut off in the middle"),
        ("<items/>and more".to_owned(), "text stands beside elements"),
        ("<items/></GetResult>".to_owned(), "not well-formed"),
        (format!("<items>{}", "<a>".repeat(100)), "more than 100 deep"),
        ("<rows><row/></rows>".to_owned(), "GetResult holds no items\n  found: rows"),
        ("<items><row/></items>".to_owned(), "GetResult/items holds no item\n  found: row"),
        ("ORA-00942: no such table".to_owned(), "found: the text ORA-00942: no such table"),
        ("Error <items><item/></items>".to_owned(), "found: the text Error <items>"),
    ] {
        for written in [escape(&text), format!("<![CDATA[{text}]]>")] {
            let fault = read(&result(&written), &request(ITEMS)).unwrap_err().to_string();
            assert!(fault.contains(expected), "{written}: {fault}");
        }
    }
    let beside = result(&format!("{}<b/>", escape("<items><item/></items>")));
    assert!(read(&beside, &request(ITEMS)).unwrap_err().to_string().contains("beside XML that is a text"));
    // Outside, nothing but text may be what the records look like inside.
    let outside = result(&format!("{} <item>9</item>", escape("<items><item>1</item><item>")));
    assert!(read(&outside, &request(ITEMS)).is_err());
}

#[test]
fn a_path_that_leads_nowhere_says_what_is_there_in_every_form() {
    let table = sample();
    for (form, from, to, expected) in [
        (Form::Array, "Items/Item", "Items/Row", "GetResult/Items holds no Row\n  found: Item"),
        (Form::DataSet, "Data/Item", "Data/Row", "GetResult/diffgram/Data holds no Row\n  found: Item, Info"),
        (Form::DataSet, "diffgram/Data", "Data", "GetResult holds no Data\n  found: diffgram"),
        (Form::Text, "items/item", "items/row", "GetResult/items holds no row\n  found: item"),
        (Form::Cdata, "items/item", "rows/row", "GetResult holds no rows\n  found: items"),
        (Form::Attributes, "data/row", "data/z", "GetResult/listitems/data holds no z\n  found: row"),
    ] {
        let mut keys = format!("records = \"{}\"", form.request().records);
        keys = keys.replace(from, to);
        let fault = read(&form.render(&table), &request(&keys)).unwrap_err().to_string();
        assert!(fault.contains(expected), "{form:?}: {fault}");
    }
    let keys = format!("records = \"{}\"", Form::Array.request().records).replace("Items/Item", "Items/Itm");
    let fault = read(&Form::Array.render(&table), &request(&keys)).unwrap_err().to_string();
    assert!(fault.contains("did you mean Item in [platform.request] records?"), "{fault}");
    // An announced count that is not where it should be.
    let keys = "records = \"GetResult/items/item\"\ntotal = \"GetResult/items/@count\"";
    let fault = read(&Form::Text.render(&table), &request(keys)).unwrap_err().to_string();
    assert!(fault.contains("there is no GetResult/items/@count in the answer"), "{fault}");
}

#[test]
fn encodings_are_recognised_and_nothing_is_misread() {
    let xml = |declared: &str, text: &str| {
        format!(
            "<?xml version=\"1.0\"{declared}?>{}",
            result(&format!("<items><item><a>{text}</a></item></items>"))
        )
    };
    let utf16 = |text: &str, big: bool| -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() })
            .collect()
    };
    let single =
        |text: &str| -> Vec<u8> { text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect() };
    let good = [
        (xml("", "Zł€😀").into_bytes(), "Zł€😀"),
        (format!("\u{feff}{}", xml(" encoding='utf-8'", "Zł")).into_bytes(), "Zł"),
        (utf16(&format!("\u{feff}{}", xml(" encoding='utf-16'", "Zł😀")), false), "Zł😀"),
        (utf16(&format!("\u{feff}{}", xml(" encoding='utf-16'", "Zł😀")), true), "Zł😀"),
        (utf16(&xml(" encoding='utf-16'", "Zł😀"), false), "Zł😀"),
        (utf16(&xml("", "Zł😀"), true), "Zł😀"),
        (single(&xml(" encoding=\"iso-8859-1\"", "Grün \u{80}")), "Grün €"),
        (single(&xml(" encoding = 'Windows-1252' standalone='yes'", "Grün \u{80}")), "Grün €"),
        (single(&xml(" encoding=\"ISO-8859-2\"", "Z\u{b3}oty")), "Złoty"),
        // The declaration is of the time when it was a text in .NET's memory.
        (xml(" encoding='utf-16'", "Zł").into_bytes(), "Zł"),
        (xml(" encoding='us-ascii'", "A").into_bytes(), "A"),
    ];
    for (bytes, expected) in good {
        for piece in [1, 5, usize::MAX] {
            let (rows, _) = read_in_pieces(&bytes, &request(ITEMS), piece)
                .unwrap_or_else(|fault| panic!("{expected}: {fault}"));
            assert_eq!(rows, [row(&[("a", Some(expected))])]);
        }
        for end in 0..bytes.len() {
            assert!(read_in_pieces(&bytes[..end], &request(ITEMS), 9).is_err(), "cut at {end}");
        }
    }
    for (bytes, expected) in [
        (single(&xml("", "Gr\u{fc}n")), "is not UTF-8"),
        (single(&xml(" encoding='us-ascii'", "Gr\u{fc}n")), "is not UTF-8"),
        (xml(" encoding='ebcdic-cp-us'", "A").into_bytes(), "found: ebcdic-cp-us"),
        (xml(" encoding='iso-2022-kr'", "A").into_bytes(), "found: iso-2022-kr"),
        (
            [utf16(&xml("", "A").replace("</a>", ""), false), vec![0, 0xd8], utf16("x", false)].concat(),
            "says that it is UTF-16LE, but is not",
        ),
    ] {
        let fault = read_in_pieces(&bytes, &request(ITEMS), usize::MAX).unwrap_err().to_string();
        assert!(fault.contains(expected), "{fault}");
    }
}

#[test]
fn rows_of_attributes_are_the_same_whether_they_look_like_those_before_or_not() {
    let data = |rows: &str| {
        result(&format!(
            "<data xmlns:z=\"urn:z\" xmlns:n=\"http://www.w3.org/2001/XMLSchema-instance\"><z:row a=\"1\" z:b=\"2\" />{rows}</data>"
        ))
    };
    let first = row(&[("@a", Some("1")), ("@b", Some("2"))]);
    for (written, expected) in [
        ("<z:row a=\"3\" z:b=\"\"/>", vec![("@a", Some("3")), ("@b", Some(""))]),
        (" \r\n\t<z:row z:b=\"4\" />", vec![("@b", Some("4"))]),
        ("<z:row z:b=\"4\" a=\"3\" />", vec![("@b", Some("4")), ("@a", Some("3"))]),
        ("<z:row a='3'\n z:b = \"4\" />", vec![("@a", Some("3")), ("@b", Some("4"))]),
        ("<z:row a=\"&lt;&#x41;&#10;&apos;>\" />", vec![("@a", Some("<A\n'>"))]),
        ("<z:row a=\"x\ny\" />", vec![("@a", Some("x y"))]),
        ("<z:row a=\"3\" c=\"5\" />", vec![("@a", Some("3")), ("@c", Some("5"))]),
        ("<z:row a=\"3\" xml:space=\"preserve\" z:b=\"4\" />", vec![("@a", Some("3")), ("@b", Some("4"))]),
        ("<z:row a=\"3\"><c>5</c></z:row>", vec![("@a", Some("3")), ("c", Some("5"))]),
        ("<row a=\"3\" />", vec![("@a", Some("3"))]),
        ("<z:row a=\"3\" n:nil=\"true\" />", vec![("@a", Some("3"))]),
        ("<z:row a=\"3\" />text", vec![("@a", Some("3"))]),
    ] {
        for piece in [1, 7, usize::MAX] {
            let xml = data(&format!("{written}{written}"));
            let (rows, _) =
                read_in_pieces(xml.as_bytes(), &request("records = \"GetResult/data/row\""), piece)
                    .unwrap_or_else(|fault| panic!("{written}: {fault}"));
            assert_eq!(rows, [first.clone(), row(&expected), row(&expected)], "{written}");
        }
    }
    for (written, expected) in [
        ("<z:row a=\"3\" a=\"4\" />", "not well-formed"),
        ("<z:row a=\"&nbsp;\" />", "not well-formed"),
        ("<z:row a=\"3\"", "cut off"),
    ] {
        let xml = data(written);
        let end = if expected == "cut off" { xml.find(written).unwrap() + written.len() } else { xml.len() };
        let fault = read(&xml[..end], &request("records = \"GetResult/data/row\"")).unwrap_err().to_string();
        assert!(fault.contains(expected), "{written}: {fault}");
    }
}

proptest! {
    #[test]
    fn any_records_come_back_from_any_form(
        table in prop::collection::vec(prop::array::uniform3(prop::option::of("[\\r\\n\\t -~¡-\u{d7ff}😀]{0,8}|[<>&\"' \\]]{0,5}")), 0..6),
        piece in 1_usize..80,
    ) {
        for form in FORMS {
            let xml = form.render(&table);
            let (rows, _) = read_in_pieces(xml.as_bytes(), &form.request(), piece)
                .map_err(|fault| TestCaseError::fail(format!("{form:?}: {fault}\n{xml}")))?;
            prop_assert_eq!(form.table(&rows), table.clone(), "{:?}", form);
            let (whole, _) = read(&xml, &form.request()).unwrap();
            prop_assert_eq!(whole, rows);
        }
    }

    #[test]
    fn no_xml_in_a_text_makes_the_reader_panic(text in "(<[a-cI/!?]{0,3}[ =\"'>]?|[&;#x]|item>|items>|]]>|<!\\[CDATA\\[|xmlns|.){0,40}", piece in 1_usize..30) {
        for written in [escape(&text), format!("<![CDATA[{text}]]>"), format!("<![CDATA[<items>{text}]]>"), text] {
            let _ = read_in_pieces(result(&written).as_bytes(), &request(ITEMS), piece);
        }
    }
}

// ---- As they come over HTTP. ----

/// Answers any number of calls with the same bytes, each on a connection of its own.
fn serve(headers: &str, body: Vec<u8>) -> String {
    serve_calls(usize::MAX, headers, body)
}

/// The same for one call: where many servers are needed, none of them keeps its port.
fn serve_once(headers: &str, body: Vec<u8>) -> String {
    serve_calls(1, headers, body)
}

fn serve_calls(calls: usize, headers: &str, body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/Service.asmx", listener.local_addr().unwrap());
    let head = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n\r\n",
        body.len()
    );
    std::thread::spawn(move || {
        for stream in listener.incoming().take(calls) {
            let mut stream = stream.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"</soap:Envelope>") {
                let mut piece = [0; 4096];
                let count = stream.read(&mut piece).unwrap();
                assert!(count > 0, "a call ends early: {}", String::from_utf8_lossy(&asked));
                asked.extend_from_slice(&piece[..count]);
            }
            assert!(String::from_utf8_lossy(&asked).contains("accept-encoding: gzip, deflate"));
            // Who has seen enough may be gone.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    url
}

/// All fields of all records of one call, as `name=value`.
fn fetch(url: &str, keys: &str) -> Result<Vec<String>> {
    let settings: Settings = toml::from_str(&format!(
        "endpoint = \"{url}\"\nnamespace = \"urn:x/\"\nauth = \"none\"\nretries = 0\n{keys}\n[request]\noperation = \"Get\"\n{ITEMS}\n"
    ))
    .unwrap();
    let mut seen = Vec::new();
    let platform = Platform::new(&settings, Path::new(""))?;
    let fetched = platform.fetch(&[Values::new().into()], &Manner::default(), &Silent, &mut |record| {
        seen.extend(record.fields.iter().map(|(name, value)| format!("{name}={}", value.unwrap())));
        Ok(())
    })?;
    fetched.close()?;
    Ok(seen)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

const XML: &str = "Content-Type: text/xml; charset=utf-8";

fn plain() -> String {
    result("<items><item><a>Zł</a></item><item><a>2</a></item></items>")
}

#[test]
fn compressed_answers_are_unpacked_and_never_short() {
    let xml = plain();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(xml.as_bytes()).unwrap();
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::best());
    deflate.write_all(xml.as_bytes()).unwrap();
    let (front, back) = xml.as_bytes().split_at(100);
    for (coding, is_checked, body) in [
        ("gzip", true, gzip(xml.as_bytes())),
        ("X-GZIP", true, [gzip(front), gzip(back)].concat()),
        ("deflate", true, zlib.finish().unwrap()),
        ("deflate", false, deflate.finish().unwrap()),
        ("identity", false, xml.clone().into_bytes()),
    ] {
        let headers = format!("{XML}\r\nContent-Encoding: {coding}");
        assert_eq!(fetch(&serve_once(&headers, body.clone()), "").unwrap(), ["a=Zł", "a=2"], "{coding}");
        // Between two members of gzip, nothing is missing but half of the answer; all else is damage.
        for end in 1..body.len() {
            let fault = fetch(&serve_once(&headers, body[..end].to_vec()), "").unwrap_err().to_string();
            assert!(
                fault.contains("cut off in the middle") || fault.contains("damaged"),
                "{coding} at {end}: {fault}"
            );
        }
        if coding != "identity" {
            let mut longer = body.clone();
            longer.extend_from_slice(b"more");
            let mut other = body;
            let middle = other.len() / 2;
            other[middle] ^= 0x55;
            assert!(fetch(&serve_once(&headers, longer), "").is_err(), "{coding}");
            // Deflate without zlib around it has no checksum.
            if is_checked {
                assert!(fetch(&serve_once(&headers, other), "").is_err(), "{coding}");
            }
        }
    }
    let fault =
        fetch(&serve_once(&format!("{XML}\r\nContent-Encoding: br"), xml.into_bytes()), "").unwrap_err();
    assert!(fault.to_string().contains("compressed in a way that nobody asked for\n  found: br"), "{fault}");
    // What counts is what it grows to.
    let bomb = gzip(result(&format!("<items>{}</items>", " ".repeat(3 << 20))).as_bytes());
    assert!(bomb.len() < 10_000);
    let fault = fetch(&serve_once(&format!("{XML}\r\nContent-Encoding: gzip"), bomb), "answer_limit_mib = 1")
        .unwrap_err();
    assert!(fault.to_string().contains("answer_limit_mib"), "{fault}");
    // An error page is unpacked too, for its title.
    let page = gzip(b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>");
    let fault =
        fetch(&serve_once("Content-Type: text/html\r\nContent-Encoding: gzip", page), "").unwrap_err();
    assert!(fault.to_string().contains("\"Sign in\""), "{fault}");
}

#[test]
fn the_charset_of_the_header_counts() {
    let latin: Vec<u8> = "<?xml version='1.0' encoding='utf-8'?>"
        .bytes()
        .chain(
            result("<items><item><a>Gr_n</a></item></items>")
                .bytes()
                .map(|byte| if byte == b'_' { 0xfc } else { byte }),
        )
        .collect();
    for charset in ["iso-8859-1", "\"Windows-1252\""] {
        let url = serve(&format!("Content-Type: text/xml; charset={charset}"), latin.clone());
        assert_eq!(fetch(&url, "").unwrap(), ["a=Grün"]);
    }
    let declared = format!("<?xml version='1.0' encoding='iso-8859-1'?>{}", plain());
    assert_eq!(fetch(&serve(XML, declared.into_bytes()), "").unwrap(), ["a=Zł", "a=2"]);
    let wide = |big: bool| -> Vec<u8> {
        plain()
            .encode_utf16()
            .flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() })
            .collect()
    };
    for big in [true, false] {
        let url = serve("Content-Type: text/xml; charset=utf-16", wide(big));
        assert_eq!(fetch(&url, "").unwrap(), ["a=Zł", "a=2"]);
    }
    let untrue = serve("Content-Type: text/xml; charset=utf-16", plain().into_bytes());
    assert!(fetch(&untrue, "").unwrap_err().to_string().contains("says that it is utf-16, but is not"));
    assert!(fetch(&serve(XML, latin), "").unwrap_err().to_string().contains("is not UTF-8"));
}

fn mtom(xml: &str, part: &str) -> Vec<u8> {
    format!(
        "--uuid:1+x\r\nContent-ID: <root@x>\r\nContent-Transfer-Encoding: binary\r\nContent-Type: application/xop+xml;\r\n charset=UTF-8; type=\"text/xml\"\r\n{part}\r\n{xml}\r\n--uuid:1+x\r\nContent-ID: <1@x>\r\n\r\n%PDF\r\n--uuid:1\r\n\0\r\n--uuid:1+x--\r\n"
    )
    .into_bytes()
}

const MTOM: &str = "Content-Type: multipart/related; type=\"application/xop+xml\"; start=\"<root@x>\"; boundary=\"uuid:1+x\"; start-info=\"text/xml\"";

#[test]
fn an_envelope_with_attachments_is_read_and_they_are_values_in_it() {
    let body = mtom(&plain(), "");
    assert_eq!(fetch(&serve(MTOM, body.clone()), "").unwrap(), ["a=Zł", "a=2"]);
    let packed = serve(&format!("{MTOM}\r\nContent-Encoding: gzip"), gzip(&body));
    assert_eq!(fetch(&packed, "").unwrap(), ["a=Zł", "a=2"]);
    // Without the line end behind the last delimiter nothing is missing.
    for end in 1..body.len() - 2 {
        let fault = fetch(&serve(MTOM, body[..end].to_vec()), "").unwrap_err().to_string();
        assert!(fault.contains("cut off in the middle"), "at {end}: {fault}");
    }
    let include = "<x:Include xmlns:x='http://www.w3.org/2004/08/xop/include' href='cid:1@x'/>";
    let inside = result(&format!("<items><item><a>1</a><scan>{include}</scan></item></items>"));
    let outside = result(&format!("<other>{include}</other><items><item><a>1</a></item></items>"));
    let instead = result(include);
    let quoted = mtom(&plain(), "Content-Transfer-Encoding: quoted-printable\r\n");
    let quoted =
        String::from_utf8(quoted).unwrap().replace("Encoding: binary", "Encoding: base64").into_bytes();
    let encoded = String::from_utf8(mtom(&inside, "")).unwrap();
    let encoded = encoded.replace("<1@x>\r\n", "<1@x>\r\nContent-Transfer-Encoding: base64\r\n").into_bytes();
    for (headers, body, expected) in [
        (XML, inside.clone().into_bytes(), "scan of record 1 is said to be in an attachment (MTOM), but"),
        (XML, instead.clone().into_bytes(), "what the request looks for is said to be in an attachment"),
        (MTOM, mtom(&inside.replace("cid:1", "cid:2"), ""), "is not there: 2@x"),
        (MTOM, mtom(&inside.replace("<scan>", "<scan>1<b/>"), ""), "has text beside elements"),
        (MTOM, mtom(&inside.replace("</scan>", "</scam>"), ""), "not well-formed"),
        (MTOM, mtom(&format!("<!DOCTYPE a>{inside}"), ""), "DOCTYPE"),
        (MTOM, mtom(&result(&"x".repeat(17 << 20)), ""), "too long"),
        (MTOM, encoded, "encoded once more: 1@x"),
        (MTOM, quoted, "encoded once more"),
        (&MTOM.replace("root@x", "other@x"), body.clone(), "its envelope is not the first part"),
        (&MTOM.replace("boundary", "bound"), body.clone(), "does not say what separates its parts"),
        (&MTOM.replace("1+x", "2"), body, "cut off in the middle"),
        (&MTOM.replace("1+x", "2"), vec![b'x'; 100_000], "is not where it should be"),
    ] {
        let fault = fetch(&serve(headers, body), "").unwrap_err().to_string();
        assert!(fault.contains(expected), "{fault}");
    }
    assert_eq!(fetch(&serve(MTOM, mtom(&outside, "")), "").unwrap(), ["a=1"]);
    // The bytes of the attachment: what stands between its headers and the delimiter, with what looks like one.
    let scan = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, b"%PDF\r\n--uuid:1\r\n\0");
    let longhand = inside.replace("'/>", "'></x:Include>").replace("1@x", "%31@x");
    for xml in [&inside, &longhand] {
        let fetched = fetch(&serve(MTOM, mtom(xml, "")), "").unwrap();
        assert_eq!(fetched, ["a=1".to_owned(), format!("scan={scan}")]);
        let packed = serve(&format!("{MTOM}\r\nContent-Encoding: gzip"), gzip(&mtom(xml, "")));
        assert_eq!(fetch(&packed, "").unwrap(), fetched);
    }
    // A record has its limit with its attachments too.
    let huge =
        String::from_utf8(mtom(&inside, "")).unwrap().replace("%PDF", &"x".repeat(13 << 20)).into_bytes();
    let fault = fetch(&serve(MTOM, huge), "").unwrap_err().to_string();
    assert!(fault.contains("a single record has more than"), "{fault}");
    // Attachments count towards the limit as well.
    let heavy =
        String::from_utf8(mtom(&plain(), "")).unwrap().replace("%PDF", &"x".repeat(2 << 20)).into_bytes();
    let fault = fetch(&serve(MTOM, heavy), "answer_limit_mib = 1").unwrap_err();
    assert!(fault.to_string().contains("answer_limit_mib"), "{fault}");
}

#[cfg(feature = "simulator")]
#[test]
fn the_simulator_answers_in_three_forms_compressed_when_asked() {
    use tieout::simulator::{NAMESPACE, Simulator, User};

    let folder = tempfile::tempdir().unwrap();
    let records = folder.path().join("records.csv");
    let mut csv = "Id,Counterparty,FlowStart,Amount,Remark\n".to_owned();
    for id in 1..=25 {
        let (amount, remark) =
            if id % 3 == 0 { (String::new(), "") } else { (format!("{id}.10"), "a & <b>") };
        csv += &format!("{id},ALFA,2026-10-01T00:00:00,{amount},{remark}\n");
    }
    std::fs::write(&records, csv).unwrap();
    std::fs::write(folder.path().join("pw"), "secret").unwrap();
    let mut settings = tieout::simulator::Settings::new(
        records,
        vec![User { name: "svc".into(), password: "secret".to_owned().into() }],
    );
    settings.gzip = true;
    let simulator = Simulator::start(settings).unwrap();
    let mut answers = Vec::new();
    for (operation, paths) in [
        ("GetSettlements", ["Items/SettlementRecord", "TotalCount"]),
        (
            "GetSettlementsDataSet",
            ["diffgram/SettlementData/Settlement", "diffgram/SettlementData/PageInfo/TotalCount"],
        ),
        ("GetSettlementsXml", ["settlements/settlement", "settlements/@total"]),
    ] {
        for (soap, compression) in [("1.1", true), ("1.2", false)] {
            let [records, total] = paths.map(|path| format!("{operation}Result/{path}"));
            let settings: Settings = toml::from_str(&format!(
                r#"
                endpoint = "{}"
                namespace = "{NAMESPACE}"
                username = "svc"
                password = "file:pw"
                soap = "{soap}"
                compression = {compression}
                [request]
                operation = "{operation}"
                records = "{records}"
                total = "{total}"
                page_size = 10
                [request.parameters]
                from = "2026-10-01T00:00:00"
                to = "2026-11-01T00:00:00"
                page = "{{page}}"
                pageSize = "{{page_size}}"
                "#,
                simulator.endpoint()
            ))
            .unwrap();
            let mut rows: Vec<BTreeMap<String, String>> = Vec::new();
            let platform = Platform::new(&settings, folder.path()).unwrap();
            let fetched = platform
                .fetch(&[Values::new().into()], &Manner::default(), &Silent, &mut |record| {
                    // Null and absent come to the same.
                    let there = record
                        .fields
                        .iter()
                        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
                    rows.push(there.collect());
                    Ok(())
                })
                .unwrap_or_else(|fault| panic!("{operation} in {soap}: {fault}"));
            assert_eq!((fetched.calls, rows.len()), (3, 25), "{operation}");
            fetched.close().unwrap();
            answers.push(rows);
        }
    }
    assert_eq!(answers[0][0]["Remark"], "a & <b>");
    assert!(!answers[0][2].contains_key("Amount"));
    for rows in &answers {
        assert_eq!(rows, &answers[0]);
    }
}
