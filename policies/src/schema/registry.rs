//! A service registry.

use serde_json::{Map, Value, json};

use super::clauses::{clauses, paths};
use super::pattern::{EXECUTION_TYPE, HEADER, NAME, POLICY_NAME, SECRET, TYPE, VARIABLE};
use super::{DIALECT, Keys, integer, text, thousandths, words};
use crate::registry::{
    ATTEMPTS_MAX, AUTH_TYPES, BACKOFFS, BODIES, INVOCATIONS, METHODS, PROVIDERS, SIGN_INS, TIMEOUT_MAX,
};

/// The JSON Schema of service registries.
pub fn registry_schema() -> Value {
    let services = listed_or_named("service");
    let keys = Keys::new("Which services exist, what their operations run, and under which policy.")
        .required("services", "A list of services with names, or a map of them by name.", services);
    let mut schema = keys.schema();
    if let Value::Object(object) = &mut schema {
        object.insert("$schema".to_owned(), DIALECT.into());
        object.insert("$id".to_owned(), "urn:stockade:services".into());
        object.insert("title".to_owned(), "Stockade service registry".into());
        object.insert("$defs".to_owned(), shared().into());
    }
    schema
}

/// What is stated once and referred to.
fn shared() -> Map<String, Value> {
    let mut shared = clauses(Keys::new("")).properties;
    shared.insert("fields".to_owned(), fields());
    shared.insert("service".to_owned(), any_service());
    for kind in KNOWN.into_iter().chain([OTHER]) {
        shared.insert(format!("{kind}_operation"), operation(kind));
    }
    shared
}

/// The keys so far, and those of the clauses, which are stated once.
fn shared_clauses(keys: Keys) -> Keys {
    let each = clauses(Keys::new("")).properties.into_iter();
    each.fold(keys, |keys, (name, schema)| {
        let description = schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
        let reference = json!({"$ref": format!("#/$defs/{name}")});
        keys.key(&name, &description, reference)
    })
}

/// A list of things with a `name`, or a map of them.
fn listed_or_named(thing: &str) -> Value {
    let thing = format!("#/$defs/{thing}");
    json!({
        "if": {"type": "array"},
        "then": {
            "type": "array",
            "items": {"$ref": thing, "required": ["name"], "properties": {"name": named()}},
        },
        "else": {
            "type": "object",
            "propertyNames": text(NAME),
            "additionalProperties": {"$ref": thing},
        },
    })
}

fn named() -> Value {
    let mut name = text(NAME);
    if let Value::Object(object) = &mut name {
        object.insert("description".to_owned(), "Its name.".into());
    }
    name
}

/// The execution types that the decoder knows more about.
const KNOWN: [&str; 4] = ["shell", "docker", "serverless", "http"];
/// Stands for all others.
const OTHER: &str = "other";

/// A service by its execution type; `http` where it states none.
fn any_service() -> Value {
    let is = |kind: &str| json!({"required": ["execution_type"], "properties": {"execution_type": {"const": kind}}});
    let stated = json!({"required": ["execution_type"]});
    let other = json!({"if": stated, "then": service(OTHER), "else": service("http")});
    let choose = |rest, kind: &'static str| json!({"if": is(kind), "then": service(kind), "else": rest});
    KNOWN.into_iter().rev().fold(other, choose)
}

fn service(kind: &'static str) -> Value {
    let mut keys = Keys::new("A service.")
        .key("name", "Its name, in a list; in a map the key is the name.", json!({}))
        .key("type", "A word of yours.", json!({"type": "string"}))
        .key("category", "A word of yours.", json!({"type": "string"}))
        .key("execution_type", "Which runner carries it out; `http` if nothing is said.", execution_type())
        .key("timeout", "Seconds for each attempt.", integer(1..=TIMEOUT_MAX))
        .key("retry_policy", "How often an operation is tried.", retry_policy())
        .key("idempotent", "Whether doing it twice is the same as doing it once.", json!({"type": "boolean"}))
        .key("runner_config", "What the runner needs to know.", service_config(kind))
        .key("security_policy", "The policy of its jobs.", security_policy(kind))
        .required("operations", "What it can be asked for.", listed_or_named(&format!("{kind}_operation")));
    if kind == "http" {
        keys = http_keys(keys);
    }
    keys.schema()
}

fn execution_type() -> Value {
    json!({"anyOf": [words(KNOWN), text(EXECUTION_TYPE)], "default": "http"})
}

