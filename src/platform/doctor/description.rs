//! The configured request, held against what the service says of itself.

use crate::fault::{Fault, Kind, Result, nearest, shown};
use crate::platform::Platform;
use crate::platform::wsdl::Wsdl;

/// Says how far `wsdl` and the configuration agree.
///
/// # Errors
/// [`Kind::Configuration`], naming the key of `[platform]` that does not fit.
pub(super) fn check(wsdl: &Wsdl, platform: &Platform) -> Result<String> {
    let fault = |key: &str, what: &str| Fault::new(Kind::Configuration, what).at(format!("[platform{key}"));
    let name = platform.operation();
    let named =
        wsdl.operations.iter().filter(|operation| operation.name == name || operation.element == name);
    let of_action = named.clone().find(|operation| operation.action == platform.action);
    let Some(operation) = of_action.or_else(|| named.clone().next()) else {
        let names = || wsdl.operations.iter().map(|operation| operation.name.as_str());
        let fault = fault(".request] operation", "the WSDL has no such operation")
            .value(name)
            .expected(listed(names()));
        return Err(match nearest(name, names()) {
            Some(near) => fault.next(format!("did you mean {near}?")),
            None => fault.next("name an operation of this service, or correct [platform] endpoint"),
        });
    };
    if operation.namespace != platform.namespace {
        return Err(fault("] namespace", "this is not the namespace of the operation")
            .value(&platform.namespace)
            .expected(&operation.namespace)
            .next("copy it from the WSDL, to the last slash"));
    }
    let versions: Vec<&str> = operation.soap.iter().map(|soap| soap.name()).collect();
    if !operation.soap.contains(&platform.soap) {
        return Err(fault("] soap", "the WSDL has no binding of the operation for this version of SOAP")
            .value(platform.soap.name())
            .expected(versions.join(" or "))
            .next("set [platform] soap to what the service speaks"));
    }
    if operation.action != platform.action && !operation.action.is_empty() {
        return Err(fault(".request] action", "the WSDL names another SOAP action for the operation")
            .value(&platform.action)
            .expected(&operation.action)
            .next("set [platform.request] action to what the WSDL says"));
    }
    let notes: String = wsdl.notes.iter().map(|note| format!("\nnote: {note}")).collect();
    Ok(format!(
        "a WSDL with {} operations, among them {name} (SOAP {}); namespace and action agree{notes}",
        wsdl.operations.len(),
        versions.join(" and ")
    ))
}

/// As many names as a message holds.
fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    const MOST: usize = 12;
    let names: Vec<String> = names.map(shown).collect();
    let text = names.get(..MOST).unwrap_or(&names).join(", ");
    if names.len() > MOST { format!("{text}, …") } else { text }
}
