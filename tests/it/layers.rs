//! The architecture, held to what the source says: who imports whom, which outside package lives where,
//! which rooms see nothing of the world; and that the house is tidy.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The house, from the roof to the ground. A room imports from the rooms named beside it, which stand
/// below it, and from no others.
const ROOMS: &str = "
    cli         → serve operations report progress examination fault
    serve       → operations config period money progress allowance examination digest fault
    operations  → config simulator report sieve judge matching normalise intake platform period money secret progress allowance examination digest fault
    config      → report judge matching normalise intake platform period money secret digest fault
    simulator   → fault
    report      → judge matching normalise period money fault
    sieve       → judge matching normalise intake period spill money fault
    judge       → matching normalise period money fault
    matching    → normalise period money progress
    normalise   → intake period money fault
    intake      → platform spill progress digest fault
    platform    → secret progress allowance examination period digest fault
    period      → fault
    secret      → fault
    spill       → fault
    digest      →
    money       →
    progress    → fault
    allowance   → fault
    examination → fault
    fault       →
";

/// Every package that Cargo.toml depends on, by what it is for, and the rooms that it lives in.
const PACKAGES: &str = "
    what a person types and sees
        clap               → cli operations serve
        comfy-table        → report
        indicatif          → cli
        strsim             → fault
        terminal_size      → cli
        tracing            → cli operations serve platform simulator progress
        tracing-subscriber → cli

    exact decimals, and time zones
        itoa               → money
        jiff               → period simulator
        rust_decimal       → money

    text that becomes types, and types that become text
        csv                → operations report normalise simulator
        rust_xlsxwriter    → operations report
        schemars           → operations report platform money serve examination
        serde              → cli operations serve config report judge matching normalise intake platform period secret money examination
        serde_json         → serve operations report platform simulator
        toml               → config

    files as vendors send them
        calamine           → intake
        cfb                → intake
        csv-core           → intake report
        encoding_rs        → intake platform
        glob               → intake
        memchr             → platform
        quick-xml          → intake platform simulator
        simdutf8           → intake
        wide               → intake
        zip                → intake

    the platform: SOAP over HTTP, TLS and NTLM
        base64             → serve platform simulator
        flate2             → platform simulator
        foldhash           → platform normalise sieve judge report period
        hyper-util         → platform simulator serve
        reqwest            → serve platform
        rustls-platform-verifier → serve platform
        rustls             → serve platform simulator
        sspi               → platform
        x509-parser        → platform serve

    agents, over HTTP and a pipe
        axum               → serve
        axum-server        → serve
        getrandom          → serve
        governor           → serve
        ipnet              → serve
        jsonwebtoken       → serve
        prometheus-client  → serve
        rmcp               → serve
        tokio-util         → serve
        tower-service      → serve

    the platform's other end, for the demo and the tests
        hmac               → simulator
        http-body-util     → simulator serve
        hyper              → simulator
        md-5               → simulator
        md4                → simulator
        rusqlite           → simulator
        tokio              → simulator serve
        tokio-rustls       → simulator

    texts that stand for the same
        regex              → normalise

    millions of entries
        hashbrown          → normalise sieve
        rayon              → operations matching sieve judge report

    care
        anyhow             → operations serve report intake platform simulator fault
        secrecy            → operations platform secret simulator serve
        sha2               → operations serve config judge intake platform simulator
        tempfile           → report platform spill
";

/// Rooms that see nothing of the world: the same inputs give the same outputs, whatever the machine and the hour.
const PURE: [&str; 4] = ["judge", "matching", "period", "money"];

/// What is of the world: files, network, environment, other programs, the clock.
const WORLD: [&str; 6] = ["std::fs", "std::io", "std::net", "std::env", "std::process", "now"];

/// Rooms whose `mod.rs` opens with what comes in, what goes out, and what it never does. (`operations` has as many as it has files.)
const STATIONS: [&str; 12] = [
    "cli",
    "config",
    "serve",
    "simulator",
    "report",
    "sieve",
    "judge",
    "matching",
    "normalise",
    "intake",
    "platform",
    "spill",
];

/// Lines of code that a file may have, without comments, blank lines and tests.
const LONGEST: usize = 700;

/// Package name → the name in paths, where that is not the same with underscores.
const SPELT: [(&str, &str); 1] = [("md-5", "md5")];

const TABLES: &str = "the tables ROOMS and PACKAGES in tests/it/layers.rs are the architecture";

// Reading the tables.

type Table = Vec<(&'static str, BTreeSet<&'static str>)>;

