//! `[settlements.versions]`: what is refused, and what is never guessed. What it does is in the cases `versions-*`.

use super::support::{Outcome, Setup, tieout};

/// Restated records of the small set-up, with `versions` as their table.
fn restated(versions: &str, records: &str) -> Setup {
    let setup = Setup::small();
    let published = if versions.contains("published") { "published = \"On\"\n" } else { "" };
    setup.edit(
        "tieout.toml",
        "[settlements.columns]\n",
        &format!(
            "[settlements.versions]\n{versions}\n\n[settlements.columns]\nversion = \"Run\"\n{published}"
        ),
    );
    setup.write(
        "records.csv",
        format!("TradeId,Counterparty,FlowStart,Volume,Price,Amount,Ccy,Run,On\n{records}"),
    );
    setup
}

const RECORDS: &str = "\
G-1,ALFA GAS,2026-10-01,100,3.20,320.00,USD,9,2026-10-09
G-1,ALFA GAS,2026-10-01,100,3.25,325.00,USD,10,2026-11-09
G-2,ALFA GAS,2026-10-02,200,3.10,620.00,USD,,2026-10-09
";

#[test]
fn numbers_and_dates_follow_by_themselves() {
    // 10 comes after 9, whatever their texts.
    let setup = restated("keep = \"latest\"\npublished = \"published\"", RECORDS);
    let outcome = setup.reconcile(&[]);
    assert_eq!(outcome.code, Some(0), "{}{}", outcome.stdout, outcome.stderr);
    let summary: serde_json::Value = serde_json::from_str(&setup.read("reports/summary.json")).unwrap();
    assert_eq!(summary["control_totals"]["settlement"]["USD"]["superseded"]["amount"], "320.00");
    let dated = RECORDS.replace(",9,", ",2026-10-09,").replace(",10,", ",2026-11-09,");
    assert_eq!(restated("keep = \"latest\"\npublished = \"published\"", &dated).reconcile(&[]).code, Some(0));
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_read() {
    for (versions, says) in [
        ("keep = \"newest\"", "unknown variant `newest`"),
        ("kep = \"latest\"", "did you mean keep?"),
        ("keep = \"latest\"\nas_of = \"2026-10-31\"", "a day is given, but the latest version is kept"),
        ("keep = \"as of\"", "nothing says as of which day"),
        ("keep = \"as of\"\nas_of = \"2026-10-31\"", "nothing says when a version was published"),
        ("keep = \"as of\"\nas_of = \"2026-10\"\npublished = \"published\"", "this is not a day"),
        ("keep = \"as of\"\nas_of = \"yesterday\"\npublished = \"published\"", "this is not a day"),
        ("keep = \"latest\"\norder = []\npublished = \"published\"", "the order is empty"),
        (
            "keep = \"latest\"\norder = [\"a\", \"a\"]\npublished = \"published\"",
            "the order names a version twice",
        ),
        ("keep = \"latest\"\npublished = \"start\"", "an attribute of its own, no role"),
        ("order = [\"a\"]\npublished = \"published\"", "every version is kept, so that this says nothing"),
    ] {
        let outcome = restated(versions, RECORDS).reconcile(&[]);
        assert_eq!(outcome.code, Some(2), "{versions}: {}", outcome.stdout);
        assert!(outcome.stderr.contains(says), "{versions}: {}", outcome.stderr);
    }
    let setup = restated("keep = \"latest\"\npublished = \"published\"", RECORDS);
    setup.edit("tieout.toml", "version = \"Run\"\n", "");
    assert!(setup.reconcile(&[]).stderr.contains("nothing says which column holds it"));
    let setup = restated("keep = \"latest\"\npublished = \"published\"", RECORDS);
    setup.edit("tieout.toml", "[invoices.columns]\n", "[invoices.columns]\nversion = \"Invoice\"\n");
    setup.edit("tieout.toml", "key = [\"deal\", \"start\"]", "key = [\"deal\", \"version\"]");
    let outcome = setup.reconcile(&[]);
    assert!(outcome.stderr.contains("a pass has the version in its key"), "{}", outcome.stderr);
    let setup = restated("keep = \"latest\"\nkind = \"delta\"\npublished = \"published\"", RECORDS);
    setup.edit(
        "tieout.toml",
        "key = [\"deal\", \"start\"]",
        "key = [\"deal\", \"start\"]\nwithin = \"1 day\"",
    );
    let outcome = setup.reconcile(&[]);
    assert!(outcome.stderr.contains("deltas of one line count only together"), "{}", outcome.stderr);
    let setup = Setup::small();
    setup.edit(
        "tieout.toml",
        "[invoices.columns]",
        "[invoices.versions]\nkeep = \"latest\"\n\n[invoices.columns]",
    );
    assert!(setup.reconcile(&[]).stderr.contains("not among invoices"));
}

#[test]
fn versions_without_a_place_in_the_order_are_never_guessed() {
    let ordered = "keep = \"latest\"\npublished = \"published\"\norder = [\"9\", \"final\"]";
    for (versions, records, says) in [
        (
            ordered,
            RECORDS.to_owned(),
            "records.csv:3: this version has no place among the others of its line",
        ),
        (
            "keep = \"latest\"\npublished = \"published\"",
            RECORDS.replace(",10,", ",final,"),
            "nothing says where this version stands",
        ),
        (
            "keep = \"latest\"\npublished = \"published\"",
            RECORDS.replace(",10,", ",,"),
            "nothing says where this version stands",
        ),
        (
            "keep = \"latest\"\npublished = \"published\"",
            RECORDS.replace(",10,", ",2026-10-10,"),
            "neither all numbers nor all dates",
        ),
        (
            "keep = \"as of\"\nas_of = \"2026-10-31\"\npublished = \"published\"",
            RECORDS.replace("2026-11-09", "soon"),
            "the day on which this version was published cannot be read",
        ),
        (
            "keep = \"as of\"\nas_of = \"2026-10-31\"\npublished = \"published\"",
            RECORDS.replace("2026-11-09", ""),
            "nothing says when this version was published",
        ),
    ] {
        let setup = restated(versions, &records);
        let outcome = setup.reconcile(&[]);
        assert_eq!(outcome.code, Some(3), "{versions}: {}", outcome.stdout);
        assert!(outcome.stderr.contains(says), "{versions}: {}", outcome.stderr);
        assert!(!setup.path("reports/summary.json").exists());
    }
}

#[test]
fn the_row_of_the_earlier_version_is_explained() {
    let setup = restated("keep = \"latest\"\npublished = \"published\"", RECORDS);
    setup.edit("records.csv", "325.00,USD,10", "330.00,USD,10");
    setup.edit("records.csv", "320.00,USD,9", "325.00,USD,9");
    setup.edit("records.csv", "100,3.20", "100,3.25");
    assert_eq!(setup.reconcile(&[]).code, Some(1));
    let report = setup.read("reports/discrepancies.csv");
    let id = report.lines().nth(1).unwrap().split(',').next().unwrap().to_owned();
    let told: Outcome = tieout().args(["explain", &id]).current_dir(setup.folder()).output().unwrap().into();
    for says in [
        "cause: earlier version: ties to version 9, to which records.csv:2 belongs",
        "settlement records.csv:2 (",
    ] {
        assert!(told.stdout.contains(says), "{says:?} is not in {}", told.stdout);
    }
}
