//! The job's Landlock domain, landlock(7). Every right the ABI knows is handled, as a hard requirement: what
//! no rule grants is refused, and what the kernel cannot handle stops the set-up.

use std::num::NonZeroU16;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath,
    RestrictSelfAttr, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, SFlag, fstat};
use stockade_plan::{Access, Landlock, WORK_DIR};

use crate::steps::{During, Fault};
use crate::sys;

/// The newest ABI that the landlock crate knows; rights of later ones cannot be handled yet.
const NEWEST: u8 = 10;

/// From this ABI on the kernel's audit tells of what a domain refuses.
const AUDITED: u8 = 7;

/// The ABI this kernel and this program both know, 0 where there is none.
pub(crate) fn kernel_abi() -> u8 {
    sys::landlock_abi().min(NEWEST)
}

/// Init enters the domain that the job's process will inherit: what the plan grants, and, where the plan does not let the job
/// write in its work directory, what init needs to lay inputs there. no_new_privs must be set.
pub(crate) fn restrict_init(plan: &Landlock, ports: &[NonZeroU16]) -> Result<(), Fault> {
    let inputs =
        if work_dir_is_writable(plan) { None } else { Some(AccessFs::MakeReg | AccessFs::WriteFile) };
    restrict(plan, ports, inputs)
}

/// The job's process enters a domain inside init's, if that one grants more than the job may have.
pub(super) fn restrict_job(plan: &Landlock, ports: &[NonZeroU16]) -> Result<(), Fault> {
    if work_dir_is_writable(plan) { Ok(()) } else { restrict(plan, ports, None) }
}

/// Has the kernel's audit told of what the domain refuses: to the job, not to what set it up, which has not executed anything
/// yet; and not of what a job refuses itself in domains of its own, unless one of ours is to come inside.
fn logged(ruleset: RulesetCreated, outer: bool) -> Result<RulesetCreated, RulesetError> {
    if kernel_abi() < AUDITED {
        return Ok(ruleset);
    }
    ruleset.log_same_exec(false)?.log_new_exec(true)?.log_subdomains(outer)
}

fn work_dir_is_writable(plan: &Landlock) -> bool {
    plan.rules.iter().any(|rule| rule.access == Access::Write && rule.path.as_str() == WORK_DIR)
}

/// Of TCP only connecting to `ports` is left, from ABI 4.
fn restrict(
    plan: &Landlock,
    ports: &[NonZeroU16],
    in_work_dir: Option<BitFlags<AccessFs>>,
) -> Result<(), Fault> {
    if plan.abi == 0 || plan.abi > kernel_abi() {
        let target = format!("ABI {} of the plan, {} of the kernel", plan.abi, kernel_abi());
        return Err(Fault::new("check", target, Errno::EOPNOTSUPP));
    }
    let abi = ABI::from(i32::from(plan.abi));
    let mut ruleset = create(abi).map_err(|error| fault("landlock_create_ruleset", &error))?;
    for rule in &plan.rules {
        ruleset = grant(ruleset, rule.path.as_str(), rights(rule.access, abi), abi)?;
    }
    if let Some(rights) = in_work_dir {
        ruleset = grant(ruleset, WORK_DIR, rights, abi)?;
    }
    if AccessNet::from_all(abi).contains(AccessNet::ConnectTcp) {
        for port in ports {
            ruleset = ruleset.add_rule(NetPort::new(port.get(), AccessNet::ConnectTcp)).map_err(|error| {
                Fault::new("landlock_add_rule", format!("port {port}: {error}"), Errno::EINVAL)
            })?;
        }
    }
    let ruleset =
        logged(ruleset, in_work_dir.is_some()).map_err(|error| fault("landlock_restrict_self", &error))?;
    ruleset.restrict_self().map(drop).map_err(|error| fault("landlock_restrict_self", &error))
}

/// All file system rights; from ABI 4 all TCP rights; from ABI 6 signals and
/// abstract sockets, which then end at the domain.
fn create(abi: ABI) -> Result<RulesetCreated, RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(abi))?;
    let network = AccessNet::from_all(abi);
    if !network.is_empty() {
        ruleset = ruleset.handle_access(network)?;
    }
    let scopes = Scope::from_all(abi);
    if !scopes.is_empty() {
        ruleset = ruleset.scope(scopes)?;
    }
    ruleset.create()
}

fn grant(
    ruleset: RulesetCreated,
    path: &str,
    rights: BitFlags<AccessFs>,
    abi: ABI,
) -> Result<RulesetCreated, Fault> {
    let flags = OFlag::O_PATH | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    let target = open(path, flags, Mode::empty()).during("open", path)?;
    let kind = SFlag::from_bits_truncate(fstat(&target).during("stat", path)?.st_mode) & SFlag::S_IFMT;
    // The kernel refuses a rule on a file that has rights only directories know.
    let rights = if kind == SFlag::S_IFDIR { rights } else { rights & AccessFs::from_file(abi) };
    ruleset
        .add_rule(PathBeneath::new(target, rights))
        .map_err(|error| Fault::new("landlock_add_rule", format!("{path}: {error}"), Errno::EINVAL))
}

fn rights(access: Access, abi: ABI) -> BitFlags<AccessFs> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let granted = match access {
        Access::Read => read,
        Access::Execute => AccessFs::ReadFile | AccessFs::Execute,
        Access::Device => AccessFs::ReadFile | AccessFs::WriteFile,
        Access::Write => {
            let never = AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev;
            AccessFs::from_all(abi) & !never
        }
    };
    granted & AccessFs::from_all(abi)
}

fn fault(call: &'static str, error: &RulesetError) -> Fault {
    Fault::new(call, error.to_string(), Errno::EINVAL)
}
