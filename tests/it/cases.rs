//! A folder under `testdata/cases` is a test: `tieout.toml` and its inputs, and under `expected/` all
//! that a run over them leaves: its reports, `stdout.txt`, `stderr.txt` where it says anything there, and
//! its exit code.
//!
//! `UPDATE=1 cargo test cases` rewrites what is expected. Read the diff: each of these files was
//! checked by hand against the order of the kinds, and is right until somebody says why it is not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use tieout::judge::Kind;
use tieout::money::{self, Decimal, DecimalMark, Sum};

/// File name → text.
type Files = BTreeMap<String, String>;

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases");
    let mut cases: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

fn name(case: &Path) -> String {
    case.file_name().unwrap().to_string_lossy().into_owned()
}

fn read(folder: &Path) -> Files {
    let Ok(entries) = fs::read_dir(folder) else { return Files::new() };
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            (name(&path), String::from_utf8(bytes).expect("what tieout writes is UTF-8"))
        })
        .collect()
}

/// Runs a case and collects what it leaves; nothing in it depends on the place, the day or the version.
fn run(case: &Path) -> Files {
    let output = tempfile::tempdir().unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_tieout"))
        .args(["reconcile", "--config", "tieout.toml", "--output"])
        .arg(output.path())
        .current_dir(case)
        .env("COLUMNS", "120")
        .output()
        .unwrap();
    let place = output.path().display().to_string();
    let said = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&place, "REPORTS");
    let mut left = read(output.path());
    if let Some(summary) = left.get_mut("summary.json") {
        let version = concat!("\"tieout\": \"", env!("CARGO_PKG_VERSION"), "\"");
        *summary = summary.replace(version, "\"tieout\": \"VERSION\"");
    }
    left.insert("stdout.txt".to_owned(), said(ran.stdout));
    let stderr = said(ran.stderr);
    if !stderr.is_empty() {
        left.insert("stderr.txt".to_owned(), stderr);
    }
    left.insert("exit-code".to_owned(), format!("{}\n", ran.status.code().expect("no signal ended it")));
    left
}

/// While the expected files are rewritten, nobody else should read them.
fn updating() -> bool {
    std::env::var_os("UPDATE").is_some_and(|update| update == "1")
}

fn update(folder: &Path, files: &Files) {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
}

/// The lines that only one of two texts has, in their order: `-` expected, `+` found. By the
/// longest common subsequence; the texts of a case are short.
fn difference(expected: &str, found: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), found.lines().collect());
    let mut common = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = match old[i] == new[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut shown) = (0, 0, String::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            writeln!(shown, "    - {}", old[i]).unwrap();
            i += 1;
        } else {
            writeln!(shown, "    + {}", new[j]).unwrap();
            j += 1;
        }
    }
    if shown.is_empty() { "    the line ends differ\n".to_owned() } else { shown }
}

#[test]
fn every_case_comes_out_as_expected() {
    let mut failures = String::new();
    for case in cases() {
        let (folder, found) = (case.join("expected"), run(&case));
        if updating() {
            update(&folder, &found);
            continue;
        }
        let expected = read(&folder);
        for file in expected.keys().chain(found.keys()).collect::<BTreeSet<_>>() {
            let what = match (expected.get(file), found.get(file)) {
                (Some(expected), Some(found)) if expected == found => continue,
                (Some(expected), Some(found)) => difference(expected, found),
                (Some(_), None) => "    is expected, but was not written\n".to_owned(),
                (None, Some(text)) => format!("    was written, but is not expected:\n{text}\n"),
                (None, None) => continue,
            };
            write!(failures, "\n{}/expected/{file}\n{what}", name(&case)).unwrap();
        }
    }
    assert!(
        failures.is_empty(),
        "{failures}\n(- expected, + found; if what was found is right: UPDATE=1 cargo test cases)"
    );
}

/// The records of a CSV file, by header.
fn records(csv: &str) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_reader(csv.as_bytes()).deserialize().map(Result::unwrap).collect()
}

#[test]
fn every_kind_has_a_case_and_every_case_says_what_it_shows() {
    if updating() {
        return;
    }
    let mut seen = BTreeSet::new();
    for case in cases() {
        let settings = fs::read_to_string(case.join("tieout.toml")).unwrap();
        assert!(settings.starts_with("# "), "{}/tieout.toml begins with what the case shows", name(&case));
        let expected = read(&case.join("expected"));
        let discrepancies = expected.get("discrepancies.csv").map(String::as_str).unwrap_or_default();
        seen.extend(records(discrepancies).into_iter().map(|mut row| row.remove("kind").unwrap()));
    }
    let kinds: BTreeSet<String> = Kind::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(seen, kinds);
}

fn decimal(text: &str) -> Decimal {
    money::parse(text, DecimalMark::Point).unwrap().value
}

/// What finance would check with a pocket calculator, on the reports themselves.
#[test]
fn the_figures_of_every_case_add_up() {
    if updating() {
        return;
    }
    for case in cases() {
        let expected = read(&case.join("expected"));
        let Some(summary) = expected.get("summary.json") else { continue };
        let summary: serde_json::Value = serde_json::from_str(summary).unwrap();
        for (side, currencies) in summary["control_totals"].as_object().unwrap() {
            for (currency, classes) in currencies.as_object().unwrap() {
                let judged = ["matched", "within_tolerance", "discrepant", "superseded", "rejected"];
                let lines: u64 = judged.iter().map(|class| classes[class]["lines"].as_u64().unwrap()).sum();
                let money: Sum =
                    judged.iter().map(|class| decimal(classes[class]["amount"].as_str().unwrap())).collect();
                let read = &classes["read"];
                let place = format!("{}: {side} {currency}", name(&case));
                assert_eq!(read["lines"].as_u64(), Some(lines), "{place}");
                assert_eq!(Some(decimal(read["amount"].as_str().unwrap())), money.value(), "{place}");
            }
        }
        for row in records(&expected["discrepancies.csv"]) {
            let place = format!("{}: {}", name(&case), row["discrepancy_id"]);
            let value = |column: &str| (!row[column].is_empty()).then(|| decimal(&row[column]));
            let Some(variance) = value("variance") else { continue };
            let parts: Sum = ["volume", "price", "rounding", "other", "currency"]
                .iter()
                .map(|part| value(&format!("variance_{part}")).unwrap())
                .collect();
            assert_eq!(parts.value(), Some(variance), "{place}");
            let (invoiced, settled) = (value("amount_invoiced"), value("amount_settled"));
            assert_eq!(
                money::subtract(invoiced.unwrap_or_default(), settled.unwrap_or_default()),
                Some(variance),
                "{place}"
            );
        }
    }
}
