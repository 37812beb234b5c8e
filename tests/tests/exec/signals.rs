//! Signals to `exec` are the job's.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use stockade_tests::{Place, ended, eventually, signal};

use super::{SOON, place, shell};

/// Starts a script and waits until it says that it is ready.
fn ready(place: &Place, script: &str) -> (Child, BufReader<ChildStdout>) {
    let mut exec = shell(place, script).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(exec.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    (exec, output)
}

#[test]
fn a_job_hears_the_signals_that_exec_gets_and_answers_as_it_likes() {
    let place = place();
    for (name, number) in [
        ("HUP", Signal::HUP),
        ("INT", Signal::INT),
        ("QUIT", Signal::QUIT),
        ("TERM", Signal::TERM),
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
    ] {
        let script =
            format!("trap 'echo heard {name}; exit 7' {name}; echo ready; while :; do sleep 0.05; done");
        let (mut exec, mut output) = ready(&place, &script);
        signal(exec.id(), number);
        assert_eq!(ended(&mut exec, SOON).unwrap().code(), Some(7), "{name}");
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, format!("heard {name}\n"));
    }
}

#[test]
fn a_job_that_does_not_care_ends_by_the_signal_and_so_says_exec() {
    let place = place();
    for (number, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129), (Signal::USR1, 138)] {
        let (mut exec, _output) = ready(&place, "echo ready; exec sleep 60");
        signal(exec.id(), number);
        assert_eq!(ended(&mut exec, SOON).unwrap().code(), Some(code));
    }
}

#[test]
fn the_whole_process_group_of_the_job_is_told() {
    let place = place();
    // The shell waits for `sleep` before it answers: it could not within the time if that were not told too. What says that it
    // is ready is the process that becomes `sleep`: one that the shell starts after the signal has not heard it.
    let (mut exec, _output) = ready(&place, "trap 'exit 7' TERM; (echo ready; exec sleep 60); exit 8");
    signal(exec.id(), Signal::TERM);
    assert_eq!(ended(&mut exec, SOON).unwrap().code(), Some(7));
}

#[test]
fn a_job_that_will_not_end_is_killed_by_the_second_signal() {
    let place = place();
    let (mut exec, _output) = ready(
        &place,
        "trap '' TERM INT; (while :; do sleep 1; done) & echo ready; while :; do sleep 1; done",
    );
    signal(exec.id(), Signal::TERM);
    thread::sleep(Duration::from_millis(300));
    assert!(exec.try_wait().unwrap().is_none(), "the first is only passed on");
    signal(exec.id(), Signal::INT);
    assert_eq!(ended(&mut exec, SOON).unwrap().code(), Some(143));
}

#[test]
fn a_job_that_will_not_end_is_killed_when_its_time_of_grace_is_over() {
    let place = place();
    let (mut exec, _output) = ready(&place, "trap '' TERM; echo ready; while :; do sleep 1; done");
    let began = Instant::now();
    signal(exec.id(), Signal::TERM);
    assert_eq!(ended(&mut exec, Duration::from_secs(30)).unwrap().code(), Some(143));
    assert!(began.elapsed() > Duration::from_secs(9), "{:?}", began.elapsed());
}

fn state(pid: u32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
}

#[test]
fn a_stopped_exec_stops_its_job_and_both_go_on() {
    let place = place();
    let (mut exec, mut output) =
        ready(&place, "echo ready; i=0; while [ $i -lt 40 ]; do echo $i; sleep 0.05; i=$((i+1)); done");
    signal(exec.id(), Signal::TSTP);
    eventually("exec stops", SOON, || (state(exec.id()) == 'T').then_some(()));
    // What was printed before is taken away; a job that runs on would fill the pipe again.
    let stream = rustix::io::ioctl_fionread(output.get_ref()).unwrap();
    thread::sleep(Duration::from_millis(400));
    assert_eq!(rustix::io::ioctl_fionread(output.get_ref()).unwrap(), stream);
    signal(exec.id(), Signal::CONT);
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("39\n"), "{rest}");
    assert_eq!(ended(&mut exec, SOON).unwrap().code(), Some(0));
}
