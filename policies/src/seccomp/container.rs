//! The same filters for a container engine, as the JSON that Docker and Podman take
//! (<https://docs.docker.com/engine/security/seccomp/>).
//!
//! The engine's runtime knows no order of cases and no two conditions on one argument: each of its rules is an `and` over
//! different arguments, and the rules of one call must not overlap. So the answers of a call are cut into boxes that do
//! not: on each argument a mask and a value. What falls into no box gets the default, EPERM.

use std::ops::Range;

use serde::Serialize;
use stockade_plan::{Digest, SECCOMP_MARK, SECCOMP_MARKS};

use super::verdict::{Answer, Case, Condition, Verdict};
use super::{Row, TABLE, answer};
use crate::effective::Calls;

/// What a filter answers by default; errno(3), `EPERM`.
const DEFAULT_ERRNO: u16 = 1;

/// A seccomp profile.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Profile {
    default_action: &'static str,
    architectures: [&'static str; 1],
    syscalls: Vec<Rule>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    names: Vec<&'static str>,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errno_ret: Option<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    args: Vec<Argument>,
}

/// One argument under a mask. Masks have no bit in the upper half: there the kernel's parameters have none either.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct Argument {
    index: u8,
    value: u32,
    value_two: u32,
    op: &'static str,
}

/// Which arguments: on each of six a mask and a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Box6([(u32, u32); 6]);

impl Box6 {
    const ALL: Self = Self([(0, 0); 6]);

    /// The arguments that meet every condition; `None` if no argument can.
    fn of(conditions: &[Condition]) -> Option<Self> {
        conditions.iter().filter(|condition| !condition.upper).try_fold(Self::ALL, |found, condition| {
            let mut only = Self::ALL;
            *only.0.get_mut(usize::from(condition.argument))? = (condition.mask, condition.value);
            found.and(&only)
        })
    }

    /// What is in both.
    fn and(&self, other: &Self) -> Option<Self> {
        let mut both = *self;
        for ((mask, value), (other_mask, other_value)) in both.0.iter_mut().zip(&other.0) {
            if (*value ^ other_value) & *mask & other_mask != 0 {
                return None;
            }
            *value |= other_value;
            *mask |= other_mask;
        }
        Some(both)
    }

    /// What is in this and not in the other, in boxes that do not overlap.
    fn without(&self, other: &Self) -> Vec<Self> {
        if self.and(other).is_none() {
            return vec![*self];
        }
        let (mut rest, mut found) = (*self, Vec::new());
        for (index, (mask, value)) in other.0.iter().enumerate() {
            for bit in (0..32).map(|shift| 1_u32 << shift).filter(|bit| mask & bit != 0) {
                let Some((own, own_value)) = rest.0.get_mut(index).filter(|(own, _)| own & bit == 0) else {
                    continue;
                };
                *own |= bit;
                *own_value |= !value & bit;
                found.push(rest);
                if let Some((_, own_value)) = rest.0.get_mut(index) {
                    *own_value = *own_value & !bit | value & bit;
                }
            }
        }
        found
    }

    fn arguments(&self) -> Vec<Argument> {
        let looked_at = (0_u8..).zip(self.0).filter(|(_, (mask, _))| *mask != 0);
        looked_at
            .map(|(index, (mask, value))| Argument {
                index,
                value: mask,
                value_two: value,
                op: "SCMP_CMP_MASKED_EQ",
            })
            .collect()
    }
}

/// A profile as an engine takes it, and the error number by which it is told from any other; see [`SECCOMP_MARK`].
pub(crate) fn marked_profile(calls: &Calls) -> (String, u16) {
    let said = |profile: &Profile| serde_json::to_string(profile).unwrap_or_default();
    let Range { start, end } = SECCOMP_MARKS;
    let digest = Digest::of(said(&profile(calls, start)).as_bytes()).to_string();
    let number = digest.get(..4).and_then(|text| u16::from_str_radix(text, 16).ok()).unwrap_or(0);
    let mark = start + number % (end - start);
    (said(&profile(calls, mark)), mark)
}

