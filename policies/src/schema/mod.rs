//! JSON Schema (2020-12) of policies and registries, for editors. Ranges and words are those of the decoder; tests
//! hold the keys against it. What JSON Schema cannot say, the decoder says.

mod clauses;
mod pattern;
mod policy;
mod registry;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use pattern::Form;
pub use policy::policy_schema;
pub use registry::registry_schema;

/// The dialect; JSON Schema Core, 8.1.1.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A map with these keys and no others.
struct Keys {
    description: &'static str,
    properties: Map<String, Value>,
    required: Vec<&'static str>,
    rules: Vec<Value>,
}

impl Keys {
    fn new(description: &'static str) -> Self {
        Self { description, properties: Map::new(), required: Vec::new(), rules: Vec::new() }
    }

    /// A key, its schema, and what it says.
    fn key(mut self, key: &str, description: &str, schema: Value) -> Self {
        let mut schema = schema;
        if let Value::Object(object) = &mut schema {
            object.insert("description".to_owned(), description.into());
        }
        self.properties.insert(key.to_owned(), schema);
        self
    }

    /// A key that must be there.
    fn required(mut self, key: &'static str, description: &str, schema: Value) -> Self {
        self.required.push(key);
        self.key(key, description, schema)
    }

    /// What holds between keys.
    fn rule(mut self, rule: Value) -> Self {
        self.rules.push(rule);
        self
    }

    /// Two keys that say the same.
    fn not_both(self, one: &str, other: &str) -> Self {
        self.rule(json!({"not": {"required": [one, other]}}))
    }

    fn schema(self) -> Value {
        let mut schema = json!({
            "type": "object",
            "description": self.description,
            "additionalProperties": false,
            "properties": self.properties,
        });
        if let Value::Object(object) = &mut schema {
            if !self.required.is_empty() {
                object.insert("required".to_owned(), self.required.into());
            }
            if !self.rules.is_empty() {
                object.insert("allOf".to_owned(), self.rules.into());
            }
        }
        schema
    }
}

/// A text of this form. `patternErrorMessage` is what yaml-language-server says of one that is not; to others it is an
/// annotation.
fn text(form: Form) -> Value {
    json!({
        "type": "string",
        "pattern": form.pattern,
        "patternErrorMessage": format!("expected {}", form.what),
    })
}

/// One of these words.
fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> Value {
    json!({"enum": words.into_iter().collect::<Vec<_>>()})
}

/// A whole number.
fn integer(range: std::ops::RangeInclusive<u64>) -> Value {
    json!({"type": "integer", "minimum": range.start(), "maximum": range.end()})
}

/// Thousandths, as a decimal number.
fn thousandths(range: std::ops::RangeInclusive<u64>) -> Value {
    // At most seven digits: exact in a double.
    let decimal = |value: &u64| f64::from(u32::try_from(*value).unwrap_or(u32::MAX)) / 1000.0;
    json!({"type": "number", "minimum": decimal(range.start()), "maximum": decimal(range.end())})
}

/// A list in which nothing stands twice.
fn list(items: Value, most: usize) -> Value {
    json!({"type": "array", "items": items, "uniqueItems": true, "maxItems": most})
}
