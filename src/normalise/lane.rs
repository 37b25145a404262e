//! The short way for records that are plain throughout: their texts can be remembered, their times say all by themselves or were
//! read before, and their numbers are digits and a point. Whatever else a record is, it goes the long way, which alone knows what is wrong with it.

use super::interval::is_told;
use super::layout::{Layout, Source};
use super::wordings::{Wording, Wordings};
use super::{Header, Normaliser, Role, Stand, Taker};
use crate::fault::Result;
use crate::intake::{Batch, Origin, Record, Row, Rows};
use crate::money;
use crate::period::Part;

impl<T: Taker> Normaliser<'_, T> {
    /// Whether rows under this header can go the short way.
    pub(super) fn has_lane(&self) -> bool {
        self.totals.is_none()
            && self.header.as_ref().is_some_and(|header| header.layout.is_plain && header.wordings.pays())
    }

    /// Takes the records of a batch; `row` is where those are read into that go the long way.
    pub(super) fn records(&mut self, origin: &Origin, columns: &[String], batch: &Batch, row: &mut Row) {
        let mut header = self.take_header(columns);
        for record in batch.records() {
            let Header { layout, wordings, .. } = &mut *header;
            let stand = Stand { number: record.number, place: record.place };
            match self.read_plain(layout, wordings, record, row) {
                Some(wording) => self.enter(origin, stand, wordings.kept(wording), Some(wording), None, ""),
                None => {
                    record.read(row);
                    if !row.is_empty() {
                        self.row(origin, columns, &mut header, row);
                    }
                }
            }
        }
        self.header = Some(header);
    }

    /// Takes a record again, of rows that were read before; `batch` and `row` are where it is read into. Before the first record of a
    /// file, [`Normaliser::check`] its header.
    ///
    /// # Errors
    /// As [`Rows::revisit`].
    pub fn revisit(
        &mut self,
        rows: &mut dyn Rows,
        Stand { number, place }: Stand,
        batch: &mut Batch,
        row: &mut Row,
    ) -> Result<()> {
        if self.has_lane() {
            rows.revisit_plain(place, batch)?;
            if !batch.is_empty() {
                batch.count_from(number);
                self.records(rows.origin(), rows.columns(), batch, row);
                return Ok(());
            }
        }
        rows.revisit(place, row)?;
        row.number = number;
        self.accept(rows.origin(), rows.columns(), row);
        Ok(())
    }

    /// Reads a record into the draft, if it is plain; what it says.
    #[inline]
    fn read_plain(
        &mut self,
        layout: &Layout<'_>,
        wordings: &mut Wordings,
        record: Record<'_>,
        row: &mut Row,
    ) -> Option<Wording> {
        let edges = [Part::Start, Part::End].map(|part| {
            let text = layout.stated.source(part).map_or(Some(&[][..]), |source| stated(source, record))?;
            let edge = self.moment(text);
            (edge.is_some() || text.is_empty()).then_some((edge, text))
        });
        let [Some((start, begins)), Some((end, ends))] = edges else { return None };
        if !is_told(start, end, || begins == ends) {
            return None;
        }
        let draft = &mut self.draft;
        (draft.start, draft.end) = (start, end);
        let values = [&mut draft.quantity, &mut draft.price, &mut draft.amount];
        for (source, value) in layout.numbers.iter().zip(values) {
            let text = stated(source, record)?;
            *value = money::parse_plain(text, self.reading.decimal);
            if value.is_none() && !text.is_empty() {
                return None;
            }
        }
        // What is no line for want of a number, the long way says.
        if draft.amount.is_none() && (draft.quantity.is_none() || self.reading.states(Role::Amount)) {
            return None;
        }
        (draft.doubles, draft.taxes) = (0, None);
        wordings.of_record(layout, record, row)
    }
}

