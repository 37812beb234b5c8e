//! The unprivileged side of Stockade's sandbox.
//!
//! A supervisor, while it is still root and has one thread, starts the launcher ([`LauncherProcess::start`]),
//! takes a place for control groups ([`CgroupParent::prepare`]) and gives up root ([`drop_privileges`]). From
//! then on a [`Sandbox`] runs jobs: each gets a control group whose limits are written and read back, is
//! launched, watched, measured, and leaves nothing behind.
#![forbid(unsafe_code)]

mod audit;
mod cgroup;
mod denial;
mod enforcement;
mod errand;
mod kernel;
mod launcher;
mod listeners;
mod outcome;
mod privilege;
mod refusals;
mod run;
mod sandbox;
mod signals;
mod slot;
mod status;
mod streams;
mod text;
mod usage;
mod warm;
mod watch;

pub use audit::{AuditEvent, AuditRecord};
pub use cgroup::{CgroupConfig, CgroupError, CgroupParent, Hierarchy, ParentOrigin};
pub use denial::Denial;
pub use enforcement::{Enforcement, Layer, State};
pub use errand::Errand;
pub use kernel::Kernel;
pub use launcher::{LaunchError, LauncherConfig, LauncherProcess};
pub use listeners::take as take_listeners;
pub use outcome::{Captured, Collected, End, Limit, Lost, Outcome, OutputState};
pub use privilege::{PrivilegeError, User, drop_privileges};
pub use run::{NotRun, RunError, SandboxJob};
pub use sandbox::Sandbox;
pub use signals::{Signals, Word};
pub use streams::{Sink, Stdin};
pub use usage::Usage;
pub use warm::Warm;
