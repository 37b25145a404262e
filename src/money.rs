//! The only gate for decimals: parsing, exact arithmetic, named rounding, exact unit ratios.
//!
//! [`Decimal`] holds 28 significant digits and its own operators round
//! silently past them. Nothing outside this file uses those operators: the
//! functions here work on the 128-bit mantissas and say `None` where a result
//! would not be exact.

use std::cmp::Ordering;
use std::fmt;

pub use rust_decimal::Decimal;
use rust_decimal::RoundingStrategy;

/// Zero.
pub const ZERO: Decimal = Decimal::ZERO;

/// How a value that lies between two steps of a scale becomes one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Ties away from zero: 0.125 → 0.13, −0.125 → −0.13.
    HalfUp,
    /// Ties to the even neighbour: 0.125 → 0.12.
    HalfEven,
    /// Towards zero: 0.129 → 0.12.
    Down,
    /// Away from zero: 0.121 → 0.13.
    Up,
}

impl Rounding {
    /// All of them, the usual ones first.
    pub const ALL: [Self; 4] = [Self::HalfUp, Self::HalfEven, Self::Down, Self::Up];

    /// The name used in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HalfUp => "half-up",
            Self::HalfEven => "half-even",
            Self::Down => "down",
            Self::Up => "up",
        }
    }
}

/// `value` at `scale` digits behind the point.
#[must_use]
pub fn round(value: Decimal, scale: u32, rounding: Rounding) -> Decimal {
    let strategy = match rounding {
        Rounding::HalfUp => RoundingStrategy::MidpointAwayFromZero,
        Rounding::HalfEven => RoundingStrategy::MidpointNearestEven,
        Rounding::Down => RoundingStrategy::ToZero,
        Rounding::Up => RoundingStrategy::AwayFromZero,
    };
    value.round_dp_with_strategy(scale, strategy)
}

/// An amount as it is shown: at least two digits behind the point, no more zeros than that.
#[must_use]
pub fn shown(amount: Decimal) -> String {
    let mut text = String::new();
    show(amount, &mut text);
    text
}

/// Appends an amount as [`shown`] has it.
pub fn show(amount: Decimal, text: &mut String) {
    write_digits(amount, 2, text);
}

/// An amount for people: like [`shown`], its whole part grouped in threes.
#[must_use]
pub fn grouped(amount: Decimal) -> String {
    let text = shown(amount);
    let (sign, magnitude) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
    let mut out = String::from(sign);
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out + "." + fraction
}

/// A quantity or a price as it is shown: without zeros at its end.
#[must_use]
pub fn plain(value: Decimal) -> String {
    let mut text = String::new();
    show_plain(value, &mut text);
    text
}

/// Appends a quantity or a price as [`plain`] has it.
pub fn show_plain(value: Decimal, text: &mut String) {
    write_digits(value, 0, text);
}

/// Appends `value` with at least `least` digits behind the point, and no more zeros at its end than that.
fn write_digits(value: Decimal, least: u32, text: &mut String) {
    let (mantissa, scale) = canonical(value);
    let mut digits = mantissa.unsigned_abs();
    let behind = scale.max(least);
    // From the last to the first, of at most 39 digits, as many zeros as `least`, and a point.
    let mut buffer = [b'0'; 48];
    let mut places = buffer.iter_mut().rev();
    let mut length = 0;
    let mut put = |byte: u8| {
        if let Some(place) = places.next() {
            *place = byte;
            length += 1;
        }
    };
    (scale..behind).for_each(|_| put(b'0'));
    let mut count = behind - scale;
    loop {
        if count == behind && behind > 0 {
            put(b'.');
        }
        // 64 bits divide many times faster than 128.
        let digit = match u64::try_from(digits) {
            Ok(low) => {
                digits = u128::from(low / 10);
                low % 10
            }
            Err(_) => {
                let digit = digits % 10;
                digits /= 10;
                u64::try_from(digit).unwrap_or_default()
            }
        };
        put(b'0' + u8::try_from(digit).unwrap_or_default());
        count += 1;
        if digits == 0 && count > behind {
            break;
        }
    }
    if mantissa < 0 {
        put(b'-');
    }
    let written = buffer.get(buffer.len() - length..).and_then(|digits| std::str::from_utf8(digits).ok());
    text.push_str(written.unwrap_or_default());
}

const MAX_SCALE: u32 = 28;

/// Powers of ten that fit 128 bits: `10^0 ..= 10^38`.
const POWERS: [i128; 39] = {
    let mut powers = [1; 39];
    let mut i = 1;
    while i < 39 {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, in bounds by the loop")]
        {
            powers[i] = powers[i - 1] * 10;
        }
        i += 1;
    }
    powers
};

