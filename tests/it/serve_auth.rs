//! Tokens: which are accepted, which are refused and why, and how the issuer's keys are come by.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jsonwebtoken::{Algorithm, EncodingKey};
use proptest::prelude::*;
use serde_json::{Value, json};
use tieout::serve::auth::{AuthSettings, Challenge, Metadata, Principal, Refusal, Scopes, Verifier};
use tokio::runtime::Runtime;

use super::issuer::{CLIENT, Issuer, MACHINE, Mode, pairs, signed};

const URL: &str = "https://recon.example.com/mcp";

/// An issuer, and a verifier of its tokens.
struct Setup {
    issuer: Issuer,
    verifier: Arc<Verifier>,
    runtime: Runtime,
    now: SystemTime,
}

impl Setup {
    fn new() -> Self {
        let issuer = Issuer::start();
        let settings = issuer.cognito();
        Self::of(issuer, &settings)
    }

    /// Any issuer of OpenID Connect, with these further settings.
    fn oidc(more: &str) -> Self {
        let issuer = Issuer::start();
        let settings =
            format!("provider = \"oidc\"\nissuer = \"{}\"\nclients = [\"{CLIENT}\"]\n{more}", issuer.name());
        Self::of(issuer, &settings)
    }

    fn of(issuer: Issuer, settings: &str) -> Self {
        let settings: AuthSettings = toml::from_str(settings).unwrap();
        let verifier = Arc::new(Verifier::new(&settings, URL).unwrap());
        Self { issuer, verifier, runtime: Runtime::new().unwrap(), now: SystemTime::now() }
    }

    fn claims(&self) -> Value {
        self.issuer.claims(URL)
    }

    /// The claims, with one of them changed; `null` leaves it out.
    fn but(&self, claim: &str, value: Value) -> Value {
        let mut claims = self.claims();
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(claim),
            value => claims.as_object_mut().unwrap().insert(claim.to_owned(), value),
        };
        claims
    }

    /// A second, as far from now as that.
    fn at(&self, seconds: i64) -> Value {
        let now = self.now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        json!(i64::try_from(now).unwrap() + seconds)
    }

    fn verify_after(&self, seconds: u64, token: &str) -> Result<Principal, Refusal> {
        self.runtime.block_on(self.verifier.verify(token, self.now + Duration::from_secs(seconds)))
    }

    fn verify(&self, token: &str) -> Result<Principal, Refusal> {
        self.verify_after(0, token)
    }

    /// The reason for which it is refused.
    fn reason(&self, token: &str) -> &'static str {
        self.reason_after(0, token)
    }

    fn reason_after(&self, seconds: u64, token: &str) -> &'static str {
        self.verify_after(seconds, token).err().map_or("accepted", |refusal| refusal.reason)
    }
}

#[test]
fn an_access_token_says_who_calls() {
    let setup = Setup::new();
    let principal = setup.verify(&setup.issuer.token(&setup.claims())).unwrap();
    assert_eq!(principal.subject(), "11111111-2222-3333-4444-555555555555");
    assert_eq!(
        (principal.client_id(), principal.token_id(), principal.username()),
        (CLIENT, "token-1", "ana")
    );
    assert_eq!(principal.scopes().iter().collect::<Vec<_>>(), ["openid", "tieout/read"]);
    assert_eq!(principal.groups().iter().collect::<Vec<_>>(), ["gas-desk"]);
    assert!(!principal.is_local());
}

