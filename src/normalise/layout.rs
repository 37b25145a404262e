//! Where roles and attributes stand in the rows under one header.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use super::interval::Stated;
use super::wide::{Slice, Wide};
use super::{Field, Fields, Headers, Reading, Role, Template, currency_code};
use crate::intake::Row;
use crate::money::{self, Decimal, Number, Rounding};
use crate::period::{Intervals, Part};

/// Where a role or an attribute stands in the rows at hand.
pub(super) struct Source<'a> {
    pub(super) name: &'a str,
    /// Whether the configuration asks for it.
    is_wanted: bool,
    /// The first column that may hold it, if there is one; the others stand apart, because hardly any has them.
    pub(super) column: Option<usize>,
    others: Vec<usize>,
    default: &'a str,
    /// Digits behind the point of a number; longer ones are rounded.
    scale: Option<u32>,
}

/// The sources of all roles and fields, for one header.
pub(super) struct Layout<'a> {
    pub(super) texts: Vec<Source<'a>>,
    /// The columns that hold texts, those side by side together.
    pub(super) spans: Vec<Range<usize>>,
    pub(super) stated: Stated<'a>,
    pub(super) numbers: [Source<'a>; 3],
    /// Net, tax and gross, where they are read.
    pub(super) taxes: Option<[Source<'a>; 3]>,
    pub(super) wide: Option<Wide>,
    /// Whether a row's numbers and times are those of its cells, as they stand there.
    pub(super) is_plain: bool,
}

/// What [`Layout::numbers`] are.
pub(super) const NUMBERS: [Role; 3] = [Role::Quantity, Role::Price, Role::Amount];

/// Their places there.
pub(super) const QUANTITY: usize = 0;
pub(super) const PRICE: usize = 1;
pub(super) const AMOUNT: usize = 2;

impl<'a> Layout<'a> {
    /// Where all of it stands under these headers.
    pub(super) fn of(columns: &[String], reading: &'a Reading, fields: &'a Fields) -> Self {
        let source = |name: &'a str| -> Source<'a> {
            let find = |header: &str| columns.iter().position(|column| column == header);
            let (is_wanted, columns): (_, Vec<usize>) = match reading.columns.get(name) {
                Some(Headers::One(header)) if Template::of(header).is_some() => {
                    let of = Template::of(header);
                    let is_hour = |column: &str| of.is_some_and(|of| of.label(column).is_some());
                    (
                        true,
                        (0..).zip(columns).filter(|(_, column)| is_hour(column)).map(|(at, _)| at).collect(),
                    )
                }
                Some(headers) => (true, headers.names().iter().filter_map(|header| find(header)).collect()),
                None if reading.absent.iter().any(|absent| absent == name) => (false, Vec::new()),
                // An attribute without a mapping is the column of its own name.
                None if Role::named(name).is_none() => (true, find(name).into_iter().collect()),
                None => (false, Vec::new()),
            };
            let default = reading.defaults.get(name).map_or("", String::as_str);
            let (column, others) = match columns.split_first() {
                Some((first, others)) => (Some(*first), others.to_vec()),
                None => (None, Vec::new()),
            };
            Source { name, is_wanted, column, others, default, scale: reading.scale.get(name).copied() }
        };
        let amount = reading.taxes.as_ref().map_or(Role::Amount, |taxes| taxes.compare);
        let texts: Vec<Source<'a>> = fields.all().map(|field| source(fields.name(field))).collect();
        let numbers = [Role::Quantity, Role::Price, amount].map(|role| source(role.name()));
        let taxes = reading.taxes.as_ref().map(|_| Role::TAXES.map(|role| source(role.name())));
        let stated = Stated::new(
            source,
            |part| {
                let is_edge =
                    matches!(part, Part::Start | Part::End) && reading.defaults.contains_key(part.name());
                is_edge || reading.columns.contains_key(part.name())
            },
            reading.intervals == Intervals::default(),
        );
        let wide = Wide::of(columns, NUMBERS.map(|role| reading.header(role)));
        Self {
            is_plain: stated.is_plain
                && wide.is_none()
                && taxes.is_none()
                && numbers.iter().all(|source| source.scale.is_none()),
            spans: spans(texts.iter().flat_map(Source::columns).collect()),
            texts,
            stated,
            numbers,
            taxes,
            wide,
        }
    }

    /// A row's text in a field, as its cell has it, trimmed; else the default.
    pub(super) fn text<'r>(&'r self, field: Field, row: &'r Row) -> &'r str {
        self.texts.get(field.index()).map_or("", |source| source.text(row))
    }

    /// The currency of a row as a code; blank where the row has no column for it.
    pub(super) fn currency<'r>(&'r self, row: &'r Row) -> Cow<'r, str> {
        currency_code(self.texts.get(Role::Currency as usize).map_or("", |source| source.text(row)))
    }

    /// The document that a row is of.
    pub(super) fn document<'r>(&'r self, row: &'r Row) -> &'r str {
        self.texts.get(Role::Document as usize).map_or("", |source| source.text(row))
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = &Source<'a>> {
        self.texts.iter().chain(self.stated.sources()).chain(&self.numbers).chain(self.taxes.iter().flatten())
    }

    /// The column and the text of a number, in a row or in one hour of it.
    #[inline]
    pub(super) fn number<'r>(
        &'r self,
        number: usize,
        row: &'r Row,
        slice: Option<&Slice>,
    ) -> (Option<usize>, &'r str) {
        // A row that is wide is not understood as a whole.
        if slice.is_none() && self.wide.is_some() {
            return (None, "");
        }
        if let Some(column) = slice.and_then(|slice| slice.numbers.get(number).copied().flatten()) {
            return (Some(column), row.trimmed(column).unwrap_or_default());
        }
        self.numbers.get(number).map_or((None, ""), |source| source.pick(row))
    }

    /// The column to name where a number is not there.
    pub(super) fn column(&self, number: usize, slice: Option<&Slice>) -> Option<usize> {
        let own = slice.and_then(|slice| slice.numbers.get(number).copied().flatten());
        own.or_else(|| self.numbers.get(number)?.column)
    }
}

