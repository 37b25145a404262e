//! File arguments lead nowhere but into the folders that they may, and nowhere special in there.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;
use tieout::serve::roots::Roots;

/// `base/data` and `base/more` are roots; `base/secret.csv` and `base/tieout.toml` lie outside.
struct House {
    folder: TempDir,
    roots: Roots,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("data/tieout.toml", "x"),
            ("data/invoices/a.csv", "a"),
            ("data/.env", "secret"),
            ("data/audit/audit.jsonl", "{}"),
            ("data/tls/key.pem", "key"),
            ("data/tls/chain.pem", "chain"),
            ("more/b.csv", "b"),
            ("more/.kept/c.csv", "c"),
            ("secret.csv", "secret"),
            ("tieout.toml", "x"),
        ] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let roots = ["data", "more", "more/.kept"].map(PathBuf::from);
        let closed = ["data/audit", "data/tls/key.pem", "data/later.pem"].map(PathBuf::from);
        let roots = Roots::new(folder.path(), &roots, &closed).unwrap();
        Self { folder, roots }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    fn read(&self, given: impl AsRef<Path>) -> Result<PathBuf, &'static str> {
        self.roots.read(given.as_ref()).map_err(|refused| refused.reason)
    }

    fn write(&self, given: impl AsRef<Path>) -> Result<PathBuf, &'static str> {
        self.roots.write(given.as_ref()).map_err(|refused| refused.reason)
    }
}

#[test]
fn what_lies_below_a_root_is_found_and_what_does_not_is_refused() {
    let house = House::new();
    for (given, place) in [
        ("invoices/a.csv", "data/invoices/a.csv"),
        ("./invoices//a.csv", "data/invoices/a.csv"),
        ("invoices", "data/invoices"),
        ("b.csv", "more/b.csv"),
        ("c.csv", "more/.kept/c.csv"),
        ("tls/chain.pem", "data/tls/chain.pem"),
    ] {
        assert_eq!(house.read(given), Ok(house.path(place)), "{given}");
        assert_eq!(house.read(house.path(place)), Ok(house.path(place)));
    }
    for (given, reason) in [
        ("", "path-empty"),
        ("a\0.csv", "path-nul"),
        ("../secret.csv", "path-parent"),
        ("invoices/../../secret.csv", "path-parent"),
        // Not even where it would lead back.
        ("invoices/../invoices/a.csv", "path-parent"),
        ("/etc/passwd", "path-outside"),
        ("/etc/no-such-file", "path-outside"),
        ("/etc/passwd/x", "path-outside"),
        ("/", "path-outside"),
        ("invoices/a.csv/b", "path-outside"),
        ("nowhere.csv", "path-missing"),
        (".env", "path-closed"),
        ("audit/audit.jsonl", "path-closed"),
        ("audit", "path-closed"),
        ("audit/none", "path-closed"),
        ("tls/key.pem", "path-closed"),
        ("later.pem", "path-closed"),
    ] {
        assert_eq!(house.read(given), Err(reason), "{given:?}");
        if reason != "path-missing" {
            assert_eq!(house.write(given), Err(reason), "{given:?}");
        }
    }
    assert_eq!(house.read(house.path("secret.csv")), Err("path-outside"));
    let fault = house.roots.read(Path::new("../\u{1b}[2J")).unwrap_err().fault().to_string();
    assert!(fault.contains("the path goes up with ..\n  found: ../\\u{1b}[2J\n  expected: "), "{fault}");
}

#[test]
fn a_configuration_is_one_that_is_listed_and_no_tool_writes_any() {
    let house = House::new();
    fs::write(house.path("data/other.toml"), "x").unwrap();
    let roots = house.roots.clone().with_configurations(&["tieout.toml".into(), "data/tieout.toml".into()]);
    let roots = roots.unwrap();
    let configuration = |given: &str| roots.configuration(Path::new(given)).map_err(|refused| refused.reason);
    // By the folder of the server's own, outside of a root or not, and however it is written.
    for (given, place) in [
        ("tieout.toml", "tieout.toml"),
        ("data/tieout.toml", "data/tieout.toml"),
        ("./data/../data//tieout.toml", "data/tieout.toml"),
    ] {
        assert_eq!(configuration(given), Ok(house.path(place)), "{given}");
    }
    assert_eq!(configuration(house.path("tieout.toml").to_str().unwrap()), Ok(house.path("tieout.toml")));
    for given in
        ["data/other.toml", "other.toml", "data/invoices/a.csv", "data", "", "../tieout.toml", "a\0.toml"]
    {
        assert_eq!(configuration(given), Err("path-configuration"), "{given:?}");
    }
    let missing = house.roots.clone().with_configurations(&["none.toml".into()]).unwrap_err().to_string();
    assert!(missing.starts_with("[serve] configurations: the configuration cannot be found"), "{missing}");
    // Over one that is there, or a new one: it could name programs to run.
    for given in ["tieout.toml", "new.toml", "invoices/New.TOML"] {
        assert_eq!(house.write(given), Err("path-toml"), "{given}");
    }
    assert_eq!(house.write("reports/new/out.csv"), Ok(house.path("data/reports/new/out.csv")));
    assert_eq!(house.write("b.csv"), Ok(house.path("more/b.csv")), "over the file that is read by this name");
    assert_eq!(house.write(house.path("more/new.csv")), Ok(house.path("more/new.csv")));
    assert!(!house.path("data/reports").exists());
}

