//! What becomes of jobs while everything else is well.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::json;
use stockade::store::{Cancel, JobFilter, JobStatus, NewJob};
use stockade::worker::WorkerError;

use crate::support::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_names_another_execution_type_is_counted_under_that_of_its_service() {
    let rig = Rig::start().await;
    let worker = rig.worker(Rig::settings()).await;
    let job = NewJob::new("steps", "run", "http", json!({"milliseconds": 1}));
    let ended = rig.ended(rig.store.submit(&job).await.unwrap()).await;
    assert_eq!((ended.status, ended.execution_type.as_str()), (JobStatus::Completed, "steps"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_run_side_by_side_up_to_the_limit_and_are_recorded() {
    let rig = Rig::start().await;
    let worker = rig.worker(Rig::settings()).await;
    let mut jobs = Vec::new();
    for _ in 0..9 {
        jobs.push(rig.job(150).await);
    }
    for id in &jobs {
        let job = rig.ended(*id).await;
        assert_eq!(job.status, JobStatus::Completed);
        let context = job.security_context.unwrap().value().unwrap().clone();
        assert_eq!(context["policy"]["name"], "script-strict");
        assert_eq!(context["environment"], "production");
        assert_eq!(*job.output_data.unwrap().get("stdout").unwrap(), "stepped\u{fffd}");
        assert_eq!(rig.store.attempts(*id).await.unwrap()[0].stdout.bytes, b"stepped\0");
    }
    assert_eq!(worker.counts.executed.load(Ordering::SeqCst), 9);
    assert_eq!(worker.counts.most.load(Ordering::SeqCst), 3);
    assert!(rig.store.verify_chain().await.unwrap().is_none());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_run_is_refused_on_record_and_never_reaches_a_runner() {
    let rig = Rig::start().await;
    let worker = rig.worker(Rig::settings()).await;
    let unknown = rig.ended(rig.submit("rum", json!({"milliseconds": 1})).await).await;
    assert!(unknown.error_message.unwrap().contains("did you mean `run`"));
    let bad = rig.submit("run", json!({})).await;
    let job = rig.ended(bad).await;
    assert_eq!((job.status, job.attempts), (JobStatus::Failed, 1));
    assert_eq!(rig.attempts(bad).await, ["refused"]);
    assert_eq!(worker.counts.executed.load(Ordering::SeqCst), 0);
    // The allow-twin: the same job with what it lacked.
    rig.ended(rig.job(1).await).await;
    assert_eq!(worker.counts.executed.load(Ordering::SeqCst), 1);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_is_killed_where_it_runs() {
    let rig = Rig::start().await;
    let worker = rig.worker(Rig::settings()).await;
    let id = rig.job(60_000).await;
    rig.until_running(id).await;
    let asked = Instant::now();
    assert_eq!(rig.store.cancel(id, "the test").await.unwrap(), Cancel::Requested);
    assert_eq!(rig.ended(id).await.status, JobStatus::Cancelled);
    assert!(asked.elapsed() < Duration::from_secs(2), "it took {:?}", asked.elapsed());
    assert_eq!(rig.attempts(id).await, ["cancelled"]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_to_stop_lets_short_jobs_finish_and_gives_long_ones_back() {
    let rig = Rig::start().await;
    let worker =
        rig.worker(stockade::worker::Settings { grace: Duration::from_secs(3), ..Rig::settings() }).await;
    let (short, long) = (rig.job(1000).await, rig.job(60_000).await);
    // Neither goes back because it has not begun yet.
    rig.until_running(short).await;
    rig.until_running(long).await;
    worker.stop().await;
    assert_eq!(rig.ended(short).await.status, JobStatus::Completed);
    let job = rig.store.job(long).await.unwrap().unwrap();
    assert_eq!((job.status, job.attempts), (JobStatus::Pending, 0));
    assert_eq!(rig.attempts(long).await, ["interrupted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_twice_does_not_wait() {
    let rig = Rig::start().await;
    let worker =
        rig.worker(stockade::worker::Settings { grace: Duration::from_secs(600), ..Rig::settings() }).await;
    let id = rig.job(60_000).await;
    rig.until_running(id).await;
    worker.shutdown.tell();
    let told = Instant::now();
    worker.stop().await;
    assert!(told.elapsed() < Duration::from_secs(5), "it took {:?}", told.elapsed());
    assert_eq!(rig.attempts(id).await, ["interrupted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_what_confines_jobs_takes_no_more_and_says_so() {
    let rig = Rig::start().await;
    let worker = rig.worker(Rig::settings()).await;
    drop(worker.confined);
    assert!(matches!(worker.task.await.unwrap(), Err(WorkerError::LauncherGone)));
    let id = rig.job(1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(rig.store.job(id).await.unwrap().unwrap().status, JobStatus::Pending);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_read_is_refused_and_keeps_no_other_job_waiting() {
    let rig = Rig::start().await;
    // What jsonb keeps and no reader here takes: in each column that is the submitter's to fill.
    rig.sql(
        "INSERT INTO jobs.tb_job_run (identifier, service_name, operation, execution_type, input_data, runner_config,
            security_context)
         SELECT 'n' || n, 'steps', 'run', 'steps', CASE n % 3 WHEN 0 THEN bad END, CASE n % 3 WHEN 1 THEN bad END,
            CASE n % 3 WHEN 2 THEN bad END
           FROM generate_series(1, 30) n,
                LATERAL (SELECT CASE WHEN n > 15 THEN '{\"a\": 1e999}'::jsonb
                                     ELSE (repeat('[', 200) || repeat(']', 200))::jsonb END) t (bad)",
    )
    .await;
    // A result that somebody else has written.
    rig.sql(
        "INSERT INTO jobs.tb_job_run (identifier, service_name, operation, execution_type, status, output_data,
            resource_usage)
         SELECT 'done', 'steps', 'run', 'steps', 'completed', bad, bad
           FROM (SELECT (repeat('[', 200) || repeat(']', 200))::jsonb) t (bad)",
    )
    .await;
    let behind = rig.job(1).await;
    let worker = rig.worker(Rig::settings()).await;
    assert_eq!(rig.ended(behind).await.status, JobStatus::Completed);
    let listed =
        rig.store.jobs(&JobFilter { status: None, service: None, tenant: None, limit: 100 }).await.unwrap();
    assert_eq!(listed.len(), 32);
    let refused = listed.iter().filter(|job| job.id != behind && job.identifier != "done");
    for job in refused {
        let job = rig.ended(job.id).await;
        let error = job.error_message.unwrap();
        assert!(error.contains("cannot be read: "), "{error}");
        assert_eq!(rig.attempts(job.id).await, ["refused"]);
    }
    worker.stop().await;
}
