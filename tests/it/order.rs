//! The order of the rows decides nothing that is told, down to the last word: what the laws of `laws.rs` do not reach.

use super::support::{Setup, table};

/// A run whose rows can stand in another order.
struct Case {
    name: &'static str,
    /// What stands in `tieout.toml` beside the files, the columns and the pass.
    config: &'static str,
    pass: &'static str,
    invoices: &'static str,
    records: &'static str,
    /// What is told of it, whatever the order.
    told: &'static str,
}

const SUMS: &str = "[[pass]]\nname = \"sums\"\nkey = [\"deal\"]\ncompare = \"totals\"\n";
const LINES: &str = "[[pass]]\nname = \"lines\"\nkey = [\"deal\"]\n";
const VERSIONS: &str =
    "[settlements.versions]\nkeep = \"latest\"\norder = [\"prelim\", \"initial\", \"final\"]\n";

const COLUMNS: [(&str, &str); 13] = [
    ("document", "Document"),
    ("deal", "Deal"),
    ("location", "Location"),
    ("start", "Day"),
    ("quantity", "Quantity"),
    ("price", "Price"),
    ("amount", "Amount"),
    ("net", "Net"),
    ("tax", "Tax"),
    ("gross", "Gross"),
    ("currency", "Currency"),
    ("version", "Version"),
    ("published", "Published"),
];

const CASES: [Case; 10] = [
    Case {
        name: "a sum of lines of which one states the currency",
        config: "",
        pass: SUMS,
        invoices: "Deal,Amount,Currency\nD-1,60,\nD-1,40,EUR\n",
        records: "Deal,Amount\nD-1,90\n",
        told: "Billed 100.00 EUR, settled 90.00 EUR.",
    },
    Case {
        name: "lines that are equally far from their own arithmetic",
        config: "",
        pass: SUMS,
        invoices: "Deal,Quantity,Price,Amount\nD-1,2,5,12\nD-1,3,6,20\n",
        records: "Deal,Quantity,Price,Amount\nD-1,2,5,12\nD-1,3,6,20\n",
        told: "the invoice's own 3 × 6 = 18, not the 20.00",
    },
    Case {
        name: "equal records at two points, for lines in two currencies",
        config: "",
        pass: LINES,
        invoices: "Deal,Amount,Currency\nD-1,10,USD\nD-1,20,EUR\n",
        records: "Deal,Location,Amount,Currency\nD-1,N,11,USD\nD-1,S,11,USD\n",
        told: "Billed 10.00 USD, settled 11.00 USD.",
    },
    Case {
        name: "copies that differ in their gross",
        config: "[invoices.taxes]\ncompare = \"net\"\n",
        pass: LINES,
        invoices: "Deal,Net,Tax,Gross\nD-1,10,1,11.5\nD-1,10,1,12.5\n",
        records: "Deal,Amount\nD-1,10\nD-1,10\n",
        told: "not the gross 11.50 that it bills",
    },
    Case {
        name: "records of which none has a rate",
        config: "[rates]\nfile = \"rates.csv\"\n",
        pass: SUMS,
        invoices: "Deal,Amount,Currency\nD-1,20,EUR\n",
        records: "Deal,Day,Amount,Currency\nD-1,2026-10-06,10,USD\nD-1,2026-10-05,10,USD\n",
        told: "rates.csv has no rate for 2026-10-05 from USD to EUR",
    },
    Case {
        name: "versions that were published on several days",
        config: "[settlements.versions]\nkeep = \"latest\"\norder = [\"1\", \"2\"]\npublished = \"published\"\n",
        pass: SUMS,
        invoices: "Deal,Amount\nD-1,20\n",
        records: "Deal,Day,Amount,Version,Published\nD-1,2026-10-05,10,1,2026-10-01\nD-1,2026-10-06,10,1,2026-10-01\n\
                  D-1,2026-10-06,12,2,2026-10-08\nD-1,2026-10-05,11,2,2026-10-07\n",
        told: "ties to version 1; the platform is at 2 since 2026-10-08",
    },
    Case {
        name: "lines that are taken back to versions of several names",
        config: VERSIONS,
        pass: SUMS,
        invoices: "Deal,Amount\nD-1,20\n",
        records: "Deal,Location,Amount,Version\nD-1,S,10,initial\nD-1,S,17,final\nD-1,N,10,prelim\nD-1,N,15,final\n",
        told: "ties to version initial; the platform is at final",
    },
    Case {
        name: "lines of which each is at another version",
        config: VERSIONS,
        pass: SUMS,
        invoices: "Deal,Amount\nD-1,20\n",
        records: "Deal,Location,Amount,Version\nD-1,N,10,prelim\nD-1,N,15,initial\nD-1,S,10,initial\nD-1,S,17,final\n",
        told: "ties to version initial; the platform is at final",
    },
    Case {
        name: "one price with more digits and with fewer",
        config: "[judge]\ntax_rates = [\"11\"]\n",
        pass: SUMS,
        invoices: "Deal,Quantity,Price,Amount\nD-1,10,3.7,37\nD-1,10,3.70,37\n",
        records: "Deal,Quantity,Price,Amount\nD-1,20,3.33,66.60\n",
        told: "price (3.7 - 3.33) × 20 = 7.40.",
    },
    Case {
        name: "a window that reaches nothing, with two pairs as near",
        config: "",
        pass: "[[pass]]\nname = \"near\"\nkey = [\"deal\", \"start\"]\nwithin = \"1 day\"\n",
        invoices: "Deal,Day,Amount\nD-1,2026-10-02,10\nD-2,2026-10-05,10\n",
        records: "Deal,Day,Amount\nD-1,2026-10-05,10\nD-2,2026-10-02,10\n",
        told: "Billed 10.00, but no settlement record with its key fits it.",
    },
];

