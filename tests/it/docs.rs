//! Every example in the documents runs.

#[cfg(feature = "simulator")]
use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Markdown files of the repository.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["", "docs", "examples/gas-statement"] {
        let entries = std::fs::read_dir(root().join(folder)).unwrap();
        found.extend(
            entries
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|e| e == "md")),
        );
    }
    found.sort();
    found
}

/// The blocks of a language, each with the document it stands in.
fn blocks(language: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for path in documents() {
        let text = std::fs::read_to_string(&path).unwrap();
        for block in text.split("\n```").skip(1).step_by(2) {
            if let Some(body) = block.strip_prefix(&format!("{language}\n")) {
                found.push((path.clone(), body.to_owned()));
            }
        }
    }
    found
}

/// The words of a command line; single quotes hold words together.
fn words(line: &str) -> Vec<String> {
    line.split('\'')
        .enumerate()
        .flat_map(|(at, part)| match at % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect::<Vec<_>>(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

/// Platforms that end with the test, however that ends.
#[cfg(feature = "simulator")]
struct Platforms(Vec<std::process::Child>);

#[cfg(feature = "simulator")]
impl Drop for Platforms {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It may have ended by itself; then there is nothing to end.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
#[cfg(feature = "simulator")]
fn every_command_in_the_documents_runs() {
    let folder = tempfile::tempdir().unwrap();
    let tieout = |arguments: &[String], at: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tieout"));
        command.args(arguments).current_dir(at);
        command
    };
    assert!(tieout(&["demo".into()], folder.path()).output().unwrap().status.success());
    let demo = folder.path().join("tieout-demo");
    // The commands of the README are meant for a folder like the demo's, its platform up.
    let config = std::fs::read_to_string(demo.join("tieout.toml")).unwrap();
    let port = config.split("127.0.0.1:").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let mut platforms = Platforms(Vec::new());
    let mut lines: Vec<String> = blocks("sh")
        .into_iter()
        .flat_map(|(_, body)| body.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    // The platform first: the others need it.
    lines.sort_by_key(|line| !line.contains("platform simulate"));
    let mut ran = 0;
    for line in lines {
        let mut words = words(&line);
        if line.starts_with("cargo install") || line == "cargo test" || line.starts_with("bash .ci/run") {
            continue;
        }
        if line.starts_with("cargo run --release -- ") {
            words.drain(..4);
        } else if words.first().is_some_and(|word| word == "tieout") {
            words.remove(0);
        } else {
            panic!("what runs this example of the documents? {line}");
        }
        ran += 1;
        let is = |at: usize, word: &str| words.get(at).is_some_and(|known| known == word);
        match words.first().map(String::as_str) {
            Some("platform") if !is(1, "simulate") => {
                let output = tieout(&words, &demo).output().unwrap();
                assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
            }
            Some("platform") => {
                words.extend(["--port".to_owned(), port.clone()]);
                let mut child = tieout(&words, &demo).stdout(std::process::Stdio::piped()).spawn().unwrap();
                // It says where it listens once it does.
                let mut notice = String::new();
                std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut notice).unwrap();
                platforms.0.push(child);
                assert!(notice.contains(&port), "{line}: {notice}");
            }
            Some("demo") => {
                // Elsewhere: the folder's own platform keeps its port.
                let elsewhere = tempfile::tempdir().unwrap();
                assert!(tieout(&words, elsewhere.path()).output().unwrap().status.success(), "{line}");
            }
            Some("mcp") => {
                let (code, said) = served(&words, &demo);
                // Nobody listens for the doctor to find.
                assert_eq!(code, Some(if is(1, "doctor") { 4 } else { 0 }), "{line}: {said}");
            }
            Some("fetch" | "explain" | "discrepancies" | "export" | "inspect") => {
                let output = tieout(&words, &demo).output().unwrap();
                assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
            }
            _ => {
                let output = tieout(&words, &demo).output().unwrap();
                // The demo has discrepancies; what only looks at its platform finds it well.
                let expected = i32::from(words.first().is_none_or(|word| word != "platform"));
                assert_eq!(
                    output.status.code(),
                    Some(expected),
                    "{line}: {}",
                    String::from_utf8_lossy(&output.stderr)
                );
            }
        }
    }
    assert!(ran >= 4, "the README has examples");
}

/// A command of `tieout mcp` in a folder like `demo`, with the `[serve]` of the documents, on this machine.
#[cfg(feature = "simulator")]
fn served(words: &[String], demo: &Path) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let serve = blocks("toml serve").into_iter().next().unwrap().1;
    let serve = serve
        .replace("https://recon.example.com/mcp\"  ", "http://127.0.0.1:9/mcp\"")
        .replace("\"invoices\", ", "");
    let config = std::fs::read_to_string(demo.join("tieout.toml")).unwrap();
    std::fs::write(folder.path().join("tieout.toml"), format!("{config}\n{serve}")).unwrap();
    std::fs::copy(demo.join("vendors.csv"), folder.path().join("vendors.csv")).unwrap();
    let output = super::support::tieout().args(words).current_dir(folder.path()).output().unwrap();
    (
        output.status.code(),
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
    )
}

/// Whether every key of the documents' `[serve]` is one, and all together make a server.
#[test]
fn the_examples_of_serving_are_configurations() {
    for (path, body) in blocks("toml serve") {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("invoices")).unwrap();
        let file = folder.path().join("tieout.toml");
        std::fs::write(&file, body).unwrap();
        let settings = tieout::serve::Settings::load(&file);
        let settings = settings.unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
        settings.public().unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
    }
}

#[test]
fn the_reference_of_the_configuration_is_a_configuration() {
    let blocks = blocks("toml");
    assert!(!blocks.is_empty());
    for (path, body) in blocks {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tieout.toml"), body).unwrap();
        std::fs::write(folder.path().join("vendors.csv"), "alias,name\nA,B\n").unwrap();
        std::fs::write(folder.path().join("rates.csv"), "date,from,to,rate\n").unwrap();
        let loaded = tieout::config::load(
            &folder.path().join("tieout.toml"),
            &tieout::config::Overrides::default(),
            std::time::SystemTime::now(),
        );
        assert!(loaded.is_ok(), "{}: {}", path.display(), loaded.unwrap_err());
    }
}

/// Passes on two sides that are read by the headers of the document, and what the end of a run says.
#[test]
fn the_examples_of_passes_come_out_as_they_say() {
    let of = |kind: &str| -> Vec<String> { blocks(kind).into_iter().map(|(_, body)| body).collect() };
    let examples = of("toml passes");
    let (invoices, records) = (of("csv invoice"), of("csv records"));
    let outcomes: Vec<String> = blocks("text")
        .into_iter()
        .filter(|(path, _)| path.ends_with("passes.md"))
        .map(|(_, body)| body)
        .collect();
    assert!(
        examples.len() >= 4 && [&invoices, &records, &outcomes].iter().all(|all| all.len() == examples.len())
    );
    for (((passes, invoice), records), outcome) in examples.iter().zip(invoices).zip(records).zip(outcomes) {
        let columns = |table: &str| {
            format!(
                "[{table}.columns]\ndeal = \"Deal\"\nstart = \"From\"\namount = \"Amount\"\npoint = \"Point\"\n\
                 [{table}.defaults]\ncurrency = \"USD\"\n"
            )
        };
        // An attribute is known as such where a pass uses it.
        let point = |columns: String| match passes.contains("\"point\"") {
            true => columns,
            false => columns.replace("point = \"Point\"\n", ""),
        };
        let setup = super::support::Setup::of(&format!(
            "[reconciliation]\nname = \"example\"\ntime_zone = \"America/Chicago\"\n\
             [invoices]\nfiles = [\"invoice.csv\"]\n{}[settlements]\nfiles = [\"records.csv\"]\n{}{passes}",
            point(columns("invoices")),
            point(columns("settlements")),
        ));
        setup.write("invoice.csv", invoice + "\n");
        setup.write("records.csv", records + "\n");
        let ran = setup.reconcile(&[]);
        assert!(matches!(ran.code, Some(0 | 1)), "{}", ran.stderr);
        for line in outcome.lines() {
            assert!(ran.stdout.lines().any(|said| said == line), "{line:?} is not said in {}", ran.stdout);
        }
    }
}

#[test]
fn links_lead_somewhere() {
    for path in documents() {
        let text = std::fs::read_to_string(&path).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !target.starts_with("http") {
                let file = path.parent().unwrap().join(target.split('#').next().unwrap());
                assert!(file.exists(), "{} links to {target}, which is not there", path.display());
            }
        }
    }
}

