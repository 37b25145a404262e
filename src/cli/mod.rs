//! In: arguments. Out: an exit code, and everything that a person sees: results to stdout, all else to
//! stderr. Never: lets another room print, or decides what a run came to.

mod agents;
mod audit;
mod listing;
mod print;
mod service;
mod watch;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Parser, Subcommand, ValueEnum};

use self::print::Printer;
use crate::fault::{Fault, Kind, Result};
use crate::operations::{
    Context, Discrepancies, Explain, Export, Fetch, Finding, Inspect, Reconcile, Tool as _, Unlimited, View,
};
use crate::progress::{Progress, Silent};

/// Does what the vendors billed tie out to what the settlement platform recorded, and where it does not, exactly why, to the cent?
#[derive(Parser)]
#[command(name = "tieout", version, max_term_width = 110, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Print nothing but errors
    #[arg(short, long, global = true)]
    quiet: bool,

    /// Show all that is known of an error, such as the stack trace of a platform's fault
    #[arg(short, long, global = true)]
    verbose: bool,

    /// Write a log to stderr
    #[arg(long, global = true, value_name = "FORM", value_enum)]
    log: Option<LogForm>,
}

const EXIT_CODES: &str = "\
Exit codes:
  0   ties out
  1   discrepancies found
  2   usage or configuration, or a report cannot be written
  3   input rejected
  4   platform or sign-in failed
  70  a bug of tieout";

#[derive(Subcommand)]
enum Command {
    Reconcile(Reconcile),
    Discrepancies(Discrepancies),
    Explain(Explain),
    Export(Export),
    Inspect(Inspect),
    Fetch(Fetch),
    #[cfg(feature = "simulator")]
    Demo(crate::operations::Demo),
    /// Work with the settlement platform
    #[command(subcommand)]
    Platform(PlatformCommand),
    /// Serve agents, and see what they meet
    #[command(subcommand)]
    Mcp(McpCommand),
    /// Work with the audit log of the server
    #[command(subcommand)]
    Audit(AuditCommand),
}

#[derive(Subcommand)]
enum McpCommand {
    Serve(crate::serve::Serve),
    Doctor(crate::serve::client::Doctor),
    Login(crate::serve::client::Login),
    ClientConfig(crate::serve::client::ClientConfig),
}

#[derive(Subcommand)]
enum AuditCommand {
    Verify(audit::AuditVerify),
}

#[derive(Subcommand)]
enum PlatformCommand {
    Operations(crate::operations::Operations),
    Call(crate::operations::Call),
    Doctor(crate::operations::PlatformDoctor),
    #[cfg(feature = "simulator")]
    Simulate(crate::operations::Simulate),
}

#[derive(Clone, Copy, ValueEnum)]
enum LogForm {
    /// One line of text for each event
    Text,
    /// One JSON object for each event
    Json,
}

/// Runs the command that the arguments name.
#[must_use]
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout and are no failure. A reader that has gone away is none either.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { Kind::Usage.exit_code() } else { 0 });
        }
    };
    start_log(cli.log);
    let mut printer = Printer::new(cli.quiet);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| dispatch(&cli, &mut printer)));
    let fault = match outcome {
        Ok(Ok(code)) => return ExitCode::from(code),
        Ok(Err(fault)) => fault,
        Err(_) => Fault::new(Kind::Bug, "tieout stopped at a fault of its own")
            .next("please report this with the message above; no report was written"),
    };
    let told = if cli.verbose { format!("{fault:#}") } else { fault.to_string() };
    tracing::error!(fault = told, "run failed");
    // Who reads JSON has it from the log, and nothing else shall stand between its lines.
    if !matches!(cli.log, Some(LogForm::Json)) {
        printer.fault(&told, fault.has_detail() && !cli.verbose);
    }
    ExitCode::from(fault.kind().exit_code())
}

