//! Calls of functions on their way through the queue.

use std::process::Command;
use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use stockade_tests::{Answer, Endpoint, Place, Server, eventually};

use crate::stage::{AWS, PROMPTLY, SECRET, SERVER, calls_with, dead, run, serverless, submit};

#[test]
fn the_record_says_what_was_called_and_what_it_used_and_that_others_confined_it() {
    let job = run("functions", "call", &json!({"payload": {"mark": "plain"}}));
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!(job["output_data"]["result"], json!({"rows": 3}));
    let target = &job["security_context"]["target"];
    assert_eq!(target["function"], "arn:aws:lambda:eu-west-1:123456789012:function:stockade-test-function:7");
    assert_eq!((&target["executed_version"], &target["provider"]), (&json!("7"), &json!("aws")));
    assert!(target["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1:")), "{target}");
    let layers = &job["security_context"]["enforcement"];
    assert_eq!(layers["isolation"]["state"], "delegated");
    assert_eq!(layers["wall_clock"]["state"], "enforced");
    assert_eq!(
        (&layers["answer_size"]["state"], &layers["tls"]["state"]),
        (&json!("enforced"), &json!("absent"))
    );
    assert_eq!(job["security_context"]["policy"]["name"], "function-call");
    let usage = &job["resource_usage"];
    assert_eq!((&usage["billed_ms"], &usage["peak_memory_mb"]), (&json!(4.0), &json!(36.0)), "{usage}");
    assert_eq!((&usage["init_ms"], &usage["cpu_usage_percent"]), (&Value::Null, &Value::Null));
    assert!(usage["unknown"]["cpu_usage_percent"].is_string() && usage["unknown"]["init_ms"].is_string());
    assert!(usage["unknown"].get("billed_ms").is_none() && usage["duration_seconds"].is_f64());

    let asked = &calls_with(&json!("plain"))[0];
    let id = job["id"].as_str().unwrap();
    let context = STANDARD.decode(asked.header("x-amz-client-context")).unwrap();
    let context: Value = serde_json::from_slice(&context).unwrap();
    assert_eq!(
        (&context["custom"]["stockade_job_id"], &context["custom"]["stockade_attempt"]),
        (&json!(id), &json!("1"))
    );
}

#[test]
fn a_job_may_choose_among_the_functions_of_the_policy_and_no_other() {
    let chosen = |name: &str, mark: &str| {
        run("functions", "any", &json!({"function_name": name, "payload": {"mark": mark}}))
    };
    for (name, mark) in [
        ("other", "by name"),
        ("other:live", "by version"),
        ("arn:aws:lambda:eu-west-1:123456789012:function:other:live", "by arn"),
    ] {
        assert_eq!(chosen(name, mark)["status"], "completed", "{name}");
        assert!(calls_with(&json!(mark))[0].target.contains("other/invocations?Qualifier=live"));
    }
    for (name, mark) in [
        ("other:7", "a"),
        ("other:$LATEST", "b"),
        ("nobody", "c"),
        ("arn:aws:lambda:eu-west-1:210987654321:function:other:live", "d"),
        ("arn:aws:lambda:us-east-1:123456789012:function:other:live", "e"),
    ] {
        let job = chosen(name, mark);
        assert!(job["error_message"].as_str().unwrap().contains("does not grant"), "{job}");
        assert!(calls_with(&json!(mark)).is_empty());
        assert_eq!(dead(&job), Some(json!("refused")));
    }
    // What an operation names cannot be chosen otherwise.
    let job = run("functions", "call", &json!({"function_name": "other", "payload": {"mark": "f"}}));
    assert_eq!((job["status"].as_str(), calls_with(&json!("f")).len()), (Some("failed"), 0), "{job}");
}

#[test]
fn what_a_row_says_can_only_tighten() {
    let with = |column: &'static str, value: Value| {
        let input = json!({"payload": {"mark": "row"}});
        SERVER.ended(&SERVER.submit_with("functions", "any", &input, &[serverless(), (column, value)]))
    };
    let only = "arn:aws:lambda:eu-west-1:123456789012:function:other:live";
    let job = with("security_context", json!({"functions": [only]}));
    assert_eq!(job["status"], "completed", "the only one left is the one that is meant: {job}");
    for (column, value) in [
        ("runner_config", json!({"region": "us-east-1"})),
        ("runner_config", json!({"allowed_functions": ["arn:aws:lambda:eu-west-1:1:function:x:1"]})),
        ("runner_config", json!({"endpoint": "http://127.0.0.1:1"})),
        ("security_context", json!({"resource_limits": {"wall_seconds": 900}})),
        ("security_context", json!({"functions": ["arn:aws:lambda:eu-west-1:123456789012:function:x:1"]})),
    ] {
        let job = with(column, value.clone());
        assert_eq!(dead(&job), Some(json!("refused")), "{column} {value}: {job}");
    }
}

