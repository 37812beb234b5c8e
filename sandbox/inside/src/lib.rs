//! What the first process of a sandbox and that of a container do alike: reading back what is in force for a process,
//! listening for the supervisor, and collecting what a job left.
#![forbid(unsafe_code)]

mod collect;
mod listeners;
mod mounts;
mod namespaces;
mod proc;
mod status;

pub use collect::{Teller, collect};
pub use listeners::{found as listeners_found, listen};
pub use mounts::mounts;
pub use namespaces::namespaces;
pub use proc::proc_text;
pub use status::Status;

use nix::errno::Errno;

/// Something that could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread {
    /// A path, or the name of a field of `/proc/self/status`.
    pub what: &'static str,
    /// What the kernel answered; `EBADMSG` if it answered something else than expected.
    pub errno: Errno,
}

/// Something that could not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undone {
    /// The call.
    pub call: &'static str,
    /// To what.
    pub target: String,
    /// What the kernel answered.
    pub errno: Errno,
}
