//! What a job is given and what it leaves, against the schemas of its operation.

use std::fmt;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Map, Value};

use super::schema::{Field, FieldType, Schema};

/// The largest input of a job, bytes of JSON.
pub(crate) const INPUT_MAX: u64 = 16 * 1024 * 1024;
/// More errors of one value are not listed.
pub(super) const ERRORS_MAX: usize = 32;
/// How deep lists and objects may nest in what is checked.
const DEPTH_MAX: u32 = 100;

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// What a job is given.
    Input,
    /// What it leaves.
    Result,
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Result => "result",
        }
    }

    /// The key of an operation under which its schema stands.
    fn key(self) -> &'static str {
        match self {
            Self::Input => "input_schema",
            Self::Result => "output_schema",
        }
    }
}

/// One thing wrong with a job's input or result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InputError {
    /// The field, with dots and indices (`lines[2].price`); empty for the whole.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// What is wrong with a job's input or result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct InputErrors {
    #[serde(skip)]
    subject: Subject,
    errors: Vec<InputError>,
}

impl InputErrors {
    /// One error of an input.
    pub(crate) fn one(field: &str, message: impl Into<String>) -> Self {
        Self::about(Subject::Input, field, message)
    }

    fn about(subject: Subject, field: &str, message: impl Into<String>) -> Self {
        Self { subject, errors: vec![InputError { field: field.to_owned(), message: message.into() }] }
    }

    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, InputError> {
        self.errors.iter()
    }
}

impl fmt::Display for InputErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.subject.name();
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            match error.field.as_str() {
                "" => write!(f, "the {subject} {}", error.message)?,
                field => write!(f, "{subject} field `{field}` {}", error.message)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for InputErrors {}

/// Whether `value` is what `schema` asks for. The short form asks for an object; what is missing as a whole is an empty
/// one. Without a schema an input is any object, and a result anything.
pub(crate) fn check(schema: &Schema, subject: Subject, value: &Value) -> Result<(), InputErrors> {
    if is_deeper(value, DEPTH_MAX) {
        let message = format!("is nested deeper than {DEPTH_MAX} levels");
        return Err(InputErrors::about(subject, "", message));
    }
    let size = json_size(value);
    if size > INPUT_MAX {
        let message = format!("is {size} bytes of JSON, at most {INPUT_MAX} are allowed");
        return Err(InputErrors::about(subject, "", message));
    }
    let empty = Value::Object(Map::new());
    let value = if value.is_null() && subject == Subject::Input { &empty } else { value };
    let errors = match (schema, value) {
        (Schema::Json(schema), value) => schema.check(value, size, subject.key()),
        (Schema::Short(fields), Value::Object(object)) => {
            let mut errors = Errors { subject, found: Vec::new() };
            errors.object(fields, object, "");
            errors.found
        }
        (Schema::Any, Value::Object(_)) => Vec::new(),
        (Schema::Any, _) if subject == Subject::Result => Vec::new(),
        (Schema::Any | Schema::Short(_), other) => {
            let message = format!("is {}, expected an object", describe(other));
            vec![InputError { field: String::new(), message }]
        }
    };
    if errors.is_empty() { Ok(()) } else { Err(InputErrors { subject, errors }) }
}

/// Whether `value` has a list or an object more than `left` levels down. Goes no deeper than that itself.
fn is_deeper(value: &Value, left: u32) -> bool {
    let mut inner: Box<dyn Iterator<Item = &Value>> = match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(object) => Box::new(object.values()),
        _ => return false,
    };
    left == 0 || inner.any(|value| is_deeper(value, left - 1))
}

struct Errors {
    subject: Subject,
    found: Vec<InputError>,
}

impl Errors {
    fn push(&mut self, field: &str, message: String) {
        if self.found.len() < ERRORS_MAX {
            self.found.push(InputError { field: field.to_owned(), message });
        }
    }

    fn object(&mut self, fields: &[Field], object: &Map<String, Value>, path: &str) {
        for field in fields {
            let path = below(path, &field.name);
            match object.get(&field.name).filter(|value| !value.is_null()) {
                Some(value) => self.value(&field.kind, value, &path),
                None if field.optional => {}
                None => self.push(&path, format!("is missing, expected {}", field.kind)),
            }
        }
        let key = self.subject.key();
        for name in object.keys().filter(|name| !fields.iter().any(|field| field.name == **name)) {
            self.push(&below(path, name), format!("is not in the operation's `{key}`"));
        }
    }

    fn value(&mut self, kind: &FieldType, value: &Value, path: &str) {
        match (kind, value) {
            (FieldType::List(element), Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(element, item, &format!("{path}[{index}]"));
                }
            }
            (FieldType::Object(fields), Value::Object(object)) if !fields.is_empty() => {
                self.object(fields, object, path);
            }
            _ if fits(kind, value) => {}
            _ => self.push(path, format!("is {}, expected {kind}", describe(value))),
        }
    }
}

