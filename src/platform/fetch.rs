//! Many calls, piece by piece and page by page, over a few connections; one order, whatever the timing.
//!
//! The connections write pieces to files of a [`Store`]; the consumer reads them in the order of the pieces,
//! a page at a time, as soon as a page is complete. So a page that must be asked for again
//! leaves nothing behind, memory stays small, and what is finished survives an interruption.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Instant, SystemTime};

use sha2::{Digest as _, Sha256};

use super::evidence::Evidence;
use super::pace::{Halt, NAP, Pace};
use super::plan::Piece;
use super::record::{Batch, Fields, Record};
use super::store::{Next, Opening, Reader, Store};
use super::worker::{self, Finished, News, Shared};
use super::{Platform, envelope};
use crate::allowance::{Allowance, Unlimited};
use crate::digest::hexadecimal;
use crate::fault::{Fault, Kind, Result};
use crate::progress::{self, Progress, Unit};

/// What the placeholders of one call stand for.
pub type Values = BTreeMap<String, String>;

/// How a fetch goes about it. By default it keeps nothing, proves nothing, and is not counted.
#[derive(Clone, Copy)]
pub struct Manner<'a> {
    /// The time by which the fetch starts, where it shall be possible to resume it; `None` keeps nothing.
    pub keep: Option<SystemTime>,
    /// Whether what an interrupted fetch left is ignored.
    pub refetch: bool,
    /// The file that each call is written down in, as a line of JSON.
    pub evidence: Option<&'a Path>,
    /// What the records are for, where what is kept is not for everybody; else blank.
    pub purpose: &'a str,
    /// Asked before each call.
    pub allowance: &'a dyn Allowance,
}

impl Default for Manner<'_> {
    fn default() -> Self {
        Self { keep: None, refetch: false, evidence: None, purpose: "", allowance: &Unlimited }
    }
}

/// What a fetch came to. Its records can be read again until it is closed.
#[derive(Debug)]
#[must_use = "a fetch that is not closed is resumed by the next one"]
pub struct Fetched {
    /// Calls of this fetch that succeeded, each a page. What was kept took none.
    pub calls: u64,
    /// Records that the sink was given, those of kept pieces among them.
    pub records: u64,
    /// Pieces that an interrupted fetch had finished already.
    pub kept: u64,
    operation: String,
    keys: Vec<String>,
    store: Store,
}

impl Fetched {
    /// Where the records come from, in words: `3 calls, 2 windows kept from an interrupted fetch`.
    #[must_use]
    pub fn origin(&self) -> String {
        let counted = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        match self.kept {
            0 => counted(self.calls, "call"),
            kept => format!(
                "{}, {} kept from an interrupted fetch",
                counted(self.calls, "call"),
                counted(kept, "window")
            ),
        }
    }

