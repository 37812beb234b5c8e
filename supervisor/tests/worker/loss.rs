//! What becomes of jobs when the database, the lease or the worker is lost.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use stockade::store::{JobStatus, NewWorker};
use stockade::worker::Settings;

use crate::support::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_kept_until_the_database_is_back() {
    let mut rig = Rig::start().await;
    let worker = rig.worker(Settings { lease: Duration::from_secs(30), ..Rig::settings() }).await;
    let id = rig.job(700).await;
    rig.until_running(id).await;
    rig.stop_server().await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    rig.start_server().await;
    let job = rig.ended(id).await;
    assert_eq!((job.status, job.attempts), (JobStatus::Completed, 1));
    assert_eq!(rig.attempts(id).await, ["completed"]);
    // And it goes on from there.
    assert_eq!(rig.ended(rig.job(1).await).await.status, JobStatus::Completed);
    assert_eq!(worker.counts.executed.load(Ordering::SeqCst), 2);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_cut_off_for_the_length_of_a_lease_ends_its_jobs() {
    let mut rig = Rig::start().await;
    let worker = rig.worker(Rig::settings()).await;
    let id = rig.job(7000).await;
    rig.until_running(id).await;
    rig.stop_server().await;
    // Longer than the lease, shorter than lease and job together.
    tokio::time::sleep(Duration::from_millis(3500)).await;
    rig.start_server().await;
    // It was interrupted, which costs no attempt, and has run again from the start.
    let job = rig.ended(id).await;
    assert_eq!((job.status, job.attempts), (JobStatus::Completed, 1));
    assert_eq!(rig.attempts(id).await, ["interrupted", "completed"]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_declared_dead_drops_its_results_and_registers_again() {
    let rig = Rig::start().await;
    let worker = rig.worker(Rig::settings()).await;
    let id = rig.job(2500).await;
    rig.until_running(id).await;
    let settings = Rig::settings();
    let usurper = NewWorker {
        name: settings.name,
        host: "elsewhere".to_owned(),
        pid: 1,
        version: "0".to_owned(),
        lease: settings.lease,
        execution_types: vec!["steps".to_owned()],
    };
    rig.store.register_worker(&usurper).await.unwrap();
    let job = rig.ended(id).await;
    assert_eq!((job.status, job.attempts), (JobStatus::Completed, 2));
    assert_eq!(rig.attempts(id).await, ["lost", "completed"]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_start_cannot_be_put_on_record_does_not_run() {
    let rig = Rig::start().await;
    rig.sql("ALTER TABLE jobs.tb_job_attempt ADD CONSTRAINT no_more CHECK (false) NOT VALID").await;
    let worker = rig.worker(Rig::settings()).await;
    let id = rig.job(1).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(worker.counts.executed.load(Ordering::SeqCst), 0);
    assert_eq!(rig.store.job(id).await.unwrap().unwrap().status, JobStatus::Pending);
    // The allow-twin: the same job once it can be recorded. The worker lets go of it by itself and takes it again.
    rig.sql("ALTER TABLE jobs.tb_job_attempt DROP CONSTRAINT no_more").await;
    assert_eq!(rig.ended(id).await.status, JobStatus::Completed);
    assert_eq!(worker.counts.executed.load(Ordering::SeqCst), 1);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_is_too_long_for_the_record_is_recorded_without_what_makes_it_long() {
    const DENIALS: u64 = 2000;
    let rig = Rig::start().await;
    rig.sql(
        "ALTER TABLE audit.tb_event ADD CONSTRAINT short CHECK (octet_length(body::text) < 20000) NOT VALID",
    )
    .await;
    let worker = rig.worker(Rig::settings()).await;
    let few = rig.submit("run", json!({"milliseconds": 1, "denials": 2})).await;
    let many = rig.submit("run", json!({"milliseconds": 1, "denials": DENIALS})).await;
    for id in [few, many] {
        let job = rig.ended(id).await;
        assert_eq!(job.status, JobStatus::Completed, "{job:?}");
        assert_eq!(rig.attempts(id).await, ["completed"]);
    }
    worker.stop().await;
    let few = rig.context(few).await;
    assert_eq!(few["denials"].as_array().unwrap().len(), 2);
    let many = rig.context(many).await;
    assert_eq!(many["left_out"], json!({"denials": DENIALS, "connections": 0}));
    let left_out = rig
        .query(
            "SELECT body->'detail'->'left_out' FROM audit.tb_event WHERE kind = 'attempt.ended' \
             AND body->'detail'->'left_out' IS NOT NULL",
        )
        .await;
    assert_eq!(left_out, [json!({"denials": DENIALS, "connections": 0})]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_while_the_database_is_gone_does_not_hang() {
    let mut rig = Rig::start().await;
    let worker = rig.worker(Settings { lease: Duration::from_secs(30), ..Rig::settings() }).await;
    let id = rig.job(300).await;
    rig.until_running(id).await;
    rig.stop_server().await;
    worker.shutdown.tell();
    worker.shutdown.tell();
    let ended = tokio::time::timeout(Duration::from_secs(30), worker.task).await;
    assert!(ended.expect("it ends").unwrap().is_err(), "it could not sign off, and says so");
}
