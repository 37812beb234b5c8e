//! `--tty`: a job at a terminal of its own.

use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use stockade_tests::{Place, Terminal, children, ended, eventually, signal};

use super::{SOON, place, under};

const POLICY: &str = "\
policy: typist
extends: script-standard
commands: [/usr/bin/python3, /bin/sh]
resource_limits: {wall_seconds: 30}
";

fn at(terminal: &Terminal, place: &Place, command: &[&str]) -> Child {
    terminal.start(&under(place, POLICY, &["--tty"], command))
}

fn python(terminal: &Terminal, place: &Place, code: &str) -> Child {
    at(terminal, place, &["/usr/bin/python3", "-c", code])
}

#[test]
fn a_job_with_a_terminal_is_at_one_of_its_callers_size() {
    let (place, mut terminal) = (place(), Terminal::new());
    terminal.resize(33, 99);
    let code = "import os, sys; print([os.isatty(i) for i in range(3)], os.get_terminal_size(), os.tcgetpgrp(0) == os.getpgrp())";
    let mut exec = python(&terminal, &place, code);
    terminal.expect("[True, True, True] os.terminal_size(columns=99, lines=33) True");
    assert_eq!(ended(&mut exec, SOON).unwrap().code(), Some(0));
}

#[test]
fn a_job_without_one_is_at_none_even_if_its_caller_is() {
    let (place, mut terminal) = (place(), Terminal::new());
    let code = "import os; print('at', [os.isatty(i) for i in range(3)])";
    let mut exec = terminal.start(&under(&place, POLICY, &[], &["/usr/bin/python3", "-c", code]));
    terminal.expect("at [False, False, False]");
    assert_eq!(ended(&mut exec, SOON).unwrap().code(), Some(0));
}

#[test]
fn what_is_typed_reaches_the_job_and_is_shown_once() {
    let (place, mut terminal) = (place(), Terminal::new());
    let mut exec = python(&terminal, &place, "print('name?', flush=True); print('hello', input())");
    terminal.expect("name?");
    terminal.type_in(b"ada\r");
    terminal.expect("hello ada");
    assert_eq!(ended(&mut exec, SOON).unwrap().code(), Some(0));
}

#[test]
fn ctrl_c_is_a_key_for_the_job_and_the_callers_modes_come_back() {
    let (place, mut terminal) = (place(), Terminal::new());
    let modes = terminal.modes();
    // A terminal drops what is on its way out when Ctrl-C is typed, termios(3), and the kernel tells the job before that.
    let code = "import time\ntry:\n  print('ready', flush=True); time.sleep(60)\nexcept KeyboardInterrupt:\n  time.sleep(0.5); print('interrupted'); raise SystemExit(5)";
    let mut exec = python(&terminal, &place, code);
    terminal.expect("ready");
    assert_ne!(terminal.modes(), modes, "raw while the job runs");
    terminal.type_in(b"\x03");
    terminal.expect("interrupted");
    assert_eq!(ended(&mut exec, SOON).unwrap().code(), Some(5));
    assert_eq!(terminal.modes(), modes);
}

/// `exec` itself; `setsid` is between it and us.
fn exec_of(child: &Child) -> u32 {
    eventually("exec runs", SOON, || {
        if std::fs::read_to_string(format!("/proc/{}/comm", child.id())).unwrap().trim() == "stockade" {
            return Some(child.id());
        }
        children(child.id()).into_iter().find(|process| process.name == "stockade").map(|process| process.pid)
    })
}

#[test]
fn the_callers_modes_come_back_when_exec_is_told_to_end() {
    let (place, mut terminal) = (place(), Terminal::new());
    let modes = terminal.modes();
    let mut exec = python(&terminal, &place, "import time; print('ready', flush=True); time.sleep(60)");
    terminal.expect("ready");
    signal(exec_of(&exec), Signal::TERM);
    ended(&mut exec, SOON).unwrap();
    assert_eq!(terminal.modes(), modes);
}

#[test]
fn a_new_size_of_the_callers_terminal_is_told_to_the_job() {
    let (place, mut terminal) = (place(), Terminal::new());
    terminal.resize(20, 70);
    let code = "import os, signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])\n\
                print('ready', flush=True)\nsignal.sigwait([signal.SIGWINCH])\nprint(os.get_terminal_size())";
    let mut exec = python(&terminal, &place, code);
    terminal.expect("ready");
    // The kernel tells the session that sits at the terminal, as when a window changes.
    terminal.resize(40, 132);
    terminal.expect("columns=132, lines=40");
    assert_eq!(ended(&mut exec, SOON).unwrap().code(), Some(0));
}

#[test]
fn a_job_types_into_no_terminal_and_reaches_none_but_its_own() {
    let (place, mut terminal) = (place(), Terminal::new());
    let code = "\
import fcntl, os, termios
def refused(call):
    try:
        call()
        return False
    except OSError:
        return True
print('mine', len(fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8))))
print('pushed', [refused(lambda: fcntl.ioctl(0, number, b'x')) for number in (0x5412, 0x541c, 0x541d, 0x5423)])
print('opened', [name for name in ('/dev/ptmx', '/dev/pts/0', '/dev/console', '/dev/tty1') if not refused(lambda: os.open(name, os.O_RDWR))])
";
    let mut exec = python(&terminal, &place, code);
    terminal.expect("mine 8");
    terminal.expect("pushed [True, True, True, True]");
    terminal.expect("opened []");
    assert_eq!(ended(&mut exec, SOON).unwrap().code(), Some(0));
    assert_eq!(terminal.rest(Duration::from_millis(300)).trim(), "");
}

#[test]
fn who_sits_at_no_terminal_is_told_so() {
    let place = place();
    let output = under(&place, POLICY, &["--tty"], &["/bin/sh", "-c", "echo ran"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("standard input is no terminal"), "{said}");
    assert!(output.stdout.is_empty());
}

#[test]
fn limits_hold_at_a_terminal_too() {
    let (place, terminal) = (place(), Terminal::new());
    let policy = POLICY.replace("wall_seconds: 30", "wall_seconds: 1");
    let mut exec = terminal.start(&under(
        &place,
        &policy,
        &["--tty"],
        &["/usr/bin/python3", "-c", "import time; time.sleep(60)"],
    ));
    assert_eq!(ended(&mut exec, SOON).unwrap().code(), Some(124));
}
