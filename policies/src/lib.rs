//! From text that people write to a plan that the launcher enforces.
//!
//! # Terminology
//!
//! * A *policy* is a YAML file that says what jobs may do. The [`Library`] holds the shipped ones and a site's own.
//! * A *clause* is one statement in it. The *layers* that state clauses are: a policy and those it extends, a
//!   service, an operation, the job's own row, and the ceiling of the [`Environment`].
//! * The [`EffectivePolicy`] is what all layers together leave: each can take rights away, none can add any.
//! * The [`Registry`] says which services and operations exist, and what they run.
//! * [`compile`] turns an effective policy and a [`JobSpec`] into a [`stockade_plan::Plan`] for this [`Host`].
//! * What is wrong with a text comes as [`Diagnostics`]: all of it at once, each with its line and what to do.
//!
//! # Example
//!
//! ```
//! use stockade_policies::{Environment, Host, JobSpec, Library, compile};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let policy = Library::shipped()?.effective("shell-utils", Environment::Production)?;
//! let job = JobSpec::command(vec!["/bin/sh".into(), "-c".into(), "sort names | uniq -c".into()])?;
//! let plan = compile(&policy, &job, &Host::new(), 6)?;
//! assert_eq!(plan.confinement.limits.memory_bytes, 256 << 20);
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here is unsafe, asynchronous or privileged, and nothing but files is read.
#![forbid(unsafe_code)]

mod check;
mod compile;
mod diagnostic;
mod diff;
mod effective;
mod egress;
mod environment;
mod explain;
mod host;
mod learn;
mod library;
mod policy;
mod registry;
mod schema;
mod seccomp;
mod yaml;

pub use check::{CheckReport, CheckedFile, Checks, FileKind, check};
pub use compile::{
    CompileError, ContainerJob, ContainerPlan, JobSpec, Recording, compile, compile_container,
};
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use diff::{Change, Difference};
pub use effective::{
    EffectivePolicy, Enforces, Explained, HTTP_ENFORCES, HttpRights, Place, PolicyId, SERVERLESS_ENFORCES,
    SHELL_ENFORCES,
};
pub use egress::{Egress, HostName, PROXY_PORT};
pub use environment::{Environment, UnknownEnvironment};
pub use explain::{EnforcedLine, HostMechanisms, Standing};
pub use host::{Host, HostError, ProgramFiles};
pub use learn::{Breadth, Draft, Measured, Study, Trace};
pub use library::Library;
pub use policy::{LAYERS, PolicyName, PolicyNameError, ResourceLimits, SecretRef, UnsafePath};
pub use registry::{
    Backoff, Capabilities, DOCKER_ENFORCES, DockerSettings, ExecutionType, ExecutionTypeError, HttpAuth,
    HttpBody, HttpSettings, InputError, InputErrors, JobProposal, Operation, OtherSettings, Prepared,
    PreparedContainer, RESULT_FILE, Refusal, Registry, RemoteAction, Runner, ServerlessSettings, Service,
    ShellAction, Unknown, has_own_network,
};
pub use schema::{policy_schema, registry_schema};
pub use seccomp::FilterTooLong;
