//! What one policy grants that another does not.

use std::fmt;

use serde::Serialize;

use crate::effective::{Calls, EffectivePolicy, Right, Rights, Set, members, section_order};
use crate::policy::{HttpCap, LimitKey, NetworkMode};
use crate::registry::Operation;

/// A right that two policies grant in different measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The key, with dots.
    pub clause: String,
    /// Which way.
    pub change: Change,
    /// What the first policy grants: a limit, or an element of a set that the second does not have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What the second policy grants: a limit, an element of a set that the first does not have, or what is left of
    /// one that it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Which way a right changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The second policy grants it, or more of it.
    Gained,
    /// The second policy does not grant it, or less of it.
    Lost,
    /// The second policy asks for a layer of the confinement that the first does not ask for.
    Tightened,
    /// The second policy does not ask for a layer that the first asks for: jobs may run with less around them.
    Loosened,
}

impl Change {
    /// Whether a reviewer must look: jobs may do more than before.
    pub const fn widens(self) -> bool {
        matches!(self, Self::Gained | Self::Loosened)
    }
}

impl fmt::Display for Difference {
    /// One line: `+` for more, `-` for less.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.change.widens() { '+' } else { '-' };
        write!(f, "{sign} {}: ", self.clause)?;
        match (self.change, &self.before, &self.after) {
            (Change::Tightened, _, Some(layer)) => write!(f, "{layer} is required now"),
            (Change::Loosened, Some(layer), _) => write!(f, "{layer} is no longer required"),
            (_, Some(before), Some(after)) => write!(f, "{before} -> {after}"),
            (_, before, after) => f.write_str(before.as_ref().or(after.as_ref()).map_or("", String::as_str)),
        }
    }
}

impl EffectivePolicy {
    /// What `after` grants in another measure than this policy, to jobs or to policies that extend it. See
    /// [`Operation::difference`] for what an operation runs.
    pub fn difference(&self, after: &Self) -> Vec<Difference> {
        let mut found = Differences(Vec::new());
        let show = |open: &bool| open.to_string();
        found.value("abstract".to_owned(), &self.leaves_open(), &after.leaves_open(), show);
        found.0.extend(self.difference_to_jobs(after));
        found.0
    }

    /// What `after` grants to jobs in another measure than this policy: by clause, gains before losses. Both are taken as
    /// their texts have them, before the ceiling of any environment. Empty if and only if each lets jobs do what the
    /// other does. An element counts as covered if a single element of the other policy covers it.
    fn difference_to_jobs(&self, after: &Self) -> Vec<Difference> {
        let (before, after) = (self.granted(), after.granted());
        let mut found = Differences(Vec::new());
        before.compare_sets(after, &mut found);
        found.numbers(before, after);
        found.root(before, after);
        found.network(before, after);
        found.calls(before.calls(), after.calls());
        found.required(before, after);
        found.0.sort_by_key(|difference| (section_order(&difference.clause), !difference.change.widens()));
        found.0
    }
}

impl Operation {
    /// In what `after` differs from this operation: in what it runs, which a reviewer must look at whatever it is, and in
    /// the rights of its jobs. Empty if neither runs in a sandbox.
    pub fn difference(&self, after: &Self) -> Vec<Difference> {
        let (Some(before), Some(after)) = (self.shell(), after.shell()) else { return Vec::new() };
        let mut found = Differences(Vec::new());
        if before.run != after.run {
            let (had, has) = (before.run.to_string(), after.run.to_string());
            found.push("runner_config", Change::Gained, Some(had), Some(has));
        }
        found.0.extend(before.effective_policy().difference_to_jobs(&after.effective_policy()));
        found.0
    }
}

/// Differences as they are found.
pub(crate) struct Differences(Vec<Difference>);

impl Differences {
    fn push(
        &mut self,
        clause: impl Into<String>,
        change: Change,
        before: Option<String>,
        after: Option<String>,
    ) {
        self.0.push(Difference { clause: clause.into(), change, before, after });
    }

