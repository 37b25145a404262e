//! The audit log: whole whatever happens to the server, and found out whatever happens to the log.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tieout::digest::hexadecimal;
use tieout::fault::Kind;
use tieout::serve::audit::{AuditSettings, Decision, Line, Sink, TroubleKind, Verified, verify};

use super::support::{Outcome, tieout};

const DAY: Duration = Duration::from_secs(86_400);
const LARGE: u64 = 1 << 30;

fn line(id: &str) -> Line {
    Line {
        request_id: id.to_owned(),
        decision: Decision::Allowed,
        outcome: "ok".to_owned(),
        ..Line::of_call("inspect_file", &json!({ "file": "a.csv", "password": "hunter2" }))
    }
}

fn log(folder: &Path) -> PathBuf {
    folder.join("audit/audit.jsonl")
}

/// The files of a log, the oldest first.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder.join("audit"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect();
    // `audit-2026…` before `audit.jsonl`, as a shell sorts them.
    files.sort();
    files
}

fn found(folder: &Path) -> Verified {
    verify(&files(folder), &[]).unwrap()
}

fn lines(folder: &Path) -> Vec<Value> {
    let text: String = files(folder).iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A log of two days, a restart and a torn line: eight lines and a piece, in two files.
struct Chain {
    folder: TempDir,
    files: Vec<(PathBuf, Vec<u8>)>,
}

static CHAIN: LazyLock<Chain> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let path = log(folder.path());
    let sink = Sink::open(&path, LARGE).unwrap();
    sink.record(line("one")).unwrap();
    sink.record(line("two")).unwrap();
    let tomorrow = SystemTime::now() + DAY;
    for id in ["three", "four"] {
        sink.record(Line { time: tomorrow, ..line(id) }).unwrap();
    }
    drop(sink);
    let mut torn = fs::read(&path).unwrap();
    torn.extend_from_slice(b"{\"number\":6,\"time\":\"20");
    fs::write(&path, torn).unwrap();
    let sink = Sink::open(&path, LARGE).unwrap();
    sink.record(line("five")).unwrap();
    drop(sink);
    let files =
        files(folder.path()).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    Chain { folder, files }
});

impl Chain {
    /// All lines of both files, the piece among them.
    fn lines(&self) -> Vec<Vec<u8>> {
        let split = |(_, bytes): &(PathBuf, Vec<u8>)| -> Vec<Vec<u8>> {
            bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
        };
        self.files.iter().flat_map(split).collect()
    }

    fn last_hash(&self) -> String {
        found(self.folder.path()).last_hash.unwrap()
    }
}

/// What is found in lines, all in one file.
fn found_in(lines: &[Vec<u8>], anchors: &[String]) -> Verified {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    fs::write(&path, lines.concat()).unwrap();
    verify(&[path], anchors).unwrap()
}

/// What is wrong, and with which line of the file.
fn wrong(found: &Verified) -> Vec<(TroubleKind, u64)> {
    assert_eq!(found.whole, found.troubles.is_empty());
    found.troubles.iter().map(|trouble| (trouble.kind, trouble.place.line)).collect()
}

