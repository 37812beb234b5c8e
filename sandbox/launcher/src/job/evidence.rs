//! Reading back, in the job's own process and under everything that confines it, what is in force.

use std::fs::{File, read_dir};

use nix::errno::Errno;
use nix::fcntl::FdFlag;
use nix::unistd::geteuid;
use stockade_inside::{Status, listeners_found, mounts, namespaces, proc_text};
use stockade_plan::{Evidence, List, Network, OutOfBounds};

use super::{landlock, rlimits};
use crate::steps::{During, Fault};
use crate::uids::HostId;
use crate::view::PROBE;

/// Reads everything back.
pub(super) fn read(host_id: HostId, asked: &Network) -> Result<Evidence, Fault> {
    let status = Status::read()?;
    Ok(Evidence {
        namespaces: namespaces()?,
        host_uid: host_id.raw(),
        uid: geteuid().as_raw(),
        groups: u32::try_from(status.groups()?.len()).unwrap_or(u32::MAX),
        capabilities: status.capabilities()?,
        securebits: crate::sys::securebits().during("PR_GET_SECUREBITS", "job")?,
        no_new_privs: status.number("NoNewPrivs")? == 1,
        seccomp_mode: status.number("Seccomp")?,
        seccomp_filters: status.number("Seccomp_filters")?,
        landlock_abi: landlock::kernel_abi(),
        landlock_probe_refused: probe_refused(),
        cgroup_paths: cgroup_paths()?,
        joined: List::empty(),
        mounts: mounts()?.try_into().map_err(|bound| too_many("mounts", bound))?,
        rlimits: rlimits::read()?,
        descriptors: open_after_execution()?,
        network: listeners_found(asked)?,
        stages: List::empty(),
    })
}

/// Everybody may read the probe and no rule grants it: only Landlock can answer EACCES.
fn probe_refused() -> bool {
    File::open(format!("/{PROBE}")).is_err_and(|error| error.raw_os_error() == Some(Errno::EACCES as i32))
}

/// `/proc/self/cgroup`, cgroups(7).
pub(crate) fn cgroup_paths() -> Result<List<String, 16>, Fault> {
    const PATH: &str = "/proc/self/cgroup";
    let text = proc_text(PATH).during("read", PATH)?;
    text.lines().map(str::to_owned).collect::<Vec<_>>().try_into().map_err(|bound| too_many(PATH, bound))
}

/// The descriptors that the command will find open.
fn open_after_execution() -> Result<List<u32, 16>, Fault> {
    const PATH: &str = "/proc/self/fd";
    let mut open = Vec::new();
    for entry in read_dir(PATH).during("read", PATH)? {
        let name = entry.during("read", PATH)?.file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        if survives(number)? {
            open.push(number.cast_unsigned());
        }
    }
    open.sort_unstable();
    open.try_into().map_err(|bound| too_many(PATH, bound))
}

fn survives(number: i32) -> Result<bool, Fault> {
    match crate::sys::descriptor_flags(number) {
        Ok(flags) => Ok(!flags.contains(FdFlag::FD_CLOEXEC)),
        Err(errno) => Err(Fault::new("fcntl", format!("descriptor {number}"), errno)),
    }
}

fn too_many(what: &str, bound: OutOfBounds) -> Fault {
    Fault::new("read", format!("{what}: {bound}"), Errno::E2BIG)
}
