//! How fast an answer is read, beside the plain event loop of quick-xml over the same bytes:
//!
//! ```text
//! cargo bench --bench parse -- [MEBIBYTES]
//! ```
//!
//! One answer in memory; the contenders take turns, and the medians of their ratios are printed.
//! The loop only counts events. The reader checks the envelope, finds the
//! records, decodes what is escaped and hands on every field by name.
#![expect(clippy::print_stdout, clippy::float_arithmetic, reason = "a program that prints a figure")]

use std::hint::black_box;
use std::time::Instant;

use quick_xml::events::Event;
use quick_xml::reader::Reader;
use tieout::fault::{Fault, Kind, Result};
use tieout::platform::{Batch, Request, answer};

const ROUNDS: usize = 9;

/// Records as an ASMX service writes them: numbers, dates, nulls, and now and then something escaped.
fn typed_array(bytes: usize) -> String {
    let mut xml = String::from(
        r#"<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"><soap:Body><GetSettlementsResponse xmlns="http://lab.example/settlement/2004/"><GetSettlementsResult><TotalCount>0</TotalCount><Items>"#,
    );
    let vendors =
        ["ALFA ENERGIA S.A.", "Beta Gas &amp; Power &lt;Trading&gt;", "Łódź Energetyka", "DELTA-VOLT"];
    let mut number = 0_usize;
    while xml.len() < bytes {
        number += 1;
        let vendor = vendors.get(number % vendors.len()).copied().unwrap_or_default();
        let correction = match number % 4 {
            0 => "<Correction>-0.03</Correction>",
            _ => "<Correction xsi:nil=\"true\" />",
        };
        let (day, hour, volume) = (number % 28 + 1, number % 24, number % 90_000);
        xml.push_str(&format!(
            "<SettlementRecord><Id>{number}</Id><Counterparty>{vendor}</Counterparty><DeliveryPoint>PL-50Hz</DeliveryPoint>\
             <DeliveryStart>2026-10-{day:02}T{hour:02}:00:00</DeliveryStart><HourOfDay>{}</HourOfDay>\
             <VolumeMWh>{}.{:03}</VolumeMWh><PricePerMWh>397.29</PricePerMWh><Amount>3146.14</Amount>{correction}\
             <Currency>EUR</Currency><Status>Final</Status></SettlementRecord>",
            hour + 1,
            volume / 1000,
            volume % 1000,
        ));
    }
    xml.push_str("</Items></GetSettlementsResult></GetSettlementsResponse></soap:Body></soap:Envelope>");
    xml
}

/// The loop that borrows from the memory that the bytes are in: nothing is copied.
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

/// The loop over a stream, as a network is one: each event is put together in a buffer.
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
    let mut batch = Batch::default();
    let page = answer::read(bytes, request, u64::MAX, &mut batch, &mut |batch| {
        black_box(batch.len());
        Ok(())
    })?;
    Ok(page.records)
}

/// Mebibytes in a second, for `bytes` read by `work`.
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
    let request: Request = toml::from_str(
        "operation = \"GetSettlements\"\nrecords = \"GetSettlementsResult/Items/SettlementRecord\"",
    )
    .map_err(|error| Fault::new(Kind::Bug, "the request cannot be read").because(error))?;
    let xml = typed_array(mebibytes << 20);
    let bytes = xml.as_bytes();
    let (mut ours, mut borrowed, mut buffered) = (Vec::new(), Vec::new(), Vec::new());
    // The first round only warms up.
    for round in 0..=ROUNDS {
        let figures = [
            speed(bytes, |bytes| tieout(bytes, &request))?,
            speed(bytes, borrowed_loop)?,
            speed(bytes, buffered_loop)?,
        ];
        if round > 0 {
            for (all, figure) in [&mut ours, &mut borrowed, &mut buffered].into_iter().zip(figures) {
                all.push(figure);
            }
        }
    }
    let ratio = |others: &[f64]| median(ours.iter().zip(others).map(|(one, other)| one / other).collect());
    println!("{mebibytes} MiB, {ROUNDS} rounds; medians");
    println!("tieout          {:6.0} MiB/s", median(ours.clone()));
    println!(
        "borrowed loop   {:6.0} MiB/s   tieout is at {:.2} of it",
        median(borrowed.clone()),
        ratio(&borrowed)
    );
    println!(
        "buffered loop   {:6.0} MiB/s   tieout is at {:.2} of it",
        median(buffered.clone()),
        ratio(&buffered)
    );
    Ok(())
}
