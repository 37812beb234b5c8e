//! What a peer has in force, read inside it and compared with the host.

use std::process::{Command, Stdio};

/// A command that tells it.
pub(crate) const LOOK: [&str; 3] = [
    "/bin/sh",
    "-c",
    "/usr/bin/cat /proc/self/status /proc/self/mountinfo; /usr/bin/readlink /proc/self/ns/* && test -w / && echo root-writable",
];

/// Namespaces that can be of one's own; the clock's is left out, nobody gives a sandbox one.
const NAMESPACES: [&str; 7] = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];

/// In words.
pub(crate) fn found_by(mut look: Command) -> String {
    let output = look.stdin(Stdio::null()).stderr(Stdio::null()).output().expect("the peer starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let shared: Vec<&str> = NAMESPACES.into_iter().filter(|kind| is_shared(&text, kind)).collect();
    let namespaces = match shared.as_slice() {
        [] => "all 7 namespaces".to_owned(),
        shared => format!("{} of 7 namespaces (not {})", 7 - shared.len(), shared.join(", ")),
    };
    let has = |field: &str, value: &str| {
        text.lines().any(|line| line.strip_prefix(field).is_some_and(|found| found.trim() == value))
    };
    let words = [
        (true, namespaces.as_str()),
        (has("CapEff:", "0000000000000000") && has("CapBnd:", "0000000000000000"), "no capability"),
        (has("NoNewPrivs:", "1"), "no_new_privs"),
        (has("Seccomp:", "2"), "a seccomp filter"),
        (!text.contains("root-writable"), "a read-only root"),
    ];
    words.into_iter().filter(|(holds, _)| *holds).map(|(_, word)| word).collect::<Vec<_>>().join(", ")
}

/// Whether the command saw the namespace that this process is in.
fn is_shared(text: &str, kind: &str) -> bool {
    let own = std::fs::read_link(format!("/proc/self/ns/{kind}")).expect("a namespace of this process");
    text.lines().any(|line| own.to_str() == Some(line.trim()))
}