#[cfg(unix)]
#[test]
fn no_link_leads_out_and_nothing_special_is_opened() {
    use std::os::unix::fs::symlink;

    let house = House::new();
    let link = |to: &Path, name: &str| symlink(to, house.path(name)).unwrap();
    link(&house.path("secret.csv"), "data/out.csv");
    link(Path::new("../secret.csv"), "data/relative.csv");
    link(house.folder.path(), "data/up");
    link(&house.path("data/up"), "data/twice");
    link(Path::new("/etc"), "data/etc");
    link(&house.path("new-outside.csv"), "data/dangling.csv");
    link(&house.path("new-outside"), "data/dangling");
    link(&house.path("data/loop"), "data/loop");
    link(Path::new("/dev"), "data/dev");
    for given in
        ["out.csv", "relative.csv", "up/secret.csv", "twice/secret.csv", "etc/passwd", "up", "dev/null"]
    {
        assert_eq!(
            (house.read(given), house.write(given)),
            (Err("path-outside"), Err("path-outside")),
            "{given}"
        );
    }
    // What is not there yet would be made where the link leads.
    for given in ["dangling.csv", "dangling/new.csv", "up/new.csv", "twice/new/er.csv", "loop", "loop/x"] {
        assert_eq!(house.write(given), Err("path-outside"), "{given}");
    }
    // Links that stay inside are followed, and what they stand for counts.
    link(&house.path("data/invoices"), "data/bills");
    link(&house.path("more"), "data/elsewhere");
    link(&house.path("data/.env"), "data/environment");
    link(&house.path("data/tls/key.pem"), "data/key.csv");
    link(&house.path("data/tieout.toml"), "data/out.txt");
    assert_eq!(house.read("bills/a.csv"), Ok(house.path("data/invoices/a.csv")));
    assert_eq!(house.read("elsewhere/b.csv"), Ok(house.path("more/b.csv")));
    assert_eq!((house.read("environment"), house.read("key.csv")), (Err("path-closed"), Err("path-closed")));
    assert_eq!(house.write("out.txt"), Err("path-toml"));

    let pipe = house.path("data/pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(house.path("data/socket")).unwrap();
    for given in ["pipe", "socket"] {
        assert_eq!(
            (house.read(given), house.write(given)),
            (Err("path-special"), Err("path-special")),
            "{given}"
        );
    }
}

#[test]
fn roots_are_folders_that_are_there() {
    let house = House::new();
    for (roots, says) in [
        (vec![], "there is no folder for file arguments"),
        (vec!["nowhere"], "the folder cannot be found"),
        (vec!["data", "secret.csv"], "this is no folder"),
    ] {
        let roots: Vec<PathBuf> = roots.into_iter().map(PathBuf::from).collect();
        let fault = Roots::new(house.folder.path(), &roots, &[]).unwrap_err().to_string();
        assert!(fault.starts_with("[serve] roots: ") && fault.contains(says), "{fault}");
    }
}

proptest! {
    /// Whatever is given, what is handed on lies below a root, and is not one of the closed places.
    #[test]
    fn whatever_is_given_nothing_leads_out(parts in prop::collection::vec(
        prop::sample::select(vec!["..", ".", "/", "data", "more", "invoices", "a.csv", "up", "tls", "key.pem", "audit",
            ".env", "secret.csv", "new", "\0", "etc", "~", "$HOME", "..\\"]), 1..8),
        top in any::<bool>())
    {
        static HOUSE: std::sync::LazyLock<House> = std::sync::LazyLock::new(|| {
            let house = House::new();
            #[cfg(unix)]
            std::os::unix::fs::symlink(house.folder.path(), house.path("data/up")).unwrap();
            house
        });
        let given = format!("{}{}", if top { HOUSE.path("").display().to_string() } else { String::new() }, parts.join("/"));
        for place in [HOUSE.read(&given), HOUSE.write(&given)].into_iter().flatten() {
            let inside = ["data", "more"].iter().any(|root| place.starts_with(HOUSE.path(root)));
            let closed = ["data/audit", "data/tls/key.pem", "data/.env"].iter().any(|name| place.starts_with(HOUSE.path(name)));
            prop_assert!(inside && !closed, "{given:?} leads to {place:?}");
            prop_assert!(!place.components().any(|part| part == std::path::Component::ParentDir));
        }
    }
}
