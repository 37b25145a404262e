//! Where files may lie that an agent names.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use crate::fault::{Fault, Kind, Result};
use crate::operations::Purpose;

/// The folders below which an agent's file arguments may lie.
///
/// A path is resolved with all its links before it is compared, and the resolved one is what is opened. Between the two somebody
/// who can write below a root could put a link there; that is somebody who could put the file there as well.
#[derive(Clone, Debug)]
pub(super) struct Roots(Vec<PathBuf>);

impl Roots {
    /// `roots`, where relative ones start in `base`.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where one of them is no folder.
    pub(super) fn new(base: &Path, roots: &[PathBuf]) -> Result<Self> {
        let base = if base.as_os_str().is_empty() { Path::new(".") } else { base };
        let resolve = |root: &PathBuf| {
            let path = base.join(root);
            let resolved = path.canonicalize().ok().filter(|path| path.is_dir());
            resolved.ok_or_else(|| {
                Fault::new(Kind::Configuration, "this root is no folder")
                    .at("[serve] roots")
                    .value(path.display())
            })
        };
        roots.iter().map(resolve).collect::<Result<_>>().map(Self)
    }

    /// The file that `path` means, if it lies below a root and is what it is wanted for.
    ///
    /// # Errors
    /// [`Kind::Usage`], which says no more than that it may not be named: not whether it is there.
    pub(super) fn confine(&self, path: &Path, purpose: Purpose) -> Result<PathBuf> {
        let refuse = |what: &str| {
            Fault::new(Kind::Usage, what.to_owned())
                .value(path.display())
                .expected("a file below the folders that the operator gave to agents, by a path that starts in one of them")
        };
        let is_plain =
            |component: Component<'_>| matches!(component, Component::Normal(_) | Component::CurDir);
        let text = path
            .to_str()
            .filter(|text| !text.is_empty() && !text.contains('\0'))
            .ok_or_else(|| refuse("this is no path"))?;
        if !path.components().all(is_plain) && !path.is_absolute() || text.split('/').any(|part| part == "..")
        {
            return Err(refuse("this path leads out of the folders of agents"));
        }
        if purpose == Purpose::Configuration && path.extension() != Some(OsStr::new("toml")) {
            return Err(refuse("this is no configuration").expected("a file that ends in .toml"));
        }
        let outside = || refuse("this path leads out of the folders of agents");
        let mut missing = None;
        for root in &self.0 {
            match self.resolve(root, path, purpose) {
                Some(found) if found.exists() => {
                    return is_file(&found, purpose)
                        .then_some(found)
                        .ok_or_else(|| refuse("this is no plain file"));
                }
                Some(found) => missing = missing.or(Some(found)),
                None => {}
            }
        }
        // What is not there yet may be written, and its absence be told by whoever reads it.
        missing.ok_or_else(outside)
    }

    /// `path` below `root` without links, if that is below one of the roots.
    fn resolve(&self, root: &Path, path: &Path, purpose: Purpose) -> Option<PathBuf> {
        let joined = root.join(path);
        let resolved = match (joined.canonicalize(), joined.symlink_metadata()) {
            (Ok(resolved), _) => resolved,
            // A link to nowhere is not followed to where it may lead later.
            (Err(_), Ok(_)) => return None,
            (Err(_), Err(_)) => {
                let name = joined.file_name()?;
                let parent = joined.parent()?.canonicalize();
                match (parent, purpose) {
                    (Ok(parent), _) => parent.join(name),
                    // Nothing is made on the way to a file, so that there is nothing to resolve.
                    (Err(_), _) => return None,
                }
            }
        };
        self.0.iter().any(|root| resolved.starts_with(root)).then_some(resolved)
    }
}

/// Whether something that is there is a file, or a folder where reports may go; no device, no pipe, no socket.
fn is_file(path: &Path, purpose: Purpose) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() || metadata.is_dir() && purpose != Purpose::Configuration)
}
