//! Giving up privileges, the same way for the launcher, for init and for the job.

use caps::{CapSet, Capability, CapsHashSet};
use nix::errno::Errno;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use crate::abi::SECUREBITS_LOCKED;
use crate::steps::{During, Fault};
use crate::sys;

/// What building a sandbox needs; everything else is given up at the start.
///
/// `SYS_ADMIN`: namespaces and mounts. `SYS_CHROOT`: setns(2) into a mount namespace. `SETUID`, `SETGID`,
/// `SETPCAP`: writing id maps, taking ids, dropping the rest. `CHOWN`: the job's work directory and streams.
/// `DAC_OVERRIDE`: control group files owned by the supervisor. `KILL`: init runs under the job's id.
/// `NET_ADMIN`, `NET_BIND_SERVICE`: the loopback of a sandbox that has a network, and listeners on it.
/// `SYS_PTRACE` is not among them: nothing is traced.
const LAUNCHER: [Capability; 10] = [
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_KILL,
    Capability::CAP_NET_ADMIN,
    Capability::CAP_NET_BIND_SERVICE,
    Capability::CAP_SETGID,
    Capability::CAP_SETPCAP,
    Capability::CAP_SETUID,
    Capability::CAP_SYS_ADMIN,
    Capability::CAP_SYS_CHROOT,
];

/// Keeps the launcher's capabilities and gives up the rest, from every set; from the bounding set all.
pub(crate) fn keep_launcher_capabilities() -> Result<(), Fault> {
    let keep: CapsHashSet = LAUNCHER.into_iter().collect();
    // What bounds the gain of an execution, and neither the launcher nor an init executes anything.
    sys::drop_bounding_set().during("PR_CAPBSET_DROP", "all")?;
    clear(CapSet::Ambient)?;
    clear(CapSet::Inheritable)?;
    for set in [CapSet::Effective, CapSet::Permitted] {
        caps::set(None, set, &keep).map_err(|_| capability_fault("capset"))?;
    }
    Ok(())
}

/// Takes the ids and gives up all groups. The capabilities stay for the moment, as the bounding set and the
/// secure bits still have to be dealt with: `SECBIT_NO_SETUID_FIXUP`, capabilities(7).
pub(crate) fn take_ids(uid: u32, gid: u32) -> Result<(), Fault> {
    const NO_SETUID_FIXUP: u32 = 1 << 2;
    sys::set_securebits(NO_SETUID_FIXUP).during("PR_SET_SECUREBITS", "no_setuid_fixup")?;
    setgroups(&[]).during("setgroups", "none")?;
    let (group, user) = (Gid::from_raw(gid), Uid::from_raw(uid));
    setresgid(group, group, group).during("setresgid", &gid.to_string())?;
    setresuid(user, user, user).during("setresuid", &uid.to_string())
}

/// Empties all five capability sets and locks the secure bits.
pub(crate) fn give_up_capabilities() -> Result<(), Fault> {
    sys::drop_bounding_set().during("PR_CAPBSET_DROP", "all")?;
    sys::set_securebits(SECUREBITS_LOCKED).during("PR_SET_SECUREBITS", "locked")?;
    clear(CapSet::Ambient)?;
    for set in [CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        clear(set)?;
    }
    Ok(())
}

fn clear(set: CapSet) -> Result<(), Fault> {
    caps::clear(None, set).map_err(|_| capability_fault("capset"))
}

/// The caps crate reports text, not the error number; the kernel has but one reason here.
fn capability_fault(call: &'static str) -> Fault {
    Fault::new(call, "capabilities", Errno::EPERM)
}