fn power(exponent: u32) -> Option<i128> {
    POWERS.get(exponent as usize).copied()
}

/// An exact number of 128 bits and a scale: what sums and products pass through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wide {
    mantissa: i128,
    scale: u32,
}

impl From<Decimal> for Wide {
    fn from(value: Decimal) -> Self {
        Self { mantissa: value.mantissa(), scale: value.scale() }
    }
}

impl Wide {
    fn at(self, scale: u32) -> Option<i128> {
        self.mantissa.checked_mul(power(scale.checked_sub(self.scale)?)?)
    }

    fn add(self, other: Self) -> Option<Self> {
        // Most sums are of one scale.
        if self.scale == other.scale
            && let Some(mantissa) = self.mantissa.checked_add(other.mantissa)
        {
            return Some(Self { mantissa, scale: self.scale });
        }
        let scale = self.scale.max(other.scale);
        let sum =
            |a: Self, b: Self, scale| Some(Self { mantissa: a.at(scale)?.checked_add(b.at(scale)?)?, scale });
        sum(self, other, scale).or_else(|| {
            let (a, b) = (self.stripped(), other.stripped());
            sum(a, b, a.scale.max(b.scale))
        })
    }

    const fn negated(self) -> Self {
        // No mantissa of a decimal, nor its product with a ratio that fits, is the one number that has no opposite.
        Self { mantissa: self.mantissa.saturating_neg(), ..self }
    }

    /// `self × factor`, without zeros at its end where it does not fit with them.
    fn times(self, factor: i128) -> Option<Self> {
        let times = |wide: Self| Some(Self { mantissa: wide.mantissa.checked_mul(factor)?, ..wide });
        times(self).or_else(|| times(self.stripped()))
    }

    fn multiply(self, other: Self) -> Option<Self> {
        let product = |a: Self, b: Self| {
            Some(Self { mantissa: a.mantissa.checked_mul(b.mantissa)?, scale: a.scale + b.scale })
        };
        product(self, other).or_else(|| product(self.stripped(), other.stripped()))
    }

    fn stripped(mut self) -> Self {
        // 64 bits divide many times faster than 128.
        if let Ok(mut mantissa) = i64::try_from(self.mantissa) {
            while self.scale > 0 && mantissa % 10 == 0 {
                (mantissa, self.scale) = (mantissa / 10, self.scale - 1);
            }
            return Self { mantissa: mantissa.into(), ..self };
        }
        while self.scale > 0 && self.mantissa % 10 == 0 {
            self.mantissa /= 10;
            self.scale -= 1;
        }
        self
    }

    fn decimal(self) -> Option<Decimal> {
        let fit = |wide: Self| {
            (wide.scale <= MAX_SCALE)
                .then(|| Decimal::try_from_i128_with_scale(wide.mantissa, wide.scale).ok())
                .flatten()
        };
        fit(self).or_else(|| fit(self.stripped()))
    }

    /// Whole units, and the fraction in steps of 10⁻²⁸; for values of at most that scale.
    fn split(self) -> (i128, i128) {
        let unit = power(self.scale).unwrap_or(UNIT);
        let steps = power(MAX_SCALE.saturating_sub(self.scale)).unwrap_or(1);
        (self.mantissa / unit, self.mantissa % unit * steps)
    }

    /// `None` only where a scale is past 38.
    fn compare(self, other: Self) -> Option<Ordering> {
        let scale = self.scale.max(other.scale);
        if let Some((a, b)) = self.at(scale).zip(other.at(scale)) {
            return Some(a.cmp(&b));
        }
        // The whole parts first, then the fractions, which fit at any scale up to 38.
        let parts = |wide: Self| {
            let unit = power(wide.scale)?;
            Some((wide.mantissa / unit, (wide.mantissa % unit).checked_mul(power(scale - wide.scale)?)?))
        };
        Some(parts(self)?.cmp(&parts(other)?))
    }
}

/// `a + b`, if that is exact.
#[must_use]
pub fn add(a: Decimal, b: Decimal) -> Option<Decimal> {
    Wide::from(a).add(b.into())?.decimal()
}

/// `a − b`, if that is exact.
#[must_use]
pub fn subtract(a: Decimal, b: Decimal) -> Option<Decimal> {
    add(a, -b)
}

/// `a × b`, if that is exact.
#[must_use]
pub fn multiply(a: Decimal, b: Decimal) -> Option<Decimal> {
    Wide::from(a).multiply(b.into())?.decimal()
}

