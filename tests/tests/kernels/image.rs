//! What runs in the machines: this build's programs, and a root file system around them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use stockade_tests::{binary, gather_corpus};

use crate::kernel::{run, scripts};

/// This build's programs, gathered in a directory.
pub(crate) struct Programs(PathBuf);

impl Programs {
    /// Copies them together, and compiles what the machines have no compiler for.
    pub(crate) fn gather(directory: &Path) -> Self {
        let programs = directory.join("programs");
        let _none_yet = std::fs::remove_dir_all(&programs);
        std::fs::create_dir_all(programs.join("deps")).unwrap();
        std::fs::create_dir_all(programs.join("probes")).unwrap();
        for name in ["stockade", "stockade-full", "stockade-launcher", "stockade-recorder"] {
            std::fs::copy(binary(name), programs.join(name)).unwrap();
        }
        std::fs::copy(suite(), programs.join("deps/sandbox")).unwrap();
        gather_corpus(&programs.join("probes"));
        Self(programs)
    }

    /// The names of the suite's tests, as it tells them itself, and of the groups that are not run.
    pub(crate) fn tests(&self, groups: Option<&str>, skip: &str) -> (BTreeSet<String>, BTreeSet<String>) {
        let mut list = Command::new(self.0.join("deps/sandbox"));
        let listed = list.args(["--list", &format!("--skip={skip}")]).args(groups).output().unwrap();
        assert!(listed.status.success(), "{listed:?}");
        let said = String::from_utf8(listed.stdout).unwrap();
        let after = |start: &str| {
            said.lines().filter_map(|line| line.strip_prefix(start)).map(str::to_owned).collect()
        };
        (after("test "), after("not run "))
    }
}

/// The sandbox suite, built.
fn suite() -> PathBuf {
    let build = ["test", "--locked", "--no-run", "--quiet", "-p", "stockade-tests", "--test", "sandbox"];
    let cargo = std::env::var_os("CARGO").expect("cargo runs this");
    let built = Command::new(cargo).args(build).arg("--message-format=json").output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let messages = String::from_utf8(built.stdout).unwrap();
    let mut artifacts =
        messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let is_suite = |artifact: &serde_json::Value| {
        artifact["target"]["name"] == "sandbox" && artifact["executable"].is_string()
    };
    let suite = artifacts.rfind(is_suite).expect("cargo tells where the suite is");
    PathBuf::from(suite["executable"].as_str().unwrap())
}

/// A root file system with the programs in it.
pub(crate) fn root(directory: &Path, programs: &Programs) -> PathBuf {
    let image = directory.join("root.img");
    run(Command::new(scripts().join("image.sh")).arg(&image).arg(&programs.0));
    image
}
