//! What the system tests share. They need root: building sandboxes is what is tested.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, prints its results, and starts the programs it tests"
)]

mod leftovers;
mod probe;
mod rig;
mod suite;

pub use leftovers::Leftovers;
pub use probe::{Control, build as build_probe};
pub use rig::{Rig, binary, plan_for};
pub use suite::Suite;
