//! What an operation's input and output look like: SpecQL's short form, or JSON Schema.
//!
//! A map with the key `$schema` is a JSON Schema, any other is the short form. The two cannot be taken for each other:
//! what stands under `$schema` is the address of a dialect, and that is no type word.

mod dialect;
mod graph;
mod json;
mod keyword;
mod said;
mod short;
#[cfg(test)]
mod tests;
mod walk;

use crate::yaml::{Key, Node, Reader, Value, shorten};
pub(crate) use json::{Compiler, JsonSchema};
pub(crate) use short::{Field, FieldType};

/// What makes a map a JSON Schema.
const MARK: &str = "$schema";

/// What values must look like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Schema {
    /// Nobody said.
    #[default]
    Any,
    /// An object with these fields and no others.
    Short(Vec<Field>),
    /// What a JSON Schema takes.
    Json(JsonSchema),
}

impl Schema {
    pub(crate) fn decode(reader: &Reader, node: Option<&Node>, compiler: &Compiler) -> Self {
        let Some(node) = node else { return Self::Any };
        let schema = match is_json_schema(node) {
            true => compiler.compile(reader, node).map(Self::Json),
            false => {
                warn_of_a_missing_mark(reader, node);
                short::fields(reader, node).map(Self::Short)
            }
        };
        schema.unwrap_or_default()
    }

    /// Reports, at `node`, that not every job that fits has a text under `name`.
    pub(crate) fn require_text_field(&self, reader: &Reader, node: &Node, name: &str) {
        let (found, help) = match self {
            Self::Any => return,
            Self::Short(fields) => {
                (short::requires_text(fields, name), format!("declare `{}: text`", shorten(name)))
            }
            Self::Json(schema) => {
                let name = shorten(name);
                let help = format!(
                    "declare `{name}: {{type: string}}` under `properties`, and `{name}` under `required`"
                );
                (schema.requires_text(&name), help)
            }
        };
        if let Err(why) = found {
            let message = format!("the field `{}` of `input_schema` {why}", shorten(name));
            reader.report(reader.at(node.span).error("unknown-field", message).help(help));
        }
    }
}

fn entry<'n>(node: &'n Node, name: &str) -> Option<&'n (Key, Node)> {
    match &node.value {
        Value::Map(entries) => entries.iter().find(|(key, _)| key.text == name),
        Value::Scalar(_) | Value::List(_) => None,
    }
}

fn is_json_schema(node: &Node) -> bool {
    entry(node, MARK).is_some()
}

/// Fields called `type` and `properties` may be meant, but hardly ever are.
fn warn_of_a_missing_mark(reader: &Reader, node: &Node) {
    let (Some((key, _)), Some((_, properties))) = (entry(node, "type"), entry(node, "properties")) else {
        return;
    };
    if matches!(properties.value, Value::Map(_)) {
        let message = "this is read as two fields called `type` and `properties`";
        let help = format!("if it is meant as a JSON Schema, say so: `{MARK}: {}`", dialect::NEWEST);
        reader.report(reader.at(key.span).error("looks-like-json-schema", message).help(help).warning());
    }
}
