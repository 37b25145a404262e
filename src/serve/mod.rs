//! In: requests of agents, over stdio or HTTP. Out: the answers of `operations`, and one line in the audit log for
//! each call. Never: does what no operation does, answers what its caller may not see, or answers without that line.
//!
//! A request over HTTP comes in by [`listener`] (peer, TLS), passes [`front`] (host, origin) and [`gate`] (token, scopes, body), is read by
//! rmcp and [`handler`], and done by [`call::Desk`]. Over stdio it starts at the handler.

mod admin;
pub mod audit;
pub mod auth;
mod body;
mod call;
pub mod client;
pub mod confirm;
mod front;
mod gate;
mod handler;
mod http;
pub mod limits;
mod listener;
mod metrics;
mod outside;
mod patience;
mod prompts;
mod question;
mod request;
mod resources;
pub mod roots;
mod safe;
mod settings;
mod tls;
mod tools;
mod watch;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rmcp::{ServerHandler, ServiceExt as _};
use tokio_util::sync::CancellationToken;

use self::audit::{AuditSettings, Sink};
use self::auth::{Policy, Scopes};
use self::call::Desk;
use self::confirm::Confirmations;
use self::handler::Handler;
use self::http::Http;
use self::limits::Limits;
use self::metrics::Metrics;
use self::roots::Roots;
pub use self::settings::Settings;
use crate::config::{self, Overrides};
use crate::fault::{Fault, Kind, Result};
use crate::period::Zone;

/// Serve the operations to agents, as tools of the Model Context Protocol
///
/// Over stdio to the agent that starts it, or over Streamable HTTP to all that
/// have a token: [serve] of tieout.toml says who may call what, from where, how
/// often, and where each call is written down. Only reads, unless [serve] writes
/// says otherwise.
///
/// Exit codes: 0 stopped as it was told to, 2 usage or configuration, 70 a bug
/// of tieout.
#[derive(Clone, Debug, clap::Args)]
pub struct Serve {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "tieout.toml")]
    pub config: PathBuf,

    /// Serve whoever started this process, over its stdin and stdout, without tokens
    #[arg(long)]
    pub stdio: bool,

    /// Serve plain HTTP to other machines, since a proxy on the same network ends TLS
    #[arg(long, conflicts_with = "stdio")]
    pub insecure_behind_proxy: bool,
}

/// Where a server listens.
#[derive(Clone, Debug)]
pub struct Listening {
    /// What clients call.
    pub url: String,
    /// The port.
    pub address: Option<SocketAddr>,
    /// The port of those who run it.
    pub admin: Option<SocketAddr>,
}

impl Serve {
    /// Serves until it is told to stop. `show` is given where it listens, once it does.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where it cannot serve as configured.
    pub fn run(&self, show: &mut dyn FnMut(&Listening)) -> Result<()> {
        match self.stdio {
            true => Server::for_pipe(&self.config)?.stdio(),
            false => Server::new(Settings::load(&self.config)?, self.config.clone())?
                .http(self.insecure_behind_proxy, show),
        }
    }
}

/// A server, before it serves.
pub struct Server {
    settings: Settings,
    scopes: Scopes,
    desk: Arc<Desk>,
}

impl Server {
    /// For many: checks `settings`, opens the audit log, and gets ready. `config` is the `tieout.toml` that calls mean where
    /// they name none.
    ///
    /// # Errors
    /// [`Kind::Configuration`] with the key, its value and what was expected; [`Kind::Output`] where the audit log cannot be written.
    pub fn new(settings: Settings, config: PathBuf) -> Result<Self> {
        Self::with(settings, config, false)
    }

    /// For whoever holds the other end of a pipe: as `[serve]` says, if there is one, and without scopes.
    ///
    /// # Errors
    /// As [`Server::new`].
    pub fn for_pipe(config: &Path) -> Result<Self> {
        Self::with(Settings::for_pipe(config)?, config.to_owned(), true)
    }

