//! Starting the launcher, while this process is still root.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::io::FdFlags;
use rustix::net::sockopt::{
    set_socket_passcred, set_socket_send_buffer_size, set_socket_send_buffer_size_force,
};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use stockade_plan::{CodecError, FRAME_MAX, Stage};

use crate::audit;

/// How to start the launcher.
#[derive(Debug, Clone)]
pub struct LauncherConfig {
    /// The program `stockade-launcher`.
    pub binary: PathBuf,
    /// A directory of root's own for locks and mount points, `/run/stockade`.
    pub runtime_dir: PathBuf,
    /// Makes that stage of every set-up fail, to see what happens then.
    pub fail_at: Option<Stage>,
}

/// The launcher cannot be started, or does not answer as it should.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The program could not be started.
    #[error("cannot start the launcher `{binary}`: {source}; build it, or name it with `--launcher`")]
    Start {
        /// Which program.
        binary: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The connection to it failed.
    #[error("cannot talk to the launcher: {0}")]
    Socket(#[from] std::io::Error),
    /// It ended before it said what it is; it has said why on standard error.
    #[error("the launcher ended during its start; its own message says why")]
    Ended,
    /// It said something else.
    #[error("the launcher's first message is not a greeting: {0}")]
    Greeting(String),
    /// It is of another version.
    #[error(
        "the launcher speaks plan version {found}, this program {expected}; install both from the same build"
    )]
    Version {
        /// What the launcher speaks.
        found: u16,
        /// What this program speaks.
        expected: u16,
    },
    /// A frame could not be read or written.
    #[error("a message to or from the launcher is malformed: {0}")]
    Codec(#[from] CodecError),
    /// The place for control groups could not be used.
    #[error(transparent)]
    Cgroup(#[from] crate::CgroupError),
}

/// A launcher that has been started; [`crate::Sandbox::start`] takes it over.
#[derive(Debug)]
pub struct LauncherProcess {
    pub(crate) socket: OwnedFd,
    pub(crate) child: Child,
    pub(crate) audit: audit::Opened,
}

impl LauncherProcess {
    /// Starts the launcher with an empty environment and one socket, and opens the feed of the kernel's audit. Must be called as root and before any
    /// thread is started: the socket's descriptor is inheritable for a moment.
    ///
    /// # Errors
    /// [`LaunchError::Start`] if the program cannot be executed.
    pub fn start(config: &LauncherConfig) -> Result<Self, LaunchError> {
        let (socket, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(std::io::Error::from)?;
        // Whatever the host's default: the longest request fits. Root of the host may go beyond `net.core.wmem_max`,
        // root of a container may not.
        set_socket_send_buffer_size_force(&socket, 2 * FRAME_MAX)
            .or_else(|_| set_socket_send_buffer_size(&socket, 2 * FRAME_MAX))
            .map_err(std::io::Error::from)?;
        // From the first request on: one may be sent before the launcher runs, and the kernel adds the credentials, by which
        // the launcher judges what the asker may reach, when a message is sent; unix(7).
        set_socket_passcred(&theirs, true).map_err(std::io::Error::from)?;
        rustix::io::fcntl_setfd(&theirs, FdFlags::empty()).map_err(std::io::Error::from)?;
        let child = command(config, theirs.as_raw_fd())
            .spawn()
            .map_err(|source| LaunchError::Start { binary: config.binary.clone(), source })?;
        Ok(Self { socket, child, audit: audit::Opened::now() })
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that starts the launcher; argv only, no shell")]
fn command(config: &LauncherConfig, socket: i32) -> Command {
    let mut command = Command::new(&config.binary);
    command.arg("--socket").arg(socket.to_string()).arg("--runtime-dir").arg(&config.runtime_dir);
    if let Some(stage) = config.fail_at {
        command.arg("--fail-at").arg(stage.name());
    }
    // A group of its own: a terminal's Ctrl-C is for the supervisor, which then ends its jobs in order.
    command.process_group(0);
    command.env_clear().current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
    command
}
