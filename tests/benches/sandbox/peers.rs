//! The peers that are installed, each started as its users start it.

use std::process::{Command, Stdio};

use super::Contestant;

/// Those that answer.
pub(crate) fn installed() -> Vec<Contestant> {
    let mut found = Vec::new();
    let answers = |name: &str| {
        Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    if answers("bwrap") {
        found.push(Contestant::command("bubblewrap", bwrap));
    }
    found
}

/// What bubblewrap offers that comes closest: no seccomp filter, no Landlock, no control group, no limits.
fn bwrap() -> Command {
    let mut command = Command::new("bwrap");
    command.args(["--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr"]);
    command.args([
        "--symlink",
        "usr/lib",
        "/lib",
        "--symlink",
        "usr/lib64",
        "/lib64",
        "--symlink",
        "usr/bin",
        "/bin",
    ]);
    command.args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "/usr/bin/true"]);
    command
}
