//! Where two records differ.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A place at which two JSON values differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Path of the place, as in `pools[0].state.liquidity`; empty for the whole.
    pub path: String,
    /// What the first one says there; absent where it says nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first: Option<String>,
    /// What the second one says there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub second: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |side: &Option<String>| side.clone().unwrap_or_else(|| "nothing".to_owned());
        let path = if self.path.is_empty() { "the whole" } else { &self.path };
        write!(f, "{path}: {} against {}", said(&self.first), said(&self.second))
    }
}

/// The first place at which two values differ, members in the order of their keys; `None` where they are equal.
#[must_use]
pub fn first_difference(first: &Value, second: &Value) -> Option<Difference> {
    between(String::new(), Some(first), Some(second))
}

fn between(path: String, first: Option<&Value>, second: Option<&Value>) -> Option<Difference> {
    match (first, second) {
        (first, second) if first == second => None,
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let mut keys: Vec<_> = a.keys().chain(b.keys()).collect();
            keys.sort();
            keys.into_iter().find_map(|key| {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                between(path, a.get(key), b.get(key))
            })
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            (0..a.len().max(b.len())).find_map(|i| between(format!("{path}[{i}]"), a.get(i), b.get(i)))
        }
        (first, second) => Some(Difference { path, first: first.map(said), second: second.map(said) }),
    }
}

/// A value in few words.
fn said(value: &Value) -> String {
    const MOST: usize = 120;
    if value.is_null() {
        return "nothing".to_owned();
    }
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if text.chars().count() <= MOST { text } else { text.chars().take(MOST).chain("…".chars()).collect() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_place_is_named_with_both_sides() {
        let first = json!({ "b": [1, { "c": "x" }], "a": { "z": "1" } });
        assert_eq!(first_difference(&first, &first), None);
        for (second, shown) in [
            (json!({ "b": [1, { "c": "y" }], "a": { "z": "1" } }), "b[1].c: x against y"),
            (json!({ "b": [1], "a": { "z": "1" } }), "b[1]: {\"c\":\"x\"} against nothing"),
            (json!({ "b": [2, { "c": "y" }], "a": { "z": "2" } }), "a.z: 1 against 2"),
            (json!({ "b": [1, { "c": "x" }], "a": {}, "c": null }), "a.z: 1 against nothing"),
            (json!({ "b": null, "a": { "z": "1" } }), "b: [1,{\"c\":\"x\"}] against nothing"),
            (json!(7), "the whole: {\"a\":{\"z\":\"1\"},\"b\":[1,{\"c\":\"x\"}]} against 7"),
        ] {
            assert_eq!(first_difference(&first, &second).unwrap().to_string(), shown);
        }
        let long = Difference { path: "x".into(), first: Some(said(&json!("é".repeat(500)))), second: None };
        assert_eq!(long.first.unwrap().chars().count(), 121);
    }
}
