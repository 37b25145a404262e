//! Money: rates, totals, taxes, and what is wrong with their settings.

use super::support::{Outcome, Setup, tieout};

/// The small set-up, its records in euros, with a table of rates by which everything ties.
fn with_rates() -> Setup {
    let setup = Setup::small();
    setup.write(
        "records.csv",
        "TradeId,Counterparty,FlowStart,Volume,Price,Amount,Ccy\n\
         G-1,ALFA GAS,2026-10-01,100,2.60,260.00,EUR\n\
         G-2,ALFA GAS,2026-10-02,200,2.48,496.00,EUR\n",
    );
    setup.write("rates.csv", RATES);
    setup.edit("tieout.toml", "[[pass]]", "[rates]\nfile = \"rates.csv\"\n\n[[pass]]");
    setup
}

const RATES: &str = "date,from,to,rate\n2026-10-01,EUR,USD,1.25\n2026-10-02,EUR,USD,1.25\n";

fn assert_refused(name: &str, setup: &Setup, says: &[&str]) {
    let Outcome { code, stdout, stderr } = setup.reconcile(&[]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""), "{name}: {stderr}");
    for words in says {
        assert!(stderr.contains(words), "{name}: {words:?} is not in {stderr}");
    }
    assert!(!setup.path("reports").exists(), "{name}: nothing is written");
}

#[test]
fn what_is_settled_in_another_currency_ties_by_its_rate() {
    let outcome = with_rates().reconcile(&[]);
    assert_eq!(outcome.code, Some(0), "{}{}", outcome.stdout, outcome.stderr);
}

#[test]
fn a_table_of_rates_that_cannot_be_trusted_is_refused_with_its_place() {
    for (name, from, to, says) in [
        (
            "two rates of one day",
            "2026-10-02,EUR,USD,1.25",
            "2026-10-01,EUR,USD,1.26",
            &["rates.csv:3, column rate", "1.26", "two rates", "1.25 for EUR to USD on 2026-10-01"][..],
        ),
        (
            "a rate of nothing",
            ",1.25\n2026-10-02",
            ",0\n2026-10-02",
            &["rates.csv:2, column rate", "above zero"],
        ),
        (
            "a negative rate",
            ",1.25\n2026-10-02",
            ",-1.25\n2026-10-02",
            &["rates.csv:2, column rate", "-1.25"],
        ),
        ("no number", ",1.25\n2026-10-02", ",1e3\n2026-10-02", &["rates.csv:2, column rate", "1e3"]),
        ("a blank", ",1.25\n2026-10-02", ",\n2026-10-02", &["rates.csv:2, column rate", "blank"]),
        (
            "a rate with a currency",
            ",1.25\n2026-10-02",
            ",USD 1.25\n2026-10-02",
            &["rates.csv:2, column rate"],
        ),
        (
            "an unknown currency",
            "EUR,USD,1.25\n2026-10-02",
            "EUR,USX,1.25\n2026-10-02",
            &["rates.csv:2, column to", "USX"],
        ),
        (
            "a currency in small letters",
            "EUR,USD,1.25\n2026-10-02",
            "eur,USD,1.25\n2026-10-02",
            &["rates.csv:2, column from", "eur"],
        ),
        (
            "a currency to itself",
            "EUR,USD,1.25\n2026-10-02",
            "USD,USD,1.25\n2026-10-02",
            &["rates.csv:2, column to", "itself"],
        ),
        ("no day", "2026-10-01,", "2026-02-30,", &["rates.csv:2, column date", "2026-02-30"]),
        ("a day of another form", "2026-10-01,", "10/1/2026,", &["rates.csv:2, column date", "2026-10-01"]),
        ("a cell too many", ",1.25\n2026-10-02", ",1.25,x\n2026-10-02", &["rates.csv:2", "four cells"]),
        ("another header", "date,from", "day,from", &["rates.csv:1", "date,from,to,rate"]),
        ("a column too many", "to,rate", "to,rate,source", &["rates.csv:1", "source"]),
    ] {
        let setup = with_rates();
        setup.edit("rates.csv", from, to);
        assert_refused(name, &setup, says);
    }
}