/// `a ÷ b`, rounded half-even to `scale` digits behind the point; `None` where `b` is nought or it does not fit.
#[must_use]
pub fn quotient(a: Decimal, b: Decimal, scale: u32) -> Option<Decimal> {
    let (a, b) = (Wide::from(a).stripped(), Wide::from(b).stripped());
    let (mut over, mut under) = (a.mantissa, b.mantissa);
    match (scale + b.scale).checked_sub(a.scale) {
        Some(up) => over = over.checked_mul(power(up)?)?,
        None => under = under.checked_mul(power(a.scale - b.scale - scale)?)?,
    }
    let (whole, rest) = (over.checked_div(under)?, over.checked_rem(under)?);
    let half = rest.unsigned_abs().checked_mul(2)?.cmp(&under.unsigned_abs());
    let away = half.is_gt() || (half.is_eq() && whole % 2 != 0);
    let step = if away { over.signum() * under.signum() } else { 0 };
    Wide { mantissa: whole + step, scale }.decimal()
}

/// The mantissa and the scale of `value` without zeros at its end: equal values have equal ones.
#[must_use]
pub fn canonical(value: Decimal) -> (i128, u32) {
    let Wide { mantissa, scale } = Wide::from(value).stripped();
    (mantissa, scale)
}

/// The mantissas of `values` at one scale; `None` where they do not fit 128 bits.
#[must_use]
pub fn aligned(values: impl Iterator<Item = Decimal> + Clone) -> Option<Vec<i128>> {
    let scale = values.clone().map(|value| value.scale()).max()?;
    values.map(|value| Wide::from(value).at(scale)).collect()
}

/// An exact product, which may hold more than a [`Decimal`]: what tolerances are compared as.
#[derive(Clone, Copy, Debug)]
pub struct Product(Wide);

impl Product {
    /// `a × b`; `None` where that does not fit 128 bits.
    #[must_use]
    pub fn of(a: Decimal, b: Decimal) -> Option<Self> {
        Wide::from(a).multiply(b.into()).map(Self)
    }

    /// `base × percent %`: the point moves, nothing is divided. `None` where that does not fit 128 bits.
    #[must_use]
    pub fn percent(base: Decimal, percent: Decimal) -> Option<Self> {
        let Wide { mantissa, scale } = Self::of(base, percent)?.0;
        Some(Self(Wide { mantissa, scale: scale + 2 }))
    }

    /// The order of two products; `None` where they are too fine to be compared.
    #[must_use]
    pub fn compare(self, other: Self) -> Option<Ordering> {
        self.0.compare(other.0)
    }

    /// As a decimal, where it is one exactly.
    #[must_use]
    pub fn decimal(self) -> Option<Decimal> {
        self.0.decimal()
    }

    /// Whether it is more than `most` away from `value`; `None` where that does not fit 128 bits.
    #[must_use]
    pub fn is_apart(self, value: Decimal, most: Decimal) -> Option<bool> {
        let Wide { mantissa, scale } = self.0.add((-value).into())?;
        let apart = Wide { mantissa: mantissa.checked_abs()?, scale };
        apart.compare(most.into()).map(Ordering::is_gt)
    }
}

impl From<Decimal> for Product {
    fn from(value: Decimal) -> Self {
        Self(value.into())
    }
}

/// A running sum, exact whatever the order of its values. It can hold more than a [`Decimal`], so that what
/// is too large or too fine on the way may come back.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    wide: Wide,
    /// What does not fit beside `wide`: whole units, and the fraction in steps of 10⁻²⁸.
    aside: (i128, i128),
    broken: bool,
}

/// One, in steps of 10⁻²⁸.
const UNIT: i128 = 10_i128.pow(MAX_SCALE);

impl Sum {
    /// Adds one value.
    pub fn add(&mut self, value: Decimal) {
        self.add_wide(value.into());
    }

    /// Adds another sum.
    pub fn join(&mut self, other: Self) {
        self.broken |= other.broken;
        self.put_aside(other.aside);
        self.add_wide(other.wide);
    }

    fn add_wide(&mut self, other: Wide) {
        match self.wide.add(other) {
            Some(wide) => self.wide = wide,
            None => {
                self.put_aside(self.wide.split());
                self.wide = other;
            }
        }
    }

    fn put_aside(&mut self, (whole, fraction): (i128, i128)) {
        // Neither fraction is as much as one.
        let fraction = self.aside.1 + fraction;
        let wholes = self.aside.0.checked_add(whole).and_then(|sum| sum.checked_add(fraction / UNIT));
        self.broken |= wholes.is_none();
        self.aside = (wholes.unwrap_or_default(), fraction % UNIT);
    }

    /// Whole units and fraction, of one sign; `None` where more was added than even that can hold.
    fn split(mut self) -> Option<(i128, i128)> {
        self.put_aside(self.wide.split());
        let (whole, fraction) = self.aside;
        let carry = match (whole.signum(), fraction.signum()) {
            (1, -1) => 1,
            (-1, 1) => -1,
            _ => 0,
        };
        (!self.broken).then_some((whole - carry, fraction + carry * UNIT))
    }

