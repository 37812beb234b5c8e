//! Messages between supervisor, launcher and init.

use serde::{Deserialize, Serialize};

use crate::{Confinement, Errno, Evidence, List, Namespaces, Refusal, SetupError};

/// Supervisor to launcher, one datagram.
///
/// A sandbox comes about in three steps, so that each can be done ahead of the job: it is prepared, with all
/// that no policy decides; it is built as a policy demands; and it is given its one [`crate::Task`], over a pipe
/// of its own to its init.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Make an init, in control groups and namespaces of its own. Descriptors beside it, in order: the leaf in the
    /// cgroup2 hierarchy; `v1_groups` leaves in version 1 hierarchies; the job's terminal, if it has one.
    Prepare {
        /// Chosen by the supervisor; replies name it.
        id: u64,
        /// How many version 1 control group directories come with it.
        v1_groups: u8,
        /// Whether the job's end of a pseudo-terminal comes with it, to be its standard streams and its controlling
        /// terminal. Its pipes are then closed from the start.
        terminal: bool,
    },
    /// Have a prepared init build its sandbox, up to the point where the job's process, confined and checked, waits
    /// to be told what to execute.
    Build {
        /// Of the request that prepared it.
        id: u64,
        /// [`crate::PLAN_VERSION`].
        version: u16,
        /// What to build.
        confinement: Box<Confinement>,
    },
    /// Send a signal to the job. There is no answer: a job that has ended, or has not begun, misses it.
    Signal {
        /// Of the request that prepared it.
        id: u64,
        /// Which.
        signal: JobSignal,
    },
}

/// A signal that a caller may pass on to his job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobSignal {
    /// `SIGHUP`.
    Hangup,
    /// `SIGINT`.
    Interrupt,
    /// `SIGQUIT`.
    Quit,
    /// `SIGTERM`.
    Terminate,
    /// `SIGUSR1`.
    User1,
    /// `SIGUSR2`.
    User2,
}

impl Request {
    /// The sandbox that it is about.
    pub const fn id(&self) -> u64 {
        match self {
            Self::Prepare { id, .. } | Self::Build { id, .. } | Self::Signal { id, .. } => *id,
        }
    }
}

/// Launcher to supervisor, one datagram.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The first datagram: what this launcher is.
    Hello(LauncherFacts),
    /// Init is running. Descriptors beside it: the job's standard input, output and error, the status pipe, and
    /// the pipe that takes the task.
    Prepared {
        /// Of the request.
        id: u64,
        /// The id the job runs as, on the host; no other live job has it.
        host_uid: u32,
    },
    /// Nothing runs, or nothing will soon: an init that could not be told to build has been killed.
    Failed {
        /// Of the request; `None` where the request could not be read that far.
        id: Option<u64>,
        /// Why.
        error: SetupError,
    },
    /// Init has been reaped, and with it the job's pid namespace.
    Exited {
        /// Of the request.
        id: u64,
        /// How init ended.
        ended: Ended,
        /// What init and all it reaped used; wait4(2).
        rusage: Rusage,
    },
}

/// What a launcher is and what its kernel can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LauncherFacts {
    /// [`crate::PLAN_VERSION`] as the launcher knows it.
    pub plan_version: u16,
    /// The Landlock ABI of the kernel, 0 where there is none.
    pub landlock_abi: u8,
    /// `landlock_create_ruleset(…, LANDLOCK_CREATE_RULESET_ERRATA)`: a bit per erratum the kernel has fixed.
    pub landlock_errata: u32,
    /// The namespaces of the host, to show that a job's differ.
    pub host_namespaces: Namespaces,
    /// First host id of this launcher's range.
    pub uid_base: u32,
    /// How many jobs can run at a time with ids of their own.
    pub uid_slots: u32,
}

/// How a process ended; wait(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Ended {
    /// It exited with this status.
    Exited(i32),
    /// This signal killed it.
    Signaled(i32),
}

/// What processes used; getrusage(2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rusage {
    /// `ru_utime`, microseconds.
    pub user_us: u64,
    /// `ru_stime`, microseconds.
    pub system_us: u64,
    /// `ru_maxrss` of the largest process, kibibytes.
    pub max_rss_kb: u64,
    /// `ru_inblock`: 512-byte blocks read from devices.
    pub blocks_in: u64,
    /// `ru_oublock`: 512-byte blocks written to devices.
    pub blocks_out: u64,
    /// `ru_nvcsw` + `ru_nivcsw`.
    pub context_switches: u64,
}

/// Init to supervisor, on the status pipe: a length (4 bytes, little-endian), then this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// Everything is in force, and the job's process waits for its task.
    Ready(Box<Evidence>),
    /// The job did not start.
    SetupFailed(SetupError),
    /// The command has been executed.
    Started,
    /// Something was refused the job.
    Refused(Refusal),
    /// The job's first process has ended, and every other process with it.
    Ended {
        /// How.
        ended: Ended,
        /// Bytes read by all its processes, by read(2) and its like: `rchar` of `/proc/self/io`, proc(5);
        /// `None` where the kernel keeps no such count.
        read_bytes: Option<u64>,
        /// Bytes written: `wchar`.
        written_bytes: Option<u64>,
        /// What its processes used; getrusage(2), `RUSAGE_CHILDREN`.
        rusage: Rusage,
        /// From its execution to its end, microseconds, as init saw it.
        wall_us: u64,
    },
    /// What became of one declared output; [`Report::Chunk`]s follow for a file that was found.
    Output {
        /// Its index in the task's outputs.
        index: u32,
        /// What was there.
        found: Found,
    },
    /// The next bytes of that file.
    Chunk(List<u8, 65536>),
    /// Nothing follows.
    Done,
}

/// What lay at a declared output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Found {
    /// A regular file of this many bytes.
    File {
        /// Its size in bytes.
        size: u64,
    },
    /// Something that is not collected.
    Not(NotCollected),
}

/// Why an output was not collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotCollected {
    /// Nothing has that name.
    Missing,
    /// It, or a directory on the way, is a symbolic link.
    Symlink,
    /// It is a directory.
    Directory,
    /// It is a FIFO.
    Fifo,
    /// It is a socket.
    Socket,
    /// It is a device.
    Device,
    /// It has more than one hard link.
    HardLinked,
    /// It is larger than the policy allows.
    TooLarge {
        /// Its size in bytes.
        size: u64,
    },
    /// It could not be opened or read.
    Unreadable(Errno),
}
