//! A reconciliation of any size, with the truth about it; the same bytes for the same [`Job`].
//!
//! Hourly power lines of November 2026 in Chicago, which has 721 hours: the hour from one to two o'clock of the
//! first comes twice, and the two differ in their offsets alone. A deal is one month of one location. The settlement
//! records come in another order.

use std::collections::VecDeque;
use std::fs::{File, create_dir_all, remove_file, write};
use std::io::{BufWriter, Error, Result, Write};
use std::path::{Path, PathBuf};
use std::thread;

use rust_xlsxwriter::{Workbook, XlsxError};

/// Of the month: thirty days, and the hour that comes twice.
const HOURS: u64 = 30 * 24 + 1;
/// The columns of `invoices.csv` and `settlements.csv`. A workbook has all but the first.
const COLUMNS: [&str; 12] = [
    "Document", "Vendor", "Deal", "Charge", "Location", "Start", "Quantity", "Unit", "Price", "Amount",
    "Currency", "Version",
];
/// Columns that a workbook holds as numbers: quantity, price, amount.
const NUMBERS: [usize; 3] = [6, 8, 9];
/// A second copy of a line stands so many lines behind the first.
const BEHIND: u64 = 1009;
/// One row of each side in so many cannot be read; there are at least three.
const READABLE: u64 = 100_000;

/// What to write.
pub(crate) struct Job {
    /// Before seeding; each side has a few more and a few less.
    pub(crate) rows: u64,
    /// Of a hundred rows, how many differ.
    pub(crate) share: u64,
    /// The invoices as a workbook instead.
    pub(crate) workbook: bool,
}

/// splitmix64: the same numbers for the same place, in any order.
fn random(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// What is done to a line. Quantity and price are equal unless said otherwise, and an invoice's quantity × price is
/// its amount.
#[derive(Clone, Copy, PartialEq)]
enum Seed {
    Nothing,
    /// The amounts are a cent apart, or as much more as 0.1 % allows: it ties.
    Rounding,
    /// The amounts are apart by 0.1 % exactly: it ties.
    AtPercent,
    /// By one cent more.
    PastPercent,
    /// By 0.01 exactly, which is more than 0.1 %: it ties.
    AtAbsolute,
    /// By 0.02.
    PastAbsolute,
    Quantity,
    Price,
    Amount,
    Unsettled,
    Unbilled,
    BilledTwice,
    RecordedTwice,
    Sign,
    Currency,
    /// The settlement says kWh of as many MWh.
    Unit,
    /// Billed on the initial settlement; every other one has another quantity as well.
    Version,
    /// The sides tie, but quantity × price is another amount.
    Arithmetic,
    /// Two lines of the invoice are as near to the one record.
    Ambiguous,
}

impl Seed {
    /// Out of a hundred lines that differ.
    fn differing(draw: u64) -> Self {
        match draw {
            0..16 => Self::Quantity,
            16..32 => Self::Price,
            32..44 => Self::Amount,
            44..49 => Self::PastPercent,
            49..52 => Self::PastAbsolute,
            52..62 => Self::Unsettled,
            62..72 => Self::Unbilled,
            72..76 => Self::BilledTwice,
            76..80 => Self::RecordedTwice,
            80..84 => Self::Sign,
            84..88 => Self::Currency,
            88..92 => Self::Unit,
            92..95 => Self::Version,
            95..98 => Self::Arithmetic,
            _ => Self::Ambiguous,
        }
    }

    /// The kind as tieout names it, `none` where it ties, and what is special.
    const fn truth(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::Nothing | Self::Rounding => return None,
            Self::AtPercent => ("none", "at the percent"),
            Self::AtAbsolute => ("none", "at the absolute"),
            Self::PastPercent => ("amount", "a cent past the percent"),
            Self::PastAbsolute => ("amount", "a cent past the absolute"),
            Self::Quantity => ("quantity", ""),
            Self::Price => ("price", ""),
            Self::Amount => ("amount", ""),
            Self::Unsettled => ("unsettled", ""),
            Self::Unbilled => ("unbilled", ""),
            Self::BilledTwice => ("duplicate", "billed twice"),
            Self::RecordedTwice => ("duplicate", "recorded twice"),
            Self::Sign => ("sign", ""),
            Self::Currency => ("currency", ""),
            Self::Unit => ("unit", ""),
            Self::Version => ("version", ""),
            Self::Arithmetic => ("arithmetic", ""),
            Self::Ambiguous => ("ambiguous", ""),
        })
    }
}

