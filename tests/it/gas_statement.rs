//! A real gas sales statement against the buyer's own records with seeded differences, each of them named in a
//! file: every one is found, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use tieout::money::Decimal;

use super::support::{Outcome, Setup, column, shared, table};

const EXAMPLE: &str = include_str!("../../examples/gas-statement/tieout.toml");
const STATEMENT: &str = "statement-15464SA";
/// What the platform stands in for.
#[cfg(feature = "simulator")]
const FILES: &str = "source = \"files\"\nfiles  = [\"settlements/*.csv\"]\n";

/// The example's set-up with the statement in one form.
fn setup(data: &Path, extension: &str) -> Setup {
    let setup = Setup::of(EXAMPLE);
    let copy = |from: &str, to: &str| setup.write(to, fs::read(data.join(from)).unwrap());
    copy(&format!("{STATEMENT}.{extension}"), &format!("invoices/{STATEMENT}.{extension}"));
    copy("settlements-2000-08.csv", "settlements/settlements-2000-08.csv");
    setup
}

fn discrepancies(setup: &Setup, outcome: &Outcome) -> Vec<Vec<String>> {
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), ""));
    table(&setup.read("reports/discrepancies.csv"))
}

/// The report without what `header` says.
fn without(report: &[Vec<String>], header: &str) -> Vec<Vec<String>> {
    let at = report[0].iter().position(|name| name == header).unwrap();
    report
        .iter()
        .map(|row| {
            row.iter().enumerate().filter(|(cell, _)| *cell != at).map(|(_, cell)| cell.clone()).collect()
        })
        .collect()
}

