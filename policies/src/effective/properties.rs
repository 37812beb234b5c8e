//! Composition only tightens, for whatever policies can be generated.

use proptest::prelude::*;

use super::rights::{Rights, members};
use super::{EffectivePolicy, Layer};
use crate::environment::Environment;
use crate::policy::{Clauses, LimitKey, Policy, SyscallProfile};
use crate::seccomp::all;
use crate::yaml::Source;

/// Texts of elements of one clause, a few of which cover others.
const SETS: [(&str, &[&str]); 13] = [
    ("commands", &["/bin/a", "/bin/b", "/bin/c"]),
    ("outputs", &["a", "b", "\"*\""]),
    ("images", &["a@sha256:AAAA", "b@sha256:AAAA"]),
    (
        "functions",
        &[
            "arn:aws:lambda:eu-west-1:123456789012:function:f:1",
            "arn:aws:lambda:eu-west-1:123456789012:function:f:2",
        ],
    ),
    ("secrets", &["env:A", "file:/etc/stockade/a", "credential:a"]),
    ("filesystem.read", &["/usr/lib", "/usr/lib/a", "/usr/lib/a/b", "/usr/lib/ab", "/opt"]),
    ("filesystem.execute", &["/usr/lib", "/usr/lib/a", "/opt"]),
    ("filesystem.write", &["/job", "/tmp"]),
    ("environment.pass", &["TZ", "LANG"]),
    ("http.hosts", &["\"*.example.com:443\"", "\"a.example.com:443\"", "\"example.com:443\""]),
    ("http.methods", &["GET", "POST"]),
    ("http.path_prefixes", &["/", "/v1", "/v1/a", "/v10"]),
    ("http.headers", &["accept", "content-type"]),
];
const HOSTS: &[&str] =
    &["\"*.example.com:443\"", "\"a.example.com:443\"", "\"a.b.example.com:443\"", "\"b.example:80\""];
const ADDRESSES: &[&str] = &[
    "\"192.0.2.0/24:443\"",
    "\"192.0.2.0/25:443\"",
    "\"192.0.2.7:443\"",
    "\"192.0.2.7:80\"",
    "\"[2001:db8::]/32:443\"",
];
const CALLS: &[&str] = &[
    "\"@network\"",
    "\"@sysv-ipc\"",
    "\"@memory-exec\"",
    "\"@process\"",
    "io_setup",
    "personality",
    "\"@splice\"",
    "mknod",
];
const LAYER_NAMES: &[&str] = &["landlock", "seccomp", "cgroup", "user_namespace"];

fn some_of(values: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    let list = proptest::sample::subsequence(values, 0..=values.len())
        .prop_map(|some| format!("[{}]", some.join(", ")));
    proptest::option::of(list)
}

/// `KEY: VALUE` lines of a map, or nothing.
fn entries(pairs: Vec<(&str, Option<String>)>) -> String {
    let stated = pairs.into_iter().filter_map(|(key, value)| Some(format!("{key}: {}", value?)));
    format!("{{{}}}", stated.collect::<Vec<_>>().join(", "))
}

fn network() -> impl Strategy<Value = String> {
    let lists =
        proptest::sample::subsequence(ADDRESSES, 0..=ADDRESSES.len()).prop_map(|some| some.join(", "));
    let hosts = proptest::sample::subsequence(HOSTS, 0..=HOSTS.len()).prop_map(|some| some.join(", "));
    let allowlist = (hosts, lists).prop_map(|(hosts, addresses)| {
        format!("network: {{mode: allowlist, hosts: [{hosts}], addresses: [{addresses}]}}")
    });
    prop_oneof![
        Just(String::new()),
        Just("network: {mode: none}".to_owned()),
        Just("network: {mode: loopback}".to_owned()),
        allowlist,
    ]
}

