//! Many calls, page by page, over a few connections; one order, whatever the timing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use super::answer::{self, Page};
use super::connection::{Body, Call, Connection};
use super::record::{Batch, Record};
use super::{Platform, envelope};
use crate::fault::{Fault, Kind, Result};
use crate::progress::{Progress, Unit};

/// What the placeholders of one call stand for.
pub type Values = BTreeMap<String, String>;

/// Batches that a connection may be ahead of the consumer: what bounds the memory.
const BATCHES_AHEAD: usize = 32;
/// Pages of one call after which something is wrong with the paging.
const MOST_PAGES: u64 = 100_000;

/// What a fetch came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// HTTP calls, which is pages.
    pub calls: u64,
    /// Records that the sink was given.
    pub records: u64,
}

/// What a connection tells the consumer, in order.
enum News {
    Batch(Batch),
    Page(Finished),
    /// All pages of one set of values are there.
    Done,
    Failed(Fault),
}

/// A page that came whole, for the log.
struct Finished {
    page: u64,
    status: u16,
    records: u64,
    millis: u64,
    correlation: String,
}

impl Platform {
    /// Makes the request once for each of `calls` (all its pages), and gives the records to
    /// `sink` in the order of the calls, the pages and the document.
    ///
    /// Memory stays small: connections wait when `sink` falls behind.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where a placeholder has no value; nothing has been sent then.
    /// [`Kind::SignIn`] or [`Kind::Platform`] where the platform does not answer as it should, and
    /// whatever `sink` returns. After an error the records that `sink` has seen are not all there are: drop them.
    pub fn fetch(
        &self,
        calls: &[Values],
        progress: &dyn Progress,
        sink: &mut dyn FnMut(&Record<'_>) -> Result<()>,
    ) -> Result<Fetched> {
        for values in calls {
            self.request.check(&values.keys().map(String::as_str).collect::<Vec<_>>())?;
        }
        let workers = self.connections.min(calls.len());
        let task = progress.task(&self.request.operation, Unit::Records, None);
        let stopped = AtomicBool::new(false);
        thread::scope(|scope| {
            let mut lines = Vec::new();
            for first in 0..workers {
                let (news, line) = sync_channel(BATCHES_AHEAD);
                let (give_back, spare) = channel();
                lines.push((line, give_back));
                let stopped = &stopped;
                scope.spawn(move || {
                    // The calls are dealt out in turn. The consumer takes them in the same order,
                    // so the connection that it waits for always has the call that it waits for.
                    let worker = Worker { platform: self, news, spare, stopped };
                    worker.work(calls.iter().skip(first).step_by(workers));
                });
            }
            let outcome = self.consume(calls.len(), &lines, &mut |record| {
                task.advance(1);
                sink(record)
            });
            // Without anybody who listens, the workers stop at the next batch, or the next read.
            stopped.store(true, Ordering::Relaxed);
            drop(lines);
            outcome
        })
    }

    fn consume(
        &self,
        calls: usize,
        lines: &[(Receiver<News>, Sender<Batch>)],
        sink: &mut dyn FnMut(&Record<'_>) -> Result<()>,
    ) -> Result<Fetched> {
        let operation = self.request.operation.as_str();
        let mut fetched = Fetched::default();
        for (line, give_back) in lines.iter().cycle().take(calls) {
            let mut index = 0;
            loop {
                let lost = || Fault::new(Kind::Bug, "a connection's thread ended without a word");
                match line.recv().map_err(|_| lost())? {
                    News::Batch(batch) => {
                        for fields in batch.records() {
                            index += 1;
                            fetched.records += 1;
                            sink(&Record { operation, call: fetched.calls + 1, index, fields })?;
                        }
                        // A worker that has finished does not need it back.
                        let _ = give_back.send(batch);
                    }
                    News::Page(Finished { page, status, records, millis, correlation }) => {
                        fetched.calls += 1;
                        index = 0;
                        tracing::info!(
                            operation,
                            call = fetched.calls,
                            page,
                            status,
                            records,
                            millis,
                            correlation,
                            "platform answered"
                        );
                    }
                    News::Done => break,
                    News::Failed(fault) => return Err(fault),
                }
            }
        }
        Ok(fetched)
    }
}

/// One connection's thread.
struct Worker<'p> {
    platform: &'p Platform,
    news: SyncSender<News>,
    /// Batches that the consumer is done with.
    spare: Receiver<Batch>,
    stopped: &'p AtomicBool,
}

impl<'p> Worker<'p> {
    fn work(&self, calls: impl Iterator<Item = &'p Values>) {
        if let Err(fault) = self.fetch_all(calls) {
            // Nobody listens any more where the consumer has stopped first.
            let _ = self.news.send(News::Failed(fault));
        }
    }

