//! Why there is no plan.

use stockade_plan::{AbsPath, CodecError, FileName, NameError};

use crate::host::HostError;
use crate::policy::UnsafePath;
use crate::seccomp::FilterTooLong;

/// Why a policy and a job give no plan on this host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The job names no command.
    #[error("no command is given")]
    NoCommand,
    /// The policy does not list the command.
    #[error("policy `{policy}` does not allow `{command}`; {help}")]
    CommandNotAllowed {
        /// The policy.
        policy: String,
        /// What was asked for.
        command: String,
        /// What is allowed.
        help: String,
    },
    /// The policy does not list the image.
    #[error("policy `{policy}` does not allow the image `{image}`")]
    ImageNotAllowed {
        /// The policy.
        policy: String,
        /// What was asked for.
        image: String,
    },
    /// The policy lists the command and this host cannot run it.
    #[error("cannot use the command `{command}`: {error}")]
    CommandUnusable {
        /// As the policy names it.
        command: AbsPath,
        /// Why.
        error: HostError,
    },
    /// An argument, name or value cannot be given to a program.
    #[error("argument {index} {reason}")]
    Argument {
        /// Which one, from 0.
        index: usize,
        /// What is wrong with it.
        reason: NameError,
    },
    /// Arguments and environment are more than a plan takes.
    #[error(
        "arguments ({arguments} bytes) and environment ({environment} bytes) are more than {max} bytes together; pass large data as input"
    )]
    CommandTooLarge {
        /// Bytes of all arguments.
        arguments: usize,
        /// Bytes of all variables.
        environment: usize,
        /// What they may be together.
        max: usize,
    },
    /// A path that jobs may read is not there, or is not what it seems.
    #[error("cannot show `{path}` ({origin}) to the job: {error}")]
    ReadPath {
        /// As the policy names it.
        path: AbsPath,
        /// Who named it.
        origin: String,
        /// Why.
        error: HostError,
    },
    /// A path that jobs may read leads to one that no job may.
    #[error("`{path}` ({origin}) leads to `{target}`, and reading that {reason}")]
    Unsafe {
        /// As the policy names it.
        path: AbsPath,
        /// Who named it.
        origin: String,
        /// Where it leads.
        target: AbsPath,
        /// Why not.
        reason: UnsafePath,
    },
    /// A path was granted as part of a larger one, and leads out of that.
    #[error(
        "`{path}` ({origin}) leads to `{target}`, which is not in the `{granted}` that the layers above grant; name it in the policy that grants that"
    )]
    LeadsOut {
        /// As the policy names it.
        path: AbsPath,
        /// Who named it.
        origin: String,
        /// Where it leads.
        target: AbsPath,
        /// What was granted.
        granted: AbsPath,
    },
    /// A prepared directory cannot be the root of jobs.
    #[error("cannot use `{path}` ({origin}) as the job's root: {error}")]
    Root {
        /// The directory.
        path: AbsPath,
        /// Who named it.
        origin: String,
        /// Why.
        error: HostError,
    },
    /// Nothing here can enforce a clause.
    #[error("`{clause}` ({origin}) cannot be enforced: {missing}")]
    Enforcement {
        /// The clause.
        clause: String,
        /// Who stated it.
        origin: String,
        /// What is missing.
        missing: String,
    },
    /// Inputs do not fit into the job's file system.
    #[error("inputs of {size} bytes do not fit into the {available} bytes of `resource_limits.disk_mb`")]
    InputsTooLarge {
        /// Of all inputs together.
        size: u64,
        /// Of `/job`, `/tmp` and `/dev/shm` together.
        available: u64,
    },
    /// Two inputs have the same name.
    #[error("two inputs are called `{name}`; they would lie at the same place in `/job`")]
    InputTwice {
        /// The name.
        name: FileName,
    },
    /// A list of the plan would be longer than a plan's may be.
    #[error("{what}: {count}, at most {max} are allowed")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// A name made here is not one.
    #[error("`{text}` {reason}")]
    Name {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: NameError,
    },
    /// The system-call filter is too long.
    #[error("cannot compile the system-call profile: {0}")]
    Filter(#[from] FilterTooLong),
    /// A recording cannot be described.
    #[error("cannot record: {0}")]
    Recording(String),
    /// The plan is larger than a frame may be.
    #[error("the plan is too large to be sent: {0}")]
    Plan(#[from] CodecError),
}

impl CompileError {
    /// Whether the policy said no. Otherwise the job could not be set up.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::CommandNotAllowed { .. }
                | Self::ImageNotAllowed { .. }
                | Self::InputsTooLarge { .. }
                | Self::CommandTooLarge { .. }
                | Self::LeadsOut { .. }
        )
    }
}
