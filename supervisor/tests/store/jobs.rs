//! The life of a job, from being handed in to its end.

use std::{collections::HashSet, time::Duration};

use serde_json::json;
use stockade::store::{
    Access, After, AttemptEnd, AttemptStart, Begun, Cancel, Completion, Event, JobStatus, NewJob, NewWorker,
    Output, PolicyRef, Retry, StoreError, Stream, Verdict, Wake,
};
use stockade_plan::Digest;

use crate::support::{TestDatabase, begin_claimed, begun, failed, job, new_worker, worker};

#[tokio::test]
async fn a_job_that_completes_leaves_everything_behind() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let me = worker(&store, "me").await;
    let id =
        store.submit(&NewJob { security_context: Some(json!({"memory_mb": 64})), ..job() }).await.unwrap();
    let claimed = store.claim(me, Some(&["shell"]), 10).await.unwrap().remove(0);
    assert_eq!(
        (claimed.id, claimed.attempts, claimed.input.clone()),
        (id, 0, Some(json!({"rows": 3}).into()))
    );
    assert_eq!(claimed.security_request, Some(json!({"memory_mb": 64}).into()));
    let start = AttemptStart {
        policy: Some(PolicyRef { name: "script".into(), version: "1".into(), sha256: Digest::of(b"policy") }),
        plan_sha256: Some(Digest::of(b"plan")),
        registry_sha256: Some(Digest::of(b"registry")),
        once: false,
        event: json!({"host": "here"}),
    };
    let Begun::Started(attempt) = store.begin(me, id, &start).await.unwrap() else { panic!("gone") };
    assert_eq!(store.job(id).await.unwrap().unwrap().status, JobStatus::Running);
    let end = AttemptEnd {
        output_data: Some(json!({"sum": 6})),
        resource_usage: Some(json!({"duration_seconds": 0.5})),
        security_context: Some(json!({"enforcement": {}})),
        exit_code: Some(0),
        stdout: Stream { bytes: b"hello".to_vec(), truncated: true },
        outputs: vec![
            Output {
                path: b"result.json".to_vec(),
                state: "file".into(),
                size: 2,
                bytes: Some(b"{}".to_vec()),
            },
            Output { path: b"link".to_vec(), state: "symlink".into(), size: 0, bytes: None },
        ],
        event: json!({"denials": []}),
        ..AttemptEnd::new(Verdict::Completed)
    };
    assert_eq!(store.complete(&attempt, &end).await.unwrap(), Completion::Recorded(After::Completed));

    let job = store.job(id).await.unwrap().unwrap();
    assert_eq!((job.status, job.attempts, job.is_final()), (JobStatus::Completed, 1, true));
    assert_eq!(
        (job.output_data, job.security_context),
        (end.output_data.map(Into::into), end.security_context.map(Into::into))
    );
    let row = store.attempts(id).await.unwrap().remove(0);
    assert_eq!((row.status.as_str(), row.exit_code, &row.stdout), ("completed", Some(0), &end.stdout));
    assert_eq!(row.plan_sha256, Some(Digest::of(b"plan").to_string()));
    assert_eq!(store.outputs(id, 1).await.unwrap(), end.outputs);
    assert_eq!(db.number("SELECT count(*) FROM jobs.tb_job_queue").await, 0);
    let recorded = "SELECT string_agg(kind || ' ' || coalesce(body ->> 'plan_sha256', body ->> 'status'), ', ' ORDER BY seq)
                      FROM audit.tb_event WHERE job_id IS NOT NULL";
    assert_eq!(
        db.text(recorded).await,
        format!("attempt.started {}, attempt.ended completed", Digest::of(b"plan"))
    );
}