#[test]
fn a_log_is_what_its_documentation_says() {
    let folder = CHAIN.folder.path();
    let found = found(folder);
    assert_eq!((wrong(&found), found.lines, found.torn.len()), (vec![], 9, 1));
    assert_eq!((found.first_number, found.last_number), (Some(1), Some(8)));
    // An independent check of every line that is one.
    let mut previous = "0".repeat(64);
    let mut events = Vec::new();
    for bytes in CHAIN.lines() {
        let text = String::from_utf8(bytes).unwrap();
        let Ok(line) = serde_json::from_str::<Value>(&text) else { continue };
        let (signed, _) = text.split_once(",\"hash\":").unwrap();
        assert_eq!(line["hash"], hexadecimal(&Sha256::digest(signed)));
        assert_eq!(line["previous"], previous);
        previous = line["hash"].as_str().unwrap().to_owned();
        events.push(line["event"].as_str().unwrap().to_owned());
        assert!(!text.contains("hunter2"));
    }
    assert_eq!(events, ["begun", "call", "call", "call", "call", "torn", "started", "call"]);
    let names: Vec<String> =
        CHAIN.files.iter().map(|(path, _)| path.file_name().unwrap().to_string_lossy().into()).collect();
    assert_eq!(names.len(), 2);
    assert!(names[0].starts_with("audit-20") && names[0].ends_with("Z-000000000001.jsonl"), "{names:?}");
    #[cfg(unix)]
    for entry in fs::read_dir(folder.join("audit")).unwrap() {
        use std::os::unix::fs::PermissionsExt as _;
        let entry = entry.unwrap();
        // The torn file was written by this test, over the one that was there.
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
}

#[test]
fn any_byte_that_changes_is_found_where_it_is() {
    let lines = CHAIN.lines();
    for (at, line) in lines.iter().enumerate() {
        for byte in 0..line.len() {
            // Another character, or a line feed where there is none.
            for change in [0x01, line[byte] ^ b'\n'].into_iter().filter(|change| *change != 0) {
                let mut lines = lines.clone();
                lines[at][byte] ^= change;
                let found = found_in(&lines, &[]);
                let place = u64::try_from(at + 1).unwrap();
                assert!(
                    wrong(&found).iter().any(|(_, line)| *line == place),
                    "byte {byte} of line {place} by {change}: {found:?}"
                );
            }
        }
    }
}

#[test]
fn what_is_done_to_lines_is_named_with_its_number() {
    use TroubleKind::{AnchorMissing, Changed, CutOff, Missing, OutOfPlace, Replaced, Unreadable};

    let lines = CHAIN.lines();
    let check = |edit: &dyn Fn(&mut Vec<Vec<u8>>), expected: &[(TroubleKind, u64)], says: &str| {
        let mut lines = lines.clone();
        edit(&mut lines);
        let found = found_in(&lines, &[]);
        assert_eq!(wrong(&found), expected, "{:?}", found.troubles);
        let text: Vec<String> = found.troubles.iter().map(ToString::to_string).collect();
        assert!(text.iter().any(|text| text.contains(says)), "{says}: {text:?}");
    };
    check(&|lines| drop(lines.remove(2)), &[(Missing, 3)], "a.jsonl:3: line 3 is missing before line 4");
    check(&|lines| drop(lines.drain(1..4)), &[(Missing, 2)], "lines 2 to 4 are missing before line 5");
    check(
        &|lines| lines.swap(1, 2),
        &[(Missing, 2), (OutOfPlace, 3)],
        "line 2 stands where line 4 was to come",
    );
    check(&|lines| lines.insert(3, lines[1].clone()), &[(OutOfPlace, 4)], "it was moved, or is there twice");
    check(&|lines| lines.insert(3, b"{}\n".to_vec()), &[(Unreadable, 4)], "a.jsonl:4: this is no line");
    check(
        &|lines| {
            let text = String::from_utf8(lines[2].clone()).unwrap();
            lines[2] = text.replace("allowed", "denied").into_bytes();
        },
        &[(Changed, 3)],
        "line 3 was changed",
    );
    // Whoever knows how makes the hash anew, and the next line tells.
    check(
        &|lines| {
            let text = String::from_utf8(lines[2].clone()).unwrap().replace("allowed", "denied");
            let (signed, _) = text.split_once(",\"hash\":").unwrap();
            let hash = hexadecimal(&Sha256::digest(signed));
            lines[2] = format!("{signed},\"hash\":\"{hash}\"}}\n").into_bytes();
        },
        &[(Replaced, 4)],
        "line 4 does not follow line 3: one of the two was put in or written anew",
    );
    // The piece that a crash left, and the line that owns up to it, belong together.
    check(&|lines| drop(lines.remove(5)), &[(Missing, 6)], "what line 6 says was torn is not before it");
    check(&|lines| drop(lines.remove(6)), &[(Unreadable, 6)], "this is no line");
    check(&|lines| assert!(lines.last_mut().unwrap().pop().is_some()), &[(CutOff, 9)], "the line is cut off");
    // From inside nobody sees that the end is missing; with a hash that was kept elsewhere, anybody.
    let kept = [CHAIN.last_hash()];
    let shorter = &lines[..7];
    assert!(found_in(shorter, &[]).whole && found_in(&lines, &kept).whole);
    assert_eq!(wrong(&found_in(shorter, &kept)), [(AnchorMissing, 8)]);
    // Files in another order, one of them missing, one that is there twice.
    let paths: Vec<PathBuf> = CHAIN.files.iter().map(|(path, _)| path.clone()).collect();
    let of = |files: &[usize]| {
        let files: Vec<PathBuf> = files.iter().map(|at| paths[*at].clone()).collect();
        let found = verify(&files, &[]).unwrap();
        found.troubles.iter().map(|trouble| trouble.kind).collect::<Vec<_>>()
    };
    assert_eq!(
        (of(&[0, 1]), of(&[1]), of(&[1, 0]), of(&[0, 0, 1])),
        (vec![], vec![], vec![OutOfPlace], vec![OutOfPlace])
    );
    assert_eq!(verify(&[PathBuf::from("/nowhere.jsonl")], &[]).unwrap_err().kind(), Kind::Input);
}

/// Eight lines that nothing has happened to.
static PLAIN: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let sink = Sink::open(&log(folder.path()), LARGE).unwrap();
    (0..7).for_each(|call| sink.record(line(&call.to_string())).unwrap());
    let bytes = fs::read(log(folder.path())).unwrap();
    bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Lines taken out, doubled and shuffled: whole means that a stretch of the chain is there, in order.
    #[test]
    fn nothing_but_a_stretch_of_the_chain_is_whole(picks in prop::collection::vec(0_usize..8, 1..12)) {
        let all = PLAIN.as_slice();
        let lines: Vec<Vec<u8>> = picks.iter().map(|at| all[*at].clone()).collect();
        let is_stretch = picks.windows(2).all(|pair| pair[1] == pair[0] + 1);
        prop_assert_eq!(found_in(&lines, &[]).whole, is_stretch);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// A crash may leave any part of what was being written, or zeros in its place.
    #[test]
    fn a_log_that_was_cut_anywhere_goes_on_and_says_what_was_torn(cut in 1_usize..4000, zeros in 0_usize..40) {
        let folder = tempfile::tempdir().unwrap();
        let path = log(folder.path());
        let sink = Sink::open(&path, LARGE).unwrap();
        for id in ["one", "two", "three"] {
            sink.record(line(id)).unwrap();
        }
        drop(sink);
        let whole = fs::read(&path).unwrap();
        let cut = cut % whole.len() + 1;
        let mut bytes = whole[..cut].to_vec();
        bytes.extend(vec![0; zeros]);
        fs::write(&path, &bytes).unwrap();
        let sink = Sink::open(&path, LARGE).unwrap();
        sink.record(line("four")).unwrap();
        drop(sink);
        let found = found(folder.path());
        prop_assert!(found.whole, "{:?}", found);
        // A line is whole with its line feed or without, as long as nothing else stands there.
        let at_end = bytes.ends_with(b"\n") || bytes.ends_with(b"\"}");
        prop_assert_eq!(found.torn.len(), usize::from(!at_end));
        prop_assert!(fs::read(&path).unwrap().starts_with(&bytes), "nothing is taken away");
        // Not a byte of the piece can be changed any more.
        if let Some(place) = found.torn.first() {
            let mut bytes = fs::read(&path).unwrap();
            bytes[cut + zeros - 1] ^= 1;
            fs::write(&path, bytes).unwrap();
            let troubles = verify(&[path], &[]).unwrap().troubles;
            prop_assert_eq!(troubles.first().map(|trouble| &trouble.place), Some(place));
        }
    }
}

#[test]
fn what_is_torn_stays_with_the_line_that_says_so_whatever_the_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = log(folder.path());
    let sink = Sink::open(&path, LARGE).unwrap();
    sink.record(line("one")).unwrap();
    drop(sink);
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend_from_slice(&bytes.clone()[..300]);
    fs::write(&path, &bytes).unwrap();
    let sink = Sink::open(&path, 1).unwrap();
    sink.record(line("two")).unwrap();
    drop(sink);
    let found = found(folder.path());
    assert_eq!((wrong(&found), found.torn.len()), (vec![], 1));
    assert_eq!(files(folder.path()).len(), 2, "and then a new one is begun");
}

