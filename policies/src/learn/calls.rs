//! The smallest set of system calls that lets pass all that was needed.

use std::collections::{BTreeMap, BTreeSet};

use stockade_plan::Deed;

use super::Breadth;
use super::evidence::Evidence;
use super::notes::{Notes, answer};
use super::trace::Trace;
use crate::compile::recording_calls;
use crate::effective::{Calls, Origin};
use crate::policy::SyscallProfile;
use crate::seccomp::{Call, GROUPS, Group, check_addable, check_removable, lets, numbered, permits};

/// A call with the arguments that matter.
type Made = (Call, [u32; 6]);

/// What a policy says of system calls.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Needed {
    pub(super) profile: SyscallProfile,
    /// What asks for a profile as large as this.
    pub(super) because: Option<(Call, Evidence)>,
    pub(super) add: BTreeMap<&'static str, Evidence>,
    pub(super) remove: BTreeMap<&'static str, &'static str>,
}

impl Needed {
    pub(super) fn of(trace: &Trace, breadth: Breadth, notes: &mut Notes) -> Self {
        let seen = Seen::of(trace, breadth, notes);
        let mut because = None;
        for (_, profile) in SyscallProfile::WORDS {
            let calls = seen.under(profile);
            let refused = seen.needed.iter().find(|((call, arguments), _)| !lets(&calls, *call, arguments));
            match refused {
                Some(((call, _), why)) if profile != SyscallProfile::Compiler => {
                    because = Some((*call, why.clone()));
                }
                _ => return seen.chosen(&calls, because),
            }
        }
        seen.chosen(&Calls::CLOSED, because)
    }
}

/// What was seen of calls.
struct Seen {
    needed: BTreeMap<Made, Evidence>,
    /// Every call that was made at all, whatever came of it.
    made: BTreeSet<Call>,
}

/// Calls on sockets.
fn of_network(call: Call) -> bool {
    GROUPS.iter().any(|group| group.name == "@network" && group.calls.contains(&call.name()))
}

impl Seen {
    fn of(trace: &Trace, breadth: Breadth, notes: &mut Notes) -> Self {
        let recording = recording_calls();
        let mut seen = Self { needed: BTreeMap::new(), made: BTreeSet::new() };
        let sockets_matter = breadth == Breadth::LookedAt || sockets_led_somewhere(trace);
        for (fact, times) in trace.facts() {
            let Deed::Called(arguments) = &fact.deed else { continue };
            let Some(call) = numbered(fact.call) else { continue };
            let passed = lets(&recording, call, arguments) && call.name() != "ptrace";
            // clone3 is what every libc tries first; each has another way.
            if !passed && call.name() != "clone3" {
                let what = format!("the call `{}`: {}", call.name(), answer(fact.errno));
                notes.add(what, trace, fact, times);
            }
            if !sockets_matter && of_network(call) {
                continue;
            }
            seen.made.insert(call);
            if passed && (fact.errno == 0 || breadth == Breadth::LookedAt) {
                seen.needed.entry((call, *arguments)).or_default().add(trace, fact, times);
            }
        }
        seen
    }

    /// The calls of a profile with those added that it lacks and may have.
    fn under(&self, profile: SyscallProfile) -> Calls {
        let lacking = self.needed.keys().map(|(call, _)| *call).filter(|call| !permits(profile, *call));
        let addable = lacking.filter(|call| check_addable(call.name(), &[*call]).is_ok());
        let added = addable.map(|call| (call, Origin::DEFAULT)).collect();
        Calls { profile, added, ..Calls::CLOSED }
    }

    fn chosen(&self, calls: &Calls, because: Option<(Call, Evidence)>) -> Needed {
        let mut add: BTreeMap<&'static str, Evidence> = BTreeMap::new();
        for ((call, _), why) in &self.needed {
            if calls.added.contains_key(call) {
                add.entry(call.name()).or_default().merge(why);
            }
        }
        let unused = GROUPS.iter().filter(|group| self.never_made(group) && is_in(group, calls));
        let mut remove: BTreeMap<_, _> = unused.map(|group| (group.name, group.what)).collect();
        if self.passes_without_memory_exec(calls) {
            remove
                .insert(Call::MEMORY_EXEC.name(), "makes memory executable otherwise than by mapping a file");
        }
        Needed { profile: calls.profile, because, add, remove }
    }

    fn never_made(&self, group: &Group) -> bool {
        !self.made.iter().any(|call| group.calls.contains(&call.name()))
    }

    fn passes_without_memory_exec(&self, calls: &Calls) -> bool {
        let mut without = calls.clone();
        without.removed.insert(Call::MEMORY_EXEC, Origin::DEFAULT);
        self.needed
            .keys()
            .all(|(call, arguments)| lets(&without, *call, arguments) || !lets(calls, *call, arguments))
    }
}

/// Whether a profile has calls of a group, all of which can be taken from it.
fn is_in(group: &Group, calls: &Calls) -> bool {
    let named = crate::seccomp::named(group.name).unwrap_or_default();
    named.iter().any(|call| permits(calls.profile, *call)) && check_removable(group.name, &named).is_ok()
}

/// Whether anything came of a socket but that it was made. Programs that only ask for a daemon that is not there (the
/// cache of names, the log) go on without.
fn sockets_led_somewhere(trace: &Trace) -> bool {
    trace.facts().any(|(fact, _)| {
        let call = numbered(fact.call).filter(|call| of_network(*call));
        matches!(fact.deed, Deed::Called(_))
            && fact.errno == 0
            && call.is_some_and(|call| call.name() != "socket")
    })
}