#[tokio::test]
async fn what_fails_is_retried_until_no_attempt_is_left() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let me = worker(&store, "me").await;
    let attempt = begun(&store, me, &NewJob { max_attempts: Some(2), ..job() }).await;
    let end = AttemptEnd { retry: Retry::After(Duration::ZERO), ..failed("first") };
    let done = store.complete(&attempt, &end).await.unwrap();
    assert!(matches!(done, Completion::Recorded(After::RetryAt(_))), "{done:?}");
    let waiting = store.job(attempt.job).await.unwrap().unwrap();
    assert_eq!((waiting.status, waiting.is_final()), (JobStatus::Failed, false));

    let second = begin_claimed(&store, me, attempt.job).await;
    assert_eq!(second.attempt, 2);
    let done = store.complete(&second, &failed("second")).await.unwrap();
    assert_eq!(done, Completion::Recorded(After::DeadLetter));
    let dead = store.job(attempt.job).await.unwrap().unwrap();
    assert_eq!(
        (dead.status, dead.is_final(), dead.error_message.as_deref()),
        (JobStatus::Failed, true, Some("second"))
    );
    assert_eq!(db.text("SELECT reason || ' ' || error FROM jobs.tb_dead_letter").await, "failed second");

    assert!(store.retry(attempt.job, "ann").await.unwrap());
    let third = begin_claimed(&store, me, attempt.job).await;
    store.complete(&third, &AttemptEnd::new(Verdict::Completed)).await.unwrap();
    assert_eq!(db.number("SELECT count(*) FROM jobs.tb_dead_letter").await, 0);
    assert!(!store.retry(attempt.job, "ann").await.unwrap(), "what is completed is not retried");
}

#[tokio::test]
async fn the_default_retry_waits_and_what_cannot_succeed_is_not_retried() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let me = worker(&store, "me").await;
    let attempt = begun(&store, me, &job()).await;
    store.complete(&attempt, &failed("later")).await.unwrap();
    assert!(store.claim(me, None, 10).await.unwrap().is_empty(), "the pause is not over");
    let pause = "SELECT extract(epoch FROM run_at - now()) BETWEEN 0 AND 1.3 FROM jobs.tb_job_queue";
    assert!(sqlx::query_scalar::<_, bool>(pause).fetch_one(&db.sql).await.unwrap());

    let patient = AttemptEnd { retry: Retry::After(Duration::MAX), ..failed("much later") };
    let attempt = begun(&store, me, &job()).await;
    let done = store.complete(&attempt, &patient).await.unwrap();
    assert!(matches!(done, Completion::Recorded(After::RetryAt(_))), "{done:?}");

    let hopeless = AttemptEnd { retry: Retry::Never, ..failed("no such file") };
    let attempt = begun(&store, me, &job()).await;
    assert_eq!(store.complete(&attempt, &hopeless).await.unwrap(), Completion::Recorded(After::DeadLetter));
    let dead = store.job(attempt.job).await.unwrap().unwrap();
    assert_eq!((dead.attempts, dead.max_attempts, dead.is_final()), (1, 1, true));
}

#[tokio::test]
async fn a_refused_job_is_on_record_with_its_reason() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let me = worker(&store, "me").await;
    let id = store.submit(&job()).await.unwrap();
    store.claim(me, None, 1).await.unwrap();
    let end = AttemptEnd {
        error: Some("no service `x`".into()),
        retry: Retry::Never,
        ..AttemptEnd::new(Verdict::Refused)
    };
    let done = store.refuse(me, id, &AttemptStart::default(), &end).await.unwrap();
    assert_eq!(done, Completion::Recorded(After::DeadLetter));
    assert_eq!(store.attempts(id).await.unwrap().remove(0).status, "refused");
    assert_eq!(store.refuse(me, id, &AttemptStart::default(), &end).await.unwrap(), Completion::LeaseLost);
    assert_eq!(db.number("SELECT count(*) FROM audit.tb_event WHERE job_id IS NOT NULL").await, 2);
}

