//! Jobs that cannot be: each fails once, with a message that names what is wrong, without having run.

use serde_json::{Value, json};

use super::{SERVER, id_of, only_attempt, script};

const PROGRAM: &str = "print('ran')";

/// The input that `scripts.with_facts` takes; each test spoils it in one way.
fn facts() -> Value {
    json!({"script": PROGRAM, "rows": 3, "mode": "fast"})
}

/// Hands in a job, and checks that it is refused for good, on record, with all of `named` in its message.
fn assert_refused(service: &str, operation: &str, input: &Value, named: &[&str]) {
    let job = SERVER.run(service, operation, input);
    assert_eq!(job["status"], "failed", "{job}");
    let message = job["error_message"].as_str().unwrap();
    for name in named {
        assert!(message.contains(name), "`{name}` is not in: {message}");
    }
    assert!(message.len() < 2000, "the message is {} bytes long", message.len());
    assert_eq!((&job["attempts"], &job["max_attempts"]), (&json!(1), &json!(1)), "no retry");
    let attempt = only_attempt(id_of(&job));
    assert_eq!(attempt["status"], "refused");
    assert_eq!(
        (&attempt["exit_code"], &attempt["resource_usage"]),
        (&Value::Null, &Value::Null),
        "it did not run"
    );
    let events = SERVER.events(id_of(&job));
    let last = events.last().unwrap();
    assert_eq!((&last["kind"], &last["body"]["status"]), (&json!("attempt.ended"), &json!("refused")));
    assert_eq!(last["body"]["error"], message);
    let dead = SERVER.rows(&format!("SELECT * FROM jobs.tb_dead_letter WHERE job_id = '{}'", id_of(&job)));
    assert_eq!((dead.len(), &dead[0]["reason"]), (1, &json!("refused")));
}

#[test]
fn the_same_call_with_nothing_wrong_completes() {
    let job = SERVER.run("scripts", "with_facts", &facts());
    assert_eq!((&job["status"], &job["output_data"]["stdout"]), (&json!("completed"), &json!("ran\n")));
}

#[test]
fn an_unknown_service_is_named_with_those_that_are_known() {
    assert_refused("script", "python", &script(PROGRAM), &["`script`", "scripts"]);
}

#[test]
fn an_unknown_operation_is_named_with_those_that_are_known() {
    assert_refused("scripts", "pyhton", &script(PROGRAM), &["`pyhton`", "`python`"]);
}

#[test]
fn a_missing_field_is_named() {
    assert_refused(
        "scripts",
        "with_facts",
        &json!({"script": PROGRAM, "mode": "fast"}),
        &["`rows`", "missing"],
    );
}

#[test]
fn a_field_of_another_type_is_named_with_what_was_expected() {
    let mut input = facts();
    input["rows"] = json!("three");
    assert_refused("scripts", "with_facts", &input, &["`rows`", "integer"]);
    input["rows"] = json!(3.5);
    assert_refused("scripts", "with_facts", &input, &["`rows`", "integer"]);
}

#[test]
fn all_that_is_wrong_with_an_input_is_said_at_once() {
    let input = json!({"script": 5, "mode": "sideways", "extra": true});
    assert_refused("scripts", "with_facts", &input, &["`script`", "`rows`", "`mode`", "fast", "`extra`"]);
}

#[test]
fn an_input_that_is_no_object_is_refused() {
    assert_refused("scripts", "with_facts", &json!([1, 2]), &["the input", "object"]);
}

#[test]
fn a_script_of_ten_megabytes_is_refused_and_one_of_nearly_one_runs() {
    let padded = |size: usize| script(&format!("print('ran')\n#{}", "x".repeat(size)));
    assert_refused("scripts", "python", &padded(10 << 20), &["`script`", "bytes", "1048576"]);
    let job = SERVER.run("scripts", "python", &padded(1_000_000));
    assert_eq!(job["output_data"]["stdout"], "ran\n", "{}", job["error_message"]);
}

#[test]
fn an_input_beyond_what_is_stored_at_all_is_refused() {
    let input = json!({"script": PROGRAM, "rows": 1, "mode": "fast", "note": "x".repeat(17 << 20)});
    assert_refused("scripts", "with_facts", &input, &["the input", "bytes"]);
}
