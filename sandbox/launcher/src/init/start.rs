//! Starting the job: a child in its own user namespace, let go when everything is in force.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, pipe2};
use stockade_plan::{Command, Confinement, Evidence, SetupError, Stage};

use super::reap::Started;
use super::witness::Witness;
use super::{Init, confine};
use crate::credentials::take_ids;
use crate::job::{self, Said, landlock};
use crate::steps::{During, Fault};
use crate::sys::{self, Cloned};
use crate::uids::HostId;
use crate::{frames, orders};

/// Enters the Landlock domain, clones the job's process into it, gives up init's own privileges, and waits until both are
/// confined.
///
/// Init and the job are in one domain, so that init may read what the job names when it makes a call. The other way stays shut:
/// init is not dumpable, and in a user namespace in which nobody of the job has a capability. The job's process waits at a
/// gate for its command, which comes when init is confined too. The code it executes never runs beside an init that could
/// still be used.
pub(super) fn start_job(
    init: &mut Init<'_>,
    confinement: &Confinement,
    user_namespace: OwnedFd,
) -> Result<Started, SetupError> {
    let pipe = |name| pipe2(OFlag::O_CLOEXEC).during("pipe2", name).map_err(|f| f.at(Stage::Ids));
    let (gate_read, gate) = pipe("gate")?;
    let (said, said_write) = pipe("what the job's process says")?;
    let host_id = init.host_id;
    init.steps.run(Stage::Ids, || become_owner(host_id))?;
    init.steps.run(Stage::NoNewPrivs, || prctl::set_no_new_privs().during("PR_SET_NO_NEW_PRIVS", "1"))?;
    init.steps.run(Stage::Landlock, || {
        landlock::restrict_init(&confinement.landlock, confinement.network.ports())
    })?;
    let cloned = sys::clone3(0, None).during("clone3", "the job's process");
    let (pid, pidfd) = match cloned.map_err(|fault| fault.at(Stage::Landlock))? {
        Cloned::Child => {
            drop((gate, said));
            job::main(init, confinement, job::Ends { user_namespace, gate: gate_read, said: said_write })
        }
        Cloned::Parent { pid, pidfd } => {
            let told = orders::tell_of_job(init.ends.orders.as_fd(), pidfd.as_fd());
            told.during("sendmsg", "orders").map_err(|fault| fault.at(Stage::InitConfine))?;
            (Pid::from_raw(pid), pidfd)
        }
    };
    drop((gate_read, said_write, user_namespace));
    let ends = ends_of_processes().map_err(|fault| fault.at(Stage::InitConfine))?;
    let keep = kept_to_the_end(init, &[gate.as_fd(), said.as_fd(), pidfd.as_fd(), ends.as_fd()]);
    let prepared = init
        .steps
        .run(Stage::InitConfine, || confine::confine(confinement, init.launcher.lifeline.as_fd(), keep))?;
    let mut job = JobProcess { pid, pidfd, gate, said: File::from(said) };
    let (evidence, listener) = job.confined()?;
    let witness = Witness::new(listener, confinement);
    Ok(Started { job, prepared, evidence, witness, ends })
}

/// From now on the end of a process is told here, and not before it is read: init has to hear of calls as well.
fn ends_of_processes() -> Result<SignalFd, Fault> {
    let mut ended = SigSet::empty();
    ended.add(Signal::SIGCHLD);
    ended.thread_block().during("sigprocmask", "SIGCHLD")?;
    SignalFd::with_flags(&ended, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .during("signalfd4", "SIGCHLD")
}

/// The job's process, before it executes its command.
pub(super) struct JobProcess {
    pub(super) pid: Pid,
    pidfd: OwnedFd,
    gate: OwnedFd,
    said: File,
}

impl JobProcess {
    /// What it read back when it was confined, and where its filter's questions come.
    fn confined(&mut self) -> Result<(Box<Evidence>, Option<OwnedFd>), SetupError> {
        let Some(Said::Confined { evidence, listener }) = self.said(Stage::ReadBack)? else {
            return Err(ended(Stage::ReadBack));
        };
        let listener = listener.map(|number| sys::descriptor_of(self.pidfd.as_fd(), number)).transpose();
        let listener = listener.during("pidfd_getfd", "the job's filter");
        Ok((evidence, listener.map_err(|fault| fault.at(Stage::InitConfine))?))
    }

    /// Tells it what to execute and waits until it has: the pipe that it would complain through closes on
    /// execution.
    pub(super) fn execute(mut self, command: &Command) -> Result<Pid, SetupError> {
        frames::send(self.gate.as_fd(), command)
            .during("write", "gate")
            .map_err(|fault| fault.at(Stage::Exec))?;
        match self.said(Stage::Exec)? {
            None => Ok(self.pid),
            Some(_) => Err(ended(Stage::Exec)),
        }
    }

    /// What it says next; a failure of its own is returned as that.
    fn said(&mut self, stage: Stage) -> Result<Option<Said>, SetupError> {
        let said = frames::receive(&mut self.said).during("read", "what the job's process says");
        match said.map_err(|fault| fault.at(stage))? {
            Some(Said::Failed(error)) => Err(error),
            said => Ok(said),
        }
    }
}

fn ended(stage: Stage) -> SetupError {
    Fault::new("wait", "the job's process ended during set-up", Errno::ECHILD).at(stage)
}

/// Takes the job's host id, to which its user namespace belongs: from outside, its owner has every right in it. The Landlock
/// domain that is entered next is on the kernel's records as one of this id.
fn become_owner(host_id: HostId) -> Result<(), Fault> {
    take_ids(host_id.raw(), host_id.raw())?;
    // The change of ids took `/proc/PID` away from this id, and the job's process, which inherits that, reads itself
    // back through it. No process that is not ours has this id yet; init gives it up for good when it confines itself.
    prctl::set_dumpable(true).during("PR_SET_DUMPABLE", "1")
}

/// What init needs to the end. The job's streams are not among it: they must close when its last process has
/// gone. The lock on the host ids is: it must hold while a process with one of them lives, launcher or not.
fn kept_to_the_end(init: &Init<'_>, job: &[BorrowedFd<'_>]) -> Vec<RawFd> {
    let launcher = init.launcher;
    let ends = &init.ends;
    let own =
        [launcher.lifeline.as_fd(), launcher.ids.lock().as_fd(), ends.status.as_fd(), ends.task.as_fd()];
    [0, 1, 2].into_iter().chain(own.iter().chain(job).map(|fd| fd.as_raw_fd())).collect()
}