#[tokio::test]
async fn workers_at_once_never_get_the_same_job() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    for _ in 0..60 {
        store.submit(&job()).await.unwrap();
    }
    let claims = (0..4).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let me = worker(&store, &format!("worker {n}")).await;
            let mut mine = Vec::new();
            loop {
                let claimed = store.claim(me, None, 3).await.unwrap();
                if claimed.is_empty() {
                    return mine;
                }
                mine.extend(claimed.into_iter().map(|job| job.id));
            }
        })
    });
    let mut all = Vec::new();
    for claim in claims.collect::<Vec<_>>() {
        all.extend(claim.await.unwrap());
    }
    assert_eq!((all.len(), all.iter().collect::<HashSet<_>>().len()), (60, 60));
}

#[tokio::test]
async fn a_worker_claims_only_what_it_asks_for() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let me = worker(&store, "me").await;
    store.submit(&job()).await.unwrap();
    let http = store.submit(&NewJob { execution_type: "http".into(), ..job() }).await.unwrap();
    let claimed = store.claim(me, Some(&["http", "docker"]), 10).await.unwrap();
    assert_eq!(claimed.iter().map(|job| job.id).collect::<Vec<_>>(), [http]);
    assert!(store.release(me, http).await.unwrap());
    assert_eq!(store.claim(me, None, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_living_workers_take_is_told_to_whoever_hands_jobs_in() {
    let db = TestDatabase::new().await;
    let (store, submitter) =
        (db.store(Access::Worker).await, db.store(Access::Submitter { tenant: None }).await);
    assert!(submitter.taken_execution_types().await.unwrap().is_empty());
    let me = worker(&store, "me").await;
    assert_eq!(submitter.taken_execution_types().await.unwrap(), ["shell"]);
    let mut other = NewWorker {
        execution_types: vec!["wasm-2".to_owned(), "shell".to_owned()],
        ..new_worker("other", Duration::from_secs(2))
    };
    store.register_worker(&other).await.unwrap();
    assert_eq!(submitter.taken_execution_types().await.unwrap(), ["shell", "wasm-2"]);
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(submitter.taken_execution_types().await.unwrap(), ["shell"], "it has not been heard of since");
    store.shutdown_worker(me).await.unwrap();
    assert!(submitter.taken_execution_types().await.unwrap().is_empty());
    other.execution_types = vec!["rm -rf".to_owned()];
    assert!(store.register_worker(&other).await.is_err());
}

#[tokio::test]
async fn beginning_and_completing_twice_is_the_same_as_once() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let me = worker(&store, "me").await;
    let attempt = begun(&store, me, &job()).await;
    let again = store.begin(me, attempt.job, &AttemptStart::default()).await.unwrap();
    assert_eq!(again, Begun::Started(attempt));
    let end = AttemptEnd::new(Verdict::Completed);
    assert_eq!(store.complete(&attempt, &end).await.unwrap(), Completion::Recorded(After::Completed));
    let before = db.number("SELECT count(*) FROM audit.tb_event").await;
    assert_eq!(store.complete(&attempt, &failed("late")).await.unwrap(), Completion::AlreadyDone);
    assert_eq!(db.number("SELECT count(*) FROM audit.tb_event").await, before);
    assert_eq!(store.job(attempt.job).await.unwrap().unwrap().status, JobStatus::Completed);
}

#[tokio::test]
async fn many_attempts_at_once_are_all_written_down_and_one_bad_end_spoils_no_other() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let me = worker(&store, "me").await;
    for _ in 0..60 {
        store.submit(&job()).await.unwrap();
    }
    let attempts = store.claim(me, None, 60).await.unwrap().into_iter().enumerate().map(|(n, job)| {
        let store = store.clone();
        tokio::spawn(async move {
            let begun = store.begin(me, job.id, &AttemptStart::default()).await.unwrap();
            let Begun::Started(attempt) = begun else { panic!("gone") };
            let state = if n == 7 { "NOT A STATE" } else { "missing" };
            let output = Output { path: b"x".to_vec(), state: state.into(), size: 0, bytes: None };
            let large = Stream { bytes: vec![0; if n % 10 == 0 { 100_000 } else { 0 }], truncated: false };
            let end =
                AttemptEnd { outputs: vec![output], stdout: large, ..AttemptEnd::new(Verdict::Completed) };
            let done = store.complete(&attempt, &end).await;
            assert_eq!(done.is_ok(), n != 7, "{done:?}");
        })
    });
    for attempt in attempts.collect::<Vec<_>>() {
        attempt.await.unwrap();
    }
    assert_eq!(db.number("SELECT count(*) FROM jobs.tb_job_run WHERE status = 'completed'").await, 59);
    assert_eq!(db.number("SELECT count(*) FROM audit.tb_event WHERE kind LIKE 'attempt.%'").await, 119);
    assert_eq!(db.store(Access::Auditor).await.verify_chain().await.unwrap(), None);
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_at_once_and_cannot_begin() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let me = worker(&store, "me").await;
    let id = store.submit(&job()).await.unwrap();
    store.claim(me, None, 1).await.unwrap();
    assert_eq!(store.cancel(id, "ann").await.unwrap(), Cancel::Cancelled);
    assert_eq!(store.begin(me, id, &AttemptStart::default()).await.unwrap(), Begun::Gone);
    assert_eq!(store.cancel(id, "ann").await.unwrap(), Cancel::AlreadyEnded(JobStatus::Cancelled));
    assert_eq!(
        store.cancel(stockade::store::JobId(uuid::Uuid::new_v4()), "ann").await.unwrap(),
        Cancel::Unknown
    );
    assert_eq!(db.text("SELECT body ->> 'by' FROM audit.tb_event WHERE kind = 'job.cancelled'").await, "ann");
}

