//! What `exec` exits with.

use nix::libc::SIGTERM;
use stockade_sandbox::{End, Limit};

use crate::cli::exit;
use crate::runner::Finished;
use crate::store::Verdict;

/// Shells report a signal as this and its number.
const SIGNAL: i32 = 128;

/// The code for a job that ran, and ended so.
pub(super) fn of_end(end: End) -> u8 {
    match end {
        End::Exited(code) => byte(code),
        End::Signaled(signal) => byte(SIGNAL + signal),
        End::TimedOut => exit::TIMED_OUT,
        End::OutOfMemory => exit::OUT_OF_MEMORY,
        End::LimitExceeded(Limit::CpuTime) => exit::CPU_TIME,
        End::LimitExceeded(Limit::Output) => exit::OUTPUT,
        End::Cancelled => byte(SIGNAL + SIGTERM),
    }
}

/// The code for a job that did not run.
pub(super) fn of_unrun(finished: &Finished) -> u8 {
    match finished.verdict {
        Verdict::Refused => exit::REFUSED,
        Verdict::Cancelled => byte(SIGNAL + SIGTERM),
        Verdict::OutOfMemory => exit::OUT_OF_MEMORY,
        _ => exit::NOT_SET_UP,
    }
}

/// wait(2) keeps eight bits of a status.
fn byte(code: i32) -> u8 {
    u8::try_from(code & 0xff).unwrap_or(exit::FAILED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_has_its_code() {
        assert_eq!(of_end(End::Exited(0)), 0);
        assert_eq!(of_end(End::Exited(255)), 255);
        assert_eq!(of_end(End::Signaled(11)), 139);
        assert_eq!(of_end(End::TimedOut), 124);
        assert_eq!(of_end(End::OutOfMemory), 137);
        assert_eq!(of_end(End::LimitExceeded(Limit::CpuTime)), 152);
        assert_eq!(of_end(End::LimitExceeded(Limit::Output)), 153);
        assert_eq!(of_end(End::Cancelled), 143);
    }

    #[test]
    fn what_was_refused_and_what_could_not_be_set_up_are_told_apart() {
        assert_eq!(of_unrun(&Finished::new(Verdict::Refused)), 126);
        assert_eq!(of_unrun(&Finished::new(Verdict::SetupFailed)), 125);
    }
}
