//! New rules while the worker works.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, raise};
use serde_json::{Value, json};
use stockade::rules::Rules;
use stockade::store::{Job, JobStatus};

use crate::support::{Rig, replace};

fn services(operations: &str) -> String {
    format!("services: [{{name: steps, execution_type: steps, operations: [{operations}]}}]\n")
}

const RUN: &str = "{name: run}";

impl Rig {
    async fn events(&self, kind: &'static str) -> Vec<Value> {
        let of_kind = |event: &Value| event["kind"] == kind;
        let all = self
            .query("SELECT json_build_object('kind', kind, 'body', body)::jsonb FROM audit.tb_event ORDER BY seq")
            .await;
        all.into_iter().filter(of_kind).map(|mut event| event["body"].take()).collect()
    }

    /// The events of a kind, when there are so many.
    async fn until_events(&self, kind: &'static str, count: usize) -> Vec<Value> {
        for _ in 0..400 {
            let events = self.events(kind).await;
            if events.len() >= count {
                return events;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("there are no {count} events `{kind}`");
    }

    async fn done(&self, operation: &str) -> Job {
        self.ended(self.submit(operation, json!({"milliseconds": 1})).await).await
    }
}

fn version_of(job: &Job) -> Value {
    job.security_context.as_ref().unwrap().value().unwrap()["rules"]["version"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_was_replaced_holds_for_the_jobs_that_come_after() {
    let rig = Rig::start().await;
    rig.write_services(&services(RUN));
    let worker = rig.worker(Rig::settings()).await;
    let before = rig.done("run").await;
    assert_eq!((before.status, version_of(&before)), (JobStatus::Completed, json!(1)));
    assert!(rig.done("added").await.error_message.unwrap().contains("there is no operation `added`"));
    rig.write_services(&services("{name: run}, {name: added}"));
    let event = rig.until_events("rules.reloaded", 1).await.remove(0);
    let after = rig.done("added").await;
    assert_eq!((after.status, version_of(&after)), (JobStatus::Completed, json!(2)));
    // The record, the attempt and the job say the same of it.
    let context = after.security_context.unwrap().value().unwrap().clone();
    assert_eq!(event["rules"], context["rules"]);
    assert_eq!(event["before"], before.security_context.unwrap().value().unwrap()["rules"]);
    let attempt = rig.store.attempts(after.id).await.unwrap().remove(0);
    assert_eq!(attempt.registry_sha256, context["registry_sha256"].as_str().map(str::to_owned));
    assert_ne!(context["registry_sha256"], event["before"]["registry_sha256"]);
    let started = rig.events("attempt.started").await;
    let rules = |event: &Value| event["detail"]["rules"]["version"].clone();
    assert_eq!(started.iter().map(rules).collect::<Vec<_>>(), [json!(1), json!(1), json!(2)]);
    assert!(rig.store.verify_chain().await.unwrap().is_none());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_has_the_registry_read_at_once() {
    let rig = Rig::start().await;
    rig.write_services(&services(RUN));
    let worker = rig.worker(Rig::settings()).await;
    rig.done("run").await;
    rig.write_services(&services("{name: run}, {name: added}"));
    raise(Signal::SIGHUP).unwrap();
    let event = rig.until_events("rules.reloaded", 1).await.remove(0);
    assert_eq!((&event["trigger"], &event["rules"]["version"]), (&json!("signal"), &json!(2)));
    assert_eq!(rig.done("added").await.status, JobStatus::Completed);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_does_not_hold_is_refused_with_its_errors_and_changes_nothing() {
    let rig = Rig::start().await;
    rig.write_services(&services(RUN));
    let worker = rig.worker(Rig::settings()).await;
    rig.write_services("services:\n  - name: steps\n    executon_type: steps\n    operations: [{name: run, timeout: soon}]\n");
    let refused = rig.until_events("rules.refused", 1).await.remove(0);
    assert_eq!(refused["in_force"]["version"], 1);
    assert_eq!(
        refused["errors"].as_array().map(Vec::len),
        refused["error_count"].as_u64().map(|n| usize::try_from(n).unwrap())
    );
    let errors: Vec<String> = refused["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| format!("{}:{} {}", error["line"], error["column"], error["message"]))
        .collect();
    assert!(
        errors.iter().any(|error| error.starts_with("3:5") && error.contains("`executon_type` is not a key")),
        "{errors:?}"
    );
    let job = rig.done("run").await;
    assert_eq!((job.status, version_of(&job)), (JobStatus::Completed, json!(1)));
    // A file that others can write, and a link, are refused as they are at the start.
    // It never lies there with fewer writers: that would be taken.
    let beside = rig.rules().services.with_extension("loose");
    fs::write(&beside, services("{name: run}, {name: added}")).unwrap();
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o666)).unwrap();
    fs::rename(beside, rig.rules().services).unwrap();
    let refused = rig.until_events("rules.refused", 2).await.remove(1);
    assert_eq!(refused["errors"][0]["code"], "writable-by-others");
    fs::rename(rig.rules().services, rig.rules().services.with_extension("kept")).unwrap();
    symlink("services.kept", rig.rules().services).unwrap();
    rig.until_events("rules.refused", 3).await;
    assert_eq!(rig.done("added").await.status, JobStatus::Failed);
    // The allow-twin: the same text in a file that is nobody else's.
    rig.write_services(&services("{name: run}, {name: added}"));
    rig.until_events("rules.reloaded", 1).await;
    assert_eq!(rig.done("added").await.status, JobStatus::Completed);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_runs_keeps_the_version_that_it_began_under() {
    let rig = Rig::start().await;
    rig.write_services(&services(RUN));
    let worker = rig.worker(Rig::settings()).await;
    let running = rig.job(3_000).await;
    rig.until_running(running).await;
    // What runs would not be taken any more, and its result would be asked for.
    rig.write_services(&services("{name: run, input_schema: {other: text}, output_schema: {rows: integer}}"));
    rig.until_events("rules.reloaded", 1).await;
    assert_eq!(rig.store.job(running).await.unwrap().unwrap().status, JobStatus::Running);
    let later = rig.done("run").await;
    assert!(later.error_message.as_ref().unwrap().contains("input field `other` is missing"));
    assert_eq!(version_of(&later), 2);
    let job = rig.ended(running).await;
    assert_eq!((job.status, version_of(&job)), (JobStatus::Completed, json!(1)));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_are_read_again_with_the_registry() {
    let rig = Rig::start().await;
    rig.write_services(&services(RUN));
    let worker = rig.worker(Rig::settings()).await;
    let policy = rig.rules().policies.unwrap().join("own.yaml");
    replace(policy.clone(), "policy: own\nextends: script-standard\nresource_limits: {memory_mb: none}\n");
    let refused = rig.until_events("rules.refused", 1).await.remove(0);
    assert!(refused["errors"][0]["file"].as_str().unwrap().ends_with("own.yaml"), "{refused}");
    replace(policy, "policy: own\nextends: script-standard\nresource_limits: {memory_mb: 64}\n");
    let taken = rig.until_events("rules.reloaded", 1).await.remove(0);
    assert_eq!(taken["rules"]["registry_sha256"], taken["before"]["registry_sha256"]);
    assert_ne!(taken["rules"]["policies_sha256"], taken["before"]["policies_sha256"]);
    worker.stop().await;
}

/// The files of these rules that this process has open.
fn open_files(rules: &Rules) -> Vec<PathBuf> {
    let descriptors = fs::read_dir("/proc/self/fd").unwrap();
    let targets = descriptors.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    let directory = rules.services.parent().unwrap();
    targets.filter(|path| path.starts_with(directory) && path.extension().is_some()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_changes_costs_little_and_ends_with_the_last_of_them() {
    let rig = Rig::start().await;
    rig.write_services(&services(RUN));
    let worker = rig.worker(Rig::settings()).await;
    rig.done("run").await;
    let began = Instant::now();
    let mut slowest = Duration::ZERO;
    for number in 0..1000 {
        match number % 3 {
            0 => rig.write_services("services: [{name: steps"),
            1 => fs::write(rig.rules().services, services(&format!("{{name: run}}, {{name: n{number}}}")))
                .unwrap(),
            _ => fs::remove_file(rig.rules().services).unwrap(),
        }
        if number % 100 == 0 {
            let asked = Instant::now();
            assert_eq!(rig.done("run").await.status, JobStatus::Completed);
            slowest = slowest.max(asked.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    rig.write_services(&services("{name: run}, {name: last}"));
    let storm = began.elapsed();
    let last = loop {
        let job = rig.done("last").await;
        if job.status == JobStatus::Completed {
            break job;
        }
        assert!(began.elapsed() < storm + Duration::from_secs(15), "{job:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(slowest < Duration::from_secs(5), "a job took {slowest:?}");
    let read = rig.events("rules.reloaded").await.len() + rig.events("rules.refused").await.len();
    // No more often than the files are looked at.
    let looks = usize::try_from(began.elapsed().as_millis() / 500).unwrap() + 2;
    assert!(read <= looks, "read {read} times in {looks} looks");
    assert!(version_of(&last).as_u64().unwrap() >= 2);
    assert!(open_files(&rig.rules()).len() <= 1, "{:?}", open_files(&rig.rules()));
    worker.stop().await;
}
