//! Media types, as `Content-Type` states them (RFC 9110 §8.3, RFC 2045 §5.1).

/// The type itself in lower case, without parameters.
pub(super) fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A parameter's value, without quotes.
pub(super) fn parameter(content_type: &str, name: &str) -> Option<String> {
    let mut rest = content_type.split_once(';')?.1;
    loop {
        let (key, value) = rest.split_once('=')?;
        // A parameter without a value is in nobody's way.
        let key = key.rsplit(';').next().unwrap_or(key).trim();
        let mut text = String::new();
        let value = value.trim_start();
        let end = if let Some(quoted) = value.strip_prefix('"') {
            let mut characters = quoted.char_indices();
            let close = loop {
                match characters.next()? {
                    (at, '"') => break at,
                    (_, '\\') => text.extend(characters.next().map(|(_, c)| c)),
                    (_, c) => text.push(c),
                }
            };
            quoted.get(close..).and_then(|rest| rest.split_once(';'))
        } else {
            text.push_str(value.split(';').next().unwrap_or_default().trim());
            value.split_once(';')
        };
        if key.eq_ignore_ascii_case(name) {
            return Some(text);
        }
        rest = end?.1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_quoted_or_not() {
        let mtom = r#"Multipart/Related; type="application/xop+xml"; flag; start="<r;\"1>" ;boundary=uuid:1=2; charset = UTF-8"#;
        assert_eq!(essence(mtom), "multipart/related");
        for (name, value) in [
            ("type", Some("application/xop+xml")),
            ("START", Some("<r;\"1>")),
            ("boundary", Some("uuid:1=2")),
            ("charset", Some("UTF-8")),
            ("start-info", None),
        ] {
            assert_eq!(parameter(mtom, name).as_deref(), value, "{name}");
        }
        for broken in ["", "text/xml", "text/xml;", "text/xml; charset", "text/xml; a=\"b; charset=x"] {
            assert_eq!(parameter(broken, "charset"), None, "{broken}");
        }
    }
}
