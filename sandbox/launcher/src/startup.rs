//! From a freshly started process with root's privileges to a launcher ready to serve.

use std::fs::DirBuilder;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::stat::{Mode, umask};
use nix::sys::time::{TimeVal, TimeValLike};
use nix::unistd::{Uid, pipe2, setgroups};
use stockade_inside::namespaces;
use stockade_plan::{Namespaces, Stage};

use crate::options::Options;
use crate::spare::Spare;
use crate::uids::HostIds;
use crate::{credentials, sys};

/// How long a reply may wait for room in the socket.
const REPLY_PATIENCE_S: i64 = 10;

/// A launcher cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// Not started by a supervisor.
    #[error("usage: --socket FD --runtime-dir DIR [--fail-at STAGE]; the supervisor starts it, nobody else")]
    Usage,
    /// Not root.
    #[error("needs root to build sandboxes; start `stockade` as root, it drops root itself")]
    NotRoot,
    /// A call failed.
    #[error("cannot {what} `{target}`: {source}")]
    Io { what: &'static str, target: String, source: std::io::Error },
    /// The runtime directory could be written by others, who could then redirect mounts.
    #[error(
        "runtime directory `{0}` must belong to root and be writable by nobody else; remove it or choose another"
    )]
    RuntimeDir(PathBuf),
    /// Its own namespaces could not be held on to.
    #[error("cannot hold on to its own namespaces: {0}")]
    Namespaces(String),
    /// A fork of a process with more than one thread may be a copy of a lock that nobody will ever open.
    #[error("has more than one thread; a launcher that forks must have one")]
    Threads,
    /// Privileges could not be given up.
    #[error("cannot give up capabilities: {0}")]
    Capabilities(String),
}

/// Everything a launcher holds while it serves.
#[derive(Debug)]
pub(crate) struct Launcher {
    pub(crate) socket: OwnedFd,
    pub(crate) ids: HostIds,
    /// An empty directory; views are built on it in mount namespaces of their own.
    pub(crate) staging: PathBuf,
    /// Its other end is held by this process alone: an init that finds it closed has lost its launcher.
    pub(crate) lifeline: OwnedFd,
    #[expect(dead_code, reason = "held open for as long as the launcher lives, never used")]
    pub(crate) lifeline_held: OwnedFd,
    pub(crate) fail_at: Option<Stage>,
    pub(crate) host_namespaces: Namespaces,
    pub(crate) spare: Spare,
}

/// Takes what it needs, gives up the rest.
pub(crate) fn prepare(options: &Options) -> Result<Launcher, StartError> {
    let socket = sys::own_inherited(options.socket).map_err(|errno| io("use socket", "--socket", errno))?;
    if !Uid::effective().is_root() {
        return Err(StartError::NotRoot);
    }
    // A supervisor that has stopped reading is as good as gone, and the launcher then ends what it asked for.
    setsockopt(&socket, sockopt::SendTimeout, &TimeVal::seconds(REPLY_PATIENCE_S))
        .map_err(|errno| io("set a time limit on", "--socket", errno))?;
    // Every request then says who sent it.
    setsockopt(&socket, sockopt::PassCred, &true)
        .map_err(|errno| io("ask for credentials on", "--socket", errno))?;
    setgroups(&[]).map_err(|errno| io("give up", "supplementary groups", errno))?;
    open_null_streams()?;
    // Ctrl-C and a service manager's stop go to the whole group. The supervisor answers them, and gives its jobs
    // time; this process ends when the supervisor's socket closes.
    sys::ignore_stop_signals();
    raise_descriptor_limit()?;
    umask(Mode::from_bits_truncate(0o022));
    let staging = runtime_directory(&options.runtime_dir)?;
    let ids = HostIds::reserve(&options.runtime_dir).map_err(|source| StartError::Io {
        what: "reserve host ids in",
        target: options.runtime_dir.display().to_string(),
        source,
    })?;
    let host_namespaces = namespaces().map_err(|unread| io("read namespace", unread.what, unread.errno))?;
    own_mount_namespace()?;
    let (lifeline, lifeline_held) = pipe2(OFlag::O_CLOEXEC).map_err(|errno| io("make", "lifeline", errno))?;
    credentials::keep_launcher_capabilities()
        .map_err(|fault| StartError::Capabilities(fault.at(Stage::Request).to_string()))?;
    let spare = Spare::new().map_err(|fault| StartError::Namespaces(fault.at(Stage::Request).to_string()))?;
    if !sys::has_one_thread() {
        return Err(StartError::Threads);
    }
    Ok(Launcher {
        socket,
        ids,
        staging,
        lifeline,
        lifeline_held,
        fail_at: options.fail_at,
        host_namespaces,
        spare,
    })
}

fn io(what: &'static str, target: &str, errno: Errno) -> StartError {
    StartError::Io { what, target: target.to_owned(), source: errno.into() }
}

/// Standard input becomes `/dev/null`. Output and error stay: the launcher's own complaints go there. Where
/// the supervisor started it with one of them closed, `/dev/null` fills the gap, so that no descriptor of a
/// sandbox ever has a number below three.
fn open_null_streams() -> Result<(), StartError> {
    loop {
        let null = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/null")
            .map_err(|source| StartError::Io { what: "open", target: "/dev/null".to_owned(), source })?;
        let null = OwnedFd::from(null);
        if std::os::fd::AsRawFd::as_raw_fd(&null) > 2 {
            return sys::become_stream(null.as_fd(), 0).map_err(|errno| io("open", "standard input", errno));
        }
        // The gap is filled for good: leaking the descriptor is the point.
        std::mem::forget(null);
    }
}

/// Every live job holds a descriptor here, and a request brings up to a hundred.
fn raise_descriptor_limit() -> Result<(), StartError> {
    let limit = Resource::RLIMIT_NOFILE;
    getrlimit(limit)
        .and_then(|(_, hard)| setrlimit(limit, hard, hard))
        .map_err(|errno| io("raise", "RLIMIT_NOFILE", errno))
}

/// The runtime directory and the empty directory for staging, both root's own.
fn runtime_directory(runtime_dir: &Path) -> Result<PathBuf, StartError> {
    let staging = runtime_dir.join("staging");
    for directory in [runtime_dir, &staging] {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        let metadata = made.and_then(|()| directory.symlink_metadata()).map_err(|source| StartError::Io {
            what: "make runtime directory",
            target: directory.display().to_string(),
            source,
        })?;
        if !metadata.is_dir() || metadata.uid() != 0 || metadata.mode() & 0o022 != 0 {
            return Err(StartError::RuntimeDir(directory.to_owned()));
        }
    }
    Ok(staging)
}

/// A mount namespace of the launcher's own, which still hears of the host's mounts but tells it nothing.
fn own_mount_namespace() -> Result<(), StartError> {
    unshare(CloneFlags::CLONE_NEWNS).map_err(|errno| io("unshare", "mount namespace", errno))?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SLAVE, None::<&str>)
        .map_err(|errno| io("make a slave of", "/", errno))
}
