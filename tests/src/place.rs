//! Where a server or a command of a test keeps what it has.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::rig::binary;

/// A directory with a registry in it, and a state directory beside that.
#[derive(Debug)]
pub struct Place {
    directory: TempDir,
    engine: Option<String>,
    environment: Option<&'static str>,
    state: &'static str,
}

impl Place {
    /// A new one, with this text as its registry.
    pub fn new(services: &str) -> Self {
        // Not below one that only root may enter; and short, for the path of a socket in it.
        let directory = tempfile::Builder::new().prefix("stockade-").tempdir_in("/tmp").expect("directory");
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755))
            .expect("permissions");
        let place = Self { directory, engine: None, environment: None, state: "state" };
        std::fs::write(place.services(), services).expect("registry");
        place
    }

    /// With a container engine at this address.
    #[must_use]
    pub fn with_engine(self, address: String) -> Self {
        Self { engine: Some(address), ..self }
    }

    /// In this environment, where it is not `production`.
    #[must_use]
    pub fn in_environment(self, environment: Option<&'static str>) -> Self {
        Self { environment, ..self }
    }

    /// With a state directory of this name.
    #[must_use]
    pub fn with_state_in(self, name: &'static str) -> Self {
        Self { state: name, ..self }
    }

    /// Another with the same engine and environment.
    pub(crate) fn like(&self, services: &str) -> Self {
        Self { engine: self.engine.clone(), environment: self.environment, ..Self::new(services) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The registry.
    pub fn services(&self) -> PathBuf {
        self.path().join("services.yaml")
    }

    /// The state directory. It is there once something has been started.
    pub fn state_dir(&self) -> PathBuf {
        self.path().join(self.state)
    }

    /// `stockade` with these arguments and this state directory.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(&binary("stockade"), arguments)
    }

    /// As [`Place::command`], of the program with that path.
    pub fn command_of(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env("STOCKADE_STATE_DIR", self.state_dir()).stdin(Stdio::null());
        command.envs(self.engine.iter().map(|address| ("STOCKADE_DOCKER_HOST", address)));
        command.envs(self.environment.map(|name| ("STOCKADE_ENVIRONMENT", name)));
        command
    }

    /// Runs `stockade` to its end.
    pub fn stockade(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("stockade runs")
    }

    /// A worker here, ready to be started: `up`, or `serve` with a database.
    pub fn worker(&self, subcommand: &str, arguments: &[&str]) -> Command {
        let mut command = self.command(&[subcommand, "--concurrency", "8", "--lease", "6", "--grace", "2"]);
        command.arg("--services").arg(self.services()).args(arguments);
        command
    }

    /// What has been logged by the worker that was started here last.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Where a worker's log goes.
    pub(crate) fn log_file(&self) -> PathBuf {
        self.path().join("log")
    }
}
