//! What the system tests share. They need root: building sandboxes is what is tested.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, prints its results, and starts the programs it tests"
)]

mod corpus;
mod database;
mod endpoint;
mod engine;
mod holdings;
mod jobs;
mod leftovers;
mod place;
mod processes;
mod rig;
mod server;
mod suite;
mod terminal;
mod tools;
mod turns;
mod wait;
mod world;

pub use corpus::{
    Case, Control, Place as ControlPlace, compile as compile_corpus, compile_program, gather as gather_corpus,
};
pub use database::{Database, literal};
pub use endpoint::{Answer, Asked, Endpoint};
pub use engine::{Engine, Maker};
pub use holdings::{Holdings, Worker, memory_kb, network_namespaces};
pub use jobs::{bytes, is_final};
pub use leftovers::Leftovers;
pub use place::Place;
pub use processes::{Process, children, groups_of_worker, is_stopped, job_processes, processes, signal};
pub use rig::{Rig, binary, job, plan_for};
pub use server::Server;
pub use suite::Suite;
pub use terminal::Terminal;
pub use tools::{Program, free_port, packages, python, tools};
pub use turns::{Turns, run_once};
pub use wait::{ended, eventually, patience, polled, slack};
pub use world::World;
