//! JSON Schemas: which is which, what fits, and what is said of what does not.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Compiler, Schema};
use crate::diagnostic::Diagnostics;
use crate::registry::input::{InputErrors, Subject, check};
use crate::yaml::{Source, parse};

const ORDER: &str = r##"
$schema: https://json-schema.org/draft/2020-12/schema
$id: https://example.com/order
title: An order
type: object
required: [id, lines]
additionalProperties: false
properties:
  id: {type: string, format: uuid}
  mode: {enum: [fast, exact]}
  lines:
    type: array
    minItems: 1
    items: {$ref: "#/$defs/line"}
  contact: {anyOf: [{type: string, format: email}, {type: "null"}]}
$defs:
  line:
    type: object
    required: [sku, amount]
    properties:
      sku: {type: string, pattern: "^[A-Z]{2}\\d{1,6}$", maxLength: 8}
      amount: {type: integer, minimum: 1}
"##;

fn decode(text: &str) -> Result<(Schema, Diagnostics), Diagnostics> {
    parse(&Source::new("schema.yaml", text), |reader, node| {
        Some(Schema::decode(reader, Some(node), &Compiler::default()))
    })
}

fn schema(text: &str) -> Schema {
    decode(text).unwrap_or_else(|found| panic!("{found}")).0
}

fn input(text: &str, value: &Value) -> Result<(), InputErrors> {
    check(&schema(text), Subject::Input, value)
}

fn order() -> Value {
    json!({"id": "0b2f6a3e-52f6-4d9f-8f8e-0d5a1c9b7e11", "mode": "fast",
           "lines": [{"sku": "AB12", "amount": 2}, {"sku": "CD3", "amount": 1}], "contact": null})
}

#[test]
fn a_value_that_fits_passes() {
    assert!(matches!(schema(ORDER), Schema::Json(_)));
    assert_eq!(input(ORDER, &order()), Ok(()));
}

#[test]
fn everything_that_does_not_fit_is_named_with_its_place_at_once() {
    let bad = json!({"id": "x", "mode": "quick", "lines": [{"sku": "AB12", "amount": 0}, {"sku": "cd3"}, 7],
                     "contact": 5, "colour": 1});
    let mut said: Vec<String> = input(ORDER, &bad)
        .unwrap_err()
        .iter()
        .map(|error| format!("{} {}", error.field, error.message))
        .collect();
    said.sort();
    assert_eq!(
        said,
        [
            "colour is not in the operation's `input_schema`",
            "contact is the number `5`, which fits none of `anyOf`: `contact`: expected type `string`, or `contact`: expected type `null`",
            "id is the text `x`, expected the format `uuid`",
            "lines[0].amount is the number `0`: it is less than the minimum of 1",
            "lines[1].amount is missing",
            "lines[1].sku is the text `cd3`: it does not match \"^[A-Z]{2}\\d{1,6}$\"",
            "lines[2] is the number `7`, expected type `object`",
            "mode is the text `quick`, expected one of \"fast\", \"exact\"",
        ]
    );
}

#[test]
fn what_is_said_of_a_result_names_the_result_and_its_schema() {
    let text = "$schema: https://json-schema.org/draft/2020-12/schema\ntype: array\nitems: {properties: {a: true}, additionalProperties: false}\n";
    let said = check(&schema(text), Subject::Result, &json!([{"a": 1}, {"b": 1}])).unwrap_err();
    assert_eq!(said.to_string(), "result field `[1].b` is not in the operation's `output_schema`");
    assert_eq!(check(&schema(text), Subject::Result, &json!([])), Ok(()));
    // The short form, and none.
    let short = check(&schema("{rows: integer}"), Subject::Result, &json!({"rows": 1, "b": 2})).unwrap_err();
    assert_eq!(short.to_string(), "result field `b` is not in the operation's `output_schema`");
    assert_eq!(check(&Schema::Any, Subject::Result, &json!([1])), Ok(()));
}

#[test]
fn fields_called_type_and_properties_stay_fields() {
    let text = "{type: text, properties: {type: object, required: boolean}}";
    let (read, warnings) = decode(text).unwrap();
    assert!(matches!(read, Schema::Short(_)));
    assert_eq!(warnings.len(), 1);
    let value = json!({"type": "x", "properties": {"type": {}, "required": true}});
    assert_eq!(input(text, &value), Ok(()));
    assert!(input(text, &json!({"rows": 1})).is_err());
}

