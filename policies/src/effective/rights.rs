//! Rights and their meet: what is left when one more layer has spoken.

use std::collections::BTreeMap;

use stockade_plan::{AbsPath, EnvName};

use super::calls::Calls;
use super::explain::Lines;
use super::origin::{Layer, Origin};
use super::step::Step;
use crate::diagnostic::Diagnostic;
use crate::diff::Differences;
use crate::policy::{
    AddressRange, Clauses, FunctionArn, HeaderName, HostPattern, HttpCap, Image, LayerName, LimitKey, Method,
    NetworkMode, OutputName, PathPrefix, ReadPath, ResourceLimits, RootDir, SecretRef, Setting,
};

/// A value and who decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decided<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
}

impl<T> Decided<T> {
    const fn by_default(value: T) -> Self {
        Self { value, origin: Origin::DEFAULT }
    }
}

/// A set of rights, each with who granted it. `None`: no layer has said anything yet, so that the next may say
/// what it likes; [`Rights::close`] ends that.
pub(crate) type Set<T> = Option<BTreeMap<T, Origin>>;

/// What a job may do, as far as the layers so far say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) commands: Set<AbsPath>,
    pub(crate) limits: BTreeMap<LimitKey, Decided<u64>>,
    pub(crate) root: Option<Decided<RootDir>>,
    pub(crate) read: Set<ReadPath>,
    pub(crate) execute: Set<ReadPath>,
    pub(crate) write: Set<AbsPath>,
    pub(crate) network: Option<Decided<NetworkMode>>,
    pub(crate) hosts: Set<HostPattern>,
    pub(crate) addresses: Set<AddressRange>,
    pub(crate) syscalls: Option<Calls>,
    /// The one right whose more is the tighter: layers without which a job does not run.
    pub(crate) require: BTreeMap<LayerName, Origin>,
    pub(crate) outputs: Set<OutputName>,
    pub(crate) pass: Set<EnvName>,
    pub(crate) set: Set<Setting>,
    pub(crate) images: Set<Image>,
    pub(crate) functions: Set<FunctionArn>,
    pub(crate) http_hosts: Set<HostPattern>,
    pub(crate) http_addresses: Set<AddressRange>,
    pub(crate) methods: Set<Method>,
    pub(crate) prefixes: Set<PathPrefix>,
    pub(crate) headers: Set<HeaderName>,
    pub(crate) http_caps: BTreeMap<HttpCap, Decided<u64>>,
    pub(crate) secrets: Set<SecretRef>,
}

/// The sets whose meet is taken element by element: field and clause. One list, so that none is tightened and
/// not closed, or closed and not shown.
macro_rules! sets {
    ($($field:ident $clause:literal;)*) => {
        impl Rights {
            /// The clauses of all sets.
            #[cfg(test)]
            pub(crate) const SET_CLAUSES: &[&str] = &[$($clause),*];

            fn tighten_sets(&mut self, clauses: &Clauses, step: &mut Step<'_>) {
                $(step.set($clause, &mut self.$field, &clauses.$field);)*
            }

            fn close_sets(&mut self) {
                $(self.$field.get_or_insert_default();)*
            }

            pub(super) fn show_sets(&self, lines: &mut Lines) {
                $(lines.set($clause, members(&self.$field));)*
            }

            /// What `after` grants of every set, and this does not, and the other way round.
            pub(crate) fn compare_sets(&self, after: &Self, found: &mut Differences) {
                $(found.set($clause, &self.$field, &after.$field);)*
            }

            /// Whether every element of every set is covered by one of `outer`.
            #[cfg(test)]
            pub(super) fn sets_within(&self, outer: &Self) -> bool {
                use super::cover::Right as _;
                [$(members(&self.$field)
                    .all(|(asked, _)| members(&outer.$field).any(|(have, _)| have.covers(asked)))),*]
                .into_iter()
                .all(|within| within)
            }
        }
    };
}