#[test]
fn every_seeded_difference_is_found_with_its_kind_and_nothing_else() {
    let Some(data) = shared("data/enron") else { return };
    let setup = setup(&data, "csv");
    let report = discrepancies(&setup, &setup.reconcile(&[]));

    // The statement's line of each item. Lines of the file are counted from 1 and end with their row.
    let statement = fs::read_to_string(data.join(format!("{STATEMENT}.csv"))).unwrap();
    let statement = table(&statement);
    let items = column(&statement, "Item_Number");
    let source = |item: &str| {
        let row = items.iter().position(|it| *it == item).unwrap_or_else(|| panic!("no item {item}"));
        format!("invoices/{STATEMENT}.csv:{}", row + 2)
    };
    let truth = table(&fs::read_to_string(data.join("truth.csv")).unwrap());
    let mut expected = BTreeMap::new();
    let mut tied = BTreeSet::new();
    for row in &truth[1..] {
        match (row[0].as_str(), row[1].as_str()) {
            ("none", item) => {
                tied.insert(source(item));
            }
            ("unbilled", "") => {
                expected.insert(String::new(), "unbilled");
            }
            // The surplus line, then the line that it repeats.
            ("duplicate", item) => {
                expected.insert(format!("{}; {}", source("900"), source(item)), "duplicate");
            }
            (kind, item) => {
                expected.insert(source(item), kind);
            }
        }
    }
    assert_eq!((expected.len(), tied.len()), (11, 6), "what the truth says");
    let sources = column(&report, "invoice_source");
    let found: BTreeMap<_, _> =
        sources.iter().map(|source| (*source).to_owned()).zip(column(&report, "kind")).collect();
    assert_eq!(found, expected);
    assert_eq!(report.len() - 1, expected.len(), "no line is in two discrepancies");
    for line in sources.iter().flat_map(|sources| sources.split("; ")) {
        assert!(!tied.contains(line), "{line} ties");
    }
    let unbilled = report.iter().find(|row| row[1] == "unbilled").unwrap();
    assert!(unbilled.contains(&"999001".to_owned()), "{unbilled:?}");

    // Nothing is lost on the way: what was read is what became of it, to the cent.
    let summary: serde_json::Value = serde_json::from_str(&setup.read("reports/summary.json")).unwrap();
    for (side, rows) in [("invoice", items.len() as u64), ("settlement", 280)] {
        let total = |class: &str| {
            let total = &summary["control_totals"][side]["USD"][class];
            (total["lines"].as_u64().unwrap(), total["amount"].as_str().unwrap().parse::<Decimal>().unwrap())
        };
        let classes = ["matched", "within_tolerance", "discrepant", "superseded", "rejected"].map(total);
        let sum = classes.iter().fold((0, Decimal::ZERO), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        assert_eq!((total("read").0, total("read")), (rows, sum), "{side}");
    }
    assert_eq!(table(&setup.read("reports/rejects.csv")).len(), 1);
}

#[test]
fn the_workbook_and_the_text_of_one_statement_give_the_same_report() {
    let Some(data) = shared("data/enron") else { return };
    let [text, workbook] = ["csv", "xlsx"].map(|extension| {
        let setup = setup(&data, extension);
        discrepancies(&setup, &setup.reconcile(&[]))
    });
    assert_eq!(without(&text, "invoice_source"), without(&workbook, "invoice_source"));
    let sheet = format!("invoices/{STATEMENT}.xlsx:");
    assert!(column(&workbook, "invoice_source").iter().any(|source| source.starts_with(&sheet)));
}

#[cfg(feature = "simulator")]
#[test]
fn the_platform_and_the_file_of_the_same_records_give_the_same_report() {
    use super::support::platform::{self, PASSWORD, USER, VARIABLE};

    const ALL: &str = "counterparty = \"\"";
    const EACH: &str = "counterparty = \"{vendor}\"";
    let Some(data) = shared("data/enron") else { return };
    // The seller signs with its full name, the records have a short one.
    let with_aliases = |setup: &Setup| {
        setup.write("vendors.csv", "alias,name\nEnron North America Corp.,ENRON NORTH AMERICA\n");
        setup.edit("tieout.toml", "[[pass]]", "[normalise.vendor]\naliases = \"vendors.csv\"\n\n[[pass]]");
    };
    let [all, each] = [false, true].map(|has_aliases| {
        let files = setup(&data, "csv");
        if has_aliases {
            with_aliases(&files);
        }
        without(&discrepancies(&files, &files.reconcile(&[])), "settlement_source")
    });
    // The identity of a discrepancy goes by the names that are compared; all else is the same.
    assert_eq!(without(&all, "discrepancy_id"), without(&each, "discrepancy_id"));

    for (soap, page_size, who) in
        [("1.1", 7, ALL), ("1.2", 100, ALL), ("1.1", 100, EACH), ("1.2", 7, EACH), ("1.1", 280, EACH)]
    {
        let setup = setup(&data, "csv");
        let simulator = platform::start(&setup, "settlements/settlements-2000-08.csv", |_| {});
        platform::ask(&setup, FILES, simulator.endpoint());
        setup.edit("tieout.toml", "soap = \"1.1\"", &format!("soap = \"{soap}\""));
        setup.edit("tieout.toml", "page_size = 1\n", &format!("page_size = {page_size}\n"));
        setup.edit("tieout.toml", EACH, who);
        if who == EACH {
            with_aliases(&setup);
        }
        let outcome = setup.command(&[]).env(VARIABLE, PASSWORD).output().unwrap().into();
        let report = discrepancies(&setup, &outcome);
        assert_eq!(
            &without(&report, "settlement_source"),
            if who == EACH { &each } else { &all },
            "{soap} {page_size} {who}"
        );

        let log = simulator.log().entries().unwrap();
        assert_eq!(
            log.len(),
            280_usize.div_ceil(page_size),
            "no call is made twice, none after the last page"
        );
        assert_eq!(log.iter().map(|call| call.rows).sum::<i64>(), 280);
        for call in &log {
            assert_eq!(
                (call.user.as_str(), call.method.as_str(), call.outcome.as_str()),
                (USER, "GetSettlements", "ok")
            );
            assert_eq!(call.arguments.contains("ENRON NORTH AMERICA"), who == EACH, "{}", call.arguments);
        }
    }
}
