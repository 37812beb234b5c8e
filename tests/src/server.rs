//! A running `stockade up` with a state directory of its own.

use std::fs::File;
use std::ops::Deref;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::database::Database;
use crate::place::Place;
use crate::processes::{Process, children, signal};
use crate::wait::{ended, eventually, polled};
use rustix::process::Signal;

/// Making a cluster is part of the first start.
const START: Duration = Duration::from_secs(60);
/// The time of grace for jobs, the server's own end, and some more.
const STOP: Duration = Duration::from_secs(20);

/// Ends a server whose test process went without doing so: standard input comes to its end when that process does.
const WATCHDOG: &str = r#"
read -r _
[ "$(cat "/proc/$1/comm" 2>/dev/null)" = stockade-full ] && kill -TERM "$1"
tries=0
while [ -e "/proc/$1" ] && [ "$tries" -lt 150 ]; do sleep 0.1; tries=$((tries + 1)); done
rm -rf "$2"
"#;

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
        Self::start_in(Place::new(services))
    }

    /// Starts one in a place, and waits until it takes jobs.
    pub fn start_in(place: Place) -> Self {
        Self::start_with(place, |_| ())
    }

    /// Like [`Server::start_in`], with what `more` adds to its command line and environment.
    pub fn start_with(place: Place, more: impl FnOnce(&mut Command)) -> Self {
        let database = Database::of(&place.state_dir());
        let mut worker = place.worker("up", &[]);
        more(&mut worker);
        let (child, watchdog) = spawn(&place, &mut worker);
        Self { child, watchdog, database, place }.ready()
    }

    /// Starts one more worker on the database of this one, in a place of its own with the same registry.
    pub fn second_worker(&self) -> Self {
        let place = self.place.like(&std::fs::read_to_string(self.place.services()).expect("registry"));
        self.second_worker_in(place)
    }

    /// Like [`Server::second_worker`], in this place.
    pub fn second_worker_in(&self, place: Place) -> Self {
        let (child, watchdog) =
            spawn(&place, &mut place.worker("serve", &["--database-url", &self.database.url()]));
        Self { child, watchdog, database: self.database.clone(), place }.ready()
    }

    /// Starts it again in the same place, after it has ended.
    pub fn start_again(&mut self) {
        self.start_again_with(|_| ());
    }

    /// Like [`Server::start_again`], with what `more` adds to its command line and environment.
    pub fn start_again_with(&mut self, more: impl FnOnce(&mut Command)) {
        assert!(self.child.try_wait().expect("wait").is_some(), "it still runs");
        self.dismiss_watchdog();
        let mut worker = self.place.worker("up", &[]);
        more(&mut worker);
        (self.child, self.watchdog) = spawn(&self.place, &mut worker);
        self.wait_until_ready();
    }

    fn ready(mut self) -> Self {
        self.wait_until_ready();
        self
    }

    fn wait_until_ready(&mut self) {
        eventually("the server takes jobs", START, || {
            let log = self.place.log();
            let ended = self.child.try_wait().expect("wait");
            assert!(ended.is_none(), "the server ended: {log}");
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
        self.place.log()
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

    /// Kills it, so that it can do nothing about its end.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait();
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

fn spawn(place: &Place, worker: &mut Command) -> (Child, Child) {
    let log = File::create(place.log_file()).expect("log");
    // A group of its own: Ctrl-C at the tests is for the tests, which end it then.
    let child = worker.stderr(log).process_group(0).spawn().expect("stockade runs");
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