    fn with(settings: Settings, config: PathBuf, is_pipe: bool) -> Result<Self> {
        let (tools, known) = tools::offered(settings.writes);
        let scopes = match is_pipe {
            true => Scopes::new(&BTreeMap::new(), &known, &[])?,
            false => Scopes::new(&settings.scopes, &known, &tools::names(&tools))?,
        };
        settings.limits.check_tools(&known)?;
        let now = SystemTime::now();
        // Periods of grants are days where the reconciliation is.
        let zone = match settings.policy.iter().any(|grant| grant.periods.is_some()) {
            true => config::load(&config, &Overrides::default(), now)?.zone,
            false => Zone::utc(),
        };
        // Those that a call may name: this one, and what it lists. What they keep secret is nobody's to name.
        let own = config.file_name().map(PathBuf::from);
        let configurations: Vec<PathBuf> = own.into_iter().chain(settings.configurations.clone()).collect();
        let mut closed = settings.closed();
        for path in &configurations {
            let folder = path.parent().unwrap_or(Path::new(""));
            let secrets = config::secret_files(&settings.base.join(path))?;
            closed.extend(secrets.iter().map(|secret| folder.join(secret)));
        }
        let desk = Desk {
            scopes: scopes.clone(),
            policy: Policy::new(&settings.policy, &known, &zone, now)?,
            roots: Roots::new(&settings.base, &settings.roots, &closed)?
                .with_configurations(&configurations)?,
            limits: Arc::new(Limits::new(&settings.limits)?),
            metrics: Arc::new(Metrics::new()),
            confirmations: Confirmations::new()?,
            tools,
            config,
            writes: settings.writes,
            confirm_writes: settings.confirm_writes,
            call_time: Duration::from_secs(settings.limits.call_seconds),
            closing: CancellationToken::new(),
            // Last: what cannot serve as it is configured leaves nothing behind.
            audit: Arc::new(match is_pipe {
                true => audit_of_pipe(&settings)?,
                false => settings.audit.open(&settings.base)?,
            }),
        };
        Ok(Self { settings, scopes, desk: Arc::new(desk) })
    }

    /// Serves whoever holds the other end of stdin and stdout, until it is closed.
    ///
    /// # Errors
    /// [`Kind::Input`] where no client speaks the protocol.
    pub fn stdio(self) -> Result<()> {
        run(async {
            let broken = |error: anyhow::Error| {
                Fault::new(Kind::Input, "the client on stdin does not speak the protocol").because(error)
            };
            let handler = Handler::new(Arc::clone(&self.desk));
            let service = match handler.serve(rmcp::transport::stdio()).await {
                Ok(service) => service,
                // Nobody ever came.
                Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
                Err(error) => return Err(broken(error.into())),
            };
            let ended = service.waiting().await;
            self.desk.close().await;
            ended.map(drop).map_err(|error| broken(error.into()))
        })
    }

    /// Serves over HTTP until the process is told to stop. `show` is given where it listens, once it does.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where it cannot serve as configured.
    pub fn http(self, is_behind_proxy: bool, show: &mut dyn FnMut(&Listening)) -> Result<()> {
        let handler = Handler::new(Arc::clone(&self.desk));
        self.http_of(handler, is_behind_proxy, show)
    }

    /// The same with the tools of another handler behind the same door, front and gate, as suites for the protocol want it.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where it cannot serve as configured.
    pub fn http_of(
        self,
        handler: impl ServerHandler + Clone,
        is_behind_proxy: bool,
        show: &mut dyn FnMut(&Listening),
    ) -> Result<()> {
        let Self { settings, scopes, desk } = self;
        let url = settings.url.clone().unwrap_or_default();
        let (audit, metrics) = (Arc::clone(&desk.audit), Arc::clone(&desk.metrics));
        let http = Http::new(settings, scopes, audit, metrics, is_behind_proxy)?;
        show(&Listening { url, address: http.address(), admin: http.admin_address() });
        run(async {
            let ended = http.serve(handler, desk.closing.clone()).await;
            desk.close().await;
            ended
        })
    }
}

/// So many agents may be served by a pipe each, out of one folder.
const PIPES: usize = 16;

/// The audit log of a pipe. Several agents of one person start a server each, and each needs a chain of its own: the configured
/// one, or else one in a folder beside it, the first that no other server writes.
fn audit_of_pipe(settings: &Settings) -> Result<Sink> {
    let own = settings.audit.open(&settings.base);
    let (Some(folder), Some(name)) = (settings.audit.file.parent(), settings.audit.file.file_name()) else {
        return own;
    };
    let others = (2..=PIPES).map(|number| AuditSettings {
        file: folder.join(format!("pipe-{number}")).join(name),
        ..settings.audit.clone()
    });
    // Where none can be had, the reason is that of the first.
    own.or_else(|fault| others.into_iter().find_map(|other| other.open(&settings.base).ok()).ok_or(fault))
}

/// Runs `serving` to its end. A thread that still waits for the platform then is left behind: it has nobody to tell.
fn run(serving: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::new(Kind::Bug, "no threads to serve with").because(error))?;
    let ended = runtime.block_on(serving);
    runtime.shutdown_timeout(call::AT_THE_END);
    ended
}
