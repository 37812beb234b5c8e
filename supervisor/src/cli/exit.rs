//! Exit codes. docs/operations.md and the help texts name the same.

use std::process::ExitCode;

/// It did what it was for.
pub(super) const DONE: u8 = 0;
/// It did not, and has said why on standard error; or what it was to check does not hold.
pub(super) const FAILED: u8 = 1;
/// `policy diff`: the second policy grants less, and nothing more.
pub(super) const LESS: u8 = 3;
/// `policy diff`: the second policy grants something that the first does not.
pub(super) const MORE: u8 = 4;
/// `exec`, `submit --wait`: the time was over.
pub(super) const TIMED_OUT: u8 = 124;
/// `exec`: the job could not be set up, and did not run.
pub(super) const NOT_SET_UP: u8 = 125;
/// `exec`: the policy refused the job, and it did not run.
pub(super) const REFUSED: u8 = 126;
/// `exec`: the job went over its memory; 128 + SIGKILL, as shells count.
pub(super) const OUT_OF_MEMORY: u8 = 137;
/// `exec`: the job used up its processor time; 128 + SIGXCPU.
pub(super) const CPU_TIME: u8 = 152;
/// `exec`: the job printed more than it may; 128 + SIGXFSZ.
pub(super) const OUTPUT: u8 = 153;

/// The code of what a check found.
pub(super) fn check(holds: bool) -> ExitCode {
    ExitCode::from(if holds { DONE } else { FAILED })
}