#[test]
fn draft_7_is_read_with_its_own_keywords() {
    let text = "$schema: http://json-schema.org/draft-07/schema#\ndefinitions: {n: {type: integer}}\n\
                properties: {pair: {items: [{$ref: \"#/definitions/n\"}, {type: string}], additionalItems: false}}\n\
                dependencies: {pair: [name]}\n";
    assert_eq!(input(text, &json!({"pair": [1, "a"], "name": 1})), Ok(()));
    for bad in
        [json!({"pair": ["a", "a"], "name": 1}), json!({"pair": [1, "a", 2], "name": 1}), json!({"pair": []})]
    {
        assert!(input(text, &bad).is_err(), "{bad}");
    }
}

#[test]
fn a_missing_input_is_an_empty_object() {
    let text = "$schema: https://json-schema.org/draft/2020-12/schema\ntype: object\n";
    assert_eq!(input(text, &Value::Null), Ok(()));
    let said = input(&format!("{text}required: [a]\n"), &Value::Null).unwrap_err().to_string();
    assert_eq!(said, "input field `a` is missing");
}

#[test]
fn references_to_any_schema_of_the_document_are_followed() {
    let text = "$schema: https://json-schema.org/draft/2020-12/schema\nproperties:\n  a/b~c: {type: integer}\n  \
                other: {$ref: \"#/properties/a~1b~0c\"}\n  list: {allOf: [true, {type: string}]}\n  \
                item: {$ref: \"#/properties/list/allOf/1\"}\n";
    assert_eq!(input(text, &json!({"other": 1, "item": "a"})), Ok(()));
    assert!(input(text, &json!({"other": "a"})).is_err());
    assert!(input(text, &json!({"item": 1})).is_err());
}

#[test]
fn a_pattern_is_matched_in_linear_time() {
    let text =
        "$schema: https://json-schema.org/draft/2020-12/schema\nproperties: {a: {pattern: \"^(a+)+$\"}}\n";
    let began = Instant::now();
    assert!(input(text, &json!({"a": format!("{}!", "a".repeat(100_000))})).is_err());
    assert!(began.elapsed() < Duration::from_secs(2), "it took {:?}", began.elapsed());
}

#[test]
fn patterns_that_people_write_are_taken() {
    for pattern in [
        r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,255}\.[A-Za-z]{2,63}$",
        r"^.{1,255}$",
        r"^[\w .-]{1,128}$",
        r"^\S{1,100}$",
        r"^\p{L}[\p{L} '-]*$",
        r"^(\d{1,3}\.){3}\d{1,3}$",
    ] {
        let text = format!(
            "$schema: https://json-schema.org/draft/2020-12/schema\nproperties: {{a: {{pattern: '{}'}}}}\n",
            pattern.replace('\'', "''")
        );
        assert!(decode(&text).is_ok(), "{pattern}");
    }
}

#[test]
fn of_many_errors_the_first_are_listed_and_of_a_large_value_only_that_it_does_not_fit() {
    let text =
        "$schema: https://json-schema.org/draft/2020-12/schema\nproperties: {a: {items: {type: integer}}}\n";
    let many = input(text, &json!({"a": vec!["x"; 1000]})).unwrap_err();
    assert_eq!(many.iter().count(), 32);
    let large = input(text, &json!({"a": vec!["xxxx"; 100_000]})).unwrap_err().to_string();
    assert!(large.starts_with("the input does not fit `input_schema`; where, is looked for"), "{large}");
    assert_eq!(input(text, &json!({"a": vec![1; 100_000]})), Ok(()));
}

#[test]
fn a_value_that_is_nested_too_deep_is_refused_before_anything_looks_into_it() {
    let nested = |levels| (0..levels).fold(json!(1), |inner, _| json!({ "a": inner }));
    let text = "$schema: https://json-schema.org/draft/2020-12/schema\ntype: object\n";
    assert_eq!(input(text, &nested(100)), Ok(()));
    let said = input(text, &nested(101)).unwrap_err().to_string();
    assert_eq!(said, "the input is nested deeper than 100 levels");
}

#[test]
fn what_schemas_of_one_file_come_to_has_a_bound() {
    let patterns: String = (0..301).map(|n| format!("  p{n}: {{pattern: \"^a{n}$\"}}\n")).collect();
    let text = format!("$schema: https://json-schema.org/draft/2020-12/schema\nproperties:\n{patterns}");
    let shown = decode(&text).unwrap_err().to_string();
    assert!(shown.contains("the JSON Schemas of this file have too many patterns"), "{shown}");
}
