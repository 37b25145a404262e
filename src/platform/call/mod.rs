//! One call of one operation, for a person who looks at what comes: prepared, shown or made, and read.

mod look;
mod parameters;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read as _;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use self::look::{Followed, beside, flatten, follow, repeated, response};
use self::parameters::{Writer, check_names};
use super::answer;
use super::connection::{Body, Call, Connection, headers};
use super::pace::Halt;
use super::record::Batch;
use super::request::{Request, Trail};
use super::settings::{Auth, Settings, Soap, default_action};
use super::wsdl::tree;
use super::wsdl::{Answers, Operation, Style, Wsdl};
use super::{Platform, envelope};
use crate::allowance::Allowance;
use crate::fault::{Fault, Kind, Result, nearest};

/// Bytes of an answer that is looked at; fetches are for more.
const MOST_BYTES: u64 = 16 << 20;
/// The namespace of `nil` and `type`.
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// A call that is ready to be made, or only shown.
#[derive(Debug)]
pub struct Prepared {
    /// The operation that is called.
    pub operation: String,
    /// The envelope.
    pub body: String,
    /// What should be known before it is made.
    pub notes: Vec<String>,
    action: String,
    soap: Soap,
    /// How the answer is read; `None` in place of its records' path where only the answer itself can say.
    request: Request,
    records: Expected,
}

/// Where the records of the answer should be.
#[derive(Debug)]
enum Expected {
    /// Where `tieout.toml` says.
    Configured,
    /// Where the WSDL seems to say.
    Described(Trail),
    /// Nobody says.
    Unknown,
}

/// An answer, as it came.
#[derive(Debug)]
pub struct Called {
    /// The HTTP status.
    pub status: u16,
    /// The id by which the platform's log knows the call.
    pub correlation: String,
    /// From the request's first byte to the answer's last.
    pub millis: u64,
    /// The answer.
    pub bytes: Vec<u8>,
}

/// A record: names and values in order; `None` is null, and a name that repeats has several values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named(pub Vec<(String, Option<String>)>);

/// What an answer holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The path of the records; `None` where the answer holds no more than single values.
    pub at: Option<String>,
    /// The records; a single one where nothing repeats.
    pub records: Vec<Named>,
    /// The single values that stand beside the records, such as how many there are in all.
    pub beside: Named,
}

impl JsonSchema for Named {
    fn schema_name() -> Cow<'static, str> {
        "Named".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let value = json_schema!({ "type": ["string", "null"] });
        json_schema!({
            "type": "object",
            "description": "A text or null for each name, a list where a name repeats.",
            "additionalProperties": { "anyOf": [value, { "type": "array", "items": value }] },
        })
    }
}

impl Serialize for Named {
    /// An object: a text or null for each name, a list where a name repeats.
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (at, (name, value)) in self.0.iter().enumerate() {
            let same = |other: &&(String, Option<String>)| other.0 == *name;
            if self.0.iter().take(at).any(|other| same(&other)) {
                continue;
            }
            let all: Vec<&Option<String>> = self.0.iter().filter(same).map(|(_, value)| value).collect();
            match all.len() {
                1 => map.serialize_entry(name, value)?,
                _ => map.serialize_entry(name, &all)?,
            }
        }
        map.end()
    }
}

impl Settings {
    /// Whether `operation` may be called: it is the configured one, or is listed. There is no way to tell from outside
    /// whether an operation only reads, so somebody has to say so.
    ///
    /// # Errors
    /// [`Kind::Configuration`], saying how to allow it.
    pub fn may_call(&self, operation: &str) -> Result<()> {
        let allowed: Vec<&str> = [self.request.operation.as_str()]
            .into_iter()
            .chain(self.allow.iter().map(String::as_str))
            .collect();
        if allowed.contains(&operation) {
            return Ok(());
        }
        let listed: Vec<String> = self
            .allow
            .iter()
            .map(String::as_str)
            .chain([operation])
            .map(|name| format!("{name:?}"))
            .collect();
        let how = format!("if it only reads, add it to [platform]: allow = [{}]", listed.join(", "));
        Err(Fault::new(Kind::Configuration, "this operation is not among those that may be called")
            .at("[platform] allow")
            .value(operation)
            .expected(allowed.join(", "))
            .next(match nearest(operation, allowed) {
                Some(near) => format!("did you mean {near}? Else, {how}"),
                None => how,
            }))
    }