/// The bytes of the column that a record states something in; `None` where it may be stated elsewhere.
#[inline]
fn stated<'b>(source: &Source<'_>, record: Record<'b>) -> Option<&'b [u8]> {
    let cell = source.column.map_or(&[][..], |column| record.cell(column));
    (!cell.is_empty() || source.is_blank_without()).then_some(cell)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::time::SystemTime;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::super::{Fields, Headers, Reading, Role, Side};
    use crate::fault::Result;
    use crate::intake::{self, FileSettings, Origin, Row, Rows};
    use crate::normalise::{Field, Normaliser};
    use crate::period::{Instant, Period, Zone};
    use crate::progress::Silent;

    /// Rows that are handed out one by one alone.
    struct Singly(Box<dyn Rows + Send>);

    impl Rows for Singly {
        fn origin(&self) -> &Origin {
            self.0.origin()
        }

        fn columns(&self) -> &[String] {
            self.0.columns()
        }

        fn read(&mut self, row: &mut Row) -> Result<bool> {
            self.0.read(row)
        }
    }

    /// All that becomes of a file, and how many of its rows were read many at once.
    fn read(text: &str, columns: &[(&str, &str)], defaults: &[(&str, &str)], singly: bool) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let own = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
        let reading = Reading {
            columns: columns.iter().map(own).map(|(role, header)| (role, Headers::One(header))).collect(),
            defaults: defaults.iter().map(own).collect(),
            ..Reading::default()
        };
        let (fields, zone) = (Fields::default(), Zone::named("Europe/Berlin").unwrap());
        let period = Period::parse("2026-10-25", &zone, SystemTime::now()).unwrap();
        let mut normaliser = Normaliser::new(Side::Invoice, &reading, &fields, &zone, Some(&period)).unwrap();
        let mut rows = intake::open(file.path(), "a.csv", &FileSettings::default(), &Silent).unwrap();
        if singly {
            rows = Box::new(Singly(rows));
        }
        normaliser.take(&mut *rows).unwrap();
        let ledger = normaliser.finish();
        let mut said: Vec<String> = (0..ledger.len())
            .map(|entry| {
                let texts: Vec<&str> =
                    Field::all().take(fields.count()).map(|field| ledger.text(field, entry)).collect();
                let times = (ledger.start(entry), ledger.end(entry));
                let numbers = [ledger.quantity(entry), ledger.price(entry), ledger.amount(entry)];
                format!("{} {texts:?} {times:?} {numbers:?}", ledger.source(entry))
            })
            .collect();
        said.extend(ledger.rejects.iter().map(|reject| format!("{reject:?}")));
        let counts = &ledger.counts;
        for tallies in [&counts.read, &counts.rejected, &counts.outside] {
            let all: std::collections::BTreeMap<_, _> = tallies
                .iter()
                .map(|(account, tally)| (account.clone(), (tally.lines, tally.amount.value())))
                .collect();
            said.push(format!("{all:?}"));
        }
        said.push(format!("{:?} {:?}", counts.roundings.all(), counts.sample.drawn().len()));
        said.join("\n")
    }

    /// On the Azores the day on which the clock goes back has two midnights, and what starts behind the first ends at the second,
    /// whatever was read before.
    #[test]
    fn no_end_is_remembered_for_a_row_that_starts_behind_it() {
        let zone = Zone::named("Atlantic/Azores").unwrap();
        let (fields, reading) = (Fields::default(), {
            let columns = ["deal", "start", "end", "amount"];
            let own = |role: &str| (role.to_owned(), Headers::One(role.to_owned()));
            Reading { columns: columns.into_iter().map(own).collect(), ..Reading::default() }
        });
        let (one, other) =
            ("A,2026-10-24,2026-10-25T00:00:00,1\n", "B,2026-10-25T00:30:00Z,2026-10-25T00:00:00,1\n");
        for order in [[one, other], [other, one]] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), format!("deal,start,end,amount\n{}", order.concat())).unwrap();
            let mut normaliser = Normaliser::new(Side::Invoice, &reading, &fields, &zone, None).unwrap();
            let mut rows = intake::open(file.path(), "a.csv", &FileSettings::default(), &Silent).unwrap();
            normaliser.take(&mut *rows).unwrap();
            let ledger = normaliser.finish();
            let of_deal = |entry: &u32| ledger.role(Role::Deal, *entry) == "B";
            let entry = (0..ledger.len()).find(of_deal).unwrap();
            assert_eq!(ledger.end(entry), Some(Instant(1_792_890_000)), "01:00 UTC");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        /// What is read the short way is what is read the long way, whatever stands beside it.
        #[test]
        fn the_short_way_ends_where_the_long_one_does(
            rows in vec(
                (
                    select(vec!["D1", "D2", "\"D,1\"", "\"D \"\"1\"\"\"", " D1", "", "\"\"", "é"]),
                    select(vec![
                        "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "\"2026-10-25T01:00:00Z\"", "2026-10-25T02:30:00",
                        "2026-10-25T05:00:00", "2026-10-26", "2026-10-24T00:00:00Z", "", "soon", " 2026-10-25T00:00:00Z",
                    ]),
                    [(); 3].map(|()| select(vec![
                        "1", "1.5", "1.50", "-2.25", "\"3.00\"", "\"1,234.50\"", "EUR 5", "", " 7", "x", "(4)", ".5", "1e3",
                        "99999999999999999999.99",
                    ])),
                    select(vec!["EUR", "eur", "USD", ""]),
                    select(vec!["\n", "\n", "\n", "\r\n", "\n\n", ",\n", ",more\n", "\n,,,,,\n"]),
                ),
                0..40,
            ),
            has_end in any::<bool>(),
            has_default in any::<bool>(),
        ) {
            let mut text = "Deal,Start,Quantity,Price,Amount,Currency\n".to_owned();
            for (deal, start, [quantity, price, amount], currency, end) in rows {
                text.push_str(&[deal, start, quantity, price, amount, currency].join(","));
                text.push_str(end);
            }
            let mut columns = vec![
                ("deal", "Deal"), ("document", "Deal"), ("vendor", "Deal"), ("start", "Start"), ("quantity", "Quantity"),
                ("price", "Price"), ("amount", "Amount"), ("currency", "Currency"),
            ];
            if has_end {
                columns.push(("end", "Start"));
            }
            let defaults: &[(&str, &str)] = if has_default { &[("price", "2"), ("currency", "GBP")] } else { &[] };
            let [short, long] = [false, true].map(|singly| read(&text, &columns, defaults, singly));
            prop_assert_eq!(short, long, "{}", text);
        }
    }
}
