//! A discrepancy in one sentence or two, with the arithmetic that a reader can check.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use super::{Both, Combine, Discrepancy, Figures, Kind, Limb, Terms, Tolerance, figures};
use crate::matching::{Book, How, MOST};
use crate::money::{self, Decimal, Digits, Sum};
use crate::normalise::{Role, Side, Taxes, Versions, WrongTotal};

/// Appends what explains `discrepancy`, which was judged by `tolerances`.
pub fn explain(book: &Book<'_>, tolerances: &[Tolerance], discrepancy: &Discrepancy, text: &mut String) {
    let teller = Teller { book, discrepancy };
    let _ = teller.what(text);
    if discrepancy.how == How::Totals && discrepancy.invoices.len() + discrepancy.settlements.len() > 2 {
        let (invoices, settlements) = (teller.lines(Side::Invoice), teller.lines(Side::Settlement));
        let _ = write!(text, " These are sums: {invoices} against {settlements}.");
    }
    if let Some(conversion) = teller.conversion() {
        let _ = write!(text, " {conversion}");
    }
    let _ = teller.split(text);
    if let (Some(cause), Some(arithmetic)) = (&discrepancy.cause, &discrepancy.arithmetic) {
        let _ = write!(text, " {}: {arithmetic}.", Capital(cause));
    }
    teller.exceeded(tolerances, text);
}

/// A figure in words: with what it is measured in behind it, or that there is none.
pub(super) struct Told<'a> {
    pub(super) value: Option<Digits>,
    pub(super) none: &'static str,
    pub(super) unit: &'a str,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            None => f.write_str(self.none),
            Some(value) if self.unit.is_empty() => value.fmt(f),
            Some(value) => {
                value.fmt(f)?;
                f.write_str(" ")?;
                f.write_str(self.unit)
            }
        }
    }
}

struct Teller<'a> {
    book: &'a Book<'a>,
    discrepancy: &'a Discrepancy,
}

