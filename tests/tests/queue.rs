//! Jobs on their way through the queue: from the row that somebody inserts to the result, the usage and the record.
//! One `stockade up` serves all of these tests. Needs root.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

#[path = "queue/bad_input.rs"]
mod bad_input;
#[path = "queue/cancel.rs"]
mod cancel;
#[path = "queue/claiming.rs"]
mod claiming;
#[path = "queue/duplicates.rs"]
mod duplicates;
#[path = "queue/evidence.rs"]
mod evidence;
#[path = "queue/inert.rs"]
mod inert;
#[path = "queue/proposals.rs"]
mod proposals;
#[path = "queue/retries.rs"]
mod retries;
#[path = "queue/specql.rs"]
mod specql;
#[path = "queue/submit.rs"]
mod submit;
#[path = "queue/types.rs"]
mod types;

use std::sync::LazyLock;

use serde_json::{Value, json};
use stockade_tests::Server;

/// The server of all tests here. Nobody drops it: it ends with the process, and its place is removed then.
static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(include_str!("queue/services.yaml")));

/// The input of an operation that takes a script.
fn script(text: &str) -> Value {
    json!({"script": text})
}

/// The only attempt of a job that had one.
fn only_attempt(id: &str) -> Value {
    let mut attempts = SERVER.attempts(id);
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    attempts.remove(0)
}

/// A job of which only its id is known.
fn id_of(job: &Value) -> &str {
    job["id"].as_str().unwrap()
}