fn retry_policy() -> Value {
    Keys::new("Retries.")
        .key("max_attempts", "Tries, the first included.", integer(1..=ATTEMPTS_MAX))
        .key("backoff", "How the time between tries grows.", words(BACKOFFS.map(|(word, _)| word)))
        .schema()
}

fn http_keys(keys: Keys) -> Keys {
    let string = || json!({"type": "string"});
    let auth = Keys::new("What `auth_type` needs.")
        .key(
            "secret",
            "Where the secret is kept; `env:NAME_TOKEN` of the service's name if nothing is said.",
            text(SECRET),
        )
        .key("header", "The field, of `api_key` and `hmac`.", text(HEADER))
        .key("timestamp_header", "The field for the time, of `hmac`.", text(HEADER))
        .key("user", "The user, of `basic`.", string())
        .key("client_id", "The client, of `oauth2`.", string())
        .key("token_url", "Where tokens are handed out, of `oauth2`.", string())
        .key("scope", "What is asked for, of `oauth2`.", string());
    keys.key("base_url", "The URL below which its operations are.", string())
        .key("auth_type", "How a call is authenticated.", words(AUTH_TYPES.map(|(word, _)| word)))
        .key("auth", "What `auth_type` needs.", auth.schema())
        .key("headers", "Fields that go with each request.", header_fields())
}

fn header_fields() -> Value {
    json!({"type": "object", "propertyNames": text(HEADER), "additionalProperties": {"type": "string"}})
}

fn service_config(kind: &str) -> Value {
    let any_text = || json!({"type": "string"});
    match kind {
        "shell" => Keys::new("Of a shell service.").key(
            "allowed_commands",
            "Programs of the policy that this service may run.",
            paths(),
        ),
        "docker" => Keys::new("Of a Docker service.")
            .key("allowed_images", "Images.", json!({"type": "array", "items": any_text()}))
            .key("default_timeout", "Seconds.", integer(1..=TIMEOUT_MAX))
            .key("network_mode", "`none`, or nothing said.", json!({"const": "none"}))
            .key("runtime", "The engine's runtime, such as `crun`.", any_text())
            .key(
                "allowed_env",
                "Variables that a job may set.",
                json!({"type": "array", "items": text(VARIABLE)}),
            )
            .key(
                "secrets",
                "Variables that every job is given, and where the secrets are kept that are in them.",
                json!({"type": "object", "propertyNames": text(VARIABLE), "additionalProperties": text(SECRET)}),
            )
            .key("resource_limits", "Limits of a container.", container_limits()),
        "serverless" => {
            let sign_in = words(SIGN_INS.map(|(word, _)| word));
            let auth = Keys::new("Sign-in.")
                .required("type", "A way to sign in.", sign_in)
                .key("profile", "The profile of `~/.aws`.", any_text())
                .key("access_key_id", "The public half of an access key.", text(SECRET))
                .key("secret_access_key", "Its secret half.", text(SECRET))
                .key("session_token", "What goes with a temporary one.", text(SECRET))
                .key("key", "A service account's key, in JSON.", text(SECRET));
            let invocation = words(INVOCATIONS.map(|(word, _)| word));
            let invocations = json!({"type": "array", "items": invocation});
            Keys::new("Of a serverless service.")
                .key("provider", "The cloud.", words(PROVIDERS.map(|(word, _)| word)))
                .key("allowed_functions", "Functions.", json!({"type": "array", "items": any_text()}))
                .key("allowed_invocation_types", "Ways to call; `RequestResponse` if not said.", invocations)
                .key("region", "The region of every function.", any_text())
                .key("account", "The account of AWS of every function.", any_text())
                .key("project", "The project of Google Cloud.", any_text())
                .key("timeout", "Seconds.", integer(1..=TIMEOUT_MAX))
                .key("memory_size", "MiB.", integer(128..=32 * 1024))
                .key("auth", "How the worker signs in.", auth.schema())
        }
        "http" => http_keys(Keys::new("Of an HTTP service.")),
        _ => return json!({}),
    }
    .schema()
}

fn container_limits() -> Value {
    Keys::new("Limits.")
        .key("cpu", "Processor cores.", thousandths(10..=1_024_000))
        .key("memory_mb", "MiB.", integer(4..=1024 * 1024))
        .key("disk_mb", "MiB.", integer(1..=1024 * 1024))
        .schema()
}