    /// The sum; `None` where it left the 28 digits that a [`Decimal`] holds.
    #[must_use]
    pub fn value(&self) -> Option<Decimal> {
        if self.broken {
            return None;
        }
        if self.aside == (0, 0) {
            return self.wide.decimal();
        }
        let (whole, fraction) = self.split()?;
        let fraction = Wide { mantissa: fraction, scale: MAX_SCALE }.stripped();
        Wide { mantissa: whole, scale: 0 }.add(fraction)?.decimal()
    }
}

/// Equal sums are equal even where no [`Decimal`] holds them.
impl PartialEq for Sum {
    fn eq(&self, other: &Self) -> bool {
        self.split() == other.split()
    }
}

impl Eq for Sum {}

impl FromIterator<Decimal> for Sum {
    fn from_iter<I: IntoIterator<Item = Decimal>>(values: I) -> Self {
        let mut sum = Self::default();
        values.into_iter().for_each(|value| sum.add(value));
        sum
    }
}

/// An exact ratio of two whole numbers, in lowest terms, both positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    numerator: i128,
    denominator: i128,
}

impl Ratio {
    /// One.
    pub const ONE: Self = Self { numerator: 1, denominator: 1 };

    /// `numerator ÷ denominator` of two positive decimals; `None` where they are not positive or do not fit.
    #[must_use]
    pub fn of(numerator: Decimal, denominator: Decimal) -> Option<Self> {
        let scale = numerator.scale().max(denominator.scale());
        let (n, d) = (Wide::from(numerator).at(scale)?, Wide::from(denominator).at(scale)?);
        if n <= 0 || d <= 0 {
            return None;
        }
        let divisor = gcd(n, d);
        Some(Self { numerator: n / divisor, denominator: d / divisor })
    }

    /// The ratio the other way round.
    #[must_use]
    pub const fn inverse(self) -> Self {
        Self { numerator: self.denominator, denominator: self.numerator }
    }

    /// `value × self`, rounded to `scale` digits behind the point; `None` where it does not fit.
    #[must_use]
    pub fn rounded(self, value: Decimal, scale: u32, rounding: Rounding) -> Option<Decimal> {
        let value = Wide::from(value).stripped();
        let mut numerator = value.mantissa.checked_mul(self.numerator)?;
        let mut denominator = self.denominator;
        match scale.checked_sub(value.scale) {
            Some(up) => numerator = numerator.checked_mul(power(up)?)?,
            None => denominator = denominator.checked_mul(power(value.scale - scale)?)?,
        }
        let (whole, rest) = (numerator / denominator, (numerator % denominator).abs());
        let half = rest.checked_mul(2)?.cmp(&denominator);
        let away = match rounding {
            Rounding::HalfUp => half.is_ge(),
            Rounding::HalfEven => half.is_gt() || (half.is_eq() && whole % 2 != 0),
            Rounding::Down => false,
            Rounding::Up => rest != 0,
        };
        let step = if away { numerator.signum() } else { 0 };
        Wide { mantissa: whole + step, scale }.decimal()
    }

    /// Whether `a = b × self`, exactly.
    #[must_use]
    pub fn holds(self, a: Decimal, b: Decimal) -> bool {
        let sides = Wide::from(a).times(self.denominator).zip(Wide::from(b).times(self.numerator));
        sides.and_then(|(a, b)| a.compare(b)).is_some_and(Ordering::is_eq)
    }

    /// Whether `a` may be `b × self`, rounded to the digits that `a` has: no more than a step of its last digit lies between. Where
    /// that does not fit 128 bits, it may be.
    #[must_use]
    pub fn is_near(self, a: Decimal, b: Decimal) -> bool {
        let apart = || {
            let product = Wide::from(b).times(self.numerator)?;
            let Wide { mantissa, scale } = Wide::from(a).times(self.denominator)?.add(product.negated())?;
            let step = Wide { mantissa: self.denominator, scale: a.scale() };
            Wide { mantissa: mantissa.checked_abs()?, scale }.compare(step)
        };
        apart().is_none_or(Ordering::is_le)
    }

