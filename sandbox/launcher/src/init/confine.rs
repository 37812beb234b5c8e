//! Init gives up its own privileges before the job's first instruction.

use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::fcntl::{OFlag, open};
use nix::sys::prctl;
use nix::sys::stat::Mode;
use stockade_plan::{Confinement, WORK_DIR};

use super::die_with_launcher;
use crate::credentials::give_up_capabilities;
use crate::steps::{During, Fault};
use crate::sys;

/// What init opened while it still could.
pub(crate) struct Prepared {
    /// `/job`; inputs are made in it, outputs opened beneath it.
    pub(crate) work_dir: OwnedFd,
    /// `/proc/self/io`, where the kernel has it: what all reaped processes read and wrote, proc(5).
    pub(crate) io: Option<File>,
}

/// Closes what it needs no more, empties every capability set, and confines itself with seccomp. It is in its Landlock
/// domain already.
pub(super) fn confine(
    confinement: &Confinement,
    lifeline: BorrowedFd<'_>,
    mut keep: Vec<RawFd>,
) -> Result<Prepared, Fault> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let work_dir = open(WORK_DIR, flags, Mode::empty()).during("open", WORK_DIR)?;
    let io = File::open("/proc/self/io").ok();
    keep.push(work_dir.as_raw_fd());
    keep.extend(io.iter().map(AsRawFd::as_raw_fd));
    keep.sort_unstable();
    sys::close_all_but(&keep).during("close_range", "all but init's own")?;
    give_up_capabilities()?;
    // The job has the same host id: without this it could read init's memory through /proc; proc(5).
    prctl::set_dumpable(false).during("PR_SET_DUMPABLE", "0")?;
    die_with_launcher(lifeline)?;
    sys::seccomp_set_filter(&confinement.init_filter.instructions, false).during("seccomp", "init")?;
    Ok(Prepared { work_dir, io })
}