#[test]
fn what_is_refused_and_why() {
    let setup = Setup::new();
    let issuer = &setup.issuer;
    let good = issuer.token(&setup.claims());
    let with = |claim: &str, value: Value| issuer.token(&setup.but(claim, value));
    let header = |name: &str, value: Value| {
        let mut header = issuer.header();
        header[name] = value;
        issuer.token_with(&header, &setup.claims())
    };
    let parts: Vec<&str> = good.split('.').collect();
    let [head, claims, signature] = parts[..] else { panic!("three parts") };
    let unsigned = |alg: &str| {
        let header = json!({ "alg": alg, "kid": issuer.key_id() });
        let token = issuer.token_with(&header, &setup.claims());
        let (message, _) = token.rsplit_once('.').unwrap();
        format!("{message}.")
    };
    // The public key for a secret: what is known to everybody would sign.
    let confused = signed(
        &json!({ "alg": "HS256", "kid": issuer.key_id() }).to_string(),
        &setup.claims().to_string(),
        Algorithm::HS256,
        &EncodingKey::from_secret(pairs().rsa.public()),
    );
    let forged_claims = issuer.token(&setup.but("sub", json!("somebody else")));
    let forged_claims = forged_claims.split('.').nth(1).unwrap();
    let twice = issuer.token_of(&setup.claims().to_string().replacen('{', "{\"sub\":\"first\",", 1));
    let deep = format!("{}{}", "[".repeat(4000), "]".repeat(4000));
    let machine = |audience: Value| {
        let mut claims = setup.but("client_id", json!(MACHINE));
        claims["aud"] = audience;
        if claims["aud"].is_null() {
            claims.as_object_mut().unwrap().remove("aud");
        }
        issuer.token(&claims)
    };
    for (what, token, reason) in [
        ("garbage", "garbage".to_owned(), "malformed"),
        ("nothing", String::new(), "malformed"),
        ("dots", "..".to_owned(), "malformed"),
        ("two parts", format!("{head}.{claims}"), "malformed"),
        ("five parts, as an encrypted one has", format!("{good}.a.b"), "malformed"),
        ("padding", format!("{good}="), "malformed"),
        ("too long", format!("{good}{}", "A".repeat(16 * 1024)), "oversize"),
        ("deep claims", issuer.token_of(&deep), "malformed"),
        ("a claim that comes twice", twice, "malformed"),
        ("an extension that must be understood", header("crit", json!(["b64"])), "malformed"),
        ("expired", with("exp", setup.at(-31)), "expired"),
        ("expired within the leeway", with("exp", setup.at(-20)), "accepted"),
        ("no expiry", with("exp", Value::Null), "missing-claim"),
        ("an expiry in words", with("exp", json!("tomorrow")), "malformed"),
        ("an expiry beyond all numbers", with("exp", json!(1e300)), "malformed"),
        ("an expiry with a fraction", with("exp", json!(4_000_000_000.5)), "accepted"),
        ("not yet valid", with("nbf", setup.at(31)), "not-yet-valid"),
        ("not yet valid within the leeway", with("nbf", setup.at(20)), "accepted"),
        ("issued in the future", with("iat", setup.at(100)), "not-yet-valid"),
        ("another issuer", with("iss", json!("https://evil.example/pool")), "wrong-issuer"),
        ("an issuer with a slash", with("iss", json!(format!("{}/", issuer.name()))), "wrong-issuer"),
        ("no issuer", with("iss", Value::Null), "wrong-issuer"),
        ("no subject", with("sub", Value::Null), "missing-claim"),
        ("another audience", with("aud", json!("https://other.example/mcp")), "wrong-audience"),
        ("other audiences", with("aud", json!(["https://other.example/mcp", CLIENT])), "wrong-audience"),
        ("an audience among others", with("aud", json!(["https://other.example/mcp", URL])), "accepted"),
        ("an audience that begins alike", with("aud", json!(format!("{URL}/more"))), "wrong-audience"),
        ("no audience", with("aud", Value::Null), "missing-audience"),
        ("an empty audience", with("aud", json!([])), "missing-audience"),
        ("a machine's without audience", machine(Value::Null), "accepted"),
        ("a machine's for another", machine(json!("https://other.example/mcp")), "wrong-audience"),
        ("an ID token", with("token_use", json!("id")), "id-token"),
        ("an ID token by its hash", with("at_hash", json!("x")), "id-token"),
        ("no use", with("token_use", Value::Null), "missing-claim"),
        ("another type", header("typ", json!("logout+jwt")), "wrong-type"),
        ("the type of RFC 9068", header("typ", json!("at+jwt")), "accepted"),
        ("alg none", unsigned("none"), "algorithm"),
        ("alg None", unsigned("None"), "algorithm"),
        ("alg none, with a signature", header("alg", json!("none")), "algorithm"),
        ("HS256 with the public key", confused, "algorithm"),
        ("an algorithm that is not configured", header("alg", json!("RS512")), "algorithm"),
        ("no signature", format!("{head}.{claims}."), "signature"),
        (
            "another's signature",
            Issuer::signed_by(&pairs().other_rsa, Algorithm::RS256, &issuer.header(), &setup.claims()),
            "signature",
        ),
        ("tampered claims", format!("{head}.{forged_claims}.{signature}"), "signature"),
        ("a client that is not listed", with("client_id", json!("another-client")), "client-not-listed"),
        ("no client", with("client_id", Value::Null), "client-not-listed"),
        ("no key", issuer.token_with(&json!({ "alg": "RS256" }), &setup.claims()), "unknown-key"),
        ("as it should be", good.clone(), "accepted"),
    ] {
        assert_eq!(setup.reason(&token), reason, "{what}");
    }
    // Whose token it was is known once its signature holds, and not before.
    let refusal = setup.verify(&with("client_id", json!("another-client"))).unwrap_err();
    assert_eq!(refusal.known.unwrap().client_id, "another-client");
    assert_eq!(setup.verify(&format!("{head}.{forged_claims}.{signature}")).unwrap_err().known, None);
}

