//! Policies and service registries.
#![forbid(unsafe_code)]

mod check;
mod compile;
mod diagnostic;
mod effective;
mod environment;
mod host;
mod library;
mod policy;
mod registry;
mod seccomp;
mod yaml;

pub use check::{CheckReport, CheckedFile, Checks, FileKind, check};
pub use compile::{CompileError, JobSpec, compile};
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use effective::{EffectivePolicy, Explained, PolicyId};
pub use environment::{Environment, UnknownEnvironment};
pub use host::{Host, HostError};
pub use library::Library;
pub use policy::{PolicyName, PolicyNameError, ResourceLimits, UnsafePath};
pub use registry::{
    Capabilities, DockerSettings, ExecutionType, ExecutionTypeError, HttpSettings, InputError, InputErrors, JobProposal,
    Operation, Prepared, Refusal, Registry, Runner, ServerlessSettings, Service, ShellAction, Unknown,
};
pub use seccomp::FilterTooLong;
