//! A container engine of the tests' own: Debian's dockerd on its own socket, with its own directories, without a bridge and
//! without a rule in the host's firewall.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::processes::signal;
use crate::rig::ACCOUNT;
use crate::wait::{ended, eventually};

const START: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(30);

/// Ends an engine whose test process went without doing so: standard input comes to its end when that process does.
const WATCHDOG: &str = r#"
read -r _
pid=$(cat "$1/pid" 2>/dev/null)
[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ] && kill -TERM "$pid"
tries=0
while [ -e "/proc/$pid" ] && [ "$tries" -lt 200 ]; do sleep 0.1; tries=$((tries + 1)); done
rm -rf "$1"
"#;

/// A running engine.
#[derive(Debug)]
pub struct Engine {
    child: Child,
    watchdog: Child,
    directory: TempDir,
}

impl Engine {
    /// Starts one, and waits until it answers.
    pub fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("engine-").tempdir_in("/tmp").expect("directory");
        std::fs::write(directory.path().join("daemon.json"), "{}").expect("configuration");
        let path = directory.path().to_owned();
        std::process::Command::new("chmod").arg("755").arg(&path).status().expect("chmod");
        let child = daemon(&path);
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .expect("watchdog");
        let engine = Self { child, watchdog, directory };
        engine.wait_until_ready();
        engine
    }

    fn wait_until_ready(&self) {
        eventually("the engine answers", START, || self.docker(&["version"]).status.success().then_some(()));
    }

    /// Starts it again after it was killed.
    pub fn start_again(&mut self) {
        self.child = daemon(self.directory.path());
        self.wait_until_ready();
    }

    /// Kills the daemon alone: what it started goes on.
    pub fn kill(&mut self) {
        signal(self.child.id(), Signal::KILL);
        ended(&mut self.child, STOP).expect("dockerd has ended");
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("docker.sock")
    }

    /// What `--docker-host` takes.
    pub fn address(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Docker's own command line.
    pub fn docker(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("docker");
        command.arg("--host").arg(self.address()).args(arguments).stdin(Stdio::null());
        command.output().expect("docker runs")
    }

    /// The same for what must succeed: what it prints.
    pub fn said(&self, arguments: &[&str]) -> String {
        let output = self.docker(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Imports an image with busybox and nothing else in it, changed as `docker import --change` does; the answer is
    /// `NAME@sha256:…`, by its id.
    pub fn import(&self, name: &str, changes: &[&str]) -> String {
        let root = tempfile::tempdir().expect("directory");
        let bin = root.path().join("bin");
        std::fs::create_dir(&bin).expect("directory");
        std::fs::copy("/bin/busybox", bin.join("busybox")).expect("busybox-static");
        for applet in [
            "sh", "cat", "echo", "sleep", "true", "id", "dd", "nc", "env", "ls", "mount", "mknod", "kill",
            "wget", "seq",
        ] {
            std::os::unix::fs::symlink("busybox", bin.join(applet)).expect("link");
        }
        let tar = root.path().join("image.tar");
        let made = Command::new("tar").arg("-C").arg(root.path()).arg("-cf").arg(&tar).arg("bin").status();
        assert!(made.expect("tar runs").success());
        let mut arguments = vec!["import"];
        for change in changes {
            arguments.extend(["--change", change]);
        }
        arguments.extend([tar.to_str().expect("path"), name]);
        self.said(&arguments);
        format!("{name}@{}", self.said(&["image", "inspect", name, "--format", "{{.Id}}"]))
    }

    /// The names of the containers that are ours, running or not.
    pub fn containers(&self) -> Vec<String> {
        let names =
            self.said(&["ps", "--all", "--no-trunc", "--filter", "name=stockade-", "--format", "{{.Names}}"]);
        names.lines().map(str::to_owned).collect()
    }

    /// The container of a job.
    pub fn container_of(&self, job: &str) -> Option<String> {
        self.containers().into_iter().find(|name| name.contains(job))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The watchdog does the rest; it also waits for what it ends.
        drop(self.watchdog.stdin.take());
        let _gone = ended(&mut self.child, STOP);
        let _gone = self.watchdog.wait();
    }
}

fn daemon(path: &Path) -> Child {
    let at = |name: &str| path.join(name);
    let log = std::fs::File::create(at("log")).expect("log");
    Command::new("dockerd")
        .arg(format!("--host=unix://{}", at("docker.sock").display()))
        .arg(format!("--data-root={}", at("data").display()))
        .arg(format!("--exec-root={}", at("exec").display()))
        .arg(format!("--pidfile={}", at("pid").display()))
        .arg(format!("--config-file={}", at("daemon.json").display()))
        .arg(format!("--group={ACCOUNT}"))
        .args([
            "--bridge=none",
            "--iptables=false",
            "--ip6tables=false",
            "--ip-forward=false",
            "--ip-masq=false",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::from(log.try_clone().expect("log")))
        .stderr(Stdio::from(log))
        .spawn()
        .expect("dockerd starts: `docker.io` of Debian")
}
