//! What a job's input may choose: which of the functions that the policy grants, what it is given, whether it is waited for.

use serde_json::{Map, Value};
use stockade_policies::{EffectivePolicy, ServerlessSettings};

use super::aws::{self, Arn};
use super::gcp;

/// A call that was chosen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) function: String,
    pub(super) payload: Vec<u8>,
    pub(super) waits: bool,
}

/// What the input comes to; else why not.
pub(super) fn chosen(
    settings: &ServerlessSettings,
    policy: &EffectivePolicy,
    input: &Value,
    promises_output: bool,
) -> Result<Chosen, String> {
    let none = Map::new();
    let input = match input {
        Value::Null => &none,
        Value::Object(input) => input,
        _ => return Err("the input of a function call is an object".to_owned()),
    };
    if let Some(key) = input.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let message = "the input has a key that a function call does not know";
        return Err(format!("{message}: `{}`; the keys are `{}`", short(key), KEYS.join("`, `")));
    }
    let waits = waits(settings, input.get("invocation_type"), promises_output)?;
    let payload = input.get("payload").map_or_else(|| "{}".to_owned(), Value::to_string).into_bytes();
    let most = match (settings.is_gcp(), waits) {
        (true, _) => gcp::PAYLOAD_MAX,
        (false, true) => aws::PAYLOAD_MAX,
        (false, false) => aws::EVENT_PAYLOAD_MAX,
    };
    if payload.len() > most {
        return Err(format!("the payload has {} bytes, the platform takes at most {most}", payload.len()));
    }
    let function = function(settings, policy, input.get("function_name"))?.to_owned();
    placed(settings, &function)?;
    Ok(Chosen { function, payload, waits })
}

const KEYS: [&str; 3] = ["function_name", "payload", "invocation_type"];

fn waits(settings: &ServerlessSettings, asked: Option<&Value>, promised: bool) -> Result<bool, String> {
    match asked {
        None | Some(Value::Null) => Ok(true),
        Some(Value::String(asked)) if asked == "RequestResponse" => Ok(true),
        Some(Value::String(asked)) if asked == "Event" => match (settings.event_allowed, promised) {
            (false, _) => Err("the registry does not let a job call with `Event`".to_owned()),
            (true, true) => Err("`Event` brings no result, and the operation promises one".to_owned()),
            (true, false) => Ok(false),
        },
        Some(other) => {
            let asked = short(other.as_str().unwrap_or("not a text"));
            Err(format!("`invocation_type` is `RequestResponse` or `Event`, not `{asked}`"))
        }
    }
}

/// The operation's own, the one that the input names, or the only one that there is; and granted in any case.
fn function<'p>(
    settings: &ServerlessSettings,
    policy: &'p EffectivePolicy,
    asked: Option<&Value>,
) -> Result<&'p str, String> {
    let asked = match asked {
        None | Some(Value::Null) => None,
        Some(Value::String(asked)) => Some(asked.as_str()),
        Some(_) => return Err("`function_name` is a text".to_owned()),
    };
    let found: Vec<&str> = policy
        .functions()
        .filter(|function| settings.function_name.as_deref().is_none_or(|name| is_meant(function, name)))
        .filter(|function| asked.is_none_or(|name| is_meant(function, name)))
        .collect();
    let name = asked.or(settings.function_name.as_deref());
    match (found.as_slice(), name) {
        ([function], _) => Ok(function),
        ([], None) => Err("the policy grants no function".to_owned()),
        ([], Some(name)) => Err(format!("the policy does not grant the function `{}`", short(name))),
        (_, None) => Err("the policy grants several functions; say which in `function_name`".to_owned()),
        (_, Some(name)) => {
            Err(format!("`{}` is the name of several functions; write it with its version", short(name)))
        }
    }
}

/// By its whole name; of AWS also `NAME` and `NAME:VERSION`.
fn is_meant(function: &str, name: &str) -> bool {
    let short = Arn::parse(function).is_some_and(|arn| {
        name.strip_prefix(arn.name).is_some_and(|rest| match rest.strip_prefix(':') {
            Some(version) => version == arn.qualifier(),
            None => rest.is_empty(),
        })
    });
    function == name || short
}

/// The same question as when services load: between the two, a policy can only have become tighter.
fn placed(settings: &ServerlessSettings, function: &str) -> Result<(), String> {
    let Some(arn) = Arn::parse(function) else {
        return match settings.is_gcp() && function.starts_with("https://") {
            true => Ok(()),
            false => Err(format!("`{function}` is no function of this service's provider")),
        };
    };
    for (what, stated, there) in
        [("region", &settings.region, arn.region), ("account", &settings.account, arn.account)]
    {
        if stated.as_deref().is_some_and(|stated| stated != there) {
            return Err(format!("`{function}` is not of the service's {what}"));
        }
    }
    match settings.is_gcp() {
        true => Err(format!("`{function}` is no function of this service's provider")),
        false => Ok(()),
    }
}

fn short(text: &str) -> String {
    text.chars().take(200).collect()
}
