//! Tests of the room `intake` from outside.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use sha2::Digest as _;
use tieout::fault::{Fault, Kind};
use tieout::intake::{self, Digest, FileSettings, Mark, Row};
use tieout::progress::Silent;

use super::support::shared;

fn settings(toml: &str) -> FileSettings {
    toml::from_str(toml).unwrap()
}

/// A file as it was read.
struct Table {
    place: String,
    columns: Vec<String>,
    rows: Vec<Row>,
    digest: Digest,
}

impl Table {
    fn cells(&self) -> Vec<Vec<&str>> {
        self.rows.iter().map(|row| (0..row.len()).map(|column| row.text(column)).collect()).collect()
    }

    /// Headers and rows, as wide as the headers.
    fn grid(&self) -> Vec<Vec<&str>> {
        let width = self.columns.len();
        let headers = self.columns.iter().map(String::as_str).collect();
        let rows = self.rows.iter().map(|row| (0..width).map(|column| row.text(column)).collect());
        std::iter::once(headers).chain(rows).collect()
    }

    fn numbers(&self) -> Vec<u64> {
        self.rows.iter().map(|row| row.number).collect()
    }
}

fn read(path: &Path, toml: &str) -> Result<Table, Fault> {
    let label = path.file_name().unwrap().to_string_lossy().into_owned();
    let mut rows = intake::open(path, &label, &settings(toml), &Silent)?;
    let mut all = Vec::new();
    let mut row = Row::default();
    assert!(rows.digest().is_none());
    while rows.read(&mut row)? {
        all.push(row.clone());
    }
    assert!(!rows.read(&mut row)?);
    let digest = rows.digest().expect("a file read to its end has a digest").clone();
    Ok(Table { place: rows.origin().to_string(), columns: rows.columns().to_vec(), rows: all, digest })
}

fn read_bytes(bytes: &[u8], toml: &str) -> Result<Table, Fault> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    fs::write(&path, bytes).unwrap();
    read(&path, toml)
}

fn fault(bytes: &[u8], toml: &str) -> String {
    match read_bytes(bytes, toml) {
        Ok(table) => panic!("this was read: {:?}", table.cells()),
        Err(fault) => {
            assert_eq!(fault.kind(), Kind::Input);
            fault.to_string()
        }
    }
}

#[test]
fn csv_keeps_every_cell_and_its_line_whatever_the_line_ends() {
    let text = "\u{feff} Deal ,Amount,Amount,\n\n1,\"2\nline\",,\n  \n,,\n\"a \"\"b\"\"\" ,x\n";
    for ends in ["\n", "\r\n", "\r"] {
        let bytes = text.replace('\n', ends);
        let table = read_bytes(bytes.as_bytes(), "").unwrap();
        assert_eq!(table.columns, ["Deal", "Amount (1)", "Amount (2)", "Column 4"]);
        let broken = format!("2{ends}line");
        assert_eq!(table.cells(), [vec!["1", &broken, "", ""], vec!["a \"b\" ", "x"]]);
        assert_eq!(table.numbers(), [3, 7], "{ends:?}");
        assert!(table.rows.iter().all(|row| row.defect.is_none() && row.mark(0) == Mark::Text));
        assert_eq!(table.rows[1].text(2), "");
        assert_eq!(table.digest.bytes, bytes.len() as u64);
        assert_eq!(table.digest.sha256, format!("{:x}", hex(&sha2::Sha256::digest(bytes.as_bytes()))));
    }
}

/// Bytes as a number in hexadecimal.
fn hex(bytes: &[u8]) -> impl std::fmt::LowerHex {
    struct Hex(Vec<u8>);
    impl std::fmt::LowerHex for Hex {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
        }
    }
    Hex(bytes.to_vec())
}

#[test]
fn a_broken_record_says_so_and_the_rest_is_read() {
    let table = read_bytes(b"a,b\n1,2,,\n3,4,5\n\"6\"x,7\n\"8\" ,9\n", "").unwrap();
    let defects: Vec<_> = table.rows.iter().map(|row| row.defect.as_deref()).collect();
    assert_eq!(
        defects,
        [None, Some("3 cells under 2 headers"), Some("text after the closing quote in column a"), None]
    );
}

