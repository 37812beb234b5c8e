//! What a job's row asks for. A row proposes; the registry disposes: a row can give rights up, never gain any.

use serde_json::{Map, Value};

use super::settings::named;
use super::shell::Run;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::effective::{EffectivePolicy, Layer};
use crate::policy::{Clauses, FunctionArn, Image, clauses, commands, policy_name};
use crate::yaml::{Fields, Node, Reader, Source, Value as Tree, parse};

/// The columns of a job's row that may tighten its policy.
#[derive(Debug, Clone, Copy, Default)]
pub struct JobProposal<'a> {
    /// `runner_config`.
    pub runner_config: Option<&'a Value>,
    /// `security_context`, as it was when the row was inserted: not what an earlier attempt recorded there.
    pub security_context: Option<&'a Value>,
    /// `timeout_seconds`; one more bound on the wall clock.
    pub timeout_seconds: Option<u64>,
}

/// The policy of an operation, less what the row gives up. `runner_config` reads the column of that name.
pub(crate) fn apply(
    registered: &EffectivePolicy,
    proposal: &JobProposal<'_>,
    runner_config: impl FnOnce(&Reader, &Node) -> Option<Clauses>,
) -> Result<EffectivePolicy, Diagnostics> {
    let mut policy = registered.clone();
    if let Some(object) = object("runner_config", proposal.runner_config)? {
        let clauses = decode("runner_config", object, runner_config)?;
        policy = tightened(policy, &clauses)?;
    }
    if let Some(object) = object("security_context", proposal.security_context)? {
        let clauses =
            decode("security_context", object, |reader, root| security_context(reader, root, registered))?;
        policy = tightened(policy, &clauses)?;
    }
    Ok(match proposal.timeout_seconds {
        Some(seconds) => policy.with_timeout(seconds),
        None => policy,
    })
}

fn tightened(policy: EffectivePolicy, clauses: &Clauses) -> Result<EffectivePolicy, Diagnostics> {
    policy.tightened(clauses, &Layer::Job).map_err(|found| found.into_iter().collect())
}

/// The object in a column, `None` where there is nothing.
fn object<'a>(column: &str, value: Option<&'a Value>) -> Result<Option<&'a Map<String, Value>>, Diagnostics> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) if object.is_empty() => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => {
            let found = Source::new(column, "");
            let place = crate::yaml::At { source: found, span: crate::yaml::Span::default() };
            Err(place.error("wrong-type", format!("`{column}` of the job is not an object")).into())
        }
    }
}

/// JSON is read as the YAML that it also is, so that a row meets the same parser and the same messages as a file.
fn decode(
    column: &str,
    object: &Map<String, Value>,
    read: impl FnOnce(&Reader, &Node) -> Option<Clauses>,
) -> Result<Clauses, Diagnostics> {
    let object: Map<String, Value> =
        object.iter().map(|(key, value)| (key.clone(), unflattened(value))).collect();
    let text = serde_json::to_string_pretty(&Value::Object(object)).unwrap_or_default();
    parse(&Source::new(format!("the job's {column}"), text), read).map(|(clauses, _)| clauses)
}

/// Generated SQL writes a nested value as the text that Python shows for it (`['/bin/sh']`), which is YAML too.
fn unflattened(value: &Value) -> Value {
    match value {
        Value::String(text) if text.starts_with(['[', '{']) => {
            let source = Source::new("", text.as_str());
            parse(&source, |_, root| Some(root.to_json())).map_or_else(|_| value.clone(), |(value, _)| value)
        }
        other => other.clone(),
    }
}

/// `allowed_commands` tightens; what runs must be what the registry says, if the row says it at all.
pub(crate) fn shell_config(reader: &Reader, root: &Node, run: &Run) -> Option<Clauses> {
    let mut fields = Fields::of(reader, root, "the job's `runner_config`")?;
    let allowed = fields.optional("allowed_commands");
    let clauses = Clauses { commands: allowed.and_then(|node| commands(reader, node)), ..Clauses::default() };
    let (command, interpreter, field) = match run {
        Run::Command(arguments) => (Some(arguments.as_slice()), None, None),
        Run::Script { interpreter, field } => (None, Some(interpreter.as_slice()), Some(field.as_str())),
    };
    for (key, registered) in [("command", command), ("interpreter", interpreter)] {
        if let Some(node) = fields.optional(key) {
            same(reader, node, key, registered.is_some_and(|registered| is_list_of(node, registered)));
        }
    }
    if let Some(node) = fields.optional("script_from_input") {
        same(reader, node, "script_from_input", reader.text(node, "a field name") == field);
    }
    fields.finish();
    Some(clauses)
}

fn is_list_of(node: &Node, texts: &[String]) -> bool {
    let Tree::List(items) = &node.value else { return false };
    let item = |node: &Node| match &node.value {
        Tree::Scalar(scalar) => Some(scalar.text.clone()),
        Tree::List(_) | Tree::Map(_) => None,
    };
    items.len() == texts.len()
        && items.iter().zip(texts).all(|(node, text)| item(node).as_ref() == Some(text))
}

fn same(reader: &Reader, node: &Node, key: &str, is_same: bool) {
    if !is_same {
        let message = format!("`{key}` is not what the registry says");
        let help = "a job names a service and an operation; what they run is the registry's to say";
        reader.report(reader.at(node.span).error("wider", message).help(help));
    }
}

/// What any other runner is configured with: each value must be the registry's, or within its list.
pub(crate) fn same_config(reader: &Reader, root: &Node, registered: &Value) -> Option<Clauses> {
    reader.map(root, "the job's `runner_config` as a map")?;
    let Tree::Map(entries) = &root.value else { return None };
    for (key, node) in entries {
        let within = registered.get(&key.text).is_some_and(|value| is_within(&node.to_json(), value));
        same(reader, node, &key.text, within);
    }
    // A tag stands in the registry's list too, and grants nothing there either.
    let list = |key: &str| root.get(key).filter(|node| matches!(node.value, Tree::List(_)));
    let images = list("allowed_images").map(|node| named(reader, node, &Diagnostic::warning, Image::parse));
    let functions =
        list("allowed_functions").map(|node| named(reader, node, &|found| found, FunctionArn::parse));
    Some(Clauses { images, functions, ..Clauses::default() })
}

fn is_within(asked: &Value, registered: &Value) -> bool {
    match (asked, registered) {
        (Value::Array(asked), Value::Array(registered)) => asked.iter().all(|item| registered.contains(item)),
        (asked, Value::Array(registered)) => registered.contains(asked),
        (asked, registered) => asked == registered,
    }
}

fn security_context(reader: &Reader, root: &Node, registered: &EffectivePolicy) -> Option<Clauses> {
    let mut fields = Fields::of(reader, root, "the job's `security_context`")?;
    if let Some(node) = fields.optional("use")
        && let Some(asked) = policy_name(reader, node)
        && asked.value != *registered.name()
    {
        let message =
            format!("the job asks for policy `{}`, the registry says `{}`", asked.value, registered.name());
        reader
            .report(asked.at.error("wider", message).help("leave `use` out; the other clauses may tighten"));
    }
    let clauses = clauses(&mut fields);
    fields.finish();
    Some(clauses)
}
