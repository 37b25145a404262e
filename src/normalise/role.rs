//! What a column means, and which text fields an entry has.

use std::fmt;

/// What a column means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// The invoice or statement number.
    Document,
    /// Who bills.
    Vendor,
    /// The contract or trade.
    Deal,
    /// The charge type.
    Charge,
    /// Meter, node or delivery point.
    Location,
    /// The unit of quantity.
    Unit,
    /// The ISO 4217 currency code.
    Currency,
    /// The settlement's version.
    Version,
    /// Where the delivery interval starts.
    Start,
    /// Where it ends.
    End,
    /// How much was delivered.
    Quantity,
    /// The price of one unit of quantity.
    Price,
    /// The money.
    Amount,
    /// The money before tax.
    Net,
    /// The tax.
    Tax,
    /// The money with tax.
    Gross,
}

/// What kind of value a role holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Text that is compared as a key.
    Text,
    /// A date or a time.
    Time,
    /// An exact decimal.
    Number,
}

impl Role {
    /// All roles, the text roles first.
    pub const ALL: [Self; 16] = [
        Self::Document,
        Self::Vendor,
        Self::Deal,
        Self::Charge,
        Self::Location,
        Self::Unit,
        Self::Currency,
        Self::Version,
        Self::Start,
        Self::End,
        Self::Quantity,
        Self::Price,
        Self::Amount,
        Self::Net,
        Self::Tax,
        Self::Gross,
    ];

    /// Those that a line states its taxes in.
    pub const TAXES: [Self; 3] = [Self::Net, Self::Tax, Self::Gross];

    /// How many of the roles hold text: they come first in [`Role::ALL`].
    pub const TEXTS: usize = 8;

    /// The name used in `tieout.toml` and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Vendor => "vendor",
            Self::Deal => "deal",
            Self::Charge => "charge",
            Self::Location => "location",
            Self::Unit => "unit",
            Self::Currency => "currency",
            Self::Version => "version",
            Self::Start => "start",
            Self::End => "end",
            Self::Quantity => "quantity",
            Self::Price => "price",
            Self::Amount => "amount",
            Self::Net => "net",
            Self::Tax => "tax",
            Self::Gross => "gross",
        }
    }

    /// The role called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// What it holds.
    #[must_use]
    pub const fn holds(self) -> Holds {
        match self {
            Self::Start | Self::End => Holds::Time,
            Self::Quantity | Self::Price | Self::Amount | Self::Net | Self::Tax | Self::Gross => {
                Holds::Number
            }
            _ => Holds::Text,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text field of an entry: a text role, or an attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Field(usize);

impl Field {
    /// The field of a text role; of any other role, `None`.
    #[must_use]
    pub fn of(role: Role) -> Option<Self> {
        (role.holds() == Holds::Text).then_some(Self(role as usize))
    }

    /// Every field there can be, in order: the text roles, then attributes without end.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).map(Self)
    }

    /// Its position, text roles first.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

/// The text fields that a run knows: the text roles, then the attributes that something refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    attributes: Vec<String>,
}

impl Fields {
    /// The field called `name`; a name that is no role becomes an attribute.
    /// `None` for roles that hold no text.
    pub fn add(&mut self, name: &str) -> Option<Field> {
        if let Some(field) = self.find(name) {
            return Some(field);
        }
        if Role::named(name).is_some() {
            return None;
        }
        self.attributes.push(name.to_owned());
        Some(Field(Role::TEXTS + self.attributes.len() - 1))
    }

    /// The field called `name`, if it is known.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Field> {
        match Role::named(name) {
            Some(role) => Field::of(role),
            None => self.attributes.iter().position(|known| known == name).map(|at| Field(Role::TEXTS + at)),
        }
    }

    /// The name of a field.
    #[must_use]
    pub fn name(&self, field: Field) -> &str {
        match field.0.checked_sub(Role::TEXTS) {
            None => Role::ALL.get(field.0).map_or("", |role| role.name()),
            Some(attribute) => self.attributes.get(attribute).map_or("", String::as_str),
        }
    }

    /// All fields, in order.
    pub fn all(&self) -> impl Iterator<Item = Field> + use<> {
        (0..Role::TEXTS + self.attributes.len()).map(Field)
    }

    /// How many fields there are.
    #[must_use]
    pub fn count(&self) -> usize {
        Role::TEXTS + self.attributes.len()
    }
}
