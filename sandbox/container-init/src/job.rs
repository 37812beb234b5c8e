//! Starting the job.

use std::fs::{File, OpenOptions};
use std::io;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use nix::errno::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use stockade_inside::{Undone, Unread};
use stockade_plan::{Errand, WORK_DIR};

/// Something could not be done.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) what: String,
    pub(crate) errno: Errno,
}

impl Fault {
    pub(crate) fn new(what: impl Into<String>, errno: Errno) -> Self {
        Self { what: what.into(), errno }
    }

    pub(crate) fn io(what: impl Into<String>, error: &io::Error) -> Self {
        Self::new(what, error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
    }
}

impl From<Undone> for Fault {
    fn from(Undone { call, target, errno }: Undone) -> Self {
        Self::new(format!("{call} `{target}`"), errno)
    }
}

impl From<Unread> for Fault {
    fn from(Unread { what, errno }: Unread) -> Self {
        // Kernels from 4.10 on show every field that is asked for.
        let hidden = match errno {
            Errno::ENODATA => {
                " (a runtime with a kernel of its own, such as runsc, does not show it, and what is not read back is not relied on)"
            }
            _ => "",
        };
        Self::new(format!("read `{what}`{hidden}"), errno)
    }
}

/// How eager the kernel is to kill whom when memory runs out: a job's processes first, init last. Raising it and going
/// back takes no privilege; `/proc/pid/oom_score_adj`, proc(5).
#[derive(Debug)]
pub(crate) struct Eligible {
    file: File,
    own: String,
}

impl Eligible {
    pub(crate) fn open() -> Result<Self, Fault> {
        const PATH: &str = "/proc/self/oom_score_adj";
        let own =
            std::fs::read_to_string(PATH).map_err(|error| Fault::io(format!("read `{PATH}`"), &error))?;
        let file = OpenOptions::new().write(true).open(PATH);
        Ok(Self { file: file.map_err(|error| Fault::io(format!("open `{PATH}`"), &error))?, own })
    }

    fn set(&self, score: &str) -> Result<(), Fault> {
        (&self.file).write_all(score.as_bytes()).map_err(|error| Fault::io("write oom_score_adj", &error))
    }
}

/// The job's first process, and what it prints.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) pid: nix::unistd::Pid,
    /// Readable when it has ended.
    pub(crate) ends: OwnedFd,
    pub(crate) stdout: ChildStdout,
    pub(crate) stderr: ChildStderr,
}

impl Job {
    pub(crate) fn start(errand: &Errand, eligible: &Eligible) -> Result<Self, Fault> {
        let (program, arguments) =
            errand.arguments.split_first().ok_or_else(|| Fault::new("start nothing", Errno::EINVAL))?;
        let stdin = match &errand.stdin {
            None => Stdio::null(),
            Some(name) => {
                let path = format!("{WORK_DIR}/{name}");
                File::open(&path).map_err(|error| Fault::io(format!("open `{path}`"), &error))?.into()
            }
        };
        #[expect(clippy::disallowed_methods, reason = "to start the job is what this program is for")]
        let mut command = Command::new(program.as_str());
        command
            .args(arguments.iter().map(stockade_plan::Arg::as_str))
            .env_clear()
            .envs(errand.environment.iter().map(|v| (v.name.as_str(), v.value.as_str())))
            .current_dir(WORK_DIR)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        eligible.set("1000")?;
        let spawned = command.spawn();
        eligible.set(eligible.own.trim())?;
        let child = spawned.map_err(|error| Fault::io(format!("execute `{program}`"), &error))?;
        Self::of(child)
    }

    fn of(mut child: Child) -> Result<Self, Fault> {
        let gone = || Fault::new("hold the job's output", Errno::EBADF);
        let (stdout, stderr) = child.stdout.take().zip(child.stderr.take()).ok_or_else(gone)?;
        let number = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
        let ends = pidfd_open(number, PidfdFlags::empty())
            .map_err(|error| Fault::new("pidfd_open", Errno::from_raw(error.raw_os_error())))?;
        Ok(Self { pid: nix::unistd::Pid::from_raw(number.as_raw_nonzero().get()), ends, stdout, stderr })
    }
}