#[test]
fn many_at_once_write_one_chain_of_many_files() {
    let folder = tempfile::tempdir().unwrap();
    // Some ten lines to a file.
    let sink = Sink::open(&log(folder.path()), 6000).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..16 {
            let sink = &sink;
            scope.spawn(move || {
                (0..20).for_each(|call| sink.record(line(&format!("{writer}-{call}"))).unwrap())
            });
        }
    });
    let found = found(folder.path());
    assert_eq!((wrong(&found), found.lines), (vec![], 16 * 20 + 1));
    assert!(files(folder.path()).len() > 10);
    let ids: Vec<String> =
        lines(folder.path()).iter().map(|line| line["request_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "each is there once");
    // Whoever waits for his line before he makes the next finds them in that order.
    for writer in 0..16 {
        let own: Vec<&String> = ids.iter().filter(|id| id.starts_with(&format!("{writer}-"))).collect();
        assert_eq!(
            own,
            (0..20).map(|call| format!("{writer}-{call}")).collect::<Vec<_>>().iter().collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_log_has_one_writer_and_is_begun_over_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = log(folder.path());
    let first = Sink::open(&path, LARGE).unwrap();
    let second = Sink::open(&path, LARGE).err().unwrap();
    assert_eq!(second.kind(), Kind::Configuration);
    assert!(second.to_string().contains("another server writes this audit log"), "{second}");
    drop(first);
    drop(Sink::open(&path, LARGE).unwrap());
    assert!(found(folder.path()).whole);

    let other = folder.path().join("invoices.csv");
    fs::write(&other, "a,b\n1,2\n").unwrap();
    let foreign = Sink::open(&other, LARGE).err().unwrap();
    assert!(foreign.to_string().contains("this is no audit log of tieout"), "{foreign}");
    assert_eq!(fs::read_to_string(&other).unwrap(), "a,b\n1,2\n");
    #[cfg(unix)]
    {
        let link = folder.path().join("link.jsonl");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(Sink::open(&link, LARGE).is_err());
    }
    let settings = AuditSettings { rotate_bytes: "many".into(), ..AuditSettings::default() };
    assert!(
        settings.open(folder.path()).err().unwrap().to_string().starts_with("[serve.audit] rotate_bytes: ")
    );
}

#[test]
fn a_file_that_was_put_aside_is_gone_on_from_and_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = log(folder.path());
    let sink = Sink::open(&path, LARGE).unwrap();
    sink.record(line("one")).unwrap();
    // The name that the file would get is taken.
    let begun = lines(folder.path())[0]["time"].as_str().unwrap()[..19].replace(':', "");
    let aside = folder.path().join(format!("audit/audit-{begun}Z-000000000001.jsonl"));
    fs::write(&aside, "mine").unwrap();
    let tomorrow = || Line { time: SystemTime::now() + DAY, ..line("two") };
    let fault = sink.record(tomorrow()).unwrap_err();
    assert!(fault.to_string().contains("is in the way"), "{fault}");
    assert_eq!(fs::read_to_string(&aside).unwrap(), "mine");
    fs::remove_file(&aside).unwrap();
    sink.record(tomorrow()).unwrap();
    drop(sink);
    // The server ends between putting one file aside and beginning the next.
    fs::remove_file(&path).unwrap();
    drop(Sink::open(&path, LARGE).unwrap());
    let found = found(folder.path());
    assert_eq!((wrong(&found), found.last_number, files(folder.path()).len()), (vec![], Some(3), 2));
}

#[test]
fn while_it_cannot_be_written_every_line_fails_and_then_it_says_how_many() {
    let folder = tempfile::tempdir().unwrap();
    let path = log(folder.path());
    let sink = Sink::open(&path, LARGE).unwrap();
    sink.record(line("one")).unwrap();
    // Out of the way, a new file cannot be begun.
    let (here, away) = (folder.path().join("audit"), folder.path().join("away"));
    fs::rename(&here, &away).unwrap();
    let tomorrow = |id| Line { time: SystemTime::now() + DAY, ..line(id) };
    for _ in 0..3 {
        let fault = sink.record(tomorrow("lost")).unwrap_err();
        assert_eq!(fault.kind(), Kind::Output);
        assert!(!sink.is_well() && sink.check().is_err());
    }
    fs::rename(&away, &here).unwrap();
    assert!(sink.check().is_ok() && sink.is_well());
    sink.record(tomorrow("two")).unwrap();
    assert!(found(folder.path()).whole);
    let lines = lines(folder.path());
    let resumed = &lines[2];
    assert_eq!(
        (&resumed["event"], &resumed["arguments"]["lines_not_written"]),
        (&json!("resumed"), &json!(3))
    );
    assert_eq!((lines.len(), &lines[3]["request_id"]), (4, &json!("two")));
}

/// The tests below start this very binary as a server that writes to this log.
#[cfg(target_os = "linux")]
const LOG: &str = "TIEOUT_TEST_AUDIT_LOG";

#[cfg(target_os = "linux")]
fn server(test: &str, path: &Path) -> std::process::Command {
    // More than a small limit on the size of files; the signal that comes with it is not to end the server.
    let limited = r#"trap "" XFSZ; ulimit -f 16; exec "$0" "$@""#;
    let mut command = std::process::Command::new("sh");
    command.args(["-c", if test.ends_with("small_disk") { limited } else { r#"exec "$0" "$@""# }]);
    command.arg(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("serve_audit::{test}"), "--ignored", "--nocapture"]).env(LOG, path);
    command
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "a server that is killed, started by another test"]
fn server_without_end() {
    let Some(path) = std::env::var_os(LOG) else { return };
    // Small files, so that it is killed while it begins one, too.
    let sink = Sink::open(Path::new(&path), 20_000).unwrap();
    let id = std::process::id();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let sink = &sink;
            scope.spawn(move || {
                for call in 0.. {
                    let name = format!("{id}-{writer}-{call}");
                    sink.record(line(&name)).unwrap();
                    // One write, so that no other line gets in between.
                    std::io::Write::write_all(
                        &mut std::io::stdout(),
                        format!("answered {name}\n").as_bytes(),
                    )
                    .unwrap();
                }
            });
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_that_is_killed_has_every_line_that_it_answered_by() {
    use std::io::{BufRead as _, BufReader};

    let folder = tempfile::tempdir().unwrap();
    let path = log(folder.path());
    let mut answered = BTreeSet::new();
    for round in 1..=4 {
        let mut child =
            server("server_without_end", &path).stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next = || {
            let line = lines.next().transpose().ok().flatten()?;
            Some(line.strip_prefix("answered ").map(str::to_owned))
        };
        let enough = answered.len() + 37 * round;
        while answered.len() < enough {
            answered.extend(next().unwrap());
        }
        // SIGKILL, in the middle of whatever it does.
        child.kill().unwrap();
        while let Some(name) = next() {
            answered.extend(name);
        }
        child.wait().unwrap();
    }
    drop(Sink::open(&path, LARGE).unwrap());
    let found = found(folder.path());
    assert!(found.whole, "{:?}", found.troubles);
    let text: String = files(folder.path()).iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let missing: Vec<&String> =
        answered.iter().filter(|name| !text.contains(&format!("\"{name}\""))).collect();
    assert!(missing.is_empty() && answered.len() > 300, "{missing:?}");
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "a server whose disk is small, started by another test"]
fn server_with_a_small_disk() {
    let Some(path) = std::env::var_os(LOG) else { return };
    let sink = Sink::open(Path::new(&path), LARGE).unwrap();
    let failed = (0..1000).find_map(|call| sink.record(line(&call.to_string())).err()).unwrap();
    assert!(failed.to_string().contains("File too large"), "{failed}");
    // For as long as it is full, nothing goes; not even a look.
    assert!(sink.record(line("no")).is_err() && sink.check().is_err() && !sink.is_well());
    sink.record(Line { time: SystemTime::now() + DAY, ..line("yes") }).unwrap();
    assert!(sink.is_well());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_keeps_lines_out_leaves_no_piece_of_them_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let output = server("server_with_a_small_disk", &log(folder.path())).output().unwrap();
    let told =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
    let found = found(folder.path());
    assert_eq!((wrong(&found), found.torn.len(), files(folder.path()).len()), (vec![], 0, 2));
    let lines = lines(folder.path());
    let [.., resumed, last] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(
        (&resumed["event"], &resumed["arguments"]["lines_not_written"]),
        (&json!("resumed"), &json!(2))
    );
    assert!(resumed["reason"].as_str().unwrap().contains("File too large"), "{resumed}");
    assert_eq!(last["request_id"], "yes");
}

#[test]
fn the_command_names_what_is_wrong_and_its_exit_code_says_that_something_is() {
    let run = |files: &[&Path], more: &[&str]| -> Outcome {
        tieout().args(["audit", "verify"]).args(files).args(more).output().unwrap().into()
    };
    let [(first, _), (second, bytes)] = CHAIN.files.as_slice() else { panic!("two files") };
    let whole = run(&[first, second], &[]);
    assert_eq!((whole.code, whole.stderr.as_str()), (Some(0), ""));
    for says in
        [":3: torn when", "whole: 9 lines, 20", &format!("ends with line 8, hash {}", CHAIN.last_hash())]
    {
        assert!(whole.stdout.contains(says), "{says}: {}", whole.stdout);
    }
    let alone = run(&[second], &["--anchor", &CHAIN.last_hash()]);
    assert_eq!(alone.code, Some(0));
    assert!(alone.stdout.contains("begins with line 4: those before it end with hash "), "{}", alone.stdout);

    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.jsonl");
    fs::write(&cut, &bytes[..bytes.len() - 5]).unwrap();
    let outcome = run(&[first, &cut], &["--anchor", &CHAIN.last_hash()]);
    assert_eq!(outcome.code, Some(3));
    for says in
        ["cut.jsonl:6: the line is cut off", "no line has the hash ", "not whole, by 2 troubles: 9 lines"]
    {
        assert!(outcome.stdout.contains(says), "{says}: {}", outcome.stdout);
    }
    let json = run(&[first, &cut], &["--json"]);
    let found: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((json.code, &found["whole"], &found["lines"]), (Some(3), &json!(false), &json!(9)));
    assert_eq!(
        (&found["troubles"][0]["kind"], &found["troubles"][0]["line"]),
        (&json!("cut_off"), &json!(6))
    );
    assert_eq!(run(&[], &[]).code, Some(2));
    assert_eq!(run(&[first], &["--anchor", "abc"]).code, Some(2));
    assert_eq!(run(&[Path::new("/nowhere.jsonl")], &[]).code, Some(3));
}