/// The profile of a job in a container. Nobody inside hears of calls there: what is told elsewhere is only refused.
fn profile(calls: &Calls, mark: u16) -> Profile {
    let marked = marked();
    let mut fixed: Vec<(Verdict, Vec<&'static str>)> = Vec::new();
    let mut rules = Vec::new();
    for row in TABLE {
        match said(row, calls) {
            Answer::Fixed(verdict) if row.name == MARKED => {
                rules.extend(rule(vec![row.name], Verdict::Errno(mark), marked.arguments()));
                for rest in Box6::ALL.without(&marked) {
                    rules.extend(rule(vec![row.name], verdict, rest.arguments()));
                }
            }
            Answer::Fixed(verdict) => match fixed.iter_mut().find(|(same, _)| *same == verdict) {
                Some((_, names)) => names.push(row.name),
                None => fixed.push((verdict, vec![row.name])),
            },
            Answer::Ruled(rule) => {
                for (verdict, found) in boxes(rule.cases, rule.otherwise) {
                    rules.extend(self::rule(vec![row.name], verdict, found.arguments()));
                }
            }
        }
    }
    let fixed = fixed.into_iter().filter_map(|(verdict, names)| rule(names, verdict, Vec::new()));
    Profile {
        default_action: "SCMP_ACT_ERRNO",
        architectures: ["SCMP_ARCH_X86_64"],
        syscalls: fixed.chain(rules).collect(),
    }
}

/// The call that tells one profile from another.
const MARKED: &str = "getsid";

/// With which arguments it does.
fn marked() -> Box6 {
    let mut marked = Box6::ALL;
    marked.0[0] = (u32::MAX, SECCOMP_MARK.cast_unsigned());
    marked
}

/// What the first process of a container and the engine's runtime call under the job's filter.
const NEEDED: [&str; 12] = [
    "clone",
    "execve",
    "wait4",
    "waitid",
    "kill",
    "pipe2",
    "dup2",
    "poll",
    "pidfd_open",
    "openat2",
    "getrusage",
    "chdir",
];

/// What the first process calls besides to make the sockets of a network and to hand them over.
const NEEDED_FOR_NETWORK: [&str; 6] = ["socket", "setsockopt", "bind", "listen", "connect", "sendmsg"];

/// A call without which no container starts, or none with a network, and that `calls` do not let pass.
pub(crate) fn lacking(calls: &Calls, networked: bool) -> Option<&'static str> {
    let row = |name: &&str| TABLE.iter().find(|row| row.name == *name);
    NEEDED
        .into_iter()
        .chain(NEEDED_FOR_NETWORK.into_iter().filter(|_| networked))
        .find(|name| row(name).is_none_or(|row| !answer(calls, row).verdicts().any(Verdict::passes)))
}

/// A rule that lets calls pass either way is none.
fn said(row: &Row, calls: &Calls) -> Answer<'static> {
    let answer = answer(calls, row);
    match answer.verdicts().all(|verdict| verdict.untold() == Verdict::Allow) {
        true => Answer::Fixed(Verdict::Allow),
        false => answer,
    }
}

/// `None` for what the default says anyway.
fn rule(names: Vec<&'static str>, verdict: Verdict, args: Vec<Argument>) -> Option<Rule> {
    let (action, errno_ret) = match verdict.untold() {
        Verdict::Allow | Verdict::Noted => ("SCMP_ACT_ALLOW", None),
        Verdict::Logged => ("SCMP_ACT_LOG", None),
        Verdict::Errno(DEFAULT_ERRNO) | Verdict::Told(DEFAULT_ERRNO) => return None,
        Verdict::Errno(errno) | Verdict::Told(errno) => ("SCMP_ACT_ERRNO", Some(errno)),
        Verdict::Kill => ("SCMP_ACT_KILL_PROCESS", None),
    };
    Some(Rule { names, action, errno_ret, args })
}

