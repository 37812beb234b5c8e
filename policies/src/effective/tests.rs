//! Composition only tightens, on examples.

use stockade_plan::AbsPath;

use super::*;
use crate::library::Library;
use crate::policy::Policy;
use crate::yaml::Source;

fn clauses(text: &str) -> Clauses {
    Policy::parse(&Source::new("layer", format!("policy: layer\n{text}"))).unwrap().0.clauses
}

fn standard() -> EffectivePolicy {
    Library::shipped().unwrap().effective("script-standard", Environment::Production).unwrap()
}

fn service() -> Layer {
    Layer::Service("s".to_owned())
}

#[test]
fn a_layer_takes_rights_away_and_is_named_as_their_origin() {
    let layer =
        clauses("commands: [/usr/bin/python3]\nresource_limits: {memory_mb: 64}\noutputs: [out.csv]\n");
    let policy = standard().tightened(&layer, &service()).unwrap();
    assert_eq!(policy.commands().map(AbsPath::as_str).collect::<Vec<_>>(), ["/usr/bin/python3"]);
    assert_eq!(policy.limits().memory_mb, 64);
    let lines = policy.clauses();
    let line = |clause: &str| lines.iter().find(|line| line.clause == clause).unwrap().to_string();
    assert_eq!(
        line("resource_limits.memory_mb"),
        "resource_limits.memory_mb: 64  # service `s` (layer:3:30)"
    );
    assert_eq!(line("outputs"), "outputs: out.csv  # service `s` (layer:4:11)");
    assert!(
        line("resource_limits.pids").contains("# policy `script-standard` (library/script-standard.yaml:")
    );
}

#[test]
fn a_layer_that_asks_for_more_is_refused_at_its_clause() {
    let layer = clauses("resource_limits: {memory_mb: 513, pids: 64}\n");
    let found = standard().tightened(&layer, &service()).unwrap_err();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].line, found[0].column), (2, 30));
    assert!(
        found[0].message.contains("513, more than the 512 of policy `script-standard`"),
        "{}",
        found[0].message
    );
}

#[test]
fn what_no_policy_of_the_library_says_is_closed() {
    let source = Source::new("bare.yaml", "policy: bare\n");
    let (library, found) = Library::default().with_right_sources(vec![source]);
    assert!(found.is_empty());
    let policy = library.effective("bare", Environment::Production).unwrap();
    assert_eq!(policy.commands().count(), 0);
    let values: Vec<String> =
        policy.clauses().iter().map(|line| format!("{}: {}", line.clause, line.value)).collect();
    assert!(values.contains(&"network.mode: none".to_owned()));
    assert!(values.contains(&"syscalls.profile: strict".to_owned()));
    assert!(
        policy.clauses().iter().all(|line| line.clause == "require" || line.origin == "the built-in default")
    );
    assert!(policy.tightened(&clauses("commands: [/bin/sh]\n"), &service()).is_err());
}

#[test]
fn a_registry_that_is_right_stays_right_under_a_lower_ceiling() {
    let layer = clauses("resource_limits: {memory_mb: 12288}\n");
    for (environment, memory) in [(Environment::Development, 12288), (Environment::Staging, 4096)] {
        let policy = Library::shipped().unwrap().effective("base", environment).unwrap();
        let policy = policy.tightened(&layer, &service()).unwrap();
        assert_eq!(policy.limits().memory_mb, memory, "{environment}");
        assert!(
            policy.clone().tightened(&clauses("resource_limits: {memory_mb: 12289}\n"), &service()).is_err()
        );
    }
}

#[test]
fn a_timeout_shortens_the_wall_clock_and_never_lengthens_it() {
    assert_eq!(standard().with_timeout(300).limits().wall_seconds, 120);
    assert_eq!(standard().with_timeout(5).limits().wall_seconds, 5);
    assert_eq!(standard().with_timeout(0).limits().wall_seconds, 1);
}

#[test]
fn the_digest_depends_on_rights_and_not_on_who_granted_them() {
    let same = clauses("resource_limits: {memory_mb: 512}\n");
    let less = clauses("resource_limits: {memory_mb: 511}\n");
    let digest = |layer: &Clauses| standard().tightened(layer, &service()).unwrap().sha256();
    assert_eq!(digest(&same), standard().sha256());
    assert_ne!(digest(&less), standard().sha256());
}

#[test]
fn a_policy_that_extends_a_whole_one_gains_nothing_that_one_does_not_say() {
    let extending = |base: &str| {
        let outer = Source::new("outer.yaml", format!("policy: outer\n{base}commands: [/bin/sh]\n"));
        let inner = "policy: inner\nextends: outer\nimages: []\nenvironment: {pass: [TZ]}\n";
        Library::default().with_right_sources(vec![outer, Source::new("inner.yaml", inner)]).1
    };
    assert!(extending("abstract: true\n").is_empty());
    let found = extending("");
    assert!(
        found[0]
            .message
            .ends_with("asks for `environment.pass` `TZ`, which the layers above it do not grant")
    );
}

#[test]
fn required_layers_add_up() {
    let policy = standard().tightened(&clauses("require: [landlock, cgroup]\n"), &service()).unwrap();
    let line =
        |name: &str| policy.clauses().into_iter().find(|line| line.clause == "require" && line.value == name);
    assert!(line("cgroup_memory").is_some_and(|line| line.origin.starts_with("service `s`")));
    assert!(line("seccomp").is_some_and(|line| line.origin.starts_with("environment `production`")));
}

#[test]
fn the_root_is_chosen_once() {
    let image = |path: &str| clauses(&format!("filesystem: {{root: {{image: {path}}}}}\n"));
    let found = standard().tightened(&image("/srv/images/a"), &service()).unwrap_err();
    assert!(
        found[0].message.contains("which is not the host of the built-in default"),
        "{}",
        found[0].message
    );
    assert!(standard().tightened(&clauses("filesystem: {root: host}\n"), &service()).is_ok());
}

#[test]
fn a_layer_adds_no_call_that_the_one_above_removed_or_never_had() {
    let policy = standard().tightened(&clauses("syscalls: {remove: [\"@network\"]}\n"), &service()).unwrap();
    let again = clauses("syscalls: {profile: standard}\n");
    assert_eq!(policy.clone().tightened(&again, &Layer::Job).unwrap().sha256(), policy.sha256());
    let found = policy.tightened(&clauses("syscalls: {add: [socket, io_setup]}\n"), &Layer::Job).unwrap_err();
    assert!(found[0].message.contains("`socket`, which is removed by service `s`"), "{}", found[0].message);
    assert!(
        found[1].message.contains("`io_setup`, which is not in the profile of policy"),
        "{}",
        found[1].message
    );
}
