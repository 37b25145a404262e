//! Files on both sides, of any size: what ties at first sight is counted as it goes by, and only the rest is kept.

use std::sync::{Mutex, PoisonError};

use super::Context;
use super::reconcile::{self, Taken, input};
use crate::config::{Settings, SideSettings};
use crate::fault::Result;
use crate::intake::{self, Batch, FileSettings, Row, Rows, Shared};
use crate::judge::Verdicts;
use crate::normalise::{Counts, Ledger, Normaliser, Reject, Side, Stand, Taker};
use crate::report::Input;
use crate::sieve::{Found, Place, Plan, Prices, Sifted, Sketch, Sketcher};

/// Of the memory that is allowed, each side's slots get one share, and the prints of prices half of one; the rest is for joining them, and
/// for what does not tie.
const SHARES: usize = 16;

/// What did not come to the ledgers.
pub(super) struct Sieved<'p> {
    pub(super) sifted: Sifted,
    plan: &'p Plan<'p>,
    prices: Option<Prices>,
    /// The files of the settlements.
    pub(super) records: Again,
}

/// Reads both sides at once, settles what it can, and reads the rest again.
pub(super) fn read<'p>(
    [invoices, settlements]: [&FileSettings; 2],
    plan: &'p Plan<'p>,
    settings: &Settings,
    context: &Context<'_>,
) -> Result<(Taken, Taken, Sieved<'p>)> {
    let (invoice, settlement) = rayon::join(
        || First::read(Side::Invoice, invoices, plan, settings, context),
        || First::read(Side::Settlement, settlements, plan, settings, context),
    );
    let (invoice, settlement) = (invoice?, settlement?);
    context.progress.check()?;
    let (sifted, prices) = plan.sift(invoice.sketch, settlement.sketch)?;
    context.progress.check()?;
    let [left_invoices, left_settlements] = &sifted.left;
    let (invoice, settlement) = rayon::join(
        || invoice.rest.take(left_invoices, settings, context),
        || settlement.rest.take(left_settlements, settings, context),
    );
    let ((invoice, _), (settlement, records)) = (invoice?, settlement?);
    Ok((invoice, settlement, Sieved { sifted, plan, prices, records }))
}

impl Sieved<'_> {
    /// Where records stand that no ledger has, and that may have a price that `verdicts` look for.
    pub(super) fn look_for_prices(&self, verdicts: &Verdicts, invoices: &Ledger) -> Result<Found> {
        let Some(prices) = &self.prices else { return Ok(Found::default()) };
        let [_, left] = &self.sifted.left;
        self.plan.look_for(prices, left, invoices, verdicts.prices_looked_for())
    }
}

/// One side after the first reading.
struct First<'p> {
    sketch: Sketch<'p>,
    rest: Rest,
}

/// What a second reading needs.
struct Rest {
    again: Again,
    inputs: Vec<Input>,
    counts: Counts,
    rejects: Vec<Reject>,
}

/// The files of one side, to be read again at places.
pub(super) struct Again {
    side: Side,
    files: Vec<Box<dyn Rows + Send>>,
}

impl<'p> First<'p> {
    fn read(
        side: Side,
        settings: &FileSettings,
        plan: &'p Plan<'_>,
        all: &Settings,
        context: &Context<'_>,
    ) -> Result<Self> {
        let sketch = plan.sketch(side, &all.directory, all.memory / SHARES);
        let mut first = normaliser(sketch.sketcher(), side, all)?;
        let (mut files, mut inputs) = (Vec::new(), Vec::new());
        for file in intake::find(&all.base, settings)? {
            let rows = intake::open(&file.path, &file.label, settings, context.progress)?;
            let mut rows = intake::revisitable(rows, &all.directory)?;
            let number = u32::try_from(files.len()).unwrap_or(u32::MAX);
            first.taker().open(number);
            let another = || {
                let mut another = normaliser(sketch.sketcher(), side, all)?;
                another.taker().open(number);
                Ok(another)
            };
            // One by one, rows would cost more in turns than they bring.
            let may_share = rows.has_batches() && of(side, all).reading.is_shareable();
            take(&mut *rows, &mut first, another, may_share)?;
            inputs.push(input(side, file.label, &*rows));
            files.push(rows);
        }
        let (_, counts, rejects) = first.part();
        Ok(Self { sketch, rest: Rest { again: Again { side, files }, inputs, counts, rejects } })
    }
}

