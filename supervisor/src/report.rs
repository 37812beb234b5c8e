//! What is told of an attempt, in the words of `exec --json`: the same in the queue's row, in the record and on
//! standard output.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::{Map, Value, json};
use stockade_plan::Digest;
use stockade_policies::{PolicyId, RESULT_FILE, ResourceLimits};
use uuid::Uuid;

use crate::host::HostFacts;
use crate::rules::VersionFacts;
use crate::runner::{Finished, WorkFacts};
use crate::store::{Output, Stream};

/// The most of a stream that stands in `output_data`, bytes; all that was kept of it stands in the attempt's row.
const SHOWN_MAX: usize = 64 * 1024;
/// A result file that is larger is not parsed, bytes.
const RESULT_MAX: usize = 1024 * 1024;

/// The most levels of a result: parsers of JSON commonly refuse 128, and it is put into another object.
const DEPTH_MAX: usize = 100;

/// Who caused an attempt, and what it ran on.
#[derive(Debug, Clone)]
pub struct Circumstances<'a> {
    /// The tenant it belongs to.
    pub tenant: Option<Uuid>,
    /// Who asked for it: the row's `triggered_by`, or the user who called `exec`.
    pub user: Option<String>,
    /// The host.
    pub host: &'a HostFacts,
    /// The rules that let it run, if they came from a registry.
    pub rules: Option<&'a VersionFacts>,
}

/// What was in force for an attempt: the `security_context` of its job.
#[derive(Debug, Serialize)]
struct SecurityContext<'a> {
    policy: Option<&'a PolicyId>,
    plan_sha256: Option<Digest>,
    registry_sha256: Option<Digest>,
    rules: Option<&'a VersionFacts>,
    environment: Option<&'a str>,
    enforcement: &'a Value,
    denials: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<&'a Value>,
    tenant_id: Option<Uuid>,
    user: Option<&'a str>,
    limits: Option<&'a ResourceLimits>,
    allowlists: Option<&'a BTreeMap<String, Vec<String>>>,
    host: &'a HostFacts,
    host_uid: Option<u32>,
}

/// The `security_context` of an attempt. `work` is what was known before it ran; `None` if it was refused before that
/// much was known.
pub fn security_context(work: Option<&WorkFacts>, finished: &Finished, around: &Circumstances<'_>) -> Value {
    let context = SecurityContext {
        policy: work.map(|work| &work.policy),
        plan_sha256: work.and_then(|work| work.plan_sha256),
        registry_sha256: around.rules.map(|rules| rules.registry_sha256),
        rules: around.rules,
        environment: work.map(|work| work.environment.name()),
        enforcement: &finished.enforcement,
        denials: &finished.denials,
        target: finished.target.as_ref(),
        network: finished.network.as_ref(),
        tenant_id: around.tenant,
        user: around.user.as_deref(),
        limits: work.map(|work| &work.limits),
        allowlists: work.map(|work| &work.allowlists),
        host: around.host,
        host_uid: finished.host_uid,
    };
    serde_json::to_value(context).unwrap_or(Value::Null)
}

/// A `security_context` without what in it can be long, for a record that does not take it as it is: no denials and no
/// connections, and in their place how many of each were left out.
pub fn shortened(context: &Value) -> Value {
    let mut context = context.clone();
    let mut left_out = |list: &str| {
        let list = context.pointer_mut(list).and_then(Value::as_array_mut);
        list.map_or(0, |list| std::mem::take(list).len())
    };
    let left_out = json!({"denials": left_out("/denials"), "connections": left_out("/network/connections")});
    if let Value::Object(members) = &mut context {
        members.insert("left_out".to_owned(), left_out);
    }
    context
}