/// Name → the rooms behind its arrow. Lines without an arrow are for people.
fn rows(table: &'static str) -> Table {
    let row = |(name, rooms): (&'static str, &'static str)| (name.trim(), rooms.split_whitespace().collect());
    table.lines().filter_map(|line| line.split_once('→')).map(row).collect()
}

fn spelt(package: &str) -> String {
    let special = SPELT.iter().find(|(name, _)| *name == package).map(|(_, spelt)| (*spelt).to_owned());
    special.unwrap_or_else(|| package.replace('-', "_"))
}

// Reading the source.

/// A file of `src/`.
struct Source {
    /// As messages name it.
    name: String,
    /// The modules that lead to it: `["judge", "kind"]`.
    module: Vec<String>,
    /// As it stands.
    text: String,
    /// Without comments, texts and tests; every line is where it was.
    code: String,
}

impl Source {
    fn room(&self) -> &str {
        &self.module[0]
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// All files of all rooms: all but the door (`main.rs`) and the map (`lib.rs`).
fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut paths = Vec::new();
    files_below(&src, &mut paths);
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let inside = path.strip_prefix(&src).unwrap().with_extension("");
            let mut module: Vec<String> =
                inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            let name = format!("src/{}.rs", module.join("/"));
            if module.len() > 1 && module.last().is_some_and(|last| last == "mod") {
                module.pop();
            }
            let text = fs::read_to_string(&path).unwrap();
            let code = without_tests(&without_comments_and_texts(&text));
            Source { name, module, text, code }
        })
        .filter(|source| !matches!(source.room(), "lib" | "main"))
        .collect()
}

/// `text` with comments and the insides of literals as spaces.
fn without_comments_and_texts(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < chars.len() {
        let end = match (at(i), at(i + 1)) {
            ('/', '/') => (i..).find(|&j| matches!(at(j), '\n' | '\0')).unwrap(),
            ('/', '*') => {
                let (mut depth, mut j) = (1, i + 2);
                while depth > 0 && j < chars.len() {
                    match (at(j), at(j + 1)) {
                        ('/', '*') => (depth, j) = (depth + 1, j + 2),
                        ('*', '/') => (depth, j) = (depth - 1, j + 2),
                        _ => j += 1,
                    }
                }
                j
            }
            ('"', _) => {
                let mut j = i + 1;
                while j < chars.len() && at(j) != '"' {
                    j += if at(j) == '\\' { 2 } else { 1 };
                }
                j + 1
            }
            // Raw texts; an `r` inside a name starts none.
            ('r', '"' | '#')
                if i == 0 || !(at(i - 1).is_alphanumeric() || at(i - 1) == '_') || at(i - 1) == 'b' =>
            {
                let hashes = (i + 1..).take_while(|&j| at(j) == '#').count();
                if at(i + 1 + hashes) == '"' {
                    let closes = |j: usize| at(j) == '"' && (1..=hashes).all(|k| at(j + k) == '#');
                    (i + 2 + hashes..chars.len()).find(|&j| closes(j)).map_or(chars.len(), |j| j + 1 + hashes)
                } else {
                    i
                }
            }
            // A character, not a lifetime.
            ('\'', '\\') => (i + 3..).find(|&j| matches!(at(j), '\'' | '\0')).unwrap() + 1,
            ('\'', _) if at(i + 2) == '\'' => i + 3,
            _ => i,
        };
        if end == i {
            out.push(at(i));
            i += 1;
        }
        while i < end.min(chars.len()) {
            out.push(if at(i) == '\n' { '\n' } else { ' ' });
            i += 1;
        }
    }
    out
}

/// `code` with the modules under `#[cfg(test)]` as blank lines.
fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(start) = out.find("#[cfg(test)]") {
        let mut depth = 0;
        let end = out[start..]
            .char_indices()
            .find_map(|(at, c)| {
                depth += i32::from(c == '{') - i32::from(c == '}');
                (depth == 0 && matches!(c, '}' | ';')).then_some(start + at + 1)
            })
            .unwrap_or(out.len());
        let blank: String = out[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(start..end, &blank);
    }
    out
}

/// `crate::judge::Kind`, and where it stands.
#[derive(Debug, PartialEq)]
struct Mention {
    line: usize,
    parts: Vec<String>,
    /// In a `use`, so that its last part is a name of the file from there on.
    used: bool,
}

