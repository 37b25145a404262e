//! Progress bars on stderr.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::progress::{Progress, Task, Unit};

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
}
