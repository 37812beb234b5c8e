//! Programs that would like a policy wider than they need, or no recording at all. Whatever they do, no right comes of it
//! that does not stand in the text, and no host comes to harm.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;

use stockade_tests::job_processes;

use super::support::{learn, refusal, stderr, try_learn};

fn python(script: &str) -> [&str; 3] {
    ["/usr/bin/python3", "-c", script]
}

#[test]
fn what_is_tried_and_cannot_be_granted_is_a_comment() {
    let script = "
import socket, os
def attempt(what):
    try: what()
    except OSError: pass
attempt(lambda: open('/etc/shadow'))
attempt(lambda: open('/usr/lib/planted', 'w'))
attempt(lambda: socket.create_connection(('192.0.2.1', 443), 1))
attempt(lambda: os.chroot('/'))
attempt(lambda: os.listdir('/usr/bin'))
";
    let learned = learn(&[], &python(script));
    for tried in [
        "read `/etc/shadow`",
        "write `/usr/lib/planted`",
        "connect 192.0.2.1:443",
        "the call `chroot`",
        "read `/usr/bin`",
    ] {
        assert!(learned.tells(tried), "{tried}: {}", learned.text);
    }
    assert_eq!(learned.items("commands"), ["/usr/bin/python3"]);
    assert!(!learned.text.contains("\nnetwork:") && learned.items("add").is_empty(), "{}", learned.text);
}

#[test]
fn a_recording_shows_no_secret() {
    let script = "
import os
for path in ['/etc/shadow', '/etc/ssh', '/root', '/home', '/var', '/run/docker.sock', '/sys', '/boot']:
    assert not os.path.exists(path), path
assert os.path.exists('/usr/bin/gcc') and os.path.exists('/etc/alternatives')
assert open('/etc/passwd').read().count('\\n') == 2
";
    // No policy shows all of that, so only the recording counts.
    let learned = try_learn(&["--trials", "0"], &python(script)).unwrap();
    assert_eq!(learned.said["recording"]["exit_code"], 0, "{}", learned.said);
    assert!(!learned.items("read").contains(&"/usr/lib".to_owned()), "{}", learned.text);
}

#[test]
fn names_cannot_break_out_of_their_line() {
    let directory = tempfile::tempdir_in("/var/tmp").unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let names: [&[u8]; 6] = [
        b"new\nline: [etc]",
        b"quote\" # comment",
        b"- evil",
        b"back\\slash\\",
        b"bad\xffbytes",
        "rtl\u{202e}name".as_bytes(),
    ];
    for name in names {
        std::fs::write(directory.path().join(std::ffi::OsStr::from_bytes(name)), "x").unwrap();
    }
    let script = "
import os, sys
for name in os.scandir(b'.'): pass
for name in [b'new\\nline: [etc]', b'quote\" # comment', b'- evil', b'back\\\\slash\\\\', b'bad\\xffbytes', 'rtl\\u202ename'.encode()]:
    open(os.path.join(sys.argv[1].encode(), name)).read()
    open(name, 'w').write('left')
";
    let path = directory.path().to_str().unwrap();
    let learned = try_learn(&["--show", path], &["/usr/bin/python3", "-c", script, path])
        .unwrap_or_else(|output| panic!("{}", stderr(&output)));
    learned.assert_is_policy();
    assert_eq!(learned.items("commands"), ["/usr/bin/python3"]);
    let read = learned.items("read");
    assert!(read.contains(&format!("\"{path}/quote\\\" # comment\"")), "{}", learned.text);
    assert!(
        !read.iter().any(|item| item.contains("evil") && !item.starts_with(&format!("\"{path}"))),
        "{read:?}"
    );
    assert!(learned.tells("bad\\xffbytes") && learned.tells("new\\u{a}line"), "{}", learned.text);
}

#[test]
fn the_recorder_can_be_killed_and_not_be_used() {
    let killed = refusal(&[], &["/bin/sh", "-c", "kill -9 $PPID; sleep 5"]);
    assert!(killed.contains("the program ended the recorder that watched it"), "{killed}");
    // Its memory, its way out, and tracing: closed.
    let script = "
import os
# The twin: of its own all of it opens.
for name in ['mem', 'fd/2', 'environ']: open(f'/proc/self/{name}', 'rb')
parent = os.getppid()
for name in ['mem', 'fd/2', 'fd', 'environ']:
    path = f'/proc/{parent}/{name}'
    try:
        os.listdir(path) if name == 'fd' else open(path, 'r+b' if name == 'mem' else 'wb')
        raise SystemExit(f'{path} opened')
    except OSError: pass
import ctypes
assert ctypes.CDLL(None).ptrace(16, parent, 0, 0) == -1
assert ctypes.CDLL(None).ptrace(0, 0, 0, 0) == -1
";
    learn(&["--trials", "0"], &python(script));
}

#[test]
fn what_looks_like_the_recorders_word_is_only_text() {
    // A whole frame that claims an execution of /usr/bin/env, on every stream.
    let frame = "\\x15\\0\\0\\0\\x02\\0\\x3b\\x01\\x03\\x0c/usr/bin/env\\0\\0";
    let script = format!("import os\nfor fd in (1, 2): os.write(fd, b'{frame}')\n");
    let learned = learn(&["--trials", "0"], &python(&script));
    assert_eq!(learned.items("commands"), ["/usr/bin/python3"]);
    assert!(
        learned.said["recording"]["stderr"].as_str().unwrap().contains("/usr/bin/env"),
        "{}",
        learned.said
    );
}

#[test]
fn who_asks_not_to_be_traced_is_traced() {
    // clone(2) with CLONE_UNTRACED and SIGCHLD.
    let script = "
import ctypes, os
libc = ctypes.CDLL(None)
pid = libc.syscall(56, 0x00800000 | 17, 0, 0, 0, 0)
if pid == 0:
    os.execv('/usr/bin/true', ['true'])
assert os.waitpid(pid, 0)[1] == 0
";
    let learned = learn(&["--trials", "0"], &python(script));
    assert!(learned.tells("asked not to be traced"), "{}", learned.text);
    assert!(learned.items("commands").contains(&"/usr/bin/true".to_owned()), "{}", learned.text);
}

#[test]
fn forks_writes_and_floods_end_at_the_recordings_limits() {
    let forks = "
import os, time
for _ in range(48):
    if os.fork() == 0:
        time.sleep(60); os._exit(0)
";
    let learned = learn(&["--trials", "0"], &python(forks));
    assert!(learned.text.contains("\n  pids: "), "{}", learned.text);
    let flood = "
import os
for n in range(3000):
    try: os.stat(f'/none/{n}')
    except OSError: pass
import json
";
    let learned = learn(&["--trials", "0"], &python(flood));
    assert!(learned.text.contains("THE RECORDING IS CUT"), "{}", learned.text);
    let disk = "
try:
    with open('big', 'wb') as big:
        for _ in range(1024): big.write(bytes(1 << 20))
    raise SystemExit('a gigabyte')
except OSError: os = __import__('os'); os.remove('big')
";
    try_learn(&["--trials", "0"], &python(disk)).unwrap().assert_is_policy();
    let time = refusal(&["--timeout", "1"], &["/bin/sh", "-c", "sleep 30 & while :; do :; done"]);
    assert!(time.contains("`--timeout` gives it more"), "{time}");
    assert!(job_processes("sleep 30").is_empty());
}
