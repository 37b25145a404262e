//! Secrets by reference: `env:NAME`, `file:PATH`, `command:PROGRAM ARGS…`.
//!
//! A configuration names where a secret is; it never holds one. What is
//! resolved lives in a [`SecretString`], which prints as `[REDACTED]` and is
//! wiped when dropped.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use secrecy::SecretString;
use serde::Deserialize;

use crate::fault::{Fault, Kind, Result};

/// Where a secret is to be had.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Given")]
pub enum Reference {
    /// An environment variable.
    Env(String),
    /// The first line of a file (relative to the folder of `tieout.toml`).
    File(PathBuf),
    /// The first line of what a program prints; words are split at spaces, no shell is involved.
    Command(Vec<String>),
}

/// What stands in the configuration: text, or something that must not be quoted back either.
#[derive(Deserialize)]
#[serde(untagged)]
enum Given {
    Text(String),
    Other(serde::de::IgnoredAny),
}

const FORMS: &str = "env:NAME, file:PATH or command:PROGRAM ARGUMENTS";

/// Nothing is quoted back: somebody may have put the secret itself there.
fn refuse() -> String {
    format!("a secret is given by reference, as {FORMS}; it is never written here itself")
}

impl TryFrom<Given> for Reference {
    type Error = String;

    fn try_from(given: Given) -> Result<Self, String> {
        match given {
            Given::Text(text) => Self::try_from(text),
            Given::Other(_) => Err(refuse()),
        }
    }
}

impl TryFrom<String> for Reference {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (scheme, rest) = text.split_once(':').ok_or_else(refuse)?;
        if rest.trim().is_empty() {
            return Err(refuse());
        }
        match scheme {
            "env" => Ok(Self::Env(rest.to_owned())),
            "file" => Ok(Self::File(PathBuf::from(rest))),
            "command" => Ok(Self::Command(rest.split_whitespace().map(str::to_owned).collect())),
            _ => Err(refuse()),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Command(words) => write!(f, "command:{}", words.first().map_or("", String::as_str)),
        }
    }
}

impl Reference {
    /// Fetches the secret. Relative files are looked up below `base`.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where the variable is not set, the file cannot
    /// be read, the program fails, or what comes is empty.
    pub fn resolve(&self, base: &Path) -> Result<SecretString> {
        let fault = |what: String| Fault::new(Kind::Configuration, what).at(self);
        let text = match self {
            Self::Env(name) => std::env::var(name).map_err(|_| {
                fault(format!("the environment variable {name} is not set"))
                    .next(format!("set it where tieout runs, as in: export {name}=…"))
            })?,
            Self::File(path) => std::fs::read_to_string(base.join(path))
                .map_err(|error| fault("the secret's file cannot be read".into()).because(error))?,
            Self::Command(words) => {
                let (program, arguments) =
                    words.split_first().ok_or_else(|| fault("no program is named".into()))?;
                let output = Command::new(program)
                    .args(arguments)
                    .current_dir(if base.as_os_str().is_empty() { Path::new(".") } else { base })
                    .stdin(Stdio::null())
                    .stderr(Stdio::inherit())
                    .output()
                    .map_err(|error| fault(format!("{program} cannot be started")).because(error))?;
                if !output.status.success() {
                    return Err(fault(format!("{program} ended with {}", output.status)));
                }
                String::from_utf8(output.stdout)
                    .map_err(|_| fault(format!("what {program} printed is not UTF-8")))?
            }
        };
        let line = text.lines().next().unwrap_or_default();
        if line.is_empty() {
            return Err(fault("the secret is empty".into()));
        }
        Ok(SecretString::from(line.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn each_form_resolves_and_a_bare_secret_is_refused_unquoted() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("pw"), "s3cret\nrest\n").unwrap();
        let get = |text: &str| {
            Reference::try_from(text.to_owned())
                .unwrap()
                .resolve(folder.path())
                .map(|secret| secret.expose_secret().to_owned())
        };
        assert_eq!(get("file:pw").unwrap(), "s3cret");
        assert_eq!(get("command:cat pw").unwrap(), "s3cret");
        assert!(get("env:TIEOUT_NO_SUCH_VARIABLE").unwrap_err().to_string().contains("is not set"));
        assert!(get("command:false").unwrap_err().to_string().contains("ended with"));
        let refusal = Reference::try_from("hunter2".to_owned()).unwrap_err();
        assert!(!refusal.contains("hunter2"));
    }
}