/// The `output_data` of a job: `exit_code`, `stdout` and `stderr` as text (the beginning of each, with `…_truncated` if
/// that is not all), `outputs` (name -> state and size; the bytes lie in `jobs.tb_job_output`), `error_class` if the
/// runner can tell, and `result`: what was answered, or what the job left in `result.json` if it is JSON.
pub fn output_data(finished: &Finished) -> Value {
    let mut data = Map::new();
    data.insert("exit_code".to_owned(), json!(finished.exit_code));
    insert_shown(&mut data, "stdout", &finished.stdout);
    insert_shown(&mut data, "stderr", &finished.stderr);
    let outputs = finished.outputs.iter().map(|output| {
        let name = String::from_utf8_lossy(&output.path).into_owned();
        (name, json!({"state": output.state, "size": output.size}))
    });
    data.insert("outputs".to_owned(), Value::Object(outputs.collect()));
    if let Some(class) = finished.class {
        data.insert("error_class".to_owned(), json!(class));
    }
    if let Ok(result) = result(finished) {
        data.insert("result".to_owned(), result);
    }
    Value::Object(data)
}

/// A job left no result.
#[derive(Debug, thiserror::Error)]
pub enum NoResult {
    /// It is not collected.
    #[error("`{RESULT_FILE}` is not among the outputs that are collected")]
    NotCollected,
    /// It is no file, or none that is collected.
    #[error("`{RESULT_FILE}` is no file to be collected: {0}")]
    NoFile(String),
    /// It is too large to be parsed.
    #[error("`{RESULT_FILE}` has {0} bytes, at most {RESULT_MAX} are read")]
    TooLarge(usize),
    /// It cannot be parsed.
    #[error("`{RESULT_FILE}` is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// Who reads the job's row could not parse it.
    #[error("the result is nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
}

/// The result of a job: what was answered, or what stands in the `result.json` that it left.
///
/// # Errors
/// [`NoResult`] says why there is none.
pub fn result(finished: &Finished) -> Result<Value, NoResult> {
    let result = match &finished.result {
        Some(result) => result.clone(),
        None => left(finished)?,
    };
    if is_deeper(&result, DEPTH_MAX) { Err(NoResult::TooDeep) } else { Ok(result) }
}

/// Whether a value has more levels than so many.
fn is_deeper(value: &Value, levels: usize) -> bool {
    let Some(levels) = levels.checked_sub(1) else { return true };
    match value {
        Value::Array(items) => items.iter().any(|item| is_deeper(item, levels)),
        Value::Object(members) => members.values().any(|value| is_deeper(value, levels)),
        _ => false,
    }
}

fn left(finished: &Finished) -> Result<Value, NoResult> {
    let output = finished.outputs.iter().find(|output| output.path == RESULT_FILE.as_bytes());
    let output = output.ok_or(NoResult::NotCollected)?;
    match output.bytes.as_deref() {
        None => Err(NoResult::NoFile(output.state.clone())),
        Some(bytes) if bytes.len() > RESULT_MAX => Err(NoResult::TooLarge(bytes.len())),
        Some(bytes) => Ok(serde_json::from_slice(bytes)?),
    }
}

/// The object that `exec --json` prints.
pub fn exec_object(finished: &Finished, work: &WorkFacts, around: &Circumstances<'_>) -> Value {
    let mut object = Map::new();
    let mut insert = |key: &str, value: Value| object.insert(key.to_owned(), value);
    insert("status", json!(finished.verdict));
    insert("exit_code", json!(finished.exit_code));
    insert("signal", json!(finished.signal));
    insert("error", json!(finished.error));
    insert("truncated", json!(finished.stdout.truncated || finished.stderr.truncated));
    insert("outputs", finished.outputs.iter().map(output_with_content).collect());
    insert("resource_usage", json!(finished.usage));
    insert("security_context", security_context(Some(work), finished, around));
    insert_bytes(&mut object, "stdout", &finished.stdout.bytes);
    insert_bytes(&mut object, "stderr", &finished.stderr.bytes);
    Value::Object(object)
}

fn output_with_content(output: &Output) -> Value {
    let mut facts = output_facts(output);
    if let (Value::Object(members), Some(bytes)) = (&mut facts, &output.bytes) {
        insert_bytes(members, "content", bytes);
    }
    facts
}

/// What is said of an output wherever it is named.
pub fn output_facts(output: &Output) -> Value {
    let mut members = Map::new();
    insert_bytes(&mut members, "path", &output.path);
    members.insert("state".to_owned(), json!(output.state));
    members.insert("size".to_owned(), json!(output.size));
    members.insert("sha256".to_owned(), json!(output.bytes.as_deref().map(Digest::of)));
    Value::Object(members)
}

