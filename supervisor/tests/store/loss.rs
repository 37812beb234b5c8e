//! Workers that go without a word: nothing stays in `running`, nothing is lost, nothing is done twice on paper.

use std::time::Duration;

use stockade::store::{
    Access, After, AttemptEnd, AttemptStart, Begun, Cancel, Completion, JobStatus, NewJob, Store, Verdict,
};

use crate::support::{TestDatabase, begin_claimed, begun, failed, job, worker, worker_with_lease};

const SHORT: Duration = Duration::from_millis(50);

/// Calls until something was lost: the lease must run out, and the server must have been up for as long as a lease.
async fn lost(store: &Store) -> Vec<stockade::store::Lost> {
    loop {
        let lost = store.requeue_lost().await.unwrap();
        if !lost.is_empty() {
            return lost;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn an_attempt_whose_lease_ran_out_is_lost_and_the_job_tried_again() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let dying = worker_with_lease(&store, "dying", SHORT).await;
    let attempt = begun(&store, dying, &job()).await;
    let taken = lost(&store).await.remove(0);
    assert_eq!((taken.job, taken.attempt, taken.outcome.as_str()), (attempt.job, Some(1), "retry"));
    assert_eq!(store.attempts(attempt.job).await.unwrap().remove(0).status, "lost");
    let waiting = store.job(attempt.job).await.unwrap().unwrap();
    assert_eq!((waiting.status, waiting.is_final()), (JobStatus::Failed, false));
    assert_eq!(db.number("SELECT count(*) FROM audit.tb_event WHERE kind = 'attempt.lost'").await, 1);

    // The worker was only slow: it comes too late, and what it brings changes nothing.
    let late = store.complete(&attempt, &AttemptEnd::new(Verdict::Completed)).await.unwrap();
    assert_eq!(late, Completion::LeaseLost);
    db.run("UPDATE jobs.tb_job_queue SET run_at = now()").await;
    let other = worker(&store, "other").await;
    let second = begin_claimed(&store, other, attempt.job).await;
    assert_eq!(store.complete(&attempt, &failed("late")).await.unwrap(), Completion::LeaseLost);
    let done = store.complete(&second, &AttemptEnd::new(Verdict::Completed)).await.unwrap();
    assert_eq!(done, Completion::Recorded(After::Completed));
}

#[tokio::test]
async fn what_must_not_be_done_twice_is_a_dead_letter_when_its_worker_is_lost() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let dying = worker_with_lease(&store, "dying", SHORT).await;
    let id = store.submit(&job()).await.unwrap();
    store.claim(dying, None, 1).await.unwrap();
    let once = AttemptStart { once: true, ..AttemptStart::default() };
    assert!(matches!(store.begin(dying, id, &once).await.unwrap(), Begun::Started(_)));
    let taken = lost(&store).await.remove(0);
    assert_eq!((taken.job, taken.outcome.as_str()), (id, "dead"));
    let attempt = store.attempts(id).await.unwrap().remove(0);
    assert_eq!(attempt.status, "lost");
    assert!(attempt.error.unwrap().contains("what it has done is unknown"));
    let dead = store.job(id).await.unwrap().unwrap();
    assert_eq!((dead.status, dead.is_final()), (JobStatus::Failed, true));
    assert_eq!(db.number("SELECT count(*) FROM jobs.tb_dead_letter WHERE reason = 'lost'").await, 1);
}

#[tokio::test]
async fn a_heartbeat_keeps_what_a_worker_holds() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let living = worker_with_lease(&store, "living", Duration::from_secs(2)).await;
    let attempt = begun(&store, living, &job()).await;
    for _ in 0..12 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let beat = store.heartbeat(living).await.unwrap();
        assert!(beat.known);
        assert_eq!(
            beat.held.iter().map(|held| (held.job, held.attempt)).collect::<Vec<_>>(),
            [(attempt.job, Some(1))]
        );
        assert!(store.requeue_lost().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_job_claimed_and_not_begun_is_simply_free_again() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let dying = worker_with_lease(&store, "dying", SHORT).await;
    let id = store.submit(&job()).await.unwrap();
    store.claim(dying, None, 1).await.unwrap();
    assert_eq!(lost(&store).await.remove(0).outcome, "released");
    assert_eq!(store.begin(dying, id, &AttemptStart::default()).await.unwrap(), Begun::Gone);
    let other = worker(&store, "other").await;
    assert_eq!(begin_claimed(&store, other, id).await.attempt, 1);
    assert_eq!(store.job(id).await.unwrap().unwrap().attempts, 1, "no attempt was used up");
}

#[tokio::test]
async fn a_restarted_supervisor_finds_its_jobs_free_at_once() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let before = worker(&store, "the same").await;
    let again = begun(&store, before, &job()).await;
    let last = begun(&store, before, &NewJob { max_attempts: Some(1), ..job() }).await;
    let now = worker(&store, "the same").await;
    assert!(!store.heartbeat(before).await.unwrap().known);
    assert!(store.heartbeat(now).await.unwrap().known);
    assert_eq!(db.number("SELECT count(*) FROM jobs.tb_job_run WHERE status = 'running'").await, 0);
    assert!(!store.job(again.job).await.unwrap().unwrap().is_final());
    let dead = store.job(last.job).await.unwrap().unwrap();
    assert!(dead.is_final());
    assert_eq!(dead.error_message.as_deref(), Some("the worker was lost while the attempt ran"));
    assert_eq!(db.text("SELECT reason FROM jobs.tb_dead_letter").await, "lost");
}

