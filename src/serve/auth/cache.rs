//! Tokens that have been checked, by their digest: an agent sends the same one with each call, and a signature costs more than the rest.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::Principal;

/// Tokens that are remembered.
const MOST: usize = 4096;

/// SHA-256 of a token; the token itself is not kept.
pub(super) type Digest = [u8; 32];

#[derive(Default)]
pub(super) struct Cache(Mutex<HashMap<Digest, Checked>>);

struct Checked {
    principal: Principal,
    /// The second from which on it has expired.
    until: i64,
    /// The keys that it was checked by.
    keys: Digest,
}

impl Cache {
    /// Whose token it is, if it was checked by these keys and has not expired.
    pub(super) fn get(&self, token: &Digest, keys: &Digest, now: i64) -> Option<Principal> {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens
            .get(token)
            .filter(|checked| now < checked.until && checked.keys == *keys)
            .map(|checked| checked.principal.clone())
    }

    /// Remembers a token that holds until `until`.
    pub(super) fn put(&self, token: Digest, keys: &Digest, principal: &Principal, until: i64, now: i64) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= MOST {
            tokens.retain(|_, checked| now < checked.until && checked.keys == *keys);
        }
        // All of them are in use: to check them again costs less than to find out which is the oldest.
        if tokens.len() >= MOST {
            tokens.clear();
        }
        tokens.insert(token, Checked { principal: principal.clone(), until, keys: *keys });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_remembered_until_it_expires_or_the_keys_change_and_not_more_than_a_bound_of_them() {
        let cache = Cache::default();
        let (token, keys, others) = ([1; 32], [2; 32], [3; 32]);
        cache.put(token, &keys, &Principal::local(), 100, 0);
        assert!(cache.get(&token, &keys, 99).is_some());
        assert!(cache.get(&token, &keys, 100).is_none(), "expired");
        assert!(cache.get(&token, &others, 99).is_none(), "other keys");
        assert!(cache.get(&others, &keys, 99).is_none(), "another token");
        let mut longest = 0;
        for number in 0..3 * MOST {
            let mut token = [0; 32];
            token[..8].copy_from_slice(&number.to_be_bytes());
            cache.put(token, &keys, &Principal::local(), 100, 0);
            assert!(cache.get(&token, &keys, 0).is_some());
            longest = longest.max(cache.0.lock().unwrap_or_else(PoisonError::into_inner).len());
        }
        assert_eq!(longest, MOST);
    }
}
