//! One call of one operation, for a person who looks at what comes: prepared, shown or made, and read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read as _;

use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::answer;
use super::connection::{Body, Call, Connection, headers};
use super::pace::Halt;
use super::record::Batch;
use super::settings::{Auth, Request, Settings, Soap, Trail, default_action};
use super::wsdl::element::{Element, leaves};
use super::wsdl::tree::{self, Node};
use super::wsdl::{Answers, Operation, Style, Wsdl, XSD};
use super::{Platform, envelope};
use crate::fault::{Fault, Kind, Result, nearest};

/// Bytes of an answer that is looked at; fetches are for more.
const MOST_BYTES: u64 = 16 << 20;
/// Different names in one element that are looked at when records are searched for.
const MOST_NAMES: usize = 1_000;
/// The namespace of `nil` and `type`.
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// What .NET wraps the rows of a `DataSet` in.
const DIFFGRAM: &str = "urn:schemas-microsoft-com:xml-diffgram-v1";

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
                let mut writer = Writer { out: String::new(), encoded: described.encoded };
                writer.all(&described.parameters, "", parameters, namespace)?;
                if described.is_open {
                    writer.rest(&described.parameters, parameters)?;
                }
                writer.out
            }
            None => {
                let mut writer = Writer { out: String::new(), encoded: false };
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
                Followed::Empty => return Ok(Answer { at: Some(trail.to_string()), records: Vec::new() }),
                Followed::Elsewhere => repeated(response),
            },
            (Expected::Unknown, Some(response)) => repeated(response),
        };
        let Some(trail) = trail else {
            let mut values = Named::default();
            if let Some(response) = response {
                flatten(response, "", &mut values);
            }
            let records = if values.0.is_empty() { Vec::new() } else { vec![values] };
            return Ok(Answer { at: None, records });
        };
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
        Ok(Answer { at: Some(request.records.to_string()), records })
    }
}

