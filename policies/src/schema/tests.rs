//! The schema says what the decoder does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;

use super::*;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::yaml::{Node, Source, Value as Yaml, load};
use crate::{Capabilities, Environment, Library, Registry};

fn validator(schema: &Value) -> Validator {
    jsonschema::draft202012::options().build(schema).unwrap_or_else(|error| panic!("{error}"))
}

/// A registry has a `services` key.
fn is_registry(root: &Node) -> bool {
    root.to_json().get("services").is_some()
}

fn schema_for(root: &Node) -> Value {
    if is_registry(root) { registry_schema() } else { policy_schema() }
}

fn tree(text: &str) -> Node {
    load(&Source::new("text", text)).0.unwrap()
}

fn files(directory: &str, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    paths.sort();
    paths
}

fn decode(name: &str, text: &str) -> Diagnostics {
    let source = Source::new(name, text);
    let library = Library::shipped().unwrap();
    match load(&source).0 {
        Some(root) if is_registry(&root) => {
            let capabilities = Capabilities::complete(&["shell", "http", "docker", "serverless", "rocket"]);
            let registry = Registry::from_source(&source, &library, Environment::Development, &capabilities);
            registry.map_or_else(|found| found, |_| Diagnostics::default())
        }
        _ => library.with_right_sources(vec![Arc::clone(&source)]).1.into_iter().collect(),
    }
}

#[test]
fn both_are_schemas_of_their_dialect() {
    for schema in [policy_schema(), registry_schema()] {
        assert!(jsonschema::meta::is_valid(&schema));
        assert_eq!(schema["$schema"], DIALECT);
    }
}

#[test]
fn what_is_shipped_and_shown_is_valid() {
    let pages = [
        ("docs/policy.md", include_str!("../../../docs/policy.md")),
        ("docs/registry.md", include_str!("../../../docs/registry.md")),
    ];
    let shown = pages.into_iter().flat_map(|(name, page)| {
        let texts = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
        texts.map(move |text| (name.to_owned(), text.to_owned()))
    });
    let mut texts: Vec<(String, String)> = shown.collect();
    let paths =
        [files("library", "yaml"), files("../examples", "yaml"), files("../tests/tests/queue", "yaml")]
            .concat();
    texts.extend(
        paths.into_iter().map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap())),
    );
    assert!(texts.len() > 6);
    for (name, text) in texts {
        let root = tree(&text);
        let found: Vec<String> = validator(&schema_for(&root))
            .iter_errors(&root.to_json())
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(found.is_empty(), "{name}: {found:?}");
    }
}

/// Findings that are about the form of a text: what a schema can say.
const CODES: [&str; 9] = [
    "unknown-key",
    "missing-key",
    "wrong-type",
    "out-of-range",
    "unknown-word",
    "bad-value",
    "bad-unit",
    "duplicate-limit",
    "contradiction",
];

/// What JSON Schema cannot say, by a part of the decoder's message.
const UNSAID: [(&str, &str); 7] = [
    ("is out of range", "the range of an amount with its unit is no range of numbers"),
    ("has bits behind its first", "takes arithmetic"),
    ("is no address of a host", "takes arithmetic"),
    ("is not an address with a port", "takes arithmetic"),
    ("has no port from 1 to 65535", "a pattern with that range is unreadable"),
    ("has no prefix length from", "a pattern with that range is unreadable"),
    ("is an IPv4 address in disguise", "has many spellings"),
];

/// The lines where the schema finds something: of an unknown key, the key's.
fn lines_of_errors(root: &Node, schema: &Value) -> BTreeSet<u32> {
    let json = root.to_json();
    let mut lines = BTreeSet::new();
    for error in validator(schema).iter_errors(&json) {
        let path = error.instance_path().to_string();
        let steps: Vec<String> =
            path.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
        let node = steps.iter().fold(root, |node, step| match &node.value {
            Yaml::Map(entries) => &entries.iter().find(|(key, _)| key.text == *step).unwrap().1,
            Yaml::List(items) => &items[step.parse::<usize>().unwrap()],
            Yaml::Scalar(_) => node,
        });
        lines.insert(node.span.line);
        if let Yaml::Map(entries) = &node.value {
            let stranger = |key: &str| match error.kind() {
                ValidationErrorKind::AdditionalProperties { unexpected } => {
                    unexpected.iter().any(|name| name == key)
                }
                // About several keys together.
                _ => true,
            };
            lines.extend(entries.iter().filter(|(key, _)| stranger(&key.text)).map(|(key, _)| key.span.line));
        }
    }
    lines
}

