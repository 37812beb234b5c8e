//! Jobs that fail while they run.

use serde_json::json;

use super::{SERVER, id_of, only_attempt, script};

#[test]
fn a_job_that_fails_is_tried_as_often_as_its_row_says_and_then_is_a_dead_letter() {
    let failing = script("print('tried', flush=True); raise SystemExit(3)");
    let id = SERVER.submit_with("scripts", "python", &failing, &[("max_attempts", json!(2))]);
    let job = SERVER.ended(&id);
    assert_eq!((&job["status"], &job["attempts"]), (&json!("failed"), &json!(2)));
    assert!(job["error_message"].as_str().unwrap().contains("exited with code 3"), "{job}");
    let attempts = SERVER.attempts(&id);
    assert_eq!(attempts.len(), 2);
    for attempt in &attempts {
        assert_eq!((&attempt["status"], &attempt["exit_code"]), (&json!("failed"), &json!(3)));
        assert_eq!(attempt["stdout"], "\\x74726965640a");
    }
    assert_ne!(attempts[0]["security_context"]["host_uid"], attempts[1]["security_context"]["host_uid"]);
    let dead = SERVER.rows(&format!("SELECT * FROM jobs.tb_dead_letter WHERE job_id = '{id}'"));
    assert_eq!((&dead[0]["attempt"], &dead[0]["reason"]), (&json!(2), &json!("failed")));
    let kinds: Vec<_> = SERVER.events(&id).into_iter().map(|event| event["body"]["job"].clone()).collect();
    assert_eq!(kinds, [json!(null), json!("retry"), json!(null), json!("dead")]);
}

#[test]
fn an_operation_without_retries_is_tried_once_whatever_the_row_says() {
    let id = SERVER.submit_with(
        "scripts",
        "python_once",
        &script("raise SystemExit(1)"),
        &[("max_attempts", json!(5))],
    );
    let job = SERVER.ended(&id);
    assert_eq!(
        (&job["status"], &job["attempts"], &job["max_attempts"]),
        (&json!("failed"), &json!(1), &json!(1))
    );
}

#[test]
fn a_job_that_takes_longer_than_its_row_allows_is_ended() {
    let id = SERVER.submit_with(
        "tools",
        "sh",
        &script("echo begun; sleep 20.0625"),
        &[("timeout_seconds", json!(1)), ("max_attempts", json!(1))],
    );
    let job = SERVER.ended(&id);
    assert!(job["error_message"].as_str().unwrap().contains("longer than its 1 s"), "{job}");
    assert_eq!(job["security_context"]["limits"]["wall_seconds"], 1);
    let attempt = only_attempt(&id);
    assert_eq!((&attempt["status"], &attempt["stdout"]), (&json!("timed_out"), &json!("\\x626567756e0a")));
    let took = job["resource_usage"]["duration_seconds"].as_f64().unwrap();
    assert!((1.0..3.0).contains(&took), "{took}");
    assert!(stockade_tests::job_processes("20.0625").is_empty());
}

#[test]
fn a_longer_time_in_the_row_gives_no_more_than_the_registry_does() {
    let id = SERVER.submit_with("scripts", "python", &script("pass"), &[("timeout_seconds", json!(86_400))]);
    let job = SERVER.ended(&id);
    assert_eq!(job["status"], "completed");
    assert_eq!(job["security_context"]["limits"]["wall_seconds"], 30);
}

#[test]
fn a_job_that_goes_over_its_memory_is_said_to() {
    let hoard = script("hoard = []\nwhile True: hoard.append(bytearray(1 << 20))");
    let job = SERVER.run("scripts", "python_once", &hoard);
    assert!(job["error_message"].as_str().unwrap().contains("128 MiB of memory"), "{job}");
    assert_eq!(only_attempt(id_of(&job))["status"], "out_of_memory");
}

#[test]
fn a_job_that_prints_without_end_is_cut_off_and_what_it_printed_first_is_kept() {
    let job = SERVER.run("scripts", "python_once", &script("while True: print('x' * 79)"));
    let attempt = only_attempt(id_of(&job));
    assert_eq!((&attempt["status"], &attempt["stdout_truncated"]), (&json!("limit_exceeded"), &json!(true)));
    let kept = stockade_tests::bytes(&attempt["stdout"]).len();
    assert!((900 << 10..=1 << 20).contains(&kept), "{kept}");
}
