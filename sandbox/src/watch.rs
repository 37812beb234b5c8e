//! Watching a running job: what the kernel counts but does not act on.

use std::time::Duration;

use stockade_plan::Limits;

use crate::cgroup::{CgroupError, CpuTime, Gauges};
use crate::outcome::{End, Limit};

/// How often a running job is looked at. A job can exceed its processor time by this much, times its cores.
const INTERVAL: Duration = Duration::from_millis(50);
/// Samples kept; a longer job is thinned out by sampling every second, fourth, … time.
const SAMPLES: usize = 1024;

pub(crate) struct Watch<'a> {
    gauges: &'a Gauges,
    cpu_time_ms: u64,
    /// What was used before the job began.
    spent: CpuTime,
    samples: Vec<u64>,
    every: u64,
    ticks: u64,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(gauges: &'a Gauges, limits: &Limits, spent: CpuTime) -> Self {
        Self { gauges, cpu_time_ms: limits.cpu_time_ms, spent, samples: Vec::new(), every: 1, ticks: 0 }
    }

    /// Resolves when a limit that the kernel does not enforce on the whole job has been exceeded: processor
    /// time in all, and, where the memory controller is version 1, one process killed for memory while others
    /// go on (version 2 ends them all by itself).
    pub(crate) async fn until_exceeded(&mut self) -> Result<End, CgroupError> {
        let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + INTERVAL, INTERVAL);
        loop {
            interval.tick().await;
            self.sample()?;
            if self.gauges.oom_kills()? > 0 {
                return Ok(End::OutOfMemory);
            }
            if self.gauges.cpu_time()?.since(self.spent).millis() >= self.cpu_time_ms {
                return Ok(End::LimitExceeded(Limit::CpuTime));
            }
        }
    }

    /// Memory in use, bytes, at even intervals.
    pub(crate) fn samples(self) -> Vec<u64> {
        self.samples
    }

    fn sample(&mut self) -> Result<(), CgroupError> {
        self.ticks += 1;
        if !self.ticks.is_multiple_of(self.every) {
            return Ok(());
        }
        if self.samples.len() >= SAMPLES {
            let mut keep = false;
            self.samples.retain(|_| {
                keep = !keep;
                keep
            });
            self.every *= 2;
        }
        self.samples.push(self.gauges.memory_bytes()?);
        Ok(())
    }
}
