//! An issuer of tokens on this machine: signs whatever a test wants signed, shows its keys, exchanges them, goes away.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};

/// A key and the name that it is shown by.
pub(crate) struct Key {
    pub(crate) kid: String,
    pair: KeyPair,
}

impl Key {
    pub(crate) fn new(kid: &str) -> Self {
        Self { kid: kid.to_owned(), pair: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap() }
    }

    /// The public half, as RFC 7517 writes it.
    pub(crate) fn public(&self) -> Value {
        // An uncompressed point: 4, x, y.
        let raw = self.pair.public_key_raw();
        let (x, y) = raw[1..].split_at(32);
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.kid, "x": text(x), "y": text(y)})
    }

    /// The public half in PEM, as somebody would have it who mistakes it for a shared secret.
    pub(crate) fn public_pem(&self) -> String {
        self.pair.public_key_pem()
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.kid.clone()), typ: None, ..Header::new(Algorithm::ES256) };
        self.sign_as(&header, claims)
    }

    pub(crate) fn sign_as(&self, header: &Header, claims: &Value) -> String {
        let key = EncodingKey::from_ec_pem(self.pair.serialize_pem().as_bytes()).unwrap();
        jsonwebtoken::encode(header, claims, &key).unwrap()
    }
}

/// The issuer.
pub(crate) struct Issuer {
    pub(crate) address: SocketAddr,
    pub(crate) keys: Arc<Mutex<Vec<Key>>>,
    /// Whether it answers nothing but errors.
    pub(crate) is_down: Arc<AtomicBool>,
    /// How often its keys were asked for.
    pub(crate) asked: Arc<AtomicUsize>,
}

impl Issuer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = Self {
            address: listener.local_addr().unwrap(),
            keys: Arc::new(Mutex::new(vec![Key::new("first")])),
            is_down: Arc::default(),
            asked: Arc::default(),
        };
        let (name, keys) = (issuer.name(), Arc::clone(&issuer.keys));
        let (is_down, asked) = (Arc::clone(&issuer.is_down), Arc::clone(&issuer.asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream, &name, &keys, &is_down, &asked);
            }
        });
        issuer
    }

    /// What its tokens call it: with a path, as a user pool has it.
    pub(crate) fn name(&self) -> String {
        format!("http://{}/us-east-1_Test", self.address)
    }

    /// What a good token says, for the server at `url`.
    pub(crate) fn claims(&self, url: &str, scope: &str) -> Value {
        let now = now();
        json!({
            "iss": self.name(), "sub": "4f1c-analyst", "client_id": "agent", "token_use": "access", "aud": url,
            "scope": scope, "jti": "token-1", "iat": now, "exp": now + 600, "username": "analyst",
            "cognito:groups": ["gas-desk"],
        })
    }

    /// A good token.
    pub(crate) fn token(&self, url: &str, scope: &str) -> String {
        self.sign(&self.claims(url, scope))
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.keys.lock().unwrap()[0].sign(claims)
    }
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn answer(
    mut stream: TcpStream,
    name: &str,
    keys: &Mutex<Vec<Key>>,
    is_down: &AtomicBool,
    asked: &AtomicUsize,
) {
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut first = String::new();
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
        if first.is_empty() {
            first.clone_from(&line);
        }
        line.clear();
    }
    let path = first.split(' ').nth(1).unwrap_or_default();
    let body = match path {
        _ if is_down.load(Ordering::SeqCst) => None,
        "/us-east-1_Test/.well-known/openid-configuration" => Some(json!({
            "issuer": name, "jwks_uri": format!("{name}/keys"),
            "authorization_endpoint": format!("{name}/authorize"), "token_endpoint": format!("{name}/token"),
        })),
        "/us-east-1_Test/keys" => {
            asked.fetch_add(1, Ordering::SeqCst);
            let keys: Vec<Value> = keys.lock().unwrap().iter().map(Key::public).collect();
            Some(json!({ "keys": keys }))
        }
        _ => None,
    };
    let (status, body) = match body {
        Some(body) => ("200 OK", body.to_string()),
        None => ("503 Service Unavailable", String::new()),
    };
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
}