    /// Who signs in, and how, in words.
    #[must_use]
    pub fn sign_in(&self) -> String {
        let user = self.username.as_deref().unwrap_or("nobody");
        match self.auth {
            Auth::None => "none".to_owned(),
            Auth::Basic => format!("Basic, as {user}"),
            Auth::Ntlm => format!("NTLM, as {user}"),
            Auth::Negotiate => format!("Negotiate, as {user}"),
        }
    }
}

impl Prepared {
    /// Prepares a call of `operation` with `parameters` (path and value; a path that repeats is a list), held against
    /// `wsdl` where there is one. Sends nothing.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where the operation may not be called; [`Kind::Usage`] where there is no such operation
    /// or parameter, where one is missing, and where a value is not of its type.
    pub fn new(
        settings: &Settings,
        operation: &str,
        parameters: &[(String, String)],
        wsdl: Option<&Wsdl>,
    ) -> Result<Self> {
        settings.may_call(operation)?;
        let is_configured = operation == settings.request.operation;
        let described = wsdl.map(|wsdl| find(wsdl, settings, operation)).transpose()?;
        let mut notes = Vec::new();
        let mut records = if is_configured { Expected::Configured } else { Expected::Unknown };
        let (name, namespace, mut action) = match described {
            Some(described) => (&described.element, &described.namespace, described.action.clone()),
            None => {
                let name = if is_configured { &settings.request.operation } else { operation };
                (&name.to_owned(), &settings.namespace, default_action(&settings.namespace, operation))
            }
        };
        if is_configured && (described.is_none() || settings.request.action.is_some()) {
            action = settings.action();
        }
        if let Some(described) = described {
            if let (Expected::Unknown, Answers::Records(found)) = (&records, &described.answers) {
                records =
                    Trail::try_from(found.records.clone()).map_or(Expected::Unknown, Expected::Described);
            }
            notes.extend(described.missing());
            if !described.soap.contains(&settings.soap) {
                let offered: Vec<&str> = described.soap.iter().map(|soap| soap.name()).collect();
                notes.push(format!(
                    "the WSDL offers it by SOAP {}: set [platform] soap",
                    offered.join(" and ")
                ));
            }
        }
        let body = match described.filter(|described| described.is_known()) {
            Some(described) => {
                check_names(described, parameters)?;
                let mut writer = Writer::new(described.encoded);
                writer.all(&described.parameters, "", parameters, namespace)?;
                if described.is_open {
                    writer.rest(&described.parameters, parameters)?;
                }
                writer.out
            }
            None => {
                let mut writer = Writer::new(false);
                let inner = if settings.request.qualified { namespace.as_str() } else { "" };
                writer.unchecked(parameters, inner, namespace)?;
                writer.out
            }
        };
        let extra = match described {
            Some(described) if described.style == Style::Rpc && described.encoded => {
                r#" soap:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/" xmlns:xsd="http://www.w3.org/2001/XMLSchema""#
            }
            _ => "",
        };
        let namespace = match namespace.is_empty() {
            true => String::new(),
            false => format!(" xmlns=\"{}\"", envelope::carried(namespace)?),
        };
        let body = envelope::wrap(settings.soap, &format!("<{name}{namespace}{extra}>{body}</{name}>"));
        Ok(Self {
            operation: operation.to_owned(),
            body,
            notes,
            action,
            soap: settings.soap,
            request: settings.request.clone(),
            records,
        })
    }

