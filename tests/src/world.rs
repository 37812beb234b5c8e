//! A network of the test's own, with hosts that have names: nothing leaves the machine, nor reaches it.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

use nix::sched::{CloneFlags, unshare};

use crate::place::Place;

/// The hosts, in a network namespace that goes when they go.
#[derive(Debug)]
pub struct World {
    hosts: Child,
    /// They end when it closes.
    lifeline: Option<ChildStdin>,
    place: Place,
}

impl World {
    /// Makes it, and moves the calling thread, and all that it starts from then on, to a network namespace that is linked
    /// to it: its own address is 203.0.113.1, and its `/etc/hosts`, `/etc/resolv.conf` and `/etc/ssl/certs` know the world only.
    /// `tests/probes/world.py` says who is there. Needs root.
    pub fn enter() -> Self {
        let place = Place::new("");
        std::fs::create_dir(place.path().join("files")).expect("directory");
        let mut hosts = Command::new("unshare")
            .args(["--net", "--", "/usr/bin/python3"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/probes/world.py"))
            .arg(place.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the world starts");
        let mut said = BufReader::new(hosts.stdout.take().expect("output")).lines();
        let mut hear = |word: &str| assert_eq!(said.next().expect("a line").expect("a line"), word);
        hear("here");
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("namespaces");
        run(&["mount", "--make-rprivate", "/"]);
        for (name, text) in [
            ("resolv.conf", "nameserver 203.0.113.53\noptions timeout:2\n"),
            ("hosts", "127.0.0.1 localhost\n"),
        ] {
            let file = place.path().join(name);
            std::fs::write(&file, text).expect("write");
            run(&["mount", "--bind", file.to_str().expect("path"), &format!("/etc/{name}")]);
        }
        // Whom programs of the world trust.
        let certificates = place.path().join("certificates");
        std::fs::create_dir(&certificates).expect("directory");
        std::fs::copy(place.path().join("ca.pem"), certificates.join("ca-certificates.crt")).expect("copy");
        run(&["mount", "--bind", certificates.to_str().expect("path"), "/etc/ssl/certs"]);
        let pid = hosts.id().to_string();
        run(&["ip", "link", "set", "lo", "up"]);
        run(&["ip", "link", "add", "here", "type", "veth", "peer", "name", "world", "netns", &pid]);
        run(&["ip", "address", "add", "203.0.113.1/24", "dev", "here"]);
        run(&["ip", "link", "set", "here", "up"]);
        let mut lifeline = hosts.stdin.take().expect("input");
        lifeline.write_all(b"go\n").expect("write");
        hear("ready");
        run(&["ip", "route", "add", "default", "via", "203.0.113.10"]);
        Self { hosts, lifeline: Some(lifeline), place }
    }

    /// A file of the world: `ca.pem`, whom its hosts' certificates are signed by; `files/…`, which they serve under
    /// `/simple/` and `/packages/`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// What has reached the hosts so far, one line each.
    pub fn log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("log")).expect("log");
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // A test that fails drops it too; that it does not go is then the smaller worry.
        let _gone = self.hosts.wait();
    }
}

fn run(command: &[&str]) {
    let (program, arguments) = command.split_first().expect("a program");
    let output = Command::new(program).args(arguments).output().expect("starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
