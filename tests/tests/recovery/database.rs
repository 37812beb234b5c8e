//! The database goes while jobs run, or will not take the record.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use stockade_tests::{Server, eventually, job_processes, literal, signal};

use super::{SOON, assert_record_holds, server, submit, until_running, verdicts};

/// Kills the server's Postgres, and answers with the process that it was.
fn kill_postgres(server: &Server) -> u32 {
    let postmaster = server.postgres().pid;
    signal(postmaster, Signal::KILL);
    postmaster
}

fn until_answering(server: &Server) {
    eventually("the database is back", Duration::from_secs(30), || server.try_sql("SELECT 1").ok());
}

#[test]
fn a_job_outlives_the_database_and_is_recorded_when_that_is_back() {
    let server = server();
    let id = submit(&server, "sleep 2.03125; echo done");
    let process = until_running("2.03125");
    let killed = kill_postgres(&server);
    until_answering(&server);
    assert_ne!(server.postgres().pid, killed);
    let job = server.ended(&id);
    assert_eq!((&job["status"], &job["attempts"]), (&json!("completed"), &json!(1)), "{job}");
    assert_eq!(job["output_data"]["stdout"], "done\n");
    assert_eq!(verdicts(&server, &id), ["completed"]);
    assert!(job_processes("2.03125").iter().all(|other| *other == process), "it ran once");
    assert_record_holds(&server);
    // And the worker goes on.
    assert_eq!(server.ended(&submit(&server, "echo next"))["output_data"]["stdout"], "next\n");
}

#[test]
fn a_job_that_ends_while_the_database_is_down_is_recorded_when_that_is_back() {
    let server = server();
    let id = submit(&server, "sleep 1.03125; echo done");
    until_running("1.03125");
    let back = without_database(&server);
    // It ends while there is nobody to tell.
    eventually("the job ends", SOON, || job_processes("1.03125").is_empty().then_some(()));
    back();
    until_answering(&server);
    assert_eq!(server.ended(&id)["output_data"]["stdout"], "done\n");
    assert_eq!(verdicts(&server, &id), ["completed"]);
    assert_record_holds(&server);
}

#[test]
fn nothing_begins_while_the_database_is_down() {
    let server = server();
    let id = server.sql(&format!(
        "BEGIN;
         INSERT INTO jobs.tb_job_run (id, identifier, service_name, operation, input_data)
         VALUES ('dddddddd-0000-4000-8000-000000000001', 'later', 'tools', 'sh', {});
         UPDATE jobs.tb_job_queue SET run_at = now() + interval '3 seconds';
         COMMIT;
         SELECT 'dddddddd-0000-4000-8000-000000000001'",
        literal("{\"script\": \"sleep 0.51562; echo done\"}")
    ));
    // The database has gone long before the job's time comes.
    let back = without_database(&server);
    let seen: Vec<_> = (0..50)
        .flat_map(|_| {
            std::thread::sleep(Duration::from_millis(100));
            job_processes("0.51562")
        })
        .collect();
    assert_eq!(seen, []);
    back();
    until_answering(&server);
    let job = server.ended(&id);
    assert_eq!((&job["status"], &job["attempts"]), (&json!("completed"), &json!(1)), "{job}");
}

/// Kills Postgres and keeps it from coming back until the answer is called.
fn without_database(server: &Server) -> impl FnOnce() {
    let data = server.place().state_dir().join("postgres/data");
    let aside = data.with_file_name("data.aside");
    std::fs::rename(&data, &aside).unwrap();
    kill_postgres(server);
    eventually("nobody answers", SOON, || server.try_sql("SELECT 1").err());
    move || {
        // A server that found nothing there must not have made anything either.
        assert!(
            std::fs::symlink_metadata(&data).is_err(),
            "an empty cluster was put into the place of one that was away"
        );
        std::fs::rename(&aside, &data).unwrap();
    }
}

/// Makes the record refuse events of one kind.
fn refuse_events(server: &Server, kind: &str) {
    server.sql(&format!(
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'the disk of the record is full'; END $$;
         CREATE TRIGGER tr_a_refuse BEFORE INSERT ON audit.tb_event FOR EACH ROW WHEN (NEW.kind = '{kind}')
             EXECUTE FUNCTION public.refuse()"
    ));
}

fn accept_events(server: &Server) {
    server.sql("DROP FUNCTION public.refuse() CASCADE");
}

#[test]
fn a_job_whose_beginning_cannot_be_recorded_does_not_run() {
    let server = server();
    refuse_events(&server, "attempt.started");
    let id = submit(&server, "sleep 0.53125; echo done");
    let seen: Vec<_> = (0..30)
        .flat_map(|_| {
            std::thread::sleep(Duration::from_millis(100));
            job_processes("0.53125")
        })
        .collect();
    assert_eq!(seen, []);
    assert_eq!(server.attempts(&id), Vec::<Value>::new());
    assert!(server.log().contains("the disk of the record is full"), "{}", server.log());
    // Nobody has to do anything once the record can be written.
    accept_events(&server);
    let job = server.ended(&id);
    assert_eq!((&job["status"], &job["attempts"]), (&json!("completed"), &json!(1)), "{job}");
    assert_record_holds(&server);
}

#[test]
fn a_job_whose_end_cannot_be_recorded_is_not_taken_for_completed() {
    let server = server();
    refuse_events(&server, "attempt.ended");
    let id = submit(&server, "echo done");
    eventually("it cannot be recorded", SOON, || {
        server.log().contains("the disk of the record is full").then_some(())
    });
    assert_eq!(server.job(&id)["status"], "running");
    accept_events(&server);
    let job = server.ended(&id);
    assert_eq!((&job["status"], &job["attempts"]), (&json!("completed"), &json!(2)), "{job}");
    assert_eq!(verdicts(&server, &id), ["setup_failed", "completed"]);
    assert_record_holds(&server);
}
