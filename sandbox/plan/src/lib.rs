//! The data that crosses Stockade's privilege line.
//!
//! # Terminology
//!
//! * A [`Plan`] is a policy compiled for one job on one host: what the job sees ([`View`]), what confines it
//!   ([`Landlock`], [`Filter`], [`Rlimits`]), what it may use up ([`Limits`]) and what is run ([`Command`]).
//! * [`Request`] and [`Reply`] travel between the supervisor and the launcher, one datagram each.
//! * [`Report`] is what a sandbox's own init says of its set-up and of its job, on the status pipe.
//! * A [`Refusal`] is what init saw refused to the job while it ran.
//! * [`Evidence`] is what init read back from the kernel before the job's first instruction.
//! * An [`Errand`] is what the init of a container that an engine runs is told, [`ContainerMessage`] what it answers.
//! * [`Told`] is what the recorder of a recording sandbox says of the program it watches.
//! * [`Stage`] names the steps of set-up, in order; a [`SetupError`] says which one failed.
//!
//! Every type here is parsed on the way in: a decoded value is within its bounds, or decoding fails. Neither
//! side reads text that a person wrote.
#![forbid(unsafe_code)]

mod bounded;
mod bpf;
mod codec;
mod confinement;
mod container;
mod denial;
mod evidence;
mod job;
mod limits;
mod mark;
mod name;
mod network;
mod plan;
mod stage;
mod trace;
mod view;
mod wire;

pub use bounded::{List, OutOfBounds};
pub use bpf::{SECCOMP_DATA_LEN, seccomp_data};
pub use codec::{CodecError, FRAME_MAX, STATUS_FRAME_MAX, decode, encode};
pub use confinement::{
    Access, Confinement, FILTER_MAX, Filter, Instruction, Landlock, LandlockRule, Rlimits,
};
pub use container::{
    Account, Cause, ContainerEvidence, ContainerLimits, ContainerMessage, Counted, Errand, OUTPUT_CHUNK_MAX,
    SECCOMP_MARK, SECCOMP_MARKS,
};
pub use denial::{Asked, Named, Refusal, Refused, WATCHED_MAX, Wall, WatchList, Watched};
pub use evidence::{Evidence, Mounted, Namespaces, StageTime};
pub use job::{Command, EnvVar, Input, Output, Task, WORK_DIR};
pub use limits::{CPU_PERIOD_US, Limits};
pub use mark::{Assignment, Mark};
pub use name::{AbsPath, Arg, CallName, EnvName, FileName, Hostname, NameError, RelPath};
pub use network::{LISTENERS_MAX, LOOPBACK, Network, NetworkFound};
pub use plan::{Digest, PLAN_VERSION, Plan};
pub use stage::{Errno, SetupError, Stage};
pub use trace::{
    Deed, FACTS_MAX, Fact, How, PRINTED_MAX, PathBytes, RECORDER, Recorded, TOLD_PATH_MAX, Told,
    arguments_that_matter,
};
pub use view::{Device, Entry, View};
pub use wire::{Ended, Found, JobSignal, LauncherFacts, NotCollected, Reply, Report, Request, Rusage};
