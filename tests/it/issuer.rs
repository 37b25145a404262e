//! An issuer of tokens on loopback, like a user pool of Cognito: signs whatever it is asked to, changes its keys, goes
//! away, and counts who asks for what. Whoever is sent to it to sign in is signed in at once, and comes back with a code
//! that is good for one token (RFC 6749 §4.1, RFC 7636). Its keys are made when the tests run.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};
use rsa::pkcs1::{EncodeRsaPrivateKey as _, EncodeRsaPublicKey as _};
use rsa::traits::PublicKeyParts as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The client that tokens are issued to, unless a test says otherwise.
pub(super) const CLIENT: &str = "client-of-analysts";

/// A client that acts for itself.
pub(super) const MACHINE: &str = "client-of-the-night";

/// A key pair.
pub(super) struct Pair {
    secret: EncodingKey,
    /// The public half as DER (PKCS #1), or as a point.
    public: Vec<u8>,
    jwk: Value,
}

impl Pair {
    fn rsa() -> Self {
        let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap();
        let encoded = |number: &rsa::BigUint| URL_SAFE_NO_PAD.encode(number.to_bytes_be());
        Self {
            secret: EncodingKey::from_rsa_der(key.to_pkcs1_der().unwrap().as_bytes()),
            public: key.to_public_key().to_pkcs1_der().unwrap().as_bytes().to_vec(),
            jwk: json!({ "kty": "RSA", "n": encoded(key.n()), "e": encoded(key.e()) }),
        }
    }

    fn ec(curve: &str) -> Self {
        let algorithm = if curve == "P-256" { &PKCS_ECDSA_P256_SHA256 } else { &PKCS_ECDSA_P384_SHA384 };
        let key = KeyPair::generate_for(algorithm).unwrap();
        let point = key.public_key_raw().to_vec();
        let (x, y) = point[1..].split_at(point.len() / 2);
        let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        Self {
            secret: EncodingKey::from_ec_der(&key.serialize_der()),
            jwk: json!({ "kty": "EC", "crv": curve, "x": encoded(x), "y": encoded(y) }),
            public: point.clone(),
        }
    }

    /// The public half as it is published, under an id.
    pub(super) fn jwk(&self, id: &str) -> Value {
        let mut jwk = self.jwk.clone();
        jwk["kid"] = json!(id);
        jwk["use"] = json!("sig");
        jwk
    }

    /// The public half, as somebody would use it for a secret who confuses the two.
    pub(super) fn public(&self) -> &[u8] {
        &self.public
    }
}

/// The keys that all tests share: making one takes a second.
pub(super) struct Pairs {
    pub(super) rsa: Pair,
    pub(super) other_rsa: Pair,
    pub(super) p256: Pair,
    pub(super) p384: Pair,
}

pub(super) fn pairs() -> &'static Pairs {
    static PAIRS: OnceLock<Pairs> = OnceLock::new();
    PAIRS.get_or_init(|| {
        let other = std::thread::spawn(Pair::rsa);
        let rsa = Pair::rsa();
        let [p256, p384] = ["P-256", "P-384"].map(Pair::ec);
        Pairs { rsa, other_rsa: other.join().unwrap(), p256, p384 }
    })
}

/// `header` and `claims`, signed: any texts, whether they make sense or not.
pub(super) fn signed(header: &str, claims: &str, algorithm: Algorithm, secret: &EncodingKey) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), secret, algorithm).unwrap();
    format!("{message}.{signature}")
}

/// How it answers.
#[derive(Clone)]
pub(super) enum Mode {
    /// As it should.
    Up,
    /// As an issuer that knows OAuth alone: its metadata stands where RFC 8414 §3.1 puts it.
    Oauth,
    /// Not at all.
    Down,
    /// With this status, this further header, and this body, to everything.
    With(u16, String, String),
}

struct State {
    name: String,
    mode: Mode,
    /// What stands in the set of keys.
    keys: Vec<Value>,
    /// How often the keys have changed.
    rotations: usize,
    /// The paths that were asked for.
    asked: Vec<String>,
    /// What else stands in its metadata, or in the place of what does.
    metadata: Value,
    /// The codes that are not used yet, with what they were asked for by.
    codes: BTreeMap<String, BTreeMap<String, String>>,
    /// Everything that went back and forth and is nobody else's: codes, verifiers, tokens.
    secrets: Vec<String>,
}

/// An issuer, until the test ends.
pub(super) struct Issuer(Arc<Mutex<State>>);

