//! When the last page has come, and whether what came is what was announced.

use super::answer::Page;
use crate::fault::{Fault, Kind, Result};

/// Pages of one call after which something is wrong with the paging.
const MOST_PAGES: u64 = 100_000;

/// The pages of one call so far: what was announced against what came.
#[derive(Debug, Default)]
pub(super) struct SoFar {
    pages: u64,
    records: u64,
    total: Option<u64>,
    digest: Option<u64>,
}

impl SoFar {
    /// Takes in a page. Was it the last?
    pub(super) fn is_complete(&mut self, page: &Page, page_size: u64, is_paged: bool) -> Result<bool> {
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
