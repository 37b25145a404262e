//! Writes a reconciliation of any size, with the truth about it:
//!
//! ```text
//! cargo bench --bench generate -- ROWS DIRECTORY
//! ```
//!
//! Hourly power lines, one month, as many deals as it takes. The settlement
//! records come in another order. Two rows in a hundred differ; `truth.csv` says which, and how.
#![expect(clippy::print_stderr, reason = "a program for the command line")]

use std::fs::{File, create_dir_all, write};
use std::io::{BufWriter, Result, Write};
use std::path::PathBuf;

const HOURS: u64 = 30 * 24;

/// splitmix64: the same numbers for the same place, in any order.
fn random(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

struct Line {
    vendor: u64,
    deal: u64,
    location: u64,
    hour: u64,
    /// In thousandths of a MWh.
    quantity: u64,
    /// In hundredths.
    price: u64,
}

fn line(number: u64) -> Line {
    let deal = number / HOURS;
    Line {
        vendor: random(deal) % 40,
        deal: 100_000 + deal,
        location: random(deal + 7) % 500,
        hour: number % HOURS,
        quantity: 1_000 + random(number) % 90_000,
        price: 1_500 + random(number ^ 0xABCD) % 6_000,
    }
}

/// Hundredths, half-up, of thousandths × hundredths.
fn amount(quantity: u64, price: u64) -> u64 {
    (quantity * price + 500) / 1000
}

#[derive(Clone, Copy, PartialEq)]
enum Seeded {
    Nothing,
    Rounding,
    Quantity,
    Price,
    Amount,
    Unsettled,
    Unbilled,
    Duplicate,
}

fn seeded(number: u64) -> (Seeded, &'static str) {
    match random(number ^ 0x5EED) % 1000 {
        0..4 => (Seeded::Quantity, "quantity"),
        4..8 => (Seeded::Price, "price"),
        8..12 => (Seeded::Amount, "amount"),
        12..15 => (Seeded::Unsettled, "unsettled"),
        15..18 => (Seeded::Unbilled, "unbilled"),
        18..20 => (Seeded::Duplicate, "duplicate"),
        20..60 => (Seeded::Rounding, "none"),
        _ => (Seeded::Nothing, "none"),
    }
}

fn row(out: &mut dyn Write, document: &str, l: &Line, quantity: u64, price: u64, amount: u64) -> Result<()> {
    let (day, hour) = (l.hour / 24 + 1, l.hour % 24);
    writeln!(
        out,
        "{document},Vendor {:02},{},ENERGY,NODE_{:04},2026-09-{day:02}T{hour:02}:00:00-05:00,{}.{:03},MWh,{}.{:02},{}.{:02},USD",
        l.vendor,
        l.deal,
        l.location,
        quantity / 1000,
        quantity % 1000,
        price / 100,
        price % 100,
        amount / 100,
        amount % 100
    )
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let (Some(Ok(rows)), Some(directory)) = (arguments.next().map(|n| n.parse::<u64>()), arguments.next())
    else {
        eprintln!("usage: cargo bench --bench generate -- ROWS DIRECTORY");
        return Ok(());
    };
    let directory = PathBuf::from(directory);
    create_dir_all(&directory)?;
    let open =
        |name: &str| -> Result<BufWriter<File>> { Ok(BufWriter::new(File::create(directory.join(name))?)) };
    let (mut invoices, mut settlements, mut truth) =
        (open("invoices.csv")?, open("settlements.csv")?, open("truth.csv")?);
    let header = "Document,Vendor,Deal,Charge,Location,Start,Quantity,Unit,Price,Amount,Currency";
    writeln!(invoices, "{header}")?;
    writeln!(settlements, "{header}")?;
    writeln!(truth, "kind,deal,start_hour")?;
    for number in 0..rows {
        let l = line(number);
        let (what, kind) = seeded(number);
        if kind != "none" {
            writeln!(truth, "{kind},{},{}", l.deal, l.hour)?;
        }
        if what != Seeded::Unbilled {
            let document = format!("INV-{:05}", l.deal);
            row(&mut invoices, &document, &l, l.quantity, l.price, amount(l.quantity, l.price))?;
            if what == Seeded::Duplicate {
                row(
                    &mut invoices,
                    &format!("{document}-B"),
                    &l,
                    l.quantity,
                    l.price,
                    amount(l.quantity, l.price),
                )?;
            }
        }
    }
    // A step that shares no factor with the number of rows visits every row once.
    let gcd = |mut a: u64, mut b: u64| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let step = (rows * 5 / 8..).find(|&step| step > 0 && gcd(step, rows) == 1).unwrap_or(1);
    let mut number = 0;
    for _ in 0..rows {
        number = (number + step) % rows;
        let l = line(number);
        let (quantity, price, plus) = match seeded(number).0 {
            Seeded::Unsettled => continue,
            Seeded::Quantity => (l.quantity + 250, l.price, 0),
            Seeded::Price => (l.quantity, l.price + 25, 0),
            Seeded::Amount => (l.quantity, l.price, 1234),
            Seeded::Rounding => (l.quantity, l.price, 1),
            _ => (l.quantity, l.price, 0),
        };
        row(&mut settlements, "", &l, quantity, price, amount(quantity, price) + plus)?;
    }
    let columns: String =
        header.split(',').map(|name| format!("{} = \"{name}\"\n", name.to_lowercase())).collect();
    write(
        directory.join("tieout.toml"),
        format!(
            "[reconciliation]\nname = \"bench\"\ntime_zone = \"America/Chicago\"\n\n\
             [invoices]\nfiles = [\"invoices.csv\"]\n[invoices.columns]\n{columns}\n\
             [settlements]\nfiles = [\"settlements.csv\"]\n[settlements.columns]\n{columns}\n\
             [[pass]]\nname = \"line by line\"\nkey = [\"deal\", \"charge\", \"location\", \"start\"]\n\n\
             [[tolerance]]\nfield = \"amount\"\nabsolute = \"0.01\"\n"
        ),
    )?;
    [invoices, settlements, truth].iter_mut().try_for_each(Write::flush)
}
