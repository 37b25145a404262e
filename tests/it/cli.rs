//! What the command line promises: help, exit codes, what is printed where, and reports that are whole and the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::support::{INVOICE, Outcome, Setup, tieout};

fn run(arguments: &[&str]) -> Outcome {
    tieout().args(arguments).output().unwrap().into()
}

/// A set-up with a discrepancy of two kinds, a tie within tolerance, an alias and a reject.
fn eventful() -> Setup {
    let setup = Setup::small();
    let more = "INV-1,ALFA GAS,G-3,2026-10-03,10,3.00,30.00,USD\nINV-1,ALFA GAS,G-04,2026-10-04,1,1,1.00,USD\n\
                INV-1,ALFA GAS,G-5,2026-10-05,1,1,=1+1,USD\n";
    setup.write("invoices/alfa.csv", format!("{INVOICE}{more}"));
    setup.edit("records.csv", "325.00", "325.01");
    setup.edit("records.csv", "620.00", "619.00");
    let records = setup.read("records.csv") + "G-4,ALFA GAS,2026-10-04,1,1,1.00,USD\n";
    setup.write("records.csv", records);
    setup.write("deals.csv", "alias,name\nG-04,G-4\n");
    setup.edit("tieout.toml", "[[pass]]", "[normalise.deal]\naliases = \"deals.csv\"\n\n[[pass]]");
    setup.edit("tieout.toml", "[invoices]", "allow_rejects = 1\n\n[invoices]");
    setup
}

/// Every command, as its words, the program's own first.
fn commands() -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut next = 0;
    while let Some(words) = commands.get(next).cloned() {
        next += 1;
        let help = help(&words);
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        let names = listed.take_while(|line| !line.is_empty()).filter_map(|line| {
            line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?.split(' ').next()
        });
        commands.extend(
            names.filter(|name| *name != "help").map(|name| [&words[..], &[name.to_owned()]].concat()),
        );
    }
    commands
}

fn help(words: &[String]) -> String {
    let outcome: Outcome = tieout().args(words).arg("--help").output().unwrap().into();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{words:?}");
    outcome.stdout
}

#[cfg(feature = "simulator")]
#[test]
fn help_reads_as_agreed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots");
    let update = std::env::var_os("UPDATE").is_some_and(|update| update == "1");
    let mut names: Vec<PathBuf> = Vec::new();
    for words in commands() {
        let path = folder
            .join(format!("help{}.txt", words.iter().map(|word| format!("-{word}")).collect::<String>()));
        // What clap leaves at the end of a line is nothing that anybody sees.
        let help: String = help(&words).lines().map(|line| format!("{}\n", line.trim_end())).collect();
        if update {
            fs::write(&path, &help).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            help == expected,
            "{} differs: run the tests with UPDATE=1, and read what changes.\n{help}",
            path.display()
        );
        names.push(path);
    }
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let is_help = path.extension().is_some_and(|extension| extension == "txt");
        assert!(!is_help || names.contains(&path), "there is no command for {}", path.display());
    }
}

#[test]
fn help_and_prose_use_the_words_of_the_house() {
    let mut texts: Vec<(String, String)> =
        commands().into_iter().map(|words| (format!("tieout {}", words.join(" ")), help(&words))).collect();
    let all: String = texts.iter().map(|(_, text)| text.as_str()).collect();
    for word in ["invoices", "settlement records", "discrepancies", "rejected", "ties out", "Exit codes"] {
        assert!(all.contains(word), "no help text says {word:?}");
    }
    for file in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        texts.extend(fs::read_to_string(path).ok().map(|text| (file.to_owned(), text)));
    }
    for (place, text) in texts {
        // What stands in backquotes is a name of something else, such as a tool.
        let prose = text.split('`').step_by(2).collect::<Vec<_>>().join(" ").to_lowercase();
        let words: Vec<&str> = prose.split(|c: char| !c.is_alphanumeric()).collect();
        for banned in ["break", "breaks", "exception", "exceptions", "diff", "diffs"] {
            assert!(!words.contains(&banned), "{place} says {banned:?}: it is a discrepancy");
        }
    }
}

