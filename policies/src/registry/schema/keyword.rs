//! The keywords of JSON Schema, and what stands under each (JSON Schema 2020-12, Core 10 and Validation 6; draft-07).

use super::dialect::Dialect::{self, Draft7, Draft202012};

/// What stands under a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Under {
    /// A schema.
    Schema,
    /// A list of schemas.
    Schemas,
    /// Draft-07's `items`: a schema, or a list of them.
    SchemaOrSchemas,
    /// A map of schemas.
    NamedSchemas,
    /// A map of schemas whose names are patterns.
    PatternSchemas,
    /// Draft-07's `dependencies`: a map of schemas or lists of names.
    Dependencies,
    /// One or more names of types.
    Types,
    /// A whole number, not below zero.
    Count,
    /// A number.
    Number,
    /// A number above zero.
    Positive,
    /// `true` or `false`.
    Flag,
    /// A regular expression.
    Pattern,
    /// A name that says what a text is.
    Format,
    /// A list of names, each once.
    Names,
    /// A map of lists of names.
    NamesByName,
    /// A list of values, each once.
    Values,
    /// Any value.
    Value,
    /// `#` and the way to a schema of the same document.
    Reference,
    /// Words for people.
    Text,
}

/// The keywords of `dialect`, without `$schema`.
pub(super) fn keywords(dialect: Dialect) -> impl Iterator<Item = (&'static str, Under)> {
    KEYWORDS
        .iter()
        .filter(move |(.., only)| only.is_none_or(|only| only == dialect))
        .map(|(keyword, under, _)| (*keyword, *under))
}

/// Each keyword, what stands under it, and the dialect that alone has it. Those that change what other keywords mean
/// (`$id` below the top, `$anchor`, `$dynamicRef`, `$vocabulary`), and those that check nothing here (`contentEncoding`),
/// are left out.
const KEYWORDS: [(&str, Under, Option<Dialect>); 52] = [
    ("$ref", Under::Reference, None),
    ("$comment", Under::Text, None),
    ("$defs", Under::NamedSchemas, Some(Draft202012)),
    ("definitions", Under::NamedSchemas, None),
    ("title", Under::Text, None),
    ("description", Under::Text, None),
    ("default", Under::Value, None),
    ("examples", Under::Value, None),
    ("deprecated", Under::Flag, Some(Draft202012)),
    ("readOnly", Under::Flag, None),
    ("writeOnly", Under::Flag, None),
    ("type", Under::Types, None),
    ("enum", Under::Values, None),
    ("const", Under::Value, None),
    ("multipleOf", Under::Positive, None),
    ("maximum", Under::Number, None),
    ("exclusiveMaximum", Under::Number, None),
    ("minimum", Under::Number, None),
    ("exclusiveMinimum", Under::Number, None),
    ("maxLength", Under::Count, None),
    ("minLength", Under::Count, None),
    ("pattern", Under::Pattern, None),
    ("format", Under::Format, None),
    ("maxItems", Under::Count, None),
    ("minItems", Under::Count, None),
    ("uniqueItems", Under::Flag, None),
    ("items", Under::Schema, Some(Draft202012)),
    ("items", Under::SchemaOrSchemas, Some(Draft7)),
    ("prefixItems", Under::Schemas, Some(Draft202012)),
    ("additionalItems", Under::Schema, Some(Draft7)),
    ("unevaluatedItems", Under::Schema, Some(Draft202012)),
    ("contains", Under::Schema, None),
    ("maxContains", Under::Count, Some(Draft202012)),
    ("minContains", Under::Count, Some(Draft202012)),
    ("maxProperties", Under::Count, None),
    ("minProperties", Under::Count, None),
    ("required", Under::Names, None),
    ("properties", Under::NamedSchemas, None),
    ("patternProperties", Under::PatternSchemas, None),
    ("additionalProperties", Under::Schema, None),
    ("unevaluatedProperties", Under::Schema, Some(Draft202012)),
    ("propertyNames", Under::Schema, None),
    ("dependentRequired", Under::NamesByName, Some(Draft202012)),
    ("dependentSchemas", Under::NamedSchemas, Some(Draft202012)),
    ("dependencies", Under::Dependencies, Some(Draft7)),
    ("allOf", Under::Schemas, None),
    ("anyOf", Under::Schemas, None),
    ("oneOf", Under::Schemas, None),
    ("not", Under::Schema, None),
    ("if", Under::Schema, None),
    ("then", Under::Schema, None),
    ("else", Under::Schema, None),
];
