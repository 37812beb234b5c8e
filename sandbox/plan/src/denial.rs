//! What a sandbox's init says of calls that were refused the job.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{CallName, List, PathBytes};

/// The most system calls that init can be asked about.
pub const WATCHED_MAX: usize = 512;

/// System calls that init is asked about, because the filter answers `SECCOMP_RET_USER_NOTIF` to them, seccomp(2).
pub type WatchList = List<Watched, WATCHED_MAX>;

/// A system call that init is asked about, with any arguments or with some.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Watched {
    /// Its number.
    pub call: u32,
    /// Its name.
    pub name: CallName,
    /// What init answers.
    pub asked: Asked,
}

/// What init answers to a call that it is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Asked {
    /// It goes ahead. What it names is looked at first: the kernel will refuse some of it, at another layer.
    GoesAhead,
    /// It fails with this error number.
    Refused(u16),
}

/// A kind of refusal, and how often it was seen so far. Told when it is seen for the first time, whenever its count
/// has doubled, and at the job's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Its place among those told, from 0.
    pub place: u16,
    /// How often.
    pub count: u64,
    /// What; told once, with the first count.
    pub refused: Option<Refused>,
}

/// What was refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Refused {
    /// The filter refused a call.
    Call {
        /// Its number.
        call: u32,
        /// Those of its arguments that a profile may look at, the others as zero; see
        /// [`crate::arguments_that_matter`].
        arguments: Named<[u32; 6]>,
    },
    /// A program may not be executed.
    Execute {
        /// Its path.
        program: Named<PathBytes>,
        /// What refuses.
        by: Wall,
    },
    /// What a call named could not be read from the job's memory, so it is not known whether it was refused.
    Unread {
        /// The number of the call.
        call: u32,
    },
    /// No network leads there.
    Connect {
        /// Where.
        address: Named<SocketAddr>,
    },
}

/// What a refused call was applied to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Named<T> {
    /// This.
    Known(T),
    /// Others than those that are told one by one: there were too many.
    Others,
}

/// What keeps a program from being executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Wall {
    /// Nothing of that name is in the job's view.
    View,
    /// It lies on a mount of which nothing is executed.
    Mount,
    /// No Landlock rule lets it be executed.
    Landlock,
}
