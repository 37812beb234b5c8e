//! Steps of set-up: each is named, timed, and can be made to fail.

use std::time::Instant;

use nix::errno::Errno;
use stockade_inside::{Undone, Unread};
use stockade_plan::{SetupError, Stage, StageTime};

/// A call failed; the stage is added by [`Steps::run`].
#[derive(Debug)]
pub(crate) struct Fault {
    call: &'static str,
    target: String,
    errno: Errno,
}

impl Fault {
    pub(crate) fn new(call: &'static str, target: impl Into<String>, errno: Errno) -> Self {
        Self { call, target: target.into(), errno }
    }

    /// What the kernel answered.
    pub(crate) fn errno(&self) -> Errno {
        self.errno
    }

    pub(crate) fn at(self, stage: Stage) -> SetupError {
        SetupError {
            stage,
            call: self.call.to_owned(),
            target: self.target,
            errno: stockade_plan::Errno(self.errno as i32),
        }
    }
}

impl From<Undone> for Fault {
    fn from(Undone { call, target, errno }: Undone) -> Self {
        Self::new(call, target, errno)
    }
}

impl From<Unread> for Fault {
    fn from(Unread { what, errno }: Unread) -> Self {
        Self::new("read", what, errno)
    }
}

/// Adds to an error what was being done and to what.
pub(crate) trait During<T> {
    fn during(self, call: &'static str, target: &str) -> Result<T, Fault>;
}

impl<T> During<T> for nix::Result<T> {
    fn during(self, call: &'static str, target: &str) -> Result<T, Fault> {
        self.map_err(|errno| Fault::new(call, target, errno))
    }
}

impl<T> During<T> for std::io::Result<T> {
    fn during(self, call: &'static str, target: &str) -> Result<T, Fault> {
        self.map_err(|error| {
            Fault::new(call, target, error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
        })
    }
}

/// Runs stages, keeps how long each took, and fails the one it was told to fail.
#[derive(Debug, Clone)]
pub(crate) struct Steps {
    last: Instant,
    times: Vec<StageTime>,
    fail_at: Option<Stage>,
}

impl Steps {
    pub(crate) fn new(fail_at: Option<Stage>) -> Self {
        Self { last: Instant::now(), times: Vec::new(), fail_at }
    }

    /// What was waited for until now is no stage's time.
    pub(crate) fn resume(&mut self) {
        self.last = Instant::now();
    }

    /// Runs one stage. With failure injection the stage's work is done and then reported as failed: whatever it
    /// made must be undone by the caller like after any failure.
    pub(crate) fn run<T>(
        &mut self,
        stage: Stage,
        work: impl FnOnce() -> Result<T, Fault>,
    ) -> Result<T, SetupError> {
        let done = work().map_err(|fault| fault.at(stage))?;
        if self.fail_at == Some(stage) {
            return Err(Fault::new("injected failure", stage.name(), Errno::ECANCELED).at(stage));
        }
        let now = Instant::now();
        let us = u32::try_from(now.duration_since(self.last).as_micros()).unwrap_or(u32::MAX);
        self.last = now;
        self.times.push(StageTime { stage, us });
        Ok(done)
    }

    pub(crate) fn times(&self) -> &[StageTime] {
        &self.times
    }
}