fn security_policy(kind: &str) -> Value {
    let named = Keys::new("The policy of a service, and what tightens it.").key(
        "use",
        "The policy; `script-standard` if nothing is said.",
        text(POLICY_NAME),
    );
    let keys = shared_clauses(named);
    match kind {
        "docker" => {
            let paths = json!({"type": "array", "items": {"type": "string"}});
            keys.key("allowed_mounts", "Directories of the host that a job may mount.", paths).schema()
        }
        _ => keys.schema(),
    }
}

fn operation(kind: &str) -> Value {
    let schema = || json!({"$ref": "#/$defs/fields"});
    let keys = Keys::new("An operation.")
        .key("name", "Its name, in a list; in a map the key is the name.", json!({}))
        .key("input_schema", "Fields of its input and their types.", schema())
        .key("output_schema", "Fields of its result and their types.", schema())
        .key("timeout", "Seconds for each attempt.", integer(1..=TIMEOUT_MAX))
        .key("max_retries", "Tries after the first.", integer(0..=ATTEMPTS_MAX - 1));
    let keys = keys.key(
        "security_policy",
        "Clauses that tighten once more.",
        shared_clauses(Keys::new("Clauses.")).schema(),
    );
    let keys = match kind {
        "shell" => keys,
        _ => keys.key(
            "idempotent",
            "Whether doing it twice is the same as doing it once.",
            json!({"type": "boolean"}),
        ),
    };
    match kind {
        "shell" => keys.required("runner_config", "What it runs.", run()),
        "http" => keys
            .key("method", "The method; `POST` if nothing is said.", words(METHODS.map(|(word, _)| word)))
            .key("path", "The path below the service's URL.", json!({"type": "string"}))
            .key("body", "How the input is sent.", words(BODIES.map(|(word, _)| word))),
        "serverless" => {
            let config = Keys::new("What the operation calls.");
            let name = json!({"type": "string"});
            let config =
                config.key("function_name", "The function, by its whole name or its short one.", name);
            keys.key("runner_config", "What it calls.", config.schema())
        }
        "docker" => keys.key("runner_config", "What it runs.", container_run()),
        OTHER => keys.key("runner_config", "What the runner needs to know.", json!({})),
        _ => keys,
    }
    .schema()
}

fn arguments() -> Value {
    let path = text(super::pattern::ABSOLUTE);
    json!({"type": "array", "minItems": 1, "prefixItems": [path], "items": {"type": "string"}})
}

fn container_run() -> Value {
    Keys::new("An image, and a command, an interpreter and the input field that holds the script, or the image's own command.")
        .key("image", "The image, one of the allowed.", json!({"type": "string"}))
        .key("runtime", "The engine's runtime, such as `crun`.", json!({"type": "string"}))
        .key("command", "The arguments, the program's path first.", arguments())
        .key("interpreter", "The interpreter's arguments, its path first.", arguments())
        .key("script_from_input", "The input field that holds the script.", json!({"type": "string"}))
        .key("command_from_image", "Whether the image's own command is run.", json!({"type": "boolean"}))
        .rule(json!({"dependentRequired": {
            "interpreter": ["script_from_input"], "script_from_input": ["interpreter"],
        }}))
        .not_both("command", "interpreter")
        .not_both("command", "command_from_image")
        .not_both("interpreter", "command_from_image")
        .schema()
}

fn run() -> Value {
    Keys::new("A command, or an interpreter and the input field that holds the script.")
        .key("command", "The arguments, the program's path first.", arguments())
        .key("interpreter", "The interpreter's arguments, its path first.", arguments())
        .key("script_from_input", "The input field that holds the script.", json!({"type": "string"}))
        .rule(json!({"oneOf": [
            {"required": ["command"], "properties": {"interpreter": false, "script_from_input": false}},
            {"required": ["interpreter", "script_from_input"], "properties": {"command": false}},
        ]}))
        .schema()
}

/// A map of names to types, or a JSON Schema: what has the key `$schema`. What stands in that is its own dialect's.
fn fields() -> Value {
    let kind = json!({"anyOf": [text(TYPE), {"$ref": "#/$defs/fields"}]});
    json!({
        "type": "object",
        "description": "Field names and types; or a JSON Schema, with `$schema`.",
        "if": {"required": ["$schema"]},
        "then": {"properties": {"$schema": {"type": "string", "description": "The address of its dialect."}}},
        "else": {"additionalProperties": kind},
    })
}
