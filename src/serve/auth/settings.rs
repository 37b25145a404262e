//! `[serve.auth]`: whose tokens are accepted.

use serde::Deserialize;

/// `[serve.auth]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "provider", rename_all = "lowercase", deny_unknown_fields)]
pub enum AuthSettings {
    /// A user pool of Amazon Cognito.
    Cognito {
        /// The region, such as `us-east-1`.
        region: String,
        /// The id of the user pool, such as `us-east-1_AbCdEfGhI`.
        pool: String,
        /// The ids of the clients whose tokens are accepted.
        clients: Vec<String>,
        /// Those of them that act without a person: their tokens may lack an audience.
        #[serde(default)]
        machine_clients: Vec<String>,
    },
    /// Any issuer of `OpenID` Connect, or of RFC 9068 access tokens.
    Oidc {
        /// The issuer, as the tokens name it.
        issuer: String,
        /// Where its keys are; by default its metadata says.
        jwks: Option<String>,
        /// The ids of the clients whose tokens are accepted.
        clients: Vec<String>,
        /// Those of them that act without a person: their tokens may lack an audience.
        #[serde(default)]
        machine_clients: Vec<String>,
        /// The audience that a token must have; by default `[serve] url`.
        audience: Option<String>,
    },
}
