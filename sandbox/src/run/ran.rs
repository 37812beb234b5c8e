//! A job that ran, and the verdict on it.

use std::time::Duration;

use stockade_plan::{Ended, Plan, Rusage};

use super::RunError;
use crate::Denial;
use crate::cgroup::Stats;
use crate::outcome::{Captured, End, Limit};
use crate::status::Finished;
use crate::usage::{Measured, Usage};

/// A job that ran, before its end is judged.
pub(super) struct Ran {
    pub(super) setup: Duration,
    pub(super) wall: Duration,
    /// Why it was ended; `None` if it ended by itself.
    pub(super) ended_for: Option<End>,
    pub(super) finished: Option<Finished>,
    pub(super) memory_samples: Vec<u64>,
    pub(super) rusage: Rusage,
}

/// How a job ended, with all that was read for it.
pub(super) struct Judged {
    pub(super) end: End,
    pub(super) ran: Ran,
    pub(super) stdout: Captured,
    pub(super) stderr: Captured,
    pub(super) stats: Stats,
    pub(super) denials: Vec<Denial>,
}

impl Judged {
    /// What the job used.
    pub(super) fn usage(&self) -> Usage {
        let Self { ran, stdout, stderr, stats, .. } = self;
        Usage::of(&Measured {
            setup: ran.setup,
            wall: ran.wall,
            stats: *stats,
            memory_samples: &ran.memory_samples,
            rusage: ran.rusage,
            io: ran.finished.as_ref().map(|finished| (finished.read_bytes, finished.written_bytes)),
            output_bytes: stdout.total_bytes + stderr.total_bytes,
        })
    }
}

impl Ran {
    /// Of a job that was cancelled as soon as it ran.
    pub(super) fn cancelled(setup: Duration) -> Self {
        Self {
            setup,
            wall: Duration::ZERO,
            ended_for: Some(End::Cancelled),
            finished: None,
            memory_samples: Vec::new(),
            rusage: Rusage::default(),
        }
    }

    /// One verdict. Memory comes first: a job killed for memory may look as if it had ended by itself.
    pub(super) fn verdict(&self, stats: &Stats, plan: &Plan) -> Result<End, RunError> {
        if stats.oom_kills > 0 {
            return Ok(End::OutOfMemory);
        }
        if let Some(end) = self.ended_for {
            return Ok(end);
        }
        if stats.cpu.millis() >= plan.confinement.limits.cpu_time_ms {
            return Ok(End::LimitExceeded(Limit::CpuTime));
        }
        match self.finished.as_ref().map(|finished| finished.ended) {
            Some(Ended::Exited(code)) => Ok(End::Exited(code)),
            Some(Ended::Signaled(signal)) => Ok(End::Signaled(signal)),
            // Init ended before it could say how the job did, and none of the reasons above ended it: somebody
            // on the host did. That is not the job's doing.
            None => Err(RunError::InitKilled),
        }
    }

    pub(super) fn outputs(&self) -> &[crate::Collected] {
        self.finished.as_ref().map_or(&[], |finished| &finished.outputs)
    }
}