/// What one side says.
#[derive(Clone, Copy)]
struct Said {
    /// In thousandths.
    quantity: i64,
    unit: &'static str,
    /// In hundredths.
    price: i64,
    /// In hundredths.
    amount: i64,
    currency: &'static str,
    version: &'static str,
}

/// A delivery: what it is, what was done to it, and what the sides say.
struct Line {
    number: u64,
    deal: u64,
    hour: u64,
    seed: Seed,
    billed: Said,
    settled: Said,
}

/// Hundredths, half-up, of thousandths × hundredths.
const fn amount(quantity: i64, price: i64) -> i64 {
    (quantity * price + 500) / 1000
}

/// Is one in two.
const fn odd(draw: u64) -> bool {
    draw % 2 == 1
}

/// As much as `most` − 1.
fn below(draw: u64, most: i64) -> i64 {
    i64::try_from(draw % most.unsigned_abs()).unwrap_or_default()
}

impl Line {
    fn new(number: u64, share: u64) -> Self {
        let (deal, hour) = (number / HOURS, number % HOURS);
        let draw = random(number ^ 0x5EED);
        let (which, detail) = (random(draw) % 100, random(draw ^ 0xDE7A));
        // The hour that comes twice differs often, so that a small run has such lines too.
        let share = if matches!(hour, 1 | 2) { (share * 10).min(50) } else { share } * 100;
        let seed = match draw % 10_000 {
            of if of < share => Seed::differing(which),
            of if of < share + 400 => Seed::Rounding,
            of if of < share + 420 => Seed::AtPercent,
            of if of < share + 430 => Seed::AtAbsolute,
            _ => Seed::Nothing,
        };
        let (quantity, price) =
            (2_000 + below(random(number), 88_000), 1_500 + below(random(number ^ 0xABCD), 6_000));
        let said = |quantity, price, amount| Said {
            quantity,
            unit: "MWh",
            price,
            amount,
            currency: "USD",
            version: "Final",
        };
        let mut billed = said(quantity, price, amount(quantity, price));
        match seed {
            // Settled 10.00 × times, billed 10.01 × times or 9.99 × times.
            Seed::AtPercent | Seed::PastPercent => {
                let (over, times) = (odd(detail), 4 + below(detail >> 8, 80));
                let tens = 2 + below(detail >> 32, 6);
                billed.quantity = times * if over { 1001 } else { 999 };
                billed.price = tens * 1000;
                billed.amount = amount(billed.quantity, billed.price);
            }
            // Less than ten in all, so that 0.1 % is less than a cent.
            Seed::AtAbsolute | Seed::PastAbsolute => {
                billed.quantity = 50 + below(detail, 60);
                billed.amount = amount(billed.quantity, billed.price);
            }
            Seed::Arithmetic => billed.amount += 5_000,
            Seed::Version => billed.version = "Initial",
            _ => {}
        }
        let mut settled = Said { version: "Final", ..billed };
        let sign = if odd(detail) { 1 } else { -1 };
        match seed {
            Seed::Rounding => {
                settled.amount += sign * (1 + below(detail >> 8, (settled.amount / 1_100).max(1)))
            }
            Seed::AtPercent | Seed::PastPercent => {
                let base = amount((billed.quantity + 500) / 1000 * 1000, billed.price);
                let past = i64::from(seed == Seed::PastPercent);
                settled.amount = if billed.amount > base { base - past } else { base + past };
            }
            Seed::AtAbsolute => settled.amount += sign,
            Seed::PastAbsolute => settled.amount += 2 * sign,
            Seed::Quantity => {
                settled.quantity += sign * (250 + below(detail >> 8, 1_000));
                settled.amount = amount(settled.quantity, settled.price);
            }
            Seed::Price => {
                settled.price += sign * (25 + below(detail >> 8, 300));
                settled.amount = amount(settled.quantity, settled.price);
            }
            Seed::Amount => {
                // Never so much less that the sign could turn.
                let change = 1_234 + below(detail >> 8, 50_000);
                settled.amount += if change < settled.amount { sign * change } else { change };
            }
            Seed::Sign => settled.amount = -settled.amount,
            Seed::Currency => settled.currency = "EUR",
            Seed::Unit => settled.unit = "kWh",
            Seed::Version if odd(detail >> 8) => {
                settled.quantity += sign * 250;
                settled.amount = amount(settled.quantity, settled.price);
            }
            _ => {}
        }
        Self { number, deal, hour, seed, billed, settled }
    }