sets! {
    commands "commands";
    read "filesystem.read";
    execute "filesystem.execute";
    write "filesystem.write";
    hosts "network.hosts";
    addresses "network.addresses";
    outputs "outputs";
    pass "environment.pass";
    set "environment.set";
    images "images";
    functions "functions";
    http_hosts "http.hosts";
    http_addresses "http.addresses";
    methods "http.methods";
    prefixes "http.path_prefixes";
    headers "http.headers";
    secrets "secrets";
}

impl Rights {
    /// These rights, less what `clauses` give up. A clause that asks for more is reported and changes nothing.
    pub(crate) fn tighten(&mut self, clauses: &Clauses, layer: &Layer) -> Vec<Diagnostic> {
        let mut step = Step { layer, found: Vec::new() };
        self.tighten_sets(clauses, &mut step);
        if let Some(asked) = &clauses.network {
            step.one("network.mode", &mut self.network, asked, |mode| mode.name());
        }
        if let Some(asked) = &clauses.root {
            step.same("filesystem.root", &mut self.root, asked);
        }
        for (key, asked) in &clauses.limits {
            let clause = format!("resource_limits.{key}");
            step.entry(&clause, &mut self.limits, *key, asked, |value| key.show(*value));
        }
        for (cap, asked) in &clauses.http_caps {
            let clause = format!("http.{}", cap.name());
            step.entry(&clause, &mut self.http_caps, *cap, asked, |value| *value);
        }
        for required in clauses.require.iter().flatten() {
            let origin = || Origin::new(layer, &required.at);
            self.require.entry(required.value).or_insert_with(origin);
        }
        let mut found = step.found;
        if let Some(asked) = &clauses.syscalls {
            found.extend(Calls::tighten(&mut self.syscalls, asked, layer));
        }
        found
    }

    /// Ends the composition of a library policy: what none of its files says is at its closed value, and from
    /// here on every layer can only take away.
    pub(crate) fn close(&mut self) {
        self.close_sets();
        for key in LimitKey::ALL {
            self.limits.entry(key).or_insert(Decided::by_default(key.closed()));
        }
        for cap in HttpCap::ALL {
            self.http_caps.entry(cap).or_insert(Decided::by_default(cap.closed()));
        }
        self.root.get_or_insert(Decided::by_default(RootDir::Host));
        self.network.get_or_insert(Decided::by_default(NetworkMode::None));
        self.syscalls.get_or_insert(Calls::CLOSED);
    }

    /// Lowers a limit to `value` if it is higher.
    pub(crate) fn cap(&mut self, key: LimitKey, value: u64, origin: &Origin) {
        if self.limit(key) > value {
            self.limits.insert(key, Decided { value, origin: origin.clone() });
        }
    }

    pub(crate) fn limit(&self, key: LimitKey) -> u64 {
        self.limits.get(&key).map_or(key.closed(), |decided| decided.value)
    }

    /// The limit on reading from disk, if there is one.
    pub(crate) fn disk_limit(&self) -> Option<&Decided<u64>> {
        let key = LimitKey::DiskReadMbPerSecond;
        self.limits.get(&key).filter(|decided| !key.is_unlimited(decided.value))
    }

    pub(crate) fn resource_limits(&self) -> ResourceLimits {
        ResourceLimits::from_values(|key| self.limit(key))
    }

    /// Whether there is anything that an HTTP call could reach.
    pub(crate) fn calls_out(&self) -> bool {
        members(&self.http_hosts).next().is_some() || members(&self.http_addresses).next().is_some()
    }

    pub(crate) fn calls(&self) -> &Calls {
        const CLOSED: &Calls = &Calls::CLOSED;
        self.syscalls.as_ref().unwrap_or(CLOSED)
    }

    /// The directory that is the job's root, if it is not the host's.
    pub(crate) fn image(&self) -> Option<(&AbsPath, &Origin)> {
        match self.root.as_ref() {
            Some(Decided { value: RootDir::Image(path), origin }) => Some((path, origin)),
            _ => None,
        }
    }
}

/// The elements of a set, none if nobody said anything.
pub(crate) fn members<T>(set: &Set<T>) -> impl Iterator<Item = (&T, &Origin)> {
    set.iter().flatten()
}