    fn fetch_all(&self, calls: impl Iterator<Item = &'p Values>) -> Result<()> {
        let platform = self.platform;
        let mut connection = Connection::new(platform, &platform.action)?;
        let mut batch = Batch::default();
        for values in calls {
            self.fetch(&mut connection, values, &mut batch)?;
            self.tell(News::Done)?;
        }
        Ok(())
    }

    /// All pages of one set of values.
    fn fetch(&self, connection: &mut Connection<'_>, values: &Values, batch: &mut Batch) -> Result<()> {
        let request = &self.platform.request;
        let mut so_far = SoFar::default();
        for page in request.first_page.. {
            let answer = self.fetch_page(connection, values, page, batch)?;
            if so_far
                .is_complete(&answer, request.page_size, request.is_paged())
                .map_err(|fault| fault.at(self.platform.place()))?
            {
                break;
            }
        }
        Ok(())
    }

    fn fetch_page(
        &self,
        connection: &mut Connection<'_>,
        values: &Values,
        page: u64,
        batch: &mut Batch,
    ) -> Result<Page> {
        let platform = self.platform;
        let body = envelope::write(platform.soap, &platform.namespace, &platform.request, values, page)?;
        let call = Call::new(body, platform.correlation());
        let mut status = 0;
        let outcome = connection.call(&call).and_then(|response| {
            status = response.status().as_u16();
            let is_success = response.status().is_success();
            let answer = answer::read(
                Body::new(platform, response, &call, self.stopped),
                &platform.request,
                platform.answer_limit_bytes,
                batch,
                &mut |batch| {
                    let spare = self.spare.try_recv().unwrap_or_default();
                    self.tell(News::Batch(std::mem::replace(batch, spare)))
                },
            )
            .map_err(|fault| fault.at(platform.place()))?;
            if is_success {
                return Ok(answer);
            }
            Err(platform
                .fault("the platform reports an error, but its answer does not say which")
                .value(format!("HTTP {status}, correlation id {}", call.correlation))
                .next("ask the platform's operators, who find the call by its correlation id"))
        });
        let (operation, millis, correlation) =
            (&platform.request.operation, call.millis(), &call.correlation);
        match outcome {
            Ok(answer) => {
                self.tell(News::Page(Finished {
                    page,
                    status,
                    records: answer.records,
                    millis,
                    correlation: call.correlation,
                }))?;
                Ok(answer)
            }
            Err(fault) => {
                tracing::warn!(
                    operation,
                    page,
                    status,
                    millis,
                    correlation,
                    what = fault.what(),
                    "platform call failed"
                );
                Err(fault)
            }
        }
    }

