//! One connection's thread: takes piece after piece, gets its pages, keeps them.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest as _, Sha256};

use super::answer;
use super::connection::{Body, Call, Connection};
use super::evidence::{self, Evidence, Execution};
use super::pace::{self, Halt, Pace};
use super::paging::SoFar;
use super::plan::Piece;
use super::record::Batch;
use super::store::{Store, Writer};
use super::{Platform, envelope};
use crate::allowance::Allowance;
use crate::digest::hexadecimal;
use crate::fault::{Fault, Kind, Result};
use crate::period::moment;
use crate::progress::{self, Progress};

/// What a worker tells the consumer about a piece, in order.
pub(super) enum News {
    /// A page is there, and right; it can be read up to a place in the piece's file.
    Page(Finished, u64),
    /// All pages are there.
    Done,
    /// All pages were there before.
    Kept,
    Failed(Fault),
}

/// A page that came whole, for the log.
pub(super) struct Finished {
    pub(super) page: u64,
    pub(super) attempt: u32,
    pub(super) status: Option<u16>,
    pub(super) records: u64,
    pub(super) millis: u64,
    pub(super) correlation: String,
}

/// What all workers of a fetch share.
pub(super) struct Shared<'a> {
    pub(super) platform: &'a Platform,
    /// What is asked for, each with the name of its file.
    pub(super) pieces: Vec<(&'a Piece, String)>,
    pub(super) store: &'a Store,
    pub(super) evidence: Evidence,
    pub(super) pace: Pace,
    pub(super) halt: Halt,
    /// The piece that nobody has taken yet.
    pub(super) next: AtomicUsize,
    /// A piece failed: those under way are finished for a next attempt, but no other is begun.
    pub(super) failed: AtomicBool,
    pub(super) progress: &'a dyn Progress,
    pub(super) allowance: &'a dyn Allowance,
}

impl Shared<'_> {
    /// Says what a person should know, and the log.
    pub(super) fn note(&self, text: &str) {
        progress::say(self.progress, text);
    }

    fn is_wanted(&self) -> bool {
        !self.halt.is_stopped() && !self.failed.load(Ordering::Relaxed)
    }

    /// Waits until the platform has answered another worker, or there is nothing to wait for. A platform that is not
    /// there is found so by one, and where it breaks off a sign-in, the password was sent once: nobody
    /// knows what the platform thinks of it.
    fn wait_for_an_answer(&self) {
        const GLANCE: Duration = Duration::from_millis(2);
        while self.is_wanted()
            && !self.platform.has_answered.load(Ordering::Relaxed)
            && self.next.load(Ordering::Relaxed) < self.pieces.len()
        {
            thread::sleep(GLANCE);
        }
    }
}

/// Works until no piece is left; all but the first worker let that one find out whether the platform is there.
pub(super) fn work(shared: &Shared<'_>, news: &Sender<(usize, News)>, is_first: bool) {
    if !is_first {
        shared.wait_for_an_answer();
    }
    let mut worker = Worker { shared, news, connection: None, batch: Batch::default() };
    while shared.is_wanted() {
        let index = shared.next.fetch_add(1, Ordering::Relaxed);
        let Some((piece, key)) = shared.pieces.get(index) else { return };
        let ended = if shared.store.finished(key, &|text| shared.note(&text)) {
            News::Kept
        } else {
            match worker.fetch(index, piece, key) {
                Ok(()) => News::Done,
                Err(fault) => {
                    shared.failed.store(true, Ordering::Relaxed);
                    News::Failed(fault)
                }
            }
        };
        // Nobody listens any more where the consumer has stopped first.
        let _ = news.send((index, ended));
    }
}

struct Worker<'w, 'a> {
    shared: &'w Shared<'a>,
    news: &'w Sender<(usize, News)>,
    connection: Option<Connection<'a>>,
    batch: Batch,
}

impl Worker<'_, '_> {
    /// All pages of a piece.
    fn fetch(&mut self, index: usize, piece: &Piece, key: &str) -> Result<()> {
        let request = &self.shared.platform.request;
        let mut writer = self.shared.store.write(key)?;
        let mut so_far = SoFar::default();
        for page in request.first_page.. {
            let (finished, is_last) = self.page(piece, page, &mut writer, &mut so_far)?;
            let end = writer.page()?;
            let _ = self.news.send((index, News::Page(finished, end)));
            if is_last {
                break;
            }
        }
        writer.finish()
    }