fn dispatch(cli: &Cli, printer: &mut Printer) -> Result<u8> {
    let watcher: Box<dyn Progress> = if cli.quiet || cli.log.is_some() {
        // The log has the notes.
        Box::new(Silent)
    } else if !std::io::stderr().is_terminal() {
        Box::new(watch::Notes)
    } else {
        Box::new(watch::Bars::default())
    };
    let context = Context {
        progress: &*watcher,
        now: SystemTime::now(),
        view: &View::everything(),
        platform_calls: &Unlimited,
    };
    match &cli.command {
        Command::Reconcile(operation) if operation.json => {
            let reconciled = operation.perform(&context)?;
            printer.json(&reconciled)?;
            Ok(exit_code(reconciled.finding))
        }
        Command::Reconcile(operation) => {
            let finding = operation.run(&context, &mut |report, files| {
                printer.outcome(report, operation.limit);
                printer.files(files);
            })?;
            Ok(exit_code(finding))
        }
        Command::Discrepancies(operation) => {
            let listing = operation.perform(&context)?;
            printer.listing(&listing, operation.json)?;
            Ok(0)
        }
        Command::Explain(operation) => {
            let explained = operation.run(&context)?;
            printer.explained(&explained, operation.json)?;
            Ok(0)
        }
        Command::Export(operation) => {
            let exported = operation.perform(&context)?;
            printer.exported(&exported, operation.json)?;
            Ok(0)
        }
        Command::Inspect(operation) => {
            let inspected = operation.perform(&context)?;
            printer.inspected(&inspected, operation.json)?;
            Ok(0)
        }
        Command::Fetch(operation) if operation.json => {
            printer.json(&operation.perform(&context)?)?;
            Ok(0)
        }
        Command::Fetch(operation) => {
            let pulled = operation.run(&context, &mut print::Pipe::default())?;
            if let Some(file) = pulled.file {
                let (records, origin) = (pulled.records, pulled.origin);
                printer.line(&format!("wrote {}: {records} records of {origin}", file.display()));
            }
            Ok(0)
        }
        #[cfg(feature = "simulator")]
        Command::Demo(operation) => {
            // The demo has done what it set out to do, whatever it found.
            operation.run(&context, &mut |shown| printer.demo(shown, operation.limit))?;
            Ok(0)
        }
        Command::Audit(AuditCommand::Verify(asked)) => asked.run(printer),
        Command::Platform(PlatformCommand::Doctor(operation)) => {
            let diagnosis = operation.run(&context);
            printer.diagnosis(&diagnosis, operation.json)?;
            Ok(diagnosis.exit_code())
        }
        Command::Platform(PlatformCommand::Operations(operation)) => {
            printer.described(&operation.run(&context)?, operation)?;
            Ok(0)
        }
        Command::Platform(PlatformCommand::Call(operation)) => {
            printer.asked(operation.run(&context)?, operation.json)?;
            Ok(0)
        }
        Command::Mcp(command) => agents::dispatch(command, printer),
        #[cfg(feature = "simulator")]
        Command::Platform(PlatformCommand::Simulate(operation)) => {
            operation.run(&mut |line| printer.line(line))?;
            Ok(0)
        }
    }
}

const fn exit_code(finding: Finding) -> u8 {
    match finding {
        Finding::TiesOut => 0,
        Finding::Discrepancies => 1,
        Finding::Rejected => Kind::Input.exit_code(),
    }
}

fn start_log(form: Option<LogForm>) {
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::util::SubscriberInitExt as _;

    let Some(form) = form else { return };
    // What libraries have to say below a warning may quote what they handle; that of the protocol warns with what it answers.
    let ours = Targets::new()
        .with_target("tieout", LevelFilter::INFO)
        .with_target("rmcp", LevelFilter::ERROR)
        .with_default(LevelFilter::WARN);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // A second start (in a test that calls this twice) keeps the first; there is nothing to tell.
    let _ = match form {
        LogForm::Text => {
            let layer = layer.with_ansi(std::io::stderr().is_terminal());
            tracing_subscriber::registry().with(ours).with(layer).try_init()
        }
        LogForm::Json => {
            tracing_subscriber::registry().with(ours).with(layer.json().flatten_event(true)).try_init()
        }
    };
}
