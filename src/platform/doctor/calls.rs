//! Calls that only read: the description, the configured operation with as little as possible, then a page of records.

use std::collections::HashSet;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use quick_xml::events::Event;
use quick_xml::reader::Reader;

use super::description::check;
use super::{Expected, Questions};
use crate::examination::{Checked, Finding};
use crate::fault::{Fault, Kind, Result, nearest};
use crate::platform::answer::{self, Page};
use crate::platform::connection::{Body, Call, Connection, local_end};
use crate::platform::fetch::Values;
use crate::platform::pace::Halt;
use crate::platform::record::Batch;
use crate::platform::request::Request;
use crate::platform::wsdl::{Source, Wsdl};
use crate::platform::{Platform, envelope};

/// Bytes of an answer's start that are kept, to see which element it answers with.
const HEAD_BYTES: usize = 64 << 10;
/// How many calls are timed, and how long that may take before it is enough.
const TIMED: usize = 5;
const TIMED_SECONDS: u64 = 20;

/// What came of one call.
struct Asked {
    /// The records' side of it.
    answer: Result<Page>,
    /// The element in the SOAP body, where there is one.
    response: Option<String>,
    /// The names of all fields, in the order in which they came.
    names: Vec<String>,
    bytes: u64,
    millis: u64,
    correlation: String,
    local: Option<SocketAddr>,
}

/// What a harmless call leaves for the checks after it.
pub(super) struct First {
    millis: u64,
    local: Option<SocketAddr>,
}

/// What a page of records leaves for the check of its columns.
pub(super) struct Records {
    count: u64,
    names: Vec<String>,
}

/// Fetches the WSDL from where .NET and most others have it. A platform that publishes none is none the worse.
pub(super) fn wsdl(platform: &Platform, connection: &mut Connection<'_>) -> Checked<()> {
    let mut url = platform.endpoint.clone();
    url.set_query(Some("WSDL"));
    match Wsdl::over(connection, platform, &Source::Url(url)) {
        Ok(wsdl) => check(&wsdl, platform).map(|found| Finding::pass((), found)),
        Err(fault) if fault.kind() == Kind::Platform => Ok(Finding::skip(
            (),
            format!(
                "{}\nthe platform publishes no WSDL there, which calls do not need; operation and namespace are tried by the next check",
                fault.in_two().0
            ),
        )),
        Err(fault) => Err(fault),
    }
}

/// The same by whoever cannot sign in.
pub(super) fn public_wsdl(platform: &Platform, connection: &mut Connection<'_>) -> Checked<()> {
    match wsdl(platform, connection) {
        Err(fault) if fault.kind() == Kind::SignIn => Ok(Finding::skip(
            (),
            "the platform gives out none to who does not sign in, and the secret for that is missing",
        )),
        found => found,
    }
}

/// The configured operation for one record of the smallest window.
pub(super) fn harmless(
    platform: &Platform,
    connection: &mut Connection<'_>,
    questions: &Questions,
) -> Checked<First> {
    let request = single(platform);
    let asked = ask(platform, connection, &request, &questions.smallest)?;
    // An answer whose records are elsewhere is an answer all the same; the next check says more.
    let has_answered = asked.answer.is_ok() || asked.response.as_ref().is_some_and(|name| name != "Fault");
    let records = match asked.answer {
        Ok(page) => counted(page.records),
        Err(_) if has_answered => "records not found".to_owned(),
        Err(fault) => return Err(with_vendor(fault, questions)),
    };
    let found = format!(
        "{} answered with {} ({records}, {} bytes), correlation id {}",
        platform.operation(),
        asked.response.as_deref().unwrap_or("its records"),
        asked.bytes,
        asked.correlation
    );
    Ok(Finding::pass(First { millis: asked.millis, local: asked.local }, found))
}

