//! Rights and their meet: what is left when one more layer has spoken.

use std::collections::BTreeMap;

use stockade_plan::{AbsPath, EnvName};

use super::origin::{Layer, Origin};
use crate::diagnostic::Diagnostic;
use crate::policy::{
    Clauses, LimitKey, NetworkMode, OutputName, ReadPath, ResourceLimits, Setting, Stated, SyscallProfile,
};
use crate::yaml::Spanned;

/// A value and who decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decided<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
}

/// A set of rights, each with who granted it. `None`: no layer has said anything yet, so that the next may say
/// what it likes; [`Rights::close`] ends that.
pub(crate) type Set<T> = Option<BTreeMap<T, Origin>>;

/// What a job may do, as far as the layers so far say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) commands: Set<AbsPath>,
    pub(crate) limits: BTreeMap<LimitKey, Decided<u64>>,
    pub(crate) read: Set<ReadPath>,
    pub(crate) write: Set<AbsPath>,
    pub(crate) network: Option<Decided<NetworkMode>>,
    pub(crate) syscalls: Option<Decided<SyscallProfile>>,
    pub(crate) outputs: Set<OutputName>,
    pub(crate) pass: Set<EnvName>,
    pub(crate) set: Set<Setting>,
}

impl Rights {
    /// These rights, less what `clauses` give up. A clause that asks for more is reported and changes nothing.
    pub(crate) fn tighten(&mut self, clauses: &Clauses, layer: &Layer) -> Vec<Diagnostic> {
        let mut step = Step { layer, found: Vec::new() };
        step.set(
            "commands",
            &mut self.commands,
            &clauses.commands,
            &Exact(|path: &AbsPath| path.to_string()),
        );
        step.set("filesystem.read", &mut self.read, &clauses.read, &Beneath);
        step.set(
            "filesystem.write",
            &mut self.write,
            &clauses.write,
            &Exact(|path: &AbsPath| path.to_string()),
        );
        step.set("outputs", &mut self.outputs, &clauses.outputs, &Names);
        step.set(
            "environment.pass",
            &mut self.pass,
            &clauses.pass,
            &Exact(|name: &EnvName| name.to_string()),
        );
        step.set(
            "environment.set",
            &mut self.set,
            &clauses.set,
            &Exact(|set: &Setting| set.name.to_string()),
        );
        step.one("network.mode", &mut self.network, clauses.network.as_ref(), NetworkMode::name);
        step.one("syscalls.profile", &mut self.syscalls, clauses.syscalls.as_ref(), SyscallProfile::name);
        for (key, asked) in &clauses.limits {
            step.limit(*key, &mut self.limits, asked);
        }
        step.found
    }

    /// Ends the composition of a library policy: what none of its files says is at its closed value, and from
    /// here on every layer can only take away.
    pub(crate) fn close(&mut self) {
        for key in LimitKey::ALL {
            self.limits.entry(key).or_insert(Decided { value: key.closed(), origin: Origin::DEFAULT });
        }
        self.commands.get_or_insert_default();
        self.read.get_or_insert_default();
        self.write.get_or_insert_default();
        self.outputs.get_or_insert_default();
        self.pass.get_or_insert_default();
        self.set.get_or_insert_default();
        self.network.get_or_insert(Decided { value: NetworkMode::None, origin: Origin::DEFAULT });
        self.syscalls.get_or_insert(Decided { value: SyscallProfile::Strict, origin: Origin::DEFAULT });
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

    pub(crate) fn resource_limits(&self) -> ResourceLimits {
        ResourceLimits::from_values(|key| self.limit(key))
    }

    pub(crate) fn syscall_profile(&self) -> SyscallProfile {
        self.syscalls.as_ref().map_or(SyscallProfile::Strict, |decided| decided.value)
    }
}

/// The elements of a set, none if nobody said anything.
pub(crate) fn members<T>(set: &Set<T>) -> impl Iterator<Item = (&T, &Origin)> {
    set.iter().flatten()
}

/// What it means for an element to be within a set, and how it is shown.
trait Cover<T> {
    fn covers(&self, have: &T, asked: &T) -> bool;
    fn show(&self, element: &T) -> String;
}

struct Exact<F>(F);

impl<T: PartialEq, F: Fn(&T) -> String> Cover<T> for Exact<F> {
    fn covers(&self, have: &T, asked: &T) -> bool {
        have == asked
    }