/// What stands in backticks in a cell of a table.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_examples_of_periods_are_read_as_the_document_says() {
    let text = std::fs::read_to_string(root().join("docs/periods.md")).unwrap();
    let examples = text.split("| settings and columns | a row | read as |").nth(1).unwrap();
    let mut tried = 0;
    for line in examples.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let [settings, row, expected] = line.trim_matches('|').split('|').collect::<Vec<_>>()[..] else {
            panic!("this example has not three cells: {line}");
        };
        let of_side = ["time_zone", "interval", "gas_day", "end_date", "repeated_hour", "skipped_hour"];
        let (keys, columns): (Vec<&str>, Vec<&str>) = quoted(settings)
            .into_iter()
            .partition(|setting| of_side.contains(&setting.split(' ').next().unwrap()));
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "[reconciliation]\nname = \"example\"\ntime_zone = \"America/Chicago\"\n\
             [invoices]\nfiles = [\"rows.csv\"]\n{}\n[invoices.columns]\namount = \"Amount\"\n{}\n\
             [settlements]\nfiles = [\"rows.csv\"]\n[settlements.columns]\namount = \"Amount\"\n\
             [[pass]]\nname = \"any\"\nkey = [\"currency\"]\n\
             [invoices.defaults]\ncurrency = \"USD\"\n[settlements.defaults]\ncurrency = \"USD\"\n",
            keys.join("\n"),
            columns.join("\n"),
        );
        let cells: Vec<(&str, &str)> =
            quoted(row).into_iter().map(|cell| cell.split_once(": ").unwrap()).collect();
        let join = |part: fn(&(&str, &str)) -> String| cells.iter().map(part).collect::<Vec<_>>().join(",");
        let csv =
            format!("{},Amount\n{},1.00\n", join(|cell| cell.0.to_owned()), join(|cell| cell.1.to_owned()));
        std::fs::write(folder.path().join("tieout.toml"), config).unwrap();
        std::fs::write(folder.path().join("rows.csv"), csv).unwrap();
        let overrides = tieout::config::Overrides::default();
        let path = folder.path().join("tieout.toml");
        let settings = tieout::config::load(&path, &overrides, std::time::SystemTime::UNIX_EPOCH)
            .unwrap_or_else(|fault| panic!("{line}: {fault}"));
        let tieout::config::Source::Files(files) = &settings.invoices.source else { unreachable!() };
        let rows = folder.path().join("rows.csv");
        let mut rows = tieout::intake::open(&rows, "rows.csv", files, &tieout::progress::Silent).unwrap();
        let side = tieout::normalise::Side::Invoice;
        let mut normaliser = tieout::normalise::Normaliser::new(
            side,
            &settings.invoices.reading,
            &settings.fields,
            &settings.zone,
            None,
        )
        .unwrap();
        normaliser.take(&mut *rows).unwrap();
        let ledger = normaliser.finish();
        let show = |at: Option<_>| at.map_or_else(String::new, |at| settings.zone.show(at, true));
        match expected.trim().strip_prefix("reject: ") {
            Some(why) => {
                let [reject] = &ledger.rejects[..] else { panic!("{line}: it is no reject") };
                assert!(reject.reason.contains(why), "{line}: {}", reject.reason);
            }
            None => {
                assert_eq!(ledger.rejects, [], "{line}");
                let read = format!("{} to {}", show(ledger.start(0)), show(ledger.end(0)));
                assert_eq!(read, expected.trim(), "{line}");
            }
        }
        tried += 1;
    }
    assert!(tried > 20, "the table is there");
}
