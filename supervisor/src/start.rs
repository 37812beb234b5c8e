//! From root to nobody in particular: what has to be done while this process is root and has one thread.
//!
//! The order is what makes it safe, so it is written down once, in [`confined`]: the state directory is given to the
//! supervisor's user, the launcher is started, the place for control groups is made and handed over, and root is given
//! up for good. Only then may a thread be started, a socket opened, a file that people wrote be parsed.

mod state_dir;

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::geteuid;
use stockade_plan::Stage;
use stockade_sandbox::{
    CgroupConfig, CgroupError, CgroupParent, LaunchError, LauncherConfig, LauncherProcess, PrivilegeError,
    User, drop_privileges,
};

/// Whose this process becomes, and where it keeps what it has.
#[derive(Debug, Clone)]
pub struct Account {
    /// The user's name.
    pub user: String,
    /// The state directory.
    pub state_dir: PathBuf,
}

/// What confinement is built with.
#[derive(Debug, Clone)]
pub struct Means {
    /// The program `stockade-launcher`; beside this program if not said.
    pub launcher: Option<PathBuf>,
    /// A directory of root's own for the launcher's locks and mount points.
    pub runtime_dir: PathBuf,
    /// The control group under which all others are made.
    pub cgroup_parent: Option<PathBuf>,
    /// A stage of every set-up that is made to fail.
    pub fail_at: Option<Stage>,
}

/// What was taken as root, to be used without.
#[derive(Debug)]
pub struct Confinement {
    /// The launcher, running.
    pub launcher: LauncherProcess,
    /// The place for control groups.
    pub cgroups: CgroupParent,
}

/// The start failed. Nothing may go on after it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Not root.
    #[error(
        "`stockade {0}` must be started as root: it takes root to build sandboxes. Root is given up before \
             anything else is done (`sudo stockade {0} …`)"
    )]
    NotRoot(&'static str),
    /// Fewer files may be open than the sandboxes need.
    #[error(
        "{sandboxes} sandboxes at a time need {wanted} open files, and at most {hard} are allowed: lower \
             `--concurrency`, or raise the hard limit (`LimitNOFILE=` of the unit, `ulimit -Hn`)"
    )]
    Descriptors {
        /// Running and made ahead.
        sandboxes: usize,
        /// What they need.
        wanted: u64,
        /// `RLIMIT_NOFILE`, hard.
        hard: u64,
    },
    /// The limit on open files cannot be read or raised.
    #[error("cannot raise the limit on open files: {0}")]
    RaiseDescriptors(io::Error),
    /// The user is missing, or root could not be given up for it.
    #[error(transparent)]
    Privilege(PrivilegeError),
    /// There is no such user.
    #[error(
        "user `{0}` does not exist: `make setup` creates it, as does `useradd --system --no-create-home --shell \
             /usr/sbin/nologin {0}`; or name another with `--user`"
    )]
    NoUser(String),
    /// The state directory cannot be used.
    #[error("cannot use the state directory `{}`: {reason}", path.display())]
    StateDir {
        /// Which.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// This program does not know where it lies.
    #[error(
        "cannot find out where this program lies, to find the launcher beside it: {0}; name it with `--launcher`"
    )]
    OwnPath(io::Error),
    /// The launcher did not start.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The control groups cannot be used.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
}

impl From<PrivilegeError> for StartError {
    fn from(error: PrivilegeError) -> Self {
        match error {
            PrivilegeError::NoUser(name) => Self::NoUser(name),
            other => Self::Privilege(other),
        }
    }
}

impl Means {
    /// Starts the launcher; as root.
    ///
    /// # Errors
    /// [`StartError`] if it cannot be executed.
    pub fn start_launcher(&self) -> Result<LauncherProcess, StartError> {
        Ok(LauncherProcess::start(&LauncherConfig {
            binary: self.launcher.clone().map_or_else(|| beside_us("stockade-launcher"), Ok)?,
            runtime_dir: self.runtime_dir.clone(),
            fail_at: self.fail_at,
        })?)
    }

    /// Makes the place for control groups and gives it to `user`; as root.
    ///
    /// # Errors
    /// [`StartError`] if the host's control groups cannot be used.
    pub fn prepare_cgroups(&self, user: &User) -> Result<CgroupParent, StartError> {
        Ok(CgroupParent::prepare(&CgroupConfig { parent: self.cgroup_parent.clone() }, user)?)
    }
}

/// What a worker has open whatever it does: its database, its listeners, the launcher, and some more.
const OWN_DESCRIPTORS: u64 = 128;
/// What it has open for each sandbox: five pipes, seven counts of its control groups, and two files more for a moment.
const SANDBOX_DESCRIPTORS: u64 = 14;

/// Makes room for so many sandboxes at a time: this process, and the launcher after it, may open as many files as whoever
/// starts us allows.
///
/// # Errors
/// [`StartError::Descriptors`] if that is too few.
pub fn room_for(sandboxes: usize) -> Result<(), StartError> {
    let limit = Resource::RLIMIT_NOFILE;
    let failed = |errno: Errno| StartError::RaiseDescriptors(errno.into());
    let (soft, hard) = getrlimit(limit).map_err(failed)?;
    if soft < hard {
        setrlimit(limit, hard, hard).map_err(failed)?;
    }
    let wanted = OWN_DESCRIPTORS + SANDBOX_DESCRIPTORS * u64::try_from(sandboxes).unwrap_or(u64::MAX / 16);
    if wanted > hard {
        return Err(StartError::Descriptors { sandboxes, wanted, hard });
    }
    Ok(())
}

/// Whether this process is root.
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// Takes what jobs are confined with and gives up root. `command` names who asks, for the message.
///
/// # Errors
/// [`StartError`].
pub fn confined(command: &'static str, account: &Account, means: &Means) -> Result<Confinement, StartError> {
    if !is_root() {
        return Err(StartError::NotRoot(command));
    }
    let user = User::lookup(&account.user)?;
    state_dir::prepare(&account.state_dir, &user)?;
    let launcher = means.start_launcher()?;
    let cgroups = means.prepare_cgroups(&user)?;
    drop_privileges(&user)?;
    Ok(Confinement { launcher, cgroups })
}

/// Gives up root where we have it, for commands that do not confine anything. Who is not root stays who he is.
///
/// # Errors
/// [`StartError`].
pub fn unprivileged(user: &str) -> Result<(), StartError> {
    if is_root() {
        drop_privileges(&User::lookup(user)?)?;
    }
    Ok(())
}

/// As [`unprivileged`], for a command that is of use where there is no such user: then nobody is there to become, and
/// root it stays.
///
/// # Errors
/// [`StartError`].
pub fn unprivileged_if_there(user: &str) -> Result<(), StartError> {
    match unprivileged(user) {
        Err(StartError::NoUser(_)) => Ok(()),
        done => done,
    }
}

/// The path of a program that is installed beside this one.
///
/// # Errors
/// [`StartError::OwnPath`].
pub fn beside_us(program: &str) -> Result<PathBuf, StartError> {
    let own = std::env::current_exe().map_err(StartError::OwnPath)?;
    Ok(own.parent().unwrap_or(Path::new("/")).join(program))
}
