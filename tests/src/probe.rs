//! The probes: small programs that try what a job must not get away with.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What the same probe does outside a sandbox, run by an unprivileged user of the bare host: that it works, or
/// that another layer than ours already refuses it, shows that the probe asks the right question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// It works there.
    Works,
    /// It works there, or the kernel is too old to know it and says this.
    WorksOrUnknown(&'static str),
    /// It is refused there with this error, other than in a sandbox.
    Refused(&'static str),
    /// It is refused there with the same error; a sandbox adds a layer that cannot be told apart by the error.
    SameRefusal,
    /// The bare host has no such thing, or the answer depends on its kernel: the verdict of the layer counts.
    HostLacks,
}

/// Compiles the probe, statically, into `directory`; where there is no compiler it lies ready in the directory that
/// `STOCKADE_PROBES` names.
pub fn build(directory: &Path) -> PathBuf {
    if let Some(ready) = std::env::var_os("STOCKADE_PROBES") {
        let program = directory.join("probe");
        std::fs::copy(Path::new(&ready).join("probe"), &program).expect("the probe lies ready");
        return program;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("probes/probe.c");
    let program = directory.join("probe");
    let compiled = Command::new("cc")
        .args(["-O1", "-static", "-Wall", "-Wextra", "-Werror", "-o"])
        .args([&program, &source])
        .status()
        .expect("cc runs");
    assert!(compiled.success(), "the probe does not compile");
    program
}
