//! In: a CSV file of settlement records, and who may sign in. Out: an embedded settlement platform for demonstrations and
//! tests: a SOAP service (1.1 and 1.2, after ASMX's manner) over HTTP with real NTLM, and a log of every call. Never: listens
//! beyond this machine, or claims to be anybody's real platform.

mod faults;
mod http;
mod log;
mod ntlm;
mod operations;
mod records;
mod soap;
mod spnego;
mod tls;
mod wsdl;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;

use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;

use crate::fault::{Fault, Kind, Result};

pub use faults::{Faults, Trouble};
pub use log::{Execution, Log, read_log};

/// Where the service answers.
const PATH: &str = "/Settlement.asmx";

/// The namespace of the service's elements and actions.
pub const NAMESPACE: &str = soap::NAMESPACE;

/// Who may sign in.
#[derive(Clone, Debug)]
pub struct User {
    /// `DOMAIN\user`, `user@domain` or `user`; compared in any case, as Windows does.
    pub name: String,
    /// The password.
    pub password: SecretString,
}

/// A scheme of HTTP's authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `NTLM`.
    Ntlm,
    /// `Negotiate`: NTLM inside SPNEGO, or bare.
    Negotiate,
    /// `Negotiate` as a server has it that knows no SPNEGO: NTLM bare.
    BareNegotiate,
}

impl Scheme {
    /// Its name in HTTP's headers.
    const fn name(self) -> &'static str {
        match self {
            Self::Ntlm => "NTLM",
            Self::Negotiate | Self::BareNegotiate => "Negotiate",
        }
    }
}

/// What the simulator serves, to whom, and how badly.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen: a loopback address; port 0 is any free port.
    pub address: SocketAddr,
    /// The settlement records, a CSV file with a header row.
    pub records: PathBuf,
    /// The header of the column that names the counterparty; guessed where `None`.
    pub vendor_column: Option<String>,
    /// The header of the column with the start of delivery (ISO 8601); guessed where `None`.
    pub start_column: Option<String>,
    /// The platform's local time: what dates without an offset mean.
    pub time_zone: TimeZone,
    /// The most records of one page, whatever a call asks for.
    pub page_size_max: usize,
    /// Who may sign in.
    pub users: Vec<User>,
    /// Certificate chain and private key, two PEM files: HTTPS instead of HTTP.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Over TLS, let nobody in without a certificate that one of these authorities (a PEM file) has issued.
    pub client_ca: Option<PathBuf>,
    /// Under which schemes of HTTP it takes NTLM.
    pub schemes: &'static [Scheme],
    /// Over TLS, refuse a sign-in that is not bound to the channel (Extended Protection). Wrong bindings are
    /// always refused.
    pub require_channel_bindings: bool,
    /// The execution log: a file, which is continued if it exists, or memory.
    pub log: Option<PathBuf>,
    /// What shall go wrong.
    pub faults: Faults,
}

impl Settings {
    /// The records of a CSV file for `users`, on any free port of 127.0.0.1, without trouble.
    pub fn new(records: impl Into<PathBuf>, users: Vec<User>) -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            records: records.into(),
            vendor_column: None,
            start_column: None,
            time_zone: TimeZone::UTC,
            page_size_max: 10_000,
            users,
            tls: None,
            client_ca: None,
            schemes: &[Scheme::Ntlm],
            require_channel_bindings: false,
            log: None,
            faults: Faults::default(),
        }
    }
}

/// A platform that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct Simulator {
    endpoint: String,
    records: usize,
    log: Log,
    /// Dropped, it ends the server.
    running: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Loads the records and starts to serve them, on a thread of its own.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where an address is not this machine's own or is taken, nobody may sign in, a
    /// column or PEM file is not to be used; [`Kind::Input`] where the records or the log cannot be read.
    pub fn start(settings: Settings) -> Result<Self> {
        check(&settings)?;
        let platform = operations::Platform {
            records: records::Records::load(
                &settings.records,
                settings.vendor_column.as_deref(),
                settings.start_column.as_deref(),
                settings.time_zone,
            )?,
            page_size_max: settings.page_size_max,
        };
        let log = Log::open(settings.log.as_deref())?;
        let (tls, token) = match &settings.tls {
            Some((certificate, key)) => tls::acceptor(certificate, key, settings.client_ca.as_deref())
                .map(|(tls, token)| (Some(tls), Some(token)))?,
            None => (None, None),
        };
        let cannot = |error: std::io::Error| {
            Fault::new(Kind::Configuration, "the simulator cannot listen here")
                .at(settings.address)
                .because(error)
        };
        let listener = TcpListener::bind(settings.address).map_err(cannot)?;
        listener.set_nonblocking(true).map_err(cannot)?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let endpoint = format!("{scheme}://{}{PATH}", listener.local_addr().map_err(cannot)?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot)?;

        let records = platform.records.len();
        let shared = Arc::new(http::Shared {
            platform,
            users: settings.users,
            schemes: settings.schemes,
            bindings: ntlm::Bindings { token, required: settings.require_channel_bindings },
            faults: settings.faults,
            log: log.clone(),
            endpoint: endpoint.clone(),
            calls: AtomicU64::new(0),
            entries: AtomicU64::new(0),
        });
        let listener = {
            let _guard = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(cannot)?
        };
        let (running, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("simulator".into())
            .spawn(move || {
                runtime.spawn(http::serve(listener, tls, shared));
                // Ends when the sender is dropped; the runtime then goes, and every connection with it.
                let _ = runtime.block_on(stopped);
            })
            .map_err(cannot)?;
        let simulator = Self { endpoint, records, log, running: Some(running), thread: Some(thread) };
        tracing::info!("{}", simulator.notice());
        Ok(simulator)
    }

    /// The URL of the service, as `http://127.0.0.1:PORT/Settlement.asmx`; the WSDL is at `?WSDL`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What to tell whoever starts it: that this is a simulation, where, and of how many records.
    #[must_use]
    pub fn notice(&self) -> String {
        format!("{}: {} records at {}", wsdl::NOTICE, self.records, self.endpoint)
    }

    /// The execution log.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Ends it, with every connection; nothing listens when this returns.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.running = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was reported there.
            let _ = thread.join();
        }
    }
}

fn check(settings: &Settings) -> Result<()> {
    let fault = |what: &str| Fault::new(Kind::Configuration, what);
    if !settings.address.ip().is_loopback() {
        return Err(fault("the simulator listens on this machine alone")
            .value(settings.address)
            .expected("a loopback address, such as 127.0.0.1:8080"));
    }
    if settings.users.is_empty() {
        return Err(fault("nobody could sign in to the simulator").expected("one user at least"));
    }
    if let Some(user) =
        settings.users.iter().find(|user| user.name.is_empty() || user.password.expose_secret().is_empty())
    {
        return Err(fault("a user of the simulator needs a name and a password").value(&user.name));
    }
    if settings.page_size_max == 0 {
        return Err(fault("a page of the simulator holds no record").value(0).expected("1 or more"));
    }
    Ok(())
}
