//! In: `[platform]` of `tieout.toml`, and what to ask for. Out: [`Record`]s in a fixed order,
//! each with the call that it came from. Never: knows an invoice, asks twice with a refused password, or passes off half an answer as whole.
//!
//! The way of one call: `template` fills the parameters, `envelope` writes
//! the request, `connection` sends it (by the `trust` of `certificate`s, and with `sign` and `ntlm` for the sign-in; `status` and
//! `trouble` say what HTTP and TLS mean), `body` unpacks what comes back (with `media`, `multipart`, `xop` and `charset`), [`answer`]
//! reads its records, and `paging` checks what was announced against what came.
//! `refusal` puts into words what a platform says when it says no. [`doctor`] takes the same way step by
//! step, and says how far it leads.
//!
//! The way of a fetch: `plan` cuts it into pieces, each `worker` asks for one after the other at the given
//! `pace`, `store` keeps them on disk until the fetch is complete, `evidence` writes each call
//! down, and `fetch` hands the records on in order.
//!
//! Beside it, for whoever sets it up: [`wsdl`] reads what a service says of
//! itself, and `call` makes a single call that is held against that.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use reqwest::Url;

use crate::fault::{Fault, Kind, Result};

pub mod answer;
mod body;
mod call;
mod certificate;
mod charset;
mod connection;
pub mod doctor;
mod envelope;
mod evidence;
mod fetch;
mod media;
mod multipart;
mod ntlm;
mod pace;
mod paging;
mod plan;
mod record;
mod refusal;
mod request;
mod settings;
mod sign;
mod status;
mod store;
mod template;
mod trouble;
mod trust;
mod worker;
pub mod wsdl;
mod xop;

pub use call::{Answer, Called, Named, Prepared};
pub use fetch::{Fetched, Manner, Values};
pub use plan::{PLACEHOLDERS, Piece, split_placeholder};
pub use record::{Batch, Fields, Record};
pub use request::{Names, Parameter, Request, Trail, Window};
pub use settings::{Auth, Millionths, Settings, Soap};
pub use template::Template;

use sign::{Sign, Standing};

/// A platform that can be asked; nothing has been sent yet.
pub struct Platform {
    endpoint: Url,
    soap: Soap,
    namespace: String,
    action: String,
    request: Request,
    sign: Sign,
    /// What is known of the password, shared by all connections: one refusal ends every attempt.
    standing: Mutex<Standing>,
    /// Whether the platform has ever answered a call.
    has_answered: AtomicBool,
    /// Whose certificates are trusted, and which is ours.
    tls: rustls::ClientConfig,
    read_timeout: Duration,
    call_deadline: Duration,
    answer_limit_bytes: u64,
    compression: bool,
    connections: usize,
    calls_per_second: Option<Millionths>,
    retries: u32,
    retry_wait: Duration,
    fetch_deadline: Duration,
    /// Where what a fetch has so far is kept, and for how long it may be resumed.
    store: PathBuf,
    resume: Duration,
    /// As whom the platform is asked.
    account: String,
    run: String,
    calls: AtomicU64,
}

impl Platform {
    /// Makes ready to ask: checks the settings, fetches the password, loads the
    /// certificates. Relative files are looked up below `base`. Sends nothing.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where a setting makes no sense, the password
    /// cannot be had, or the certificates cannot be read.
    pub fn new(settings: &Settings, base: &Path) -> Result<Self> {
        let endpoint = settings.check()?;
        let sign = Sign::new(settings, base)?;
        let tls = trust::config(settings, base, endpoint.scheme() == "https")?;
        let platform = Self {
            endpoint,
            soap: settings.soap,
            namespace: settings.namespace.clone(),
            action: settings.action(),
            request: settings.request.clone(),
            sign,
            standing: Mutex::new(Standing::Unknown),
            has_answered: AtomicBool::new(false),
            tls,
            read_timeout: Duration::from_secs(settings.timeout_seconds),
            call_deadline: Duration::from_secs(settings.deadline_seconds),
            answer_limit_bytes: settings.answer_limit_mib.saturating_mul(1 << 20),
            compression: settings.compression,
            connections: settings.connections,
            calls_per_second: settings.calls_per_second,
            retries: settings.retries,
            retry_wait: Duration::from_micros(settings.retry_seconds.0),
            fetch_deadline: Duration::from_secs(settings.fetch_deadline_seconds),
            store: base.join(&settings.store),
            resume: Duration::from_secs(settings.resume_hours.saturating_mul(3600)),
            account: format!("{:?}", (&settings.username, &settings.client_certificate)),
            run: run_prefix(),
            calls: AtomicU64::new(0),
        };
        // A client that cannot be built shall say so now, not at the first call.
        platform.client()?;
        Ok(platform)
    }

    /// The operation that is called.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.request.operation
    }

    /// The endpoint as messages and reports name it: without a query, which may hold a key.
    #[must_use]
    pub fn place(&self) -> String {
        let mut shown = self.endpoint.clone();
        shown.set_query(None);
        shown.into()
    }

    /// A fault of a call that was answered, with what the platform's operators find it by. What is wrong on this machine
    /// is no fault of a call.
    #[must_use]
    pub fn answered(&self, fault: Fault, correlation: &str) -> Fault {
        match fault.kind() {
            Kind::Platform => fault.at(self.place()).called(correlation),
            Kind::SignIn => fault.called(correlation),
            _ => fault,
        }
    }

    /// The same of a call under way, if anything has come back yet.
    fn of_call(&self, fault: Fault, call: &connection::Call) -> Fault {
        match call.status() {
            Some(_) => self.answered(fault, &call.correlation),
            None => fault,
        }
    }

    /// A fault of the platform at its endpoint.
    fn fault(&self, what: impl Into<String>) -> Fault {
        Fault::new(Kind::Platform, what).at(self.place())
    }

    /// A fault of signing in.
    fn sign_in_fault(&self, what: impl Into<String>) -> Fault {
        Fault::new(Kind::SignIn, what).at(self.place())
    }

    /// An id that both sides' logs can be searched for; never the same twice.
    fn correlation(&self) -> String {
        format!("{}-{:06}", self.run, self.calls.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// A prefix that no other run has, without asking for a source of randomness: the
/// standard library seeds each hasher state from the operating system's.
fn run_prefix() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    format!("tieout-{:016x}", hasher.finish())
}
