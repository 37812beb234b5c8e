//! A run under a draft, compared.

use stockade_plan::{Digest, Ended as ProgramEnded};
use stockade_sandbox::End;

use crate::cli::exec::attempt::Ended;

/// What the program did in the recording.
#[derive(Debug)]
pub(super) struct Recorded<'a> {
    pub(super) program: Option<ProgramEnded>,
    pub(super) stdout: &'a [u8],
}

/// How the program ran under its policy.
#[derive(Debug)]
pub(super) struct Proof {
    /// It ended as it did in the recording.
    pub(super) same_end: bool,
    /// It printed the same on standard output.
    pub(super) same_stdout: bool,
    pub(super) exit_code: Option<i32>,
    pub(super) signal: Option<i32>,
    /// Why it did not complete.
    pub(super) error: Option<String>,
    pub(super) stderr: Vec<u8>,
    /// Over all that can be seen of the run: its streams, its end, what it left.
    seen: Option<Digest>,
}

impl Proof {
    /// The policy does not hold, or gives no plan here.
    pub(super) fn failed(error: String) -> Self {
        Self {
            same_end: false,
            same_stdout: false,
            exit_code: None,
            signal: None,
            error: Some(error),
            stderr: Vec::new(),
            seen: None,
        }
    }

    /// A run.
    pub(super) fn of(ended: Ended, recorded: &Recorded<'_>) -> Self {
        let finished = ended.finished;
        let same_end = match (ended.ran.map(|(end, _)| end), recorded.program) {
            (Some(End::Exited(code)), Some(ProgramEnded::Exited(before))) => code == before,
            (Some(End::Signaled(signal)), Some(ProgramEnded::Signaled(before))) => signal == before,
            _ => false,
        };
        let left: Vec<_> =
            finished.outputs.iter().map(|output| (&output.path, &output.state, &output.bytes)).collect();
        let seen = format!(
            "{:?}",
            (finished.exit_code, finished.signal, &finished.stdout.bytes, &finished.stderr.bytes, left)
        );
        Self {
            same_end,
            same_stdout: finished.stdout.bytes == recorded.stdout,
            exit_code: finished.exit_code,
            signal: finished.signal,
            error: finished.error,
            stderr: finished.stderr.bytes,
            seen: Some(Digest::of(seen.as_bytes())),
        }
    }

    /// Whether the policy lets the program run again.
    pub(super) fn holds(&self) -> bool {
        self.same_end
    }

    /// Whether nobody who looks at two runs could tell them apart.
    pub(super) fn looks_like(&self, other: &Self) -> bool {
        self.seen.is_some() && self.seen == other.seen
    }
}