/// Columns as ranges.
fn spans(columns: BTreeSet<usize>) -> Vec<Range<usize>> {
    let mut spans: Vec<Range<usize>> = Vec::new();
    for column in columns {
        match spans.last_mut() {
            Some(last) if last.end == column => last.end += 1,
            _ => spans.push(column..column + 1),
        }
    }
    spans
}

impl Source<'_> {
    fn columns(&self) -> impl Iterator<Item = usize> + '_ {
        self.column.into_iter().chain(self.others.iter().copied())
    }

    pub(super) fn is_missing(&self) -> bool {
        self.is_wanted && self.column.is_none() && self.default.is_empty()
    }

    /// Whether nothing is stated where its first column is blank.
    #[inline]
    pub(super) const fn is_blank_without(&self) -> bool {
        self.others.is_empty() && self.default.is_empty()
    }

    /// See [`Source::quantised`].
    #[inline]
    pub(super) fn quantise(&self, value: &mut Option<Number>) {
        if self.scale.is_some() {
            *value = value.map(|value| self.quantised(value.decimal()).into());
        }
    }

    /// The value at the scale that is configured, if it has more digits.
    pub(super) fn quantised(&self, value: Decimal) -> Decimal {
        match self.scale {
            Some(scale) if value.scale() > scale => money::round(value, scale, Rounding::HalfEven),
            _ => value,
        }
    }

    /// What stands in the first column that may hold it; if that is anything but white space, it is what [`Source::pick`] picks, before
    /// it is trimmed.
    #[inline]
    pub(super) fn cell<'r>(&self, row: &'r Row) -> &'r [u8] {
        self.column.map_or(&[], |column| row.bytes(column))
    }

    /// The text of [`Source::pick`].
    #[inline]
    pub(super) fn text<'r>(&'r self, row: &'r Row) -> &'r str {
        self.pick(row).1
    }

    /// The first column that is not blank, and its text, trimmed; else the default.
    #[inline]
    pub(super) fn pick<'r>(&'r self, row: &'r Row) -> (Option<usize>, &'r str) {
        match self.column.and_then(|column| row.trimmed(column)) {
            Some(text) => (self.column, text),
            None if self.others.is_empty() => (None, self.default),
            None => self.pick_other(row),
        }
    }

    fn pick_other<'r>(&'r self, row: &'r Row) -> (Option<usize>, &'r str) {
        let mut others = self.others.iter();
        let found = others.find_map(|&column| Some((Some(column), row.trimmed(column)?)));
        found.unwrap_or((None, self.default))
    }
}
