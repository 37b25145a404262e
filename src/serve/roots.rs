//! File arguments, confined to configured folders.
//!
//! An argument is resolved by what the file system says: its links are followed, and where that leads must lie below a
//! root. What is handed on is that place itself, without a link in it. Between this look and the moment at which the
//! operation opens the file there is a gap: whoever may rename folders below a root on this machine can still lead it
//! elsewhere. Callers cannot: no tool makes a link or renames.
//!
//! Files that `tieout.toml` names are the operator's own business, and are not looked at here.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::fault::{Fault, Kind, Result};

/// Folders that file arguments may lie in.
#[derive(Clone, Debug)]
pub struct Roots {
    /// Where they are, without links.
    roots: Vec<PathBuf>,
    /// What lies below them and is nobody's to name: the audit log, the key of the certificate.
    closed: Vec<PathBuf>,
    /// The folder that configurations are named from.
    base: PathBuf,
    /// The configurations that may be named, without links.
    configurations: Vec<PathBuf>,
}

/// Why a file argument is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// A stable word for the audit log.
    pub reason: &'static str,
    given: String,
    what: &'static str,
    expected: &'static str,
}

impl Refused {
    /// What the caller is told.
    #[must_use]
    pub fn fault(self) -> Fault {
        Fault::new(Kind::Usage, self.what).value(self.given).expected(self.expected)
    }
}

const BELOW: &str = "a path below the folders that this server reads, relative to them";

/// What is known of a place.
struct Found {
    place: PathBuf,
    is_there: bool,
}

impl Roots {
    /// The folders `roots`, relative to `base`, but for what lies below `closed`: files or folders, or ones to come.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where there is none, or one is no folder.
    pub fn new(base: &Path, roots: &[PathBuf], closed: &[PathBuf]) -> Result<Self> {
        let fault = |what| Fault::new(Kind::Configuration, what).at("[serve] roots");
        if roots.is_empty() {
            return Err(fault("there is no folder for file arguments")
                .expected("one at least, such as roots = [\".\"]"));
        }
        let folder = |root: &PathBuf| {
            let place = canonical(&base.join(root))
                .map_err(|error| fault("the folder cannot be found").value(root.display()).because(error))?;
            if place.is_dir() { Ok(place) } else { Err(fault("this is no folder").value(root.display())) }
        };
        Ok(Self {
            roots: roots.iter().map(folder).collect::<Result<_>>()?,
            closed: closed.iter().map(|path| place_to_be(&base.join(path))).collect(),
            base: base.to_owned(),
            configurations: Vec::new(),
        })
    }

    /// The same, with all the configurations that may be named, relative to the same folder: a configuration names programs
    /// to run, secrets and a platform, so that lying below a root is not enough.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where one is not there.
    pub fn with_configurations(self, configurations: &[PathBuf]) -> Result<Self> {
        let place = |path: &PathBuf| {
            canonical(&self.base.join(path)).map_err(|error| {
                Fault::new(Kind::Configuration, "the configuration cannot be found")
                    .at("[serve] configurations")
                    .value(path.display())
                    .because(error)
            })
        };
        let configurations = configurations.iter().map(place).collect::<Result<_>>()?;
        Ok(Self { configurations, ..self })
    }

    /// The place of a file or folder that is read.
    ///
    /// # Errors
    /// Why not.
    pub fn read(&self, given: &Path) -> Result<PathBuf, Refused> {
        let Found { place, is_there } = self.find(given)?;
        if is_there {
            return Ok(place);
        }
        Err(refused(given, "path-missing", "there is no such file", BELOW))
    }

    /// The place of a configuration.
    ///
    /// # Errors
    /// Where it is none of those that may be named, whatever is there.
    pub fn configuration(&self, given: &Path) -> Result<PathBuf, Refused> {
        let place = canonical(&self.base.join(given)).ok();
        place.filter(|place| self.configurations.contains(place)).ok_or_else(|| {
            refused(
                given,
                "path-configuration",
                "this is no configuration that this server uses",
                "one that its operator lists in [serve] configurations; without the argument it is the server's own",
            )
        })
    }

