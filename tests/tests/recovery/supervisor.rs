//! The supervisor is killed while jobs run.

use serde_json::json;
use stockade_tests::{eventually, groups_of_worker, processes};

use super::{PROMPTLY, SOON, assert_record_holds, server, submit, until_gone, until_running, verdicts};

#[test]
fn nothing_of_a_killed_supervisor_is_left_and_none_of_its_jobs_is_lost() {
    let mut server = server();
    let first = server.pid();
    let begun: Vec<String> = (0..8).map(|_| submit(&server, "sleep 3.03125; echo done")).collect();
    let waiting: Vec<String> = (0..4).map(|_| submit(&server, "echo waited")).collect();
    eventually("eight jobs run", SOON, || {
        (stockade_tests::job_processes("sleep 3.03125").len() == 8).then_some(())
    });
    let (launcher, postgres) = (server.launcher().pid, server.postgres().pid);
    assert!(!groups_of_worker(first).is_empty(), "a worker that lives has groups");
    server.kill();
    until_gone("3.03125");
    eventually("launcher and database are gone", SOON, || {
        (!processes().iter().any(|process| process.pid == launcher || process.pid == postgres)).then_some(())
    });
    server.start_again();
    assert_eq!(groups_of_worker(first), Vec::<std::path::PathBuf>::new());
    for id in &begun {
        let job = server.ended(id);
        assert_eq!((&job["status"], &job["attempts"]), (&json!("completed"), &json!(2)), "{job}");
        assert_eq!(verdicts(&server, id), ["lost", "completed"]);
        let kinds: Vec<_> = server.events(id).into_iter().map(|event| event["kind"].clone()).collect();
        assert_eq!(kinds, ["attempt.started", "attempt.lost", "attempt.started", "attempt.ended"]);
    }
    for id in &waiting {
        let job = server.ended(id);
        assert_eq!(
            (&job["output_data"]["stdout"], &job["attempts"]),
            (&json!("waited\n"), &json!(1)),
            "{job}"
        );
    }
    assert_record_holds(&server);
}

#[test]
fn a_lost_job_without_attempts_left_is_a_dead_letter_that_says_so() {
    let mut server = server();
    let input = json!({"script": "sleep 66.03125"});
    let id = server.submit_with("tools", "sh", &input, &[("max_attempts", json!(1))]);
    until_running("66.03125");
    server.kill();
    // At once: what the killed one left running is in the way.
    server.start_again();
    until_gone("66.03125");
    let job = server.ended(&id);
    assert_eq!((&job["status"], &job["attempts"]), (&json!("failed"), &json!(1)), "{job}");
    assert_eq!(job["error_message"], "the worker was lost while the attempt ran");
    assert_eq!(verdicts(&server, &id), ["lost"]);
    let dead = server.rows("SELECT * FROM jobs.tb_dead_letter");
    assert_eq!((&dead[0]["job_id"], &dead[0]["reason"]), (&json!(id), &json!("lost")));
}

#[test]
fn a_job_handed_in_while_nobody_works_is_done_when_somebody_does() {
    let mut server = server();
    let id = submit(&server, "echo done");
    server.ended(&id);
    // A job that waits for its time is all there is of it when the supervisor dies.
    let later = server.sql(
        "WITH job AS (INSERT INTO jobs.tb_job_run (identifier, service_name, operation, input_data)
                      VALUES ('later', 'tools', 'sh', '{\"script\": \"echo later\"}') RETURNING id)
         SELECT id FROM job",
    );
    server.kill();
    server.start_again();
    assert_eq!(server.ended(&later)["output_data"]["stdout"], "later\n");
    assert_eq!(server.job(&id)["output_data"]["stdout"], "done\n", "what was done stays done");
    eventually("the queue is empty", PROMPTLY, || {
        (server.sql("SELECT count(*) FROM jobs.tb_job_queue") == "0").then_some(())
    });
}