#[tokio::test]
async fn a_job_to_be_cancelled_is_not_retried_when_its_worker_is_lost() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let dying = worker_with_lease(&store, "dying", SHORT).await;
    let attempt = begun(&store, dying, &job()).await;
    assert_eq!(store.cancel(attempt.job, "ann").await.unwrap(), Cancel::Requested);
    assert_eq!(lost(&store).await.remove(0).outcome, "cancelled");
    assert_eq!(store.job(attempt.job).await.unwrap().unwrap().status, JobStatus::Cancelled);
}

#[tokio::test]
async fn a_worker_that_signs_off_gives_back_what_it_has_not_begun() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let going = worker(&store, "going").await;
    let id = store.submit(&job()).await.unwrap();
    store.claim(going, None, 1).await.unwrap();
    store.shutdown_worker(going).await.unwrap();
    assert!(!store.heartbeat(going).await.unwrap().known);
    assert!(store.claim(going, None, 1).await.unwrap().is_empty(), "who has signed off is given nothing");
    let other = worker(&store, "other").await;
    begin_claimed(&store, other, id).await;
}

#[tokio::test]
async fn a_worker_long_silent_is_declared_lost_and_may_come_back_under_its_name() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let silent = worker_with_lease(&store, "silent", SHORT).await;
    assert!(store.heartbeat(silent).await.unwrap().known);
    while db.number("SELECT count(*) FROM jobs.tb_worker WHERE stopped_at IS NULL").await > 0 {
        store.requeue_lost().await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!store.heartbeat(silent).await.unwrap().known);
    assert_eq!(db.number("SELECT count(*) FROM audit.tb_event WHERE kind = 'worker.lost'").await, 1);
    let back = worker(&store, "silent").await;
    assert!(store.heartbeat(back).await.unwrap().known);
}

#[tokio::test]
async fn nobody_completes_an_attempt_that_is_not_their_own() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let mine = worker(&store, "mine").await;
    let other = worker(&store, "other").await;
    let attempt = begun(&store, mine, &job()).await;
    let end = AttemptEnd::new(Verdict::Completed);
    for forged in [
        stockade::store::AttemptId { worker: other, ..attempt },
        stockade::store::AttemptId { attempt: 2, ..attempt },
        stockade::store::AttemptId { job: stockade::store::JobId(uuid::Uuid::new_v4()), ..attempt },
    ] {
        assert_eq!(store.complete(&forged, &end).await.unwrap(), Completion::LeaseLost, "{forged:?}");
    }
    assert_eq!(store.job(attempt.job).await.unwrap().unwrap().status, JobStatus::Running);
    assert_eq!(store.complete(&attempt, &end).await.unwrap(), Completion::Recorded(After::Completed));
}

#[tokio::test]
async fn a_job_decided_by_hand_while_it_ran_keeps_that_fate_and_the_attempt_its_record() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let me = worker(&store, "me").await;
    let attempt = begun(&store, me, &job()).await;
    db.run("UPDATE jobs.tb_job_run SET status = 'cancelled'").await;
    assert!(
        store.heartbeat(me).await.unwrap().held.is_empty(),
        "the worker is told that it is not its own any more"
    );
    let done = store.complete(&attempt, &AttemptEnd::new(Verdict::Cancelled)).await.unwrap();
    assert_eq!(done, Completion::Recorded(After::Detached));
    assert_eq!(store.job(attempt.job).await.unwrap().unwrap().status, JobStatus::Cancelled);
    assert_eq!(store.attempts(attempt.job).await.unwrap().remove(0).status, "cancelled");
}