impl Teller<'_> {
    fn role(&self, side: Side, role: Role) -> &str {
        self.discrepancy.said_first(self.book, side, role)
    }

    fn currency(&self) -> &str {
        match self.role(Side::Invoice, Role::Currency) {
            "" => self.role(Side::Settlement, Role::Currency),
            currency => currency,
        }
    }

    /// The unit of a side's figures: both sides have the invoice's, but for those that the settlement states itself.
    fn unit(&self, side: Side) -> &str {
        let figures = &self.discrepancy.figures;
        let measure = if side == Side::Invoice { figures.unit } else { figures.unit_as_stated };
        measure.map_or("", |(side, entry)| self.book.ledger(side).role(Role::Unit, entry))
    }

    /// All texts that a side states in a role.
    fn all(&self, side: Side, role: Role) -> String {
        let ledger = self.book.ledger(side);
        let texts: BTreeSet<&str> =
            self.discrepancy.entries(side).iter().map(|&entry| ledger.role(role, entry)).collect();
        let texts: Vec<&str> = texts.into_iter().filter(|text| !text.is_empty()).collect();
        if texts.is_empty() { "blank".to_owned() } else { texts.join(" and ") }
    }

    fn money(&self, amount: Option<Decimal>) -> Told<'_> {
        Told { value: amount.map(Digits::shown), none: "no amount", unit: self.currency() }
    }

    /// The amount of a side, in its own currency unless it was converted.
    fn amount(&self, side: Side, amount: Option<Decimal>) -> Told<'_> {
        let own = self.role(side, Role::Currency);
        let entries = || self.discrepancy.entries(side).iter().map(|&entry| (side, entry));
        if self.discrepancy.figures.conversion.is_some() || own.is_empty() {
            self.money(amount)
        } else if amount.is_none() && figures::differ(self.book, Role::Currency, entries()) {
            Told { value: None, none: "amounts in several currencies", unit: "" }
        } else {
            Told { unit: own, ..self.money(amount) }
        }
    }

    fn quantity(&self, side: Side, quantity: Option<Decimal>) -> Told<'_> {
        Told { value: quantity.map(Digits::plain), none: "no quantity", unit: self.unit(side) }
    }

    /// `Exceeds amount 1.00 or 0.5 %, the lesser, by 0.57: 0.5 % of 114.00 = 0.57 is the narrower limb.`
    fn exceeded(&self, tolerances: &[Tolerance], out: &mut String) -> Option<()> {
        let tolerance = tolerances.get(self.discrepancy.tolerance?)?;
        let Both { invoiced, settled, .. } = &self.discrepancy.figures;
        let pick = |figures: &Figures| match tolerance.role {
            Role::Quantity => figures.quantity,
            Role::Price => figures.price,
            _ => figures.amount,
        };
        let terms = Terms {
            invoiced: pick(invoiced)?,
            settled: pick(settled)?,
            lines: (self.discrepancy.invoices.len() + self.discrepancy.settlements.len()) as u64,
            quantity: settled.quantity,
        };
        let apart = money::subtract(terms.invoiced, terms.settled)?;
        let weighed = tolerance.weigh(apart, &terms).filter(|weighed| !weighed.allows)?;
        let by = match (weighed.room.map(|room| -room), tolerance.role) {
            (None, _) => Told { value: None, none: "more than 28 digits hold", unit: "" },
            (room, Role::Amount) => self.money(room),
            (room, Role::Quantity) => self.quantity(Side::Invoice, room),
            (room, _) => price(room),
        };
        let comma = if tolerance.combine.is_some() { "," } else { "" };
        let _ = write!(out, " Exceeds {tolerance}{comma} by {by}");
        match (weighed.limb, tolerance.combine) {
            (Limb::Absolute, None) => {}
            (Limb::Floor | Limb::Cap, _) | (_, None) => {
                let _ = write!(out, ": {}", tolerance.arithmetic(&weighed, &terms));
            }
            (_, Some(combine)) => {
                let which = if combine == Combine::Greater { "wider" } else { "narrower" };
                let _ = write!(out, ": {} is the {which} limb", tolerance.arithmetic(&weighed, &terms));
            }
        }
        out.push('.');
        Some(())
    }

    fn lines(&self, side: Side) -> String {
        let noun = if side == Side::Invoice { "invoice line" } else { "settlement record" };
        match self.discrepancy.entries(side).len() {
            1 => format!("one {noun}"),
            n => format!("{n} {noun}s"),
        }
    }

    fn what(&self, out: &mut String) -> fmt::Result {
        let figures = &self.discrepancy.figures;
        let (billed, settled) = (&figures.invoiced, &figures.settled);
        let (amount_billed, amount_settled) =
            (self.amount(Side::Invoice, billed.amount), self.amount(Side::Settlement, settled.amount));
        match self.discrepancy.kind {
            Kind::Ambiguous => {
                let why = match self.discrepancy.how {
                    How::TooMany => format!(
                        "they are too many to pair one to one (at most {MOST} on the smaller side): give the pass a finer key, or compare totals"
                    ),
                    How::Choices => "more than one choice among them adds up; nothing is guessed".to_owned(),
                    How::Unweighed => {
                        "they are too many to weigh, and no later pass took them: give the pass a finer key, or let a later one compare totals".to_owned()
                    }
                    _ => "more than one way to pair them is equally close; nothing is guessed".to_owned(),
                };
                write!(
                    out,
                    "{} ({amount_billed}) and {} ({amount_settled}) share one key, and {why}.",
                    Capital(&self.lines(Side::Invoice)),
                    self.lines(Side::Settlement)
                )
            }
            Kind::Duplicate => {
                let (side, verb, amount, others) = match self.discrepancy.invoices.is_empty() {
                    false => (Side::Invoice, "Billed", &amount_billed, "the settlements hold"),
                    true => (Side::Settlement, "Recorded", &amount_settled, "the invoices bill"),
                };
                let document = match self.discrepancy.how {
                    How::Duplicate(original) => self.book.ledger(side).role(Role::Document, original),
                    _ => "",
                };
                let on = if document.is_empty() { String::new() } else { format!(" on document {document}") };
                write!(
                    out,
                    "{verb} again: {amount}; the same line stands{on} at the second source, and {others} no second one."
                )
            }
            Kind::Unsettled if self.discrepancy.how == How::Unfit => {
                write!(out, "Billed {amount_billed}, but no settlement record with its key fits it.")
            }
            Kind::Unbilled if self.discrepancy.how == How::Unfit => {
                write!(out, "Settled {amount_settled}, but no invoice line with its key fits it.")
            }
            Kind::Unsettled if self.discrepancy.how == How::Outnumbered => {
                write!(
                    out,
                    "Billed {amount_billed}, but other invoice lines took every settlement record with its key."
                )
            }
            Kind::Unbilled if self.discrepancy.how == How::Outnumbered => {
                write!(
                    out,
                    "Settled {amount_settled}, but other settlement records took every invoice line with its key."
                )
            }
            Kind::Unsettled => write!(out, "Billed {amount_billed}, but no settlement record has this key."),
            Kind::Unbilled => write!(out, "Settled {amount_settled}, but no invoice line has this key."),
            Kind::Currency => write!(
                out,
                "Billed in {}, settled in {}: {} against {}; {}.",
                self.all(Side::Invoice, Role::Currency),
                self.all(Side::Settlement, Role::Currency),
                Told { unit: "", ..amount_billed },
                Told { unit: "", ..amount_settled },
                match figures.conversion.as_ref().and_then(|conversion| conversion.missing.as_ref()) {
                    Some((_, why)) => why,
                    None => "amounts in different currencies are not subtracted",
                }
            ),
            Kind::Unit if !figures.units_clash => write!(
                out,
                "The figure is the same, the unit is not: billed {}, settled {}, which is {}.",
                self.quantity(Side::Invoice, billed.quantity),
                self.quantity(Side::Settlement, figures.as_stated().quantity),
                self.quantity(Side::Invoice, settled.quantity),
            ),
            Kind::Unit => write!(
                out,
                "Billed in {}, settled in {}: these units do not convert.",
                self.all(Side::Invoice, Role::Unit),
                self.all(Side::Settlement, Role::Unit)
            ),
            Kind::Version if self.discrepancy.earlier.is_some() => {
                out.write_str(&self.earlier(&amount_billed, &amount_settled))
            }
            Kind::Version => write!(
                out,
                "Billed {amount_billed} on version {}, settled {amount_settled} on version {}.",
                self.all(Side::Invoice, Role::Version),
                self.all(Side::Settlement, Role::Version)
            ),
            Kind::Sign => {
                write!(out, "Billed {amount_billed}, settled {amount_settled}: the signs are opposite.")
            }
            Kind::Quantity => write!(
                out,
                "Billed {}, settled {}: {}.",
                self.quantity(Side::Invoice, billed.quantity),
                self.settled_quantity(),
                Apart { billed: billed.quantity, settled: settled.quantity, unit: self.unit(Side::Invoice) },
            ),
            Kind::Price => write!(
                out,
                "Billed at {}, settled at {}: {}.",
                price(billed.price),
                price(settled.price),
                Apart { billed: billed.price, settled: settled.price, unit: "" },
            ),
            Kind::Amount if figures.overflow => out
                .write_str("The figures have more than 28 digits together: they cannot be compared exactly."),
            // Quantity and price both differ, and make up for each other.
            Kind::Amount if billed.amount.is_some() && billed.amount == settled.amount => write!(
                out,
                "The amounts tie, but nothing else does: billed {} at {}, settled {} at {}.",
                self.quantity(Side::Invoice, billed.quantity),
                price(billed.price),
                self.settled_quantity(),
                price(settled.price)
            ),
            Kind::Amount => write!(out, "Billed {amount_billed}, settled {amount_settled}."),
            Kind::Arithmetic => match self.discrepancy.total(self.book) {
                Some(total) => out.write_str(&self.total(total)),
                None => out.write_str(&self.arithmetic()),
            },
        }
    }

    /// `Converted: 100.00 USD = 95.12 EUR at 0.9512 (2026-10-01).`
    fn conversion(&self) -> Option<String> {
        /// So many rates are told; the JSON has all.
        const TOLD: usize = 3;
        let conversion = self.discrepancy.figures.conversion.as_ref()?;
        let mut by_rate: BTreeMap<(&str, &str, &str, Decimal), [Sum; 2]> = BTreeMap::new();
        for record in &conversion.records {
            let key = (record.wanted.as_str(), record.day.as_str(), record.from.as_str(), record.rate);
            let [stated, converted] = by_rate.entry(key).or_default();
            stated.add(record.stated.unwrap_or_default());
            converted.add(record.amount.unwrap_or_default());
        }
        let shown = |sum: &Sum| sum.value().map_or_else(|| "more digits than 28".to_owned(), money::shown);
        let told: Vec<String> = by_rate
            .iter()
            .take(TOLD)
            .map(|(&(wanted, day, from, rate), [stated, converted])| {
                let day = if day == wanted {
                    day.to_owned()
                } else {
                    format!("{day}, the last day before {wanted} that has one")
                };
                format!(
                    "{} {from} = {} {} at {} ({day})",
                    shown(stated),
                    shown(converted),
                    conversion.to,
                    money::plain(rate)
                )
            })
            .collect();
        let more = match by_rate.len().saturating_sub(TOLD) {
            0 => String::new(),
            more => format!("; and at {more} more rates"),
        };
        (!told.is_empty()).then(|| format!("Converted: {}{more}.", told.join("; ")))
    }

    fn earlier(&self, billed: &Told<'_>, settled: &Told<'_>) -> String {
        let ledger = self.book.ledger(Side::Settlement);
        let version = |entry: u32| ledger.role(Role::Version, entry);
        let place = |entry: u32| self.book.versions().and_then(|versions| versions.place_of(entry));
        let published = self.book.versions().and_then(Versions::published);
        let since = |entry: u32| published.map_or("", |published| ledger.text(published, entry));
        let entries = self.discrepancy.settlements.iter().copied();
        let last = entries.max_by_key(|&entry| (place(entry), version(entry), since(entry)));
        let since = last.map_or("", since);
        let since = if since.is_empty() { String::new() } else { format!(" since {since}") };
        format!(
            "Billed {billed}, which ties to version {}; the platform is at {}{since}, with {settled}.",
            self.discrepancy.earlier.map_or("", version),
            last.map_or("", version),
        )
    }

    fn entries(&self) -> impl Iterator<Item = (Side, u32)> {
        let sides = [Side::Invoice, Side::Settlement].into_iter();
        sides.flat_map(|side| self.discrepancy.entries(side).iter().map(move |&entry| (side, entry)))
    }

    fn settled_quantity(&self) -> Converted<'_> {
        let figures = &self.discrepancy.figures;
        let Both { settled, converted, .. } = figures;
        let own = self.quantity(Side::Settlement, figures.as_stated().quantity);
        Converted { own, to: converted.then(|| self.quantity(Side::Invoice, settled.quantity)) }
    }

    /// `The sides tie, but the invoice's own net 100.00 + tax 19.00 (19 %) = 119.00, not the gross 120.00 that it bills.`
    fn taxes(&self) -> Option<String> {
        let taxes = |(side, entry)| self.book.ledger(side).taxes(entry);
        // Of equals what is told decides, not where it stands.
        let (side, entry) = self.entries().filter(|&at| !taxes(at).add_up()).max_by_key(|&at| {
            let Taxes { net, tax, gross } = taxes(at);
            (taxes(at).gap().map(|gap| gap.abs()), Reverse(at.0), [gross, net, tax])
        })?;
        let Taxes { net: Some(net), tax: Some(tax), gross: Some(gross) } = taxes((side, entry)) else {
            return None;
        };
        let (whose, does) = match side {
            Side::Invoice => ("invoice", "bills"),
            Side::Settlement => ("settlement", "records"),
        };
        let rate = taxes((side, entry))
            .rate(&self.book.ledger(side).counts.taxes.rates)
            .map(|rate| format!(" ({} %)", money::plain(rate)));
        let sum = money::add(net, tax).map_or_else(|| "more digits than 28".to_owned(), money::shown);
        Some(format!(
            "The sides tie, but the {whose}'s own net {} + tax {}{} = {sum}, not the gross {} that it {does}.",
            money::shown(net),
            money::shown(tax),
            rate.unwrap_or_default(),
            self.money(Some(gross))
        ))
    }

    fn arithmetic(&self) -> String {
        if let Some(taxes) = self.taxes() {
            return taxes;
        }
        let gap = |side, entry| figures::gap(self.book.ledger(side), entry).map(|gap| gap.abs());
        // Of equals what is told decides, not where it stands.
        let worst = self.entries().max_by_key(|&(side, entry)| {
            let ledger = self.book.ledger(side);
            let told = [ledger.before_tax(entry), ledger.quantity(entry), ledger.price(entry)];
            (gap(side, entry), Reverse(side), told)
        });
        let terms = worst.and_then(|(side, entry)| {
            let ledger = self.book.ledger(side);
            Some((side, ledger.quantity(entry)?, ledger.price(entry)?, ledger.before_tax(entry)?))
        });
        let Some((side, quantity, price, amount)) = terms else { return String::new() };
        let (whose, does) = match side {
            Side::Invoice => ("invoice", "bills"),
            Side::Settlement => ("settlement", "records"),
        };
        format!(
            "The sides tie, but the {whose}'s own {} × {} = {}, not the {} that it {does}.",
            money::plain(quantity),
            money::plain(price),
            money::multiply(quantity, price).map_or_else(|| "more digits than 28".to_owned(), money::plain),
            self.money(Some(amount))
        )
    }

    /// `The total of INV-1 (invoice.csv:9) states 1000.00 USD, but its 12 lines sum to 990.00 USD: 10.00 USD more.`
    fn total(&self, total: &WrongTotal) -> String {
        let side = if self.discrepancy.invoices.is_empty() { Side::Settlement } else { Side::Invoice };
        let place = self.discrepancy.entries(side).first().map(|&row| self.book.ledger(side).source(row));
        let of = match self.role(side, Role::Document) {
            "" => String::new(),
            document => format!(" of {document}"),
        };
        let the = format!("The total{of} ({})", place.unwrap_or_default());
        let stated = self.money(Some(total.amount));
        let lines =
            if total.lines == 1 { "line sums".to_owned() } else { format!("{} lines sum", total.lines) };
        let mut text = match (total.lines, total.sum, total.currencies.as_slice()) {
            (0, ..) => format!("{the} states {stated}, but no line of it was read"),
            (_, _, currencies @ [_, ..]) => {
                format!(
                    "{the} states {stated} and no currency, but its lines are in {}",
                    currencies.join(" and ")
                )
            }
            (_, None, _) => format!("{the} states {stated}, but its {lines} to more than 28 digits hold"),
            (_, Some(sum), _) => {
                let gap = match money::subtract(total.amount, sum) {
                    Some(gap) if gap.is_sign_negative() => format!(": {} less", self.money(Some(-gap))),
                    Some(gap) => format!(": {} more", self.money(Some(gap))),
                    None => String::new(),
                };
                format!("{the} states {stated}, but its {lines} to {}{gap}", self.money(Some(sum)))
            }
        };
        match total.rejected {
            0 => {}
            1 => text.push_str("; one row of it was rejected, and is not in the sum"),
            rejected => {
                let _ = write!(text, "; {rejected} rows of it were rejected, and are not in the sum");
            }
        }
        text + "."
    }

    /// `Overbilled by 57.56 USD: volume (52328 - 52313) × 3.8375 = 57.5625; rounding -0.0025.`
    fn split(&self, out: &mut String) -> fmt::Result {
        let Some(variance) = self.discrepancy.variance.filter(|variance| !variance.total.is_zero()) else {
            return Ok(());
        };
        let direction = if variance.total.is_sign_negative() { "Underbilled" } else { "Overbilled" };
        write!(out, " {direction} by {}", self.money(Some(variance.total.abs())))?;
        if variance.other == variance.total {
            return out.write_str(".");
        }
        let Figures { quantity: billed, price: at, .. } = self.discrepancy.figures.invoiced;
        let Figures { quantity: settled, price: settled_at, .. } = self.discrepancy.figures.settled;
        let mut between = ": ";
        for (name, part) in variance.parts().into_iter().filter(|(_, part)| !part.is_zero()) {
            write!(out, "{between}{name} ")?;
            between = "; ";
            let factors = match name {
                "volume" => billed.zip(settled).zip(settled_at),
                "price" => at.zip(settled_at).zip(billed),
                _ => None,
            };
            if let Some(((a, b), times)) = factors {
                let [a, b, times] = [a, b, times].map(Digits::plain);
                write!(out, "({a} - {b}) × {times} = ")?;
            }
            money::show(part, out);
        }
        out.write_str(".")
    }
}

