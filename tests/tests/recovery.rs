//! Things that break while jobs run: the database, the supervisor, the launcher. Whatever breaks, no job is lost,
//! none runs off the record, and nothing is left behind. Every test has a server of its own. Needs root.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "recovery/database.rs"]
mod database;
#[path = "recovery/launcher.rs"]
mod launcher;
#[path = "recovery/leases.rs"]
mod leases;
#[path = "recovery/restart.rs"]
mod restart;
#[path = "recovery/shutdown.rs"]
mod shutdown;
#[path = "recovery/supervisor.rs"]
mod supervisor;

use std::time::Duration;

use serde_json::{Value, json};
use stockade_tests::{Database, Process, Server, eventually, job_processes};

/// How long a job may take to begin.
const SOON: Duration = Duration::from_secs(10);
/// How long processes may take to go, once what they belong to is gone.
const PROMPTLY: Duration = Duration::from_secs(2);

fn server() -> Server {
    Server::start(include_str!("recovery/services.yaml"))
}

/// Hands in a shell script.
fn submit(database: &Database, script: &str) -> String {
    database.submit("tools", "sh", &json!({"script": script}))
}

/// Waits until a process with `mark` among its arguments runs as a job.
fn until_running(mark: &str) -> Process {
    eventually("the job runs", SOON, || job_processes(mark).pop())
}

/// Waits until none does.
fn until_gone(mark: &str) {
    let what = format!("nothing of {mark} is left");
    eventually(&what, PROMPTLY, || job_processes(mark).is_empty().then_some(()));
}

/// What became of each attempt of a job.
fn verdicts(database: &Database, id: &str) -> Vec<Value> {
    database.attempts(id).into_iter().map(|attempt| attempt["status"].clone()).collect()
}

/// Checks that every link of the record holds, and that it has as many ends of attempts as beginnings.
fn assert_record_holds(database: &Database) {
    assert_eq!(database.broken_record(), Vec::<Value>::new());
    let open = "SELECT job_id, attempt FROM audit.tb_event WHERE kind LIKE 'attempt.%'
                 GROUP BY job_id, attempt HAVING count(*) <> 2 OR min(kind) = max(kind)";
    assert_eq!(database.rows(open), Vec::<Value>::new());
    assert_eq!(
        database.rows("SELECT * FROM jobs.tb_job_attempt WHERE status = 'running'"),
        Vec::<Value>::new()
    );
}
