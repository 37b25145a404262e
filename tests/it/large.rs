//! What does not fit into memory: the reports are the same to the byte, whatever may stand in memory, on however many
//! threads, and in whatever form the files come.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use super::support::{Outcome, Setup};

/// More than half of the least memory that can be asked for: both sides go to temporary files.
const LINES: u64 = 60_000;

/// Ties, amounts a cent and more apart, duplicates, lines of one side alone, rejects, quotes and line ends in them.
fn large() -> Setup {
    let setup = Setup::small();
    let mut invoice = String::from("Invoice,Seller,Contract,From,Volume,Rate,Total,Ccy\n");
    let mut records = String::from("TradeId,Counterparty,FlowStart,Volume,Price,Amount,Ccy\n");
    for n in 0..LINES {
        let (deal, day, cents) = (n / 30, n % 30 + 1, 1000 + n % 977);
        let total = |cents: u64| format!("{}.{:02}", cents / 100, cents % 100);
        let seller = match n % 101 {
            0 => "\"ALFA GAS\"",
            1 => "\"ALFA\nGAS\"",
            _ => "ALFA GAS",
        };
        let billed = if n % 997 == 3 { "=1+1".to_owned() } else { total(cents + u64::from(n % 50 == 7)) };
        let line =
            format!("INV-{},{seller},G-{deal},2026-09-{day:02},1,{},{billed},USD\n", deal % 7, total(cents));
        if n % 211 != 5 {
            invoice.push_str(&line);
        }
        if n % 503 == 9 {
            invoice.push_str(&line);
        }
        let settled = total(cents + 200 * u64::from(n % 97 == 11));
        if n % 307 != 2 {
            let _ = writeln!(records, "G-{deal},ALFA GAS,2026-09-{day:02},1,{},{settled},USD", total(cents));
        }
    }
    setup.write("invoices/alfa.csv", invoice);
    setup.write("records.csv", records);
    setup.edit("tieout.toml", "[invoices]", "allow_rejects = 1000\n\n[invoices]");
    setup.edit("tieout.toml", "2026-10", "2026-09");
    setup
}

fn reports(setup: &Setup, arguments: &[&str], threads: &str) -> BTreeMap<String, String> {
    let arguments = [&["--quiet", "--output", "out"], arguments].concat();
    let outcome: Outcome =
        setup.command(&arguments).env("RAYON_NUM_THREADS", threads).output().unwrap().into();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), ""));
    let text = |(path, bytes): (PathBuf, Vec<u8>)| {
        (path.file_name().unwrap().to_string_lossy().into_owned(), String::from_utf8(bytes).unwrap())
    };
    let all = setup.files("out").into_iter().map(text).collect();
    fs::remove_dir_all(setup.path("out")).unwrap();
    all
}

#[test]
fn memory_and_threads_change_no_byte() {
    let setup = large();
    let whole = reports(&setup, &["--memory", "1GiB"], "2");
    assert!(whole["discrepancies.csv"].lines().count() > 1000, "there is something to find");
    assert!(whole["rejects.csv"].lines().count() > 50);
    assert!(whole == reports(&setup, &["--memory", "16MiB"], "2"), "less memory changes a report");
    assert!(whole == reports(&setup, &[], "1"), "one thread changes a report");
    assert!(whole == reports(&setup, &[], "4"), "more threads than sides change a report");
}

#[test]
fn another_encoding_is_put_aside_as_it_is_read() {
    let setup = large();
    let before = reports(&setup, &[], "2");
    let text = setup.read("invoices/alfa.csv");
    let mut wide = vec![0xFF, 0xFE];
    wide.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    setup.write("invoices/alfa.csv", wide);
    let after = reports(&setup, &[], "2");
    for name in ["discrepancies.csv", "rejects.csv"] {
        assert!(before[name] == after[name], "{name}");
    }
}

#[test]
fn memory_that_makes_no_sense_is_refused() {
    for size in ["1MiB", "much", "128", "99999999999GiB", ""] {
        let outcome = Setup::small().reconcile(&["--memory", size]);
        assert_eq!(outcome.code, Some(2), "{size}");
        assert!(
            outcome.stderr.contains("--memory") && outcome.stderr.contains("at least 16MiB"),
            "{}",
            outcome.stderr
        );
    }
}
