//! A server of Stockade whose functions are a server of the tests.

use std::sync::LazyLock;
use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use stockade_tests::{Answer, Asked, Endpoint, Place, Server};

/// The secret half of the access key.
pub(crate) const SECRET: &str = "a-secret-that-nobody-may-see";

/// What answers for AWS: the payload's `do` says how.
pub(crate) static AWS: LazyLock<Endpoint> = LazyLock::new(|| Endpoint::start(answer));

/// The server of all tests here. Nobody drops it: it ends with the process, and its place is removed then.
pub(crate) static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let place = Place::new(include_str!("services.yaml"));
    Server::start_with(place, |up| {
        up.args(["--environment", "development", "--lambda-endpoint", &AWS.url()]);
        up.env("TEST_KEY_ID", "AKIATEST").env("TEST_KEY", SECRET);
        // Nobody follows these.
        up.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1").env("AWS_PROFILE", "nobody");
        up.env("HTTP_PROXY", "http://127.0.0.1:1").env("http_proxy", "http://127.0.0.1:1");
    })
});

const ID: &str = "8f507cfc-0000-4697-b07a-ac58fc914c95";

fn answer(asked: &Asked) -> Answer {
    let given: Value = serde_json::from_slice(&asked.body).unwrap_or(Value::Null);
    let log = STANDARD.encode(format!(
        "START RequestId: {ID}\nhello from the function, {SECRET}\nREPORT RequestId: {ID}\tDuration: 3.14 ms\tBilled Duration: 4 ms\tMemory \
         Size: 128 MB\tMax Memory Used: 36 MB\t\n"
    ));
    let known = [("x-amzn-requestid", ID), ("x-amz-executed-version", "7"), ("x-amz-log-result", &log)];
    let failed: Vec<(&str, &str)> =
        known.into_iter().chain([("x-amz-function-error", "Unhandled")]).collect();
    match given["do"].as_str().unwrap_or("answer") {
        "throw" => Answer::whole(200, &failed, br#"{"errorType": "ValueError", "errorMessage": "no rows"}"#),
        "throw at length" => {
            let message = "n".repeat(60_000);
            let said = json!({"errorType": "ValueError", "errorMessage": message}).to_string();
            Answer::whole(200, &failed, said.as_bytes())
        }
        "refuse at length" => {
            let said = json!({"message": "n".repeat(60_000)}).to_string();
            let headers = [("x-amzn-errortype", "InvalidParameterValueException")];
            Answer::whole(400, &headers, said.as_bytes())
        }
        "exhaust" => {
            Answer::whole(200, &failed, br#"{"errorType": "Runtime.OutOfMemory", "errorMessage": "x"}"#)
        }
        "throttle" if first_with(&given) => {
            let headers = [("x-amzn-errortype", "TooManyRequestsException"), ("retry-after", "1")];
            Answer::whole(429, &headers, br#"{"message": "Rate Exceeded."}"#)
        }
        "break" => Answer::Reset(Vec::new()),
        "break once" if first_with(&given) => Answer::Reset(Vec::new()),
        "hang" => Answer::Silence,
        "flood" => Answer::whole(200, &known, &vec![b'1'; 65 * 1024]),
        "echo" => Answer::whole(200, &known, json!({"said": SECRET, "rows": 3}).to_string().as_bytes()),
        "hand over" => Answer::whole(202, &known[..1], b""),
        _ => Answer::whole(200, &known, br#"{"rows": 3}"#),
    }
}

/// Whether no other call has had this mark.
fn first_with(given: &Value) -> bool {
    calls_with(&given["mark"]).len() == 1
}

/// The calls that had a mark in their payload.
pub(crate) fn calls_with(mark: &Value) -> Vec<Asked> {
    let has = |asked: &Asked| {
        serde_json::from_slice::<Value>(&asked.body).is_ok_and(|given| &given["mark"] == mark)
    };
    AWS.asked().into_iter().filter(has).collect()
}

/// The columns of a row for a function.
pub(crate) fn serverless() -> (&'static str, Value) {
    ("execution_type", json!("serverless"))
}

/// Hands in a call of an operation of a service.
pub(crate) fn submit(service: &str, operation: &str, input: &Value) -> String {
    SERVER.submit_with(service, operation, input, &[serverless()])
}

/// Runs one to its end.
pub(crate) fn run(service: &str, operation: &str, input: &Value) -> Value {
    SERVER.ended(&submit(service, operation, input))
}

/// Why a job is among the dead letters, if it is.
pub(crate) fn dead(job: &Value) -> Option<Value> {
    let id = job["id"].as_str().unwrap();
    let rows = SERVER.rows(&format!("SELECT * FROM jobs.tb_dead_letter WHERE job_id = '{id}'"));
    rows.into_iter().next().map(|row| row["reason"].clone())
}

/// How soon the other side has to see that a call is over.
pub(crate) const PROMPTLY: Duration = Duration::from_secs(1);
