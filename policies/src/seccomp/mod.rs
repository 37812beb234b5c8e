//! System-call filters: from a table people can review to a program the kernel runs.

mod answer;
mod bpf;
mod calls;
mod container;
mod rules;
mod table;
#[cfg(test)]
mod tests;
mod verdict;

use std::sync::OnceLock;

use stockade_plan::{CallName, Filter, WatchList, Watched};

pub use bpf::FilterTooLong;
#[cfg(test)]
pub(crate) use calls::all;
pub(crate) use calls::{
    BadCall, Call, GROUPS, Group, addable_names, check_addable, check_removable, named, permits,
    removable_names,
};
use calls::{lets_pass, profile_answer};
pub(crate) use container::{lacking as lacking_for_container, marked_profile as container_profile};
use table::{Row, TABLE};
use verdict::{ABSENT, Answer, REFUSED, Verdict};

use crate::effective::Calls;
use crate::policy::SyscallProfile;

// The table is that of x86-64. On another architecture every job would be refused by the first instruction of
// its filter; better not to build at all.
#[cfg(not(target_arch = "x86_64"))]
compile_error!("Stockade's system-call table is that of x86-64");

/// The filter of a job. What the table does not know is answered as a kernel would that does not know it
/// either, so that libraries fall back. Those of bare profiles are compiled once.
pub(crate) fn job_filter(calls: &Calls) -> Result<Filter, FilterTooLong> {
    static BARE: [OnceLock<Result<Filter, FilterTooLong>>; 3] = [const { OnceLock::new() }; 3];
    let [strict, standard, compiler] = &BARE;
    let known = match calls.profile {
        SyscallProfile::Strict => strict,
        SyscallProfile::Standard => standard,
        SyscallProfile::Compiler => compiler,
    };
    if calls.added.is_empty() && calls.removed.is_empty() {
        return known.get_or_init(|| compile(|row| profile_answer(calls.profile, row), ABSENT)).clone();
    }
    compile(|row| answer(calls, row), ABSENT)
}

/// The filter of what runs where nobody is to hear of calls: whoever watches it already sees them.
pub(crate) fn unwatched_filter(calls: &Calls) -> Result<Filter, FilterTooLong> {
    compiled(|row| answer(calls, row), ABSENT, Verdict::untold)
}

/// The call of that number.
pub(crate) fn numbered(number: u32) -> Option<Call> {
    TABLE.iter().find(|row| row.number == number).map(Call::of)
}

/// Whether `calls` let a call with these arguments pass, or answer it as done.
pub(crate) fn lets(calls: &Calls, call: Call, arguments: &[u32; 6]) -> bool {
    let row = TABLE.iter().find(|row| row.name == call.name());
    row.is_some_and(|row| answer(calls, row).to(arguments).passes())
}

/// What the rules of any profile look at: call, argument, bits.
#[cfg(test)]
pub(crate) fn looked_at() -> Vec<(u32, u8, u32)> {
    let memory_exec = [
        ("mmap", rules::MMAP_FILES_ONLY),
        ("mprotect", rules::MPROTECT_NO_EXEC),
        ("pkey_mprotect", rules::MPROTECT_NO_EXEC),
        ("shmat", rules::SHMAT_NO_EXEC),
    ];
    let of = |row: &Row| {
        let own = memory_exec.iter().filter(|(name, _)| *name == row.name).map(|(_, answer)| *answer);
        let answers: Vec<Answer<'static>> =
            [row.strict, row.standard, row.compiler()].into_iter().chain(own).collect();
        // Whether init hears of a call that passes either way is nothing to learn.
        let rules = answers.into_iter().filter_map(|answer| match answer {
            Answer::Ruled(rule) if !answer.verdicts().all(Verdict::passes) => Some(rule.cases),
            Answer::Ruled(_) | Answer::Fixed(_) => None,
        });
        let number = row.number;
        rules
            .flatten()
            .flat_map(|case| case.when)
            .map(move |when| (number, when.argument, when.mask))
            .collect::<Vec<_>>()
    };
    TABLE.iter().flat_map(of).collect()
}

fn answer(calls: &Calls, row: &Row) -> Answer<'static> {
    let names = |call: &Call| call.name() == row.name;
    if calls.removed.keys().any(names) {
        return Answer::Fixed(REFUSED);
    }
    let answer = match calls.added.keys().any(names) {
        false => profile_answer(calls.profile, row),
        // With the conditions that the larger profile has.
        true if lets_pass(&row.standard) => row.standard,
        true => Answer::Fixed(Verdict::Allow),
    };
    match row.name {
        _ if !calls.removed.contains_key(&Call::MEMORY_EXEC) || !lets_pass(&answer) => answer,
        "mmap" => rules::MMAP_FILES_ONLY,
        "mprotect" | "pkey_mprotect" => rules::MPROTECT_NO_EXEC,
        "shmat" => rules::SHMAT_NO_EXEC,
        _ => answer,
    }
}

/// The filter of the sandbox's own init once the job has started: what it needs to reap, to collect outputs
/// and to report. Anything else kills it, and with it the job.
pub(crate) fn init_filter() -> Result<Filter, FilterTooLong> {
    static INIT: OnceLock<Result<Filter, FilterTooLong>> = OnceLock::new();
    INIT.get_or_init(|| compile(|row| row.init, Verdict::Kill)).clone()
}

fn compile(answer: impl Fn(&Row) -> Answer<'static>, otherwise: Verdict) -> Result<Filter, FilterTooLong> {
    compiled(answer, otherwise, |verdict| verdict)
}

/// The program, with every verdict as `said` says it, and the calls that init hears of.
fn compiled(
    answer: impl Fn(&Row) -> Answer<'static>,
    otherwise: Verdict,
    said: fn(Verdict) -> Verdict,
) -> Result<Filter, FilterTooLong> {
    let mut rows: Vec<(&Row, Answer<'static>)> = TABLE.iter().map(|row| (row, answer(row))).collect();
    rows.sort_by_key(|(row, _)| row.number);
    let answers: Vec<(u32, Answer<'static>)> =
        rows.iter().map(|(row, answer)| (row.number, *answer)).collect();
    let instructions = bpf::program(&answers, otherwise, said)?;
    let heard = |answer: &Answer<'static>| answer.verdicts().map(said).find_map(Verdict::asked);
    let watched = rows.iter().filter_map(|(row, answer)| {
        let name = CallName::new(row.name).ok()?;
        heard(answer).map(|asked| Watched { call: row.number, name, asked })
    });
    // The table has fewer calls than a watch list may have; a test holds it to that.
    let watched = WatchList::try_from(watched.collect::<Vec<_>>()).unwrap_or_default();
    Ok(Filter { instructions, watched })
}