    fn show(&self, element: &T) -> String {
        (self.0)(element)
    }
}

struct Beneath;

impl Cover<ReadPath> for Beneath {
    fn covers(&self, have: &ReadPath, asked: &ReadPath) -> bool {
        asked.path.is_beneath(&have.path)
    }

    fn show(&self, element: &ReadPath) -> String {
        element.path.to_string()
    }
}

struct Names;

impl Cover<OutputName> for Names {
    fn covers(&self, have: &OutputName, asked: &OutputName) -> bool {
        *have == OutputName::Any || have == asked
    }

    fn show(&self, element: &OutputName) -> String {
        element.show().to_owned()
    }
}

/// One layer being applied.
struct Step<'a> {
    layer: &'a Layer,
    found: Vec<Diagnostic>,
}

impl Step<'_> {
    fn set<T: Ord + Clone>(
        &mut self,
        clause: &str,
        current: &mut Set<T>,
        asked: &Stated<T>,
        cover: &impl Cover<T>,
    ) {
        let Some(asked) = asked else { return };
        let mut next = BTreeMap::new();
        for element in asked {
            let within = match current.as_ref() {
                Some(have) => have.keys().any(|have| cover.covers(have, &element.value)),
                None => true,
            };
            if within {
                next.insert(element.value.clone(), Origin::new(self.layer, &element.at));
            } else {
                let have = current.iter().flatten().map(|(have, origin)| (cover.show(have), origin));
                self.found.push(wider_set(clause, self.layer, &cover.show(&element.value), element, have));
            }
        }
        *current = Some(next);
    }

    fn one<T: Ord + Copy>(
        &mut self,
        clause: &str,
        current: &mut Option<Decided<T>>,
        asked: Option<&Spanned<T>>,
        show: impl Fn(T) -> &'static str,
    ) {
        let Some(asked) = asked else { return };
        match current {
            Some(have) if asked.value > have.value => {
                let [want, has] = [show(asked.value), show(have.value)];
                self.found.push(wider(clause, self.layer, asked, want, has, &have.origin));
            }
            _ => *current = Some(Decided { value: asked.value, origin: Origin::new(self.layer, &asked.at) }),
        }
    }

    fn limit(&mut self, key: LimitKey, limits: &mut BTreeMap<LimitKey, Decided<u64>>, asked: &Spanned<u64>) {
        match limits.get(&key) {
            Some(have) if asked.value > have.value => {
                let clause = format!("resource_limits.{key}");
                let [want, has] = [key.show(asked.value), key.show(have.value)];
                self.found.push(wider(&clause, self.layer, asked, &want, &has, &have.origin));
            }
            _ => {
                let decided = Decided { value: asked.value, origin: Origin::new(self.layer, &asked.at) };
                limits.insert(key, decided);
            }
        }
    }
}

fn wider<T>(
    clause: &str,
    layer: &Layer,
    asked: &Spanned<T>,
    want: &str,
    has: &str,
    origin: &Origin,
) -> Diagnostic {
    let message = format!("{layer} asks for `{clause}` {want}, more than the {has} of {origin}");
    asked.at.error("wider", message).help(format!("a layer can only tighten: write {has} or less"))
}

fn wider_set<'a, T>(
    clause: &str,
    layer: &Layer,
    want: &str,
    asked: &Spanned<T>,
    have: impl Iterator<Item = (String, &'a Origin)>,
) -> Diagnostic {
    let have: Vec<(String, &Origin)> = have.collect();
    let owner = have.first().map(|(_, origin)| format!(" (by {})", origin.layer)).unwrap_or_default();
    let names: Vec<String> = have.iter().take(8).map(|(name, _)| format!("`{name}`")).collect();
    let more = if have.len() > names.len() { ", …" } else { "" };
    let message = format!("{layer} asks for `{clause}` `{want}`, which the layers above it do not grant");
    let help = match names.is_empty() {
        true => "a layer can only tighten, and nothing is granted here".to_owned(),
        false => format!("a layer can only tighten; granted are {}{more}{owner}", names.join(", ")),
    };
    asked.at.error("wider", message).help(help)
}