#[test]
fn bad_texts_are_rejected_where_the_decoder_rejects_them() {
    let mut unmatched = Vec::new();
    let mut used = BTreeSet::new();
    for path in files("tests/errors", "yaml") {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let Some(root) = load(&Source::new("text", text.as_str())).0 else { continue };
        let lines = lines_of_errors(&root, &schema_for(&root));
        let found = decode("text", &text);
        let foreign = json_schemas(&root);
        let found = found.iter().filter(|found| !foreign.iter().any(|lines| lines.contains(&found.line)));
        let formal = found.filter(|found| found.severity == Severity::Error && CODES.contains(&found.code));
        for found in formal.filter(|found| !lines.contains(&found.line)) {
            match UNSAID.iter().find(|(part, _)| found.message.contains(part)) {
                Some((part, _)) => {
                    used.insert(*part);
                }
                None => unmatched.push(shown(&path, found)),
            }
        }
    }
    assert!(unmatched.is_empty(), "{}", unmatched.join("\n"));
    let unused: Vec<&str> =
        UNSAID.iter().map(|(part, _)| *part).filter(|part| !used.contains(part)).collect();
    assert!(unused.is_empty(), "said by now: {unused:?}");
}

/// The lines of JSON Schemas of inputs and results, whose own dialect says what is wrong in them.
fn json_schemas(node: &Node) -> Vec<std::ops::RangeInclusive<u32>> {
    match &node.value {
        Yaml::Map(entries) if entries.iter().any(|(key, _)| key.text == "$schema") => {
            vec![node.span.line..=node.span.end_line]
        }
        Yaml::Map(entries) => entries.iter().flat_map(|(_, value)| json_schemas(value)).collect(),
        Yaml::List(items) => items.iter().flat_map(json_schemas).collect(),
        Yaml::Scalar(_) => Vec::new(),
    }
}

fn shown(path: &std::path::Path, found: &Diagnostic) -> String {
    format!("{}:{}: {} {}", path.display(), found.line, found.code, found.message)
}

/// A key that is near no other.
const STRANGER: &str = "qqqqqqqqqqqqqqqqqqqqqqqq";

/// Every map with known keys: where it stands in its schema, and a text in which it has the stranger `Q`.
fn places() -> Vec<(&'static str, String)> {
    let policy = |rest: &str| format!("policy: a\n{rest}");
    let service = |rest: &str| format!("services:\n  s:\n    operations: {{o: {{}}}}\n{rest}");
    let kind = |kind: &str, rest: &str| service(&format!("    execution_type: {kind}\n    {rest}\n"));
    let operation = |kind: &str, rest: &str| {
        format!("services:\n  s:\n    execution_type: {kind}\n    operations: {{o: {rest}}}\n")
    };
    vec![
        ("policy", policy("Q: 1\n")),
        ("policy/resource_limits", policy("resource_limits: {Q: 1}\n")),
        ("policy/filesystem", policy("filesystem: {Q: 1}\n")),
        ("policy/filesystem/root", policy("filesystem: {root: {image: /srv/a, Q: 1}}\n")),
        ("policy/filesystem/read", policy("filesystem: {read: [{path: /srv/a, Q: 1}]}\n")),
        ("policy/filesystem/execute", policy("filesystem: {execute: [{path: /srv/a, Q: 1}]}\n")),
        ("policy/network", policy("network: {mode: none, Q: 1}\n")),
        ("policy/syscalls", policy("syscalls: {Q: 1}\n")),
        ("policy/environment", policy("environment: {Q: 1}\n")),
        ("policy/http", policy("http: {Q: 1}\n")),
        ("registry", "services: {}\nQ: 1\n".to_owned()),
        ("registry/http", service("    Q: 1\n")),
        ("registry/shell", kind("shell", "Q: 1")),
        ("registry/docker", kind("docker", "Q: 1")),
        ("registry/serverless", kind("serverless", "Q: 1")),
        ("registry/other", kind("rocket", "Q: 1")),
        ("registry/http/retry_policy", service("    retry_policy: {Q: 1}\n")),
        ("registry/http/security_policy", service("    security_policy: {Q: 1}\n")),
        ("registry/docker/security_policy", kind("docker", "security_policy: {Q: 1}")),
        ("registry/http/runner_config", service("    runner_config: {Q: 1}\n")),
        ("registry/shell/runner_config", kind("shell", "runner_config: {Q: 1}")),
        ("registry/docker/runner_config", kind("docker", "runner_config: {Q: 1}")),
        (
            "registry/docker/runner_config/resource_limits",
            kind("docker", "runner_config: {resource_limits: {Q: 1}}"),
        ),
        ("registry/serverless/runner_config", kind("serverless", "runner_config: {Q: 1}")),
        (
            "registry/serverless/runner_config/auth",
            kind("serverless", "runner_config: {auth: {type: iam_role, Q: 1}}"),
        ),
        ("registry/http/auth", kind("http", "auth_type: basic\n    auth: {Q: 1}")),
        ("registry/http/operations", operation("http", "{Q: 1}")),
        ("registry/shell/operations", operation("shell", "{Q: 1}")),
        ("registry/docker/operations", operation("docker", "{Q: 1}")),
        ("registry/serverless/operations", operation("serverless", "{Q: 1}")),
        ("registry/other/operations", operation("rocket", "{Q: 1}")),
        ("registry/serverless/operations", operation("serverless", "{Q: 1}")),
        ("registry/serverless/operations/runner_config", operation("serverless", "{runner_config: {Q: 1}}")),
        ("registry/shell/operations/runner_config", operation("shell", "{runner_config: {Q: 1}}")),
        ("registry/docker/operations/runner_config", operation("docker", "{runner_config: {Q: 1}}")),
        ("registry/shell/operations/security_policy", operation("shell", "{security_policy: {Q: 1}}")),
    ]
}