    /// Elements that no element of the other set covers.
    pub(crate) fn set<T: Right>(&mut self, clause: &str, before: &Set<T>, after: &Set<T>) {
        let covered = |element: &T, by: &Set<T>| members(by).any(|(have, _)| have.covers(element));
        for (element, _) in members(after).filter(|(element, _)| !covered(element, before)) {
            let had = within(element, before);
            self.push(clause, Change::Gained, had, Some(element.to_string()));
        }
        for (element, _) in members(before).filter(|(element, _)| !covered(element, after)) {
            let left = within(element, after);
            self.push(clause, Change::Lost, Some(element.to_string()), left);
        }
    }

    /// A value of which more is wider.
    fn value<T: Ord>(&mut self, clause: String, before: &T, after: &T, show: impl Fn(&T) -> String) {
        if before != after {
            let change = if after > before { Change::Gained } else { Change::Lost };
            self.push(clause, change, Some(show(before)), Some(show(after)));
        }
    }

    fn numbers(&mut self, before: &Rights, after: &Rights) {
        for key in LimitKey::ALL {
            let show = |value: &u64| key.show(*value);
            self.value(format!("resource_limits.{key}"), &before.limit(key), &after.limit(key), show);
        }
        // Without a host there is no call whose size they could bound.
        let calls = [before, after].iter().any(|rights| members(&rights.http_hosts).next().is_some());
        for cap in HttpCap::ALL.into_iter().filter(|_| calls) {
            let of =
                |rights: &Rights| rights.http_caps.get(&cap).map_or(cap.closed(), |decided| decided.value);
            self.value(format!("http.{}", cap.name()), &of(before), &of(after), u64::to_string);
        }
    }

    /// Two roots have no order: another one is a gain and a loss.
    fn root(&mut self, before: &Rights, after: &Rights) {
        let of =
            |rights: &Rights| rights.root.as_ref().map_or("host".to_owned(), |root| root.value.to_string());
        let (had, has) = (of(before), of(after));
        if had != has {
            self.push("filesystem.root", Change::Gained, None, Some(has));
            self.push("filesystem.root", Change::Lost, Some(had), None);
        }
    }

    fn network(&mut self, before: &Rights, after: &Rights) {
        let of = |rights: &Rights| rights.network.as_ref().map_or(NetworkMode::None, |mode| mode.value);
        self.value("network.mode".to_owned(), &of(before), &of(after), |mode| mode.name().to_owned());
    }

    /// A profile stands for all that it has; of single calls those are told that are named beside it.
    fn calls(&mut self, before: &Calls, after: &Calls) {
        let show = |calls: &Calls| calls.profile.name().to_owned();
        if before.profile != after.profile {
            let change = if after.profile > before.profile { Change::Gained } else { Change::Lost };
            self.push("syscalls.profile", change, Some(show(before)), Some(show(after)));
        }
        let named =
            [before, after].into_iter().flat_map(|calls| calls.added.keys().chain(calls.removed.keys()));
        let named: std::collections::BTreeSet<_> = named.collect();
        for call in named {
            let name = || Some(call.name().to_owned());
            match (before.permit(*call), after.permit(*call)) {
                (false, true) => self.push("syscalls", Change::Gained, None, name()),
                (true, false) => self.push("syscalls", Change::Lost, name(), None),
                _ => {}
            }
        }
    }

    fn required(&mut self, before: &Rights, after: &Rights) {
        for layer in after.require.keys().filter(|layer| !before.require.contains_key(layer)) {
            self.push("require", Change::Tightened, None, Some(layer.name().to_owned()));
        }
        for layer in before.require.keys().filter(|layer| !after.require.contains_key(layer)) {
            self.push("require", Change::Loosened, Some(layer.name().to_owned()), None);
        }
    }
}

