//! XML Schema as far as messages of a service need it: which elements stand in which, and what they hold.

use std::collections::HashMap;

use super::documents::Part;
use super::element::{Element, Simple};
use super::tree::{Name, Node};
use super::{ENCODING, WSDL, XSD};
use crate::platform::request::is_name;

/// Types within types that are followed.
const DEEPEST: usize = 40;
/// Particles within particles that are followed.
const DEEPEST_PARTICLE: usize = 200;
/// Declarations that are looked at for one message.
const MOST_DECLARATIONS: usize = 5_000;

/// A declaration, with what its schema says of all of its declarations.
#[derive(Clone, Copy)]
pub(super) struct Declared<'d> {
    node: &'d Node,
    namespace: &'d str,
    /// Whether elements declared inside of others are in the namespace, too.
    qualified: bool,
}

/// All global declarations, by name.
#[derive(Default)]
pub(super) struct Schemas<'d> {
    elements: HashMap<Name, Declared<'d>>,
    types: HashMap<Name, Declared<'d>>,
    groups: HashMap<Name, Declared<'d>>,
    attribute_groups: HashMap<Name, Declared<'d>>,
    attributes: HashMap<Name, Declared<'d>>,
}

impl<'d> Schemas<'d> {
    /// Indexes the schemas of all documents. Where two declare one name, the first counts.
    pub(super) fn new(parts: &'d [Part]) -> Self {
        let mut schemas = Self::default();
        for part in parts {
            schemas.add_below(&part.node, part.adopted.as_deref());
        }
        schemas
    }

    fn add_below(&mut self, node: &'d Node, adopted: Option<&'d str>) {
        if !node.is(XSD, "schema") {
            node.children.iter().for_each(|child| self.add_below(child, adopted));
            return;
        }
        let namespace = node.attribute("targetNamespace").or(adopted).unwrap_or_default();
        let qualified = node.attribute("elementFormDefault") == Some("qualified");
        let redefined = node.all(XSD, "redefine").flat_map(|redefine| &redefine.children);
        for child in redefined.chain(&node.children).filter(|child| *child.name.namespace == *XSD) {
            let table = match &*child.name.local {
                "element" => &mut self.elements,
                "complexType" | "simpleType" => &mut self.types,
                "group" => &mut self.groups,
                "attributeGroup" => &mut self.attribute_groups,
                "attribute" => &mut self.attributes,
                _ => continue,
            };
            if let Some(local) = child.attribute("name") {
                let name = Name { namespace: namespace.into(), local: local.into() };
                table.entry(name).or_insert(Declared { node: child, namespace, qualified });
            }
        }
    }

    /// A global element with all that is in it; `None` where nothing is known of it.
    pub(super) fn element(&self, name: &Name) -> Option<Element> {
        let declared = *self.elements.get(name)?;
        Some(Walk::new(self).element(declared, Occurs::ONCE, true))
    }

    /// An element in no namespace that is of a global type: a part of an RPC message.
    pub(super) fn part(&self, name: &str, kind: &Name) -> Element {
        let mut element = Element { name: name.to_owned(), ..Element::default() };
        Walk::new(self).typed(kind, "", &mut element);
        element
    }
}

/// What `name` means in a schema of the namespace `here`.
fn get<'d>(table: &HashMap<Name, Declared<'d>>, name: &Name, here: &str) -> Option<Declared<'d>> {
    // Included without a namespace of its own, a schema names its siblings without one, too.
    let adopted = || Name { namespace: here.into(), local: name.local.clone() };
    table.get(name).or_else(|| name.namespace.is_empty().then(|| table.get(&adopted())).flatten()).copied()
}

/// How often something may stand somewhere.
#[derive(Clone, Copy)]
struct Occurs {
    optional: bool,
    list: bool,
}

impl Occurs {
    const ONCE: Self = Self { optional: false, list: false };

    /// The occurrence of `node` inside of something that occurs like this.
    fn of(self, node: &Node) -> Self {
        let most = node.attribute("maxOccurs").unwrap_or("1").trim();
        Self {
            optional: self.optional || node.attribute("minOccurs").is_some_and(|least| least.trim() == "0"),
            list: self.list || !matches!(most, "0" | "1"),
        }
    }
}

/// One way down from a message, which ends where types hold themselves, and where there is too much of it.
struct Walk<'s, 'd> {
    schemas: &'s Schemas<'d>,
    /// The types and groups that are open, by where their declarations are.
    open: Vec<*const Node>,
    depth: usize,
    /// Declarations that may still be looked at.
    left: usize,
}

impl<'s, 'd> Walk<'s, 'd> {
    fn new(schemas: &'s Schemas<'d>) -> Self {
        Self { schemas, open: Vec::new(), depth: 0, left: MOST_DECLARATIONS }
    }

