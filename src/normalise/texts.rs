//! The texts of one row, each looked up once, whoever asks for them how often.

use super::role::{Field, Role};

/// The text roles, and some attributes.
const FEW: usize = Role::TEXTS + 4;

/// The texts of a row by field; [`FEW`] of them without asking for memory.
#[derive(Default)]
pub(super) struct Texts<'r> {
    few: [&'r str; FEW],
    more: Vec<&'r str>,
}

impl<'r> Texts<'r> {
    /// The texts of all fields, in order.
    pub(super) fn of(mut all: impl Iterator<Item = &'r str>) -> Self {
        let mut texts = Self::default();
        for (text, next) in texts.few.iter_mut().zip(&mut all) {
            *text = next;
        }
        texts.more.extend(all);
        texts
    }

    pub(super) fn get(&self, field: Field) -> &'r str {
        let at = field.index();
        self.few.get(at).or_else(|| self.more.get(at - FEW)).copied().unwrap_or_default()
    }

    pub(super) fn role(&self, role: Role) -> &'r str {
        self.few.get(role as usize).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_its_text_however_many_there_are() {
        for count in [0, 1, FEW, FEW + 1, 3 * FEW] {
            let all: Vec<String> = (0..count).map(|n| n.to_string()).collect();
            let texts = Texts::of(all.iter().map(String::as_str));
            let found: Vec<&str> = Field::all().take(count).map(|field| texts.get(field)).collect();
            assert_eq!(found, all);
            assert_eq!(Field::all().nth(count).map(|field| texts.get(field)), Some(""));
        }
    }
}