/// A file whose rows stand in the opposite order.
fn reversed(csv: &str) -> String {
    let mut lines: Vec<&str> = csv.lines().collect();
    lines[1..].reverse();
    lines.join("\n") + "\n"
}

fn config(case: &Case) -> String {
    let side = |side: &str, file: &str, csv: &str| {
        let headers: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
        let columns = COLUMNS.iter().filter(|(_, header)| headers.contains(header));
        let columns: String = columns.map(|(role, header)| format!("{role} = \"{header}\"\n")).collect();
        format!("[{side}]\nfiles = [\"{file}\"]\n[{side}.columns]\n{columns}")
    };
    format!(
        "[reconciliation]\nname = \"order\"\ntime_zone = \"UTC\"\n{}{}{}{}",
        side("invoices", "invoices.csv", case.invoices),
        side("settlements", "records.csv", case.records),
        case.config,
        case.pass
    )
}

/// All that is told of a run, but for where its rows stand.
fn told(case: &Case, invoices: &str, records: &str) -> (Vec<Vec<String>>, serde_json::Value) {
    let setup = Setup::of(&config(case));
    setup.write("invoices.csv", invoices);
    setup.write("records.csv", records);
    setup.write("rates.csv", "date,from,to,rate\n2026-10-01,USD,EUR,0.9\n");
    let outcome = setup.reconcile(&["--output", "reports"]);
    assert_eq!(outcome.code, Some(1), "{}: {}", case.name, outcome.stderr);
    let rows = table(&setup.read("reports/discrepancies.csv"));
    let header = rows[0].clone();
    let cell = |(column, cell): (&String, String)| {
        let without_place = match cell.split_once(" (records.csv:") {
            Some((before, behind)) => format!("{before}{}", behind.split_once(')').unwrap().1),
            None => cell,
        };
        (!column.ends_with("_source")).then_some(without_place)
    };
    let rows = rows.into_iter().map(|row| header.iter().zip(row).filter_map(cell).collect()).collect();
    let mut summary: serde_json::Value = serde_json::from_str(&setup.read("reports/summary.json")).unwrap();
    summary.as_object_mut().unwrap().remove("inputs");
    (rows, summary)
}

#[test]
fn rows_in_another_order_tell_the_same() {
    for case in &CASES {
        let (invoices, records) = (reversed(case.invoices), reversed(case.records));
        let as_given = told(case, case.invoices, case.records);
        let is_told = as_given.0.iter().flatten().any(|cell| cell.contains(case.told));
        assert!(is_told, "{}: {:#?}", case.name, as_given.0);
        for (invoices, records) in
            [(&*invoices, &*records), (case.invoices, &records), (&invoices, case.records)]
        {
            assert_eq!(told(case, invoices, records), as_given, "{}", case.name);
        }
    }
}
