//! The Docker runner: a job in a container of an engine that this host has.

mod account;
mod container;
mod engine;
mod evidence;
mod image;
mod reaper;
mod run;
mod wire;

pub use container::Identity;
pub use engine::{Engine, EngineError, EngineFacts, socket_path};
pub use image::ImageError;
pub use reaper::Reaper;
pub use run::{NotRun, Order, Ran, Runs};