/// The keys that a message about the stranger lists.
fn known_keys(text: &str) -> BTreeSet<String> {
    let found = decode("text", &text.replace('Q', STRANGER));
    let about = format!("`{STRANGER}` is not a key of");
    let unknown = found.iter().find(|found| found.message.starts_with(&about));
    let help = unknown.and_then(|found| found.help.clone()).unwrap_or_else(|| panic!("{text}{found}"));
    help.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Every map with known keys of a schema: its keys.
fn closed_maps(schema: &Value, found: &mut BTreeSet<BTreeSet<String>>) {
    match schema {
        Value::Object(object) => {
            if object.get("additionalProperties") == Some(&Value::Bool(false)) {
                found.insert(object["properties"].as_object().unwrap().keys().cloned().collect());
            }
            object.values().for_each(|value| closed_maps(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| closed_maps(value, found)),
        _ => {}
    }
}

#[test]
fn the_keys_are_those_of_the_decoder() {
    let mut by_schema: BTreeMap<&str, BTreeSet<BTreeSet<String>>> = BTreeMap::new();
    for (name, schema) in [("policy", policy_schema()), ("registry", registry_schema())] {
        closed_maps(&schema, by_schema.entry(name).or_default());
    }
    let mut known: BTreeMap<&str, BTreeSet<BTreeSet<String>>> = BTreeMap::new();
    for (place, text) in places() {
        let schema = place.split('/').next().unwrap();
        let keys = known_keys(&text);
        assert!(by_schema[schema].contains(&keys), "{place}: {keys:?}");
        known.entry(schema).or_default().insert(keys);
    }
    // A registry's clauses are those of a policy.
    let clauses = known["policy"].clone();
    known.get_mut("registry").unwrap().extend(clauses);
    for (schema, maps) in by_schema {
        for keys in maps {
            assert!(known[schema].contains(&keys), "the decoder of a {schema} has no map of {keys:?}");
        }
    }
}

#[test]
fn the_stranger_is_rejected_by_the_schema_too() {
    for (place, text) in places() {
        let root = tree(&text.replace('Q', STRANGER));
        let schema = if place.starts_with("policy") { policy_schema() } else { registry_schema() };
        assert!(!validator(&schema).is_valid(&root.to_json()), "{place}");
    }
}

#[test]
fn every_key_is_described() {
    fn undescribed(schema: &Value, at: &str, found: &mut Vec<String>) {
        if let Value::Object(object) = schema {
            for (key, value) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
                let closed = value == &Value::Bool(false) || value.get("const").is_some();
                if !closed && value["description"].as_str().is_none_or(str::is_empty) {
                    found.push(format!("{at}/{key}"));
                }
            }
            object.iter().for_each(|(key, value)| undescribed(value, &format!("{at}/{key}"), found));
        }
    }
    let mut found = Vec::new();
    undescribed(&policy_schema(), "policy", &mut found);
    undescribed(&registry_schema(), "registry", &mut found);
    assert!(found.is_empty(), "{found:?}");
}