#[tokio::test]
async fn the_worker_of_a_running_job_is_told_to_cancel_it() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let me = worker(&store, "me").await;
    let attempt = begun(&store, me, &job()).await;
    let mut news = store.listen().await.unwrap();
    assert_eq!(store.cancel(attempt.job, "ann").await.unwrap(), Cancel::Requested);
    let wake = tokio::time::timeout(Duration::from_secs(5), news.next()).await.unwrap();
    assert_eq!(wake, Wake::Cancel(attempt.job));
    assert!(store.heartbeat(me).await.unwrap().held.iter().all(|held| held.cancel));
    // Whatever the attempt ends as, a job that was to be cancelled is not tried again.
    let done = store.complete(&attempt, &failed("killed")).await.unwrap();
    assert_eq!(done, Completion::Recorded(After::Cancelled));
}

#[tokio::test]
async fn a_new_job_wakes_whoever_listens() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let mut news = store.listen().await.unwrap();
    store.submit(&job()).await.unwrap();
    assert_eq!(tokio::time::timeout(Duration::from_secs(5), news.next()).await.unwrap(), Wake::New);
    db.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE query LIKE 'LISTEN%' AND datname = current_database()",
    )
    .await;
    assert_eq!(tokio::time::timeout(Duration::from_secs(10), news.next()).await.unwrap(), Wake::Reconnected);
    store.submit(&job()).await.unwrap();
    assert_eq!(tokio::time::timeout(Duration::from_secs(5), news.next()).await.unwrap(), Wake::New);
}

#[tokio::test]
async fn an_interrupted_attempt_does_not_count() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let me = worker(&store, "me").await;
    let attempt = begun(&store, me, &NewJob { max_attempts: Some(1), ..job() }).await;
    let done = store.complete(&attempt, &AttemptEnd::new(Verdict::Interrupted)).await.unwrap();
    assert_eq!(done, Completion::Recorded(After::Requeued));
    let waiting = store.job(attempt.job).await.unwrap().unwrap();
    assert_eq!((waiting.status, waiting.attempts), (JobStatus::Pending, 0));
    assert_eq!(begin_claimed(&store, me, attempt.job).await.attempt, 2);
}