    fn tell(&self, news: News) -> Result<()> {
        // Seen by nobody: it only unwinds this worker after the consumer has left.
        self.news.send(news).map_err(|_| Fault::new(Kind::Platform, "the fetch was given up"))
    }
}

/// The pages of one call so far: what was announced against what came.
#[derive(Debug, Default)]
struct SoFar {
    pages: u64,
    records: u64,
    total: Option<u64>,
    digest: Option<u64>,
}

impl SoFar {
    /// Takes in a page. Was it the last?
    fn is_complete(&mut self, page: &Page, page_size: u64, is_paged: bool) -> Result<bool> {
        let fault = |what: String| Fault::new(Kind::Platform, what);
        if page.records > 0 && self.digest.replace(page.digest) == Some(page.digest) {
            return Err(fault(
                "the platform sent the same page twice: it ignores the page number".to_owned(),
            )
            .next("check which parameter takes {page}, and first_page, in [platform.request]"));
        }
        self.pages += 1;
        self.records += page.records;
        if self.pages > 1 && self.total != page.total {
            let say =
                |total: Option<u64>| total.map_or_else(|| "nothing".to_owned(), |total| total.to_string());
            return Err(fault(format!(
                "the announced number of records changed from one page to the next, from {} to {}",
                say(self.total),
                say(page.total)
            ))
            .next("run again when nobody changes the period's records"));
        }
        self.total = page.total;
        if let Some(total) = page.total {
            let came = self.records;
            if came == total {
                return Ok(true);
            }
            let is_last = !is_paged || page.records == 0 || page.more == Some(false);
            if came > total || is_last {
                let fault = fault(format!("the platform announced {total} records, but sent {came}"));
                return Err(fault.next(if came > total {
                    "check that [platform.request] total names the count of all pages, not of one"
                } else if is_paged {
                    "check {page} and first_page in [platform.request]; if they are right, run again"
                } else {
                    "the answer has more pages: put {page} and {page_size} into [platform.request] parameters"
                }));
            }
        } else if let Some(more) = page.more {
            if !more {
                return Ok(true);
            }
            if !is_paged || page.records == 0 {
                return Err(fault(format!(
                    "the platform says that there are more records, but {}",
                    if is_paged { "sent an empty page" } else { "the request names no page" }
                ))
                .next("check {page} and first_page in [platform.request]"));
            }
        } else if !is_paged || page.records < page_size {
            return Ok(true);
        }
        if self.pages >= MOST_PAGES {
            return Err(fault(format!("there is no end after {MOST_PAGES} pages"))
                .next("raise page_size in [platform.request], or ask for a shorter window"));
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn page(records: u64, total: Option<u64>, more: Option<bool>, digest: u64) -> Page {
        Page { records, total, more, digest }
    }

    /// Pages of at most 10 records: how many are asked for, or what is wrong with them.
    fn turn(is_paged: bool, pages: &[Page]) -> Result<usize> {
        let mut so_far = SoFar::default();
        for (count, page) in pages.iter().enumerate() {
            if so_far.is_complete(page, 10, is_paged)? {
                return Ok(count + 1);
            }
        }
        Ok(0)
    }

    #[test]
    fn paging_ends_where_the_platform_says_so() {
        let by_size = [page(10, None, None, 1), page(10, None, None, 2), page(3, None, None, 3)];
        assert_eq!(turn(true, &by_size).unwrap(), 3);
        assert_eq!(turn(false, &by_size).unwrap(), 1);
        assert_eq!(turn(true, &[page(10, None, None, 1), page(0, None, None, 0)]).unwrap(), 2);
        // A server that gives out smaller pages than it was asked for.
        assert_eq!(turn(true, &[page(4, Some(8), None, 1), page(4, Some(8), None, 2)]).unwrap(), 2);
        assert_eq!(turn(true, &[page(4, None, Some(true), 1), page(4, None, Some(false), 2)]).unwrap(), 2);
        assert_eq!(turn(true, &[page(0, Some(0), None, 0)]).unwrap(), 1);
        // A flag that goes by full pages is wrong at the end; the count decides.
        assert_eq!(turn(true, &[page(10, Some(10), Some(true), 1)]).unwrap(), 1);
    }

    #[test]
    fn what_came_is_held_against_what_was_announced() {
        for (is_paged, pages, expected) in [
            (
                true,
                vec![page(5, Some(10), None, 1), page(0, Some(10), None, 0)],
                "announced 10 records, but sent 5",
            ),
            (true, vec![page(5, Some(10), Some(false), 1)], "announced 10 records, but sent 5"),
            (true, vec![page(11, Some(10), None, 1)], "announced 10 records, but sent 11"),
            (false, vec![page(5, Some(10), None, 1)], "{page}"),
            (true, vec![page(5, Some(10), None, 1), page(5, Some(11), None, 2)], "from 10 to 11"),
            (true, vec![page(5, Some(10), None, 7), page(5, Some(10), None, 7)], "same page twice"),
            (true, vec![page(10, None, None, 7), page(10, None, None, 7)], "same page twice"),
            (true, vec![page(0, None, Some(true), 0)], "sent an empty page"),
            (false, vec![page(5, None, Some(true), 0)], "names no page"),
        ] {
            let fault = turn(is_paged, &pages).unwrap_err().to_string();
            assert!(fault.contains(expected), "{fault}");
        }
    }
}