/// A quantity as it is stated, and what that is in another unit.
struct Converted<'a> {
    own: Told<'a>,
    to: Option<Told<'a>>,
}

impl fmt::Display for Converted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.to {
            None => self.own.fmt(f),
            Some(to) => write!(f, "{} (= {to})", self.own),
        }
    }
}

/// How far two figures are apart, in words.
struct Apart<'a> {
    billed: Option<Decimal>,
    settled: Option<Decimal>,
    unit: &'a str,
}

impl fmt::Display for Apart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let apart = self.billed.zip(self.settled).and_then(|(a, b)| money::subtract(a, b));
        let Some(apart) = apart else { return f.write_str("they differ") };
        let value = Some(Digits::plain(apart.abs()));
        let direction = if apart.is_sign_negative() { "less" } else { "more" };
        write!(f, "{} {direction}", Told { value, none: "", unit: self.unit })
    }
}

fn price(value: Option<Decimal>) -> Told<'static> {
    Told { value: value.map(Digits::plain), none: "no price", unit: "" }
}

/// A text whose first letter is a capital.
struct Capital<'a>(&'a str);

impl fmt::Display for Capital<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.0.chars();
        chars.next().map_or(Ok(()), |first| write!(f, "{}{}", first.to_uppercase(), chars.as_str()))
    }
}