#[test]
fn a_payload_that_is_too_large_is_refused_before_the_call() {
    let id = SERVER.sql(
        "INSERT INTO jobs.tb_job_run (identifier, service_name, operation, execution_type, input_data) VALUES \
         (gen_random_uuid()::text, 'functions', 'call', 'serverless', jsonb_build_object('payload', \
         jsonb_build_object('mark', 'large', 'text', repeat('x', 7 * 1024 * 1024)))) RETURNING id",
    );
    let job = SERVER.ended(&id);
    let said = job["error_message"].as_str().unwrap();
    assert!(said.contains("the payload has 7340") && said.contains("at most 6291456"), "{said}");
    assert_eq!((job["attempts"].as_i64(), calls_with(&json!("large")).len()), (Some(1), 0));
}

#[test]
fn what_may_have_been_done_is_not_done_again_unless_the_registry_says_that_it_may() {
    let job = run("functions", "call", &json!({"payload": {"do": "break", "mark": "once"}}));
    assert_eq!(
        (job["attempts"].as_i64(), job["output_data"]["error_class"].as_str()),
        (Some(1), Some("unknown"))
    );
    assert!(job["error_message"].as_str().unwrap().contains("is not known"), "{job}");
    assert_eq!((dead(&job), calls_with(&json!("once")).len()), (Some(json!("failed")), 1));

    let job = run("functions", "again", &json!({"payload": {"do": "break once", "mark": "again"}}));
    assert_eq!((job["status"].as_str(), calls_with(&json!("again")).len()), (Some("completed"), 2), "{job}");
}

#[test]
fn a_function_that_threw_ran_and_is_not_called_again_unless_the_registry_says_that_it_may_be() {
    let job = run("functions", "call", &json!({"payload": {"do": "throw", "mark": "threw"}}));
    assert_eq!((job["status"].as_str(), job["attempts"].as_i64()), (Some("failed"), Some(1)), "{job}");
    assert_eq!(job["output_data"]["error_class"], "unknown", "{job}");
    assert_eq!((dead(&job), calls_with(&json!("threw")).len()), (Some(json!("failed")), 1));

    let job = run("functions", "again", &json!({"payload": {"do": "throw", "mark": "threw again"}}));
    assert_eq!((job["attempts"].as_i64(), calls_with(&json!("threw again")).len()), (Some(2), 2), "{job}");
    assert_eq!(job["output_data"]["error_class"], "unknown", "{job}");
}

#[test]
fn a_throttled_call_comes_again_when_the_platform_says() {
    let job = run("functions", "call", &json!({"payload": {"do": "throttle", "mark": "throttled"}}));
    assert_eq!((job["status"].as_str(), job["attempts"].as_i64()), (Some("completed"), Some(2)), "{job}");
}

#[test]
fn a_function_that_throws_has_failed_and_its_log_is_kept() {
    let job = SERVER.submit_with(
        "functions",
        "call",
        &json!({"payload": {"do": "throw"}}),
        &[serverless(), ("max_attempts", json!(1))],
    );
    let job = SERVER.ended(&job);
    assert!(job["error_message"].as_str().unwrap().contains("`ValueError`: no rows"), "{job}");
    assert!(job["output_data"]["stderr"].as_str().unwrap().contains("hello from the function"));
    let job = run("functions", "call", &json!({"payload": {"do": "exhaust"}}));
    assert_eq!((job["attempts"].as_i64(), dead(&job)), (Some(1), Some(json!("out_of_memory"))), "{job}");
}

#[test]
fn what_others_say_of_an_error_is_kept_to_a_bound() {
    for what in ["throw at length", "refuse at length"] {
        let job = run("functions", "call", &json!({"payload": {"do": what}}));
        let said = job["error_message"].as_str().unwrap();
        assert!(said.contains("nnnn") && said.len() < 2_200, "{what}: {} bytes", said.len());
    }
    // Short ones are kept whole.
    let job = run("functions", "call", &json!({"payload": {"do": "throw"}}));
    assert!(job["error_message"].as_str().unwrap().contains("with `ValueError`: no rows;"), "{job}");
}

#[test]
fn an_answer_that_is_larger_than_the_policy_lets_it_be_ends_the_job() {
    let job = run("functions", "call", &json!({"payload": {"do": "flood"}}));
    assert_eq!(dead(&job), Some(json!("limit_exceeded")), "{job}");
}

#[test]
fn a_promised_result_is_checked() {
    assert_eq!(run("functions", "promised", &json!({}))["status"], "completed");
    let job = run("functions", "promised", &json!({"payload": {"do": "hand over"}}));
    assert!(job["error_message"].as_str().unwrap().contains("output_schema"), "{job}");
}

#[test]
fn a_call_is_handed_over_only_where_the_registry_lets_it() {
    let input =
        |mark: &str| json!({"invocation_type": "Event", "payload": {"do": "hand over", "mark": mark}});
    let job = run("functions", "call", &input("refused"));
    assert_eq!((dead(&job), calls_with(&json!("refused")).len()), (Some(json!("refused")), 0));
    let job = run("events", "call", &input("handed"));
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!(job["security_context"]["target"]["invocation_type"], "Event");
    assert_eq!(calls_with(&json!("handed"))[0].header("x-amz-invocation-type"), "Event");
    let job = run("events", "call", &json!({"invocation_type": "DryRun"}));
    assert_eq!(dead(&job), Some(json!("refused")));
}