    /// The headers that say what is asked, without who asks.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where the SOAP action does not fit in a header.
    pub fn headers(&self) -> Result<BTreeMap<String, String>> {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers = headers(self.soap, &self.action)?;
        let pairs = headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes())));
        Ok(pairs.chain([("x-correlation-id".to_owned(), "(new for each call)".to_owned())]).collect())
    }

    /// Reads an answer to this call.
    ///
    /// # Errors
    /// [`Kind::Platform`] where it is a SOAP fault, is no answer, or has nothing where its records are configured to be.
    pub fn read(&self, bytes: &[u8]) -> Result<Answer> {
        let text = String::from_utf8_lossy(bytes);
        let root = tree::parse(&text).ok();
        let response = root.as_ref().and_then(response);
        let trail = match (&self.records, response) {
            (Expected::Configured, _) => Some(self.request.records.clone()),
            // What is wrong with it is said by whoever reads it for records.
            (_, None) => Some(self.request.records.clone()),
            (Expected::Described(trail), Some(response)) => match follow(response, trail.names()) {
                Followed::Found => Some(trail.clone()),
                Followed::Empty => {
                    let beside = beside(response, trail);
                    return Ok(Answer { at: Some(trail.to_string()), records: Vec::new(), beside });
                }
                Followed::Elsewhere => repeated(response),
            },
            (Expected::Unknown, Some(response)) => repeated(response),
        };
        let Some(trail) = trail else {
            let mut values = Named::default();
            if let Some(response) = response {
                flatten(response, "", None, &mut values);
            }
            let records = if values.0.is_empty() { Vec::new() } else { vec![values] };
            return Ok(Answer { records, ..Answer::default() });
        };
        let beside = response.map(|response| beside(response, &trail)).unwrap_or_default();
        let configured = matches!(self.records, Expected::Configured);
        let request = Request {
            operation: self.operation.clone(),
            records: trail,
            total: self.request.total.clone().filter(|_| configured),
            more: self.request.more.clone().filter(|_| configured),
            ..self.request.clone()
        };
        let mut records = Vec::new();
        answer::read(bytes, &request, MOST_BYTES, &mut Batch::default(), &mut |batch| {
            records.extend(batch.records().map(|record| {
                Named(
                    record.iter().map(|(name, value)| (name.to_owned(), value.map(str::to_owned))).collect(),
                )
            }));
            Ok(())
        })?;
        Ok(Answer { at: Some(request.records.to_string()), records, beside })
    }
}

impl Platform {
    /// Makes the call.
    ///
    /// # Errors
    /// [`Kind::SignIn`] or [`Kind::Platform`] where no answer in SOAP comes; [`Kind::Busy`] where none may be asked for.
    pub fn call(&self, prepared: &Prepared, allowance: &dyn Allowance) -> Result<Called> {
        let mut connection = Connection::new(self, &prepared.action, allowance)?;
        let call = Call::new(prepared.body.clone(), self.correlation());
        let of_call = |fault: Fault| self.of_call(fault, &call);
        let response = connection.call(&call).map_err(of_call)?;
        let status = response.status().as_u16();
        let most = MOST_BYTES.min(self.answer_limit_bytes);
        let mut bytes = Vec::new();
        Body::new(self, response, &call, &Halt::after(self.call_deadline))
            .take(most + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| of_call(answer::broken(error)))?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
            return Err(of_call(
                self.fault("the answer is larger than a call may have")
                    .expected(format!("at most {most} bytes"))
                    .next("ask for less at once: a smaller page, a shorter window"),
            ));
        }
        let (operation, millis) = (&prepared.operation, call.millis());
        let correlation = call.correlation;
        tracing::info!(operation, status, millis, correlation, "platform answered");
        Ok(Called { status, correlation, millis, bytes })
    }
}

/// The operation that the WSDL has by this name; of the configured one the element may be what is named.
fn find<'w>(wsdl: &'w Wsdl, settings: &Settings, name: &str) -> Result<&'w Operation> {
    let found = wsdl.operation(name);
    if found.is_ok() || name != settings.request.operation {
        return found;
    }
    let mut same = wsdl.operations.iter().filter(|operation| operation.element == name);
    let by_action = wsdl
        .operations
        .iter()
        .find(|operation| operation.element == name && operation.action == settings.action());
    by_action.or_else(|| same.next()).map_or(found, Ok)
}
