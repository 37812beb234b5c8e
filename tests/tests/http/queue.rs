//! Calls as jobs of a real worker. One `stockade up` serves all of these tests. Needs root.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stockade_tests::{Place, Server, eventually};

use crate::stage::{Heard, Stage, answer, json as json_answer};

const SECRET: &str = "wh1te-r4bbit-key";

/// Answers by the path that is asked for.
static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    Stage::new(|heard, connection| {
        let key = heard.field("idempotency-key").unwrap_or_default().to_owned();
        let bytes = match heard.line.split([' ', '?']).nth(1).unwrap() {
            "/v1/charges" => json_answer(
                "200 OK",
                &json!({"charge_id": "ch_1", "by": heard.field("authorization")}).to_string(),
            ),
            "/v1/odd" => json_answer("200 OK", r#"{"charge_id": 7}"#),
            "/v1/busy" if asked(&key) == 1 => answer("503 Busy", "retry-after: 1\r\n", ""),
            "/v1/busy" => json_answer("200 OK", "{}"),
            "/v1/reset" => Vec::new(),
            "/v1/away" => answer("302 Found", "location: http://169.254.169.254/latest/meta-data/\r\n", ""),
            path => panic!("{path}"),
        };
        let _ = connection.write_all(&bytes);
    })
});

/// Never answers.
static HANGING: LazyLock<Stage> = LazyLock::new(Stage::silent);

/// How often something has been asked for under a key.
fn asked(key: &str) -> usize {
    STAGE.heard().iter().filter(|heard| heard.field("idempotency-key") == Some(key)).count()
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let services = format!(
        "services:\n  stripe:\n    base_url: {}/v1\n    auth_type: bearer_token\n    timeout: 20\n    operations:\n      \
         charge: {{method: POST, path: /charges, output_schema: {{charge_id: string, by: text}}}}\n      \
         odd: {{method: POST, path: /odd, output_schema: {{charge_id: string}}}}\n      \
         busy: {{method: POST, path: /busy}}\n      reset: {{method: POST, path: /reset}}\n      \
         away: {{method: GET, path: /away}}\n  \
         slow:\n    base_url: {}\n    operations: {{hang: {{method: POST, path: /hang}}}}\n",
        STAGE.url(),
        HANGING.url()
    );
    Server::start_with(Place::new(&services), |worker| {
        worker.env("STRIPE_TOKEN", SECRET);
    })
});

fn submit(operation: &str, more: &[(&str, Value)]) -> String {
    let more = [&[("execution_type", json!("http"))], more].concat();
    SERVER.submit_with("stripe", operation, &json!({"amount": 100}), &more)
}

fn heard_under(key: &str) -> Vec<Heard> {
    STAGE
        .heard()
        .into_iter()
        .chain(HANGING.heard())
        .filter(|heard| heard.field("idempotency-key") == Some(key))
        .collect()
}

#[test]
fn a_call_is_a_job_like_any_other_and_its_secret_is_nowhere_on_record() {
    let id = submit("charge", &[]);
    let job = SERVER.ended(&id);
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!(job["output_data"]["result"], json!({"charge_id": "ch_1", "by": "Bearer ***"}));
    assert_eq!(heard_under(&id)[0].field("authorization"), Some(format!("Bearer {SECRET}").as_str()));
    let context = &job["security_context"];
    assert_eq!(context["policy"]["name"], "http-call");
    assert_eq!(context["target"]["address"], STAGE.address.to_string());
    assert_eq!(context["enforcement"]["address"]["state"], "enforced");
    assert_eq!(context["limits"]["wall_seconds"], 20);
    assert!(job["resource_usage"]["time_to_first_byte_ms"].is_number());
    let everything = format!("{job} {:?} {:?} {}", SERVER.attempts(&id), SERVER.events(&id), SERVER.log());
    assert!(!everything.contains(SECRET));
    assert!(SERVER.broken_record().is_empty());
}

