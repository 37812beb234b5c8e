//! Jobs that somebody cancels.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stockade_tests::{eventually, job_processes, literal, polled};

use super::{SERVER, only_attempt, script};

/// How long it may take until a cancelled job's processes are gone.
const PROMPTLY: Duration = Duration::from_secs(1);

fn cancel(id: &str) -> Value {
    let output = SERVER.place().stockade(&["jobs", "cancel", id, "--json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn running(mark: &str, program: &str) -> String {
    let id = SERVER.submit("tools", "sh", &script(program));
    eventually("the job runs", Duration::from_secs(10), || job_processes(mark).pop());
    id
}

/// Cancels, and checks that no process of the job is left a second later.
fn assert_gone_promptly(id: &str, mark: &str, cancel: impl FnOnce()) {
    let asked = Instant::now();
    cancel();
    let gone =
        polled(PROMPTLY.saturating_sub(asked.elapsed()), || job_processes(mark).is_empty().then_some(()));
    assert!(gone.is_some(), "after {:?}: {:?}", asked.elapsed(), job_processes(mark));
    let job = SERVER.ended(id);
    assert_eq!((&job["status"], &job["attempts"]), (&json!("cancelled"), &json!(1)), "{job}");
    assert_eq!(only_attempt(id)["status"], "cancelled");
    let kinds: Vec<Value> = SERVER.events(id).into_iter().map(|event| event["kind"].clone()).collect();
    assert_eq!(kinds, ["attempt.started", "job.cancel_requested", "attempt.ended"]);
}

#[test]
fn a_running_job_is_really_gone_within_a_second() {
    let id = running("71.0625", "sleep 71.0625");
    assert_gone_promptly(&id, "71.0625", || assert_eq!(cancel(&id)["cancel"], "requested"));
}

#[test]
fn a_job_that_ignores_signals_and_has_children_is_gone_too() {
    let mark = "72.0625";
    let id = running(mark, &format!("trap '' TERM INT HUP; for n in 1 2 3; do sleep {mark} & done; wait"));
    eventually("all of it runs", Duration::from_secs(5), || (job_processes(mark).len() == 3).then_some(()));
    assert_gone_promptly(&id, mark, || assert_eq!(cancel(&id)["cancel"], "requested"));
}

#[test]
fn a_job_can_be_cancelled_by_the_function_of_the_database() {
    let id = running("73.0625", "sleep 73.0625");
    assert_gone_promptly(&id, "73.0625", || {
        let answer = SERVER.sql(&format!("SELECT jobs.cancel_job({}, 'an operator')", literal(&id)));
        assert_eq!(answer, "requested");
    });
    assert_eq!(SERVER.events(&id)[1]["body"]["by"], "an operator");
}

#[test]
fn a_job_that_waits_is_cancelled_and_never_runs() {
    let id = SERVER.sql(&format!(
        "BEGIN;
         INSERT INTO jobs.tb_job_run (id, identifier, service_name, operation, input_data)
         VALUES ('cccccccc-0000-4000-8000-000000000001', 'waits', 'tools', 'sh', {});
         UPDATE jobs.tb_job_queue SET run_at = now() + interval '2 seconds'
          WHERE job_id = 'cccccccc-0000-4000-8000-000000000001';
         COMMIT;
         SELECT 'cccccccc-0000-4000-8000-000000000001'",
        literal(&script("sleep 74.0625").to_string())
    ));
    assert_eq!(SERVER.job(&id)["status"], "pending");
    assert_eq!(cancel(&id)["cancel"], "cancelled");
    let job = SERVER.ended(&id);
    assert_eq!((&job["status"], &job["attempts"]), (&json!("cancelled"), &json!(0)));
    // Its time comes, and nothing happens.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(SERVER.job(&id)["status"], "cancelled");
    assert_eq!(SERVER.attempts(&id), Vec::<Value>::new());
    assert_eq!(SERVER.sql(&format!("SELECT count(*) FROM jobs.tb_job_queue WHERE job_id = '{id}'")), "0");
}

#[test]
fn what_is_over_or_unknown_cannot_be_cancelled() {
    let job = SERVER.run("tools", "sh", &script("exit 0"));
    let output = SERVER.place().stockade(&["jobs", "cancel", job["id"].as_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("over already: completed"), "{output:?}");
    let unknown = cancel("00000000-0000-4000-8000-000000000000");
    assert_eq!(unknown["cancel"], "unknown");
}