#[test]
fn the_exit_code_is_the_verdict() {
    let setup = Setup::small();
    assert_eq!(setup.reconcile(&[]).code, Some(0));
    setup.edit("records.csv", "325.00", "325.01");
    let outcome = setup.reconcile(&[]);
    assert_eq!(outcome.code, Some(0), "a cent is tolerated");
    assert!(outcome.stdout.contains("1 matched, 1 within tolerance, 0 discrepancies"), "{}", outcome.stdout);
    setup.edit("records.csv", "325.01", "325.02");
    assert_eq!(setup.reconcile(&[]).code, Some(1), "two are not");
    setup.edit("records.csv", "325.02", "a lot");
    assert_eq!(setup.reconcile(&[]).code, Some(3));
    assert_eq!(setup.reconcile(&["--allow-rejects", "1"]).code, Some(1), "its invoice has no record now");
    assert_eq!(setup.reconcile(&["--period", "never"]).code, Some(2));

    for (arguments, says) in [
        (&["recncile"][..], "tip: a similar subcommand exists: 'reconcile'"),
        (&["reconcile", "--perod", "2026"], "--period"),
        (&[], "Usage: tieout"),
    ] {
        let outcome = run(arguments);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(outcome.stderr.contains(says), "{arguments:?}: {}", outcome.stderr);
    }
    let version = run(&["--version"]);
    assert_eq!(
        (version.code, version.stdout),
        (Some(0), concat!("tieout ", env!("CARGO_PKG_VERSION"), "\n").to_owned())
    );
}

#[test]
fn results_go_to_stdout_and_nothing_else_goes_anywhere() {
    let setup = eventful();
    let outcome = setup.reconcile(&[]);
    assert_eq!(outcome.code, Some(1));
    assert_eq!(outcome.stderr, "", "no progress where nobody watches");
    assert!(!outcome.stdout.contains('\u{1b}'), "no colours in a pipe: {}", outcome.stdout);
    for line in [
        "1 matched, 1 within tolerance, 2 discrepancies (1 amount, 1 unsettled), 1 row",
        "rejected invoices/alfa.csv:6, column \"Total\"",
        "wrote reports/discrepancies.csv",
        "wrote reports/summary.json",
    ] {
        assert!(outcome.stdout.contains(line), "{line:?} is not in {}", outcome.stdout);
    }
    let is_table = |line: &&str| line.starts_with([' ', '─', '═']);
    let mut table = outcome.stdout.lines().filter(is_table);
    assert!(table.all(|line| line.chars().count() <= 100), "as wide as COLUMNS says");

    let limited = setup.reconcile(&["--limit", "1"]).stdout;
    assert!(limited.contains("… and 1 more: see the report"), "{limited}");

    for arguments in [&["--quiet"][..], &["--quiet", "--allow-rejects", "0"]] {
        let quiet = setup.reconcile(arguments);
        assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""), "{arguments:?}");
    }
    let quiet = setup.reconcile(&["--quiet", "--period", "never"]);
    assert_eq!((quiet.code, quiet.stdout.as_str()), (Some(2), ""));
    assert!(quiet.stderr.starts_with("error: "), "but errors are always said: {}", quiet.stderr);
}

#[test]
fn a_json_log_is_one_object_to_a_line() {
    let setup = eventful();
    let plain = setup.reconcile(&[]);
    for (arguments, code, message) in [
        (&["--log", "json"][..], 1, "run finished"),
        (&["--log", "json", "--quiet"], 1, "run finished"),
        (&["--log", "json", "--period", "never"], 2, "run failed"),
        (&["--log", "json", "--output", "records.csv"], 2, "run failed"),
    ] {
        let outcome = setup.reconcile(arguments);
        assert_eq!(outcome.code, Some(code), "{arguments:?}: {}", outcome.stderr);
        let events: Vec<serde_json::Value> = outcome
            .stderr
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect();
        let last = events.last().unwrap();
        assert_eq!(last["message"], message, "{arguments:?}");
        assert!(events.iter().all(|event| event["level"].is_string() && event["timestamp"].is_string()));
        if code == 1 {
            assert_eq!((&last["discrepancies"], &last["rejected"]), (&2.into(), &1.into()), "{last}");
            assert_eq!(outcome.stdout, if arguments.len() == 2 { plain.stdout.as_str() } else { "" });
        } else {
            assert!(last["fault"].as_str().unwrap().contains("\n  "), "{last}");
        }
    }
    let text = setup.reconcile(&["--log", "text"]);
    assert!(text.stderr.contains("INFO") && !text.stderr.contains('\u{1b}'), "{}", text.stderr);
}