#[tokio::test]
async fn bytes_are_stored_as_they_came() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let me = worker(&store, "me").await;
    let attempt = begun(&store, me, &job()).await;
    let bytes = b"a\0b\xff\xfe\xc3(".to_vec();
    let end = AttemptEnd {
        error: Some("broke at \0".into()),
        output_data: Some(json!({"line": "a\0b"})),
        resource_usage: Some(json!({"\0": 1})),
        security_context: Some(json!([{"target": "\0"}])),
        stdout: Stream { bytes: bytes.clone(), truncated: false },
        stderr: Stream { bytes: bytes.clone(), truncated: true },
        outputs: vec![Output {
            path: bytes.clone(),
            state: "file".into(),
            size: 7,
            bytes: Some(bytes.clone()),
        }],
        event: json!({"detail": "\0", "a\0": ["\0"]}),
        ..failed("")
    };
    store.complete(&attempt, &end).await.unwrap();
    let row = store.attempts(attempt.job).await.unwrap().remove(0);
    assert_eq!((row.stdout, row.stderr), (end.stdout, end.stderr));
    assert_eq!(store.outputs(attempt.job, 1).await.unwrap(), end.outputs);
    let job = store.job(attempt.job).await.unwrap().unwrap();
    assert_eq!(job.output_data, Some(json!({"line": "a\u{fffd}b", "line_base64": "YQBi"}).into()));
    let readable =
        "SELECT body -> 'detail' ->> 'detail_base64' FROM audit.tb_event WHERE kind = 'attempt.ended'";
    assert_eq!(db.text(readable).await, "AA==");
}

#[tokio::test]
async fn ten_megabytes_go_in_and_come_out() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let me = worker(&store, "me").await;
    let script = "x".repeat(10 << 20);
    let attempt = begun(&store, me, &NewJob { input: json!({"script": script}), ..job() }).await;
    let stdout = Stream { bytes: vec![0xff; 10 << 20], truncated: false };
    let end = AttemptEnd { stdout, ..AttemptEnd::new(Verdict::Completed) };
    store.complete(&attempt, &end).await.unwrap();
    assert_eq!(store.attempts(attempt.job).await.unwrap().remove(0).stdout, end.stdout);
}

#[tokio::test]
async fn a_job_that_cannot_be_kept_is_refused_with_the_reason() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let with_nul = NewJob { input: json!({"script": "a\0b"}), ..job() };
    let error = store.submit(&with_nul).await.unwrap_err();
    assert!(matches!(error, StoreError::NulInJob { column: "input_data" }), "{error}");
    let named = NewJob { identifier: Some("same".into()), ..job() };
    store.submit(&named).await.unwrap();
    assert!(store.submit(&named).await.unwrap_err().is_duplicate());
    let odd = Event {
        kind: "Not A Kind".into(),
        worker: None,
        job: None,
        attempt: None,
        tenant: None,
        body: json!(null),
    };
    let error = store.record(&odd).await.unwrap_err();
    assert_eq!(error.sqlstate().as_deref(), Some("23514"), "{error}");
}

#[tokio::test]
async fn waiting_for_a_job_ends_with_the_job_or_with_patience() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let me = worker(&store, "me").await;
    let attempt = begun(&store, me, &job()).await;
    let early = store.wait(attempt.job, Duration::from_millis(20)).await.unwrap().unwrap();
    assert_eq!(early.status, JobStatus::Running);
    let waiter = tokio::spawn({
        let store = store.clone();
        async move { store.wait(attempt.job, Duration::from_secs(20)).await.unwrap().unwrap() }
    });
    store.complete(&attempt, &AttemptEnd::new(Verdict::Completed)).await.unwrap();
    assert_eq!(waiter.await.unwrap().status, JobStatus::Completed);
}
