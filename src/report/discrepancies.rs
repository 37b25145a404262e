//! The discrepancies, in every form that is asked for: each is put into words once, on all threads.

use rayon::iter::{IndexedParallelIterator as _, ParallelIterator as _};
use rayon::slice::ParallelSlice as _;

use super::line::{Cells, Lines};
use super::{Aside, Report};
use crate::fault::Result;
use crate::judge::Discrepancy;

/// Discrepancies that are put into words before any of them is written.
const BATCH: usize = 2048;
/// Those of them that one thread takes at once.
const PART: usize = 128;

/// How a form is written. Parts know nothing of each other.
#[derive(Clone, Copy)]
pub(super) struct Writing {
    pub(super) file: &'static str,
    /// What stands before all discrepancies.
    pub(super) head: fn() -> anyhow::Result<Vec<u8>>,
    pub(super) part: fn(&Report<'_>, &Part<'_>) -> anyhow::Result<Vec<u8>>,
    /// What stands behind them.
    pub(super) foot: &'static [u8],
}

/// Discrepancies that stand side by side, in words.
pub(super) struct Part<'a> {
    /// Whether these are the first of all.
    pub(super) is_first: bool,
    discrepancies: &'a [&'a Discrepancy],
    cells: Cells,
}

impl Part<'_> {
    /// See [`Cells::bytes`].
    pub(super) fn bytes(&self) -> usize {
        self.cells.bytes()
    }

    /// Each discrepancy with its cells.
    pub(super) fn lines(&self) -> impl Iterator<Item = (&Discrepancy, impl Iterator<Item = &str>)> {
        self.discrepancies
            .iter()
            .zip(0..)
            .map(|(discrepancy, number)| (*discrepancy, self.cells.line(number)))
    }
}

/// Writes all that are listed into `files`.
pub(super) fn write(report: &Report<'_>, files: &mut [(Writing, Aside<'_>)]) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let listed: Vec<&Discrepancy> = report.listed().collect();
    let lines = Lines::of(report);
    let forms: Vec<Writing> = files.iter().map(|(form, _)| *form).collect();
    let in_words = |(number, discrepancies): (usize, &[&Discrepancy])| {
        let part = Part { is_first: number == 0, discrepancies, cells: lines.cells(discrepancies) };
        forms.iter().map(|form| (form.part)(report, &part)).collect::<Vec<_>>()
    };
    for (form, file) in &mut *files {
        file.add(|out| Ok(out.write_all(&(form.head)()?)?))?;
    }
    let mut ready = Vec::new();
    let mut put = |ready: Vec<Vec<anyhow::Result<Vec<u8>>>>| -> Result<()> {
        for part in ready {
            for ((_, file), bytes) in files.iter_mut().zip(part) {
                file.add(|out| Ok(out.write_all(&bytes?)?))?;
            }
        }
        Ok(())
    };
    for (number, batch) in listed.chunks(BATCH).enumerate() {
        // One batch is written while the next one is put into words.
        let first = number * BATCH / PART;
        let next =
            || batch.par_chunks(PART).enumerate().map(|(at, part)| in_words((first + at, part))).collect();
        let written;
        (written, ready) = rayon::join(|| put(ready), next);
        written?;
    }
    put(ready)?;
    files.iter_mut().try_for_each(|(form, file)| file.add(|out| Ok(out.write_all(form.foot)?)))
}
