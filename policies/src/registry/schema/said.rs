//! What a value fails, in our words: the place, what is there, what was expected.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::{Location, LocationSegment};
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use crate::registry::input::{ERRORS_MAX, InputError, below, describe};
use crate::yaml::{one_of, visible};

/// Of a larger value, bytes of JSON, the errors are not collected: they can be many times as large.
const EXPLAINED_MAX: u64 = 256 * 1024;
/// Alternatives of which it is said why they do not fit.
const ALTERNATIVES_MAX: usize = 4;
/// Values of an `enum` that are named.
const VALUES_MAX: usize = 12;
/// A message in the words of the schema, characters.
const WORDS_MAX: usize = 200;

/// Everything that `value` fails. `key` names the schema.
pub(super) fn errors(validator: &Validator, value: &Value, size: u64, key: &str) -> Vec<InputError> {
    if size > EXPLAINED_MAX {
        let message = format!(
            "does not fit `{key}`; where, is looked for in up to {EXPLAINED_MAX} bytes of JSON, and it is {size}"
        );
        return vec![InputError { field: String::new(), message }];
    }
    let mut said = Vec::new();
    for error in validator.iter_errors(value) {
        if said.len() >= ERRORS_MAX {
            break;
        }
        say(&error, key, &mut said);
    }
    said.truncate(ERRORS_MAX);
    said
}

fn say(error: &ValidationError<'_>, key: &str, said: &mut Vec<InputError>) {
    let at = place(error.instance_path());
    let mut push = |field: String, message: String| said.push(InputError { field, message });
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            push(below(&at, name), "is missing".to_owned());
        }
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            for name in unexpected.iter().take(ERRORS_MAX) {
                push(below(&at, name), format!("is not in the operation's `{key}`"));
            }
        }
        _ => push(at, message(error)),
    }
}

fn message(error: &ValidationError<'_>) -> String {
    let found = describe(error.instance());
    match error.kind() {
        ValidationErrorKind::Type { kind } => format!("is {found}, expected {}", types(kind)),
        ValidationErrorKind::Enum { options } => format!("is {found}, expected {}", values(options)),
        ValidationErrorKind::Constant { expected_value } => {
            format!("is {found}, expected {}", short(&expected_value.to_string()))
        }
        ValidationErrorKind::Format { format } => format!("is {found}, expected the format `{format}`"),
        ValidationErrorKind::FalseSchema => format!("is {found}, and nothing is allowed there"),
        ValidationErrorKind::AnyOf { context } => {
            format!("is {found}, which fits none of `anyOf`: {}", alternatives(context))
        }
        ValidationErrorKind::OneOfNotValid { context } => {
            format!("is {found}, which fits none of `oneOf`: {}", alternatives(context))
        }
        ValidationErrorKind::PropertyNames { error } => {
            format!("has a name that `propertyNames` does not take: it {}", short(&message(error)))
        }
        _ => format!("is {found}: {}", short(&error.masked_with("it").to_string())),
    }
}

/// Why each alternative does not fit; the first reason of each.
fn alternatives(context: &[Vec<ValidationError<'static>>]) -> String {
    let reason = |errors: &Vec<ValidationError<'static>>| {
        let mut said = Vec::new();
        errors.first().into_iter().for_each(|error| say_flat(error, &mut said));
        said.concat()
    };
    let reasons: Vec<String> = context.iter().take(ALTERNATIVES_MAX).map(reason).collect();
    let more = if context.len() > ALTERNATIVES_MAX { ", or others" } else { "" };
    format!("{}{more}", reasons.join(", or "))
}

/// As [`say`], without going into alternatives of alternatives.
fn say_flat(error: &ValidationError<'_>, said: &mut Vec<String>) {
    let at = place(error.instance_path());
    let words = match error.kind() {
        ValidationErrorKind::Type { kind } => format!("expected {}", types(kind)),
        ValidationErrorKind::Enum { options } => format!("expected {}", values(options)),
        _ => short(&error.masked_with("it").to_string()),
    };
    said.push(if at.is_empty() { words } else { format!("`{at}`: {words}") });
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(kind) => format!("type `{kind}`"),
        TypeKind::Multiple(kinds) => {
            let names: Vec<String> = kinds.iter().map(|kind| kind.to_string()).collect();
            format!("one of the types {}", one_of(&names.iter().map(String::as_str).collect::<Vec<_>>()))
        }
    }
}

fn values(options: &Value) -> String {
    let all = options.as_array().map(Vec::as_slice).unwrap_or_default();
    let shown: Vec<String> = all.iter().take(VALUES_MAX).map(|value| short(&value.to_string())).collect();
    let more = if all.len() > VALUES_MAX { ", …" } else { "" };
    format!("one of {}{more}", shown.join(", "))
}

/// `/tags/2/name` as `tags[2].name`.
fn place(path: &Location) -> String {
    path.iter().fold(String::new(), |at, segment| match segment {
        LocationSegment::Property(name) => below(&at, &name),
        LocationSegment::Index(index) => format!("{at}[{index}]"),
    })
}

/// Words that are not ours, short enough for a message and without what moves a cursor.
pub(super) fn short(text: &str) -> String {
    let shown: String = text.chars().take(WORDS_MAX).map(visible).collect();
    if text.chars().nth(WORDS_MAX).is_some() { format!("{shown}…") } else { shown }
}
