//! The examination of a platform, step by step, for whoever has to find out why it does not answer.
//!
//! Every step says what it found and what to do. A step that fails ends what depends on it; nothing is
//! guessed. The password is tried once, everything else names nobody, and all calls only read.

use std::path::Path;

use super::connection::Connection;
use super::settings::{Auth, Settings};
use super::{Platform, Values};
use crate::allowance::Allowance;
use crate::examination::{Check, Checked, Finding};
use crate::fault::{Fault, Kind};
use crate::progress::{Progress, Unit};
use sheet::Sheet;

mod calls;
mod challenge;
mod description;
mod network;
mod sheet;
mod sign_in;
mod tls;

/// The steps, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Configuration,
    Credentials,
    Name,
    Tcp,
    Tls,
    Trust,
    Dates,
    CertificateName,
    Offers,
    Kept,
    Challenge,
    SignIn,
    Protection,
    Wsdl,
    Call,
    Records,
    Columns,
    Time,
}

impl Step {
    const ALL: [Self; 18] = [
        Self::Configuration,
        Self::Credentials,
        Self::Name,
        Self::Tcp,
        Self::Tls,
        Self::Trust,
        Self::Dates,
        Self::CertificateName,
        Self::Offers,
        Self::Kept,
        Self::Challenge,
        Self::SignIn,
        Self::Protection,
        Self::Wsdl,
        Self::Call,
        Self::Records,
        Self::Columns,
        Self::Time,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Credentials => "secret and certificates",
            Self::Name => "name resolution",
            Self::Tcp => "TCP connection",
            Self::Tls => "TLS handshake",
            Self::Trust => "certificate: trust",
            Self::Dates => "certificate: dates",
            Self::CertificateName => "certificate: name",
            Self::Offers => "authentication offered",
            Self::Kept => "connection kept open",
            Self::Challenge => "NTLM challenge",
            Self::SignIn => "sign-in",
            Self::Protection => "Extended Protection",
            Self::Wsdl => "WSDL",
            Self::Call => "harmless call",
            Self::Records => "page of records",
            Self::Columns => "columns",
            Self::Time => "time per call",
        }
    }
}

/// A column that the records should have.
#[derive(Clone, Debug)]
pub struct Expected {
    /// What it means to the caller.
    pub name: String,
    /// The fields that may hold it; one of them is enough.
    pub headers: Vec<String>,
    /// Whether the records may do without it.
    pub has_default: bool,
}

/// What to ask the platform, and what for.
#[derive(Clone, Debug, Default)]
pub struct Questions {
    /// The values of a call that asks for as little as possible.
    pub smallest: Values,
    /// Those of the first call of a real run.
    pub period: Values,
    /// Whether they name a vendor, where the request wants one.
    pub has_vendor: bool,
    /// The columns that the records should have.
    pub columns: Vec<Expected>,
}

/// What there is to examine: the settings with the folder that their paths start in, and the questions.
pub struct Patient<'s> {
    /// `[platform]`.
    pub settings: &'s Settings,
    /// The folder of `tieout.toml`.
    pub base: &'s Path,
    /// What to ask.
    pub questions: &'s Questions,
    /// What is said of the configuration that they come from.
    pub configuration: &'s str,
    /// Asked before each call.
    pub allowance: &'s dyn Allowance,
}

/// Examines a platform; or only says what is wrong with the configuration, where there is none to go by.
///
/// Gives all checks in their order, whatever happens; those that could not be made are skipped, with the reason.
pub fn examine(patient: Result<&Patient<'_>, Fault>, progress: &dyn Progress) -> Vec<Check> {
    let total = u64::try_from(Step::ALL.len()).ok();
    let task = progress.task("examining the platform", Unit::Entries, total);
    let mut sheet = Sheet::new(&*task);
    let patient = sheet
        .check(Step::Configuration, || patient.map(|patient| Finding::pass(patient, patient.configuration)));
    if let Some(patient) = patient {
        // `None` only says that it ended early; the sheet knows why.
        let _ = walk(patient, &mut sheet);
    }
    sheet.finish()
}

