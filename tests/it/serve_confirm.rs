//! What a client brings back is of this server, for this caller and this question, and a confirmation is good once.

use std::sync::Barrier;

use serde_json::json;
use tieout::serve::audit::arguments_sha256;
use tieout::serve::confirm::{Bound, Confirmations};

/// The same call but for one thing each.
fn others(sha: &str) -> [Bound<'_>; 4] {
    [
        Bound { subject: "ben", tool: "reconcile", arguments_sha256: sha },
        Bound { subject: "ann", tool: "fetch", arguments_sha256: sha },
        Bound { subject: "ann", tool: "reconcile", arguments_sha256: "00" },
        // The same letters, parted elsewhere.
        Bound { subject: "annr", tool: "econcile", arguments_sha256: sha },
    ]
}

#[test]
fn a_confirmation_is_for_one_call_of_one_caller_and_good_once() {
    let confirmations = Confirmations::new().unwrap();
    let sha = arguments_sha256(&json!({ "period": "2026-10" }));
    let ann = Bound { subject: "ann", tool: "reconcile", arguments_sha256: &sha };
    let sealed = confirmations.seal(&ann).unwrap();
    let reason =
        |sealed: &str, bound: &Bound<'_>| confirmations.redeem(sealed, bound).err().map(|no| no.reason);
    for other in others(&sha) {
        assert_eq!(reason(&sealed, &other), Some("confirmation-wrong"), "{other:?}");
    }
    let anew = Confirmations::new().unwrap();
    assert_eq!(anew.redeem(&sealed, &ann).unwrap_err().reason, "confirmation-wrong", "another server's");
    for at in 0..sealed.len() {
        let mut forged = sealed.clone().into_bytes();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        assert_eq!(reason(std::str::from_utf8(&forged).unwrap(), &ann), Some("confirmation-wrong"));
    }
    for forged in
        ["", "rs1..", "é", &sealed[..sealed.len() - 1], &format!("{sealed}A"), &format!("{sealed}=")]
    {
        assert_eq!(reason(forged, &ann), Some("confirmation-wrong"), "{forged}");
    }
    assert_eq!((reason(&sealed, &ann), reason(&sealed, &ann)), (None, Some("confirmation-used")));
    // Confirmed anew, the same call may be made anew.
    let again = confirmations.seal(&ann).unwrap();
    assert_ne!(again, sealed);
    assert_eq!(reason(&again, &ann), None);
    assert!(
        confirmations
            .redeem(&again, &ann)
            .unwrap_err()
            .fault()
            .to_string()
            .contains("next: call the tool again")
    );
}

#[test]
fn of_many_who_use_a_confirmation_at_once_one_does() {
    let confirmations = Confirmations::new().unwrap();
    let ann = Bound { subject: "ann", tool: "reconcile", arguments_sha256: "aa" };
    for _ in 0..50 {
        let sealed = confirmations.seal(&ann).unwrap();
        let together = Barrier::new(8);
        let used = std::thread::scope(|scope| {
            let attempt = || {
                together.wait();
                confirmations.redeem(&sealed, &ann).is_ok()
            };
            let attempts: Vec<_> = (0..8).map(|_| scope.spawn(attempt)).collect();
            attempts.into_iter().map(|attempt| attempt.join().unwrap()).filter(|used| *used).count()
        });
        assert_eq!(used, 1);
    }
}
