//! The job's own process, from clone to execution: the stages that confine it, in order.

pub(crate) mod evidence;
mod execute;
pub(crate) mod landlock;
mod rlimits;
mod verify;

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::unistd::{chdir, read, setsid};
use stockade_plan::{Command, Confinement, Report, SetupError, Stage, WORK_DIR};

use crate::credentials::{give_up_capabilities, take_ids};
use crate::frames;
use crate::init::Init;
use crate::init::start::INNER_ID;
use crate::steps::{During, Fault, Steps};
use crate::sys;

/// The job's process. Never returns: it becomes the command, or reports why not and exits.
pub(crate) fn main(init: &Init<'_>, confinement: &Confinement, gate: OwnedFd, evidence: OwnedFd) -> ! {
    let mut steps = init.steps.clone();
    let error = match run(init, confinement, &mut steps, gate, &evidence) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    // If init cannot be told it finds the pipe closed without a report, which also stops the set-up.
    let _told = frames::send(evidence.as_fd(), &Report::SetupFailed(error));
    sys::exit_now(1)
}

fn run(
    init: &Init<'_>,
    confinement: &Confinement,
    steps: &mut Steps,
    gate: OwnedFd,
    evidence: &OwnedFd,
) -> Result<std::convert::Infallible, SetupError> {
    let host = init.launcher.host_namespaces;
    wait_at(&gate, Stage::UserNamespace)?;
    steps.run(Stage::Rlimits, || rlimits::set(&confinement.rlimits))?;
    steps.run(Stage::Ids, || take_ids(INNER_ID, INNER_ID))?;
    steps.run(Stage::Capabilities, give_up_capabilities)?;
    steps.run(Stage::NoNewPrivs, || prctl::set_no_new_privs().during("PR_SET_NO_NEW_PRIVS", "1"))?;
    steps.run(Stage::Landlock, || landlock::restrict(&confinement.landlock, confinement.network.ports()))?;
    steps.run(Stage::Descriptors, || take_descriptors(init))?;
    steps.run(Stage::Seccomp, || {
        sys::seccomp_set_filter(&confinement.filter.instructions).during("seccomp", "job")
    })?;
    let mut found = steps.run(Stage::ReadBack, || {
        let found = evidence::read(init.host_id, &confinement.network)?;
        verify::verify(&found, confinement, &host)?;
        Ok(found)
    })?;
    found.stages = steps.times().to_vec().try_into().unwrap_or_default();
    frames::send(evidence.as_fd(), &Report::Ready(Box::new(found)))
        .during("write", "evidence")
        .map_err(|fault| fault.at(Stage::ReadBack))?;
    let command = wait_for_command(gate)?;
    let program = steps.run(Stage::Exec, || execute::open_program(&command))?;
    Err(execute::execute(program.as_fd(), &command).at(Stage::Exec))
}

/// Waits for the command, which init passes on when it is confined itself and the inputs are in place.
fn wait_for_command(gate: OwnedFd) -> Result<Command, SetupError> {
    let command = frames::receive(&mut File::from(gate)).during("read", "gate");
    let command = command.map_err(|fault| fault.at(Stage::Exec))?;
    command.ok_or_else(|| Fault::new("read", "gate: init is gone", Errno::EPIPE).at(Stage::Exec))
}

/// Waits for init to open the gate. If init died instead the pid namespace, and this process, die with it.
fn wait_at(gate: &OwnedFd, stage: Stage) -> Result<(), SetupError> {
    let mut byte = [0];
    match read(gate, &mut byte).during("read", "gate").map_err(|fault| fault.at(stage))? {
        1 => Ok(()),
        _ => Err(Fault::new("read", "gate: init is gone", Errno::EPIPE).at(stage)),
    }
}

/// A session of its own, the standard streams, the work directory; everything else closes on execution.
fn take_descriptors(init: &Init<'_>) -> Result<(), Fault> {
    setsid().during("setsid", "job")?;
    let ends = &init.ends;
    for (number, end) in [&ends.stdin, &ends.stdout, &ends.stderr].into_iter().enumerate() {
        let number = i32::try_from(number).map_err(|_| Fault::new("dup2", "stream", Errno::EBADF))?;
        // A standard stream that already had the right number would keep its close-on-exec flag.
        if end.as_raw_fd() == number {
            return Err(Fault::new("dup2", "stream", Errno::EBADF));
        }
        sys::become_stream(end.as_fd(), number).during("dup2", "stream")?;
    }
    sys::cloexec_from(3).during("close_range", "descriptors from 3")?;
    chdir(WORK_DIR).during("chdir", WORK_DIR)
}