#[test]
fn no_secret_is_on_record_though_the_function_sends_it() {
    let job = run("functions", "call", &json!({"payload": {"do": "echo"}}));
    assert_eq!(job["output_data"]["result"], json!({"said": "***", "rows": 3}));
    let id = job["id"].as_str().unwrap();
    let all = format!("{job}{:?}{:?}", SERVER.attempts(id), SERVER.events(id));
    assert!(!all.contains(SECRET), "{all}");
    assert!(!SERVER.log().contains(SECRET));
}

#[test]
fn without_credentials_nothing_is_sent() {
    let job = run("unsigned", "call", &json!({"payload": {"mark": "unsigned"}}));
    assert!(job["error_message"].as_str().unwrap().contains("no credentials for AWS"), "{job}");
    assert_eq!((job["attempts"].as_i64(), calls_with(&json!("unsigned")).len()), (Some(1), 0));
}

#[test]
fn a_worker_that_lacks_a_key_does_not_start_and_says_where_it_should_be() {
    // The control is the server of these tests: the same registry, and the keys in its environment.
    let without = |key: &str| {
        let place = Place::new(include_str!("services.yaml"));
        let mut up = place.worker("up", &[]);
        up.env("TEST_KEY_ID", "AKIATEST").env("TEST_KEY", SECRET).env_remove(key);
        let output = up.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    for key in ["TEST_KEY_ID", "TEST_KEY"] {
        let said = without(key);
        assert!(said.contains("service `functions` lacks a secret"), "{said}");
        assert!(said.contains(&format!("env:{key}`")) && said.contains("service `events`"), "{said}");
    }
}

#[test]
fn a_function_that_does_not_answer_is_left_when_its_time_is_up() {
    let job = run("functions", "short", &json!({"payload": {"do": "hang", "mark": "late"}}));
    assert_eq!((dead(&job), job["attempts"].as_i64()), (Some(json!("timed_out")), Some(1)), "{job}");
    assert!(job["error_message"].as_str().unwrap().contains("may run on"), "{job}");
}

#[test]
fn to_cancel_closes_the_connection_within_a_second() {
    let id = submit("functions", "call", &json!({"payload": {"do": "hang", "mark": "cancelled"}}));
    eventually("the function is called", Duration::from_secs(10), || {
        calls_with(&json!("cancelled")).pop().map(drop)
    });
    let asked = Instant::now();
    let output = SERVER.place().stockade(&["jobs", "cancel", &id, "--json"]);
    assert!(output.status.success(), "{output:?}");
    let left = eventually("the other side sees it", Duration::from_secs(5), || {
        AWS.left(|asked| asked.body.windows(9).any(|part| part == b"cancelled"))
    });
    assert!(left - asked < PROMPTLY, "after {:?}", left - asked);
    let job = SERVER.ended(&id);
    assert_eq!(job["status"], "cancelled", "{job}");
    let attempt = &SERVER.attempts(&id)[0];
    assert!(attempt["error"].as_str().unwrap_or_default().contains("may run on"), "{attempt}");
}

#[test]
fn a_worker_that_is_told_to_stop_does_not_leave_a_call_to_be_made_twice() {
    let endpoint = Endpoint::start(|_| Answer::Silence);
    let with_keys = |up: &mut Command| {
        up.args(["--environment", "development", "--lambda-endpoint", &endpoint.url()]);
        up.env("TEST_KEY_ID", "AKIATEST").env("TEST_KEY", SECRET);
    };
    let mut server = Server::start_with(Place::new(include_str!("services.yaml")), with_keys);
    let calls = |service: &str, operation: &str| {
        server.submit_with(service, operation, &json!({"payload": {}}), &[serverless()])
    };
    let (once, again) = (calls("functions", "call"), calls("functions", "again"));
    eventually("both are called", Duration::from_secs(10), || (endpoint.asked().len() == 2).then_some(()));
    server.stop();
    server.start_again_with(with_keys);
    eventually("one of them is called again", Duration::from_secs(20), || {
        (endpoint.asked().len() == 3).then_some(())
    });
    let job = server.ended(&once);
    assert_eq!((job["status"].as_str(), job["attempts"].as_i64()), (Some("failed"), Some(1)), "{job}");
    let said = job["error_message"].as_str().unwrap();
    assert!(said.contains("told to stop") && said.contains("may run on"), "{said}");
    let attempts = server.attempts(&again);
    assert_eq!(
        attempts[0]["status"], "interrupted",
        "what may be done twice waits for its turn: {attempts:?}"
    );
    assert_eq!(attempts.len(), 2, "{attempts:?}");
}