/// The first page that a nightly run would ask for.
pub(super) fn records(
    platform: &Platform,
    connection: &mut Connection<'_>,
    questions: &Questions,
) -> Checked<Records> {
    let request = &platform.request;
    let asked = ask(platform, connection, request, &questions.period)?;
    let page = asked.answer.map_err(|fault| with_vendor(fault, questions))?;
    let count = page.records;
    let fault = |what: String| platform.fault(what).called(&asked.correlation);
    let is_last = !request.is_paged() || page.more == Some(false);
    match page.total {
        Some(total) if total < count => {
            return Err(fault(format!("the platform announced {total} records, but sent {count}"))
                .next("check that [platform.request] total names the count of all pages, not of one"));
        }
        Some(total) if total > count && (is_last || count == 0) => {
            return Err(fault(format!("the platform announced {total} records, but sent {count}")).next(
                "the answer has more pages: put {page} and {page_size} into [platform.request] parameters, and check first_page",
            ));
        }
        _ => {}
    }
    if count == 0 {
        let fault = fault(
            "the platform has no records for this period, so their path and columns cannot be checked"
                .to_owned(),
        );
        return Err(
            fault.next("name days that have records with --period, and a vendor that has some with --vendor")
        );
    }
    let total = match (page.total, page.more) {
        (Some(total), _) => format!("{count} of {}", counted(total)),
        (None, Some(true)) => format!("{}, with more to come", counted(count)),
        (None, Some(false)) => format!("{}, which is all", counted(count)),
        (None, None) if request.is_paged() && count >= request.page_size => {
            format!("{}, a full page", counted(count))
        }
        (None, None) => counted(count),
    };
    let found = format!(
        "{total} at {}, {} fields, {} bytes in {} ms",
        request.records,
        asked.names.len(),
        asked.bytes,
        asked.millis
    );
    let finding = Finding::pass(Records { count, names: asked.names }, found);
    if !request.is_paged() {
        return Ok(finding);
    }
    let size = request.page_size;
    Ok(match (count > size, count < size && (&request.total, &request.more) == (&None, &None)) {
        (true, _) => finding.next(format!(
            "the platform sends more than the {size} records that were asked for: check which parameter takes {{page_size}}"
        )),
        (_, true) => finding.next(format!(
            "fewer than the {size} records that were asked for count as the last page; if the platform never sends as many, name [platform.request] total or more"
        )),
        _ => finding,
    })
}

/// Whether the fields that `[settlements.columns]` names are in the records.
pub(super) fn columns(records: &Records, expected: &[Expected]) -> Checked<()> {
    let has = |header: &String| records.names.contains(header);
    let (present, absent): (Vec<&Expected>, Vec<&Expected>) =
        expected.iter().partition(|expected| expected.headers.iter().any(has));
    let (needed, spare): (Vec<&Expected>, Vec<&Expected>) =
        absent.into_iter().partition(|expected| !expected.has_default);
    let lines = |absent: &[&Expected]| -> Vec<String> {
        let line = |expected: &&Expected| {
            let headers = expected.headers.join("\" or \"");
            let near = nearest(&headers, records.names.iter().map(String::as_str));
            let near = near.map(|near| format!(" (did you mean \"{near}\"?)")).unwrap_or_default();
            format!("{} = \"{headers}\"{near}", expected.name)
        };
        absent.iter().map(line).collect()
    };
    if !needed.is_empty() {
        let what = format!(
            "{} of {} columns are in none of the {} records: {}",
            needed.len(),
            expected.len(),
            records.count,
            lines(&needed).join(", ")
        );
        return Err(Fault::new(Kind::Input, what)
            .at("[settlements.columns]")
            .expected(format!("names among {}", records.names.join(", ")))
            .next("correct [settlements.columns]; a field that is null in all of these records may be left out by the platform, so try other days with --period"));
    }
    let found = format!("{} of {} columns are there", present.len(), expected.len());
    if spare.is_empty() {
        return Ok(Finding::pass((), found));
    }
    Ok(Finding::pass((), format!("{found}; not there, but with a default: {}", lines(&spare).join(", "))))
}

