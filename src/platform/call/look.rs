//! A look at an answer of which nobody has said where its records are.

use super::{INSTANCE, Named};
use crate::platform::request::Trail;
use crate::platform::wsdl::XSD;
use crate::platform::wsdl::tree::Node;

/// Different names in one element that are looked at when records are searched for.
const MOST_NAMES: usize = 1_000;
/// What .NET wraps the rows of a `DataSet` in.
const DIFFGRAM: &str = "urn:schemas-microsoft-com:xml-diffgram-v1";
/// Namespaces of attributes that say something about values, and are none: what is null, how a `DataSet` counts its rows.
const MARKS: [&str; 3] = [INSTANCE, DIFFGRAM, "urn:schemas-microsoft-com:xml-msdata"];

/// The element in the body of an answer; `None` for a fault, and for what is no answer.
pub(super) fn response(root: &Node) -> Option<&Node> {
    let body = root.children.iter().find(|child| *child.name.local == *"Body")?;
    body.children
        .first()
        .filter(|response| *root.name.local == *"Envelope" && *response.name.local != *"Fault")
}

/// What is found at the end of a path.
pub(super) enum Followed {
    Found,
    /// The place where it should be is there, and there is nothing in it.
    Empty,
    Elsewhere,
}

pub(super) fn follow(node: &Node, names: &[Box<str>]) -> Followed {
    let Some((first, rest)) = names.split_first() else { return Followed::Found };
    if node.children.is_empty() && node.text.trim().is_empty() {
        return Followed::Empty;
    }
    let mut best = Followed::Elsewhere;
    for child in node.children.iter().filter(|child| *child.name.local == **first) {
        match follow(child, rest) {
            Followed::Found => return Followed::Found,
            Followed::Empty => best = Followed::Empty,
            Followed::Elsewhere => {}
        }
    }
    best
}

/// Where an answer seems to have its records: the outermost elements that stand there more than once by one name, those
/// with something in them first.
pub(super) fn repeated(response: &Node) -> Option<Trail> {
    /// How good a place is, the least first, and its path.
    type Best = Option<((bool, usize, usize), String)>;

    fn look<'n>(node: &'n Node, path: &mut Vec<&'n str>, is_table: bool, best: &mut Best) {
        let mut names: Vec<(&Node, usize)> = Vec::new();
        for child in &node.children {
            if let Some((_, count)) = names.iter_mut().find(|(known, _)| known.name == child.name) {
                *count += 1;
            } else if names.len() < MOST_NAMES {
                names.push((child, 1));
            }
        }
        for (child, count) in names.into_iter().filter(|(_, count)| *count > 1 || is_table) {
            let is_bare = child.children.is_empty() && child.attributes.is_empty();
            let key = (is_bare, path.len(), usize::MAX - count);
            if best.as_ref().is_none_or(|(known, _)| key < *known) {
                *best = Some((key, [path.as_slice(), &[&child.name.local]].concat().join("/")));
            }
        }
        for child in node.children.iter().filter(|child| !child.is(XSD, "schema")) {
            path.push(&child.name.local);
            match child.children.first().filter(|_| child.is(DIFFGRAM, "diffgram")) {
                // All rows of a DataSet are in the first element, be it one or many; behind it is what they were before.
                Some(rows) => {
                    path.push(&rows.name.local);
                    look(rows, path, true, best);
                    path.pop();
                }
                None => look(child, path, false, best),
            }
            path.pop();
        }
    }
    let mut best = None;
    look(response, &mut Vec::new(), false, &mut best);
    best.and_then(|(_, path)| Trail::try_from(path).ok())
}

/// The single values of an answer that stand beside its records: totals, and what else is said of all of them.
pub(super) fn beside(response: &Node, records: &Trail) -> Named {
    let records = records.to_string();
    let mut values = Named::default();
    flatten(response, "", Some(&records), &mut values);
    let around = |name: &str| records.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'));
    let is_single = |name: &str| values.0.iter().filter(|(other, _)| other == name).nth(1).is_none();
    let single: Vec<_> =
        values.0.iter().filter(|(name, _)| is_single(name) && !around(name)).cloned().collect();
    Named(single)
}

/// The values in an element, each by its path, without those at the path `but`.
pub(super) fn flatten(node: &Node, path: &str, but: Option<&str>, values: &mut Named) {
    let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
    for (name, value) in node.attributes.iter().filter(|(name, _)| !MARKS.contains(&&*name.namespace)) {
        values.0.push((join(&format!("@{}", name.local)), Some(value.clone())));
    }
    // What a diffgram has behind its rows is what they were before.
    let is_aside = |child: &Node| {
        child.is(XSD, "schema") || *child.name.namespace == *DIFFGRAM && node.is(DIFFGRAM, "diffgram")
    };
    for child in node.children.iter().filter(|child| !is_aside(child)) {
        let inner = join(&child.name.local);
        if but != Some(inner.as_str()) {
            flatten(child, &inner, but, values);
        }
    }
    if node.children.is_empty() && !(path.is_empty() && node.text.trim().is_empty()) {
        let is_nil = matches!(node.attribute_in(INSTANCE, "nil"), Some("true" | "1"));
        let name = if path.is_empty() { node.name.local.to_string() } else { path.to_owned() };
        values.0.push((name, (!is_nil).then(|| node.text.clone())));
    }
}