    /// Gives all records to `sink` once more, in the same order.
    ///
    /// # Errors
    /// [`Kind::Output`] where they cannot be read back, and whatever `sink` returns.
    pub fn again(&self, sink: &mut dyn FnMut(&Record<'_>) -> Result<()>) -> Result<()> {
        let mut batch = Batch::default();
        let mut place = Place { operation: &self.operation, pages: 0, records: 0, index: 0 };
        for key in &self.keys {
            let mut reader = self.store.read(key)?;
            reader.allow(u64::MAX);
            while place.read(&mut reader, &mut batch, sink)? {}
        }
        Ok(())
    }

    /// The fetch is over: what it kept goes, and the next one asks afresh.
    ///
    /// # Errors
    /// [`Kind::Output`] where what was kept cannot be removed.
    pub fn close(self) -> Result<()> {
        self.store.close()
    }
}

impl Platform {
    /// Makes the request once for each of `pieces` (all its pages), and gives the records to
    /// `sink` in the order of the pieces, the pages and the document.
    ///
    /// Memory stays small, and a page that had to be asked for again is given once.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where a placeholder has no value; nothing has been sent then.
    /// [`Kind::SignIn`] or [`Kind::Platform`] where the platform does not answer as it should, [`Kind::Busy`] where it
    /// may not be asked any more,
    /// [`Kind::Output`] where what came cannot be kept or proven, and
    /// whatever `sink` returns. After an error the records that `sink` has seen are not all there are: drop them.
    pub fn fetch(
        &self,
        pieces: &[Piece],
        manner: &Manner<'_>,
        progress: &dyn Progress,
        sink: &mut dyn FnMut(&Record<'_>) -> Result<()>,
    ) -> Result<Fetched> {
        for piece in pieces {
            self.request.check(&piece.values.keys().map(String::as_str).collect::<Vec<_>>())?;
        }
        let keys = self.keys(pieces)?;
        let evidence = Evidence::open(manner.evidence)?;
        let store = self.store(pieces, manner, progress)?;
        let shared = Shared {
            platform: self,
            pieces: pieces.iter().zip(keys.iter().cloned()).collect(),
            store: &store,
            evidence,
            pace: Pace::new(self.calls_per_second),
            halt: Halt::new(Instant::now() + self.fetch_deadline),
            next: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
            progress,
            allowance: manner.allowance,
        };
        let task = progress.task(&self.request.operation, Unit::Records, None);
        let (calls, records, kept) = thread::scope(|scope| {
            let (news, line) = channel();
            for number in 0..self.connections.min(pieces.len()) {
                let (shared, news) = (&shared, news.clone());
                scope.spawn(move || worker::work(shared, &news, number == 0));
            }
            drop(news);
            let outcome = consume(&shared, &line, &mut |record| {
                task.advance(1);
                task.check()?;
                sink(record)
            });
            // Without anybody who listens, the workers stop at the next read.
            shared.halt.stop();
            outcome
        })?;
        drop(shared);
        Ok(Fetched { calls, records, kept, operation: self.request.operation.clone(), keys, store })
    }

    /// A name for each piece, by what is asked: the same in every run.
    fn keys(&self, pieces: &[Piece]) -> Result<Vec<String>> {
        let mut times: HashMap<String, u32> = HashMap::new();
        let key = |piece: &Piece| {
            let asked = envelope::write(self.soap, &self.namespace, &self.request, &piece.values, 0)?;
            let key = self.key(&asked);
            // Who asks for the same twice gets it twice.
            let before = times.entry(key.clone()).or_default();
            *before += 1;
            Ok(format!("{key}-{before}"))
        };
        pieces.iter().map(key).collect()
    }

    /// A digest of `asked`, of whom, as whom, and how the answers are read.
    fn key(&self, asked: &str) -> String {
        let request = &self.request;
        let read = format!(
            "{:?}",
            (&request.records, &request.total, &request.more, request.page_size, request.first_page)
        );
        let mut sha = Sha256::new();
        for part in [self.endpoint.as_str(), &self.account, &self.action, &read, asked] {
            sha.update((part.len() as u64).to_le_bytes());
            sha.update(part);
        }
        // Half of it names a file well enough.
        hexadecimal(sha.finalize().get(..16).unwrap_or_default())
    }

    fn store(&self, pieces: &[Piece], manner: &Manner<'_>, progress: &dyn Progress) -> Result<Store> {
        let Some(now) = manner.keep else { return Store::temporary() };
        // Whom to ask for may have changed when a fetch is resumed; what to ask may not.
        let mut windows: Vec<&str> = pieces.iter().map(|piece| piece.window.as_str()).collect();
        windows.sort_unstable();
        windows.dedup();
        let asked = format!("{:?}{}", (self.soap, &self.namespace, &self.request, windows), manner.purpose);
        let opening = Opening {
            base: &self.store,
            key: &self.key(&asked),
            now,
            resume: self.resume,
            refetch: manner.refetch,
        };
        Store::open(&opening, &|text| progress::say(progress, &text))
    }
}

/// Takes what the workers have, in the order of the pieces.
fn consume(
    shared: &Shared<'_>,
    line: &Receiver<(usize, News)>,
    sink: &mut dyn FnMut(&Record<'_>) -> Result<()>,
) -> Result<(u64, u64, u64)> {
    let operation = shared.platform.request.operation.as_str();
    let mut identity = Identity::new(shared.platform);
    let mut sink = |record: &Record<'_>| {
        identity.check(record)?;
        sink(record)
    };
    let mut place = Place { operation, pages: 0, records: 0, index: 0 };
    let mut batch = Batch::default();
    let (mut calls, mut kept) = (0, 0);
    let mut early: BTreeMap<usize, VecDeque<News>> = BTreeMap::new();
    for (index, (piece, key)) in shared.pieces.iter().enumerate() {
        let mut waiting = early.remove(&index).unwrap_or_default();
        let mut reader = None;
        loop {
            let news = match waiting.pop_front() {
                Some(news) => news,
                None => match line.recv_timeout(NAP) {
                    Ok((of, news)) if of == index => news,
                    Ok((of, news)) => {
                        early.entry(of).or_default().push_back(news);
                        continue;
                    }
                    Err(RecvTimeoutError::Timeout) => {
                        shared.progress.check()?;
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => {
                        return Err(Fault::new(Kind::Bug, "a connection's thread ended without a word"));
                    }
                },
            };
            match news {
                News::Page(finished, end) => {
                    let reader = match &mut reader {
                        Some(reader) => reader,
                        none => none.insert(shared.store.read(key)?),
                    };
                    reader.allow(end);
                    place.read(reader, &mut batch, &mut sink)?;
                    calls += 1;
                    log(operation, &piece.window, place.pages, &finished);
                }
                News::Kept => {
                    let mut reader = shared.store.read(key)?;
                    reader.allow(u64::MAX);
                    while place.read(&mut reader, &mut batch, &mut sink)? {}
                    kept += 1;
                    tracing::info!(operation, window = piece.window, "window kept from an interrupted fetch");
                    break;
                }
                News::Done => break,
                News::Failed(fault) => return Err(fault),
            }
        }
    }
    Ok((calls, place.records, kept))
}

fn log(operation: &str, window: &str, call: u64, finished: &Finished) {
    let Finished { page, attempt, status, records, millis, correlation } = finished;
    tracing::info!(
        operation,
        call,
        window,
        page,
        attempt,
        status,
        records,
        millis,
        correlation,
        "platform answered"
    );
}

/// How far the consumer is.
struct Place<'a> {
    operation: &'a str,
    pages: u64,
    records: u64,
    index: u64,
}

impl Place<'_> {
    /// Gives the records of the next page to `sink`. Was there one?
    fn read(
        &mut self,
        reader: &mut Reader,
        batch: &mut Batch,
        sink: &mut dyn FnMut(&Record<'_>) -> Result<()>,
    ) -> Result<bool> {
        self.index = 0;
        loop {
            match reader.next(batch)? {
                Next::Batch => {
                    for fields in batch.records() {
                        self.index += 1;
                        self.records += 1;
                        let Self { operation, pages, index, .. } = *self;
                        sink(&Record { operation, call: pages + 1, index, fields })?;
                    }
                }
                Next::Page => {
                    self.pages += 1;
                    return Ok(true);
                }
                Next::End => return Ok(false),
            }
        }
    }
}

/// The records that came so far, by the fields that tell them apart.
struct Identity<'p> {
    platform: &'p Platform,
    /// Keyed at random: two records of different identities do not meet on purpose, nor in practice.
    hasher: RandomState,
    seen: HashSet<u64>,
}

impl<'p> Identity<'p> {
    fn new(platform: &'p Platform) -> Self {
        Self { platform, hasher: RandomState::new(), seen: HashSet::new() }
    }

    fn check(&mut self, record: &Record<'_>) -> Result<()> {
        let names = self.platform.request.identity.0.as_slice();
        if names.is_empty() {
            return Ok(());
        }
        let text = |fields: &Fields<'_>, wanted: &str| {
            fields.iter().find(|(name, _)| *name == wanted).and_then(|(_, value)| value).map(str::to_owned)
        };
        let values: Vec<Option<String>> = names.iter().map(|name| text(&record.fields, name)).collect();
        if let Some((name, _)) = names.iter().zip(&values).find(|(_, value)| value.is_none()) {
            return Err(self
                .platform
                .fault(format!("record {record} has no {name}, which is to tell it from others"))
                .next("correct [platform.request] identity"));
        }
        if self.seen.insert(self.hasher.hash_one(&values)) {
            return Ok(());
        }
        let shown =
            names.iter().zip(values.into_iter().flatten()).map(|(name, value)| format!("{name} {value}"));
        Err(self
            .platform
            .fault(format!("record {record} came before: the platform repeats records"))
            .value(shown.collect::<Vec<_>>().join(", "))
            .next(
                "run again when nobody changes the period's records; else check {page}, first_page, and whether the platform takes the end of a window as a part of it",
            ))
    }
}
