//! The job's own process, from clone to execution: the stages that confine it, in order.

pub(crate) mod evidence;
mod execute;
pub(crate) mod landlock;
mod rlimits;
mod verify;

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::unistd::{chdir, setsid};
use serde::{Deserialize, Serialize};
use stockade_plan::{Command, Confinement, Evidence, SetupError, Stage, WORK_DIR};

use crate::credentials::give_up_capabilities;
use crate::frames;
use crate::init::Init;
use crate::steps::{During, Fault, Steps};
use crate::sys;

/// What the job's process tells init.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Said {
    /// All is in force.
    Confined {
        /// What was read back.
        evidence: Box<Evidence>,
        /// The number that the listener of its filter has here, if the filter asks.
        listener: Option<RawFd>,
    },
    /// It is not, or the command could not be executed.
    Failed(SetupError),
}

/// What it has from init.
pub(crate) struct Ends {
    /// To be entered.
    pub(crate) user_namespace: OwnedFd,
    /// Where the command comes.
    pub(crate) gate: OwnedFd,
    /// Where [`Said`] goes.
    pub(crate) said: OwnedFd,
}

/// The job's process. Never returns: it becomes the command, or reports why not and exits.
pub(crate) fn main(init: &Init<'_>, confinement: &Confinement, ends: Ends) -> ! {
    let mut steps = init.steps.clone();
    let Ends { user_namespace, gate, said } = ends;
    let error = match run(init, confinement, &mut steps, &user_namespace, gate, &said) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    // If init cannot be told it finds the pipe closed without a word, which also stops the set-up.
    let _told = frames::send(said.as_fd(), &Said::Failed(error));
    sys::exit_now(1)
}

fn run(
    init: &Init<'_>,
    confinement: &Confinement,
    steps: &mut Steps,
    user_namespace: &OwnedFd,
    gate: OwnedFd,
    said: &OwnedFd,
) -> Result<std::convert::Infallible, SetupError> {
    let host = init.launcher.host_namespaces;
    steps.run(Stage::EnterUserNamespace, || {
        setns(user_namespace, CloneFlags::CLONE_NEWUSER).during("setns", "user namespace")
    })?;
    steps.run(Stage::Rlimits, || rlimits::set(&confinement.rlimits))?;
    steps.run(Stage::Capabilities, give_up_capabilities)?;
    steps.run(Stage::LandlockJob, || {
        landlock::restrict_job(&confinement.landlock, confinement.network.ports())
    })?;
    steps.run(Stage::Descriptors, || take_descriptors(init))?;
    let listener = steps.run(Stage::Seccomp, || {
        let filter = &confinement.filter;
        sys::seccomp_set_filter(&filter.instructions, !filter.watched.is_empty()).during("seccomp", "job")
    })?;
    let mut found = steps.run(Stage::ReadBack, || {
        let found = evidence::read(init.host_id, &confinement.network)?;
        verify::verify(&found, confinement, &host)?;
        Ok(found)
    })?;
    found.stages = steps.times().to_vec().try_into().unwrap_or_default();
    // Init takes a copy of the listener; this one closes on execution.
    let number = listener.as_ref().map(AsRawFd::as_raw_fd);
    frames::send(said.as_fd(), &Said::Confined { evidence: Box::new(found), listener: number })
        .during("write", "what the job's process says")
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
    if ends.has_terminal {
        sys::set_controlling_terminal(ends.stdin.as_fd()).during("ioctl(TIOCSCTTY)", "the job's terminal")?;
    }
    sys::cloexec_from(3).during("close_range", "descriptors from 3")?;
    chdir(WORK_DIR).during("chdir", WORK_DIR)
}