#[test]
fn a_reader_that_goes_away_does_not_change_the_verdict() {
    let setup = eventful();
    let verdict = |stdout: Stdio| {
        let mut child = setup.command(&[]).stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
        let code = child.wait().unwrap().code();
        assert_eq!(std::io::read_to_string(child.stderr.take().unwrap()).unwrap(), "");
        code
    };
    // Gone before the first byte, as after `| head -0`.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(verdict(writer.into()), Some(1));
    if let Ok(full) = fs::File::options().write(true).open("/dev/full") {
        assert_eq!(verdict(full.into()), Some(1));
    }
    assert_eq!(setup.files("reports").len(), 5, "the reports are there all the same");
    // Help for nobody is no failure either, and an error that nobody hears is one still.
    for (arguments, code) in [(&["--help"][..], 0), (&["reconcile", "--config", "nowhere.toml"], 2)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = tieout();
        command.args(arguments).stdout(writer.try_clone().unwrap()).stderr(writer);
        assert_eq!(command.status().unwrap().code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let setup = eventful();
    assert_eq!(setup.reconcile(&[]).code, Some(1));
    let first = setup.files("reports");
    let names: Vec<_> = first.iter().map(|(path, _)| path.to_str().unwrap()).collect();
    assert_eq!(
        names,
        ["discrepancies.csv", "discrepancies.json", "documents.csv", "rejects.csv", "summary.json"]
            .map(|name| format!("reports/{name}")),
        "and no other file is left"
    );
    // Whatever the machine's own zone, its language and its number of processors.
    for (variable, value) in [("TZ", "Asia/Tokyo"), ("LC_ALL", "de_DE.UTF-8"), ("RAYON_NUM_THREADS", "1")] {
        let outcome: Outcome = setup.command(&[]).env(variable, value).output().unwrap().into();
        assert_eq!(outcome.code, Some(1));
        assert_eq!(setup.files("reports"), first, "{variable}={value}");
    }
    // From wherever it is started: paths in tieout.toml start at its own folder.
    let parent = setup.folder().parent().unwrap();
    let relative = Path::new(setup.folder().file_name().unwrap()).join("tieout.toml");
    for (directory, config) in [
        (parent, relative),
        (Path::new("/"), setup.path("tieout.toml")),
        (&setup.path("invoices"), "../tieout.toml".into()),
    ] {
        fs::remove_dir_all(setup.path("reports")).unwrap();
        let mut command = tieout();
        command.current_dir(directory).arg("reconcile").arg("--config").arg(&config);
        assert_eq!(command.output().unwrap().status.code(), Some(1), "{config:?}");
        assert_eq!(setup.files("reports"), first, "{config:?}");
    }
    // A path that is given by hand starts where the hand is.
    let mut command = tieout();
    command.current_dir(setup.path("invoices")).args([
        "reconcile",
        "-c",
        "../tieout.toml",
        "-o",
        "../else/where",
    ]);
    assert_eq!(command.output().unwrap().status.code(), Some(1));
    let contents =
        |files: Vec<(PathBuf, Vec<u8>)>| files.into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>();
    assert_eq!(contents(setup.files("else/where")), contents(first));
}

#[test]
fn whoever_reads_a_report_finds_it_whole() {
    use std::sync::atomic::{AtomicBool, Ordering};

    let setup = eventful();
    let mut versions = Vec::new();
    for amount in ["619.00", "618.00"] {
        setup.edit("records.csv", "619.00", amount);
        assert_eq!(setup.reconcile(&[]).code, Some(1));
        versions.push(setup.read("reports/discrepancies.csv"));
    }
    assert_ne!(versions[0], versions[1]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut looks = 0;
            while !stop.load(Ordering::Relaxed) {
                assert!(versions.contains(&setup.read("reports/discrepancies.csv")));
                looks += 1;
            }
            looks
        });
        for round in 0..10 {
            let amounts = ["618.00", "619.00"];
            setup.edit("records.csv", amounts[round % 2], amounts[(round + 1) % 2]);
            assert_eq!(setup.reconcile(&[]).code, Some(1));
        }
        stop.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
}
