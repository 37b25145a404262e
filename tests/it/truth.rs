//! The generator of the benchmark knows what it did to its lines: every difference is found with its kind, nothing else
//! is reported, and what cannot be read is rejected where it stands.

use std::collections::{BTreeMap, BTreeSet};

use tieout::judge::Kind;

use super::support::{Setup, column, table};

#[path = "../../benches/generator/mod.rs"]
mod generator;

use generator::{Job, generate};

/// The rows of a table by some of its columns, sorted.
fn rows(table: &[Vec<String>], names: &[&str]) -> Rows {
    let columns: Vec<_> = names.iter().map(|name| column(table, name)).collect();
    let mut rows: Rows = (0..table.len() - 1)
        .map(|row| columns.iter().map(|column| column[row].to_owned()).collect())
        .collect();
    rows.sort();
    rows
}

type Rows = Vec<Vec<String>>;

/// Runs a job; what of the truth was missed, what is not the truth, and how often each special case is in it.
fn wrong(job: &Job) -> (Rows, Rows, BTreeMap<String, usize>) {
    let setup = Setup::of("");
    generate(job, setup.folder()).unwrap();
    let outcome = setup.reconcile(&["--quiet", "--output", "out"]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), ""));

    let mut rejected = rows(&table(&setup.read("out/rejects.csv")), &["side", "source", "column", "value"]);
    rejected.iter_mut().for_each(|row| row[1] = row[1].replace("xlsx:Sheet1:", "xlsx:"));
    let mut unreadable =
        rows(&table(&setup.read("truth-rejects.csv")), &["side", "file", "row", "column", "value"]);
    unreadable.iter_mut().for_each(|row| {
        let number = row.remove(2);
        row[1] = format!("{}:{number}", row[1]);
    });
    unreadable.sort();
    assert_eq!(rejected, unreadable, "rejects");
    assert!(rejected.len() >= 6);

    let truth = table(&setup.read("truth.csv"));
    let mut seeded = rows(&truth, &["kind", "deal", "location", "start"]);
    // Midnight is shown as a date.
    seeded.iter_mut().filter(|row| row[3].contains("T00:00:00")).for_each(|row| row[3].truncate(10));
    seeded.retain(|row| row[0] != "none");
    seeded.sort();
    let found =
        rows(&table(&setup.read("out/discrepancies.csv")), &["kind", "deal", "location", "period_start"]);
    let mut about = BTreeMap::new();
    for detail in column(&truth, "detail").into_iter().flat_map(|detail| detail.split("; ")) {
        *about.entry(detail.to_owned()).or_default() += 1;
    }
    // Both lists are sorted, and a key stands once in the truth.
    assert_eq!(seeded.iter().collect::<BTreeSet<_>>().len(), seeded.len());
    let kinds: BTreeSet<&str> = seeded.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(
        kinds,
        Kind::ALL.iter().map(|kind| kind.name()).collect(),
        "every kind is among the seeded ones"
    );
    let without = |all: &[Vec<String>], known: &[Vec<String>]| {
        let mut left: Vec<_> = all.to_vec();
        for row in known {
            if let Some(at) = left.iter().position(|other| other == row) {
                left.remove(at);
            }
        }
        left
    };
    (without(&seeded, &found), without(&found, &seeded), about)
}

#[test]
fn every_seeded_difference_is_found_with_its_kind_and_no_other() {
    let (missed, false_ones, about) = wrong(&Job { rows: 20_000, share: 10, workbook: false });
    assert_eq!((missed, false_ones), (Vec::new(), Vec::new()));
    for detail in [
        "at the percent",
        "at the absolute",
        "a cent past the percent",
        "a cent past the absolute",
        "billed twice",
        "recorded twice",
        "repeated hour",
    ] {
        assert!(about.get(detail).is_some_and(|&count| count >= 10), "{detail}: {about:?}");
    }
}

#[test]
fn a_workbook_holds_the_same_truth() {
    let (missed, false_ones, _) = wrong(&Job { rows: 5_000, share: 10, workbook: true });
    assert_eq!((missed, false_ones), (Vec::new(), Vec::new()));
}

#[test]
fn the_same_job_writes_the_same_bytes() {
    let written = || {
        let setup = Setup::of("");
        generate(&Job { rows: 2_000, share: 2, workbook: false }, setup.folder()).unwrap();
        setup.files("")
    };
    assert!(written() == written());
}
