//! A running `stockade up` with a state directory of its own.

use std::fs::File;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::database::Database;
use crate::processes::{Process, children, signal};
use crate::rig::binary;
use crate::wait::{ended, eventually, polled};

/// Making a cluster is part of the first start.
const START: Duration = Duration::from_secs(60);
/// The time of grace for jobs, the server's own end, and some more.
const STOP: Duration = Duration::from_secs(20);

/// Ends a server whose test process went without doing so: standard input comes to its end when that process does.
const WATCHDOG: &str = r#"
read -r _
[ "$(cat "/proc/$1/comm" 2>/dev/null)" = stockade ] && kill -TERM "$1"
tries=0
while [ -e "/proc/$1" ] && [ "$tries" -lt 150 ]; do sleep 0.1; tries=$((tries + 1)); done
rm -rf "$2"
"#;

/// A directory with a registry in it, and a state directory beside that.
#[derive(Debug)]
pub struct Place {
    directory: TempDir,
}

impl Place {
    /// A new one, with this text as its registry.
    pub fn new(services: &str) -> Self {
        // Not below one that only root may enter; and short, for the path of a socket in it.
        let directory = tempfile::Builder::new().prefix("stockade-").tempdir_in("/tmp").expect("directory");
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755))
            .expect("permissions");
        let place = Self { directory };
        std::fs::write(place.services(), services).expect("registry");
        place
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
        self.path().join("state")
    }

    /// `stockade` with these arguments and this state directory.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("stockade"));
        command.args(arguments).env("STOCKADE_STATE_DIR", self.state_dir()).stdin(Stdio::null());
        command
    }

    /// Runs `stockade` to its end.
    pub fn stockade(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("stockade runs")
    }

    /// `stockade up` here, with more arguments, ready to be started.
    pub fn up(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&["up", "--concurrency", "8", "--lease", "6", "--grace", "2"]);
        command.arg("--services").arg(self.services()).args(arguments);
        command
    }
}

/// A running server; stopped when dropped, and its place removed.
#[derive(Debug)]
pub struct Server {
    child: Child,
    watchdog: Child,
    database: Database,
    place: Place,
}

/// A server can be asked what its database can be asked.
impl Deref for Server {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.database
    }
}

impl Server {
    /// Starts one in a place of its own, with this registry.
    pub fn start(services: &str) -> Self {
        Self::start_in(Place::new(services), &[])
    }

    /// Starts one with more arguments, and waits until it takes jobs.
    pub fn start_in(place: Place, arguments: &[&str]) -> Self {
        let (child, watchdog) = spawn(&place, arguments);
        let server = Self { child, watchdog, database: Database::of(&place.state_dir()), place };
        server.wait_until_ready();
        server
    }

    /// Starts it again in the same place, after it has ended.
    pub fn start_again(&mut self, arguments: &[&str]) {
        assert!(self.child.try_wait().expect("wait").is_some(), "it still runs");
        self.dismiss_watchdog();
        (self.child, self.watchdog) = spawn(&self.place, arguments);
        self.wait_until_ready();
    }

    fn wait_until_ready(&self) {
        let pid = self.child.id();
        eventually("the server takes jobs", START, || {
            let log = self.log();
            assert!(!log.contains("stockade: "), "the server did not start: {log}");
            let gone = !Path::new("/proc").join(pid.to_string()).join("exe").is_symlink();
            assert!(!gone, "the server ended: {log}");
            log.contains("taking jobs").then_some(())
        });
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged since it was started last.
    pub fn log(&self) -> String {
        std::fs::read_to_string(log_of(&self.place)).unwrap_or_default()
    }

    /// Its launcher.
    pub fn launcher(&self) -> Process {
        self.child_named("stockade-launc")
    }

    /// The first process of its Postgres.
    pub fn postgres(&self) -> Process {
        self.child_named("postgres")
    }

    fn child_named(&self, name: &str) -> Process {
        let all = children(self.pid());
        all.into_iter().find(|child| child.name.starts_with(name)).unwrap_or_else(|| panic!("no {name}"))
    }

    /// Sends it a signal.
    pub fn signal(&self, which: Signal) {
        signal(self.pid(), which);
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> ExitStatus {
        ended(&mut self.child, STOP).unwrap_or_else(|| panic!("it has not ended: {}", self.log()))
    }

    /// Ends it as it would be ended.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Kills it, and waits until its Postgres has noticed.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait();
        let socket = self.place.state_dir().join("postgres/socket/.s.PGSQL.5432");
        eventually("Postgres has noticed", STOP, || std::fs::symlink_metadata(&socket).err());
    }

    fn dismiss_watchdog(&mut self) {
        // It may be gone already.
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the server's log:\n{}", self.log());
        }
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.signal(Signal::TERM);
            if polled(STOP, || self.child.try_wait().ok().flatten()).is_none() {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }
        self.dismiss_watchdog();
    }
}

fn log_of(place: &Place) -> PathBuf {
    place.path().join("up.log")
}

fn spawn(place: &Place, arguments: &[&str]) -> (Child, Child) {
    let log = File::create(log_of(place)).expect("log");
    // A group of its own: Ctrl-C at the tests is for the tests, which end it then.
    let child = place.up(arguments).stderr(log).process_group(0).spawn().expect("stockade up runs");
    let watchdog = Command::new("/bin/sh")
        .args(["-c", WATCHDOG, "watchdog", &child.id().to_string()])
        .arg(place.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("sh runs");
    (child, watchdog)
}
