//! Text that Postgres can keep.
//!
//! Neither `text` nor `jsonb` can hold the NUL character, and what a job says must not be able to make the INSERT of
//! its own record fail. So NUL becomes U+FFFD, and in an object the exact text stands beside it in base64.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

/// `text` without NUL.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// Whether a string or a key anywhere in `value` has a NUL.
pub(super) fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(entries) => entries.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// `value` without NUL; a member `key` that had one gets its exact text beside it as `key_base64`.
pub(super) fn json(value: &Value) -> Cow<'_, Value> {
    if has_nul(value) { Cow::Owned(cleaned(value)) } else { Cow::Borrowed(value) }
}

fn cleaned(value: &Value) -> Value {
    match value {
        Value::String(string) => Value::String(text(string).into_owned()),
        Value::Array(items) => Value::Array(items.iter().map(cleaned).collect()),
        Value::Object(entries) => Value::Object(cleaned_entries(entries)),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn cleaned_entries(entries: &Map<String, Value>) -> Map<String, Value> {
    let mut clean = Map::new();
    for (key, value) in entries {
        let key = text(key);
        let exact = format!("{key}_base64");
        if let Value::String(string) = value
            && string.contains('\0')
            && !entries.contains_key(&exact)
        {
            clean.insert(exact, Value::String(STANDARD.encode(string)));
        }
        clean.insert(key.into_owned(), cleaned(value));
    }
    clean
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nul_is_replaced_and_the_exact_text_stands_beside_it() {
        let value = json!({"out": "a\0b", "list": ["\0"], "k\0": 1, "plain": "x"});
        let expected = json!({"out": "a\u{fffd}b", "out_base64": "YQBi", "list": ["\u{fffd}"], "k\u{fffd}": 1, "plain": "x"});
        assert_eq!(*json(&value), expected);
    }

    #[test]
    fn what_has_no_nul_is_left_alone() {
        let value = json!({"out": "a\u{1}b", "out_base64": "kept"});
        assert!(matches!(json(&value), Cow::Borrowed(_)));
    }

    #[test]
    fn a_base64_that_is_already_there_is_kept() {
        let value = json!({"out": "a\0", "out_base64": "mine"});
        assert_eq!(*json(&value), json!({"out": "a\u{fffd}", "out_base64": "mine"}));
    }
}