#[test]
fn settings_of_rates_that_contradict_each_other_are_refused() {
    let file = "file = \"rates.csv\"\n";
    for (name, instead, says) in [
        ("no such table", "file = \"rate.csv\"\n", &["rate.csv", "[rates] file"][..]),
        ("no file", "missing = \"previous\"\n", &["missing field `file`"]),
        ("a key that is none", "file = \"rates.csv\"\nscales = { amount = 2 }\n", &["did you mean scale?"]),
        (
            "a scale alone",
            "file = \"rates.csv\"\nscale = { amount = 2 }\n",
            &["[rates]", "rounding = \"half-up\""],
        ),
        ("a rounding alone", "file = \"rates.csv\"\nrounding = \"down\"\n", &["[rates]", "scale"]),
        (
            "a rounding that is none",
            "file = \"rates.csv\"\nrounding = \"half-down\"\nscale = { amount = 2 }\n",
            &["half-down", "did you mean half-"],
        ),
        (
            "a scale of quantities",
            "file = \"rates.csv\"\nrounding = \"down\"\nscale = { quantity = 2 }\n",
            &["[rates] scale", "quantity", "amount or price"],
        ),
        (
            "a scale too fine",
            "file = \"rates.csv\"\nrounding = \"down\"\nscale = { amount = 29 }\n",
            &["[rates] scale amount", "28"],
        ),
        (
            "a role that is no day",
            "file = \"rates.csv\"\ndate = \"deal\"\n",
            &["[rates] date", "deal", "start"],
        ),
        ("a day that nobody states", "file = \"rates.csv\"\ndate = \"end\"\n", &["[rates] date", "end"]),
        (
            "an attribute that nobody states",
            "file = \"rates.csv\"\ndate = \"issued\"\n",
            &["[rates] date", "issued"],
        ),
        (
            "another rule for what is missing",
            "file = \"rates.csv\"\nmissing = \"next\"\n",
            &["next", "previous"],
        ),
    ] {
        let setup = with_rates();
        setup.edit("tieout.toml", file, instead);
        assert_refused(name, &setup, says);
    }
    let setup = with_rates();
    setup.edit("tieout.toml", "amount = \"Amount\"\ncurrency = \"Ccy\"", "amount = \"Amount\"");
    assert_refused("no currency", &setup, &["[settlements.columns]", "currency"]);
}

#[test]
fn a_changed_rate_is_another_setting() {
    let digest = |setup: &Setup| {
        setup.reconcile(&[]);
        let summary: serde_json::Value = serde_json::from_str(&setup.read("reports/summary.json")).unwrap();
        assert_eq!(summary["rates"]["groups_converted"], 2);
        summary["settings_sha256"].as_str().unwrap().to_owned()
    };
    let setup = with_rates();
    let before = digest(&setup);
    setup.edit("rates.csv", "1.25", "1.26");
    assert_ne!(digest(&setup), before);
}

#[test]
fn the_rate_is_explained() {
    let setup = with_rates();
    setup.write("rates.csv", "date,from,to,rate\n2026-09-30,EUR,USD,1.25\n2026-10-02,EUR,USD,1.28\n");
    setup.edit("tieout.toml", "file = \"rates.csv\"", "file = \"rates.csv\"\nmissing = \"previous\"");
    assert_eq!(setup.reconcile(&[]).code, Some(1));
    let report = setup.read("reports/discrepancies.csv");
    let id = report.lines().nth(1).unwrap().split(',').next().unwrap().to_owned();
    let told: Outcome = tieout().args(["explain", &id]).current_dir(setup.folder()).output().unwrap().into();
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    for says in [
        "records.csv:3: 496.00 EUR × 1.28 = 634.88 USD, at the rate of 2026-10-02",
        "cause: rate of another day: 496.00 EUR × 1.25 (2026-09-30) = 620.00 USD",
        "currency -14.88",
        "(settled in EUR, converted to USD)",
    ] {
        assert!(told.stdout.contains(says), "{says:?} is not in {}", told.stdout);
    }
    assert_eq!(report.lines().count(), 2, "the rate of 30 September stands in for 1 October: {report}");
}

