//! What is run, with what, and what is collected.

use serde::{Deserialize, Serialize};

use crate::{AbsPath, Arg, EnvName, FileName, List, RelPath};

/// The directory inside the sandbox where a job starts.
pub const WORK_DIR: &str = "/job";

/// One job's errand in a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Task {
    /// What is run.
    pub command: Command,
    /// What lies in `/job` when it starts.
    pub inputs: List<Input, 64>,
    /// What is collected from `/job` when it has ended.
    pub outputs: List<Output, 64>,
}

/// The program to run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Command {
    /// The executable inside the view. Opened once; the descriptor is what is executed.
    pub executable: AbsPath,
    /// `argv`, its first element included.
    pub arguments: List<Arg, 4096>,
    /// The whole environment of the job.
    pub environment: List<EnvVar, 1024>,
}

/// One environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EnvVar {
    /// Its name.
    pub name: EnvName,
    /// Its value.
    pub value: Arg,
}

/// A file laid into the work directory before the job starts. Its bytes follow the task, in the order of its
/// inputs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Input {
    /// Its name in `/job`.
    pub name: FileName,
    /// Its size in bytes.
    pub size: u64,
}

/// A regular file collected from the work directory after the job has ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Output {
    /// Its path beneath `/job`.
    pub path: RelPath,
    /// A larger file is reported, not collected. Bytes.
    pub max_bytes: u64,
}