#[test]
fn an_answer_that_is_not_as_promised_fails_the_job_for_good() {
    let job = SERVER.ended(&submit("odd", &[]));
    assert_eq!((&job["status"], &job["attempts"]), (&json!("failed"), &json!(1)), "{job}");
    assert!(job["error_message"].as_str().unwrap().contains("charge_id"), "{job}");
}

#[test]
fn a_server_that_is_busy_is_asked_again_when_it_says_under_the_same_key() {
    let id = submit("busy", &[("idempotency_key", json!("order-9"))]);
    let job = SERVER.ended(&id);
    assert_eq!((&job["status"], &job["attempts"]), (&json!("completed"), &json!(2)), "{job}");
    let heard = heard_under("order-9");
    assert_eq!(heard.len(), 2);
    let trace = |at: usize| heard[at].field("traceparent").unwrap().split('-').nth(1).unwrap().to_owned();
    assert_eq!(trace(0), trace(1));
}

#[test]
fn what_may_have_been_done_lies_among_the_dead_letters_after_one_attempt() {
    let id = submit("reset", &[]);
    let job = SERVER.ended(&id);
    assert_eq!((&job["status"], &job["attempts"]), (&json!("failed"), &json!(1)), "{job}");
    assert_eq!(job["output_data"]["error_class"], "unknown", "{job}");
    assert_eq!(heard_under(&id).len(), 1);
    assert_eq!(SERVER.rows(&format!("SELECT * FROM jobs.tb_dead_letter WHERE job_id = '{id}'")).len(), 1);
}

#[test]
fn a_worker_that_is_told_to_stop_leaves_no_request_to_be_made_twice_that_may_not_be() {
    let silent = Stage::silent();
    let services = format!(
        "services:\n  slow:\n    base_url: {}\n    timeout: 5\n    operations:\n      once: {{method: POST, path: /once}}\n      \
         again: {{method: POST, path: /again, idempotent: true}}\n",
        silent.url()
    );
    let mut server = Server::start_with(Place::new(&services), |_| ());
    let [once, again] = ["once", "again"].map(|operation| {
        server.submit_with("slow", operation, &json!({}), &[("execution_type", json!("http"))])
    });
    let heard =
        |key: &str| silent.heard().iter().filter(|heard| heard.field("idempotency-key") == Some(key)).count();
    let soon = Duration::from_secs(20);
    eventually("both are called", soon, || (heard(&once) + heard(&again) == 2).then_some(()));
    server.stop();
    server.start_again();
    eventually("one is called again", soon, || (heard(&again) == 2).then_some(()));
    let job = server.ended(&once);
    assert_eq!((&job["status"], &job["attempts"]), (&json!("failed"), &json!(1)), "{job}");
    assert_eq!((&job["output_data"]["error_class"], heard(&once)), (&json!("unknown"), 1), "{job}");
    assert_eq!(server.attempts(&again)[0]["status"], "interrupted");
}

#[test]
fn a_redirect_to_the_metadata_service_is_a_denial_of_the_job() {
    let job = SERVER.ended(&submit("away", &[]));
    assert_eq!(job["status"], "failed");
    let denial = &job["security_context"]["denials"][0];
    assert_eq!(
        (&denial["layer"], &denial["target"]),
        (&json!("destination"), &json!("169.254.169.254:80")),
        "{job}"
    );
}

#[test]
fn a_cancelled_job_closes_its_connection_within_a_second() {
    let more = [("execution_type", json!("http"))];
    let id = SERVER.submit_with("slow", "hang", &json!({}), &more);
    eventually("the call is made", Duration::from_secs(20), || (!heard_under(&id).is_empty()).then_some(()));
    let asked = Instant::now();
    SERVER.sql(&format!("SELECT jobs.cancel_job('{id}', 'an operator')"));
    let took = HANGING.closed().saturating_duration_since(asked);
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(SERVER.ended(&id)["status"], "cancelled");
}