    /// `value × self`, and whether that is exact; where it is not, it is
    /// rounded half-even at 12 digits behind the point. `None` where it does not fit.
    #[must_use]
    pub fn apply(self, value: Decimal) -> Option<(Decimal, bool)> {
        const SCALE: u32 = 12;
        let product = Wide::from(value).stripped();
        let mantissa = product.mantissa.checked_mul(self.numerator)?;
        let mut extra = 0;
        // Exact as soon as enough zeros stand behind the mantissa.
        while product.scale + extra <= MAX_SCALE {
            let Some(scaled) = power(extra).and_then(|p| mantissa.checked_mul(p)) else { break };
            if scaled % self.denominator == 0 {
                let wide = Wide { mantissa: scaled / self.denominator, scale: product.scale + extra };
                return Some((wide.decimal()?, true));
            }
            extra += 1;
        }
        let (numerator, denominator) = match SCALE.checked_sub(product.scale) {
            Some(up) => (mantissa.checked_mul(power(up)?)?, self.denominator),
            None => (mantissa, self.denominator.checked_mul(power(product.scale - SCALE)?)?),
        };
        let (quotient, remainder) = (numerator.div_euclid(denominator), numerator.rem_euclid(denominator));
        let up = match (remainder.checked_mul(2)?).cmp(&denominator) {
            Ordering::Less => false,
            Ordering::Greater => true,
            Ordering::Equal => quotient % 2 != 0,
        };
        Some((Wide { mantissa: quotient + i128::from(up), scale: SCALE }.decimal()?, false))
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.denominator == 1 {
            write!(f, "{}", self.numerator)
        } else {
            write!(f, "{}/{}", self.numerator, self.denominator)
        }
    }
}

fn gcd(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Which character separates the whole part from the fraction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
pub enum DecimalMark {
    /// `1,234.56`
    #[default]
    #[serde(rename = ".")]
    Point,
    /// `1.234,56`
    #[serde(rename = ",")]
    Comma,
}

/// A number that was read, with the currency that stood beside it, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The value, exact, at the scale it was written with.
    pub value: Decimal,
    /// The ISO 4217 code, where the text named one beyond doubt (`EUR 5`, `£5`; not `$5`).
    pub currency: Option<[u8; 3]>,
}

/// Reads a number as people write it. Understood are grouping in threes (by
/// comma or point, whichever is not the decimal mark, by space or apostrophe),
/// a currency sign or ISO code before or behind, parentheses or a trailing
/// minus for negatives, and a lone dash for nil. Not understood, because too
/// often wrong: exponents, percent signs, underscores, digits beyond 28.
///
/// # Errors
/// A phrase that says what is wrong, to follow "cannot be read as a number: ".
pub fn parse(text: &str, mark: DecimalMark) -> Result<Parsed, &'static str> {
    if let Some(value) = unadorned(text, mark) {
        return Ok(Parsed { value, currency: None });
    }
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("it is blank");
    }
    let mut negative = false;
    let mut signs = 0;
    let mut dash = false;
    let mut currency = None;
    // Signs, parentheses and currencies may stand in any order around the digits.
    loop {
        let before = rest;
        if let Some(inner) = rest.strip_prefix('(').and_then(|t| t.strip_suffix(')')) {
            (negative, signs, rest) = (true, signs + 1, inner);
        } else if let Some(tail) = rest.strip_prefix(['-', '\u{2212}', '\u{2013}']) {
            (negative, signs, dash, rest) = (true, signs + 1, true, tail);
        } else if let Some(tail) = rest.strip_prefix('+') {
            (signs, rest) = (signs + 1, tail);
        } else if let Some(head) = rest.strip_suffix(['-', '\u{2212}']) {
            (negative, signs, dash, rest) = (true, signs + 1, true, head);
        }
        if let Some((code, remainder)) = strip_currency(rest.trim()) {
            if currency.is_some() && code.is_some() {
                return Err("it names more than one currency");
            }
            currency = currency.or(code);
            rest = remainder;
        }
        rest = rest.trim();
        if rest == before {
            break;
        }
    }
    if signs > 1 {
        return Err("it has more than one sign");
    }
    if rest.is_empty() {
        // Accounting formats write nil as a dash.
        return if dash { Ok(Parsed { value: ZERO, currency }) } else { Err("it has no digits") };
    }
    let magnitude = from_groups(rest, mark)?;
    Ok(Parsed { value: if negative { -magnitude } else { magnitude }, currency })
}

/// Reads a number of an XML document, where `xs:double` may carry an exponent: `-1.4551915228366852E-11`, `1E5`.
/// Everything else is read as [`parse`] does.
///
/// # Errors
/// As [`parse`]; also where the exponent takes the value past 28 digits.
pub fn parse_xml(text: &str, mark: DecimalMark) -> Result<Parsed, &'static str> {
    const TOO_LONG: &str = "with its exponent it has more than 28 digits";
    let trimmed = text.trim();
    let Some((mantissa, exponent)) = trimmed.split_once(['E', 'e']) else { return parse(text, mark) };
    let (Some(mantissa), Ok(exponent)) = (unadorned(mantissa, DecimalMark::Point), exponent.parse::<i32>())
    else {
        return Err("it is not a number of an XML document");
    };
    // The exponent moves the point: the digits stay.
    let scale =
        i32::try_from(mantissa.scale()).map_err(|_| TOO_LONG)?.checked_sub(exponent).ok_or(TOO_LONG)?;
    let wide = match u32::try_from(scale) {
        Ok(scale) => Wide { mantissa: mantissa.mantissa(), scale },
        Err(_) => {
            let up = power(scale.unsigned_abs()).ok_or(TOO_LONG)?;
            Wide { mantissa: mantissa.mantissa().checked_mul(up).ok_or(TOO_LONG)?, scale: 0 }
        }
    };
    wide.decimal().map(|value| Parsed { value, currency: None }).ok_or(TOO_LONG)
}

