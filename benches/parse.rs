//! How fast answers are read, beside the plain event loop of quick-xml over the same bytes:
//!
//! ```text
//! cargo bench --bench parse -- [MEBIBYTES]
//! ```
//!
//! One answer of each form in memory; the contenders take turns, and the medians of their ratios are printed.
//! The loops only count events: one borrows from the memory that the bytes are in, one puts each event together
//! in a buffer, as it must over a network. The reader checks the envelope, finds the records, decodes what is
//! escaped, hands on every field by name, and takes the digest that tells pages apart.
#![expect(clippy::print_stdout, clippy::float_arithmetic, reason = "a program that prints figures")]

use std::hint::black_box;
use std::time::Instant;

use quick_xml::escape::partial_escape;
use quick_xml::events::Event;
use quick_xml::reader::Reader;
use tieout::fault::{Fault, Kind, Result};
use tieout::platform::{Batch, Request, answer};

const ROUNDS: usize = 9;
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Records as an ASMX service writes them: numbers, dates, nulls, and now and then something escaped.
fn records(bytes: usize, open: &str, close: &str, cell: impl Fn(&str, &str) -> String) -> String {
    let vendors =
        ["ALFA ENERGIA S.A.", "Beta Gas &amp; Power &lt;Trading&gt;", "Łódź Energetyka", "DELTA-VOLT"];
    let (mut xml, mut number) = (String::with_capacity(bytes + 1024), 0_usize);
    while xml.len() < bytes {
        number += 1;
        let (day, hour, volume) = (number % 28 + 1, number % 24, number % 90_000);
        xml.push_str(open);
        for (name, value) in [
            ("Id", number.to_string()),
            ("Counterparty", vendors.get(number % vendors.len()).copied().unwrap_or_default().to_owned()),
            ("DeliveryPoint", "PL-50Hz".to_owned()),
            ("DeliveryStart", format!("2026-10-{day:02}T{hour:02}:00:00")),
            ("HourOfDay", (hour + 1).to_string()),
            ("VolumeMWh", format!("{}.{:03}", volume / 1000, volume % 1000)),
            ("PricePerMWh", "397.29".to_owned()),
            ("Amount", "3146.14".to_owned()),
            ("Correction", if number.is_multiple_of(4) { "-0.03" } else { "" }.to_owned()),
            ("Currency", "EUR".to_owned()),
            ("Status", "Final".to_owned()),
        ] {
            xml.push_str(&cell(name, &value));
        }
        xml.push_str(close);
    }
    xml
}

fn element(name: &str, value: &str) -> String {
    format!("<{name}>{value}</{name}>")
}

fn element_or_nil(name: &str, value: &str) -> String {
    if value.is_empty() { format!("<{name} xsi:nil=\"true\" />") } else { element(name, value) }
}

fn element_or_nothing(name: &str, value: &str) -> String {
    if value.is_empty() { String::new() } else { element(name, value) }
}

/// The forms: what they are called, where their records are, and their XML.
fn forms(bytes: usize) -> [(&'static str, &'static str, String); 4] {
    let result = |inner: &str| {
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             xmlns:xsi=\"{XSI}\"><s:Body><GetResponse xmlns=\"urn:x\"><GetResult>{inner}</GetResult></GetResponse></s:Body></s:Envelope>"
        )
    };
    let array = records(bytes, "<Item>", "</Item>", element_or_nil);
    let rows = records(bytes, "<Item d:id=\"Item1\" m:rowOrder=\"0\">", "</Item>", element_or_nothing);
    let attributes = records(bytes, "<z:row", " />", |name, value| format!(" ows_{name}=\"{value}\""));
    // Escaping makes more of it.
    let text = records(bytes * 3 / 4, "<Item>", "</Item>", element_or_nothing);
    [
        ("array", "GetResult/Items/Item", result(&format!("<Items>{array}</Items>"))),
        (
            "DataSet",
            "GetResult/diffgram/Data/Item",
            result(&format!(
                "<d:diffgram xmlns:d=\"urn:schemas-microsoft-com:xml-diffgram-v1\" xmlns:m=\"urn:schemas-microsoft-com:xml-msdata\">\
                 <Data>{rows}</Data></d:diffgram>"
            )),
        ),
        (
            "attributes",
            "GetResult/data/row",
            result(&format!("<data xmlns:z=\"#RowsetSchema\">{attributes}</data>")),
        ),
        ("XML in a text", "GetResult/Items/Item", result(&partial_escape(format!("<Items>{text}</Items>")))),
    ]
}

fn borrowed_loop(bytes: &[u8]) -> Result<u64> {
    let mut reader = Reader::from_reader(bytes);
    let mut events = 0;
    loop {
        match black_box(reader.read_event()) {
            Ok(Event::Eof) => return Ok(events),
            Ok(_) => events += 1,
            Err(error) => return Err(Fault::new(Kind::Bug, "the loop fails").because(error)),
        }
    }
}

fn buffered_loop(bytes: &[u8]) -> Result<u64> {
    let mut reader = Reader::from_reader(bytes);
    let (mut events, mut buffer) = (0, Vec::new());
    loop {
        buffer.clear();
        match black_box(reader.read_event_into(&mut buffer)) {
            Ok(Event::Eof) => return Ok(events),
            Ok(_) => events += 1,
            Err(error) => return Err(Fault::new(Kind::Bug, "the loop fails").because(error)),
        }
    }
}

fn tieout(bytes: &[u8], request: &Request) -> Result<u64> {
    let page = answer::read(bytes, request, u64::MAX, &mut Batch::default(), &mut |batch| {
        black_box(batch.len());
        Ok(())
    })?;
    Ok(page.records)
}

/// Mebibytes in a second.
fn speed(bytes: &[u8], work: impl Fn(&[u8]) -> Result<u64>) -> Result<f64> {
    let start = Instant::now();
    black_box(work(bytes)?);
    let mebibytes = bytes.len() as f64 / f64::from(1 << 20);
    Ok(mebibytes / start.elapsed().as_secs_f64())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

fn main() -> Result<()> {
    // `cargo bench` adds a flag of its own.
    let mebibytes = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(100);
    println!("{mebibytes} MiB each, medians of {ROUNDS} rounds; MiB/s, and how tieout compares");
    println!("{:14}{:>8}{:>16}{:>16}", "", "tieout", "borrowed loop", "buffered loop");
    for (name, records, xml) in forms(mebibytes << 20) {
        let keys =
            format!("operation = \"Get\"\nrecords = \"{records}\"\nparameters = {{ page = \"{{page}}\" }}");
        let request: Request = toml::from_str(&keys)
            .map_err(|error| Fault::new(Kind::Bug, "the request cannot be read").because(error))?;
        let bytes = xml.as_bytes();
        let mut all = [const { Vec::new() }; 3];
        // The first round only warms up.
        for round in 0..=ROUNDS {
            let figures = [
                speed(bytes, |bytes| tieout(bytes, &request))?,
                speed(bytes, borrowed_loop)?,
                speed(bytes, buffered_loop)?,
            ];
            if round > 0 {
                all.iter_mut().zip(figures).for_each(|(figures, figure)| figures.push(figure));
            }
        }
        let [ours, borrowed, buffered] = all;
        let beside = |others: &[f64]| {
            let ratios = ours.iter().zip(others).map(|(one, other)| one / other).collect();
            format!("{:.0} ({:.2})", median(others.to_vec()), median(ratios))
        };
        println!("{name:14}{:>8.0}{:>16}{:>16}", median(ours.clone()), beside(&borrowed), beside(&buffered));
    }
    Ok(())
}