pub(super) fn below(path: &str, name: &str) -> String {
    let name = crate::yaml::shorten(name);
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

fn fits(kind: &FieldType, value: &Value) -> bool {
    match (kind, value) {
        (FieldType::Json, _)
        | (FieldType::Text, Value::String(_))
        | (FieldType::Decimal, Value::Number(_))
        | (FieldType::Boolean, Value::Bool(_))
        | (FieldType::Object(_), Value::Object(_)) => true,
        (FieldType::Integer, Value::Number(number)) => number.is_i64() || number.is_u64(),
        (FieldType::Reference(_), Value::Number(number)) => number.is_u64(),
        (FieldType::Reference(_) | FieldType::Uuid, Value::String(text)) => is_uuid(text),
        (FieldType::Enum(values), Value::String(text)) => values.contains(text),
        (FieldType::Date, Value::String(text)) => is_date(text),
        (FieldType::Timestamp, Value::String(text)) => is_timestamp(text),
        _ => false,
    }
}

/// Digits where the pattern has `0`, the same character elsewhere.
fn matches(pattern: &str, text: &str) -> bool {
    pattern.len() == text.len()
        && pattern.bytes().zip(text.bytes()).all(|(want, have)| match want {
            b'0' => have.is_ascii_digit(),
            _ => want == have,
        })
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths = groups.iter().map(|group| group.len());
    lengths.eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn number(text: &str, from: usize, to: usize) -> u32 {
    text.get(from..to).and_then(|part| part.parse().ok()).unwrap_or(u32::MAX)
}

fn is_date(text: &str) -> bool {
    matches("0000-00-00", text)
        && (1..=12).contains(&number(text, 5, 7))
        && (1..=31).contains(&number(text, 8, 10))
}

/// RFC 3339, 5.6, as Postgres writes it: `T` or a blank, any fraction, an offset with or without minutes.
fn is_timestamp(text: &str) -> bool {
    let (Some(date), Some(rest)) = (text.get(..10), text.get(11..)) else { return false };
    let separator = text.get(10..11);
    let split = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (time, offset) = rest.split_at(split);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let zone = matches!(offset, "Z" | "z")
        || ["+00:00", "-00:00", "+00", "-00"].iter().any(|form| matches(form, offset));
    is_date(date)
        && matches!(separator, Some("T" | "t" | " "))
        && matches("00:00:00", clock)
        && number(clock, 0, 2) < 24
        && number(clock, 3, 5) < 60
        && number(clock, 6, 8) <= 60
        && !fraction.is_empty()
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
        && zone
}

pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("the boolean `{value}`"),
        Value::Number(number) => format!("the number `{number}`"),
        Value::String(text) => format!("the text `{}`", crate::yaml::shorten(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// How long a value is as JSON, without writing it anywhere.
fn json_size(value: &Value) -> u64 {
    struct Count(u64);
    impl Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        Err(_) => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::registry::schema::Compiler;
    use crate::yaml::{Source, parse};

    fn schema(text: &str) -> Schema {
        parse(&Source::new("schema", text), |reader, node| {
            Some(Schema::decode(reader, Some(node), &Compiler::default()))
        })
        .unwrap()
        .0
    }

    fn check(schema: &Schema, input: &Value) -> Result<(), InputErrors> {
        super::check(schema, Subject::Input, input)
    }

    #[test]
    fn an_input_that_fits_passes_and_every_field_that_does_not_is_named() {
        let schema = schema(
            "{rows: integer, mode: \"enum(fast, slow)\", tags: list(text), note: text?, at: {day: date}}",
        );
        let good = json!({"rows": 3, "mode": "fast", "tags": ["a"], "at": {"day": "2026-11-23"}});
        assert_eq!(check(&schema, &good), Ok(()));
        let bad =
            json!({"rows": "3", "mode": "quick", "tags": ["a", 1], "at": {"day": "2026-13-01"}, "colour": 1});
        let shown = check(&schema, &bad).unwrap_err().to_string();
        assert_eq!(
            shown,
            "input field `rows` is the text `3`, expected an integer; \
             input field `mode` is the text `quick`, expected one of `fast` or `slow`; \
             input field `tags[1]` is the number `1`, expected text; \
             input field `at.day` is the text `2026-13-01`, expected a date (YYYY-MM-DD); \
             input field `colour` is not in the operation's `input_schema`"
        );
    }

    #[test]
    fn a_missing_field_is_named_unless_it_is_optional() {
        let schema = schema("{rows: integer, note: text?}");
        let shown = check(&schema, &json!({"rows": null})).unwrap_err().to_string();
        assert_eq!(shown, "input field `rows` is missing, expected an integer");
        assert_eq!(check(&schema, &json!({"rows": 1, "note": null})), Ok(()));
    }

    #[test]
    fn without_a_schema_any_object_passes_and_nothing_else() {
        let none = Schema::default();
        assert_eq!(check(&none, &json!({"anything": [1, {}]})), Ok(()));
        assert_eq!(check(&none, &Value::Null), Ok(()));
        assert_eq!(
            check(&none, &json!([1])).unwrap_err().to_string(),
            "the input is a list, expected an object"
        );
    }

    #[test]
    fn an_input_above_the_bound_is_refused() {
        let huge = json!({"text": "a".repeat(17 * 1024 * 1024)});
        let shown = check(&Schema::default(), &huge).unwrap_err().to_string();
        assert!(shown.contains("at most 16777216 are allowed"), "{shown}");
    }

    #[test]
    fn dates_times_and_ids_have_their_forms() {
        for text in ["2026-11-23T08:37:00Z", "2026-11-23 08:37:00.123456+00", "2026-11-23T08:37:00-05:30"] {
            assert!(is_timestamp(text), "{text}");
        }
        for text in [
            "2026-11-23",
            "2026-11-23T08:37:00",
            "2026-11-23T25:00:00Z",
            "2026-11-23T08:37:00.Z",
            "é026-11-23T0",
        ] {
            assert!(!is_timestamp(text), "{text}");
        }
        assert!(is_uuid("0b2f6a3e-52f6-4d9f-8f8e-0d5a1c9b7e11"));
        assert!(!is_uuid("0b2f6a3e52f64d9f8f8e0d5a1c9b7e11"));
        assert!(!is_uuid("0b2f6a3e-52f6-4d9f-8f8e-0d5a1c9b7e1g"));
    }
}
