//! The record: appended to, never changed, and what was changed all the same is found.

use stockade::store::{Access, Event};

use crate::support::{TestDatabase, begun, job, worker};

fn event(kind: &str) -> Event {
    Event {
        kind: kind.into(),
        worker: None,
        job: None,
        attempt: None,
        tenant: None,
        body: serde_json::json!({"n": 1, "text": "with a \0 in it"}),
    }
}

async fn with_events() -> TestDatabase {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    for kind in ["test.one", "test.two", "test.three"] {
        store.record(&event(kind)).await.unwrap();
    }
    db
}

async fn first_broken(db: &TestDatabase) -> Option<(i64, String)> {
    let broken = db.store(Access::Auditor).await.verify_chain().await.unwrap();
    broken.map(|at| (at.seq, at.reason))
}

#[tokio::test]
async fn even_the_owner_cannot_change_an_event_and_can_add_one() {
    let db = with_events().await;
    for statement in [
        "UPDATE audit.tb_event SET kind = 'made.up'",
        "DELETE FROM audit.tb_event WHERE seq = 3",
        "TRUNCATE audit.tb_event",
        "SET session_replication_role = replica; DELETE FROM audit.tb_event",
        "INSERT INTO audit.tb_checkpoint VALUES (1, sha256(''), now(), 'k', ''); DELETE FROM audit.tb_checkpoint",
    ] {
        let refusal = db.refusal(statement).await;
        assert!(refusal.contains("is append-only"), "{statement}: {refusal}");
    }
    db.run(
        "RESET session_replication_role; INSERT INTO audit.tb_event (kind, body) VALUES ('test.four', '{}')",
    )
    .await;
    assert_eq!(db.number("SELECT count(*) FROM audit.tb_event").await, 4);
    assert_eq!(first_broken(&db).await, None);
}

#[tokio::test]
async fn an_event_cannot_choose_its_place_in_the_chain() {
    let db = with_events().await;
    db.run(
        "INSERT INTO audit.tb_event (seq, at, kind, body, prev_sha256, sha256)
         VALUES (1000, '2000-01-01', 'test.forged', '{}', sha256(''), sha256(''))",
    )
    .await;
    assert_eq!(db.number("SELECT max(seq) FROM audit.tb_event").await, 4);
    assert_eq!(db.number("SELECT count(*) FROM audit.tb_event WHERE at < '2020-01-01'").await, 0);
    assert_eq!(first_broken(&db).await, None);
}

#[tokio::test]
async fn whoever_gets_past_the_triggers_is_found_out() {
    let tampered: [(&str, i64, &str); 4] = [
        ("UPDATE audit.tb_event SET body = '{\"n\": 2}' WHERE seq = 2", 2, "its content does not match its digest"),
        ("UPDATE audit.tb_event SET at = at - interval '1 us' WHERE seq = 2", 2, "its content does not match its digest"),
        ("DELETE FROM audit.tb_event WHERE seq = 2", 3, "events before it are missing"),
        (
            "UPDATE audit.tb_event e SET kind = 'test.forged', sha256 = audit.event_sha256(e.prev_sha256, e.seq, e.at,
                 'test.forged', NULL, NULL, NULL, NULL, e.body) WHERE seq = 2",
            3,
            "it does not follow the event before it",
        ),
    ];
    for (statement, seq, reason) in tampered {
        let db = with_events().await;
        assert_eq!(first_broken(&db).await, None);
        db.run("ALTER TABLE audit.tb_event DISABLE TRIGGER tr_refuse_change").await;
        db.run(statement).await;
        assert_eq!(first_broken(&db).await, Some((seq, reason.to_owned())), "{statement}");
    }
}

#[tokio::test]
async fn a_tail_cut_off_shows_against_a_checkpoint() {
    let db = with_events().await;
    db.run(
        "INSERT INTO audit.tb_checkpoint (seq, sha256, key_id, signature)
            SELECT seq, sha256, 'key', '' FROM audit.tb_event WHERE seq = 3",
    )
    .await;
    assert_eq!(first_broken(&db).await, None);
    db.run("ALTER TABLE audit.tb_event DISABLE TRIGGER tr_refuse_change; DELETE FROM audit.tb_event WHERE seq = 3").await;
    assert_eq!(first_broken(&db).await, Some((3, "a checkpoint names it, and it is missing".to_owned())));
}

#[tokio::test]
async fn the_digest_is_what_the_decision_record_says_it_is() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let me = worker(&store, "me").await;
    begun(&store, me, &job()).await;
    let rows: Vec<(Vec<u8>, String, Vec<u8>)> = sqlx::query_as(
        "SELECT prev_sha256, concat_ws(E'\\n', 'stockade-event-1', seq, floor(extract(epoch FROM at) * 1000000)::bigint,
                    kind, coalesce(worker_id::text, ''), coalesce(job_id::text, ''), coalesce(attempt::text, ''),
                    coalesce(tenant_id::text, ''), body::text), sha256
           FROM audit.tb_event ORDER BY seq",
    )
    .fetch_all(&db.sql)
    .await
    .unwrap();
    let mut previous = vec![0; 32];
    assert_eq!(rows.len(), 2);
    for (named, text, digest) in rows {
        assert_eq!(named, previous);
        previous.extend(text.as_bytes());
        assert_eq!(stockade_plan::Digest::of(&previous).0.to_vec(), digest, "{text}");
        previous = digest;
    }
}

#[tokio::test]
async fn many_at_once_make_one_chain() {
    let db = TestDatabase::new().await;
    let store = db.store(Access::Worker).await;
    let writers = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..25 {
                store.record(&event("test.crowd")).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(db.number("SELECT max(seq) FROM audit.tb_event").await, 200);
    assert_eq!(first_broken(&db).await, None);
}
