//! Programs that tests take from PyPI: pinned, and installed beside what Cargo builds, never on the host.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::rig::binary;

/// Ends a group of processes when its standard input does: when the test process lets go of it, or is gone.
const WATCHDOG: &str = r#"read -r _; kill -KILL "-$1""#;

/// A program, with what it starts: ends when this is dropped, or this process.
#[derive(Debug)]
pub struct Program {
    program: Child,
    watchdog: Child,
}

impl Program {
    /// Starts it, without input and output.
    pub fn start(command: &mut Command) -> Self {
        let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let program = silent.process_group(0).spawn();
        let program = program.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let watchdog = Command::new("/bin/sh")
            .args(["-c", WATCHDOG, "watchdog", &program.id().to_string()])
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("sh runs");
        Self { program, watchdog }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _gone = (self.watchdog.wait(), self.program.wait());
    }
}

/// The directory of packages that are installed together; its `bin` has their programs. The first test that asks
/// installs them.
pub fn packages(pinned: &[&str]) -> PathBuf {
    let tools = tools();
    let directory = tools.join(pinned.join(","));
    let lock = File::create(tools.join("lock")).expect("lock");
    lock.lock().expect("lock");
    if !directory.is_dir() {
        let made = tools.join("unfinished");
        let _older = std::fs::remove_dir_all(&made);
        let done = Command::new("/usr/bin/python3")
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--root-user-action", "ignore", "--only-binary", ":all:", "--target"])
            .arg(&made)
            .args(pinned)
            .status()
            .expect("pip starts");
        assert!(done.success(), "cannot install {pinned:?}");
        std::fs::rename(made, &directory).expect("rename");
    }
    directory
}

/// A Python program of such a directory.
pub fn python(packages: &Path) -> Command {
    let mut command = Command::new("/usr/bin/python3");
    command.env("PYTHONPATH", packages);
    command
}

/// Where such things lie: beside the profiles that Cargo builds.
pub fn tools() -> PathBuf {
    // A program's profile lies in the target directory.
    let program = binary("stockade");
    let tools = program.parent().and_then(Path::parent).expect("target directory").join("tools");
    std::fs::create_dir_all(&tools).expect("directory");
    tools
}

/// A port of loopback that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("address").port()
}
