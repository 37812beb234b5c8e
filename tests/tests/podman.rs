//! What `docker.rs` holds of Docker's engine, held of Podman. Needs root, and `podman` and `docker.io` of Debian, whose command
//! line speaks to either engine.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

#[path = "docker/alike.rs"]
mod alike;
#[path = "docker/between.rs"]
mod between;
#[path = "docker/ends.rs"]
mod ends;
#[path = "docker/engines.rs"]
mod engines;
#[path = "docker/honest.rs"]
mod honest;
#[path = "docker/hostile.rs"]
mod hostile;
#[path = "docker/networked.rs"]
mod networked;
#[path = "docker/preloaded.rs"]
mod preloaded;
#[path = "docker/refused.rs"]
mod refused;
#[path = "docker/rig.rs"]
mod rig;
#[path = "docker/secrets.rs"]
mod secrets;
#[path = "docker/volumes.rs"]
mod volumes;

use rig::{RIG, lacks_a_namespace, only_attempt, place, run, script, services_of, stdout};
use serde_json::{Value, json};
use stockade_tests::{Engine, Maker, Place, Server};

/// Whose engine the jobs run in.
const MAKER: Maker = Maker::Podman;
