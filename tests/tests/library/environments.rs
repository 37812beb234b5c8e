//! What each environment asks of a host, and leaves of the shipped policies.

use std::collections::BTreeSet;

use stockade_policies::{Environment, Host, JobSpec, LAYERS, Library, compile};

use crate::RUNNABLE;

/// Every layer but Landlock, which has versions.
fn unversioned_layers() -> impl Iterator<Item = &'static str> {
    LAYERS.into_iter().filter(|layer| *layer != "landlock")
}

/// What the shipped environment requires, without Landlock.
fn required(environment: Environment) -> BTreeSet<String> {
    let policy = Library::shipped().unwrap().effective("shell-utils", environment).unwrap();
    let required = policy.clauses().into_iter().filter(|line| line.clause == "require");
    required.map(|line| line.value).filter(|layer| layer != "landlock").collect()
}

/// The Landlock that confines all a job can do there is.
const LANDLOCK_FULL: u8 = 6;

/// Compiles a small job on such a host.
fn compiled(environment: Environment, host: &Host, landlock_abi: u8) -> Result<(), String> {
    let policy = Library::shipped().unwrap().effective("shell-utils", environment).unwrap();
    let job = JobSpec::command(vec!["/bin/sh".into(), "-c".into(), "true".into()]).unwrap();
    compile(&policy, &job, host, landlock_abi).map(|_| ()).map_err(|error| error.to_string())
}

#[test]
fn staging_and_production_require_every_layer() {
    let layers: BTreeSet<String> = unversioned_layers().map(str::to_owned).collect();
    assert_eq!(required(Environment::Staging), layers);
    assert_eq!(required(Environment::Production), layers);
    assert_eq!(required(Environment::Development), BTreeSet::new());
}

#[test]
fn staging_and_production_run_nothing_on_a_host_that_lacks_a_layer() {
    for environment in [Environment::Staging, Environment::Production] {
        assert_eq!(compiled(environment, &Host::new(), LANDLOCK_FULL), Ok(()));
        for layer in unversioned_layers() {
            let host = Host::new().without(layer, "this host has none");
            let refusal = compiled(environment, &host, LANDLOCK_FULL).expect_err(layer);
            assert!(refusal.contains(&format!("require: {layer}")) && refusal.contains("this host has none"));
            assert_eq!(compiled(Environment::Development, &host, LANDLOCK_FULL), Ok(()), "{layer}");
        }
        let refusal = compiled(environment, &Host::new(), LANDLOCK_FULL - 1).unwrap_err();
        assert!(refusal.contains("require: landlock") && refusal.contains("ABI 5"), "{refusal}");
    }
    assert_eq!(compiled(Environment::Development, &Host::new(), LANDLOCK_FULL - 1), Ok(()));
}

#[test]
fn no_environment_runs_anything_without_landlock_because_the_commands_hang_on_it() {
    for environment in [Environment::Development, Environment::Staging, Environment::Production] {
        let refusal = compiled(environment, &Host::new(), 0).unwrap_err();
        assert!(refusal.contains("the kernel has no Landlock"), "{refusal}");
    }
}

#[test]
fn every_shipped_policy_keeps_all_it_says_in_every_environment() {
    let library = Library::shipped().unwrap();
    for policy in RUNNABLE {
        let limits = |environment| library.effective(policy.name, environment).unwrap().limits();
        let stated = limits(Environment::Development);
        assert_eq!(limits(Environment::Staging), stated, "{}", policy.name);
        assert_eq!(limits(Environment::Production), stated, "{}", policy.name);
    }
}
