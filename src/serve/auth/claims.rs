//! What a token says, held against what it must say.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Number;

use super::refusal::{Known, Refusal};
use super::settings::Rules;
use crate::serve::auth::principal::Parts;

/// The claims that count (RFC 7519 §4.1, RFC 9068 §2.2, and Cognito's own). One that comes twice makes the token
/// malformed: two readers could take different ones (RFC 7519 §4).
#[derive(Deserialize)]
pub(super) struct Claims {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Texts>,
    exp: Option<Moment>,
    nbf: Option<Moment>,
    iat: Option<Moment>,
    jti: Option<String>,
    client_id: Option<String>,
    azp: Option<String>,
    token_use: Option<String>,
    at_hash: Option<String>,
    c_hash: Option<String>,
    scope: Option<Texts>,
    scp: Option<Texts>,
    #[serde(rename = "cognito:groups")]
    cognito_groups: Option<Texts>,
    groups: Option<Texts>,
    username: Option<String>,
    preferred_username: Option<String>,
}

/// One text, or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<String>),
}

impl Texts {
    fn all(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }

    /// The words of all of them: scopes are parted by spaces (RFC 6749 §3.3).
    fn words(self) -> BTreeSet<String> {
        self.all().iter().flat_map(|text| text.split_ascii_whitespace()).map(str::to_owned).collect()
    }
}

/// Whole seconds since 1970; a fraction is allowed (RFC 7519 §2) and does not count.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "Number")]
struct Moment(i64);

impl TryFrom<Number> for Moment {
    type Error = &'static str;

    fn try_from(number: Number) -> Result<Self, Self::Error> {
        let text = number.to_string();
        let whole = text.split_once('.').map_or(text.as_str(), |(whole, _)| whole);
        whole.parse().map(Self).map_err(|_| "not a moment")
    }
}

impl Claims {
    /// Whose token it is, and the second in which it has expired.
    ///
    /// A check that is left out where its claim is absent is no check: each says what absence means.
    pub(super) fn check(self, rules: &Rules, now: i64) -> Result<(Parts, i64), Refusal> {
        let known = Known {
            subject: self.sub.clone().unwrap_or_default(),
            client_id: self.client_id.clone().or_else(|| self.azp.clone()).unwrap_or_default(),
            token_id: self.jti.clone().unwrap_or_default(),
        };
        match self.judge(rules, now, &known) {
            Ok(until) => Ok((self.parts(known), until)),
            Err((reason, description)) => Err(Refusal::token(reason, description).of(known)),
        }
    }

    fn judge(&self, rules: &Rules, now: i64, known: &Known) -> Result<i64, (&'static str, &'static str)> {
        if self.iss.as_deref() != Some(&rules.issuer) {
            return Err(("wrong-issuer", "The token was issued by somebody else"));
        }
        let Some(Moment(expires)) = self.exp else {
            return Err(("missing-claim", "The token does not say when it expires"));
        };
        let until = expires.saturating_add(rules.leeway);
        if now >= until {
            return Err(("expired", "The token has expired"));
        }
        let is_ahead = |Moment(at): Moment| at > now.saturating_add(rules.leeway);
        if self.nbf.is_some_and(is_ahead) || self.iat.is_some_and(is_ahead) {
            return Err(("not-yet-valid", "The token is not valid yet"));
        }
        if known.subject.is_empty() {
            return Err(("missing-claim", "The token does not say who it is for"));
        }
        // An ID token tells a client who signed in; it lets nobody in here. OpenID Connect Core §3.1.3.6 and §3.3.2.11
        // give it hashes of what came with it.
        match self.token_use.as_deref() {
            Some("access") => {}
            None if !rules.needs_token_use => {}
            None => return Err(("missing-claim", "The token does not say what it may be used for")),
            Some(_) => return Err(("id-token", "An access token is needed, and this is another one")),
        }
        if self.at_hash.is_some() || self.c_hash.is_some() {
            return Err(("id-token", "An access token is needed, and this is another one"));
        }
        if !rules.clients.contains(&known.client_id) {
            return Err(("client-not-listed", "The client that the token was issued to may not call"));
        }
        let audience: &[String] = match &self.aud {
            None => &[],
            Some(Texts::One(one)) => std::slice::from_ref(one),
            Some(Texts::Many(many)) => many,
        };
        if audience.is_empty() && !rules.machine_clients.contains(&known.client_id) {
            return Err(("missing-audience", "The token does not say that it is for this server"));
        }
        if !audience.is_empty() && !audience.contains(&rules.audience) {
            return Err(("wrong-audience", "The token is for another server"));
        }
        Ok(until)
    }

    fn parts(self, known: Known) -> Parts {
        Parts {
            subject: known.subject,
            client_id: known.client_id,
            token_id: known.token_id,
            username: self.username.or(self.preferred_username).unwrap_or_default(),
            scopes: self.scope.or(self.scp).map(Texts::words).unwrap_or_default(),
            groups: self
                .cognito_groups
                .or(self.groups)
                .map(|groups| groups.all().into_iter().collect())
                .unwrap_or_default(),
            is_local: false,
        }
    }
}
