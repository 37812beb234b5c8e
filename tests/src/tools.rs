//! Programs that tests take from PyPI: pinned, and installed beside what Cargo builds, never on the host.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use crate::rig::binary;

/// A program that ends when this is dropped.
#[derive(Debug)]
pub struct Program(Child);

impl Program {
    /// Starts it.
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// The directory of packages that are installed together; its `bin` has their programs. The first test that asks
/// installs them.
pub fn packages(name: &str, pinned: &[&str]) -> PathBuf {
    let tools = tools();
    let directory = tools.join(format!("{name}-{}", pinned.join("-").replace("==", "-")));
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
    let profile = binary("");
    let tools = profile.parent().and_then(Path::parent).expect("target directory").join("tools");
    std::fs::create_dir_all(&tools).expect("directory");
    tools
}

/// A port of loopback that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("address").port()
}
