//! Where a program of these tests is run: by `stockade exec` in production, as a user would run it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;
use stockade_tests::Place;

/// A directory with input files, and the policy under which programs run.
pub(crate) struct Desk {
    place: Place,
    policy: String,
}

/// What became of a program.
#[derive(Debug)]
pub(crate) struct Ran {
    /// What `exec` exited with.
    pub(crate) code: i32,
    /// `completed`, `failed`, `out_of_memory`, …
    pub(crate) status: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Outputs that were collected.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl Desk {
    /// With the policy of that name.
    pub(crate) fn new(policy: &str) -> Self {
        Self { place: Place::new("services: []\n"), policy: policy.to_owned() }
    }

    /// With a policy of this text.
    pub(crate) fn with_text(text: &str) -> Self {
        let desk = Self::new("");
        let policy = desk.file("policy.yaml", text.as_bytes()).to_str().unwrap().to_owned();
        Self { policy, ..desk }
    }

    /// With a policy of these clauses, as wide as `base` lets it be in what it needs to be a control.
    pub(crate) fn wider(clauses: &str) -> Self {
        let limits = "resource_limits: {memory_mb: 1024, cpu_seconds: 60, wall_seconds: 60, pids: 64, disk_mb: 512, \
                      files: 4096, open_files: 256, output_kb: 1024}";
        Self::with_text(&format!("policy: wider\nextends: base\n{limits}\n{clauses}\n"))
    }

    /// An input file, written here.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// A path here.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Runs a command with files that were written here as its input.
    pub(crate) fn run(&self, inputs: &[&str], command: &[&str]) -> Ran {
        let results = self.path("results");
        let _ = std::fs::remove_dir_all(&results);
        let inputs: Vec<PathBuf> = inputs.iter().map(|name| self.path(name)).collect();
        let output = self
            .place
            .command(&["exec", "--policy", &self.policy, "--json", "--environment", "production", "--output"])
            .arg(&results)
            .args(inputs.iter().flat_map(|path| [std::ffi::OsStr::new("--input"), path.as_os_str()]))
            .arg("--")
            .args(command)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let object: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
        let text = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
        Ran {
            code: output.status.code().unwrap(),
            status: text("status"),
            stdout: text("stdout"),
            stderr: format!("{}{}", text("stderr"), text("error")),
            files: collected(&results),
        }
    }
}

fn collected(results: &std::path::Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(results).into_iter().flatten().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    files
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect()
}

impl Ran {
    /// That it ran to a good end; its standard output.
    pub(crate) fn good(self) -> Result<Self, String> {
        if self.code == 0 { Ok(self) } else { Err(format!("{self:?}")) }
    }

    /// That it printed exactly this.
    pub(crate) fn printed(self, expected: &str) -> Result<(), String> {
        let ran = self.good()?;
        if ran.stdout == expected { Ok(()) } else { Err(format!("expected {expected:?}, but {ran:?}")) }
    }

    /// Whether standard error, or the job's own error, says this.
    pub(crate) fn says(&self, text: &str) -> bool {
        self.stderr.contains(text)
    }
}

/// Runs a program of the host here, outside of any sandbox: to make an input, or to show what a hostile one does there.
pub(crate) fn outside(desk: &Desk, command: &[&str]) -> std::process::Output {
    let mut outside = std::process::Command::new(command[0]);
    outside.args(&command[1..]).current_dir(desk.path("")).stdin(std::process::Stdio::null());
    outside.output().unwrap()
}

/// The same, and it must succeed.
pub(crate) fn make(desk: &Desk, command: &[&str]) {
    let output = outside(desk, command);
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
