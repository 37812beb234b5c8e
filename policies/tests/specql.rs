//! The registries that SpecQL's users have today, in both shapes, and workers that have the runners or have not.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use stockade_policies::{
    Backoff, Capabilities, Diagnostics, Enforces, Environment, ExecutionType, Library, Registry, Runner,
};

const LIST: &str = include_str!("specql/list.yaml");
const MAP: &str = include_str!("specql/map.yaml");
const ALL: [&str; 4] =
    [ExecutionType::SHELL, ExecutionType::HTTP, ExecutionType::DOCKER, ExecutionType::SERVERLESS];

/// What the runner of that type puts in force.
fn enforces(kind: &str) -> Enforces {
    Capabilities::shipped().enforces(&ExecutionType::new(kind).unwrap()).unwrap()
}

fn load(text: &str, runners: &[&str]) -> Result<Registry, Diagnostics> {
    let library = Library::shipped().unwrap();
    let can = runners.iter().fold(Capabilities::new(), |can, kind| can.runner(*kind, enforces(kind)));
    Registry::parse("services.yaml", text, &library, Environment::Production, &can)
}

fn loaded(text: &str) -> Registry {
    load(text, &ALL).unwrap_or_else(|found| panic!("{found}"))
}

fn execution_types(registry: &Registry) -> BTreeMap<&str, &str> {
    registry.services().map(|service| (service.name(), service.execution_type().as_str())).collect()
}

#[test]
fn the_list_shape_is_read_unchanged() {
    let registry = loaded(LIST);
    let types = execution_types(&registry);
    assert_eq!(types.len(), 8);
    assert_eq!((types["data_processor"], types["ml_training"]), ("shell", "docker"));
    // Nobody said so: SpecQL's services are HTTP calls unless they say otherwise.
    assert_eq!(types["sendgrid"], "http");
    let Runner::Docker(docker) = registry.operation("ml_training", "train").unwrap().runner() else {
        panic!()
    };
    let docker = docker.settings();
    assert_eq!(docker.allowed_images, ["pytorch/pytorch:2.0", "tensorflow/tensorflow:latest"]);
    assert_eq!(docker.allowed_mounts, ["/data/models", "/data/training"]);
    assert_eq!((docker.default_timeout, docker.network_mode.as_deref()), (Some(3600), Some("none")));
    assert_eq!(
        (docker.cpu_millicores, docker.memory_mb, docker.disk_mb),
        (Some(2000), Some(4096), Some(10240))
    );
    for (service, operation, provider, auth) in [
        ("image_processor", "resize", "aws", "iam_role"),
        ("analytics", "run", "aws", "access_key"),
        ("reports", "run", "aws", "profile"),
        ("translator", "translate", "gcp", "service_account"),
        ("search", "run", "gcp", "default_credentials"),
    ] {
        let Runner::Serverless(function) = registry.operation(service, operation).unwrap().runner() else {
            panic!("{service}")
        };
        let function = function.settings();
        assert_eq!((function.provider.as_deref(), function.auth.as_deref()), (Some(provider), Some(auth)));
    }
    assert_eq!(registry.operation("sendgrid", "send_email").unwrap().max_attempts(), 4);
}

#[test]
fn the_map_shape_is_read_unchanged() {
    let registry = loaded(MAP);
    let types = execution_types(&registry);
    assert_eq!((types["stripe"], types["mailer"], types["scripts"]), ("http", "http", "shell"));
    let charge = registry.operation("stripe", "create_charge").unwrap();
    assert_eq!((charge.timeout(), charge.max_attempts()), (Some(Duration::from_secs(30)), 3));
    assert_eq!(charge.backoff(), Backoff::Exponential);
    let Runner::Http(http) = charge.runner() else { panic!() };
    let http = http.settings();
    assert_eq!(http.base_url(), Some("https://api.stripe.com/v1"));
    assert_eq!((http.auth_type.as_deref(), http.method.as_deref()), (Some("bearer_token"), Some("POST")));
    assert_eq!(registry.operation("mailer", "send").unwrap().backoff(), Backoff::Fixed);
}

#[test]
fn a_service_without_a_runner_here_is_refused_at_its_place_and_loads_where_there_is_one() {
    for (text, runners, missing) in [
        (LIST, ["shell", "http", "docker"].as_slice(), "serverless"),
        (LIST, &["shell", "http", "serverless"], "docker"),
        (LIST, &["shell", "docker", "serverless"], "http"),
        (MAP, &["http"], "shell"),
    ] {
        let found = load(text, runners).unwrap_err();
        let said = format!("needs a runner for execution type `{missing}`, which this worker does not have");
        assert!(found.errors().count() > 0);
        for error in found.errors() {
            assert_eq!(error.code, "no-runner", "{error}");
            assert!(error.message.contains(&said) && error.line > 0, "{error}");
        }
        assert!(load(text, &ALL).is_ok());
    }
}
