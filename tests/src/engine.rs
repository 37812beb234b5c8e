//! A container engine of the tests' own: Debian's dockerd or Podman on its own socket, with its own directories, without a bridge
//! and without a rule in the host's firewall.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::processes::signal;
use crate::rig::ACCOUNT;
use crate::wait::{ended, eventually};

/// One that was killed ends what ran under it first, and gives that ten seconds.
const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(30);

/// Whose engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// `dockerd`, of Debian's `docker.io`.
    Docker,
    /// `podman system service`, of Debian's `podman`.
    Podman,
}

/// Another runtime than the default. Its platform is the one that takes nothing of the host.
const DAEMON_JSON: &str = r#"{"runtimes": {"runsc": {"path": "/usr/bin/runsc", "runtimeArgs": ["--platform=ptrace", "--network=none"]}}}"#;

/// Podman's runtime is runc here: crun, Debian's default, starts nothing where control groups of both versions are mounted.
/// Its locks would be those of the host's own Podman.
const CONTAINERS_CONF: &str = "[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\nlock_type = \"file\"\nruntime = \"runc\"\n";

/// Ends an engine whose test process went without doing so: standard input comes to its end when that process does.
const WATCHDOG: &str = r#"
read -r _
if [ -e "$1/podman.pid" ]; then
    CONTAINERS_CONF="$1/containers.conf" podman --root "$1/data" --runroot "$1/run" --tmpdir "$1/tmp" rm --all --force --volumes
    CONTAINERS_CONF="$1/containers.conf" podman --root "$1/data" --runroot "$1/run" --tmpdir "$1/tmp" volume rm --all --force
fi
for name in podman dockerd containerd; do
    pid=$(cat "$1/$name.pid" 2>/dev/null)
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$name" ] && kill -TERM "$pid"
    tries=0
    while grep -qs '^State:.[^Z]' "/proc/$pid/status" && [ "$tries" -lt 200 ]; do sleep 0.1; tries=$((tries + 1)); done
done
awk -v at="$1/" 'index($5, at) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r mount; do umount "$mount"; done
rm -rf "$1"
"#;

/// A running engine.
#[derive(Debug)]
pub struct Engine {
    maker: Maker,
    child: Child,
    /// What holds Docker's containers, and goes on when it is killed, as on a host where a service manager keeps both.
    containerd: Option<Child>,
    watchdog: Child,
    directory: TempDir,
}

impl Engine {
    /// Whose it is.
    pub fn maker(&self) -> Maker {
        self.maker
    }

    /// Starts one, and waits until it answers.
    pub fn start(maker: Maker) -> Self {
        let directory = tempfile::Builder::new().prefix("engine-").tempdir_in("/tmp").expect("directory");
        let path = directory.path().to_owned();
        std::process::Command::new("chmod").arg("755").arg(&path).status().expect("chmod");
        let configuration = match maker {
            Maker::Docker => ("daemon.json", DAEMON_JSON),
            Maker::Podman => ("containers.conf", CONTAINERS_CONF),
        };
        std::fs::write(path.join(configuration.0), configuration.1).expect("configuration");
        let containerd = (maker == Maker::Docker).then(|| containerd(&path));
        let child = service(maker, &path);
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("watchdog");
        let engine = Self { maker, child, containerd, watchdog, directory };
        engine.wait_until_ready();
        engine
    }

    fn wait_until_ready(&self) {
        eventually("the engine answers", START, || self.docker(&["version"]).status.success().then_some(()));
    }

    /// Starts it again after it was killed.
    pub fn start_again(&mut self) {
        // It is not taken for running because another process has its number by now.
        let _gone = std::fs::remove_file(self.directory.path().join("dockerd.pid"));
        self.child = service(self.maker, self.directory.path());
        self.wait_until_ready();
    }

    /// Kills the daemon alone: what it started goes on.
    pub fn kill(&mut self) {
        signal(self.child.id(), Signal::KILL);
        ended(&mut self.child, STOP).expect("the engine has ended");
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
        self.import_with(name, changes, |_| ())
    }