/// The common case without detours: an optional minus, up to 18 digits, at most one mark.
fn unadorned(text: &str, mark: DecimalMark) -> Option<Decimal> {
    let separator = if mark == DecimalMark::Point { b'.' } else { b',' };
    let (negative, digits) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || digits.len() > 19 || (digits.len() == 19 && !digits.contains(&separator)) {
        return None;
    }
    let (mut mantissa, mut point) = (0_i64, None);
    for (at, &byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            mantissa = mantissa * 10 + i64::from(digit);
        } else if byte == separator && point.is_none() && at > 0 {
            point = Some(at);
        } else {
            return None;
        }
    }
    let scale = point.map_or(0, |point| digits.len() - 1 - point);
    // "12." is not how anybody writes an amount; let the slow path say so.
    let is_whole = point.is_none() || scale > 0;
    is_whole
        .then(|| Decimal::new(if negative { -mantissa } else { mantissa }, u32::try_from(scale).unwrap_or(0)))
}

/// The currencies of ISO 4217 in use: three capitals alone may be a unit (`10 MWH`).
const CURRENCIES: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN \
    BWP BYN BZD CAD CDF CHF CLF CLP CNH CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD \
    GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP \
    LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN \
    PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS \
    TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG";

/// Takes a currency sign or code off either end: the code, where the sign stands for one currency only.
fn strip_currency(text: &str) -> Option<(Option<[u8; 3]>, &str)> {
    for (sign, code) in [("€", Some(*b"EUR")), ("£", Some(*b"GBP")), ("$", None), ("¥", None)] {
        if let Some(rest) = text.strip_prefix(sign).or_else(|| text.strip_suffix(sign)) {
            return Some((code, rest));
        }
    }
    let letters = |code: &str| -> Option<[u8; 3]> {
        CURRENCIES.split(' ').find(|known| *known == code).and_then(|code| code.as_bytes().try_into().ok())
    };
    if let Some((code, rest)) = text.split_at_checked(3)
        && let Some(code) = letters(code)
        && !rest.starts_with(|c: char| c.is_alphabetic())
    {
        return Some((Some(code), rest));
    }
    let (rest, code) = text.split_at_checked(text.len().checked_sub(3)?)?;
    let code = letters(code)?;
    (!rest.ends_with(|c: char| c.is_alphabetic())).then_some((Some(code), rest))
}