    /// The same line with another quantity; whole thousands move the amount by whole prices.
    const fn moved(&self, thousands: i64) -> Said {
        let Said { quantity, price, amount, .. } = self.billed;
        Said { quantity: quantity + thousands * 1000, amount: amount + thousands * price, ..self.billed }
    }

    fn start(&self) -> String {
        let (local, offset) = if self.hour < 2 { (self.hour, 5) } else { (self.hour - 1, 6) };
        format!("2026-11-{:02}T{:02}:00:00-{offset:02}:00", local / 24 + 1, local % 24)
    }

    fn location(&self) -> String {
        format!("NODE_{:04}", random(self.deal + 7) % 500)
    }

    /// The cells of a row; `document` is blank on records.
    fn cells(&self, document: &str, said: &Said) -> [String; 12] {
        let (vendor, charge) = (random(self.deal) % 40, random(self.deal ^ 0xC0DE) % 20);
        let vendor = match vendor % 13 {
            1 => format!("Vendor {vendor:02}, L.P."),
            2 => format!("Vendor {vendor:02} \"Prairie\""),
            _ => format!("Vendor {vendor:02}"),
        };
        let charge = match charge {
            0 => "TRANSMISSION",
            1 | 2 => "IMBALANCE",
            _ => "ENERGY",
        };
        let sign = if said.amount < 0 { "-" } else { "" };
        [
            document.to_owned(),
            vendor,
            (100_000 + self.deal).to_string(),
            charge.to_owned(),
            self.location(),
            self.start(),
            format!("{}.{:03}", said.quantity / 1000, said.quantity % 1000),
            said.unit.to_owned(),
            format!("{}.{:02}", said.price / 100, said.price % 100),
            format!("{sign}{}.{:02}", said.amount.abs() / 100, said.amount.abs() % 100),
            said.currency.to_owned(),
            said.version.to_owned(),
        ]
    }
}

/// A row that cannot be read: its cells, the column at fault, and what stands there.
fn unreadable(number: u64) -> ([String; 12], &'static str, &'static str) {
    let mut cells = Line::new(number, 0).cells("", &Line::new(number, 0).billed);
    let [_, _, deal, _, _, start, quantity, _, _, amount, ..] = &mut cells;
    *deal = format!("R-{number}");
    let (cell, column, value) = match number % 3 {
        0 => (amount, "Amount", "TBD"),
        1 => (quantity, "Quantity", "1.2.3"),
        _ => (start, "Start", "2026-11-31T00:00:00-06:00"),
    };
    value.clone_into(cell);
    (cells, column, value)
}

/// Where rows go.
trait Sheet {
    fn row(&mut self, cells: &[String; 12]) -> Result<()>;
}

struct Csv {
    out: BufWriter<File>,
    line: Vec<u8>,
    rows: u64,
}

impl Csv {
    fn create(path: &Path) -> Result<Self> {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
        writeln!(out, "{}", COLUMNS.join(","))?;
        Ok(Self { out, line: Vec::new(), rows: 0 })
    }
}

impl Sheet for Csv {
    /// Quotes what must be, and a vendor of every seventh row that need not.
    fn row(&mut self, cells: &[String; 12]) -> Result<()> {
        self.line.clear();
        self.rows += 1;
        for (number, cell) in cells.iter().enumerate() {
            if number > 0 {
                self.line.push(b',');
            }
            let special = number == 1 && (self.rows.is_multiple_of(7) || cell.contains([',', '"']));
            if special {
                self.line.extend(format!("\"{}\"", cell.replace('"', "\"\"")).into_bytes());
            } else {
                self.line.extend(cell.as_bytes());
            }
        }
        self.line.push(b'\n');
        self.out.write_all(&self.line)
    }
}

