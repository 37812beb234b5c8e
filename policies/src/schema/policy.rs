//! A policy file.

use serde_json::{Value, json};

use super::clauses::clauses;
use super::pattern::POLICY_NAME;
use super::{DIALECT, Keys, integer, text};

/// The JSON Schema of policy files.
pub fn policy_schema() -> Value {
    let keys = Keys::new("What jobs may do. What no policy says is closed.")
        .required("policy", "Its name: lower-case letters, digits and `-`, a letter first.", text(POLICY_NAME))
        .key("version", "A whole number; the record keeps it.", integer(1..=u64::from(u32::MAX)))
        .key("description", "For people.", json!({"type": "string"}))
        .key("extends", "The policy that this one tightens.", text(POLICY_NAME))
        .key(
            "abstract",
            "`true`: what this policy does not say is for those that extend it to say. Else it is closed to them too.",
            json!({"type": "boolean", "default": false}),
        );
    let mut schema = clauses(keys).schema();
    if let Value::Object(object) = &mut schema {
        object.insert("$schema".to_owned(), DIALECT.into());
        object.insert("$id".to_owned(), "urn:stockade:policy".into());
        object.insert("title".to_owned(), "Stockade policy".into());
    }
    schema
}