    /// A page, tried again as a whole as long as that makes sense.
    fn page(
        &mut self,
        piece: &Piece,
        page: u64,
        writer: &mut Writer,
        so_far: &mut SoFar,
    ) -> Result<(Finished, bool)> {
        let Shared { platform, pace, halt, .. } = self.shared;
        let mut attempt = 1;
        loop {
            if !halt.sleep_until(pace.take()) {
                return Err(self.given_up());
            }
            let call = Call::new(
                envelope::write(platform.soap, &platform.namespace, &platform.request, &piece.values, page)?,
                platform.correlation(),
            );
            let fault = match self.attempt(&call, piece, page, attempt, writer, so_far) {
                Ok((records, is_last)) => {
                    let finished = Finished {
                        page,
                        attempt,
                        status: call.status(),
                        records,
                        millis: call.millis(),
                        correlation: call.correlation,
                    };
                    return Ok((finished, is_last));
                }
                Err(fault) => fault,
            };
            writer.back()?;
            // Whatever state the connection is in, it is not used again.
            self.connection = None;
            if halt.is_stopped() || halt.is_over() {
                return Err(self.given_up());
            }
            let wait = pace::wait(platform.retry_wait, attempt, call.retry_after());
            let then = Instant::now() + wait;
            let is_last_try = attempt > platform.retries || then >= halt.ends();
            tracing::warn!(
                operation = platform.request.operation,
                window = piece.window,
                page,
                attempt,
                status = call.status(),
                millis = call.millis(),
                correlation = call.correlation,
                what = fault.what(),
                again_in_millis = (fault.may_pass() && !is_last_try)
                    .then(|| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
                "platform call failed"
            );
            if !fault.may_pass() || is_last_try {
                return Err(fault);
            }
            if call.retry_after().is_some() {
                // Who asks for rest gets it from all connections.
                pace.hold(then);
            }
            if !halt.sleep_until(then) {
                return Err(self.given_up());
            }
            attempt += 1;
        }
    }

    /// One call. Its records are in the file, but not yet among those that count.
    fn attempt(
        &mut self,
        call: &Call,
        piece: &Piece,
        page: u64,
        attempt: u32,
        writer: &mut Writer,
        so_far: &mut SoFar,
    ) -> Result<(u64, bool)> {
        let Shared { platform, evidence, halt, .. } = self.shared;
        let mut measured = Measured { bytes: 0, sha: evidence.is_wanted().then(Sha256::new) };
        let outcome = self
            .read(call, writer, so_far, halt, &mut measured)
            .map_err(|fault| platform.of_call(fault, call));
        if evidence.is_wanted() {
            let has_answer = measured.bytes > 0;
            evidence.add(&Execution {
                time: moment(SystemTime::now()),
                endpoint: &platform.place(),
                operation: &platform.request.operation,
                parameters: evidence::parameters(&platform.request, &piece.values, page),
                window: &piece.window,
                page,
                attempt,
                status: call.status(),
                records: outcome.as_ref().map_or(0, |(records, _)| *records),
                bytes: measured.bytes,
                sha256: measured.sha.filter(|_| has_answer).map(|sha| hexadecimal(&sha.finalize())),
                millis: call.millis(),
                correlation_id: &call.correlation,
                outcome: outcome.as_ref().map_or_else(Fault::what, |_| "ok"),
            })?;
        }
        outcome
    }

    fn read(
        &mut self,
        call: &Call,
        writer: &mut Writer,
        so_far: &mut SoFar,
        halt: &Halt,
        measured: &mut Measured,
    ) -> Result<(u64, bool)> {
        let platform = self.shared.platform;
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(Connection::new(platform, &platform.action, self.shared.allowance)?),
        };
        let response = connection.call(call)?;
        let is_success = response.status().is_success();
        self.batch.clear();
        let answer = answer::read(
            Metered { body: Body::new(platform, response, call, halt), measured },
            &platform.request,
            platform.answer_limit_bytes,
            &mut self.batch,
            &mut |batch| writer.batch(batch),
        );
        let troubled = |what: &str| {
            let status = call.status().unwrap_or_default();
            platform
                .fault(what)
                .value(format!("HTTP {status}"))
                .passing()
                .next("ask the platform's operators, who find the call by its correlation id")
        };
        let answer = match answer {
            // An error whose body says nothing in SOAP is the server's trouble, not the service's refusal.
            Err(fault) if !is_success && fault.kind() == Kind::Platform && !fault.has_detail() => {
                let why = anyhow::Error::msg(fault.what().to_owned());
                return Err(
                    troubled("the platform reports an error, and no SOAP fault says which").because(why)
                );
            }
            answer => answer?,
        };
        if !is_success {
            return Err(troubled("the platform reports an error, but its answer does not say which"));
        }
        let request = &platform.request;
        let is_last = so_far.is_complete(&answer, request.page_size, request.is_paged())?;
        Ok((answer.records, is_last))
    }

    /// Why the fetch ends before this call: its time is over, or another call failed (then nobody reads this).
    fn given_up(&self) -> Fault {
        let platform = self.shared.platform;
        if self.shared.halt.is_stopped() {
            return platform.fault("the fetch was given up");
        }
        platform
            .fault("the whole fetch takes longer than allowed")
            .value(format!("{} seconds", platform.fetch_deadline.as_secs()))
            .next(
                "run again: finished windows are kept; ask for shorter windows, or raise [platform] fetch_deadline_seconds",
            )
    }
}

/// How much of an answer there was, and its digest where somebody wants it.
struct Measured {
    bytes: u64,
    sha: Option<Sha256>,
}

struct Metered<'m, R> {
    body: R,
    measured: &'m mut Measured,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.body.read(into)?;
        self.measured.bytes += count as u64;
        if let Some(sha) = &mut self.measured.sha {
            sha.update(into.get(..count).unwrap_or_default());
        }
        Ok(count)
    }
}
