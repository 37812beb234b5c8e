//! A job with a network, run by `stockade exec` as a user would run it.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use stockade_tests::{Place, World};

/// Hosts that most of these policies name.
pub(super) const HOSTS: &str = "hosts: [\"a.example:80\", \"a.example:443\"]";

/// What the scripts of these tests begin with: asking the proxy in its own words.
pub(super) const ASK: &str = r#"
import os, socket, ssl, struct, sys
def proxy():
    return socket.create_connection(('127.0.0.1', 3128), 10)
def read(s, count):
    data = b''
    while len(data) < count:
        more = s.recv(count - len(data))
        if not more: break
        data += more
    return data
def rest(s):
    try:
        data = b''
        while more := s.recv(65536): data += more
    except OSError: pass
    return data
def socks(address, port):
    s = proxy()
    s.sendall(b'\x05\x01\0')
    assert read(s, 2) == b'\x05\0'
    s.sendall(b'\x05\x01\0' + address + struct.pack('>H', port))
    return s, read(s, 10)[1:2]
def named(name):
    return b'\x03' + bytes([len(name)]) + name
def connect(target):
    s = proxy()
    s.sendall(b'CONNECT ' + target + b' HTTP/1.1\r\n\r\n')
    head = b''
    while b'\r\n\r\n' not in head:
        more = s.recv(1)
        if not more: break
        head += more
    return s, head.split(b' ')[1] if head else b''
def ask(request, how=proxy):
    s = how()
    s.sendall(request)
    return rest(s)
def tls(s, name):
    context = ssl.create_default_context(cafile='ca.pem')
    context.check_hostname = False
    return context.wrap_socket(s, server_hostname=name)
"#;

/// The world, and a place for policies.
pub(super) struct Net {
    pub(super) world: World,
    pub(super) place: Place,
}

/// What became of a job.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) stdout: String,
    pub(super) stderr: String,
    /// Of the layer `egress`: what was refused, and how often.
    pub(super) denials: Vec<(String, u64)>,
    pub(super) network: Value,
    pub(super) enforcement: Value,
}

impl Net {
    pub(super) fn enter() -> Self {
        Self { world: World::enter(), place: Place::new("services: []\n") }
    }

    /// The text of a policy with this network.
    pub(super) fn text(network: &str) -> String {
        format!(
            "policy: net
extends: base
commands: [/usr/bin/curl, /usr/bin/python3, /usr/bin/node, /bin/sh]
resource_limits: {{memory_mb: 512, cpu_seconds: 30, wall_seconds: 40, pids: 64, disk_mb: 64, files: 1024, \
             open_files: 1024, output_kb: 1024}}
filesystem: {{write: [/job, /tmp]}}
network: {{{network}}}
syscalls: {{profile: standard}}
"
        )
    }

    /// `stockade exec`, ready to be started.
    pub(super) fn command(&self, network: &str, command: &[&str]) -> Command {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let policy = self.place.path().join(format!("{number}.yaml"));
        std::fs::write(&policy, Self::text(network)).unwrap();
        let mut exec = self.place.command(&["exec", "--json", "--environment", "production", "--policy"]);
        exec.arg(policy).arg("--input").arg(self.world.path("ca.pem")).arg("--").args(command);
        exec
    }

    pub(super) fn exec(&self, network: &str, command: &[&str]) -> Ran {
        told(&self.command(network, command).output().unwrap())
    }

    /// Under a policy that names [`HOSTS`].
    pub(super) fn sh(&self, script: &str) -> Ran {
        self.exec(&format!("mode: allowlist, {HOSTS}"), &["/bin/sh", "-c", script])
    }

    /// Python with [`ASK`] in front, under a policy with these destinations.
    pub(super) fn python(&self, destinations: &str, script: &str) -> Ran {
        let script = format!("{ASK}{script}");
        self.exec(&format!("mode: allowlist, {destinations}"), &["/usr/bin/python3", "-c", &script])
    }

    /// Lines of the world's log that are not in `before`.
    pub(super) fn since(&self, before: &[String]) -> Vec<String> {
        self.world.log().split_off(before.len())
    }
}

/// What `exec --json` told.
pub(super) fn told(output: &Output) -> Ran {
    let said = String::from_utf8_lossy(&output.stderr);
    let object: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    let text = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
    let context = &object["security_context"];
    let denials = context["denials"].as_array().unwrap().iter().filter(|denial| denial["layer"] == "egress");
    Ran {
        stdout: text("stdout"),
        stderr: format!("{}{}", text("stderr"), text("error")),
        denials: denials
            .map(|denial| (denial["target"].as_str().unwrap().to_owned(), denial["count"].as_u64().unwrap()))
            .collect(),
        network: context["network"].clone(),
        enforcement: context["enforcement"].clone(),
    }
}

impl Ran {
    /// That it printed exactly this.
    pub(super) fn printed(&self, expected: &str) -> &Self {
        assert_eq!(self.stdout, expected, "{}\n{self:#?}", self.stderr);
        self
    }

    /// Each connection in these words.
    pub(super) fn connections(&self, keys: &[&str]) -> Vec<String> {
        let connections = self.network["connections"].as_array().unwrap();
        let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        connections
            .iter()
            .map(|one| keys.iter().map(|key| word(&one[key])).collect::<Vec<_>>().join(" "))
            .collect()
    }

    /// Why each connection that was not made was not.
    pub(super) fn reasons(&self) -> Vec<String> {
        let reasons = self.connections(&["reason"]);
        reasons.into_iter().filter(|reason| reason != "null").collect()
    }
}
