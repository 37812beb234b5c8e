//! `stockade exec` among other programs: in pipelines, told by signals, at a terminal. Needs root.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "exec/pipelines.rs"]
mod pipelines;
#[path = "exec/signals.rs"]
mod signals;
#[path = "exec/tty.rs"]
mod tty;

use std::process::Command;
use std::time::Duration;

use stockade_tests::Place;

/// More than anything here takes that is not stuck.
const SOON: Duration = Duration::from_secs(15);

fn place() -> Place {
    Place::new("services: []\n")
}

/// `exec` of a shell script under `shell-utils`.
fn shell(place: &Place, script: &str) -> Command {
    place.command(&["exec", "--policy", "shell-utils", "--", "/bin/sh", "-c", script])
}

/// `exec` of a command under a policy that is written for it.
fn under(place: &Place, policy: &str, options: &[&str], command: &[&str]) -> Command {
    let path = place.path().join("policy.yaml");
    std::fs::write(&path, policy).unwrap();
    let path = path.to_str().unwrap().to_owned();
    let arguments: Vec<&str> =
        ["exec", "--policy", &path].iter().chain(options).chain(&["--"]).chain(command).copied().collect();
    place.command(&arguments)
}