/// How long the harmless call takes, and whether its connection lasts.
pub(super) fn time(
    platform: &Platform,
    connection: &mut Connection<'_>,
    questions: &Questions,
    first: &First,
) -> Checked<()> {
    let request = single(platform);
    let started = Instant::now();
    let mut millis = vec![first.millis];
    let mut ends: HashSet<Option<SocketAddr>> = HashSet::from([first.local]);
    while millis.len() < TIMED && started.elapsed() < Duration::from_secs(TIMED_SECONDS) {
        let asked = ask(platform, connection, &request, &questions.smallest)?;
        millis.push(asked.millis);
        ends.insert(asked.local);
    }
    millis.sort_unstable();
    let at = |place: usize| millis.get(place).copied().unwrap_or_default();
    let calls = millis.len();
    let found = format!(
        "{calls} calls: {} ms at least, {} ms in the middle, {} ms at most; over {}",
        at(0),
        at(calls / 2),
        at(calls - 1),
        if ends.len() == 1 { "one connection".to_owned() } else { format!("{} connections", ends.len()) }
    );
    let finding = Finding::pass((), found);
    Ok(if ends.len() > 1 {
        finding.next("the platform drops connections between calls, and each new one costs a sign-in: a larger page_size saves most of that")
    } else {
        finding
    })
}

fn counted(records: u64) -> String {
    if records == 1 { "1 record".to_owned() } else { format!("{records} records") }
}

/// The configured request for one record a page.
fn single(platform: &Platform) -> Request {
    Request { page_size: 1, ..platform.request.clone() }
}

/// What a refusal of the service may be about where the request wants a vendor, and nobody named one. Only a SOAP fault,
/// which has a detail, is its refusal: an answer that is cut off or late has nothing to do with vendors.
fn with_vendor(fault: Fault, questions: &Questions) -> Fault {
    if questions.has_vendor || !fault.has_detail() {
        return fault;
    }
    fault.and_next("the request names a vendor, and this one was made with none: give one with --vendor")
}

/// Makes one call and reads its answer to the end.
fn ask(
    platform: &Platform,
    connection: &mut Connection<'_>,
    request: &Request,
    values: &Values,
) -> Result<Asked> {
    let body = envelope::write(platform.soap, &platform.namespace, request, values, request.first_page)?;
    let call = Call::new(body, platform.correlation());
    let of_call = |fault: Fault| platform.of_call(fault, &call);
    let response = connection.call(&call).map_err(of_call)?;
    let (status, local) = (response.status(), local_end(&response));
    let halt = Halt::after(platform.call_deadline);
    let mut source = Tee { inner: Body::new(platform, response, &call, &halt), head: Vec::new(), bytes: 0 };
    let (mut names, mut known) = (Vec::new(), HashSet::new());
    let mut note = |batch: &mut Batch| -> Result<()> {
        for (name, _) in batch.records().flat_map(|record| record.iter()) {
            if !known.contains(name) {
                known.insert(name.to_owned());
                names.push(name.to_owned());
            }
        }
        Ok(())
    };
    let mut batch = Batch::default();
    let mut answer = answer::read(&mut source, request, platform.answer_limit_bytes, &mut batch, &mut note)
        .map_err(of_call);
    if answer.is_ok() && !status.is_success() {
        answer = Err(of_call(
            platform
                .fault("the platform reports an error, but its answer does not say which")
                .value(format!("HTTP {status}"))
                .next("ask the platform's operators, who find the call by its correlation id"),
        ));
    }
    Ok(Asked {
        answer,
        response: response_element(&source.head),
        names,
        bytes: source.bytes,
        millis: call.millis(),
        correlation: call.correlation,
        local,
    })
}

/// Keeps the start of what it passes on.
struct Tee<R> {
    inner: R,
    head: Vec<u8>,
    bytes: u64,
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        let room = HEAD_BYTES.saturating_sub(self.head.len()).min(count);
        self.head.extend_from_slice(into.get(..room).unwrap_or_default());
        self.bytes += u64::try_from(count).unwrap_or(u64::MAX);
        Ok(count)
    }
}

/// The local name of the first element in the body of a SOAP envelope.
fn response_element(head: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(head);
    let mut reader = Reader::from_str(&text);
    let (mut level, mut in_body) = (0, false);
    loop {
        let (start, is_empty) = match reader.read_event().ok()? {
            Event::Start(start) => (start, false),
            Event::Empty(start) => (start, true),
            Event::End(_) => {
                level -= 1;
                continue;
            }
            Event::Eof => return None,
            _ => continue,
        };
        let local = start.local_name().into_inner();
        match level {
            0 if local != "Envelope" => return None,
            1 => in_body = local == "Body",
            2 if in_body => return Some(crate::fault::shown(local)),
            _ => {}
        }
        level += i32::from(!is_empty);
    }
}