    /// The place of a file or folder that is written; it need not be there. It is no configuration: a caller who could
    /// write one could name programs to run.
    ///
    /// # Errors
    /// Why not.
    pub fn write(&self, given: &Path) -> Result<PathBuf, Refused> {
        let Found { place, .. } = self.find(given)?;
        if is_toml(&place) {
            return Err(refused(
                given,
                "path-toml",
                "a configuration is not written by a tool",
                "a name that does not end in .toml",
            ));
        }
        Ok(place)
    }

    /// Where an argument leads, if it may.
    fn find(&self, given: &Path) -> Result<Found, Refused> {
        if given.as_os_str().is_empty() {
            return Err(refused(given, "path-empty", "the path is empty", BELOW));
        }
        if given.as_os_str().as_encoded_bytes().contains(&0) {
            return Err(refused(given, "path-nul", "the path holds a NUL", BELOW));
        }
        if given.components().any(|part| part == Component::ParentDir) {
            return Err(refused(given, "path-parent", "the path goes up with ..", BELOW));
        }
        let mut first = None;
        for root in &self.roots {
            // A path from the top replaces the root, and must lead below it by itself.
            let found = self.find_in(root, given)?;
            if found.is_there {
                return Ok(found);
            }
            // What is to be written goes into the first folder.
            first.get_or_insert(found);
        }
        first.ok_or_else(|| outside(given))
    }

    fn find_in(&self, root: &Path, given: &Path) -> Result<Found, Refused> {
        let (place, is_there) = follow(&root.join(given)).ok_or_else(|| outside(given))?;
        let mut below = self.roots.iter().filter_map(|root| place.strip_prefix(root).ok()).peekable();
        if below.peek().is_none() {
            return Err(outside(given));
        }
        // .git, .ssh, .env, and what tieout itself keeps in .tieout; unless that is a root of its own.
        let is_hidden = |part: Component<'_>| part.as_os_str().as_encoded_bytes().starts_with(b".");
        if below.all(|below| below.components().any(is_hidden))
            || self.closed.iter().any(|closed| place.starts_with(closed))
        {
            return Err(refused(given, "path-closed", "the path is not open to callers", BELOW));
        }
        let is_plain = || place.is_file() || place.is_dir();
        if is_there && !is_plain() {
            return Err(refused(
                given,
                "path-special",
                "this is neither a file nor a folder",
                "no device, pipe or socket",
            ));
        }
        Ok(Found { place, is_there })
    }
}

fn refused(given: &Path, reason: &'static str, what: &'static str, expected: &'static str) -> Refused {
    Refused { reason, given: given.display().to_string(), what, expected }
}

/// The same for all that lies outside or cannot be followed, whatever is there: that is nobody's business.
fn outside(given: &Path) -> Refused {
    refused(given, "path-outside", "the path leads to no place in the folders that this server reads", BELOW)
}

fn is_toml(place: &Path) -> bool {
    place.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"))
}

/// Where a path leads, its links followed as far as it is there, the rest of it as it stands; and whether all of it is
/// there.
fn follow(path: &Path) -> Option<(PathBuf, bool)> {
    let mut missing = Vec::new();
    let mut there = path;
    loop {
        match canonical(there) {
            Ok(mut place) => {
                let is_there = missing.is_empty();
                place.extend(missing.iter().rev());
                return Some((place, is_there));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // A link to something that is not there: whoever writes would make it, wherever it is.
                if fs::symlink_metadata(there).is_ok() {
                    return None;
                }
                missing.push(there.file_name()?);
                there = there.parent()?;
            }
            Err(_) => return None,
        }
    }
}

/// Where something of our own is, or will be.
fn place_to_be(path: &Path) -> PathBuf {
    follow(path).map_or_else(|| path.to_owned(), |(place, _)| place)
}

fn canonical(path: &Path) -> io::Result<PathBuf> {
    // The working folder has no name of its own.
    fs::canonicalize(if path.as_os_str().is_empty() { Path::new(".") } else { path })
}
