//! The system calls that are left: a profile, with calls added to it and removed from it.

use std::collections::BTreeMap;

use super::origin::{Layer, Origin};
use crate::diagnostic::Diagnostic;
use crate::policy::{SyscallClause, SyscallProfile};
use crate::seccomp::{Call, permits};

/// Nothing is both in the profile and added, and nothing is removed that is not in the profile: so two sets that
/// let the same calls pass under the same profile are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Calls {
    pub(crate) profile: SyscallProfile,
    pub(crate) origin: Origin,
    pub(crate) added: BTreeMap<Call, Origin>,
    pub(crate) removed: BTreeMap<Call, Origin>,
}

impl Calls {
    /// The smallest profile, as nobody said otherwise.
    pub(crate) const CLOSED: Self = Self {
        profile: SyscallProfile::Strict,
        origin: Origin::DEFAULT,
        added: BTreeMap::new(),
        removed: BTreeMap::new(),
    };

    pub(crate) fn permit(&self, call: Call) -> bool {
        !self.removed.contains_key(&call) && (permits(self.profile, call) || self.added.contains_key(&call))
    }

    /// What a clause asks for by itself.
    fn asked(clause: &SyscallClause, layer: &Layer, above: Option<&Self>) -> Self {
        let mut asked = match (&clause.profile, above) {
            (Some(profile), _) => {
                Self { profile: profile.value, origin: Origin::new(layer, &profile.at), ..Self::CLOSED }
            }
            (None, Some(above)) => above.clone(),
            (None, None) => Self::CLOSED,
        };
        for call in &clause.add {
            if !permits(asked.profile, call.value) {
                asked.added.insert(call.value, Origin::new(layer, &call.at));
            }
        }
        for call in &clause.remove {
            asked.added.remove(&call.value);
            if permits(asked.profile, call.value) {
                asked.removed.entry(call.value).or_insert_with(|| Origin::new(layer, &call.at));
            }
        }
        asked
    }

    /// The calls that both let pass.
    fn meet(&self, other: &Self) -> Self {
        let (smaller, larger) = if other.profile <= self.profile { (other, self) } else { (self, other) };
        let mut met = Self { profile: smaller.profile, origin: smaller.origin.clone(), ..Self::CLOSED };
        for (call, origin) in smaller.added.iter().chain(&larger.added) {
            if !permits(met.profile, *call) && self.permit(*call) && other.permit(*call) {
                met.added.entry(*call).or_insert_with(|| origin.clone());
            }
        }
        for (call, origin) in self.removed.iter().chain(&other.removed) {
            if permits(met.profile, *call) {
                met.removed.entry(*call).or_insert_with(|| origin.clone());
            }
        }
        met
    }

    /// `current`, less what `clause` gives up; what it asks too much is reported and changes nothing.
    pub(crate) fn tighten(
        current: &mut Option<Self>,
        clause: &SyscallClause,
        layer: &Layer,
    ) -> Vec<Diagnostic> {
        let asked = Self::asked(clause, layer, current.as_ref());
        let Some(have) = current.as_ref() else {
            *current = Some(asked);
            return Vec::new();
        };
        if let Some(profile) = clause.profile.as_ref().filter(|profile| profile.value > have.profile) {
            let [want, has] = [profile.value.name(), have.profile.name()];
            return vec![super::step::wider("syscalls.profile", layer, profile, want, has, &have.origin)];
        }
        let mut found = Vec::new();
        for call in clause.add.iter().filter(|call| !have.permit(call.value)) {
            let name = call.value.name();
            let (kind, origin) = match have.removed.get(&call.value) {
                Some(origin) => ("removed by", origin),
                None => ("not in the profile of", &have.origin),
            };
            let message = format!("{layer} asks for the system call `{name}`, which is {kind} {origin}");
            found.push(call.at.error("wider", message).help("a layer can only tighten: leave it out"));
        }
        *current = Some(have.meet(&asked));
        found
    }

    /// These calls, as far as a ceiling has them too.
    pub(crate) fn under(&self, ceiling: &SyscallClause, layer: &Layer) -> Self {
        self.meet(&Self::asked(ceiling, layer, Some(self)))
    }
}