fn syscalls() -> impl Strategy<Value = String> {
    let profile =
        proptest::option::of(proptest::sample::select(SyscallProfile::WORDS.map(|(word, _)| word).to_vec()));
    (profile, proptest::collection::vec(0..3_u8, CALLS.len()), any::<bool>()).prop_map(
        |(profile, uses, said)| {
            let chosen = |wanted: u8| {
                let calls =
                    CALLS.iter().zip(&uses).filter(|(_, used)| **used == wanted).map(|(call, _)| *call);
                Some(format!("[{}]", calls.collect::<Vec<_>>().join(", ")))
            };
            let pairs =
                vec![("profile", profile.map(str::to_owned)), ("add", chosen(1)), ("remove", chosen(2))];
            if said { format!("syscalls: {}", entries(pairs)) } else { String::new() }
        },
    )
}

fn numbers() -> impl Strategy<Value = String> {
    let keys = proptest::sample::select(LimitKey::ALL.to_vec());
    let limits = proptest::collection::btree_map(keys, 16..64_u64, 0..5).prop_map(|limits| {
        let limits = limits.into_iter().map(|(key, value)| (key.name(), Some(value.to_string())));
        format!("resource_limits: {}", entries(limits.collect()))
    });
    let root = proptest::sample::select(vec!["", "host", "{image: /srv/a}", "{image: /srv/b}"]);
    (limits, root, proptest::option::of(1..9_u64), some_of(LAYER_NAMES)).prop_map(
        |(limits, root, cap, require)| {
            let require = require.map(|list| format!("require: {list}\n")).unwrap_or_default();
            let root = if root.is_empty() { String::new() } else { format!("root={root}\n") };
            let cap = cap.map(|kib| format!("cap={kib}\n")).unwrap_or_default();
            format!("{limits}\n{require}{root}{cap}")
        },
    )
}