fn insert_shown(data: &mut Map<String, Value>, name: &str, stream: &Stream) {
    let shown = stream.bytes.get(..stream.bytes.len().min(SHOWN_MAX)).unwrap_or_default();
    data.insert(name.to_owned(), Value::String(String::from_utf8_lossy(shown).into_owned()));
    if stream.truncated || shown.len() < stream.bytes.len() {
        data.insert(format!("{name}_truncated"), Value::Bool(true));
    }
}

/// Puts bytes into an object: as text, and in base64 beside it (`name_base64`) where they are not UTF-8.
pub fn insert_bytes(members: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    if std::str::from_utf8(bytes).is_err() {
        members.insert(format!("{name}_base64"), Value::String(STANDARD.encode(bytes)));
    }
    members.insert(name.to_owned(), Value::String(String::from_utf8_lossy(bytes).into_owned()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Verdict;

    fn output(path: &str, bytes: Option<&[u8]>) -> Output {
        let size = bytes.map_or(0, |bytes| i64::try_from(bytes.len()).unwrap());
        let state = if bytes.is_some() { "file" } else { "missing" };
        Output { path: path.into(), state: state.to_owned(), size, bytes: bytes.map(Into::into) }
    }

    #[test]
    fn a_result_that_is_json_is_surfaced() {
        let mut finished = Finished::new(Verdict::Completed);
        finished.exit_code = Some(0);
        finished.outputs = vec![output("result.json", Some(b"{\"rows\": 3}")), output("b", None)];
        let data = output_data(&finished);
        assert_eq!(data["result"], json!({"rows": 3}));
        assert_eq!(data["outputs"]["result.json"], json!({"state": "file", "size": 11}));
        assert_eq!(data["outputs"]["b"]["state"], "missing");
    }

    #[test]
    fn a_result_that_others_could_not_read_is_none() {
        let nested = |levels: usize| (1..levels).fold(json!(1), |value, _| json!([value]));
        let mut finished = Finished::new(Verdict::Completed);
        finished.result = Some(nested(DEPTH_MAX));
        assert_eq!(result(&finished).unwrap(), nested(DEPTH_MAX));
        finished.result = Some(nested(DEPTH_MAX + 1));
        assert!(matches!(result(&finished), Err(NoResult::TooDeep)));
        assert_eq!(output_data(&finished).get("result"), None);
    }

    #[test]
    fn a_result_that_is_not_json_is_only_kept() {
        let mut finished = Finished::new(Verdict::Completed);
        finished.outputs = vec![output("result.json", Some(b"{\"rows\": "))];
        assert_eq!(output_data(&finished).get("result"), None);
    }

    #[test]
    fn a_shortened_context_says_how_much_was_left_out_and_keeps_the_rest() {
        let context =
            json!({"denials": [1, 2, 3], "network": {"connections": [1, 2], "not_listed": 7}, "user": "me"});
        let short = json!({"denials": [], "network": {"connections": [], "not_listed": 7}, "user": "me",
            "left_out": {"denials": 3, "connections": 2}});
        assert_eq!(shortened(&context), short);
        let without_network = shortened(&json!({"denials": [1]}));
        assert_eq!(without_network, json!({"denials": [], "left_out": {"denials": 1, "connections": 0}}));
    }

    #[test]
    fn long_output_is_cut_and_says_so() {
        let mut finished = Finished::new(Verdict::Completed);
        finished.stdout = Stream { bytes: vec![b'x'; SHOWN_MAX + 1], truncated: false };
        let data = output_data(&finished);
        assert_eq!(data["stdout"].as_str().map(str::len), Some(SHOWN_MAX));
        assert_eq!(data["stdout_truncated"], true);
        assert_eq!(data.get("stderr_truncated"), None);
    }

    #[test]
    fn bytes_that_are_not_text_stand_beside_it_in_base64() {
        let mut members = Map::new();
        insert_bytes(&mut members, "stdout", b"a\xff\0");
        insert_bytes(&mut members, "stderr", b"plain\0");
        assert_eq!(members["stdout"], "a\u{fffd}\0");
        assert_eq!(members["stdout_base64"], "Yf8A");
        assert_eq!(members["stderr"], "plain\0");
        assert!(!members.contains_key("stderr_base64"));
    }
}
