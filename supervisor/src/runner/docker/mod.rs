//! The Docker runner: a job in a container of an engine that this host has.

mod container;
mod engine;
mod image;

pub use container::Identity;
pub use engine::{Engine, EngineError, EngineFacts, socket_path};
pub use image::ImageError;