#[test]
fn a_quote_left_open_is_found_where_it_opened() {
    let open = "a,b\n1,\"x\ny\"\n2,\"3\n4,5\n6,7\n";
    insta::assert_snapshot!(fault(open.as_bytes(), ""), @r"
    a.csv:4: a quote that opens here is never closed, so the rest of the file stands inside it
      expected: a closing quote in the same record
      next: close or remove the quote; if the file was cut off, ask for it again
    ");
    assert!(read_bytes(b"a,b\n1,\"2\"", "").is_ok());
    assert!(read_bytes(b"a,b\n1,\"2\"\"\"", "").is_ok());
    assert!(read_bytes(b"a,b\n1,2\"", "").is_ok());
    assert!(fault(b"a,b\n1,\"2\"\"", "").contains("a.csv:2: a quote"));
    assert!(fault(b"a,b\n1,\"", "").contains("a.csv:2: a quote"));
    let endless = format!("a,b\n1,\"{}", "x".repeat(20_000_000));
    assert!(fault(endless.as_bytes(), "").contains("a.csv:2: a quote"));
}

#[test]
fn encodings_are_recognised_or_refused_never_guessed_at() {
    let text = "Größe;Preis\n1;2 €\n";
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let western = [&b"Gr\xf6\xdfe;Preis\n1;2 \x80\n"[..]].concat();
    for (bytes, toml) in [
        (text.as_bytes().to_vec(), ""),
        ([b"\xef\xbb\xbf", text.as_bytes()].concat(), "encoding = 'windows-1252'"),
        (little.clone(), ""),
        ([b"\xff\xfe", &*little].concat(), ""),
        (big.clone(), ""),
        ([b"\xfe\xff", &*big].concat(), "encoding = 'utf-8'"),
        (western.clone(), "encoding = 'latin1'"),
    ] {
        let table = read_bytes(&bytes, toml).unwrap();
        assert_eq!(table.columns, ["Größe", "Preis"], "{toml} {bytes:?}");
        assert_eq!(table.cells(), [["1", "2 €"]]);
    }
    insta::assert_snapshot!(fault(b"a,b\n1,\"x\n\nGr\xf6\xdfe\"\n", ""), @r#"
    a.csv:4: column b is not UTF-8 text
      found: x\n\nGr��e
      next: set encoding = "windows-1252", or whatever the sender uses
    "#);
    // Half a character in each of two cells.
    assert!(fault(b"a,b\n\xc3,\xa9\n", "").contains("a.csv:2: column a is not UTF-8"));
    assert!(
        fault(&[&*little, b"\n\0\x00\xd8\n\0"].concat(), "").contains("a.csv:4: this is not UTF-16LE text")
    );
    assert!(fault(b"a,b\n\0\x01\x02\xff\n", "").contains("neither a text file nor a workbook"));
}

#[test]
fn headers_stand_where_the_settings_say() {
    let preamble = b"Report,\"of\r\nnow\"\r\n\r\nDeal|Amount\r\n1|2\r\n";
    let table = read_bytes(preamble, "header_row = 4").unwrap();
    assert_eq!((table.columns, table.rows[0].number), (vec!["Deal".to_owned(), "Amount".to_owned()], 5));
    assert!(
        fault(preamble, "header_row = 3").contains("line 3, where header_row expects the headers, is blank")
    );
    assert!(fault(preamble, "header_row = 9").contains("nothing on line 9"));
    assert_eq!(read_bytes(b"a;b\tc\n", "delimiter = 'tab'").unwrap().columns, ["a;b", "c"]);
    for empty in [&b""[..], b"\xef\xbb\xbf", b"\n\r\n  \n,,\n"] {
        assert!(fault(empty, "").contains("a.csv: the file is empty"));
    }
    assert!(read_bytes(b"a,b", "").unwrap().rows.is_empty());
    for wrong in ["header_row = 0", "delimiter = ', '", "delimiter = '\"'", "encoding = 'utf-5'", "sheet = 0"]
    {
        assert!(toml::from_str::<FileSettings>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_is_no_table_is_called_by_its_name() {
    assert!(fault(b"%PDF-1.7\n", "").contains("the file is a PDF document, whatever it is called"));
    assert!(fault(b"\n<HTML><table>", "").contains("a web page"));
    assert!(fault(b"PK\x03\x04 and no more", "").contains("damaged or cut off"));
    assert!(fault(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and no more", "").contains("damaged or cut off"));
    assert!(fault(b"P", "header_row = 2").contains("nothing on line 2"));
    let missing = read(Path::new("/nowhere/a.csv"), "").err().unwrap();
    assert!(missing.to_string().starts_with("a.csv: the file cannot be read: "));
}

#[test]
fn files_are_found_once_in_order_without_lock_files() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("books [2026]");
    fs::create_dir_all(base.join("in/sub.csv")).unwrap();
    for name in ["in/b.csv", "in/a.csv", "in/c.xlsx", "in/~$c.xlsx", "in/.hidden.csv", "in/sub.csv/d.csv"] {
        fs::write(base.join(name), "x").unwrap();
    }
    let find = |files: &str| intake::find(&base, &settings(&format!("files = [{files}]")));
    let labels =
        |files: &str| -> Vec<_> { find(files).unwrap().into_iter().map(|file| file.label).collect() };
    assert_eq!(labels("'in/*.csv', 'in/[ac].*', 'in/*.xlsx'"), ["in/a.csv", "in/b.csv", "in/c.xlsx"]);
    assert_eq!(labels("'**/*.csv'"), ["in/a.csv", "in/b.csv", "in/sub.csv/d.csv"]);
    assert_eq!(labels("'in/sub.csv/../a.csv'"), ["in/sub.csv/../a.csv"]);
    let none = find("'in/*.csv', 'in/~*.xlsx'").unwrap_err();
    assert_eq!(none.kind(), Kind::Input);
    assert!(none.to_string().contains("books [2026]: no file matches \"in/~*.xlsx\""), "{none}");
    assert_eq!(find("'***'").unwrap_err().kind(), Kind::Configuration);
    assert_eq!(find("").unwrap_err().kind(), Kind::Configuration);
}

/// Any text that a table may hold; never one that makes the first line look blank or the file foreign.
fn cell() -> impl Strategy<Value = String> {
    "[a-z0-9 ,;|\t\"'\r\n.\u{e4}\u{20ac}\u{1f600}-]{0,8}"
}

proptest! {
    #[test]
    fn any_table_that_is_written_reads_back_the_same(
        table in (1..6_usize).prop_flat_map(|width| prop::collection::vec(prop::collection::vec(cell(), width), 0..20)),
        delimiter in prop::sample::select(vec![b',', b';', b'\t', b'|']),
        ends in prop::sample::select(vec!["\n", "\r\n", "\r"]),
        always in any::<bool>(),
        last_end in any::<bool>(),
    ) {
        let mut writer = csv::WriterBuilder::new()
            .delimiter(delimiter)
            .terminator(match ends {
                "\r\n" => csv::Terminator::CRLF,
                end => csv::Terminator::Any(end.as_bytes()[0]),
            })
            .quote_style(if always { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary })
            .from_writer(Vec::new());
        let width = table.first().map_or(1, Vec::len);
        let headers: Vec<_> = (0..width).map(|column| format!("h{column}")).collect();
        writer.write_record(&headers).unwrap();
        let mut line = 2;
        let mut expected = Vec::new();
        for record in &table {
            writer.write_record(record).unwrap();
            if record.iter().any(|cell| !cell.trim().is_empty()) {
                expected.push((line, record.clone()));
            }
            let text = record.iter().fold(String::new(), |text, cell| text + "|" + cell);
            line += 1 + text.replace("\r\n", "\n").matches(['\r', '\n']).count() as u64;
        }
        let mut bytes = writer.into_inner().unwrap();
        if !last_end {
            bytes.truncate(bytes.len() - ends.len());
        }
        let sniffed = width > 1;
        let toml = format!("delimiter = {:?}", match delimiter { b'\t' => "tab".to_owned(), other => char::from(other).to_string() });
        let read = read_bytes(&bytes, if sniffed { "" } else { &toml }).unwrap();
        prop_assert_eq!(&read.columns, &headers);
        let got: Vec<_> = read.rows.iter().map(|row| {
            assert_eq!(row.defect, None);
            (row.number, (0..row.len()).map(|column| row.text(column).to_owned()).collect::<Vec<_>>())
        }).collect();
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(prop::sample::select(b"a\",;\r\n\xff\0P".to_vec()), 0..200)) {
        let _ = read_bytes(&bytes, "");
    }
}

/// A workbook: a hidden sheet, an empty one, then one with a cell of every kind.
fn workbook(path: &Path) {
    use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook};
    let mut book = Workbook::new();
    book.add_worksheet().set_name("Notes").unwrap().set_hidden(true).write_string(0, 0, "secret").unwrap();
    book.add_worksheet().set_name("Blank").unwrap();
    let sheet = book.add_worksheet().set_name("Lines").unwrap().set_active(true);
    let day = Format::new().set_num_format("yyyy-mm-dd");
    let clock = Format::new().set_num_format("yyyy-mm-dd hh:mm:ss");
    let span = Format::new().set_num_format("[h]:mm");
    let headers = Format::new();
    sheet.merge_range(2, 1, 2, 2, "Delivery", &headers).unwrap();
    for (column, header) in [(0, "Deal "), (3, "Amount"), (4, "Deal"), (5, "Flag")] {
        sheet.write_string(2, column, header).unwrap();
    }
    sheet.write_string(4, 0, "033400").unwrap();
    sheet.write_with_format(4, 1, ExcelDateTime::from_ymd(2000, 8, 1).unwrap(), &day).unwrap();
    sheet
        .write_with_format(
            4,
            2,
            ExcelDateTime::from_ymd(2000, 8, 1).unwrap().and_hms(7, 0, 0).unwrap(),
            &clock,
        )
        .unwrap();
    sheet.write_number(4, 3, 4.524_999_999_999_999_5).unwrap();
    sheet.write_number(4, 4, -0.0).unwrap();
    sheet.write_boolean(4, 5, true).unwrap();
    sheet.write_formula(7, 3, Formula::new("=1/0").set_result("#DIV/0!")).unwrap();
    sheet.write_formula(7, 0, Formula::new("=1+1").set_result("2")).unwrap();
    sheet.write_number_with_format(7, 2, 1.5, &span).unwrap();
    sheet.write_string(7, 6, "a note").unwrap();
    sheet.write_blank(9, 1, &day).unwrap();
    book.save(path).unwrap();
}

#[test]
fn a_workbook_says_what_its_cells_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.xlsx");
    workbook(&path);
    let table = read(&path, "").unwrap();
    assert_eq!(table.place, "a.xlsx:Lines");
    assert_eq!(table.columns, ["Deal (1)", "Delivery", "Column 3", "Amount", "Deal (2)", "Flag"]);
    assert_eq!(
        table.cells(),
        [
            vec!["033400", "2000-08-01", "2000-08-01T07:00:00", "4.5249999999999995", "0", "TRUE"],
            vec!["2", "", "36:00:00", "#DIV/0!", "", "", "a note"],
        ]
    );
    assert_eq!(table.numbers(), [5, 8]);
    let marks: Vec<_> = (0..6).map(|column| table.rows[0].mark(column)).collect();
    assert_eq!(marks, [Mark::Text, Mark::Date, Mark::Date, Mark::Double, Mark::Double, Mark::Text]);
    assert_eq!([table.rows[1].mark(0), table.rows[1].mark(3)], [Mark::Double, Mark::Error]);
    let bytes = fs::read(&path).unwrap();
    assert_eq!(table.digest.bytes, bytes.len() as u64);

    assert_eq!(read(&path, "header_row = 5").unwrap().columns[0], "033400");
    assert_eq!(read(&path, "sheet = 'Notes'").unwrap().columns, ["secret"]);
    assert_eq!(read(&path, "sheet = 3").unwrap().place, "a.xlsx:Lines");
    let fault = |toml| read(&path, toml).err().unwrap().to_string();
    insta::assert_snapshot!(fault("sheet = 'lines '"), @r#"
    a.xlsx: the workbook has no sheet "lines "
      expected: one of the sheets 1 "Notes" (hidden), 2 "Blank", 3 "Lines"
      next: did you mean sheet = "Lines"?
    "#);
    assert!(fault("sheet = 4").contains("the workbook has no sheet number 4"));
    assert!(fault("sheet = 'Blank'").starts_with("a.xlsx:Blank: the sheet is empty"));
    assert!(
        fault("sheet = 3\nheader_row = 4").starts_with("a.xlsx:Lines: row 4 of the sheet, where header_row")
    );

    // Cut off anywhere, it is a fault.
    for length in [4, 100, bytes.len() / 2, bytes.len() - 30] {
        fs::write(&path, &bytes[..length]).unwrap();
        assert_eq!(read(&path, "").err().unwrap().kind(), Kind::Input, "{length}");
    }
}

/// A zip archive of these parts.
fn archive(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in parts {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut writer, text.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// An .xlsx of one sheet, as small as they come.
fn xlsx(strings: &str, rows: &str) -> Vec<u8> {
    const RELATIONS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let relation = |kind: &str, target: &str| {
        format!(
            "<Relationships><Relationship Id=\"r\" Type=\"{RELATIONS}/{kind}\" Target=\"{target}\"/></Relationships>"
        )
    };
    archive(&[
        ("[Content_Types].xml", "<Types/>"),
        ("_rels/.rels", &relation("officeDocument", "xl/workbook.xml")),
        ("xl/workbook.xml", "<workbook><sheets><sheet name=\"S\" r:id=\"r\"/></sheets></workbook>"),
        ("xl/_rels/workbook.xml.rels", &relation("worksheet", "worksheets/s.xml")),
        ("xl/sharedStrings.xml", strings),
        ("xl/worksheets/s.xml", &format!("<worksheet><sheetData>{rows}</sheetData></worksheet>")),
    ])
}

#[test]
fn a_workbook_that_asks_for_too_much_is_refused() {
    let strings = "<sst uniqueCount=\"2\"><si><t>Deal</t></si><si/></sst>";
    let row = "<row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c></row>";
    assert_eq!(read_bytes(&xlsx(strings, row), "").unwrap().columns, ["Deal"]);
    let lie = strings.replace("\"2\"", "\"99999999999999\"");
    assert!(fault(&xlsx(&lie, row), "").contains("states more strings than it holds"));
    let far = format!("{row}<row r=\"2\"><c r=\"ZZZZZ2\"><v>1</v></c></row>");
    assert!(
        fault(&xlsx(strings, &far), "")
            .contains("a.csv:S: the cells of the sheet are out of order, or beyond")
    );
    let back = format!(
        "{row}<row r=\"3\"><c r=\"A3\"><v>1</v></c></row><row r=\"2\"><c r=\"A2\"><v>1</v></c></row>"
    );
    assert!(fault(&xlsx(strings, &back), "").contains("out of order"));
    let bomb = format!("<row r=\"1\"><c r=\"A1\" t=\"str\"><v>{}</v></c></row>", "0".repeat(100_000_000));
    assert!(fault(&xlsx(strings, &bomb), "").contains("unfolds into far more"));
    // A column number that overflows in calamine: a panic in a debug build.
    let wrong = "<row r=\"1\"><c r=\"AAAAAAAAAAAAAA1\"><v>1</v></c></row>";
    assert!(fault(&xlsx(strings, wrong), "").starts_with("a.csv:S: "));

    let ods = |cells: &str| {
        archive(&[
            ("mimetype", "application/vnd.oasis.opendocument.spreadsheet"),
            ("META-INF/manifest.xml", "<manifest:manifest/>"),
            ("content.xml", &format!("<d><table:table table:name=\"S\">{cells}</table:table></d>")),
        ])
    };
    let cell = |repeats: u32| {
        format!(
            "<table:table-row table:number-rows-repeated=\"{repeats}\"><table:table-cell office:value-type=\"string\" \
             table:number-columns-repeated=\"{repeats}\"><text:p>x</text:p></table:table-cell>\
             <table:table-cell table:number-columns-repeated=\"16000\"/></table:table-row>"
        )
    };
    assert_eq!(read_bytes(&ods(&cell(2)), "").unwrap().grid(), [["x (1)", "x (2)"], ["x", "x"]]);
    assert!(fault(&ods(&cell(16_000)), "").contains("repeat themselves beyond all measure"));

    let xls = |rows: u32| {
        let mut file =
            cfb::CompoundFile::create_with_version(cfb::Version::V3, std::io::Cursor::new(Vec::new()))
                .unwrap();
        let begin = b"\x09\x08\x10\0\0\x06\x05\0\0\0\xcc\x07\0\0\0\0\0\0\0\0";
        let sheet = b"\x85\0\x09\0\x25\0\0\0\0\0\x01\0S";
        let end = b"\x0a\0\0\0";
        let size = [&b"\0\x02\x0e\0\0\0\0\0"[..], &rows.to_le_bytes(), b"\0\0\xff\0\0\0"].concat();
        let number = b"\x03\x02\x0e\0\0\0\0\0\0\0\0\0\0\0\0\0\xf0\x3f";
        let records = [&begin[..], sheet, end, begin, &size, number, end].concat();
        std::io::Write::write_all(&mut file.create_stream("/Workbook").unwrap(), &records).unwrap();
        file.flush().unwrap();
        file.into_inner().into_inner()
    };
    assert_eq!(read_bytes(&xls(1), "").unwrap().columns, ["1"]);
    assert!(fault(&xls(4_000_000_000), "").contains("states more cells than there can be"));
}

#[test]
fn every_real_file_reads_or_says_why_not() {
    let Some(shared) = shared("data") else { return };
    let mut told = String::new();
    for folder in ["csv", "excel", "enron"] {
        let mut paths: Vec<_> =
            fs::read_dir(shared.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            use std::fmt::Write as _;
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            match read(&path, "") {
                Ok(table) => {
                    let defects = table.rows.iter().filter(|row| row.defect.is_some()).count();
                    let (columns, rows) = (table.columns.len(), table.rows.len());
                    writeln!(told, "{}: {columns} columns, {rows} rows, {defects} defects", table.place)
                        .unwrap();
                }
                Err(fault) => {
                    assert_eq!(fault.kind(), Kind::Input, "{name}: {fault}");
                    writeln!(told, "{}", fault.to_string().lines().next().unwrap()).unwrap();
                }
            }
            for sheet in 2..=11 {
                if let Err(fault) = read(&path, &format!("sheet = {sheet}")) {
                    assert_eq!(fault.kind(), Kind::Input, "{name}: {fault}");
                }
            }
        }
    }
    insta::assert_snapshot!(told);
}

#[test]
fn a_sheet_of_four_formats_equals_its_csv() {
    let Some(shared) = shared("data") else { return };
    let excel = shared.join("excel");
    let oracle = read(&excel.join("AutoFilter.sheet0.csv"), "").unwrap();
    for kind in ["ods", "xls", "xlsb", "xlsx"] {
        let table = read(&excel.join(format!("AutoFilter.{kind}")), "sheet = 1").unwrap();
        assert_eq!(table.grid(), oracle.grid(), "{kind}");
    }
}

#[test]
fn both_epochs_agree_in_four_formats() {
    let Some(shared) = shared("data") else { return };
    for epoch in ["1900", "1904"] {
        for kind in ["ods", "xls", "xlsb", "xlsx"] {
            let path = shared.join(format!("excel/{epoch}.{kind}"));
            let table = read(&path, "").unwrap();
            // The file tells each date twice: as a number with a date format, and as text.
            assert_eq!(table.rows.len(), 4, "{}", table.place);
            for row in &table.rows {
                assert_eq!((row.text(1), row.mark(1)), (row.text(2), Mark::Date), "{}", table.place);
            }
        }
    }
}

#[test]
fn the_real_statement_is_the_same_in_csv_and_in_a_workbook() {
    let Some(shared) = shared("data") else { return };
    let text = read(&shared.join("enron/statement-15464SA.csv"), "").unwrap();
    let book = read(&shared.join("enron/statement-15464SA.xlsx"), "").unwrap();
    assert_eq!(text.columns, book.columns);
    assert_eq!((text.rows.len(), book.rows.len()), (192, 192));
    for (left, right) in text.rows.iter().zip(&book.rows) {
        for column in 0..text.columns.len() {
            let (written, stored) = (left.text(column), right.text(column));
            match right.mark(column) {
                Mark::Date => assert!(written.contains('/') || written.contains('-'), "{written} {stored}"),
                _ if written == stored => {}
                mark => {
                    // The text shows the noise of a computed double, 3.9299999999999997; the workbook stores 3.93.
                    let [written, stored] = [written, stored].map(|text| text.parse::<f64>().unwrap());
                    assert!(mark == Mark::Double && (written - stored).abs() < 1e-9, "{written} {stored}");
                }
            }
        }
    }
}
