//! JSON Schemas: read strictly, bounded, and compiled once, when services load.
//!
//! How long a check takes must depend on the schema and on the length of what is checked, and on nothing else: patterns
//! are matched in linear time, no schema refers to itself, and what references add up to has a bound. Nothing is fetched:
//! a reference leads to a place in the same document.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use jsonschema::{PatternCache, PatternOptions, ValidationOptions, Validator};
use serde_json::{Value, json};

use super::MARK;
use super::dialect::Dialect;
use super::said;
use super::walk::Walk;
use crate::registry::input::InputError;
use crate::yaml::{Node, Reader};

/// Schemas that the JSON Schemas of one file come to, every reference written out.
const SCHEMAS_MAX: u32 = 100_000;
/// Different patterns in the JSON Schemas of one file.
const PATTERNS_MAX: usize = 300;
/// A compiled pattern, bytes.
const PATTERN_BYTES_MAX: usize = 128 * 1024;

/// Compiles the schemas of one file.
#[derive(Debug)]
pub(crate) struct Compiler {
    patterns: PatternCache,
    /// Each pattern so far, and whether it is taken.
    tried: RefCell<HashMap<(Dialect, String), bool>>,
    schemas_left: Cell<u32>,
}

/// A schema that is ready to check values.
#[derive(Debug, Clone)]
pub(crate) struct JsonSchema {
    source: Arc<Value>,
    validator: Arc<Validator>,
}

impl PartialEq for JsonSchema {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for JsonSchema {}

impl Default for Compiler {
    fn default() -> Self {
        Self {
            patterns: PatternCache::new(),
            tried: RefCell::default(),
            schemas_left: Cell::new(SCHEMAS_MAX),
        }
    }
}

impl Compiler {
    /// The schema at `node`, which has a [`MARK`].
    pub(super) fn compile(&self, reader: &Reader, node: &Node) -> Option<JsonSchema> {
        let (_, mark) = super::entry(node, MARK)?;
        let dialect = Dialect::decode(reader, mark)?;
        let schemas = Walk::of(reader, dialect, self, node)?;
        if !take(&self.schemas_left, schemas) {
            let message = format!("the JSON Schemas of this file come to more than {SCHEMAS_MAX} schemas");
            reader.report(reader.at(node.span).error("schema-too-large", message));
            return None;
        }
        let mut source = node.to_json();
        if let Value::Object(members) = &mut source {
            members.remove(MARK);
            members.remove("$id");
        }
        match self.options(dialect).build(&source) {
            Ok(validator) => Some(JsonSchema { source: Arc::new(source), validator: Arc::new(validator) }),
            Err(error) => {
                let message =
                    format!("this is not a JSON Schema: {}", said::short(&error.masked().to_string()));
                reader.report(reader.at(node.span).error("bad-schema", message));
                None
            }
        }
    }

    pub(super) fn options(&self, dialect: Dialect) -> ValidationOptions<'static> {
        let patterns =
            PatternOptions::regex().size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX);
        jsonschema::options()
            .with_draft(dialect.draft())
            .offline()
            .should_validate_formats(true)
            .with_pattern_options(patterns)
            .with_pattern_cache(self.patterns.clone())
    }

    /// Whether `pattern` can be matched in linear time; `None` if the file has too many to try.
    pub(super) fn takes_pattern(&self, dialect: Dialect, pattern: &str) -> Option<bool> {
        let mut tried = self.tried.borrow_mut();
        let pattern = (dialect, pattern.to_owned());
        if let Some(taken) = tried.get(&pattern) {
            return Some(*taken);
        }
        if tried.len() >= PATTERNS_MAX {
            return None;
        }
        let taken = self.options(dialect).build(&json!({ "pattern": pattern.1 })).is_ok();
        tried.insert(pattern, taken);
        Some(taken)
    }
}

/// Takes `amount` from what is left, if that much is.
fn take(left: &Cell<u32>, amount: u32) -> bool {
    let rest = left.get().checked_sub(amount);
    left.set(rest.unwrap_or(0));
    rest.is_some()
}

impl JsonSchema {
    /// Everything about `value`, which is `size` bytes of JSON, that the schema does not take.
    pub(crate) fn check(&self, value: &Value, size: u64, key: &str) -> Vec<InputError> {
        if self.validator.is_valid(value) {
            Vec::new()
        } else {
            said::errors(&self.validator, value, size, key)
        }
    }

    /// Whether values that fit have a text under `name`, as far as the top of the schema says so.
    pub(super) fn requires_text(&self, name: &str) -> Result<(), &'static str> {
        let property = self.source.get("properties").and_then(|properties| properties.get(name));
        let required = self.source.get("required").and_then(Value::as_array);
        match property {
            None => Err("is not there"),
            Some(property) if property.get("type").is_some_and(|kind| kind == "string") => {
                let required = required.is_some_and(|names| names.iter().any(|required| required == name));
                if required { Ok(()) } else { Err("is not a required text") }
            }
            Some(_) => Err("is not a required text"),
        }
    }
}