fn from_groups(text: &str, mark: DecimalMark) -> Result<Decimal, &'static str> {
    let (point, comma) = match mark {
        DecimalMark::Point => ('.', ','),
        DecimalMark::Comma => (',', '.'),
    };
    let (whole, fraction) = match text.split_once(point) {
        Some((_, "")) => return Err("nothing stands behind the decimal mark"),
        Some((whole, fraction)) => (whole, fraction),
        None => (text, ""),
    };
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err("it is not a plain decimal number");
    }
    let mut digits = String::with_capacity(text.len());
    let group = whole.chars().find(|c| !c.is_ascii_digit());
    match group {
        None => digits.push_str(whole),
        Some(separator)
            if separator == comma || matches!(separator, ' ' | '\u{a0}' | '\u{202f}' | '\'' | '\u{2019}') =>
        {
            for (index, part) in whole.split(separator).enumerate() {
                let right_length = if index == 0 { (1..=3).contains(&part.len()) } else { part.len() == 3 };
                if !right_length || !part.bytes().all(|b| b.is_ascii_digit()) {
                    return Err("its digits are not grouped in threes");
                }
                digits.push_str(part);
            }
        }
        Some(_) => return Err("it is not a plain decimal number"),
    }
    if digits.is_empty() && fraction.is_empty() {
        return Err("it has no digits");
    }
    digits.push_str(fraction);
    let significant = digits.trim_start_matches('0');
    let scale = u32::try_from(fraction.len()).map_err(|_| "it has too many digits")?;
    if significant.len() > 28 || scale > MAX_SCALE {
        return Err("it has more than 28 digits");
    }
    let mantissa: i128 =
        if significant.is_empty() { 0 } else { significant.parse().map_err(|_| "it has too many digits")? };
    Decimal::try_from_i128_with_scale(mantissa, scale).map_err(|_| "it has more than 28 digits")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use proptest::prelude::*;

    use super::*;

    fn dec(text: &str) -> Decimal {
        Decimal::from_str_exact(text).unwrap()
    }

    #[test]
    fn a_sum_that_leaves_what_can_be_held_comes_back() {
        let (most, least) = (dec("9999999999999999999999999999"), dec("0.0000000000000000000000000001"));
        let sum = |values: &[Decimal]| values.iter().copied().collect::<Sum>();
        assert_eq!(sum(&[most, least, -most]).value(), Some(least));
        assert_eq!(sum(&[-most, -least, most, least, dec("-0.50")]).value(), Some(dec("-0.5")));
        assert_eq!(sum(&[most, least]).value(), None);
        assert_eq!(sum(&[most, least, dec("1"), -least]), sum(&[dec("1"), most]));
        assert_ne!(sum(&[most, least]), sum(&[most, -least]));
    }

    proptest! {
        #[test]
        fn a_sum_does_not_depend_on_the_order(
            mut values in proptest::collection::vec((any::<i64>(), 0_u32..29), 0..12),
        ) {
            let sum = |values: &[(i64, u32)]| values.iter().map(|&(m, s)| Decimal::new(m, s)).collect::<Sum>();
            let forward = sum(&values);
            values.reverse();
            prop_assert_eq!(forward, sum(&values));
            let (one, two) = values.split_at(values.len() / 2);
            let mut joined = sum(one);
            joined.join(sum(two));
            prop_assert_eq!(forward, joined);
            prop_assert_eq!(forward.value(), joined.value());
        }
    }

    #[test]
    fn numbers_as_people_write_them() {
        for (text, value) in [
            ("0", "0"),
            ("-12.50", "-12.50"),
            (" 27,275.25 ", "27275.25"),
            ("$1,200.50", "1200.50"),
            ("-$1,200.50", "-1200.50"),
            ("$-5", "-5"),
            ("(1,234.56)", "-1234.56"),
            ("($12.00)", "-12.00"),
            ("$(100.00)", "-100.00"),
            ("$ -", "0"),
            ("12.5-", "-12.5"),
            ("\u{2212}3", "-3"),
            ("HKD 239,046.00", "239046.00"),
            ("5.00 EUR", "5.00"),
            ("1 234 567.8", "1234567.8"),
            ("1'000", "1000"),
            (".5", "0.5"),
            ("-", "0"),
            ("4.0729999999999995", "4.0729999999999995"),
            ("9223372036854775808", "9223372036854775808"),
        ] {
            let parsed = parse(text, DecimalMark::Point);
            assert_eq!(parsed.map(|p| p.value), Ok(dec(value)), "{text}");
            assert_eq!(parsed.unwrap().value.scale(), dec(value).scale(), "{text} keeps its scale");
        }
        assert_eq!(parse("1.234,56", DecimalMark::Comma).unwrap().value, dec("1234.56"));
        assert_eq!(parse("1.234", DecimalMark::Comma).unwrap().value, dec("1234"));
        assert_eq!(parse("HKD 2", DecimalMark::Point).unwrap().currency, Some(*b"HKD"));
        assert_eq!(parse("£2", DecimalMark::Point).unwrap().currency, Some(*b"GBP"));
        assert_eq!(parse("$2", DecimalMark::Point).unwrap().currency, None);
    }

    #[test]
    fn doubles_of_xml_keep_their_digits() {
        for (text, value) in [
            ("1E5", "100000"),
            ("-1.4551915228366852E-11", "-0.000000000014551915228366852"),
            ("2.50e+1", "25.0"),
            ("12.5", "12.5"),
        ] {
            assert_eq!(parse_xml(text, DecimalMark::Point).map(|p| p.value), Ok(dec(value)), "{text}");
        }
        for text in ["1E", "E5", "1E400", "1E-40", "1E5E5", "NaN", "INF", ""] {
            assert!(parse_xml(text, DecimalMark::Point).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        for text in [
            "",
            " ",
            "abc",
            "1e3",
            "1_000",
            "12,5",
            "1,23,456",
            "12.",
            "1.2.3",
            "--5",
            "(-5)",
            "5%",
            "0x10",
            "NaN",
            "1234,567",
            "+",
            "()",
            "10 MWH",
            "ABC 5",
            "$",
            "EUR",
            "EUR 5 USD",
            "1 2",
            "٣",
            "12345678901234567890123456789",
        ] {
            assert!(parse(text, DecimalMark::Point).is_err(), "{text:?} is no number");
        }
    }

    #[test]
    fn ratios_are_exact_where_decimals_can_be() {
        let therm_to_mmbtu = Ratio::of(dec("1"), dec("10")).unwrap();
        assert_eq!(therm_to_mmbtu.apply(dec("799800")), Some((dec("79980"), true)));
        let third = Ratio::of(dec("1"), dec("3")).unwrap();
        assert_eq!(third.apply(dec("1")), Some((dec("0.333333333333"), false)));
        assert_eq!(third.apply(dec("-1")), Some((dec("-0.333333333333"), false)));
        assert_eq!(third.apply(dec("3")), Some((dec("1"), true)));
        assert!(Ratio::of(dec("0"), dec("1")).is_none());
    }

    #[test]
    fn amounts_are_grouped_for_people() {
        for (value, text) in
            [("0", "0.00"), ("-1234.5", "-1,234.50"), ("999.999", "999.999"), ("1000000", "1,000,000.00")]
        {
            assert_eq!(grouped(dec(value)), text);
        }
    }

    #[test]
    fn percent_is_inclusive_and_exact() {
        let share = Product::percent(dec("100"), dec("0.1")).unwrap();
        assert_eq!(share.compare(dec("0.1").into()), Some(Ordering::Equal));
        assert_eq!(share.compare(dec("0.1000000000000001").into()), Some(Ordering::Less));
        let most = Product::percent(dec("9999999999999.999999999999999"), dec("1.00000001")).unwrap();
        let least = Product::from(dec("0.0000000000000000000000000001"));
        assert_eq!(most.compare(least), Some(Ordering::Greater));
        assert_eq!(least.compare(most), Some(Ordering::Less));
    }

    #[test]
    fn a_sum_past_its_digits_says_so() {
        let mut sum = Sum::default();
        sum.add(Decimal::MAX);
        assert_eq!(sum.value(), Some(Decimal::MAX));
        sum.add(dec("0.01"));
        assert_eq!(sum.value(), None);
        assert_eq!(add(Decimal::MAX, dec("1")), None);
        assert_eq!(multiply(Decimal::MAX, dec("10")), None);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(mantissa in any::<i64>(), scale in 0_u32..12) {
            let value = Decimal::new(mantissa, scale);
            let parsed = parse(&value.to_string(), DecimalMark::Point).unwrap().value;
            prop_assert_eq!(parsed, value);
            prop_assert_eq!(parsed.scale(), scale);
        }

        #[test]
        fn figures_are_shown_without_losing_a_digit(mantissa in any::<i128>(), shift in 32_u32..127, scale in 0_u32..=28) {
            let Ok(value) = Decimal::try_from_i128_with_scale(mantissa >> shift, scale) else { return Ok(()) };
            prop_assert_eq!(plain(value), value.normalize().to_string());
            let shown = shown(value);
            prop_assert_eq!(shown.split_once('.').map_or(0, |(_, behind)| behind.len()).max(2), value.normalize().scale().max(2) as usize);
            prop_assert_eq!(shown.parse::<Decimal>().ok(), Some(value));
        }

        #[test]
        fn a_quotient_is_rounded_as_a_ratio_is(a in 1_i64..1_000_000_000, b in 1_i64..1_000_000, scales in prop::array::uniform3(0_u32..6)) {
            let (x, y) = (Decimal::new(a, scales[0]), Decimal::new(b, scales[1]));
            let ratio = Ratio::of(x, y).unwrap();
            let expected = ratio.rounded(Decimal::ONE, scales[2], Rounding::HalfEven);
            prop_assert_eq!(quotient(x, y, scales[2]), expected);
            prop_assert_eq!(quotient(-x, y, scales[2]), expected.map(|value| -value));
            // What a ratio makes of a value is near to it, and what is further away than a step is not.
            let product = ratio.rounded(y, scales[2], Rounding::HalfUp).unwrap();
            prop_assert!(ratio.is_near(product, y));
            prop_assert!(!ratio.is_near(add(product, Decimal::new(2, scales[2])).unwrap(), y));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,24}") {
            let _ = parse(&text, DecimalMark::Point);
            let _ = parse(&text, DecimalMark::Comma);
        }

        #[test]
        fn arithmetic_agrees_with_whole_numbers(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000) {
            let (x, y) = (Decimal::new(a, 3), Decimal::new(b, 2));
            prop_assert_eq!(add(x, y), Some(Decimal::new(a + 10 * b, 3)));
            prop_assert_eq!(subtract(x, y), Some(Decimal::new(a - 10 * b, 3)));
            prop_assert_eq!(multiply(x, y), Some(Decimal::new(a * b, 5)));
            prop_assert_eq!(add(x, y), [x, y].into_iter().collect::<Sum>().value());
        }
    }
}
