//! SpecQL's short form of a schema: field names and type words.

use std::fmt;

use crate::yaml::{Node, Reader, Value};

/// One field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: FieldType,
    pub(crate) optional: bool,
}

/// A type word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FieldType {
    Text,
    Integer,
    Decimal,
    Boolean,
    Date,
    Timestamp,
    Uuid,
    Json,
    /// Of another entity: its id or its key.
    Reference(String),
    List(Box<FieldType>),
    Object(Vec<Field>),
    Enum(Vec<String>),
}

/// What the words are, for a message.
const WORDS: &str = "`text`, `string`, `integer`, `decimal`, `number`, `boolean`, `date`, `timestamp`, `uuid`, `json`, \
                     `list`, `object`, `list(TYPE)`, `enum(a, b)`, `ref(Entity)`; a `?` at the end makes the field optional";
/// How deep `list(…)` may nest.
const NESTING_MAX: u32 = 8;

/// The fields that `node` names.
pub(super) fn fields(reader: &Reader, node: &Node) -> Option<Vec<Field>> {
    let entries = reader.map(node, "a map of field names to types")?;
    let field = |(key, value): &(crate::yaml::Key, Node)| {
        let (kind, optional) = match &value.value {
            Value::Map(_) => (FieldType::Object(fields(reader, value)?), false),
            Value::Scalar(_) | Value::List(_) => reader.parsed(value, WORDS, field_type)?,
        };
        Some(Field { name: key.text.clone(), kind, optional })
    };
    Some(entries.iter().filter_map(field).collect())
}

fn field_type(text: &str) -> Result<(FieldType, bool), NotAType> {
    let (word, optional) = text.strip_suffix('?').map_or((text, false), |word| (word, true));
    parse(word.trim(), NESTING_MAX).map(|kind| (kind, optional)).ok_or(NotAType)
}

/// A text is no type word.
struct NotAType;

impl fmt::Display for NotAType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is not a type")
    }
}

fn parse(word: &str, nesting: u32) -> Option<FieldType> {
    let inside = |name: &str| word.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')').map(str::trim);
    if nesting == 0 {
        return None;
    }
    if let Some(element) = inside("list") {
        return parse(element, nesting - 1).map(|element| FieldType::List(Box::new(element)));
    }
    if let Some(entity) = inside("ref").filter(|entity| is_word(entity)) {
        return Some(FieldType::Reference(entity.to_owned()));
    }
    if let Some(values) = inside("enum") {
        let values: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
        return (values.iter().all(|value| !value.is_empty())).then_some(FieldType::Enum(values));
    }
    Some(match word {
        "text" | "string" => FieldType::Text,
        "integer" => FieldType::Integer,
        "decimal" | "number" => FieldType::Decimal,
        "boolean" => FieldType::Boolean,
        "date" => FieldType::Date,
        "timestamp" => FieldType::Timestamp,
        "uuid" => FieldType::Uuid,
        "json" => FieldType::Json,
        "list" => FieldType::List(Box::new(FieldType::Json)),
        "object" => FieldType::Object(Vec::new()),
        _ => return None,
    })
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.')
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text"),
            Self::Integer => f.write_str("an integer"),
            Self::Decimal => f.write_str("a number"),
            Self::Boolean => f.write_str("a boolean"),
            Self::Date => f.write_str("a date (YYYY-MM-DD)"),
            Self::Timestamp => f.write_str("a timestamp (YYYY-MM-DDThh:mm:ss with an offset)"),
            Self::Uuid => f.write_str("a UUID"),
            Self::Json => f.write_str("any JSON value"),
            Self::Reference(entity) => write!(f, "the id of a `{entity}`"),
            Self::List(element) => write!(f, "a list whose elements are {element}"),
            Self::Object(_) => f.write_str("an object"),
            Self::Enum(values) => {
                let values: Vec<&str> = values.iter().map(String::as_str).collect();
                write!(f, "one of {}", crate::yaml::one_of(&values))
            }
        }
    }
}

/// Whether jobs that fit have a text under `name`.
pub(super) fn requires_text(fields: &[Field], name: &str) -> Result<(), &'static str> {
    match fields.iter().find(|field| field.name == name) {
        Some(field) if field.kind == FieldType::Text && !field.optional => Ok(()),
        Some(_) => Err("is not a required text"),
        None => Err("is not there"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_word_parses_and_others_do_not() {
        for word in [
            "text",
            "string?",
            "list(list(uuid))",
            "enum(a, b)",
            "ref(Order)",
            "ref(crm.Order)?",
            "object",
            "list",
        ] {
            assert!(field_type(word).is_ok(), "{word}");
        }
        for word in ["", "?", "int", "list(", "list()", "enum()", "enum(a,,b)", "ref()", "ref(a b)", "text??"]
        {
            assert!(field_type(word).is_err(), "{word}");
        }
        let deep = format!("{}text{}", "list(".repeat(9), ")".repeat(9));
        assert!(field_type(&deep).is_err());
    }
}
