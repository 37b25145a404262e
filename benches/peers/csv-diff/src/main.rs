//! The benchmark's job as far as the csv-diff crate goes: `with-csv-diff FOLDER OUTPUT`.
//!
//! It compares rows by a key, as text; the tolerance and the kinds are laid over what it finds. It knows one row for
//! each key, so that lines that come twice are not told apart. The first column, which the sides do not share, is cut
//! off on the way.

use std::error::Error;
use std::fs::{File, create_dir_all};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use csv::{ByteRecord, Writer};
use csv_diff::csv::Csv;
use csv_diff::csv_diff::{CsvByteDiff, CsvByteDiffBuilder};
use csv_diff::csv_hash_task_spawner::CsvHashTaskSpawnerRayon;
use csv_diff::diff_row::DiffByteRecord;

/// A file without its first column, which holds no quotes and no line ends; nor does any other cell hold a line end.
struct Cut {
    file: BufReader<File>,
    line: Vec<u8>,
    at: usize,
}

impl Cut {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: BufReader::with_capacity(1 << 20, File::open(path)?), line: Vec::new(), at: 0 })
    }
}

impl Read for Cut {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < out.len() {
            if self.at == self.line.len() {
                self.line.clear();
                self.at = 0;
                if self.file.read_until(b'\n', &mut self.line)? == 0 {
                    break;
                }
                self.at = self.line.iter().position(|&byte| byte == b',').map_or(0, |comma| comma + 1);
            }
            let rest = &self.line[self.at..];
            let taken = rest.len().min(out.len() - filled);
            out[filled..filled + taken].copy_from_slice(&rest[..taken]);
            filled += taken;
            self.at += taken;
        }
        Ok(filled)
    }
}

/// Digits without the point; all values of a column have as many behind it.
fn number(record: &ByteRecord, column: usize) -> Option<i64> {
    std::str::from_utf8(record.get(column)?).ok()?.replace('.', "").parse().ok()
}

fn within(difference: i64, settled: i64) -> bool {
    difference.abs() * 1000 <= settled.abs().max(1000)
}

fn kind(billed: &ByteRecord, settled: &ByteRecord) -> Option<&'static str> {
    let differs = |column| billed.get(column) != settled.get(column);
    let (Some(invoiced), Some(recorded)) = (number(billed, 8), number(settled, 8)) else { return Some("amount") };
    match () {
        () if differs(9) => Some("currency"),
        () if differs(6) => Some("unit"),
        () if differs(10) => Some("version"),
        () if !differs(5) && !differs(7) && within(invoiced - recorded, recorded) => None,
        () if within(invoiced + recorded, recorded) => Some("sign"),
        () if differs(5) && !differs(7) => Some("quantity"),
        () if differs(7) && !differs(5) => Some("price"),
        () => Some("amount"),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(output)) = (arguments.next(), arguments.next()) else {
        return Err("usage: with-csv-diff FOLDER OUTPUT".into());
    };
    let (folder, output) = (Path::new(&folder), Path::new(&output));
    create_dir_all(output)?;
    let open = |name: &str| -> io::Result<_> { Ok(Csv::with_reader(Cut::open(&folder.join(name))?)) };
    let compare: CsvByteDiff<CsvHashTaskSpawnerRayon> =
        CsvByteDiffBuilder::<CsvHashTaskSpawnerRayon>::new().primary_key_columns([1, 2, 3, 4]).build()?;
    let mut out = Writer::from_path(output.join("discrepancies.csv"))?;
    out.write_record(["kind", "vendor", "deal", "charge", "location", "start", "billed", "settled"])?;
    for found in compare.diff(open("invoices.csv")?, open("settlements.csv")?) {
        let (kind, billed, settled) = match found? {
            DiffByteRecord::Delete(row) => (Some("unsettled"), Some(row.into_byte_record()), None),
            DiffByteRecord::Add(row) => (Some("unbilled"), None, Some(row.into_byte_record())),
            DiffByteRecord::Modify { delete, add, .. } => {
                let (billed, settled) = (delete.into_byte_record(), add.into_byte_record());
                (kind(&billed, &settled), Some(billed), Some(settled))
            }
        };
        let (Some(kind), Some(row)) = (kind, billed.as_ref().or(settled.as_ref())) else { continue };
        let amount = |row: &Option<ByteRecord>| row.as_ref().and_then(|row| row.get(8)).unwrap_or_default().to_vec();
        out.write_field(kind)?;
        row.iter().take(5).try_for_each(|cell| out.write_field(cell))?;
        out.write_field(amount(&billed))?;
        out.write_field(amount(&settled))?;
        out.write_record(None::<&[u8]>)?;
    }
    Ok(out.flush()?)
}
