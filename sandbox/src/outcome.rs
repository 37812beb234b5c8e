//! What became of a job.

use stockade_plan::{NotCollected, RelPath, StageTime};

use crate::{Denial, Enforcement, Usage};

/// A job that started, and ended.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended: one verdict.
    pub end: End,
    /// Its standard output.
    pub stdout: Captured,
    /// Its standard error.
    pub stderr: Captured,
    /// What became of each declared output; empty where the job was ended from outside.
    pub outputs: Vec<Collected>,
    /// What it used.
    pub usage: Usage,
    /// What was in force, read back before its first instruction.
    pub enforcement: Enforcement,
    /// What was refused it, as far as the kernel counts it.
    pub denials: Vec<Denial>,
    /// The id it ran as on the host.
    pub host_uid: u32,
    /// Whether its sandbox had been built before the job came.
    pub made_ahead: bool,
    /// How long each step of its set-up took.
    pub stages: Vec<StageTime>,
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its first process exited with this status.
    Exited(i32),
    /// This signal killed its first process.
    Signaled(i32),
    /// It ran longer than its wall time.
    TimedOut,
    /// The kernel killed one of its processes for memory.
    OutOfMemory,
    /// It went beyond another limit and was ended.
    LimitExceeded(Limit),
    /// The caller cancelled it.
    Cancelled,
}

/// A limit whose excess ends a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Processor time of all its processes.
    CpuTime,
    /// Bytes on standard output or standard error.
    Output,
}

/// What was kept of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// The bytes, up to the limit; empty where they were passed through.
    pub bytes: Vec<u8>,
    /// How many bytes were read in all.
    pub total_bytes: u64,
    /// Whether the stream was cut at the limit.
    pub truncated: bool,
    /// Why some of it did not reach the caller, where it was passed through.
    pub lost: Option<Lost>,
}

/// Why output did not reach the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// Nobody reads it any more; the job's stream was closed too.
    ReaderGone,
    /// Somebody could read it, and did not.
    NotTaken,
    /// It cannot be written, and this is why.
    Failed(String),
}

/// A declared output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collected {
    /// Its path beneath `/job`.
    pub path: RelPath,
    /// What was there.
    pub state: OutputState,
}

/// What lay at a declared output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputState {
    /// A regular file, with its bytes.
    File(Vec<u8>),
    /// Something that is not collected.
    Not(NotCollected),
}