/// A workbook, streamed.
struct Excel {
    path: PathBuf,
    workbook: Workbook,
    rows: u32,
}

impl Excel {
    fn create(path: PathBuf) -> Result<Self> {
        let mut workbook = Workbook::new();
        let sheet = workbook.add_worksheet_with_constant_memory().map_err(Error::other)?;
        for (column, name) in (0..).zip(COLUMNS.iter().skip(1)) {
            sheet.write_string(0, column, *name).map_err(Error::other)?;
        }
        Ok(Self { path, workbook, rows: 0 })
    }
}

impl Sheet for Excel {
    fn row(&mut self, cells: &[String; 12]) -> Result<()> {
        self.rows += 1;
        let row = self.rows;
        let mut put = || -> std::result::Result<(), XlsxError> {
            let sheet = self.workbook.worksheet_from_index(0)?;
            for (column, (number, cell)) in (0..).zip(cells.iter().enumerate().skip(1)) {
                match cell.parse::<f64>() {
                    Ok(value) if NUMBERS.contains(&number) => sheet.write_number(row, column, value)?,
                    _ => sheet.write_string(row, column, cell)?,
                };
            }
            Ok(())
        };
        put().map_err(Error::other)
    }
}

/// Writes rows, and what of them cannot be read.
struct Side<'a> {
    name: &'static str,
    file: &'static str,
    sheet: &'a mut dyn Sheet,
    /// In the file, the header being the first.
    row: u64,
    unreadable: u64,
    rejects: Vec<String>,
}

impl Side<'_> {
    fn row(&mut self, cells: &[String; 12]) -> Result<()> {
        self.row += 1;
        self.sheet.row(cells)
    }

    /// Before the line that is the `position`-th: now and then a row that cannot be read.
    fn before(&mut self, position: u64, rows: u64) -> Result<()> {
        let every = (rows / 3).clamp(1, READABLE);
        if position % every == every / 2 {
            let (cells, column, value) = unreadable(self.unreadable);
            self.unreadable += 1;
            self.row(&cells)?;
            self.rejects.push(format!("{},{},{},{column},{value}\n", self.name, self.file, self.row));
        }
        Ok(())
    }
}

fn invoices(job: &Job, side: &mut Side<'_>, truth: &mut dyn Write) -> Result<()> {
    for number in 0..job.rows + BEHIND {
        // The copy of a line, on another document.
        if let Some(line) = number.checked_sub(BEHIND).map(|number| Line::new(number, job.share))
            && line.seed == Seed::BilledTwice
        {
            side.row(&line.cells(&format!("INV-{:05}-B", line.deal), &line.billed))?;
        }
        if number >= job.rows {
            continue;
        }
        side.before(number, job.rows)?;
        let line = Line::new(number, job.share);
        if let Some((kind, detail)) = line.seed.truth() {
            let (deal, location, start) = (100_000 + line.deal, line.location(), line.start());
            let repeated = if matches!(line.hour, 1 | 2) { "repeated hour" } else { "" };
            let detail =
                [detail, repeated].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
            writeln!(truth, "{kind},{deal},{location},{start},{detail}")?;
        }
        let document = format!("INV-{:05}", line.deal);
        match line.seed {
            Seed::Unbilled => {}
            Seed::Ambiguous => {
                side.row(&line.cells(&document, &line.moved(1)))?;
                side.row(&line.cells(&document, &line.moved(-1)))?;
            }
            _ => side.row(&line.cells(&document, &line.billed))?,
        }
    }
    Ok(())
}

fn settlements(job: &Job, side: &mut Side<'_>) -> Result<()> {
    // A step that shares no factor with the number of rows visits every row once.
    let gcd = |mut a: u64, mut b: u64| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let step = (job.rows * 5 / 8..).find(|&step| step > 0 && gcd(step, job.rows) == 1).unwrap_or(1);
    let (mut number, mut copies) = (0, VecDeque::new());
    for position in 0..job.rows {
        side.before(position, job.rows)?;
        number = (number + step) % job.rows;
        let line = Line::new(number, job.share);
        if line.seed != Seed::Unsettled {
            side.row(&line.cells("", &line.settled))?;
        }
        if line.seed == Seed::RecordedTwice {
            copies.push_back((position + BEHIND, line.number));
        }
        while let Some(&(at, number)) = copies.front()
            && at <= position
        {
            copies.pop_front();
            let line = Line::new(number, job.share);
            side.row(&line.cells("", &line.settled))?;
        }
    }
    for (_, number) in copies {
        let line = Line::new(number, job.share);
        side.row(&line.cells("", &line.settled))?;
    }
    Ok(())
}