/// Threads that help to read a file, at the most: its records are found by one at a time, which is more than a third of the work.
const HELPERS: usize = 2;

/// Takes the rows of a file; where they may be shared, with whatever thread has nothing else to do meanwhile.
fn take<'s>(
    rows: &mut (dyn Rows + Send),
    first: &mut Normaliser<'s, Sketcher<'s>>,
    another: impl Fn() -> Result<Normaliser<'s, Sketcher<'s>>> + Sync,
    may_share: bool,
) -> Result<()> {
    let shared = Shared::new(rows);
    let take = |normaliser: &mut Normaliser<'s, Sketcher<'s>>| {
        let taken = normaliser.take(&mut &shared).and_then(|()| normaliser.taker().close());
        // Where one fails, all is in vain.
        taken.inspect_err(|_| shared.end())
    };
    let parts = Mutex::new(Vec::new());
    let help = || {
        // Most helpers come when all is done.
        if !shared.is_over() {
            let part = another().and_then(|mut part| take(&mut part).map(|()| part));
            parts.lock().unwrap_or_else(PoisonError::into_inner).push(part);
        }
    };
    let helpers = if may_share { HELPERS.min(rayon::current_num_threads() - 1) } else { 0 };
    rayon::scope(|scope| {
        (0..helpers).for_each(|_| scope.spawn(|_| help()));
        take(first)
    })?;
    for part in parts.into_inner().unwrap_or_else(PoisonError::into_inner) {
        first.join(part?);
    }
    Ok(())
}

impl Rest {
    /// Reads the rows at `places` again, into a ledger; what was counted and rejected is known already.
    fn take(self, places: &[Place], settings: &Settings, context: &Context<'_>) -> Result<(Taken, Again)> {
        let Self { mut again, inputs, counts, rejects } = self;
        let ledger = Ledger::new(again.side, settings.fields.count());
        let mut ledger = again.read(places, ledger, settings, context)?;
        ledger.close(counts, rejects);
        Ok((Taken { ledger, inputs, fetched: None }, again))
    }
}

impl Again {
    /// Reads the rows at `places` into the ledger.
    pub(super) fn read(
        &mut self,
        places: &[Place],
        ledger: Ledger,
        settings: &Settings,
        context: &Context<'_>,
    ) -> Result<Ledger> {
        let mut normaliser = normaliser(ledger, self.side, settings)?.again();
        let (mut batch, mut row) = (Batch::default(), Row::default());
        for of_file in places.chunk_by(|a, b| a.file == b.file) {
            let Some(rows) = of_file.first().and_then(|place| self.files.get_mut(place.file as usize)) else {
                continue;
            };
            // The files of a side need not have their columns in one order.
            normaliser.check(rows.origin(), rows.columns())?;
            for place in of_file {
                context.progress.check()?;
                let stand = Stand { number: place.number, place: place.place };
                normaliser.revisit(&mut **rows, stand, &mut batch, &mut row)?;
            }
        }
        let (ledger, ..) = normaliser.part();
        Ok(ledger)
    }
}

fn normaliser<T: Taker>(taker: T, side: Side, settings: &Settings) -> Result<Normaliser<'_, T>> {
    reconcile::normaliser_into(taker, side, of(side, settings), settings)
}

fn of(side: Side, settings: &Settings) -> &SideSettings {
    match side {
        Side::Invoice => &settings.invoices,
        Side::Settlement => &settings.settlements,
    }
}
