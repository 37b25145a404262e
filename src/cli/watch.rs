//! Progress bars on stderr.

use std::io::Write as _;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::fault::shown_lines;
use crate::progress::{Progress, Silent, Task, Unit};

/// One bar for each task; a bar goes when its task ends.
#[derive(Default)]
pub(super) struct Bars {
    bars: MultiProgress,
}

struct Bar(ProgressBar);

impl Task for Bar {
    fn advance(&self, done: u64) {
        self.0.inc(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Bars {
    fn task(&self, label: &str, unit: Unit, total: Option<u64>) -> Box<dyn Task> {
        let template = match (unit, total) {
            (Unit::Bytes, Some(_)) => "{msg:32!} {wide_bar} {bytes:>10} of {total_bytes:10} {eta:>4}",
            (_, Some(_)) => "{msg:32!} {wide_bar} {human_pos:>10} of {human_len:10} {eta:>4}",
            (Unit::Bytes, None) => "{msg:32!} {spinner} {bytes}",
            (_, None) => "{msg:32!} {spinner} {human_pos} records",
        };
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::new_spinner(),
        };
        // The templates are ours; a wrong one shows plainly and harms nothing.
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        let bar = self.bars.add(bar);
        bar.set_message(label.to_owned());
        Box::new(Bar(bar))
    }

    fn note(&self, text: &str) {
        self.bars.suspend(|| Notes.note(text));
    }
}

/// Nobody watches how far it is, but somebody may read what is said.
pub(super) struct Notes;

impl Progress for Notes {
    fn task(&self, label: &str, unit: Unit, total: Option<u64>) -> Box<dyn Task> {
        Silent.task(label, unit, total)
    }

    fn note(&self, text: &str) {
        // If stderr is gone there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "note: {}", shown_lines(text));
    }
}
