//! Two workers and one queue.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use stockade_tests::{eventually, job_processes};

use super::{assert_record_holds, server, submit, until_running, verdicts};

#[test]
fn a_worker_that_was_frozen_gives_up_what_another_has_taken_meanwhile() {
    let first = server();
    let id = submit(&first, "sleep 9.03125; echo done");
    let process = until_running("9.03125");
    let second = first.second_worker();
    first.signal(Signal::STOP);
    // The job itself runs on: its launcher was not stopped.
    let taken = eventually("the second worker takes the job", Duration::from_secs(20), || {
        job_processes("9.03125").into_iter().find(|other| other.uid != process.uid)
    });
    first.signal(Signal::CONT);
    eventually("the first worker ends its own", Duration::from_secs(4), || {
        job_processes("9.03125").iter().all(|other| other.uid == taken.uid).then_some(())
    });
    let job = first.ended(&id);
    assert_eq!((&job["status"], &job["attempts"]), (&json!("completed"), &json!(2)), "{job}");
    assert_eq!(verdicts(&first, &id), ["lost", "completed"]);
    assert_record_holds(&first);
    drop(second);
}

#[test]
fn two_workers_share_a_queue_and_no_job_runs_twice() {
    let first = server();
    let second = first.second_worker();
    // One has room for eight, and each takes longer than the other may need to hear of the rest.
    let ids = first.sql(
        "INSERT INTO jobs.tb_job_run (identifier, service_name, operation, input_data)
         SELECT 'shared-' || n, 'tools', 'sh', '{\"script\": \"sleep 1.5\"}' FROM generate_series(1, 14) n RETURNING id",
    );
    for id in ids.lines() {
        assert_eq!(first.ended(id)["status"], "completed");
        assert_eq!(verdicts(&first, id), ["completed"]);
    }
    let workers = first.sql("SELECT count(DISTINCT worker_id) FROM jobs.tb_job_attempt");
    assert_eq!(workers, "2");
    assert_record_holds(&first);
    drop(second);
}
