//! `tieout explain`: one discrepancy, from its rows to its variance.

use super::support::{Outcome, Setup, tieout};

fn explain(setup: &Setup, arguments: &[&str]) -> Outcome {
    tieout().arg("explain").args(arguments).current_dir(setup.folder()).output().unwrap().into()
}

/// The id of the discrepancy of `kind`, after a run.
fn id(setup: &Setup, kind: &str) -> String {
    assert_eq!(setup.reconcile(&[]).code, Some(1));
    let report = setup.read("reports/discrepancies.csv");
    let row = report.lines().find(|line| line.split(',').nth(1) == Some(kind)).expect(kind);
    row.split(',').next().unwrap().to_owned()
}

#[test]
fn a_difference_is_explained_from_its_cells_to_its_cent() {
    let setup = Setup::small();
    setup.edit("records.csv", "620.00", "619.98");
    setup.edit("tieout.toml", "[[pass]]", "[normalise.deal]\ncase = \"fold\"\n\n[[pass]]");
    let id = id(&setup, "amount");
    let outcome = explain(&setup, &[&id]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{}", outcome.stderr);
    for says in [
        "invoice invoices/alfa.csv:3 (SHA-256 ",
        "settlement records.csv:3 (SHA-256 ",
        "as the last run read it",
        "invoices/alfa.csv:3: shares its key with records.csv:3: the group was made here",
        "amount: billed 620 - settled 619.98 = 0.02: differs",
        "absolute: 0.01 is exceeded by 0.01",
        "  total    0.02 = billed 620 - settled 619.98",
    ] {
        assert!(outcome.stdout.contains(says), "{says:?} is not in {}", outcome.stdout);
    }
    let cells = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let contract =
        outcome.stdout.lines().map(cells).find(|cells| cells.first().is_some_and(|c| c == "Contract"));
    assert_eq!(contract.unwrap(), ["Contract", "G-2", "deal", "G-2", "g-2"]);
    // What stands in the files now is not what the run read: it is still the same discrepancy, and that is said.
    setup.write(
        "invoices/alfa.csv",
        setup.read("invoices/alfa.csv") + "INV-1,ALFA GAS,G-9,2026-10-09,1,1,1,USD\n",
    );
    let outcome = explain(&setup, &[&id]);
    assert!(outcome.stdout.contains("CHANGED since the last run"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("note: invoices/alfa.csv has changed since the last run"));
    assert!(
        explain(&setup, &[&id, "--from", "nowhere"]).stdout.contains("no summary.json of a run was found")
    );
}

#[test]
fn what_no_pass_took_has_its_nearest_candidate_and_what_differs() {
    let setup = Setup::small();
    setup.edit("records.csv", "G-2,ALFA GAS,2026-10-02", "G-2,ALFA GAS,2026-10-03");
    let id = id(&setup, "unsettled");
    let outcome = explain(&setup, &[&id, "--json"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let told: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(
        told["passes"][0]["outcome"],
        "no settlement record has its key; the nearest is records.csv:3 (taken by no pass): start is 2026-10-02 here and 2026-10-03 there"
    );
    assert_eq!(told["passes"][0]["key"], serde_json::json!(["deal", "start"]));
    assert_eq!(told["sources"][0]["cells"][6]["text"], "620.00");
    assert_eq!(told["sources"][0]["unchanged"], true);
}

#[test]
fn an_unknown_id_names_the_nearest_one() {
    let setup = Setup::small();
    setup.edit("records.csv", "620.00", "600.00");
    let id = id(&setup, "amount");
    let typed = format!("{}x", &id[..id.len() - 1]);
    let outcome = explain(&setup, &[&typed]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""));
    assert!(outcome.stderr.contains(&format!("did you mean {id}?")), "{}", outcome.stderr);
    // Tied out since: it says so, and which input changed.
    setup.edit("records.csv", "600.00", "620.00");
    let outcome = explain(&setup, &[&id]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("every line ties out"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("records.csv has changed since the last run"), "{}", outcome.stderr);
}

/// The outcome of each pass for the first row that is told of.
fn outcomes(setup: &Setup, id: &str) -> Vec<String> {
    let outcome = explain(setup, &[id, "--json"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let told: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    let passes = told["passes"].as_array().unwrap();
    let first = passes.iter().filter(|pass| pass["place"] == passes[0]["place"]);
    first.map(|pass| pass["outcome"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn windows_and_subsets_say_why_they_failed() {
    let setup = Setup::small();
    let passes = "[[pass]]\nname = \"near\"\nkey = [\"deal\", \"start\"]\nwithin = \"1 day\"\n\n\
                  [[pass]]\nname = \"some\"\nkey = [\"deal\"]\ncompare = \"subset\"\n\n[[tolerance]]";
    setup.edit("tieout.toml", "[[tolerance]]", passes);
    setup.edit("records.csv", "G-2,ALFA GAS,2026-10-02", "G-2,ALFA GAS,2026-10-04");
    setup.edit("records.csv", "620.00", "600.00");
    let id = id(&setup, "unsettled");
    assert_eq!(
        outcomes(&setup, &id),
        [
            "no settlement record has its key; the nearest is records.csv:3 (taken by no pass): start is 2026-10-02 here and 2026-10-04 there",
            "no settlement record of its key starts within 1 day; the nearest is records.csv:3 (taken by no pass): start is 2026-10-02 here and 2026-10-04 there",
            "1 settlement record of its key, but no choice of those that were left, or more than can be weighed, adds up to its 620.00: records.csv:3 (taken by no pass)",
        ]
    );
    let explained = explain(&setup, &[&id]);
    assert!(explained.stdout.contains("start within 1 day"), "{}", explained.stdout);
    // A record that took another line's place.
    setup.edit("records.csv", "2026-10-04", "2026-10-03");
    setup.write(
        "invoices/alfa.csv",
        setup.read("invoices/alfa.csv") + "INV-1,ALFA GAS,G-2,2026-10-04,200,3.10,600.00,USD\n",
    );
    let id = self::id(&setup, "unsettled");
    assert_eq!(
        outcomes(&setup, &id)[1],
        "1 settlement record of its key within 1 day, but with others: records.csv:3 (taken by the pass \"near\")"
    );
    assert!(explain(&setup, &[&id]).stdout.contains("no settlement record with its key fits it"));
}

#[test]
fn the_ways_in_which_something_adds_up_are_shown() {
    let setup = Setup::small();
    setup.edit("tieout.toml", "key = [\"deal\", \"start\"]", "key = [\"deal\"]\ncompare = \"subset\"");
    let records = [("2026-10-01", 120), ("2026-10-02", 200), ("2026-10-03", 500), ("2026-10-04", 420)];
    let record = |(day, amount)| format!("G-2,ALFA GAS,{day},,,{amount}.00,USD\n");
    setup.edit("records.csv", "G-2,ALFA GAS,2026-10-02,200,3.10,620.00,USD\n", &records.map(record).concat());
    let id = id(&setup, "ambiguous");
    let outcome = outcomes(&setup, &id);
    let [outcome] = outcome.as_slice() else { panic!("{outcome:?}") };
    assert!(
        outcome.ends_with(
            "the group was made here; what adds up to it: 120.00 (records.csv:3) + 500.00 (records.csv:5), or 200.00 (records.csv:4) + 420.00 (records.csv:6)"
        ),
        "{outcome}"
    );
}

#[test]
fn an_hour_of_a_wide_row_is_explained_by_its_column() {
    let setup = Setup::small();
    setup.edit("tieout.toml", "files = [\"invoices/*\"]", "files = [\"invoices/*\"]\ninterval = \"1 hour\"");
    setup.edit(
        "tieout.toml",
        "quantity = \"Volume\"\nprice = \"Rate\"\namount = \"Total\"",
        "amount = \"Hour{interval_number}\"",
    );
    setup.edit("tieout.toml", "key = [\"deal\", \"start\"]", "key = [\"deal\", \"hour(start)\"]");
    setup.write(
        "invoices/alfa.csv",
        "Invoice,Seller,Contract,From,Ccy,Hour1,Hour2\nINV-1,ALFA GAS,G-1,2026-10-01,USD,325.00,7.00\n",
    );
    setup.edit(
        "records.csv",
        "G-2,ALFA GAS,2026-10-02,200,3.10,620.00",
        "G-1,ALFA GAS,2026-10-01 01:00,2,3.10,6.20",
    );
    let id = id(&setup, "amount");
    let outcome = explain(&setup, &[&id]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("invoice invoices/alfa.csv:2:Hour2 (SHA-256 "), "{}", outcome.stdout);
    let cells = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let row =
        |name: &str| outcome.stdout.lines().map(cells).find(|cells| cells.first().is_some_and(|c| c == name));
    assert_eq!(row("Hour2").unwrap(), ["Hour2", "7.00", "amount", "7.00", "7"]);
    assert_eq!(row("Hour1").unwrap(), ["Hour1", "325.00"]);
}

#[test]
fn amounts_in_two_currencies_are_not_subtracted() {
    let setup = Setup::small();
    setup.edit("records.csv", "620.00,USD", "600.00,EUR");
    let id = id(&setup, "currency");
    let told = explain(&setup, &[&id]).stdout;
    assert!(told.contains("amount: billed 620 USD, settled 600 EUR: not subtracted"), "{told}");
    assert!(!told.contains("billed 620 - "), "{told}");
}

#[test]
fn a_line_that_stands_twice_is_not_said_to_be_brought_together_with_nothing() {
    let setup = Setup::small();
    let line = "INV-1,ALFA GAS,G-2,2026-10-02,200,3.10,620.00,USD\n";
    setup.write("invoices/alfa.csv", setup.read("invoices/alfa.csv") + line);
    let id = id(&setup, "duplicate");
    let told = explain(&setup, &[&id]).stdout;
    assert!(told.contains("left it over; it repeats a line of its own side"), "{told}");
    assert!(!told.contains("0 settlement rows"), "{told}");
}
