//! The canonical form in which policies, snapshots and decisions are hashed.
//!
//! RFC 8785 (JSON Canonicalization Scheme) restricted so that no implementation has to format a number: every
//! integer is a decimal string, every decimal a normalised string, every model value a string of 12 significant
//! digits; an absent member is left out, never null. Keys are sorted by their UTF-16 code units.

use alloy::primitives::{B256, keccak256};
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

/// Why a value has no canonical form.
#[derive(Debug, Error)]
pub enum CanonicalError {
    /// The value holds a float or a null, or cannot be serialised at all.
    #[error("no canonical form: {0}")]
    NotCanonical(String),
}

/// The canonical text of `value`.
///
/// # Errors
/// [`CanonicalError`] where the value holds a float or a null.
pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, CanonicalError> {
    let value = serde_json::to_value(value).map_err(|e| CanonicalError::NotCanonical(e.to_string()))?;
    let mut text = String::with_capacity(4096);
    write(&value, &mut text)?;
    Ok(text)
}

/// Keccak-256 of the canonical text of `value`.
///
/// # Errors
/// As [`json`].
pub fn hash<T: Serialize + ?Sized>(value: &T) -> Result<B256, CanonicalError> {
    json(value).map(|text| keccak256(text.as_bytes()))
}

/// The canonical text of an object from its members: their keys, in their canonical order, and their canonical texts.
///
/// # Errors
/// [`CanonicalError`] where the keys are not in their order.
pub fn object<const N: usize>(members: [(&str, &str); N]) -> Result<String, CanonicalError> {
    if !members.iter().map(|(key, _)| key.encode_utf16()).is_sorted_by(|a, b| a.clone().lt(b.clone())) {
        return Err(CanonicalError::NotCanonical("an object whose keys are out of order".into()));
    }
    let length = members
        .iter()
        .map(|(key, text)| key.len().saturating_add(text.len()))
        .fold(64, usize::saturating_add);
    let mut out = String::with_capacity(length);
    write_all(&mut out, '{', '}', &members, |(key, text), out| {
        write_text(key, out)?;
        out.push(':');
        out.push_str(text);
        Ok(())
    })?;
    Ok(out)
}

fn write(value: &Value, out: &mut String) -> Result<(), CanonicalError> {
    match value {
        Value::Null => {
            return Err(CanonicalError::NotCanonical("a null: an absent member is left out".into()));
        }
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(n) if n.is_f64() => {
            return Err(CanonicalError::NotCanonical(format!("the float {n}: numbers are decimal strings")));
        }
        Value::Number(n) => write_text(&n.to_string(), out)?,
        Value::String(text) => write_text(text, out)?,
        Value::Array(items) => write_all(out, '[', ']', items, write)?,
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            write_all(out, '{', '}', &members, |(key, item), out| {
                write_text(key, out)?;
                out.push(':');
                write(item, out)
            })?;
        }
    }
    Ok(())
}

fn write_all<T>(
    out: &mut String,
    open: char,
    close: char,
    items: &[T],
    each: impl Fn(&T, &mut String) -> Result<(), CanonicalError>,
) -> Result<(), CanonicalError> {
    out.push(open);
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        each(item, out)?;
    }
    out.push(close);
    Ok(())
}

/// serde_json escapes as RFC 8785 §3.2.2.2 asks: short escapes, `\u00xx` in lower case, nothing else.
fn write_text(text: &str, out: &mut String) -> Result<(), CanonicalError> {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
        return Ok(());
    }
    out.push_str(&serde_json::to_string(text).map_err(|e| CanonicalError::NotCanonical(e.to_string()))?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted_and_numbers_become_strings() {
        let value = json!({"b": 1, "a": [true, {"z": "x", "y": -7}], "A": u64::MAX});
        assert_eq!(
            super::json(&value).unwrap(),
            r#"{"A":"18446744073709551615","a":[true,{"y":"-7","z":"x"}],"b":"1"}"#
        );
    }

    #[test]
    fn keys_are_sorted_by_utf16_code_units() {
        // U+FB33 sorts after U+1F600 in UTF-16 (surrogates), before it in UTF-8: RFC 8785 §3.2.3.
        let value = json!({"\u{fb33}": "late", "\u{1f600}": "early"});
        assert_eq!(super::json(&value).unwrap(), "{\"\u{1f600}\":\"early\",\"\u{fb33}\":\"late\"}");
    }

    #[test]
    fn floats_and_nulls_have_no_canonical_form() {
        assert!(super::json(&json!({"a": 0.5})).is_err());
        assert!(super::json(&json!([null])).is_err());
        assert!(super::json(&f64::NAN).is_err());
    }

    #[test]
    fn an_object_from_the_texts_of_its_members_is_the_object_itself() {
        let (a, b) = (json!([1, "x"]), json!({"d": "y", "c": true}));
        let whole = super::json(&json!({"a": a, "b": b})).unwrap();
        let (a, b) = (super::json(&a).unwrap(), super::json(&b).unwrap());
        assert_eq!(object([("a", &a), ("b", &b)]).unwrap(), whole);
        assert_eq!(whole, r#"{"a":["1","x"],"b":{"c":true,"d":"y"}}"#);
        assert!(object([("b", &b), ("a", &a)]).is_err());
        assert!(object([("a", &a), ("a", &a)]).is_err());
    }

    #[test]
    fn control_characters_are_escaped_in_lower_case() {
        assert_eq!(super::json("\u{1f}\n\"\\/\u{7f}é").unwrap(), "\"\\u001f\\n\\\"\\\\/\u{7f}é\"");
    }

    #[test]
    fn the_hash_is_keccak_of_the_text() {
        // keccak256("{}"), known from any implementation.
        assert_eq!(
            hash(&json!({})).unwrap().to_string(),
            "0xb48d38f93eaa084033fc5970bf96e559c33c4cdc07d889ab00b4d63f9590739d"
        );
    }
}
