//! System-call filters: from a table people can review to a program the kernel runs.

mod answer;
mod bpf;
mod rules;
mod table;
#[cfg(test)]
mod tests;
mod verdict;

use std::sync::OnceLock;

use stockade_plan::Filter;

pub use bpf::FilterTooLong;
use table::{Row, TABLE};
use verdict::{ABSENT, Answer, Verdict};

use crate::policy::SyscallProfile;

// The table is that of x86-64. On another architecture every job would be refused by the first instruction of
// its filter; better not to build at all.
#[cfg(not(target_arch = "x86_64"))]
compile_error!("Stockade's system-call table is that of x86-64");

/// The filter of a job. What the table does not know is answered as a kernel would that does not know it
/// either, so that libraries fall back.
pub(crate) fn job_filter(profile: SyscallProfile) -> Result<Filter, FilterTooLong> {
    static STANDARD: OnceLock<Result<Filter, FilterTooLong>> = OnceLock::new();
    static STRICT: OnceLock<Result<Filter, FilterTooLong>> = OnceLock::new();
    let compiled = match profile {
        SyscallProfile::Standard => STANDARD.get_or_init(|| compile(|row| row.standard, ABSENT)),
        SyscallProfile::Strict => STRICT.get_or_init(|| compile(|row| row.strict, ABSENT)),
    };
    compiled.clone()
}

/// The filter of the sandbox's own init once the job has started: what it needs to reap, to collect outputs
/// and to report. Anything else kills it, and with it the job.
pub(crate) fn init_filter() -> Result<Filter, FilterTooLong> {
    static INIT: OnceLock<Result<Filter, FilterTooLong>> = OnceLock::new();
    INIT.get_or_init(|| compile(|row| row.init, Verdict::Kill)).clone()
}

fn compile(answer: impl Fn(&Row) -> Answer<'static>, otherwise: Verdict) -> Result<Filter, FilterTooLong> {
    let mut answers: Vec<(u32, Answer<'static>)> =
        TABLE.iter().map(|row| (row.number, answer(row))).collect();
    answers.sort_by_key(|(number, _)| *number);
    bpf::program(&answers, otherwise)
}