/// The small set-up with a total that is a dollar more than its lines.
fn with_totals() -> Setup {
    let setup = Setup::small();
    let text = setup.read("invoices/alfa.csv") + "INV-1,ALFA GAS,TOTAL,,,,946.00,USD\n";
    setup.write("invoices/alfa.csv", text);
    setup.edit(
        "tieout.toml",
        "[settlements]\n",
        "[invoices.totals]\nwhen = { deal = \"TOTAL\" }\n\n[settlements]\n",
    );
    setup
}

#[test]
fn a_total_is_told_apart_and_explained() {
    let setup = with_totals();
    let outcome = setup.reconcile(&[]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert!(
        outcome.stdout.contains(
            "1 row of the invoice side left out as totals: 0 agree with the sum of their lines, 1 does not"
        ),
        "{}",
        outcome.stdout
    );
    let summary: serde_json::Value = serde_json::from_str(&setup.read("reports/summary.json")).unwrap();
    assert_eq!(summary["control_totals"]["invoice"]["USD"]["read"]["amount"], "945.00");
    assert_eq!(summary["control_totals"]["invoice"]["USD"]["totals"]["amount"], "946.00");
    // That no way of rounding makes it is in the summary; on the screen it would say nothing new.
    assert!(!outcome.stdout.contains("no way of rounding"), "{}", outcome.stdout);
    let report = setup.read("reports/discrepancies.csv");
    let id = report.lines().nth(1).unwrap().split(',').next().unwrap().to_owned();
    let told: Outcome = tieout().args(["explain", &id]).current_dir(setup.folder()).output().unwrap().into();
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    for says in [
        "The total of INV-1 (invoices/alfa.csv:4) states 946.00 USD, but its 2 lines sum to 945.00 USD: 1.00 USD more.",
        "It is a total, which no pass takes.",
        "946.00",
    ] {
        assert!(told.stdout.contains(says), "{says:?} is not in {}", told.stdout);
    }
    assert!(!told.stdout.contains("passes"), "{}", told.stdout);
    setup.edit("invoices/alfa.csv", "946.00", "945.00");
    assert_eq!(setup.reconcile(&[]).code, Some(0));
}

#[test]
fn settings_of_totals_that_say_nothing_are_refused() {
    let rule = "when = { deal = \"TOTAL\" }\n";
    for (name, instead, says) in [
        ("no rule", "of = \"document\"\n", &["[invoices.totals] when", "TOTAL"][..]),
        ("no value", "when = { deal = [] }\n", &["[invoices.totals] when", "at least one value"]),
        ("of nothing", "when = { deal = \"TOTAL\" }\nof = []\n", &["[invoices.totals] of", "file"]),
        ("a number", "when = { amount = \"TOTAL\" }\n", &["[invoices.totals]", "amount", "texts"]),
        (
            "of a number",
            "when = { deal = \"TOTAL\" }\nof = \"quantity\"\n",
            &["[invoices.totals]", "quantity"],
        ),
        ("a role that is not read", "when = { charge = \"TOTAL\" }\n", &["[invoices.columns]", "charge"]),
        (
            "a negative allowance",
            "when = { deal = \"TOTAL\" }\nabsolute = \"-1\"\n",
            &["[invoices.totals] absolute", "-1"],
        ),
        ("an unknown key", "when = { deal = \"TOTAL\" }\nabsolut = \"1\"\n", &["did you mean absolute?"]),
    ] {
        let setup = with_totals();
        setup.edit("tieout.toml", rule, instead);
        assert_refused(name, &setup, says);
    }
    let setup = with_totals();
    setup.edit("tieout.toml", "[invoices.totals]", "[[invoices.totals]]");
    assert_eq!(setup.reconcile(&[]).code, Some(1), "several tables are as good as one");
}

/// The small set-up, its invoices with taxes, of which net is compared.
fn with_taxes() -> Setup {
    let setup = Setup::small();
    setup.write(
        "invoices/alfa.csv",
        "Invoice,Seller,Contract,From,Volume,Rate,Net,VAT,Gross,Ccy\n\
         INV-1,ALFA GAS,G-1,2026-10-01,100,3.25,325.00,26.81,351.81,USD\n\
         INV-1,ALFA GAS,G-2,2026-10-02,200,3.10,620.00,51.15,671.15,USD\n",
    );
    setup.edit("tieout.toml", "amount = \"Total\"", "net = \"Net\"\ntax = \"VAT\"\ngross = \"Gross\"");
    setup.edit(
        "tieout.toml",
        "[settlements]\n",
        "[invoices.taxes]\ncompare = \"net\"\nrates = [\"8.25\"]\n\n[settlements]\n",
    );
    setup
}

#[test]
fn taxes_are_added_up_and_their_rate_is_told() {
    let setup = with_taxes();
    let outcome = setup.reconcile(&[]);
    assert_eq!(outcome.code, Some(0), "{}{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stdout.contains("taxes, invoice: 2 lines: 2 at 8.25 %"), "{}", outcome.stdout);
    setup.edit("invoices/alfa.csv", "671.15", "671.51");
    assert_eq!(setup.reconcile(&[]).code, Some(1));
    let report = setup.read("reports/discrepancies.csv");
    assert!(
        report.contains("The sides tie, but the invoice's own net 620.00 + tax 51.15 (8.25 %) = 671.15, not the gross 671.51 USD that it bills."),
        "{report}"
    );
    let id = report.lines().nth(1).unwrap().split(',').next().unwrap().to_owned();
    let told: Outcome = tieout().args(["explain", &id]).current_dir(setup.folder()).output().unwrap().into();
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    let gross = told.stdout.lines().find(|line| line.trim_start().starts_with("Gross")).unwrap();
    assert_eq!(
        gross.split_whitespace().collect::<Vec<_>>(),
        ["Gross", "671.51", "gross", "671.51", "671.51"]
    );
}

#[test]
fn settings_of_taxes_that_contradict_each_other_are_refused() {
    for (name, from, to, says) in [
        (
            "nothing is compared",
            "[invoices.taxes]\ncompare = \"net\"\nrates = [\"8.25\"]\n",
            "",
            &["[invoices.columns] net", "compare"][..],
        ),
        ("another column", "compare = \"net\"", "compare = \"total\"", &["total", "net"]),
        ("no comparison", "compare = \"net\"\n", "", &["missing field `compare`"]),
        ("a column that is missing", "tax = \"VAT\"\n", "", &["[invoices.columns]", "tax"]),
        (
            "an amount beside them",
            "net = \"Net\"",
            "net = \"Net\"\namount = \"Net\"",
            &["[invoices.columns] amount", "leave it out"],
        ),
        ("a rate of nothing", "\"8.25\"", "\"0\"", &["[invoices.taxes] rates", "0"]),
        ("a rate twice", "\"8.25\"", "\"8.25\", \"8.250\"", &["[invoices.taxes] rates", "twice"]),
        ("a tolerance for one of them", "field = \"amount\"", "field = \"net\"", &["net", "amount"]),
        (
            "a column for each hour",
            "quantity = \"Volume\"",
            "quantity = \"Hour{hour_ending}\"",
            &["[invoices.taxes]", "each hour"],
        ),
        (
            "a default for one of them",
            "[invoices.taxes]",
            "[invoices.defaults]\ntax = \"0\"\n[invoices.taxes]",
            &["[invoices.defaults]", "tax"],
        ),
    ] {
        let setup = with_taxes();
        setup.edit("tieout.toml", from, to);
        assert_refused(name, &setup, says);
    }
}

/// `docs/money.md` says what stands in its files and what comes of them.
#[test]
fn the_example_of_the_document_runs() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/money.md")).unwrap();
    let setup = Setup::of("");
    let (mut files, mut said) = (0, Vec::new());
    let parts: Vec<&str> = text.split("```").collect();
    for pair in parts.chunks(2).filter(|pair| pair.len() == 2) {
        let (before, (language, body)) = (pair[0], pair[1].split_once('\n').unwrap());
        match language {
            "text" => said.push(body),
            _ => {
                setup.write(before.trim_end().rsplit('`').nth(1).unwrap(), body);
                files += 1;
            }
        }
    }
    assert_eq!((files, said.len()), (4, 2));
    let outcome = setup.command(&[]).env("COLUMNS", "300").output().map(Outcome::from).unwrap();
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    let report = setup.read("reports/discrepancies.csv");
    for (said, found) in said.into_iter().zip([outcome.stdout, report]) {
        for line in said.lines() {
            assert!(found.contains(line), "{line:?} is not in {found}");
        }
    }
}

/// Money is judged alike whether lines are counted as they go by or kept.
#[test]
fn the_reports_are_the_same_without_the_sieve() {
    // The sieve knows 64 tolerances for amounts; with more it stays out. These concern no line.
    let rule = |n| {
        format!(
            "[[tolerance]]\nfield = \"amount\"\nabsolute = \"0\"\nwhen = {{ deal = \"of nobody {n}\" }}\n\n"
        )
    };
    let without = (0..65).map(rule).collect::<String>() + "[[pass]]";
    for case in [
        "rates",
        "rates-previous",
        "rounding",
        "arithmetic-of-records",
        "taxes",
        "taxes-gross",
        "totals",
        "totals-rounded",
        "causes",
        "causes-of-periods",
        "prices-elsewhere",
    ] {
        let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases").join(case);
        let setup = Setup::of("");
        for file in std::fs::read_dir(&source).unwrap().map(|entry| entry.unwrap().path()) {
            if file.is_file() {
                setup.write(&file.file_name().unwrap().to_string_lossy(), std::fs::read(&file).unwrap());
            }
        }
        let reports = || {
            let outcome = setup.reconcile(&["--output", "out"]);
            assert_ne!(outcome.code, Some(2), "{case}: {}", outcome.stderr);
            let mut summary: serde_json::Value =
                serde_json::from_str(&setup.read("out/summary.json")).unwrap();
            // The digest of the settings, and the number of a tolerance, speak of the settings themselves.
            for name in ["settings_sha256", "tolerance_limbs"] {
                summary.as_object_mut().unwrap().remove(name);
            }
            [setup.read("out/discrepancies.csv"), setup.read("out/rejects.csv"), format!("{summary:#}")]
        };
        let sifted = reports();
        setup.edit("tieout.toml", "[[pass]]", &without);
        for (sifted, whole) in sifted.iter().zip(reports()) {
            assert_eq!(*sifted, whole, "{case}");
        }
    }
}

#[test]
fn a_total_of_wide_rows_is_the_sum_of_its_hours() {
    let setup = Setup::small();
    let wide = |total: &str| {
        format!(
            "Invoice,Deal,Charge,Day,H1,H2,H3\nI-1,G-1,ENERGY,2026-10-01,1.00,2.00,3.00\nI-1,,TOTAL,,1.00,{total},3.00\n"
        )
    };
    setup.write("invoices/alfa.csv", wide("2.00"));
    setup.write("records.csv", "Deal,Day,Amount\nG-1,2026-10-01,6.00\n");
    setup.write(
        "tieout.toml",
        "[reconciliation]\nname = \"wide\"\ntime_zone = \"America/Chicago\"\n\
         [invoices]\nfiles = [\"invoices/alfa.csv\"]\n[invoices.columns]\ndocument = \"Invoice\"\ndeal = \"Deal\"\n\
         charge = \"Charge\"\nstart = \"Day\"\namount = \"H{hour_ending}\"\n[invoices.defaults]\ncurrency = \"USD\"\n\
         [invoices.totals]\nwhen = { charge = \"TOTAL\" }\n\
         [settlements]\nsource = \"files\"\nfiles = [\"records.csv\"]\n[settlements.columns]\ndeal = \"Deal\"\n\
         start = \"Day\"\namount = \"Amount\"\n[settlements.defaults]\ncurrency = \"USD\"\n\
         [[pass]]\nname = \"day\"\nkey = [\"deal\", \"day(start)\"]\ncompare = \"totals\"\n",
    );
    let outcome = setup.reconcile(&[]);
    assert_eq!(outcome.code, Some(0), "{}{}", outcome.stdout, outcome.stderr);
    setup.write("invoices/alfa.csv", wide("2.01"));
    let outcome = setup.reconcile(&[]);
    assert_eq!(outcome.code, Some(1), "{}{}", outcome.stdout, outcome.stderr);
    let report = setup.read("reports/discrepancies.csv");
    assert!(report.contains("states 6.01 USD, but its 3 lines sum to 6.00 USD"), "{report}");
    setup.write("invoices/alfa.csv", wide("x"));
    let outcome = setup.reconcile(&[]);
    assert_eq!(outcome.code, Some(3), "{}{}", outcome.stdout, outcome.stderr);
    assert!(setup.read("reports/rejects.csv").contains("H2"), "{}", setup.read("reports/rejects.csv"));
}

/// What discrepancies are called and what is said of them, for records in two orders.
fn said_in_both_orders(invoices: &[&str], records: &[&str]) -> [Vec<String>; 2] {
    let setup = Setup::of(
        "[reconciliation]\nname = \"orders\"\ntime_zone = \"UTC\"\n
        [invoices]\nfiles = [\"invoice.csv\"]\n[invoices.columns]\ndeal = \"Deal\"\ngrade = \"Grade\"\nstart = \"Day\"\n\
        amount = \"Amount\"\ncurrency = \"Currency\"\n
        [settlements]\nfiles = [\"records.csv\"]\n[settlements.columns]\ndeal = \"Deal\"\ngrade = \"Grade\"\nstart = \"Day\"\n\
        amount = \"Amount\"\ncurrency = \"Currency\"\n
        [[pass]]\nname = \"lines\"\nkey = [\"deal\", \"grade\", \"start\"]\n[report]\nformats = [\"json\"]\n",
    );
    [false, true].map(|backwards| {
        let mut all = [("invoice.csv", invoices.to_vec()), ("records.csv", records.to_vec())];
        for (name, rows) in &mut all {
            if backwards {
                rows.reverse();
            }
            setup.write(name, format!("Deal,Grade,Day,Amount,Currency\n{}\n", rows.join("\n")));
        }
        let outcome = setup.reconcile(&["--output", "out"]);
        assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
        let report: serde_json::Value = serde_json::from_str(&setup.read("out/discrepancies.json")).unwrap();
        let mut said: Vec<String> = report
            .as_array()
            .unwrap()
            .iter()
            .map(|found| {
                format!(
                    "{} {} {} {}",
                    found["discrepancy_id"], found["kind"], found["amount_invoiced"], found["explanation"]
                )
            })
            .collect();
        said.sort();
        said
    })
}

#[test]
fn currencies_of_lines_that_share_a_key_are_not_added_up() {
    let lines = ["d,A,2026-10-01,8.66,USD", "d,A,2026-10-01,8.66,EUR"];
    let [one, other] = said_in_both_orders(&lines, &["d,A,2026-10-01,8.66,GBP"]);
    assert_eq!(one, other);
    assert!(
        one[0]
            .contains("2 invoice lines (amounts in several currencies) and one settlement record (8.66 GBP)"),
        "{}",
        one[0]
    );
    assert!(!one[0].contains("17.32"), "{}", one[0]);
}

/// An attribute is no part of what a discrepancy is called by, and does not let the order of rows decide which of two is the second.
#[test]
fn what_is_called_the_same_is_told_apart_by_what_it_says() {
    let records = ["d,A,2026-10-01,5.00,USD", "d,A,2026-10-01,5.00,USD", "d,B,2026-10-01,5.00,USD"];
    let [one, other] = said_in_both_orders(&["x,A,2026-10-02,1.00,USD"], &records);
    assert_eq!(one, other);
    assert_eq!(
        one.iter().filter(|said| said.contains("-2\"") || said.contains("-3\"")).count(),
        2,
        "{one:?}"
    );
}
