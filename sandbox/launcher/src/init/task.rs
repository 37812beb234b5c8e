//! The one task of a sandbox: received from the supervisor, laid out, begun.

use std::fs::File;
use std::os::fd::AsFd;

use nix::unistd::Pid;
use stockade_plan::{Assignment, Mark, Output, SetupError, Stage, Task};

use super::confine::Prepared;
use super::inputs;
use super::start::JobProcess;
use crate::frames;
use crate::steps::{During, Steps};

/// A job that runs, and what is collected and left behind when it has ended.
pub(super) struct Begun {
    pub(super) pid: Pid,
    pub(super) outputs: Vec<Output>,
    pub(super) mark: Option<Mark>,
}

/// Waits for the task and begins it; `None` if the supervisor lets the sandbox go instead.
pub(super) fn begin(
    mut pipe: File,
    job: JobProcess,
    prepared: &Prepared,
    steps: &mut Steps,
) -> Result<Option<Begun>, SetupError> {
    let assigned: Option<Assignment> =
        frames::receive(&mut pipe).during("read", "task").map_err(|fault| fault.at(Stage::Inputs))?;
    let Some(Assignment { task, mark }) = assigned else { return Ok(None) };
    let Task { command, inputs, outputs } = task;
    steps.run(Stage::Inputs, || inputs::place(prepared.work_dir.as_fd(), &inputs, &mut pipe))?;
    drop(pipe);
    let pid = job.execute(&command)?;
    Ok(Some(Begun { pid, outputs: outputs.into_vec(), mark }))
}
