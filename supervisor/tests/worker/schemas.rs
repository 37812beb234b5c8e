//! What jobs are given and what they leave, against the schemas of their operations; and how long they wait for the next
//! try.

use serde_json::{Value, json};
use stockade::store::JobStatus;

use crate::support::Rig;

const SERVICES: &str = r##"
services:
  - name: steps
    execution_type: steps
    operations:
      - name: plain
      - name: short
        output_schema: {rows: integer, note: "text?"}
      - name: strict
        input_schema:
          $schema: https://json-schema.org/draft/2020-12/schema
          type: object
          required: [milliseconds, result]
          properties: {milliseconds: {type: integer, maximum: 1000}, result: {type: string}}
          additionalProperties: false
        output_schema:
          $schema: https://json-schema.org/draft/2020-12/schema
          type: array
          items: {type: object, required: [id], properties: {id: {type: integer, minimum: 1}}}
"##;

async fn rig() -> Rig {
    let rig = Rig::start().await;
    rig.write_services(SERVICES);
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_that_does_not_fit_is_refused_with_everything_that_is_wrong_with_it() {
    let rig = rig().await;
    let worker = rig.worker(Rig::settings()).await;
    let bad = rig.submit("strict", json!({"milliseconds": 5000, "colour": 1})).await;
    let error = rig.ended(bad).await.error_message.unwrap();
    for said in [
        "input field `result` is missing",
        "input field `milliseconds` is the number `5000`",
        "input field `colour` is not in the operation's `input_schema`",
    ] {
        assert!(error.contains(said), "{error}");
    }
    assert_eq!(rig.attempts(bad).await, ["refused"]);
    let good = rig.submit("strict", json!({"milliseconds": 1, "result": "[]"})).await;
    assert_eq!(rig.ended(good).await.status, JobStatus::Completed);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_does_not_fit_fails_the_job_for_good_and_is_kept() {
    let rig = rig().await;
    let worker = rig.worker(Rig::settings()).await;
    for (operation, result, said) in [
        ("strict", "[{\"id\": 1}, {\"id\": 0}, {}]", "`[1].id` is the number `0`"),
        ("strict", "[{\"id\": 1}, {\"id\": 0}, {}]", "`[2].id` is missing"),
        ("strict", "{}", "the result is an object, expected type `array`"),
        ("short", "{\"rows\": \"3\", \"b\": 1}", "result field `rows` is the text `3`, expected an integer"),
        (
            "short",
            "{\"rows\": \"3\", \"b\": 1}",
            "result field `b` is not in the operation's `output_schema`",
        ),
        ("short", "{\"rows\": ", "`result.json` is not JSON"),
    ] {
        let id = rig.submit(operation, json!({"milliseconds": 1, "result": result})).await;
        let job = rig.ended(id).await;
        let error = job.error_message.unwrap();
        assert!(error.starts_with("the result is not what `output_schema` promises: "), "{error}");
        assert!(error.contains(said), "{error}");
        assert_eq!((job.status, job.attempts, job.max_attempts), (JobStatus::Failed, 1, 1));
        let left = job.output_data.unwrap();
        assert_eq!(left.get("result").cloned(), serde_json::from_str::<Value>(result).ok());
        assert_eq!(rig.store.outputs(id, 1).await.unwrap()[0].bytes.as_deref(), Some(result.as_bytes()));
    }
    let nothing =
        rig.ended(rig.submit("short", json!({"milliseconds": 1})).await).await.error_message.unwrap();
    assert!(nothing.contains("`result.json` is not among the outputs that are collected"), "{nothing}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_fits_and_one_that_nobody_asked_for_complete_the_job() {
    let rig = rig().await;
    let worker = rig.worker(Rig::settings()).await;
    for (operation, result) in [("strict", "[{\"id\": 1}]"), ("short", "{\"rows\": 3}"), ("plain", "[1, 2]")]
    {
        let id = rig.submit(operation, json!({"milliseconds": 1, "result": result})).await;
        let job = rig.ended(id).await;
        assert_eq!(job.status, JobStatus::Completed, "{job:?}");
        assert_eq!(
            job.output_data.unwrap().get("result").unwrap().clone(),
            serde_json::from_str::<Value>(result).unwrap()
        );
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_job_waits_as_long_as_its_service_says() {
    let rig = Rig::start().await;
    let text = |backoff: &str| {
        format!(
            "services: [{{name: steps, execution_type: steps, retry_policy: {{max_attempts: 3{backoff}}}, operations: [{{name: run}}]}}]"
        )
    };
    for (backoff, least, most) in [
        ("", 0.75, 1.25),
        (", backoff: exponential", 0.75, 1.25),
        (", backoff: linear", 3.75, 6.25),
        (", backoff: fixed", 7.5, 12.5),
    ] {
        rig.write_services(&text(backoff));
        let worker = rig.worker(Rig::settings()).await;
        let id = rig.submit("run", json!({"milliseconds": 1, "fails": true})).await;
        rig.until(id, JobStatus::Failed).await;
        let waits = rig
            .query(
                "SELECT to_jsonb(extract(epoch FROM q.run_at - a.ended_at)::float8)
                   FROM jobs.tb_job_queue q JOIN jobs.tb_job_attempt a USING (job_id)",
            )
            .await;
        let wait = waits[0].as_f64().unwrap();
        assert!((least - 0.01..=most + 0.01).contains(&wait), "{backoff}: {wait} s");
        rig.store.cancel(id, "the test").await.unwrap();
        worker.stop().await;
    }
}
