//! What is wrong with the arguments of a call, by their schema, in words of our own.

use schemars::Schema;
use serde_json::{Map, Value};

use crate::fault::{Fault, Kind, nearest, shown};

/// Why `given` are no arguments of `tool`: one that there is not, one of another form, or one that is missing. `said` is what the
/// reader said of them, for what no schema tells.
pub(super) fn refusal(tool: &str, schema: Schema, given: &Value, said: &serde_json::Error) -> Fault {
    let schema = schema.to_value();
    let none = Map::new();
    let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let given = given.as_object().unwrap_or(&none);
    let names = || known.keys().map(String::as_str);
    let fault =
        |what: &str, place: &str| Fault::new(Kind::Usage, what).at(format!("{tool} {place}").trim_end());
    let see = |name: &str| format!("tools/list has its schema: inputSchema.properties.{name} of {tool}");

    if let Some(unknown) = given.keys().find(|name| !known.contains_key(*name)) {
        let fault = fault("there is no such argument", "")
            .value(unknown)
            .expected(format!("any of {}", names().collect::<Vec<_>>().join(", ")));
        let fault = match nearest(unknown, names()) {
            Some(near) => fault.next(format!("did you mean {near}?")),
            None => fault,
        };
        return fault.and_next(format!("tools/list has the schema of all: inputSchema of {tool}"));
    }
    let of_given = given.iter().filter_map(|(name, value)| Some((name, value, known.get(name)?)));
    for (name, value, form) in of_given {
        let form = Form { root: &schema, form };
        if !form.fits(value) {
            return fault("the argument is of another form", name)
                .value(met(value))
                .expected(form.wanted())
                .next(see(name));
        }
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    let missing = required.filter_map(Value::as_str).find(|name| !given.contains_key(*name));
    if let Some((name, form)) = missing.and_then(|name| Some((name, known.get(name)?))) {
        let about = form.get("description").and_then(Value::as_str).and_then(|about| about.lines().next());
        let wanted = Form { root: &schema, form }.wanted();
        return fault("the argument is missing", name)
            .expected(about.map_or_else(|| wanted.clone(), |about| format!("{wanted}: {about}")))
            .next(see(name));
    }
    fault("these arguments make no sense", "").value(said)
}

/// A value that was met, by its kind.
fn met(value: &Value) -> String {
    let kind = match value {
        Value::Null => return "nothing (null)".to_owned(),
        Value::Bool(_) => "",
        Value::Number(_) => "the number ",
        Value::String(_) => "the text ",
        Value::Array(_) => "the list ",
        Value::Object(_) => "the object ",
    };
    format!("{kind}{}", shown(&value.to_string()))
}

/// What one argument may be, and the schema that it is part of.
#[derive(Clone, Copy)]
struct Form<'a> {
    root: &'a Value,
    form: &'a Value,
}

impl<'a> Form<'a> {
    const fn of(self, form: &'a Value) -> Self {
        Self { form, ..self }
    }

    /// The forms that it may have, where there are several.
    fn several(self) -> Option<Vec<Self>> {
        let of = |name| self.form.get(name).and_then(Value::as_array);
        let forms = of("anyOf").or_else(|| of("oneOf"))?;
        Some(forms.iter().map(|form| self.of(form)).collect())
    }

    /// The form that it refers to.
    fn target(self) -> Option<Self> {
        let path = self.form.get("$ref")?.as_str()?.strip_prefix('#')?;
        Some(self.of(self.root.pointer(path)?))
    }

    /// The names of what it may be; none where anything will do.
    fn kinds(self) -> Vec<&'a str> {
        match self.form.get("type") {
            Some(Value::String(kind)) => vec![kind],
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    fn is_natural(self) -> bool {
        self.form.get("minimum").is_some_and(|least| *least == 0)
    }

    /// The only values that it may have.
    fn listed(self) -> Option<&'a [Value]> {
        let listed = self.form.get("enum").and_then(Value::as_array).map(Vec::as_slice);
        listed.or_else(|| self.form.get("const").map(std::slice::from_ref))
    }

    fn fits(self, value: &Value) -> bool {
        if let Some(target) = self.target() {
            return target.fits(value);
        }
        if let Some(several) = self.several() {
            return several.into_iter().any(|form| form.fits(value));
        }
        let is = |kind: &str| match kind {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "string" => value.is_string(),
            "object" => value.is_object(),
            "integer" => value.is_u64() || value.is_i64() && !self.is_natural(),
            "array" => value.as_array().is_some_and(|items| {
                let form = self.form.get("items").map(|form| self.of(form));
                form.is_none_or(|form| items.iter().all(|item| form.fits(item)))
            }),
            _ => true,
        };
        let kinds = self.kinds();
        let is_kind = kinds.is_empty() || kinds.into_iter().any(is);
        is_kind && self.listed().is_none_or(|all| all.contains(value))
    }

    /// What it may be, in words.
    fn wanted(self) -> String {
        if let Some(target) = self.target() {
            return target.wanted();
        }
        let all = match self.several() {
            Some(several) => several.into_iter().map(Self::wanted).collect(),
            None => match self.listed() {
                Some(listed) => listed.iter().map(ToString::to_string).collect(),
                None => self.kinds().into_iter().map(|kind| self.word(kind)).collect::<Vec<_>>(),
            },
        };
        let said: Vec<String> = all.into_iter().filter(|word| !word.is_empty()).collect();
        said.join(" or ")
    }

    /// The word for a kind; none for nothing, which is what leaving the argument out means.
    fn word(self, kind: &str) -> String {
        match kind {
            "null" => String::new(),
            "boolean" => "true or false".to_owned(),
            "string" => "a text".to_owned(),
            "integer" if self.is_natural() => "a whole number, 0 or more".to_owned(),
            "integer" => "a whole number".to_owned(),
            "array" => match self.form.get("items").map(|form| self.of(form).wanted()) {
                Some(item) => format!("a list, each of it {item}"),
                None => "a list".to_owned(),
            },
            kind => format!("an {kind}"),
        }
    }
}