#[test]
fn the_id_of_a_key_is_compared_and_nothing_else() {
    let setup = Setup::new();
    let attacker = Issuer::start();
    let good = setup.issuer.token(&setup.claims());
    assert_eq!(setup.reason(&good), "accepted");
    let name = attacker.name();
    for id in [
        "../../pool/.well-known/jwks".to_owned(),
        "..%2f..%2fetc%2fpasswd".to_owned(),
        "/dev/null".to_owned(),
        format!("{name}/.well-known/jwks.json"),
        format!("{}\0", setup.issuer.key_id()),
        format!("{} ", setup.issuer.key_id()),
        "' OR 1=1 --".to_owned(),
        String::new(),
        "k".repeat(8000),
    ] {
        let header = json!({ "alg": "RS256", "kid": id });
        assert_eq!(
            setup.reason_after(60, &setup.issuer.token_with(&header, &setup.claims())),
            "unknown-key",
            "{id}"
        );
    }
    // Nor is a key taken from where the token says that it is.
    for (name, value) in [
        ("jku", json!(format!("{name}/.well-known/jwks.json"))),
        ("x5u", json!(format!("{name}/certificate"))),
        ("jwk", pairs().other_rsa.jwk("key-0")),
    ] {
        let mut header = setup.issuer.header();
        header[name] = value;
        let token = Issuer::signed_by(&pairs().other_rsa, Algorithm::RS256, &header, &setup.claims());
        assert_eq!(setup.reason(&token), "signature", "{name}");
    }
    assert_eq!(attacker.asked(), [""; 0]);
    let known = ["/pool/.well-known/openid-configuration", "/pool/.well-known/jwks.json"];
    assert!(
        setup.issuer.asked().iter().all(|path| known.contains(&path.as_str())),
        "{:?}",
        setup.issuer.asked()
    );
}

#[test]
fn every_family_of_signatures_holds_with_its_own_keys_alone() {
    let all = [
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
        Algorithm::PS512,
        Algorithm::ES256,
        Algorithm::ES384,
    ];
    let names: Vec<String> = all.iter().map(|algorithm| format!("\"{algorithm:?}\"")).collect();
    let setup = Setup::oidc(&format!("algorithms = [{}]", names.join(", ")));
    let keys = [("rsa", &pairs().rsa), ("p256", &pairs().p256), ("p384", &pairs().p384)];
    setup.issuer.publish(&keys);
    for algorithm in all {
        let own = match algorithm {
            Algorithm::ES256 => 1,
            Algorithm::ES384 => 2,
            _ => 0,
        };
        for (at, (id, _)) in keys.iter().enumerate() {
            let header = json!({ "alg": format!("{algorithm:?}"), "kid": id });
            let token = Issuer::signed_by(keys[own].1, algorithm, &header, &setup.claims());
            let expected = if at == own { "accepted" } else { "algorithm" };
            assert_eq!(setup.reason(&token), expected, "{algorithm:?} with {id}");
        }
    }
    // The same key, and another algorithm than the header says.
    let header = json!({ "alg": "PS256", "kid": "rsa" });
    assert_eq!(
        setup.reason(&Issuer::signed_by(&pairs().rsa, Algorithm::RS256, &header, &setup.claims())),
        "signature"
    );
}

