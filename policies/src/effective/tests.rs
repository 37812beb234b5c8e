//! Composition only tightens: on examples, and on whatever policies can be generated.

use proptest::prelude::*;
use stockade_plan::{AbsPath, RelPath};

use super::*;
use crate::library::Library;
use crate::policy::{OutputName, Policy, ReadPath, SyscallProfile};
use crate::yaml::{At, Source, Span, Spanned};

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
    assert!(policy.clauses().iter().all(|line| line.origin == "the built-in default"));
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

fn spanned<T>(value: T) -> Spanned<T> {
    Spanned { value, at: At { source: Source::new("generated", ""), span: Span::default() } }
}

fn some_of<T: Clone + Ord + std::fmt::Debug + 'static>(
    values: Vec<T>,
) -> impl Strategy<Value = crate::policy::Stated<T>> {
    let all = values.len();
    proptest::option::of(
        proptest::sample::subsequence(values, 0..=all).prop_map(|set| set.into_iter().map(spanned).collect()),
    )
}

fn path(text: &str) -> AbsPath {
    AbsPath::new(text).unwrap()
}

fn layer() -> impl Strategy<Value = Clauses> {
    let commands = ["/bin/a", "/bin/b", "/bin/c"].map(path).to_vec();
    let read = ["/usr/lib", "/usr/lib/a", "/usr/lib/a/b", "/usr/lib/ab", "/opt"]
        .map(|text| ReadPath { path: path(text), optional: false });
    let outputs = ["a", "b"].map(|text| OutputName::File(RelPath::new(text).unwrap())).into_iter();
    let outputs = outputs.chain([OutputName::Any]).collect();
    let limits =
        proptest::collection::btree_map(proptest::sample::select(LimitKey::ALL.to_vec()), 16..64_u64, 0..5);
    let modes = proptest::sample::select(NetworkMode::WORDS.to_vec());
    let profiles = proptest::sample::select(SyscallProfile::WORDS.to_vec());
    (
        some_of(commands),
        some_of(read.to_vec()),
        some_of(vec![path("/job"), path("/tmp")]),
        some_of(outputs),
        limits,
        proptest::option::of(modes),
        proptest::option::of(profiles),
    )
        .prop_map(|(commands, read, write, outputs, limits, network, syscalls)| Clauses {
            commands,
            read,
            write,
            outputs,
            limits: limits.into_iter().map(|(key, value)| (key, spanned(value))).collect(),
            network: network.map(|(_, mode)| spanned(mode)),
            syscalls: syscalls.map(|(_, profile)| spanned(profile)),
            ..Clauses::default()
        })
}

fn closed(library: &Clauses) -> Rights {
    let mut rights = Rights::default();
    rights.tighten(library, &Layer::Default);
    rights.close();
    rights
}

/// Whether `inner` grants nothing that `outer` does not.
fn within(inner: &Rights, outer: &Rights) -> bool {
    let read = members(&inner.read)
        .all(|(asked, _)| members(&outer.read).any(|(have, _)| asked.path.is_beneath(&have.path)));
    let outputs = members(&inner.outputs)
        .all(|(asked, _)| members(&outer.outputs).any(|(have, _)| *have == OutputName::Any || have == asked));
    read && outputs
        && members(&inner.commands).all(|(path, _)| members(&outer.commands).any(|(have, _)| have == path))
        && members(&inner.write).all(|(path, _)| members(&outer.write).any(|(have, _)| have == path))
        && LimitKey::ALL.iter().all(|key| inner.limit(*key) <= outer.limit(*key))
        && inner.network.as_ref().map(|d| d.value) <= outer.network.as_ref().map(|d| d.value)
        && inner.syscall_profile() <= outer.syscall_profile()
}

proptest! {
    #[test]
    fn no_layer_ever_widens_a_right(library in layer(), second in layer(), third in layer()) {
        let outer = closed(&library);
        let mut inner = outer.clone();
        inner.tighten(&second, &Layer::Job);
        prop_assert!(within(&inner, &outer));
        let middle = inner.clone();
        inner.tighten(&third, &Layer::Job);
        prop_assert!(within(&inner, &middle));
        prop_assert!(within(&inner, &outer));
    }

    #[test]
    fn a_layer_that_is_accepted_changes_nothing_the_second_time(library in layer(), second in layer()) {
        let mut once = closed(&library);
        if once.tighten(&second, &Layer::Job).is_empty() {
            let mut twice = once.clone();
            prop_assert!(twice.tighten(&second, &Layer::Job).is_empty());
            prop_assert_eq!(once, twice);
        }
    }

    #[test]
    fn two_layers_that_are_accepted_in_either_order_give_the_same(library in layer(), a in layer(), b in layer()) {
        let (mut ab, mut ba) = (closed(&library), closed(&library));
        let accepted = [ab.tighten(&a, &Layer::Job), ab.tighten(&b, &Layer::Job)].concat().is_empty();
        let reversed = [ba.tighten(&b, &Layer::Job), ba.tighten(&a, &Layer::Job)].concat().is_empty();
        if accepted && reversed {
            prop_assert!(within(&ab, &ba) && within(&ba, &ab));
        }
    }

    #[test]
    fn what_is_granted_may_be_said_again(library in layer()) {
        let found = closed(&library).tighten(&library, &Layer::Job);
        prop_assert!(found.is_empty());
    }

    #[test]
    fn ceilings_only_lower(library in layer()) {
        let outer = closed(&library);
        for environment in Environment::ALL {
            prop_assert!(within(&environment.ceiling().unwrap().over(&outer), &outer));
        }
    }
}