impl Issuer {
    /// Starts one, with one RSA key.
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            name: format!("http://{address}/pool"),
            mode: Mode::Up,
            keys: Vec::new(),
            rotations: 0,
            asked: Vec::new(),
            metadata: json!({}),
            codes: BTreeMap::new(),
            secrets: Vec::new(),
        }));
        let shared = Arc::clone(&state);
        // It ends with the process: the connections of a test are few.
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let shared = Arc::clone(&shared);
                // Whoever goes away before he has his answer is nobody's concern.
                std::thread::spawn(move || {
                    connection.and_then(|connection| serve(&connection, &Self(shared)))
                });
            }
        });
        let issuer = Self(state);
        issuer.publish(&[(&issuer.key_id(), &pairs().rsa)]);
        issuer
    }

    /// Its name, as tokens have it.
    pub(super) fn name(&self) -> String {
        self.0.lock().unwrap().name.clone()
    }

    /// `[serve.auth]` for its tokens, in the manner of Cognito.
    pub(super) fn cognito(&self) -> String {
        format!(
            "provider = \"cognito\"\nissuer = \"{}\"\nclients = [\"{CLIENT}\"]\nmachine_clients = [\"{MACHINE}\"]\n",
            self.name()
        )
    }

    /// The id of the key that signs now.
    pub(super) fn key_id(&self) -> String {
        format!("key-{}", self.0.lock().unwrap().rotations)
    }

    fn pair(&self) -> &'static Pair {
        if self.0.lock().unwrap().rotations.is_multiple_of(2) { &pairs().rsa } else { &pairs().other_rsa }
    }

    /// Puts `keys` into the set, in the place of all others.
    pub(super) fn publish(&self, keys: &[(&str, &Pair)]) {
        self.0.lock().unwrap().keys = keys.iter().map(|(id, pair)| pair.jwk(id)).collect();
    }

    /// Signs with another key from now on, and publishes that one alone.
    pub(super) fn rotate(&self) {
        self.0.lock().unwrap().rotations += 1;
        self.publish(&[(&self.key_id(), self.pair())]);
    }

    /// Answers in another way from now on.
    pub(super) fn set(&self, mode: Mode) {
        self.0.lock().unwrap().mode = mode;
    }

    /// Says this in its metadata from now on.
    pub(super) fn say(&self, metadata: Value) {
        self.0.lock().unwrap().metadata = metadata;
    }

    /// The codes, verifiers and tokens so far.
    pub(super) fn secrets(&self) -> Vec<String> {
        self.0.lock().unwrap().secrets.clone()
    }

    /// Signs in whoever comes, and sends him back with a code.
    fn authorize(&self, query: &str) -> Result<String, String> {
        let asked = fields(query);
        let wants = |name: &str, value: &str| match asked.get(name) {
            Some(found) if found == value => Ok(()),
            found => Err(format!("{name} is {found:?}")),
        };
        wants("response_type", "code")?;
        wants("client_id", CLIENT)?;
        wants("code_challenge_method", "S256")?;
        let redirect = asked.get("redirect_uri").filter(|uri| uri.starts_with("http://localhost:"));
        let redirect = redirect.ok_or("redirect_uri")?.clone();
        let state = asked.get("state").filter(|state| state.len() >= 22).ok_or("state")?.clone();
        let mut shared = self.0.lock().unwrap();
        let code = format!("code-{}-of-the-issuer", shared.secrets.len());
        shared.secrets.push(code.clone());
        shared.codes.insert(code.clone(), asked);
        let name = shared.name.clone();
        Ok(format!(
            "{redirect}?code={code}&state={state}&iss={}",
            name.replace(':', "%3A").replace('/', "%2F")
        ))
    }

    /// A token for a code, once.
    fn redeem(&self, form: &str) -> Result<Value, String> {
        let given = fields(form);
        let text = |name: &str| given.get(name).cloned().unwrap_or_default();
        let asked = {
            let mut shared = self.0.lock().unwrap();
            shared.secrets.push(text("code_verifier"));
            shared.codes.remove(&text("code")).ok_or("the code is unknown, or was used")?
        };
        for name in ["client_id", "redirect_uri", "resource"] {
            if asked.get(name) != given.get(name) {
                return Err(format!("{name} is another"));
            }
        }
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(text("code_verifier")));
        if text("grant_type") != "authorization_code"
            || text("code_verifier").len() < 43
            || challenge != asked["code_challenge"]
        {
            return Err("the verifier is another".to_owned());
        }
        let mut claims = self.claims(&asked["resource"]);
        claims["scope"] = json!(asked["scope"]);
        let token = self.token(&claims);
        self.0.lock().unwrap().secrets.push(token.clone());
        Ok(
            json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600, "scope": asked["scope"]}),
        )
    }

    /// The paths that were asked for so far.
    pub(super) fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().asked.clone()
    }

    /// How often the keys were asked for.
    pub(super) fn asked_for_keys(&self) -> usize {
        self.asked().iter().filter(|path| path.ends_with("jwks.json")).count()
    }

    /// Claims that hold for `audience`, for an hour.
    pub(super) fn claims(&self, audience: &str) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        json!({
            "iss": self.name(),
            "sub": "11111111-2222-3333-4444-555555555555",
            "username": "ana",
            "cognito:groups": ["gas-desk"],
            "client_id": CLIENT,
            "aud": audience,
            "token_use": "access",
            "scope": "openid tieout/read",
            "jti": "token-1",
            "auth_time": now,
            "iat": now,
            "exp": now + 3600,
        })
    }

    /// The header of its tokens: as Cognito's, without a type.
    pub(super) fn header(&self) -> Value {
        json!({ "kid": self.key_id(), "alg": "RS256" })
    }

    /// A token of these claims.
    pub(super) fn token(&self, claims: &Value) -> String {
        self.token_with(&self.header(), claims)
    }

    /// A token of these claims, with this header, signed by RS256 whatever it says.
    pub(super) fn token_with(&self, header: &Value, claims: &Value) -> String {
        Self::signed_by(self.pair(), Algorithm::RS256, header, claims)
    }

    /// A token whose claims are this text, JSON or not.
    pub(super) fn token_of(&self, claims: &str) -> String {
        signed(&self.header().to_string(), claims, Algorithm::RS256, &self.pair().secret)
    }

    /// A token, signed by `pair`.
    pub(super) fn signed_by(pair: &Pair, algorithm: Algorithm, header: &Value, claims: &Value) -> String {
        signed(&header.to_string(), &claims.to_string(), algorithm, &pair.secret)
    }
}