fn walk(patient: &Patient<'_>, sheet: &mut Sheet<'_>) -> Option<()> {
    let Patient { settings, questions, allowance, .. } = *patient;
    let signing = sheet.check(Step::Credentials, || credentials(patient));
    // Most of the way to a platform can be walked without a password.
    let platform = &match signing {
        Some(platform) => platform,
        None => Platform::new(&settings.anonymous(), patient.base).ok()?,
    };
    let is_anonymous = sheet.has_failed_since(Step::Credentials);
    let addresses = sheet.check(Step::Name, || network::resolve(platform))?;
    let stream = sheet.check(Step::Tcp, || network::connect(platform, &addresses))?;

    let over_tls = platform.endpoint.scheme() == "https";
    if over_tls {
        let file = settings.ca_file.as_ref().map(|file| patient.base.join(file));
        let greeting = sheet.check(Step::Tls, || tls::greet(platform, file.as_deref(), stream))?;
        sheet.check(Step::Trust, || tls::trust(&greeting, file.as_deref()));
        sheet.check(Step::Dates, || tls::dates(&greeting));
        sheet.check(Step::CertificateName, || tls::names(&greeting));
        if sheet.has_failed_since(Step::Tls) {
            return None;
        }
    } else {
        drop(stream);
        for step in [Step::Tls, Step::Trust, Step::Dates, Step::CertificateName] {
            sheet.skip(step, "the endpoint is http: nothing is encrypted");
        }
    }

    let wants = sheet.check(Step::Offers, || sign_in::offers(platform, settings.auth, allowance))?;
    if wants.sign_in && !matches!(settings.auth, Auth::Basic | Auth::None) {
        let token = sheet.check(Step::Kept, || sign_in::kept(platform, &wants, allowance))?;
        sheet.check(Step::Challenge, || sign_in::challenge(&token))?;
    } else {
        let because = if wants.sign_in { "only NTLM depends on it" } else { "nobody asks who we are" };
        sheet.skip(Step::Kept, because);
        sheet.skip(Step::Challenge, because);
    }
    if is_anonymous && wants.sign_in {
        let mut connection = Connection::new(platform, &platform.action, allowance).ok()?;
        sheet.check(Step::Wsdl, || calls::public_wsdl(platform, &mut connection));
        return None;
    }
    let mut connection =
        sheet.check(Step::SignIn, || sign_in::sign_in(platform, &wants, over_tls, allowance))?;
    sheet.check(Step::Protection, || sign_in::protection(platform, &wants, over_tls));

    // What the WSDL says and what the service does are two things: both are worth knowing.
    sheet.check(Step::Wsdl, || calls::wsdl(platform, &mut connection));
    let first = sheet.check(Step::Call, || calls::harmless(platform, &mut connection, questions))?;
    if let Some(records) = sheet.check(Step::Records, || calls::records(platform, &mut connection, questions))
    {
        sheet.check(Step::Columns, || calls::columns(&records, &questions.columns));
    }
    sheet.check(Step::Time, || calls::time(platform, &mut connection, questions, &first))
}

/// Fetches the password and the certificates, without showing either.
fn credentials(patient: &Patient<'_>) -> Checked<Platform> {
    let settings = patient.settings;
    let platform = Platform::new(settings, patient.base)?;
    let secret = match (&settings.password, settings.auth) {
        (_, Auth::None) => "nobody signs in (auth = \"none\")".to_owned(),
        (Some(reference), _) => {
            let user = settings.username.as_deref().unwrap_or_default();
            format!("user {}, password from {reference}", crate::fault::shown(user))
        }
        (None, _) => {
            return Err(Fault::new(Kind::Configuration, "there is no password").at("[platform] password"));
        }
    };
    let roots = match &settings.ca_file {
        Some(file) => format!("certificates to trust from {}", file.display()),
        None => "this machine's trusted roots".to_owned(),
    };
    Ok(Finding::pass(platform, format!("{secret}; {roots}")))
}
