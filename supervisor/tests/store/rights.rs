//! Who may do what: the submitter, the worker, the auditor; and one tenant beside another.

use stockade::store::{Access, Event, JobFilter, NewJob};
use uuid::Uuid;

use crate::support::{TestDatabase, begun, job, worker};

const EVERYTHING: JobFilter = JobFilter { status: None, service: None, tenant: None, limit: 100 };

fn of(tenant: Uuid) -> NewJob {
    NewJob { tenant: Some(tenant), ..job() }
}

/// Runs one statement in one role and returns what the server says against it, if anything.
async fn as_role(db: &TestDatabase, role: &'static str, statement: &'static str) -> Result<u64, String> {
    let mut connection = db.sql.acquire().await.unwrap();
    sqlx::query("SELECT set_config('role', $1, false)").bind(role).execute(&mut *connection).await.unwrap();
    let result = sqlx::query(statement).execute(&mut *connection).await;
    sqlx::query("RESET ROLE").execute(&mut *connection).await.unwrap();
    result.map(|done| done.rows_affected()).map_err(|e| e.to_string())
}

#[tokio::test]
async fn a_tenant_sees_its_own_jobs_and_nobody_elses() {
    let db = TestDatabase::new().await;
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    let first = db.store(Access::Submitter { tenant: Some(one) }).await;
    let second = db.store(Access::Submitter { tenant: Some(two) }).await;
    let nobody = db.store(Access::Submitter { tenant: None }).await;
    let mine = first.submit(&of(one)).await.unwrap();
    let theirs = second.submit(&of(two)).await.unwrap();

    assert_eq!(first.jobs(&EVERYTHING).await.unwrap().iter().map(|job| job.id).collect::<Vec<_>>(), [mine]);
    assert_eq!(
        second.jobs(&EVERYTHING).await.unwrap().iter().map(|job| job.id).collect::<Vec<_>>(),
        [theirs]
    );
    assert!(nobody.jobs(&EVERYTHING).await.unwrap().is_empty());
    assert!(first.job(theirs).await.unwrap().is_none());
    let worker = db.store(Access::Worker).await;
    assert_eq!(worker.jobs(&EVERYTHING).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_a_job_left_is_seen_by_its_tenant_alone() {
    let db = TestDatabase::new().await;
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    let store = db.store(Access::Worker).await;
    let me = worker(&store, "me").await;
    let attempt = begun(&store, me, &of(one)).await;
    let first = db.store(Access::Submitter { tenant: Some(one) }).await;
    let second = db.store(Access::Submitter { tenant: Some(two) }).await;
    assert_eq!(first.attempts(attempt.job).await.unwrap().len(), 1);
    assert!(second.attempts(attempt.job).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_tenant_cannot_hand_in_a_job_for_another() {
    let db = TestDatabase::new().await;
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    let first = db.store(Access::Submitter { tenant: Some(one) }).await;
    let refused = first.submit(&of(two)).await.unwrap_err();
    assert_eq!(refused.sqlstate().as_deref(), Some("42501"), "{refused}");
    first.submit(&of(one)).await.unwrap();
    first.submit(&job()).await.unwrap_err();
}

#[tokio::test]
async fn a_submitter_proposes_and_cannot_bring_a_result() {
    let db = TestDatabase::new().await;
    let allowed = "INSERT INTO jobs.tb_job_run (identifier, service_name, operation, security_context)
                   VALUES ('ok', 's', 'o', '{}')";
    assert_eq!(as_role(&db, "stockade_submitter", allowed).await, Ok(1));
    let denied = [
        "INSERT INTO jobs.tb_job_run (identifier, service_name, operation, status) VALUES ('1', 's', 'o', 'completed')",
        "INSERT INTO jobs.tb_job_run (identifier, service_name, operation, output_data) VALUES ('2', 's', 'o', '{}')",
        "INSERT INTO jobs.tb_job_run (identifier, service_name, operation, resource_usage) VALUES ('3', 's', 'o', '{}')",
        "INSERT INTO jobs.tb_job_run (identifier, service_name, operation, attempts) VALUES ('4', 's', 'o', -5)",
        "INSERT INTO jobs.tb_job_run (identifier, service_name, operation, security_request) VALUES ('5', 's', 'o', '{}')",
        "INSERT INTO jobs.tb_job_run (identifier, service_name, operation, created_at) VALUES ('6', 's', 'o', '2000-01-01')",
        "UPDATE jobs.tb_job_run SET status = 'completed'",
        "DELETE FROM jobs.tb_job_run",
        "UPDATE jobs.tb_job_queue SET priority = 9",
        "SELECT * FROM jobs.tb_job_queue",
        "SELECT jobs.cancel_job(id, 'me') FROM jobs.tb_job_run",
        "SELECT jobs.complete_job_successfully(id, '{}') FROM jobs.tb_job_run",
        "SELECT jobs.settle(id, 1, 'completed', NULL, false, NULL) FROM jobs.tb_job_run",
        "SELECT * FROM audit.tb_event",
        "INSERT INTO audit.tb_event (kind, body) VALUES ('made.up', '{}')",
    ];
    for statement in denied {
        let refusal = as_role(&db, "stockade_submitter", statement).await.expect_err(statement);
        assert!(refusal.contains("permission denied"), "{statement}: {refusal}");
    }
}

#[tokio::test]
async fn a_worker_changes_jobs_through_the_functions_only() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    store.submit(&job()).await.unwrap();
    let event = Event {
        kind: "worker.started".into(),
        worker: None,
        job: None,
        attempt: None,
        tenant: None,
        body: serde_json::json!({}),
    };
    store.record(&event).await.unwrap();
    let denied = [
        "UPDATE jobs.tb_job_run SET status = 'completed'",
        "DELETE FROM jobs.tb_job_run",
        "DELETE FROM jobs.tb_job_queue",
        "UPDATE jobs.tb_job_attempt SET status = 'completed'",
        "SELECT jobs.settle(id, 1, 'completed', NULL, false, NULL) FROM jobs.tb_job_run",
        "SELECT * FROM audit.tb_event",
        "INSERT INTO audit.tb_event (seq, kind, body) VALUES (7, 'made.up', '{}')",
        "INSERT INTO audit.tb_event (kind, body, sha256) VALUES ('made.up', '{}', '\\x00')",
    ];
    for statement in denied {
        let refusal = as_role(&db, "stockade_worker", statement).await.expect_err(statement);
        assert!(refusal.contains("permission denied"), "{statement}: {refusal}");
    }
}

#[tokio::test]
async fn an_auditor_reads_everything_and_changes_nothing() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let me = worker(&store, "me").await;
    begun(&store, me, &of(Uuid::new_v4())).await;
    let auditor = db.store(Access::Auditor).await;
    assert_eq!(auditor.jobs(&EVERYTHING).await.unwrap().len(), 1);
    assert_eq!(auditor.verify_chain().await.unwrap(), None);
    assert_eq!(as_role(&db, "stockade_auditor", "SELECT * FROM audit.tb_event").await, Ok(2));
    for statement in [
        "INSERT INTO audit.tb_event (kind, body) VALUES ('made.up', '{}')",
        "INSERT INTO jobs.tb_job_run (identifier, service_name, operation) VALUES ('x', 's', 'o')",
        "SELECT jobs.retry_job(id, 'me') FROM jobs.tb_job_run",
    ] {
        let refusal = as_role(&db, "stockade_auditor", statement).await.expect_err(statement);
        assert!(refusal.contains("permission denied"), "{statement}: {refusal}");
    }
}