/// The amounts that are settled are what the seeds make of them, whatever quantity and price say beside them.
fn configuration(file: &str, workbook: bool, rejects: usize) -> String {
    let columns = |skipped: usize| -> String {
        let role = |name: &&str| format!("{} = \"{name}\"\n", name.to_lowercase());
        COLUMNS.iter().skip(skipped).map(role).collect()
    };
    let scale = if workbook { "\n[invoices.scale]\nquantity = 3\nprice = 2\namount = 2\n" } else { "" };
    format!(
        "[reconciliation]\nname = \"bench\"\ntime_zone = \"America/Chicago\"\nallow_rejects = {rejects}\n\
         check_arithmetic = \"invoices\"\n\n\
         [invoices]\nfiles = [\"{file}\"]\n\n[invoices.columns]\n{}{scale}\n\
         [settlements]\nfiles = [\"settlements.csv\"]\n\n[settlements.columns]\n{}\n\
         [[pass]]\nname = \"line by line\"\nkey = [\"deal\", \"charge\", \"location\", \"start\"]\n\n\
         [[tolerance]]\nfield = \"amount\"\nabsolute = \"0.01\"\npercent = \"0.1\"\ncombine = \"greater\"\n\n\
         [report]\nformats = [\"csv\"]\n",
        columns(usize::from(workbook)),
        columns(0),
    )
}

/// Writes the two sides, `truth.csv`, `truth-rejects.csv` and `tieout.toml` into `folder`, which is made.
pub(crate) fn generate(job: &Job, folder: &Path) -> Result<()> {
    create_dir_all(folder)?;
    let (file, other) =
        if job.workbook { ("invoices.xlsx", "invoices.csv") } else { ("invoices.csv", "invoices.xlsx") };
    // A run before may have left the other form.
    let _ = remove_file(folder.join(other));
    let (billed, settled) = thread::scope(|scope| {
        let settled = scope.spawn(|| -> Result<Vec<String>> {
            let mut sheet = Csv::create(&folder.join("settlements.csv"))?;
            let rejects = {
                let (name, file) = ("settlement", "settlements.csv");
                let mut side =
                    Side { name, file, sheet: &mut sheet, row: 1, unreadable: 0, rejects: Vec::new() };
                settlements(job, &mut side)?;
                side.rejects
            };
            sheet.out.flush()?;
            Ok(rejects)
        });
        let billed = || -> Result<Vec<String>> {
            let mut truth = BufWriter::new(File::create(folder.join("truth.csv"))?);
            writeln!(truth, "kind,deal,location,start,detail")?;
            let mut run = |sheet: &mut dyn Sheet| -> Result<Vec<String>> {
                let mut side =
                    Side { name: "invoice", file, sheet, row: 1, unreadable: 0, rejects: Vec::new() };
                invoices(job, &mut side, &mut truth)?;
                Ok(side.rejects)
            };
            let rejects = if job.workbook {
                let mut sheet = Excel::create(folder.join(file))?;
                let rejects = run(&mut sheet)?;
                sheet.workbook.save(&sheet.path).map_err(Error::other)?;
                rejects
            } else {
                let mut sheet = Csv::create(&folder.join(file))?;
                let rejects = run(&mut sheet)?;
                sheet.out.flush()?;
                rejects
            };
            truth.flush()?;
            Ok(rejects)
        };
        (
            billed(),
            settled.join().unwrap_or_else(|_| Err(Error::other("the other side's thread ended early"))),
        )
    });
    let rejects = [billed?, settled?].concat();
    write(folder.join("truth-rejects.csv"), format!("side,file,row,column,value\n{}", rejects.concat()))?;
    write(folder.join("tieout.toml"), configuration(file, job.workbook, rejects.len()))
}