/// Every path of two parts or more, those of nested `use` trees written out.
fn mentions(code: &str) -> Vec<Mention> {
    let tokens = tokens(code);
    let text = |at: usize| tokens.get(at).map_or("", |(_, token)| token.as_str());
    let is_name = |token: &str| token.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let mut found = Vec::new();
    let mut used = false;
    // The paths that the braces around us continue.
    let mut open: Vec<Vec<String>> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let line = tokens[at].0;
        match text(at) {
            "use" => used = true,
            ";" => used = false,
            "{" if used => open.push(open.last().cloned().unwrap_or_default()),
            "}" if used => {
                open.pop();
            }
            name if is_name(name) && (at == 0 || text(at - 1) != "::") => {
                let mut parts = open.last().cloned().unwrap_or_default();
                parts.push(name.to_owned());
                while text(at + 1) == "::" && is_name(text(at + 2)) {
                    parts.push(text(at + 2).to_owned());
                    at += 2;
                }
                if used && text(at + 1) == "::" && text(at + 2) == "{" {
                    open.push(parts);
                    at += 2;
                } else {
                    if used && text(at + 1) == "as" {
                        parts.push(text(at + 2).to_owned());
                        at += 2;
                    }
                    if parts.len() > 1 {
                        found.push(Mention { line, parts, used });
                    }
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Names, `::`, and single characters, with their lines.
fn tokens(code: &str) -> Vec<(usize, String)> {
    let mut tokens = Vec::new();
    for (line, text) in (1..).zip(code.lines()) {
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if first.is_alphanumeric() || first == '_' {
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            let (token, tail) = rest.split_at(length);
            tokens.push((line, token.to_owned()));
            rest = tail.trim_start();
        }
    }
    tokens
}

/// The room that a path leads to from `source`, if it leads to one.
fn room_of(source: &Source, parts: &[String]) -> Option<String> {
    let supers = parts.iter().take_while(|part| *part == "super").count();
    match parts.first()?.as_str() {
        "crate" => parts.get(1).cloned(),
        // As many steps up as there are modules lead to the crate.
        "super" if supers == source.module.len() => parts.get(supers).cloned(),
        _ => None,
    }
}

/// Names that stand for something of our own in a file, whatever package has the same name.
fn own_names(code: &str, mentions: &[Mention]) -> BTreeSet<String> {
    let tokens = tokens(code);
    let modules = tokens.windows(2).filter(|pair| pair[0].1 == "mod").map(|pair| pair[1].1.clone());
    let imports = mentions
        .iter()
        .filter(|mention| mention.used && matches!(mention.parts[0].as_str(), "crate" | "super" | "self"))
        .filter_map(|mention| mention.parts.iter().rfind(|part| *part != "self").cloned());
    modules.chain(imports).collect()
}

/// For each name of a table, what stands in its row and is not so, and what is so and does not stand there.
fn compare(
    table: &str,
    allowed: &Table,
    met: &BTreeMap<String, BTreeMap<String, String>>,
    says: impl Fn(&str, &str) -> String,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, row) in allowed {
        let nothing = BTreeMap::new();
        let met = met.get(*name).unwrap_or(&nothing);
        for (other, place) in met.iter().filter(|(other, _)| !row.contains(other.as_str())) {
            wrong.push(format!("{place}: {}, which {table} does not say", says(name, other)));
        }
        for other in row.iter().filter(|other| !met.contains_key(**other)) {
            wrong.push(format!("{table}: {}, which is no longer so", says(name, other)));
        }
    }
    wrong
}

fn holds(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n({TABLES})\n", wrong.join("\n"));
}

// The tests.

#[test]
fn rooms_import_only_whom_the_table_lets_them() {
    let mut met: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for source in sources() {
        for mention in mentions(&source.code) {
            if let Some(room) = room_of(&source, &mention.parts).filter(|room| room != source.room()) {
                let place = format!("{}:{}", source.name, mention.line);
                met.entry(source.room().to_owned()).or_default().entry(room).or_insert(place);
            }
        }
    }
    holds(&compare("ROOMS", &rows(ROOMS), &met, |room, other| format!("{room} imports {other}")));
}

#[test]
fn the_table_has_every_room_and_imports_run_down() {
    let there: BTreeSet<String> = sources().iter().map(|source| source.room().to_owned()).collect();
    let order: Vec<&str> = rows(ROOMS).into_iter().map(|(room, _)| room).collect();
    assert_eq!(order.iter().map(|room| (*room).to_owned()).collect::<BTreeSet<_>>(), there, "{TABLES}");
    for (height, (room, imports)) in rows(ROOMS).into_iter().enumerate() {
        for import in imports {
            let below = order[height + 1..].contains(&import);
            assert!(below, "ROOMS: {room} imports {import}, which does not stand below it; {TABLES}");
        }
    }
}

#[test]
fn outside_packages_live_only_where_the_table_says() {
    let packages = rows(PACKAGES);
    let names: BTreeMap<String, &str> =
        packages.iter().map(|(package, _)| (spelt(package), *package)).collect();
    let mut met: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for source in sources() {
        let mentions = mentions(&source.code);
        let own = own_names(&source.code, &mentions);
        for mention in mentions.iter().filter(|mention| !own.contains(&mention.parts[0])) {
            if let Some(package) = names.get(&mention.parts[0]) {
                let place = format!("{}:{}", source.name, mention.line);
                let rooms = met.entry((*package).to_owned()).or_default();
                rooms.entry(source.room().to_owned()).or_insert(place);
            }
        }
    }
    let mut wrong =
        compare("PACKAGES", &packages, &met, |package, room| format!("{package} lives in {room}"));
    let cargo: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let dependencies: BTreeSet<&str> =
        cargo["dependencies"].as_table().unwrap().keys().map(String::as_str).collect();
    let listed: BTreeSet<&str> = packages.iter().map(|(package, _)| *package).collect();
    for package in dependencies.difference(&listed) {
        wrong.push(format!("Cargo.toml: {package} is a dependency, which PACKAGES does not say"));
    }
    for package in listed.difference(&dependencies) {
        wrong.push(format!("PACKAGES: {package} is no dependency"));
    }
    holds(&wrong);
}

#[test]
fn pure_rooms_see_nothing_of_the_world() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| PURE.contains(&source.room())) {
        for mention in mentions(&source.code) {
            let path = mention.parts.join("::");
            let meets = |world: &&&str| path.starts_with(**world) || path.ends_with(&format!("::{world}"));
            if let Some(world) = WORLD.iter().find(meets) {
                wrong.push(format!(
                    "{}:{}: {path}, but {} is pure: no {world}",
                    source.name,
                    mention.line,
                    source.room()
                ));
            }
        }
    }
    holds(&wrong);
}

#[test]
fn every_station_opens_with_what_comes_in_what_goes_out_and_what_it_never_does() {
    for room in STATIONS {
        let text = fs::read_to_string(root().join("src").join(room).join("mod.rs")).unwrap();
        let opening: Vec<&str> = text
            .lines()
            .map_while(|line| line.strip_prefix("//!"))
            .take_while(|line| !line.is_empty())
            .collect();
        let opening = opening.concat();
        let mut rest = opening.as_str();
        for word in [" In: ", " Out: ", " Never: "] {
            let at = rest.find(word);
            assert!(
                at.is_some_and(|at| at == 0 || word != " In: "),
                "src/{room}/mod.rs opens with `//! In: … Out: … Never: …`, and \"{}\" is missing:\n{opening}",
                word.trim()
            );
            rest = &rest[at.unwrap_or_default() + word.len()..];
        }
    }
}

#[test]
fn files_are_short_and_nothing_is_left_for_later() {
    let mut wrong = Vec::new();
    for source in sources() {
        let lines = source.code.lines().filter(|line| !line.trim().is_empty()).count();
        if lines > LONGEST {
            wrong
                .push(format!("{}: {lines} lines of code, and {LONGEST} are the most: part it", source.name));
        }
        for (number, line) in (1..).zip(source.text.lines()) {
            // Put together, so that this file is not about itself.
            let later = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
            if let Some(later) = later.iter().find(|later| line.contains(*later)) {
                wrong.push(format!("{}:{number}: {later}: do it now, or open an issue", source.name));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn the_source_is_read_as_the_compiler_reads_it() {
    let code = r##"
        use crate::{fault::{self, Fault as F}, money};
        use csv; // crate::comment::x
        /* crate::a::b /* crate::c::d */ crate::e::f */
        const C: char = '"'; const T: &str = "crate::text::x \" crate::y::z";
        const R: &str = r#"crate::raw::x " crate::y::z"#;
        fn f<'a>(x: &'a str) -> anyhow::Result<()> { super::g::<u8>(); calamine::open(x) }
        #[cfg(test)]
        mod tests { use crate::judge::Kind; fn t() { if true { crate::x::y() } } }
        use last::one;
    "##;
    let code = without_tests(&without_comments_and_texts(code));
    let found: Vec<(usize, String)> =
        mentions(&code).into_iter().map(|mention| (mention.line, mention.parts.join("::"))).collect();
    let expected = [
        (2, "crate::fault::self"),
        (2, "crate::fault::Fault::F"),
        (2, "crate::money"),
        (7, "anyhow::Result"),
        (7, "super::g"),
        (7, "calamine::open"),
        (10, "last::one"),
    ];
    assert_eq!(found, expected.map(|(line, path)| (line, path.to_owned())));
}
