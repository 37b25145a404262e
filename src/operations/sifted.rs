//! Files on both sides, of any size: what ties at first sight is counted as it goes by, and only the rest is kept.

use super::Context;
use super::reconcile::{self, Taken, input};
use crate::config::Settings;
use crate::fault::Result;
use crate::intake::{self, FileSettings, Row, Rows};
use crate::normalise::{Counts, Ledger, Normaliser, Reject, Side, Taker};
use crate::report::Input;
use crate::sieve::{Place, Plan, Sifted, Sketcher};

/// Of the memory that is allowed, each side's slots get one share; the rest is for joining them, and for what does not tie.
const SHARES: usize = 16;

/// Reads both sides at once, settles what it can, and reads the rest again.
pub(super) fn read(
    [invoices, settlements]: [&FileSettings; 2],
    plan: &Plan<'_>,
    settings: &Settings,
    context: &Context<'_>,
) -> Result<(Taken, Taken, Sifted)> {
    let (invoice, settlement) = rayon::join(
        || First::read(Side::Invoice, invoices, plan, settings, context),
        || First::read(Side::Settlement, settlements, plan, settings, context),
    );
    let (invoice, settlement) = (invoice?, settlement?);
    context.progress.check()?;
    let sifted = plan.sift(invoice.sketcher, settlement.sketcher)?;
    context.progress.check()?;
    let [left_invoices, left_settlements] = &sifted.left;
    let (invoice, settlement) = rayon::join(
        || invoice.rest.take(Side::Invoice, left_invoices, settings, context),
        || settlement.rest.take(Side::Settlement, left_settlements, settings, context),
    );
    Ok((invoice?, settlement?, sifted))
}

/// One side after the first reading.
struct First<'p> {
    sketcher: Sketcher<'p>,
    rest: Rest,
}

/// What a second reading needs.
struct Rest {
    files: Vec<Box<dyn Rows + Send>>,
    inputs: Vec<Input>,
    counts: Counts,
    rejects: Vec<Reject>,
}

impl<'p> First<'p> {
    fn read(
        side: Side,
        settings: &FileSettings,
        plan: &'p Plan<'_>,
        all: &Settings,
        context: &Context<'_>,
    ) -> Result<Self> {
        let sketcher = plan.sketcher(side, &all.directory, all.memory / SHARES);
        let mut normaliser = normaliser(sketcher, side, all)?;
        let (mut files, mut inputs) = (Vec::new(), Vec::new());
        for file in intake::find(&all.base, settings)? {
            let rows = intake::open(&file.path, &file.label, settings, context.progress)?;
            let mut rows = intake::revisitable(rows, &all.directory)?;
            normaliser.taker().open(u32::try_from(files.len()).unwrap_or(u32::MAX));
            normaliser.take(&mut *rows)?;
            normaliser.taker().check()?;
            inputs.push(input(side, file.label, &*rows));
            files.push(rows);
        }
        let (sketcher, counts, rejects) = normaliser.part();
        Ok(Self { sketcher, rest: Rest { files, inputs, counts, rejects } })
    }
}

impl Rest {
    /// Reads the rows at `places` again, into a ledger; what was counted and rejected is known already.
    fn take(
        mut self,
        side: Side,
        places: &[Place],
        settings: &Settings,
        context: &Context<'_>,
    ) -> Result<Taken> {
        let ledger = Ledger::new(side, settings.fields.count());
        let mut normaliser = normaliser(ledger, side, settings)?.again();
        let mut row = Row::default();
        for of_file in places.chunk_by(|a, b| a.file == b.file) {
            let Some(rows) = of_file.first().and_then(|place| self.files.get_mut(place.file as usize)) else {
                continue;
            };
            // The files of a side need not have their columns in one order.
            normaliser.check(rows.origin(), rows.columns())?;
            for place in of_file {
                context.progress.check()?;
                rows.revisit(place.place, &mut row)?;
                row.number = place.number;
                normaliser.accept(rows.origin(), rows.columns(), &row);
            }
        }
        let (mut ledger, ..) = normaliser.part();
        ledger.close(self.counts, self.rejects);
        Ok(Taken { ledger, inputs: self.inputs, fetched: None })
    }
}

fn normaliser<T: Taker>(taker: T, side: Side, settings: &Settings) -> Result<Normaliser<'_, T>> {
    let of = match side {
        Side::Invoice => &settings.invoices,
        Side::Settlement => &settings.settlements,
    };
    reconcile::normaliser_into(taker, side, of, settings)
}
