//! A database that SpecQL made before Stockade came: migrated in place, rows kept.

use stockade::store::{Access, AttemptStart, Begun, Database, StoreError, migrate};

use crate::support::{TestDatabase, worker};

const BEFORE_EXECUTION_TYPES: &str = r#"
CREATE SCHEMA jobs;
CREATE TABLE jobs.tb_job_run (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(), identifier TEXT NOT NULL UNIQUE, idempotency_key TEXT,
    service_name TEXT NOT NULL, operation TEXT NOT NULL, input_data JSONB, output_data JSONB, error_message TEXT,
    status TEXT NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending','running','completed','failed','cancelled')),
    attempts INTEGER DEFAULT 0, max_attempts INTEGER DEFAULT 3, timeout_seconds INTEGER, tenant_id UUID,
    triggered_by UUID, correlation_id TEXT, entity_type TEXT, entity_pk TEXT,
    created_at TIMESTAMPTZ DEFAULT now(), started_at TIMESTAMPTZ, completed_at TIMESTAMPTZ,
    updated_at TIMESTAMPTZ DEFAULT now());
CREATE INDEX idx_tb_job_run_pending ON jobs.tb_job_run (status, created_at) WHERE status = 'pending';
CREATE FUNCTION jobs.mark_job_started(job_id UUID) RETURNS VOID LANGUAGE sql AS
    $$ UPDATE jobs.tb_job_run SET status = 'running', attempts = attempts + 1 WHERE id = job_id $$;
CREATE FUNCTION jobs.fail_job(job_id UUID, error_text TEXT) RETURNS BOOLEAN LANGUAGE sql AS
    $$ UPDATE jobs.tb_job_run SET status = 'failed' WHERE id = job_id RETURNING true $$;
CREATE VIEW jobs.v_job_stats AS SELECT service_name, operation, status, count(*) AS total_jobs
    FROM jobs.tb_job_run GROUP BY 1, 2, 3;
"#;

const EXECUTION_TYPES: &str = r#"
ALTER TABLE jobs.tb_job_run
    ADD COLUMN execution_type TEXT NOT NULL DEFAULT 'http'
        CONSTRAINT a_name_of_its_own CHECK (execution_type IN ('http','shell','docker','serverless')),
    ADD COLUMN runner_config JSONB, ADD COLUMN resource_usage JSONB, ADD COLUMN security_context JSONB;
CREATE VIEW jobs.v_resource_usage_by_runner AS SELECT execution_type, count(*) FROM jobs.tb_job_run GROUP BY 1;
"#;

const ROWS: &str = r#"
INSERT INTO jobs.tb_job_run (identifier, service_name, operation, status, attempts, max_attempts, created_at) VALUES
    ('done', 's', 'o', 'completed', 1, 3, '2020-01-01Z'), ('waits', 's', 'o', 'pending', 0, NULL, '2020-01-02Z'),
    ('again', 's', 'o', 'failed', 1, 3, '2020-01-03Z'), ('dead', 's', 'o', 'failed', 3, 3, '2020-01-04Z'),
    ('runs', 's', 'o', 'running', 1, 3, '2020-01-05Z'), ('odd', 's', 'o', 'completed', NULL, -1, NULL);
"#;

async fn assert_migrated(db: &TestDatabase) {
    migrate(&db.database).await.unwrap();
    let kept = db
        .text("SELECT string_agg(identifier || ' ' || status || ' ' || attempts || '/' || max_attempts || ' ' || execution_type,
                                 ', ' ORDER BY identifier) FROM jobs.tb_job_run")
        .await;
    assert_eq!(
        kept,
        "again failed 1/3 http, dead failed 3/3 http, done completed 1/3 http, odd completed 0/-1 http, \
         runs running 1/3 http, waits pending 0/3 http"
    );
    let store = db.store(Access::Worker).await;
    let me = worker(&store, "me").await;
    let claimed = store.claim(me, None, 10).await.unwrap();
    let names: Vec<_> = claimed.iter().map(|job| job.identifier.as_str()).collect();
    assert_eq!(names, ["waits", "again"], "what waits is claimed in the order it came; what runs is not");
    for job in &claimed {
        let begun = store.begin(me, job.id, &AttemptStart::default()).await.unwrap();
        assert!(matches!(begun, Begun::Started(_)));
    }
    // The one that ran when we came is still its worker's to end.
    db.run("SELECT jobs.complete_job_successfully(id, '{}') FROM jobs.tb_job_run WHERE identifier = 'runs'")
        .await;
    assert_eq!(
        db.text("SELECT status || attempts FROM jobs.tb_job_run WHERE identifier = 'runs'").await,
        "completed1"
    );
    // The view of the old generation had no such column.
    assert_eq!(db.number("SELECT count(p95_duration_sec) FROM jobs.v_job_stats").await, 0);
}

#[tokio::test]
async fn a_table_without_execution_columns_is_migrated_with_its_rows() {
    let db = TestDatabase::empty().await;
    db.run(BEFORE_EXECUTION_TYPES).await;
    db.run(ROWS).await;
    assert_migrated(&db).await;
}

#[tokio::test]
async fn a_table_with_execution_columns_is_migrated_with_its_rows() {
    let db = TestDatabase::empty().await;
    db.run(BEFORE_EXECUTION_TYPES).await;
    db.run(EXECUTION_TYPES).await;
    db.run(ROWS).await;
    db.run("UPDATE jobs.tb_job_run SET security_context = '{\"memory_mb\": 1}' WHERE identifier = 'waits'")
        .await;
    assert_migrated(&db).await;
    let request = "SELECT security_request ->> 'memory_mb' FROM jobs.tb_job_run WHERE identifier = 'waits'";
    assert_eq!(db.text(request).await, "1");
    // The list of four is gone, under whatever name it stood.
    db.run(
        "INSERT INTO jobs.tb_execution_type (name) VALUES ('wasm');
         INSERT INTO jobs.tb_job_run (identifier, service_name, operation, execution_type)
            VALUES ('new', 's', 'o', 'wasm')",
    )
    .await;
}

#[tokio::test]
async fn an_application_with_migrations_of_its_own_is_not_disturbed() {
    let db = TestDatabase::empty().await;
    db.run("CREATE TABLE public._sqlx_migrations (version bigint PRIMARY KEY, theirs text)").await;
    migrate(&db.database).await.unwrap();
    assert_eq!(db.number("SELECT count(*) FROM public._sqlx_migrations").await, 0);
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_refused_and_named() {
    let db = TestDatabase::empty().await;
    let Database::Socket { directory, user, .. } = db.database.clone() else { unreachable!() };
    let nowhere = Database::Socket { directory, user, name: "nowhere".into() };
    let error: StoreError = migrate(&nowhere).await.unwrap_err();
    assert!(error.to_string().contains("\"nowhere\" does not exist"), "{error}");
    assert!(!error.is_connection_lost());
}