/// The fields of a form or a query.
fn fields(text: &str) -> BTreeMap<String, String> {
    let url = reqwest::Url::parse(&format!("http://fields/?{text}")).unwrap();
    url.query_pairs().into_owned().collect()
}

fn serve(connection: &TcpStream, issuer: &Issuer) -> std::io::Result<()> {
    let state = &issuer.0;
    let mut reader = BufReader::new(connection);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut form = vec![0; length];
    reader.read_exact(&mut form)?;
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let signed_in = match path.split_once('?') {
        Some(("/pool/authorize", query)) => Some(issuer.authorize(query).map_or_else(
            |why| (400, String::new(), why),
            |location| (302, format!("location: {location}\r\n"), String::new()),
        )),
        _ if path == "/pool/token" => Some(issuer.redeem(&String::from_utf8(form).unwrap()).map_or_else(
            |why| {
                let refused = json!({"error": "invalid_grant", "error_description": why});
                (400, String::new(), refused.to_string())
            },
            |token| (200, String::new(), token.to_string()),
        )),
        _ => None,
    };
    let (status, header, body) = {
        let mut state = state.lock().unwrap();
        let metadata = match state.mode {
            Mode::Oauth => "/.well-known/oauth-authorization-server/pool",
            _ => "/pool/.well-known/openid-configuration",
        };
        let body = match path.as_str() {
            path if path == metadata => {
                let mut said = json!({
                    "issuer": state.name,
                    "jwks_uri": format!("{}/.well-known/jwks.json", state.name),
                    "authorization_endpoint": format!("{}/authorize", state.name),
                    "token_endpoint": format!("{}/token", state.name),
                });
                said.as_object_mut().unwrap().extend(state.metadata.as_object().unwrap().clone());
                Some(said)
            }
            "/pool/.well-known/jwks.json" => Some(json!({ "keys": state.keys })),
            _ => None,
        };
        state.asked.push(path);
        match (&state.mode, body) {
            (Mode::Down, _) => return Ok(()),
            (Mode::Up | Mode::Oauth, _) if signed_in.is_some() => signed_in.unwrap_or_default(),
            (Mode::With(status, header, body), _) => (*status, header.clone(), body.clone()),
            (Mode::Up | Mode::Oauth, Some(body)) => (200, String::new(), body.to_string()),
            (Mode::Up | Mode::Oauth, None) => (404, String::new(), String::new()),
        }
    };
    let mut connection = connection;
    write!(
        connection,
        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n{header}\r\n{body}",
        body.len()
    )
}