#[test]
fn other_issuers_spell_claims_otherwise() {
    let setup = Setup::oidc("audience = \"api://recon\"");
    let mut claims = setup.issuer.claims("api://recon");
    for name in ["client_id", "scope", "cognito:groups", "token_use", "username", "jti"] {
        claims.as_object_mut().unwrap().remove(name);
    }
    claims["azp"] = json!(CLIENT);
    claims["scp"] = json!(["tieout/read", "tieout/run tieout/write"]);
    claims["groups"] = json!("gas-desk");
    claims["preferred_username"] = json!("ana");
    let principal = setup.verify(&setup.issuer.token(&claims)).unwrap();
    assert_eq!((principal.client_id(), principal.token_id(), principal.username()), (CLIENT, "", "ana"));
    assert_eq!(principal.scopes().iter().collect::<Vec<_>>(), ["tieout/read", "tieout/run", "tieout/write"]);
    assert_eq!(principal.groups().iter().collect::<Vec<_>>(), ["gas-desk"]);
    claims["token_use"] = json!("id");
    assert_eq!(setup.reason(&setup.issuer.token(&claims)), "id-token");
    assert_eq!(setup.reason(&setup.issuer.token(&setup.claims())), "wrong-audience");
}

#[test]
fn a_missing_scope_is_answered_with_all_that_are_needed() {
    let setup = Setup::new();
    let table = [("reconcile".to_owned(), vec!["tieout/run".to_owned(), "tieout/read".to_owned()])].into();
    let scopes = Scopes::new(&table, &["reconcile"], &["reconcile"]).unwrap();
    let principal = setup.verify(&setup.issuer.token(&setup.claims())).unwrap();
    let refusal = scopes.check("reconcile", &principal).unwrap_err();
    assert_eq!((refusal.status, refusal.reason), (403, "scope-missing"));
    let metadata = Metadata::new(URL, setup.verifier.rules().issuer(), &scopes.all()).unwrap();
    let challenge = Challenge::new(&metadata, &scopes.least()).value(&refusal).unwrap();
    assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
    assert!(challenge.contains("scope=\"tieout/read tieout/run\""), "{challenge}");
    let claims = setup.but("scope", json!("tieout/read tieout/run"));
    let principal = setup.verify(&setup.issuer.token(&claims)).unwrap();
    assert_eq!(scopes.check("reconcile", &principal), Ok(()));
}

#[test]
fn new_keys_are_fetched_when_a_token_names_one_and_old_ones_end_with_that() {
    let setup = Setup::new();
    let old = setup.issuer.token(&setup.claims());
    assert_eq!(setup.reason(&old), "accepted");
    setup.issuer.rotate();
    let new = setup.issuer.token(&setup.claims());
    assert_eq!(setup.reason_after(60, &old), "accepted", "nobody has asked for the new keys yet");
    assert_eq!(setup.reason_after(60, &new), "accepted");
    assert_eq!(setup.issuer.asked_for_keys(), 2);
    assert_eq!(setup.reason_after(61, &old), "unknown-key", "although it was accepted before");
    // A key that is withdrawn is gone after the time to live, even if no token names another.
    setup.issuer.rotate();
    assert_eq!(setup.reason_after(61, &new), "accepted");
    assert_eq!(setup.reason_after(60 + 3600, &new), "unknown-key");
}

