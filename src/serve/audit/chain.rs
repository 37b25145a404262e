//! How one line holds on to the one before: by its hash, which is over the text of the line itself, so that nobody has to
//! agree on how JSON is written.

use sha2::{Digest as _, Sha256};

use crate::digest::hexadecimal;

/// What the first line of all holds on to.
pub(super) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

const HASH: &str = ",\"hash\":\"";

/// `body`, a JSON object without a hash, as it stands in the file: with the hash of its text as its last field, and a line feed.
/// And that hash, which the next line holds on to.
pub(super) fn sealed(body: &str) -> (String, String) {
    let hash = hexadecimal(&Sha256::digest(body.as_bytes()));
    let open = body.strip_suffix('}').unwrap_or(body);
    (format!("{open}{HASH}{hash}\"}}\n"), hash)
}

/// A line of the file without its line feed, taken apart: its text without the hash, and the hash; nothing where it has none.
pub(super) fn opened(line: &str) -> Option<(String, &str)> {
    let (open, rest) = line.rsplit_once(HASH)?;
    let hash = rest.strip_suffix("\"}")?;
    let is_hash =
        hash.len() == GENESIS.len() && hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    is_hash.then(|| (format!("{open}}}"), hash))
}

/// The hash of a line's text.
pub(super) fn hash_of(body: &str) -> String {
    hexadecimal(&Sha256::digest(body.as_bytes()))
}