/// The first case that holds decides: what a case has taken, no later one has.
fn boxes(cases: &[Case<'_>], otherwise: Verdict) -> Vec<(Verdict, Box6)> {
    let (mut left, mut found) = (vec![Box6::ALL], Vec::new());
    for case in cases {
        let Some(taken) = Box6::of(case.when) else { continue };
        found.extend(left.iter().filter_map(|left| Some((case.then, left.and(&taken)?))));
        left = left.iter().flat_map(|left| left.without(&taken)).collect();
    }
    found.extend(left.into_iter().map(|left| (otherwise, left)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::SyscallProfile;

    /// What the rules of `profile` say to a call, as libseccomp reads them.
    fn answers(profile: &Profile, name: &str, arguments: &[u32; 6]) -> Vec<(&'static str, Option<u16>)> {
        let holds = |argument: &Argument| {
            arguments[usize::from(argument.index)] & argument.value == argument.value_two
        };
        let named = profile.syscalls.iter().filter(|rule| rule.names.contains(&name));
        named.filter(|rule| rule.args.iter().all(holds)).map(|rule| (rule.action, rule.errno_ret)).collect()
    }

    fn probes(row: &Row, calls: &Calls) -> Vec<[u32; 6]> {
        let mut probes = vec![[0; 6], [u32::MAX; 6]];
        let Answer::Ruled(rule) = answer(calls, row) else { return probes };
        for case in rule.cases {
            let mut exact = [0; 6];
            for when in case.when {
                exact[usize::from(when.argument)] |= when.value;
            }
            probes.push(exact);
            for when in case.when {
                for bit in 0..32 {
                    let mut near = exact;
                    near[usize::from(when.argument)] ^= 1 << bit;
                    probes.push(near);
                }
            }
        }
        probes
    }

    #[test]
    fn a_container_is_answered_what_a_sandbox_is() {
        for profile in [SyscallProfile::Strict, SyscallProfile::Standard, SyscallProfile::Compiler] {
            let calls = Calls { profile, ..Calls::CLOSED };
            let rules = super::profile(&calls, 2048);
            for row in TABLE {
                for arguments in probes(row, &calls) {
                    let told = answers(&rules, row.name, &arguments);
                    let expected = match answer(&calls, row).to(&arguments).untold() {
                        Verdict::Allow | Verdict::Noted => vec![("SCMP_ACT_ALLOW", None)],
                        Verdict::Logged => vec![("SCMP_ACT_LOG", None)],
                        Verdict::Errno(1) => vec![],
                        Verdict::Errno(errno) => vec![("SCMP_ACT_ERRNO", Some(errno))],
                        other => panic!("{}: {other:?}", row.name),
                    };
                    assert_eq!(told, expected, "{profile:?} {} {arguments:x?}", row.name);
                }
            }
        }
    }

    #[test]
    fn each_profile_answers_one_call_as_no_other_does() {
        let of = |profile| marked_profile(&Calls { profile, ..Calls::CLOSED });
        let (strict, mark) = of(SyscallProfile::Strict);
        assert!(SECCOMP_MARKS.contains(&mark) && strict.contains(&format!("\"errnoRet\":{mark}")), "{mark}");
        assert_ne!(mark, of(SyscallProfile::Standard).1);
        assert_eq!(of(SyscallProfile::Strict), (strict, mark), "and always the same");
        let rules = profile(&Calls { profile: SyscallProfile::Strict, ..Calls::CLOSED }, mark);
        let mut arguments = [0; 6];
        arguments[0] = SECCOMP_MARK.cast_unsigned();
        assert_eq!(answers(&rules, MARKED, &arguments), [("SCMP_ACT_ERRNO", Some(mark))]);
        for bit in 0..32 {
            let mut near = arguments;
            near[0] ^= 1 << bit;
            assert_eq!(answers(&rules, MARKED, &near), [("SCMP_ACT_ALLOW", None)]);
        }
    }

    #[test]
    fn no_rule_has_two_conditions_on_one_argument_nor_looks_at_an_upper_half() {
        let rules = profile(&Calls { profile: SyscallProfile::Strict, ..Calls::CLOSED }, 2048);
        for rule in &rules.syscalls {
            let mut indices: Vec<u8> = rule.args.iter().map(|argument| argument.index).collect();
            indices.dedup();
            assert_eq!(indices.len(), rule.args.len(), "{:?}", rule.names);
        }
        assert!(rules.syscalls.len() < 1200, "{} rules", rules.syscalls.len());
    }
}