#[test]
fn unknown_keys_cause_one_request_in_half_a_minute() {
    let setup = Setup::new();
    assert_eq!(setup.reason(&setup.issuer.token(&setup.claims())), "accepted");
    let made_up = |number: usize| {
        setup
            .issuer
            .token_with(&json!({ "alg": "RS256", "kid": format!("made-up-{number}") }), &setup.claims())
    };
    for (seconds, requests) in [(1, 1), (29, 1), (30, 2), (59, 2), (60, 3)] {
        for number in 0..20 {
            assert_eq!(setup.reason_after(seconds, &made_up(number)), "unknown-key");
        }
        assert_eq!(setup.issuer.asked_for_keys(), requests, "after {seconds} s");
    }
}

#[test]
fn calls_that_come_at_once_share_one_request() {
    let setup = Setup::new();
    let at_once = |token: &str, seconds: u64| {
        let now = setup.now + Duration::from_secs(seconds);
        let calls: Vec<_> = (0..50)
            .map(|_| {
                let (verifier, token) = (Arc::clone(&setup.verifier), token.to_owned());
                setup.runtime.spawn(async move { verifier.verify(&token, now).await.map(|_| ()) })
            })
            .collect();
        let results = calls.into_iter().map(|call| setup.runtime.block_on(call).unwrap());
        results.filter(Result::is_ok).count()
    };
    assert_eq!(at_once(&setup.issuer.token(&setup.claims()), 0), 50);
    assert_eq!(
        setup.issuer.asked(),
        ["/pool/.well-known/openid-configuration", "/pool/.well-known/jwks.json"]
    );
    setup.issuer.rotate();
    assert_eq!(at_once(&setup.issuer.token(&setup.claims()), 60), 50);
    assert_eq!(setup.issuer.asked_for_keys(), 2);
    // And where nothing comes of it.
    let setup = Setup::new();
    setup.issuer.set(Mode::Down);
    let token = setup.issuer.token(&setup.claims());
    let calls = (0..50).map(|_| {
        let (verifier, token, now) = (Arc::clone(&setup.verifier), token.clone(), setup.now);
        setup.runtime.spawn(async move { verifier.verify(&token, now).await })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(setup.runtime.block_on(call).unwrap().unwrap_err().reason, "issuer-unavailable");
    }
    assert_eq!(setup.issuer.asked().len(), 1);
}

#[test]
fn keys_outlive_their_issuer_for_a_while() {
    let setup = Setup::new();
    let mut claims = setup.claims();
    claims["exp"] = setup.at(1_000_000);
    let token = setup.issuer.token(&claims);
    assert_eq!(setup.reason(&token), "accepted");
    setup.issuer.set(Mode::Down);
    let (fresh, stale) = (3600, 4 * 3600);
    assert_eq!(setup.reason_after(fresh - 1, &token), "accepted");
    assert_eq!(setup.issuer.asked().len(), 2, "fresh keys are not asked for");
    assert_eq!(setup.reason_after(fresh, &token), "accepted");
    assert_eq!(setup.reason_after(fresh + 1, &token), "accepted");
    assert_eq!(setup.issuer.asked().len(), 3, "a request that failed is not repeated at once");
    assert_eq!(setup.reason_after(fresh + stale - 1, &token), "accepted");
    let refusal = setup.verify_after(fresh + stale, &token).unwrap_err();
    assert_eq!((refusal.reason, refusal.status), ("issuer-unavailable", 503));
    assert!(!setup.verifier.is_ready(setup.now + Duration::from_secs(fresh + stale)));
    setup.issuer.set(Mode::Up);
    assert_eq!(setup.reason_after(fresh + stale + 5, &token), "accepted");
    // A clock that is put back makes nothing younger.
    setup.issuer.set(Mode::Down);
    let before = setup.runtime.block_on(setup.verifier.verify(&token, setup.now - Duration::from_secs(7200)));
    assert_eq!(before.unwrap_err().reason, "issuer-unavailable");
}

#[test]
fn answers_that_are_no_keys_are_not_taken_for_some() {
    let setup = Setup::new();
    let token = setup.issuer.token(&setup.claims());
    let attacker = Issuer::start();
    let metadata = |issuer: &str, jwks: &str| json!({ "issuer": issuer, "jwks_uri": jwks }).to_string();
    let name = setup.issuer.name();
    let mut seconds = 0;
    for (what, status, header, body) in [
        ("an error", 500, String::new(), String::new()),
        ("nothing", 404, String::new(), String::new()),
        (
            "a redirect",
            302,
            format!("location: {}/.well-known/openid-configuration\r\n", attacker.name()),
            String::new(),
        ),
        ("no JSON", 200, String::new(), "<html>".to_owned()),
        (
            "another issuer's",
            200,
            String::new(),
            metadata(&attacker.name(), &format!("{}/.well-known/jwks.json", attacker.name())),
        ),
        ("a file", 200, String::new(), metadata(&name, "file:///etc/passwd")),
        ("too much", 200, String::new(), " ".repeat(300 * 1024) + &metadata(&name, &name)),
    ] {
        setup.issuer.set(Mode::With(status, header, body));
        assert_eq!(setup.reason_after(seconds, &token), "issuer-unavailable", "{what}");
        seconds += 10;
    }
    assert_eq!(attacker.asked(), [""; 0]);
    setup.issuer.set(Mode::Up);
    assert_eq!(setup.reason_after(seconds, &token), "accepted");
    // A set without a key that is of any use does not take the place of one that has some.
    setup.issuer.publish(&[]);
    assert_eq!(
        setup.reason_after(seconds + 3601, &setup.issuer.token(&setup.but("exp", setup.at(1_000_000)))),
        "accepted"
    );
}

#[test]
fn keys_may_be_where_the_settings_say() {
    let issuer = Issuer::start();
    let settings = format!("{}jwks = \"{}/.well-known/jwks.json\"", issuer.cognito(), issuer.name());
    let setup = Setup::of(issuer, &settings);
    assert_eq!(setup.reason(&setup.issuer.token(&setup.claims())), "accepted");
    assert_eq!(setup.issuer.asked(), ["/pool/.well-known/jwks.json"]);
}

#[test]
fn an_issuer_may_know_oauth_alone() {
    let setup = Setup::new();
    setup.issuer.set(Mode::Oauth);
    assert_eq!(setup.reason(&setup.issuer.token(&setup.claims())), "accepted");
}

#[test]
fn nothing_but_a_token_is_a_token() {
    let setup = Setup::new();
    let good = setup.issuer.token(&setup.claims());
    assert_eq!(setup.reason(&good), "accepted");
    let refused = |text: &str| setup.verify(text).is_err();
    proptest!(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }, |(
        noise in prop_oneof![".{0,200}", "[A-Za-z0-9_.-]{0,300}", "[A-Za-z0-9_-]{1,80}\\.[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,80}"],
        at in 0..good.len(), with in "[A-Za-z0-9_.=+/ -]{0,3}", length in 0usize..4,
    )| {
        prop_assert!(refused(&noise));
        // A piece of a token that holds, replaced.
        let end = (at + length).min(good.len());
        let mutated = format!("{}{with}{}", &good[..at], &good[end..]);
        prop_assert!(mutated == good || refused(&mutated), "{}", mutated);
    });
    // Headers and claims of any shape, rightly signed: no panic, and nothing accepted that does not hold.
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        prop::collection::vec(".{0,5}".prop_map(Value::from), 0..3).prop_map(Value::from),
        Just(json!({ "a": [{}] })),
    ];
    let claim = prop::sample::select(vec!["iss", "sub", "aud", "exp", "token_use", "client_id"]);
    proptest!(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() }, |(
        claim in claim, value in value, in_header: bool
    )| {
        let token = if in_header {
            let mut header = setup.issuer.header();
            header["kid"] = value.clone();
            setup.issuer.token_with(&header, &setup.claims())
        } else {
            setup.issuer.token(&setup.but(claim, value.clone()))
        };
        let says_enough = match claim {
            "sub" => value.as_str().is_some_and(|text| !text.is_empty()),
            "exp" => value.as_f64() > setup.at(-30).as_f64(),
            _ => false,
        };
        prop_assert!((says_enough && !in_header) || refused(&token), "{} {}", claim, value);
    });
}