    /// The same with what `add` puts into its `/bin`, or beside that.
    pub fn import_with(&self, name: &str, changes: &[&str], add: impl Fn(&Path)) -> String {
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
        add(&bin);
        let names = std::fs::read_dir(root.path()).expect("directory");
        let names: Vec<_> = names.map(|entry| entry.expect("entry").file_name()).collect();
        let tar = root.path().join("image.tar");
        let made = Command::new("tar").arg("-C").arg(root.path()).arg("-cf").arg(&tar).args(names).status();
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

    /// The names of the volumes that are ours.
    pub fn volumes(&self) -> Vec<String> {
        let names = self.said(&["volume", "ls", "--format", "{{.Name}}"]);
        names.lines().filter(|name| name.starts_with("stockade-")).map(str::to_owned).collect()
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
        let _gone = self.containerd.as_mut().map(|child| ended(child, STOP));
        let _gone = self.watchdog.wait();
    }
}

fn containerd(path: &Path) -> Child {
    let at = |name: &str| path.join(name);
    // Plugins of other engines' have no place here.
    let configuration = "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n";
    std::fs::write(at("containerd.toml"), configuration).expect("configuration");
    let log = std::fs::File::create(at("containerd.log")).expect("log");
    let child = Command::new("containerd")
        .arg("--config")
        .arg(at("containerd.toml"))
        .arg("--root")
        .arg(at("containerd"))
        .arg("--state")
        .arg(at("run"))
        .arg("--address")
        .arg(at("containerd.sock"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::from(log))
        .spawn()
        .expect("containerd starts: `docker.io` of Debian brings it");
    std::fs::write(at("containerd.pid"), child.id().to_string()).expect("pid");
    child
}

fn service(maker: Maker, path: &Path) -> Child {
    match maker {
        Maker::Docker => dockerd(path),
        Maker::Podman => podman(path),
    }
}

fn podman(path: &Path) -> Child {
    let at = |name: &str| path.join(name);
    let log = std::fs::OpenOptions::new().create(true).append(true).open(at("log")).expect("log");
    let socket = at("docker.sock");
    let _gone = std::fs::remove_file(&socket);
    // What watches its containers leaves a file where it was started when one runs out of memory.
    let child = Command::new("podman")
        .current_dir(path)
        .env("CONTAINERS_CONF", at("containers.conf"))
        .arg(format!("--root={}", at("data").display()))
        .arg(format!("--runroot={}", at("run").display()))
        .arg(format!("--tmpdir={}", at("tmp").display()))
        .arg(format!("--network-config-dir={}", at("networks").display()))
        .args(["--log-level=info", "system", "service", "--time=0"])
        .arg(format!("unix://{}", socket.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::from(log.try_clone().expect("log")))
        .stderr(Stdio::from(log))
        .spawn()
        .expect("podman starts: `podman` of Debian");
    std::fs::write(at("podman.pid"), child.id().to_string()).expect("pid");
    eventually("podman listens", START, || socket.exists().then_some(()));
    let group = Command::new("chgrp").arg(ACCOUNT).arg(&socket).status().expect("chgrp runs");
    assert!(group.success());
    std::fs::set_permissions(&socket, std::os::unix::fs::PermissionsExt::from_mode(0o660)).expect("mode");
    child
}

fn dockerd(path: &Path) -> Child {
    let at = |name: &str| path.join(name);
    let log = std::fs::File::create(at("log")).expect("log");
    eventually("containerd listens", START, || at("containerd.sock").exists().then_some(()));
    Command::new("dockerd")
        .arg(format!("--containerd={}", at("containerd.sock").display()))
        .arg(format!("--host=unix://{}", at("docker.sock").display()))
        .arg(format!("--data-root={}", at("data").display()))
        .arg(format!("--exec-root={}", at("exec").display()))
        .arg(format!("--pidfile={}", at("dockerd.pid").display()))
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
