//! What a row states in figures: from its cells to exact decimals.

use super::layout::{AMOUNT, Layout, PRICE, QUANTITY, Source};
use super::wide::Slice;
use super::wordings::Texts;
use super::{Normaliser, Reading, Refusal, Role, Taker, Taxes, refuse};
use crate::intake::{Mark, Row};
use crate::money::{self, DecimalMark};

impl<T: Taker> Normaliser<'_, T> {
    /// Reads what a row states; the currency that its numbers name, where no text does.
    pub(super) fn draft(
        &mut self,
        layout: &Layout<'_>,
        row: &Row,
        slice: Option<&Slice>,
        texts: Texts<'_>,
    ) -> Result<Option<[u8; 3]>, Refusal> {
        // The start comes first: it tells whether the rest matters.
        self.interval(layout, slice, row)?;
        if row.has_marks() {
            for source in &layout.texts {
                if let (Some(column), text) = source.pick(row)
                    && row.mark(column) == Mark::Error
                {
                    let reason = format!("{} is an error cell of the workbook", source.name);
                    return Err(refuse(Some(column), text, reason));
                }
            }
        }
        let mut named_by_number = None::<[u8; 3]>;
        let Self { draft, reading, .. } = self;
        draft.doubles = 0;
        // Nearly every number is plain, and stands in a column of its own.
        let is_plain = slice.is_none() && layout.wide.is_none() && !row.has_marks();
        for (number, source) in layout.numbers.iter().enumerate() {
            let value = match number {
                QUANTITY => &mut draft.quantity,
                PRICE => &mut draft.price,
                _ => &mut draft.amount,
            };
            *value = if is_plain { money::parse_plain(source.cell(row), reading.decimal) } else { None };
            if value.is_none() {
                let (column, text) = layout.number(number, row, slice);
                if text.is_empty() {
                    continue;
                }
                let parsed = reading.adorned(source, (column, text), row)?;
                *value = Some(parsed.value.into());
                let is_double = column.is_some_and(|column| row.mark(column) == Mark::Double);
                draft.doubles |= u8::from(is_double) << number;
                let Some(code) = parsed.currency else { continue };
                let named = |why: String| Err(refuse(column, text, format!("{} {why}", source.name)));
                if number == QUANTITY {
                    return named("names a currency; expected a number alone".into());
                }
                let known = match &named_by_number {
                    Some(known) => str::from_utf8(known).unwrap_or_default(),
                    None => texts.currency(),
                };
                if known.is_empty() {
                    named_by_number = Some(code);
                } else if known.as_bytes() != code {
                    let code = String::from_utf8_lossy(&code);
                    return named(format!("is in {code}, but the row's currency is {known}"));
                }
            }
        }
        let values = [&mut draft.quantity, &mut draft.price, &mut draft.amount];
        layout.numbers.iter().zip(values).for_each(|(source, value)| source.quantise(value));
        draft.taxes = layout.taxes.as_ref().map(|taxes| reading.taxes_of(taxes, row)).transpose()?;
        let column = |number| layout.column(number, slice);
        // Asked of the configuration, not of the header: an answer names its fields only as they come.
        if draft.amount.is_none() && reading.states(Role::Amount) {
            let name = layout.numbers.get(AMOUNT).map_or("", |source| source.name);
            return Err(refuse(column(AMOUNT), "", format!("{name} is blank; expected a number")));
        }
        if draft.amount.is_none() && draft.quantity.is_none() {
            let reason = "the row states neither an amount nor a quantity; expected a number";
            return Err(refuse(column(QUANTITY), "", reason.into()));
        }
        Ok(named_by_number)
    }
}

impl Reading {
    /// A number that is not plain: it may be the workbook's, be grouped, or name a currency.
    #[inline(never)]
    fn adorned(
        &self,
        source: &Source<'_>,
        (column, text): (Option<usize>, &str),
        row: &Row,
    ) -> Result<money::Parsed, Refusal> {
        let named = |why: String| refuse(column, text, format!("{} {why}", source.name));
        match column.map(|column| row.mark(column)) {
            Some(Mark::Error) => return Err(named("is an error cell of the workbook".into())),
            Some(Mark::Date) => return Err(named("is a date; expected a number".into())),
            _ => {}
        }
        self.number(text).map_err(|why| {
            named(format!("cannot be read as a number: {why}; expected one such as {}", self.sample()))
        })
    }

    /// Net, tax and gross of a row; blank where nothing stands.
    fn taxes_of(&self, sources: &[Source<'_>; 3], row: &Row) -> Result<Taxes, Refusal> {
        let mut values = [None; 3];
        for (source, value) in sources.iter().zip(&mut values) {
            let (column, text) = source.pick(row);
            if text.is_empty() {
                continue;
            }
            let parsed = self.adorned(source, (column, text), row)?;
            *value = Some(source.quantised(parsed.value));
        }
        let [net, tax, gross] = values;
        Ok(Taxes { net, tax, gross })
    }

    /// A number as this side writes it; else what is wrong with it.
    pub(super) fn number(&self, text: &str) -> Result<money::Parsed, &'static str> {
        if self.xml_numbers { money::parse_xml(text, self.decimal) } else { money::parse(text, self.decimal) }
    }

    /// A number as this side may write it.
    pub(super) const fn sample(&self) -> &'static str {
        match self.decimal {
            DecimalMark::Point => "1,234.50",
            DecimalMark::Comma => "1.234,50 (decimal = \",\" is set)",
        }
    }
}
