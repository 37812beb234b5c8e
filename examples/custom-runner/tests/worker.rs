//! The example's runner in a real worker on a real Postgres; and that without it neither registry nor database knows
//! the execution type.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use custom_runner::DigestRunner;
use serde_json::json;
use stockade::postgres::EmbeddedPostgres;
use stockade::rules::{Loader, Rulebook, Rules};
use stockade::runner::RunnerRegistry;
use stockade::store::{Access, NewJob, Store, migrate};
use stockade::worker::{Settings, Shutdown, Worker};
use stockade_policies::{Environment, Library, Registry};

const SERVICES: &str = include_str!("../services.yaml");

fn load(runners: &RunnerRegistry, services: &str) -> Result<Registry, stockade_policies::Diagnostics> {
    let library = Library::shipped().unwrap();
    Registry::parse("services.yaml", services, &library, Environment::Production, &runners.capabilities())
}

#[test]
fn a_registry_knows_the_type_only_with_its_runner_and_no_clause_that_it_does_not_enforce() {
    let without = load(&RunnerRegistry::default(), SERVICES).unwrap_err().to_string();
    assert!(without.contains("needs a runner for execution type `digest`"), "{without}");
    let with = RunnerRegistry::default().with(DigestRunner::default()).unwrap();
    assert!(load(&with, SERVICES).is_ok());
    let asking = SERVICES
        .replace("operations:", "security_policy: {resource_limits: {memory_mb: 8}}\n    operations:");
    let refused = load(&with, &asking).unwrap_err().to_string();
    assert!(refused.contains("`resource_limits.memory_mb`"), "{refused}");
}

/// Postgres refuses root.
fn become_unprivileged() {
    if nix::unistd::geteuid().is_root() {
        let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
        nix::unistd::setgroups(&[]).unwrap();
        nix::unistd::setresgid(nobody.gid, nobody.gid, nobody.gid).unwrap();
        nix::unistd::setresuid(nobody.uid, nobody.uid, nobody.uid).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_the_type_is_refused_before_its_worker_has_registered_and_run_after() {
    become_unprivileged();
    let directory = tempfile::Builder::new().prefix("stockade-test-").tempdir_in("/tmp").unwrap();
    let services = directory.path().join("services.yaml");
    std::fs::write(&services, SERVICES).unwrap();
    let server = EmbeddedPostgres::start(directory.path()).await.unwrap();
    let database = server.database();
    migrate(&database).await.unwrap();
    let store = Store::connect(&database, Access::Owner, 2).await.unwrap();
    let job = || NewJob::new("checksums", "sha256", "digest", json!({"text": "abc"}));
    let refused = store.submit(&job()).await.unwrap_err().to_string();
    assert!(refused.contains("there is no execution type \"digest\""), "{refused}");

    let runners = RunnerRegistry::default().with(DigestRunner::default()).unwrap();
    let rules = Rules { services, policies: None, environment: Environment::Production };
    let rulebook = Rulebook::open(Loader::new(rules, runners.capabilities())).unwrap();
    let settings = Settings {
        name: "custom".to_owned(),
        concurrency: 2,
        lease: Duration::from_secs(3),
        grace: Duration::from_millis(200),
    };
    let worker = Worker::register(settings, &database, runners, rulebook).await.unwrap();
    let shutdown = Shutdown::default();
    let task = {
        let shutdown = shutdown.clone();
        tokio::spawn(async move { worker.run(&shutdown, std::future::pending()).await })
    };
    let id = store.submit(&job()).await.unwrap();
    let done = store.wait(id, Duration::from_secs(20)).await.unwrap().unwrap();
    let data = done.output_data.unwrap();
    assert_eq!(
        data.get("result").unwrap()["sha256"],
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert_eq!(done.security_context.unwrap().value().unwrap()["limits"]["wall_seconds"], 10);
    shutdown.tell();
    task.await.unwrap().unwrap();
    server.stop().await;
}

#[test]
fn the_runner_is_added_in_under_a_hundred_lines() {
    assert!(include_str!("../src/lib.rs").lines().count() < 100);
}