/// The text of a layer: the same language that people write.
fn layer() -> impl Strategy<Value = Clauses> {
    let sets: Vec<_> = SETS.iter().map(|(_, values)| some_of(values).boxed()).collect();
    (sets, network(), syscalls(), numbers()).prop_map(|(sets, network, syscalls, numbers)| {
        let mut top = String::new();
        let mut maps: std::collections::BTreeMap<&str, Vec<(&str, Option<String>)>> = Default::default();
        for ((key, _), list) in SETS.iter().zip(sets) {
            match key.split_once('.') {
                Some((map, key)) => maps.entry(map).or_default().push((key, list)),
                None => top.extend(list.map(|list| format!("{key}: {list}\n"))),
            }
        }
        for line in numbers.lines() {
            match line.split_once('=') {
                Some(("root", root)) => {
                    maps.entry("filesystem").or_default().push(("root", Some(root.to_owned())))
                }
                Some((_, cap)) => maps.entry("http").or_default().push(("request_kb", Some(cap.to_owned()))),
                None => top.push_str(&format!("{line}\n")),
            }
        }
        top.extend(maps.into_iter().map(|(key, pairs)| format!("{key}: {}\n", entries(pairs))));
        let text =
            format!("policy: generated\n{top}{network}\n{syscalls}\n").replace("AAAA", &"a".repeat(64));
        Policy::parse(&Source::new("generated", text.as_str()))
            .unwrap_or_else(|found| panic!("{found}\n{text}"))
            .0
            .clauses
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
    inner.sets_within(outer)
        && LimitKey::ALL.iter().all(|key| inner.limit(*key) <= outer.limit(*key))
        && inner.http_caps.iter().all(|(cap, have)| have.value <= outer.http_caps[cap].value)
        && inner.network.as_ref().map(|d| d.value) <= outer.network.as_ref().map(|d| d.value)
        && inner.root.as_ref().map(|d| &d.value) == outer.root.as_ref().map(|d| &d.value)
        && inner.calls().profile <= outer.calls().profile
        && all().all(|call| !inner.calls().permit(call) || outer.calls().permit(call))
        && outer.require.keys().all(|layer| inner.require.contains_key(layer))
}

/// A policy with these rights.
fn policy(rights: Rights) -> EffectivePolicy {
    let name = crate::policy::PolicyName::new("generated").unwrap();
    EffectivePolicy::new(name, 1, rights, Environment::Development).unwrap()
}

proptest! {
    #[test]
    fn a_policy_does_not_differ_from_itself(library in layer()) {
        let policy = policy(closed(&library));
        prop_assert_eq!(policy.difference(&policy), vec![]);
    }

    #[test]
    fn what_is_tightened_gains_nothing(library in layer(), second in layer()) {
        let outer = closed(&library);
        let mut inner = outer.clone();
        inner.tighten(&second, &Layer::Job);
        let (outer, inner) = (policy(outer), policy(inner));
        let found = outer.difference(&inner);
        prop_assert!(found.iter().all(|difference| !difference.change.widens()), "{:?}", found);
        // And the way back loses nothing.
        prop_assert!(inner.difference(&outer).iter().all(|difference| difference.change.widens()));
    }

    #[test]
    fn a_difference_widens_exactly_if_the_rights_are_not_within(a in layer(), b in layer()) {
        let (a, mut b) = (closed(&a), closed(&b));
        if [&a, &b].iter().all(|rights| members(&rights.http_hosts).next().is_none()) {
            // The size of calls that nobody makes.
            b.http_caps = a.http_caps.clone();
        }
        let found = policy(a.clone()).difference(&policy(b.clone()));
        let widens = found.iter().any(|difference| difference.change.widens());
        prop_assert_eq!(widens, !within(&b, &a), "{:?}", found);
        prop_assert_eq!(found.is_empty(), within(&a, &b) && within(&b, &a));
    }

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
    fn a_policy_that_extends_a_whole_one_never_widens_it(outer in layer(), inner in layer()) {
        let outer = closed(&outer);
        let mut extended = outer.clone();
        extended.tighten(&inner, &Layer::Default);
        extended.close();
        prop_assert!(within(&extended, &outer));
    }

    #[test]
    fn a_layer_that_is_accepted_changes_nothing_the_second_time(library in layer(), second in layer()) {
        let mut once = closed(&library);
        if once.tighten(&second, &Layer::Job).is_empty() {
            let mut twice = once.clone();
            prop_assert!(twice.tighten(&second, &Layer::Job).is_empty());
            prop_assert!(within(&once, &twice) && within(&twice, &once));
        }
    }

    #[test]
    fn a_layer_that_is_refused_in_part_changes_nothing_the_second_time(library in layer(), second in layer()) {
        let mut once = closed(&library);
        once.tighten(&second, &Layer::Job);
        let mut twice = once.clone();
        twice.tighten(&second, &Layer::Job);
        prop_assert!(within(&once, &twice) && within(&twice, &once));
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
        prop_assert!(found.is_empty(), "{:?}", found);
    }

    #[test]
    fn ceilings_only_lower_and_only_once(library in layer()) {
        let outer = closed(&library);
        for environment in Environment::ALL {
            let ceiling = environment.ceiling().unwrap();
            let lowered = ceiling.over(&outer);
            prop_assert!(within(&lowered, &outer));
            let again = ceiling.over(&lowered);
            prop_assert!(within(&lowered, &again) && within(&again, &lowered));
        }
    }

    /// A ceiling commutes with a layer that asks for no more than what lies under it.
    #[test]
    fn a_ceiling_before_or_after_a_layer_is_the_same(library in layer(), second in layer()) {
        let ceiling = Environment::Production.ceiling().unwrap();
        let mut after = closed(&library);
        let mut before = ceiling.over(&after);
        let accepted = after.tighten(&second, &Layer::Job).is_empty() && before.tighten(&second, &Layer::Job).is_empty();
        if accepted {
            let after = ceiling.over(&after);
            prop_assert!(within(&before, &after) && within(&after, &before));
        }
    }
}