/// What of `element` is in a set that does not have all of it.
fn within<T: Right>(element: &T, set: &Set<T>) -> Option<String> {
    let parts: Vec<String> =
        members(set).filter(|(part, _)| element.covers(part)).map(|(part, _)| part.to_string()).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Environment, Library};

    fn policy(text: &str) -> EffectivePolicy {
        let text = format!("policy: one\n{text}");
        let (library, name) = Library::default().with_text("one.yaml", &text).unwrap();
        library.effective(name.as_str(), Environment::Production).unwrap()
    }

    fn lines(before: &str, after: &str) -> Vec<String> {
        policy(before).difference(&policy(after)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_same_rights_have_no_difference_however_they_are_written() {
        assert!(lines("version: 1\n", "version: 2\ndescription: other words\n").is_empty());
        assert!(
            lines("resource_limits: {memory_mb: 1024}\n", "resource_limits: {memory: 1GiB}\n").is_empty()
        );
        let limited = "resource_limits: {disk_read_mb_per_second: 5}\n";
        assert_eq!(lines("", limited), ["- resource_limits.disk_read_mb_per_second: unlimited -> 5"]);
        assert!(lines("network: {mode: none}\nresource_limits: {memory_mb: 128}\n", "").is_empty());
        assert!(
            lines("syscalls: {profile: standard, add: [socket]}\n", "syscalls: {profile: standard}\n")
                .is_empty()
        );
    }

    #[test]
    fn a_part_of_what_was_granted_is_a_loss_only() {
        let [wide, narrow] =
            ["/usr/share", "/usr/share/a"].map(|path| format!("filesystem: {{read: [{path}]}}\n"));
        assert_eq!(lines(&wide, &narrow), ["- filesystem.read: /usr/share -> /usr/share/a"]);
        assert_eq!(lines(&narrow, &wide), ["+ filesystem.read: /usr/share/a -> /usr/share"]);
        assert_eq!(lines("outputs: [\"*\"]\n", "outputs: [a]\n"), ["- outputs: * -> a"]);
    }

    #[test]
    fn elements_limits_and_modes_are_single_lines() {
        let before = "commands: [/bin/sh]\nresource_limits: {memory_mb: 64, pids: 32}\n";
        let after = "commands: [/bin/cat]\nresource_limits: {memory_mb: 512, cpu_cores: 0.5}\nnetwork: {mode: loopback}\n";
        assert_eq!(
            lines(before, after),
            [
                "+ commands: /bin/cat",
                "- commands: /bin/sh",
                "+ resource_limits.memory_mb: 64 -> 512",
                "- resource_limits.cpu_cores: 1.0 -> 0.5",
                "- resource_limits.pids: 32 -> 16",
                "+ network.mode: none -> loopback",
            ]
        );
    }

    #[test]
    fn a_requirement_is_no_right_but_its_end_is_less_confinement() {
        let one = "require: [landlock]\n";
        assert_eq!(lines("", one), ["- require: landlock is required now"]);
        assert_eq!(lines(one, ""), ["+ require: landlock is no longer required"]);
    }

    #[test]
    fn calls_are_told_beside_the_profile_that_has_them() {
        assert_eq!(
            lines("syscalls: {profile: strict}\n", "syscalls: {profile: standard, remove: [\"@splice\"]}\n"),
            ["+ syscalls.profile: strict -> standard"]
        );
        assert_eq!(
            lines(
                "syscalls: {profile: standard}\n",
                "syscalls: {add: [mq_open], remove: [\"@memory-exec\"]}\n"
            ),
            ["- syscalls.profile: standard -> strict", "- syscalls: @memory-exec"]
        );
        assert_eq!(lines("", "syscalls: {add: [io_setup]}\n"), ["+ syscalls: io_setup"]);
    }

    #[test]
    fn another_root_is_a_gain_and_a_loss() {
        assert_eq!(
            lines("", "filesystem: {root: {image: /srv/a}}\n"),
            ["+ filesystem.root: {image: /srv/a}", "- filesystem.root: host"]
        );
    }

    #[test]
    fn a_policy_that_leaves_more_to_others_gains_though_its_own_jobs_gain_nothing() {
        assert_eq!(lines("", "abstract: true\n"), ["+ abstract: false -> true"]);
        assert_eq!(lines("abstract: true\n", ""), ["- abstract: true -> false"]);
        assert!(lines("abstract: true\n", "abstract: true\n").is_empty());
    }

    #[test]
    fn what_a_ceiling_would_hide_is_told() {
        let [less, more] = [16384, 32768].map(|mib| format!("resource_limits: {{memory_mb: {mib}}}\n"));
        assert_eq!(lines(&less, &more), ["+ resource_limits.memory_mb: 16384 -> 32768"]);
    }
}
