//! Rows that several readers take by turns: each gets the next ones that nobody has.

use std::sync::{Mutex, PoisonError};

use super::{Batch, Origin, Row, Rows};
use crate::fault::Result;

/// Rows of one source for several readers; each reads them as `&Shared`.
pub struct Shared<'r> {
    origin: Origin,
    columns: Vec<String>,
    source: Mutex<Source<'r>>,
}

struct Source<'r> {
    rows: &'r mut (dyn Rows + Send),
    /// All is read, or the source is broken and one reader knows.
    is_over: bool,
}

impl<'r> Shared<'r> {
    /// To share these rows.
    pub fn new(rows: &'r mut (dyn Rows + Send)) -> Self {
        let (origin, columns) = (rows.origin().clone(), rows.columns().to_vec());
        Self { origin, columns, source: Mutex::new(Source { rows, is_over: false }) }
    }

    /// Whether nothing is left to be read.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.with(|source| source.is_over)
    }

    /// Lets nobody read any more.
    pub fn end(&self) {
        self.with(|source| source.is_over = true);
    }

    fn with<T>(&self, work: impl FnOnce(&mut Source<'r>) -> T) -> T {
        work(&mut self.source.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Rows for &Shared<'_> {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn read(&mut self, row: &mut Row) -> Result<bool> {
        self.with(|source| {
            if source.is_over {
                return Ok(false);
            }
            let read = source.rows.read(row);
            source.is_over = !matches!(read, Ok(true));
            read
        })
    }

    fn batch(&mut self, batch: &mut Batch) -> Result<()> {
        self.with(|source| {
            if source.is_over {
                batch.clear();
                return Ok(());
            }
            let read = source.rows.batch(batch);
            source.is_over = read.is_err();
            read
        })
    }
}