impl Platform {
    /// Makes the call.
    ///
    /// # Errors
    /// [`Kind::SignIn`] or [`Kind::Platform`] where no answer in SOAP comes.
    pub fn call(&self, prepared: &Prepared) -> Result<Called> {
        let mut connection = Connection::new(self, &prepared.action)?;
        let call = Call::new(prepared.body.clone(), self.correlation());
        let response = connection.call(&call)?;
        let status = response.status().as_u16();
        let most = MOST_BYTES.min(self.answer_limit_bytes);
        let mut bytes = Vec::new();
        Body::new(self, response, &call, &Halt::after(self.call_deadline))
            .take(most + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| answer::broken(error).at(self.place()))?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
            return Err(self
                .fault("the answer is larger than a call may have")
                .expected(format!("at most {most} bytes"))
                .next("ask for less at once: a smaller page, a shorter window"));
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

/// Checks that every parameter exists.
fn check_names(operation: &Operation, parameters: &[(String, String)]) -> Result<()> {
    fn exists(elements: &[Element], path: &str) -> bool {
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        elements
            .iter()
            .filter(|element| element.name == first && first != "*")
            .any(|element| rest.is_empty() || exists(&element.elements, rest))
    }
    for (path, _) in parameters {
        if operation.is_open && !path.contains('/') || exists(&operation.parameters, path) {
            continue;
        }
        let known: Vec<String> = leaves(&operation.parameters).into_iter().map(|(path, _)| path).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).filter(|path| !path.ends_with('*')).collect();
        let fault =
            Fault::new(Kind::Usage, format!("{} has no such parameter", operation.name)).at("-p").value(path);
        return Err(match nearest(path, known.iter().copied()) {
            Some(near) => fault.next(format!("did you mean {near}?")),
            None if known.is_empty() => fault.next("leave it out: the operation has none"),
            None => fault.expected(known.join(", ")),
        });
    }
    Ok(())
}

/// Writes parameters as XML.
struct Writer {
    out: String,
    encoded: bool,
}

impl Writer {
    /// Writes the values that are given for `elements`, in the order of the elements, below the path `above`;
    /// the default namespace is `around` there.
    fn all(
        &mut self,
        elements: &[Element],
        above: &str,
        given: &[(String, String)],
        around: &str,
    ) -> Result<()> {
        for element in elements.iter().filter(|element| !element.is_attribute() && element.name != "*") {
            let path = format!("{above}{}", element.name);
            let below = format!("{path}/");
            let own: Vec<&str> =
                given.iter().filter(|(given, _)| *given == path).map(|(_, value)| value.as_str()).collect();
            let is_nested = given.iter().any(|(given, _)| given.starts_with(&below));
            let fault = |what: String| Fault::new(Kind::Usage, what).at(format!("-p {path}"));
            match own.as_slice() {
                [] if is_nested => self.element(element, &below, None, given, around)?,
                [] if element.optional => {}
                [] if element.nillable => self.tag(element, " xsi:nil=\"true\"", "", around)?,
                [] => {
                    let inner = element.leaves();
                    let example = inner.first().map_or(path.clone(), |(inner, _)| format!("{below}{inner}"));
                    return Err(fault("this parameter is missing".to_owned())
                        .expected(element.words())
                        .next(format!("give it: -p {example}=…")));
                }
                [_, _, ..] if !element.list => {
                    return Err(fault("this parameter is given more than once, and is no list".to_owned()));
                }
                values => {
                    if element.inner().next().is_some() && !element.is_open() {
                        let inner: Vec<String> = element
                            .leaves()
                            .into_iter()
                            .take(5)
                            .map(|(inner, _)| format!("{below}{inner}"))
                            .collect();
                        return Err(fault("this parameter holds elements, no value of its own".to_owned())
                            .expected(format!("one or more of {}", inner.join(", "))));
                    }
                    for value in values {
                        element.check(value).map_err(|expected| {
                            fault(format!("this is no {}", element.kind)).value(value).expected(expected)
                        })?;
                        self.element(element, &below, Some(value), given, around)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes one element with its attributes, and its value or what is given below it.
    fn element(
        &mut self,
        element: &Element,
        below: &str,
        value: Option<&str>,
        given: &[(String, String)],
        around: &str,
    ) -> Result<()> {
        let mut attributes = String::new();
        for attribute in element.elements.iter().filter(|inner| inner.is_attribute()) {
            let path = format!("{below}{}", attribute.name);
            let fault = |what: &str| Fault::new(Kind::Usage, what).at(format!("-p {path}"));
            let Some((_, value)) = given.iter().find(|(given, _)| *given == path) else {
                if attribute.optional {
                    continue;
                }
                return Err(fault("this attribute is missing").expected(attribute.words()));
            };
            attribute.check(value).map_err(|expected| {
                fault("this is no value of the attribute").value(value).expected(expected)
            })?;
            let value = envelope::carried(value).map_err(|fault| fault.at(format!("-p {path}")))?;
            attributes.push_str(&format!(" {}=\"{value}\"", attribute.name.trim_start_matches('@')));
        }
        let inner = match value {
            Some(value) if element.is_open() && value.trim_start().starts_with('<') => {
                // Where anything may stand, XML stands as it is given.
                tree::parse(value).map_err(|why| {
                    Fault::new(Kind::Usage, format!("this is no XML: {why}"))
                        .at(format!("-p {}", below.trim_end_matches('/')))
                })?;
                Cow::Borrowed(value.trim())
            }
            Some(value) => envelope::carried(value)
                .map_err(|fault| fault.at(format!("-p {}", below.trim_end_matches('/'))))?,
            None => {
                let mut inner = Self { out: String::new(), encoded: self.encoded };
                inner.all(&element.elements, below, given, &element.namespace)?;
                Cow::Owned(inner.out)
            }
        };
        if self.encoded && element.base.is_some() && element.values.is_empty() {
            attributes.push_str(&format!(" xmlns:xsi=\"{INSTANCE}\" xsi:type=\"xsd:{}\"", element.kind));
        }
        self.tag(element, &attributes, &inner, around)
    }

    fn tag(&mut self, element: &Element, attributes: &str, inner: &str, around: &str) -> Result<()> {
        let name = &element.name;
        let namespace = self::namespace(&element.namespace, around)?;
        let instance = if attributes.contains(" xsi:nil") {
            format!(" xmlns:xsi=\"{INSTANCE}\"")
        } else {
            String::new()
        };
        self.out.push_str(&match inner {
            "" => format!("<{name}{namespace}{instance}{attributes}/>"),
            inner => format!("<{name}{namespace}{instance}{attributes}>{inner}</{name}>"),
        });
        Ok(())
    }

    /// Writes what the WSDL leaves open: parameters by other names than those it has.
    fn rest(&mut self, known: &[Element], given: &[(String, String)]) -> Result<()> {
        let rest: Vec<(String, String)> = given
            .iter()
            .filter(|(path, _)| !known.iter().any(|element| path.split('/').next() == Some(&element.name)))
            .cloned()
            .collect();
        self.unchecked(&rest, "", "")
    }

    /// Writes parameters of which nothing is known, in the order in which they are given.
    fn unchecked(&mut self, given: &[(String, String)], namespace: &str, around: &str) -> Result<()> {
        let mut left = given;
        while let Some((path, value)) = left.first() {
            let at = || format!("-p {path}");
            let (name, rest) =
                path.split_once('/').map_or((path.as_str(), None), |(name, rest)| (name, Some(rest)));
            if Trail::try_from(name.to_owned()).is_err() {
                return Err(Fault::new(Kind::Usage, "this cannot be the name of a parameter")
                    .at(at())
                    .value(name));
            }
            let xmlns = self::namespace(namespace, around)?;
            if rest.is_none() {
                let value = envelope::carried(value).map_err(|fault| fault.at(at()))?;
                self.out.push_str(&format!("<{name}{xmlns}>{value}</{name}>"));
                left = left.get(1..).unwrap_or_default();
                continue;
            }
            // What follows below the same element stands in it.
            let inside = |path: &str| {
                path.split_once('/').filter(|(first, _)| *first == name).map(|(_, rest)| rest.to_owned())
            };
            let inner: Vec<(String, String)> =
                left.iter().map_while(|(path, value)| Some((inside(path)?, value.clone()))).collect();
            self.out.push_str(&format!("<{name}{xmlns}>"));
            self.unchecked(&inner, namespace, namespace)?;
            self.out.push_str(&format!("</{name}>"));
            left = left.get(inner.len()..).unwrap_or_default();
        }
        Ok(())
    }
}

/// The declaration that an element in `namespace` needs inside of one in `around`.
fn namespace(namespace: &str, around: &str) -> Result<String> {
    if namespace == around {
        return Ok(String::new());
    }
    Ok(format!(" xmlns=\"{}\"", envelope::carried(namespace)?))
}

/// The element in the body of an answer; `None` for a fault, and for what is no answer.
fn response(root: &Node) -> Option<&Node> {
    let body = root.children.iter().find(|child| *child.name.local == *"Body")?;
    body.children
        .first()
        .filter(|response| *root.name.local == *"Envelope" && *response.name.local != *"Fault")
}

/// What is found at the end of a path.
enum Followed {
    Found,
    /// The place where it should be is there, and there is nothing in it.
    Empty,
    Elsewhere,
}

fn follow(node: &Node, names: &[Box<str>]) -> Followed {
    let Some((first, rest)) = names.split_first() else { return Followed::Found };
    if node.children.is_empty() && node.text.trim().is_empty() {
        return Followed::Empty;
    }
    let mut best = Followed::Elsewhere;
    for child in node.children.iter().filter(|child| *child.name.local == **first) {
        match follow(child, rest) {
            Followed::Found => return Followed::Found,
            Followed::Empty => best = Followed::Empty,
            Followed::Elsewhere => {}
        }
    }
    best
}

/// Where an answer seems to have its records: the outermost elements that stand there more than once by one name, those
/// with something in them first.
fn repeated(response: &Node) -> Option<Trail> {
    /// How good a place is, the least first, and its path.
    type Best = Option<((bool, usize, usize), String)>;

    fn look<'n>(node: &'n Node, path: &mut Vec<&'n str>, is_table: bool, best: &mut Best) {
        let mut names: Vec<(&Node, usize)> = Vec::new();
        for child in &node.children {
            if let Some((_, count)) = names.iter_mut().find(|(known, _)| known.name == child.name) {
                *count += 1;
            } else if names.len() < MOST_NAMES {
                names.push((child, 1));
            }
        }
        for (child, count) in names.into_iter().filter(|(_, count)| *count > 1 || is_table) {
            let is_bare = child.children.is_empty() && child.attributes.is_empty();
            let key = (is_bare, path.len(), usize::MAX - count);
            if best.as_ref().is_none_or(|(known, _)| key < *known) {
                *best = Some((key, [path.as_slice(), &[&child.name.local]].concat().join("/")));
            }
        }
        for child in node.children.iter().filter(|child| !child.is(XSD, "schema")) {
            path.push(&child.name.local);
            match child.children.first().filter(|_| child.is(DIFFGRAM, "diffgram")) {
                // All rows of a DataSet are in the first element, be it one or many; behind it is what they were before.
                Some(rows) => {
                    path.push(&rows.name.local);
                    look(rows, path, true, best);
                    path.pop();
                }
                None => look(child, path, false, best),
            }
            path.pop();
        }
    }
    let mut best = None;
    look(response, &mut Vec::new(), false, &mut best);
    best.and_then(|(_, path)| Trail::try_from(path).ok())
}

/// The values in an element, each by its path.
fn flatten(node: &Node, path: &str, values: &mut Named) {
    let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
    for (name, value) in node.attributes.iter().filter(|(name, _)| *name.namespace != *INSTANCE) {
        values.0.push((join(&format!("@{}", name.local)), Some(value.clone())));
    }
    for child in node.children.iter().filter(|child| !child.is(XSD, "schema")) {
        flatten(child, &join(&child.name.local), values);
    }
    if node.children.is_empty() && !(path.is_empty() && node.text.trim().is_empty()) {
        let is_nil = matches!(node.attribute_in(INSTANCE, "nil"), Some("true" | "1"));
        let name = if path.is_empty() { node.name.local.to_string() } else { path.to_owned() };
        values.0.push((name, (!is_nil).then(|| node.text.clone())));
    }
}