    /// Goes into a declaration, unless it is open already, or there is too much; says whether it did.
    fn within(&mut self, node: &Node, go: impl FnOnce(&mut Self)) -> bool {
        let place = std::ptr::from_ref(node);
        if self.open.contains(&place) || self.open.len() >= DEEPEST || self.left == 0 {
            return false;
        }
        self.open.push(place);
        go(self);
        self.open.pop();
        true
    }

    fn element(&mut self, declared: Declared<'d>, occurs: Occurs, is_global: bool) -> Element {
        let Declared { node, namespace, qualified } = declared;
        let mut element = Element { optional: occurs.optional, list: occurs.list, ..Element::default() };
        if let Some(name) = node.qualified("ref") {
            return match get(&self.schemas.elements, &name, namespace) {
                Some(global) if global.node.attribute("ref").is_none() => self.element(global, occurs, true),
                _ => {
                    element.name = name.local.to_string();
                    element.namespace = name.namespace.to_string();
                    "unknown".clone_into(&mut element.kind);
                    element
                }
            };
        }
        // Global elements are in their namespace in any case (XML Schema Part 1 §3.3.2).
        let is_in_namespace =
            is_global || node.attribute("form").map_or(qualified, |form| form == "qualified");
        node.attribute("name").unwrap_or_default().clone_into(&mut element.name);
        if is_in_namespace {
            namespace.clone_into(&mut element.namespace);
        }
        element.nillable = node.attribute("nillable").is_some_and(|nil| matches!(nil, "true" | "1"));
        self.content(declared, &mut element);
        element
    }

    /// Adds what the declaration of an element or attribute says of its type.
    fn content(&mut self, declared: Declared<'d>, element: &mut Element) {
        let node = declared.node;
        if let Some(kind) = node.qualified("type") {
            self.typed(&kind, declared.namespace, element);
        } else if let Some(inner) = node.first(XSD, "complexType") {
            self.complex(Declared { node: inner, ..declared }, element);
        } else if let Some(inner) = node.first(XSD, "simpleType") {
            self.simple(Declared { node: inner, ..declared }, element);
        } else {
            "any".clone_into(&mut element.kind);
        }
    }

    fn typed(&mut self, kind: &Name, here: &str, element: &mut Element) {
        let Some(declared) = get(&self.schemas.types, kind, here) else {
            match &*kind.namespace {
                XSD if matches!(&*kind.local, "anyType") => "any".clone_into(&mut element.kind),
                XSD | ENCODING => {
                    element.kind = kind.local.to_string();
                    element.base = Some(Simple::named(&kind.local));
                }
                _ => element.kind = format!("{}, unknown", kind.local),
            }
            return;
        };
        if declared.node.is(XSD, "simpleType") {
            self.simple(declared, element);
            if !element.values.is_empty() {
                element.kind = kind.local.to_string();
            }
        } else {
            element.kind = kind.local.to_string();
            self.complex(declared, element);
        }
    }

    /// Adds a simple type: the built-in one below it, and the values to choose from.
    fn simple(&mut self, declared: Declared<'d>, element: &mut Element) {
        let node = declared.node;
        "string".clone_into(&mut element.kind);
        element.base = Some(Simple::Text);
        if let Some(restriction) = node.first(XSD, "restriction") {
            let values = restriction.all(XSD, "enumeration").filter_map(|value| value.attribute("value"));
            let values: Vec<String> = values.map(str::to_owned).collect();
            self.within(node, |walk| {
                if let Some(base) = restriction.qualified("base") {
                    walk.typed(&base, declared.namespace, element);
                } else if let Some(inner) = restriction.first(XSD, "simpleType") {
                    walk.simple(Declared { node: inner, ..declared }, element);
                }
            });
            if !values.is_empty() {
                element.values = values;
            }
        } else if let Some(list) = node.first(XSD, "list") {
            let item = list.qualified("itemType").map_or_else(|| "string".into(), |item| item.local);
            element.kind = format!("{item} values with spaces between");
        }
    }

    /// Adds a complex type: the elements and attributes that its content model allows, in order.
    fn complex(&mut self, declared: Declared<'d>, element: &mut Element) {
        let whole = self.within(declared.node, |walk| walk.particles(declared, Occurs::ONCE, element));
        element.recursive |= !whole;
    }

    /// Adds what the children of a complex type, a group or a particle allow.
    fn particles(&mut self, around: Declared<'d>, occurs: Occurs, element: &mut Element) {
        self.depth += 1;
        for node in around.node.children.iter().filter(|child| *child.name.namespace == *XSD) {
            if self.left == 0 || self.depth > DEEPEST_PARTICLE {
                element.recursive = true;
                break;
            }
            self.left -= 1;
            let here = Declared { node, ..around };
            match &*node.name.local {
                "sequence" | "all" => self.particles(here, occurs.of(node), element),
                "choice" => self.particles(here, Occurs { optional: true, ..occurs.of(node) }, element),
                "element" => {
                    let inner = self.element(here, occurs.of(node), false);
                    // What has no name, or none that XML knows, cannot be sent, nor come.
                    if !is_name(&inner.name) {
                        continue;
                    }
                    // A choice may offer one element more than once.
                    match element.elements.iter_mut().find(|known| known.name == inner.name) {
                        Some(known) => known.list = true,
                        None => element.elements.push(inner),
                    }
                }
                "any" => {
                    let Occurs { optional, list } = occurs.of(node);
                    let namespace = node.attribute("namespace").unwrap_or("##any").to_owned();
                    let kind = "any".to_owned();
                    let name = "*".to_owned();
                    element.elements.push(Element {
                        name,
                        kind,
                        namespace,
                        optional,
                        list,
                        ..Element::default()
                    });
                }
                "group" => self.referred(here, |schemas| &schemas.groups, occurs.of(node), element),
                "attributeGroup" => {
                    self.referred(here, |schemas| &schemas.attribute_groups, Occurs::ONCE, element);
                }
                "attribute" => self.attribute(here, element),
                "simpleContent" | "complexContent" => self.derived(here, element),
                _ => {}
            }
        }
        self.depth -= 1;
    }

    fn referred(
        &mut self,
        here: Declared<'d>,
        table: impl Fn(&'s Schemas<'d>) -> &'s HashMap<Name, Declared<'d>>,
        occurs: Occurs,
        element: &mut Element,
    ) {
        let name = here.node.qualified("ref");
        if let Some(declared) = name.and_then(|name| get(table(self.schemas), &name, here.namespace)) {
            self.within(declared.node, |walk| walk.particles(declared, occurs, element));
        }
    }

    fn attribute(&mut self, here: Declared<'d>, element: &mut Element) {
        let node = here.node;
        if node.attribute("use") == Some("prohibited") {
            return;
        }
        let global =
            node.qualified("ref").and_then(|name| get(&self.schemas.attributes, &name, here.namespace));
        let declared = global.unwrap_or(here);
        let name = declared.node.attribute("name").map(str::to_owned);
        // `soapenc:arrayType` says something of the element, and is none of its attributes.
        let Some(name) = name.or_else(|| node.qualified("ref").map(|name| name.local.to_string())) else {
            return;
        };
        if node.attribute_in(WSDL, "arrayType").is_some() || !is_name(&name) {
            return;
        }
        let mut attribute = Element {
            name: format!("@{name}"),
            optional: node.attribute("use") != Some("required"),
            kind: "string".to_owned(),
            base: Some(Simple::Text),
            ..Element::default()
        };
        if declared.node.attribute("type").is_some() || declared.node.first(XSD, "simpleType").is_some() {
            self.content(declared, &mut attribute);
        }
        if !element.elements.iter().any(|known| known.name == attribute.name) {
            element.elements.push(attribute);
        }
    }

    /// Adds what a type has from the type that it is derived from, then what it adds itself.
    fn derived(&mut self, content: Declared<'d>, element: &mut Element) {
        for node in &content.node.children {
            let here = Declared { node, ..content };
            let base = node.qualified("base");
            if node.is(XSD, "extension") {
                if let Some(base) = base {
                    self.based(&base, content, element);
                }
                self.particles(here, Occurs::ONCE, element);
            } else if node.is(XSD, "restriction") {
                match base {
                    Some(base) if *base.namespace == *ENCODING && *base.local == *"Array" => {
                        self.array(here, element);
                    }
                    Some(base) if content.node.is(XSD, "simpleContent") => {
                        self.based(&base, content, element)
                    }
                    _ => {}
                }
                self.particles(here, Occurs::ONCE, element);
            }
        }
    }

    /// Adds the type that another one is derived from, but keeps the name of the other.
    fn based(&mut self, base: &Name, content: Declared<'d>, element: &mut Element) {
        match get(&self.schemas.types, base, content.namespace) {
            Some(declared) if !declared.node.is(XSD, "simpleType") => self.complex(declared, element),
            None if content.node.is(XSD, "complexContent") => {
                // Nothing is known of what it has from there.
                element.recursive |= *base.namespace != *XSD;
            }
            _ => self.typed(base, content.namespace, element),
        }
    }

    /// Adds the items of an array as SOAP encodes it (SOAP 1.1 §5.4.2, WSDL 1.1 §2.2): `arrayType="tns:Row[]"`.
    fn array(&mut self, restriction: Declared<'d>, element: &mut Element) {
        let node = restriction.node;
        let written =
            node.all(XSD, "attribute").find_map(|attribute| attribute.attribute_in(WSDL, "arrayType"));
        let Some(kind) = written.and_then(|written| written.split('[').next()) else { return };
        let mut item = Element { name: "item".to_owned(), optional: true, list: true, ..Element::default() };
        self.typed(&node.resolve(kind), restriction.namespace, &mut item);
        element.elements.push(item);
    }
}
