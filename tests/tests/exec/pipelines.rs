//! As a member of a pipeline.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use stockade_tests::{binary, ended};

use super::{SOON, place, shell, under};

const BUSY: &str = "\
policy: busy
extends: base
commands: [/usr/bin/yes, /usr/bin/cat, /bin/sh, /usr/bin/sleep]
resource_limits: {memory_mb: 64, wall_seconds: 2, output_kb: 16384}
";

/// The same with time to get everything through, however slow the machine.
fn unhurried() -> String {
    BUSY.replace("wall_seconds: 2", "wall_seconds: 20")
}

#[test]
fn a_job_whose_reader_has_gone_ends_as_any_program_does() {
    let place = place();
    let mut exec = under(&place, BUSY, &[], &["/usr/bin/yes"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 4];
    exec.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"y\ny\n");
    assert_eq!(ended(&mut exec, SOON).unwrap().code(), Some(128 + 13));
}

#[test]
fn a_job_that_ignores_its_lost_reader_goes_on() {
    let place = place();
    let script = "trap '' PIPE; while echo line 2>/dev/null; do sleep 0.05; done; exit 9";
    let mut exec = shell(&place, script).stdout(Stdio::piped()).spawn().unwrap();
    drop(exec.stdout.take());
    assert_eq!(ended(&mut exec, SOON).unwrap().code(), Some(9));
}

#[test]
fn megabytes_pass_through_the_middle_of_a_pipeline_unchanged() {
    let place = place();
    let mut exec = under(&place, &unhurried(), &[], &["/usr/bin/cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let sent: Vec<u8> = (0_u32..2_000_000).flat_map(u32::to_le_bytes).collect();
    let (mut input, to_send) = (exec.stdin.take().unwrap(), sent.clone());
    let sending = thread::spawn(move || input.write_all(&to_send).unwrap());
    let mut received = Vec::new();
    exec.stdout.take().unwrap().read_to_end(&mut received).unwrap();
    sending.join().unwrap();
    assert!(received == sent, "{} bytes of {}", received.len(), sent.len());
    assert_eq!(ended(&mut exec, SOON).unwrap().code(), Some(0));
}

#[test]
fn output_comes_while_the_job_runs_and_input_goes_in_meanwhile() {
    let place = place();
    let mut exec = shell(&place, "echo ready; read -r line; echo \"got $line\"; sleep 1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, mut output) = (exec.stdin.take().unwrap(), exec.stdout.take().unwrap());
    let mut expect = |text: &str| {
        let mut bytes = vec![0; text.len()];
        output.read_exact(&mut bytes).unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), text);
    };
    expect("ready\n");
    input.write_all(b"word\n").unwrap();
    expect("got word\n");
    assert!(exec.try_wait().unwrap().is_none(), "the job still sleeps");
    assert_eq!(ended(&mut exec, SOON).unwrap().code(), Some(0));
}

#[test]
fn a_caller_who_never_reads_does_not_hold_exec_beyond_the_wall_limit() {
    let place = place();
    let began = Instant::now();
    let mut exec = under(&place, BUSY, &[], &["/usr/bin/yes"]).stdout(Stdio::piped()).spawn().unwrap();
    assert_eq!(ended(&mut exec, SOON).unwrap().code(), Some(124));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    drop(exec);
}

#[test]
fn output_that_nobody_takes_is_not_called_a_success() {
    let place = place();
    let script = "i=0; while [ $i -lt 9000 ]; do echo 0123456789012345; i=$((i+1)); done";
    let mut exec =
        under(&place, BUSY, &[], &["/bin/sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    assert_eq!(ended(&mut exec, SOON).unwrap().code(), Some(124));
}

#[test]
fn a_slow_reader_gets_everything() {
    let place = place();
    let script = "i=0; while [ $i -lt 9000 ]; do echo 0123456789012345; i=$((i+1)); done";
    let mut exec =
        under(&place, &unhurried(), &[], &["/bin/sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let (mut output, mut total) = (exec.stdout.take().unwrap(), 0);
    let mut buffer = [0; 16 * 1024];
    loop {
        thread::sleep(Duration::from_millis(40));
        match output.read(&mut buffer).unwrap() {
            0 => break,
            length => total += length,
        }
    }
    assert_eq!((total, ended(&mut exec, SOON).unwrap().code()), (9000 * 17, Some(0)));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "closes the streams of the program that is tested")]
fn closed_streams_are_no_reason_to_fail() {
    let place = place();
    let inner = shell(&place, "cat; echo out; echo err >&2; exit 3");
    let mut outer = Command::new("sh");
    outer.args(["-c", "exec \"$@\" <&- >&- 2>&-", "sh"]).arg(binary("stockade")).args(inner.get_args());
    outer.env("STOCKADE_STATE_DIR", place.state_dir());
    let mut exec = outer.spawn().unwrap();
    assert_eq!(ended(&mut exec, SOON).unwrap().code(), Some(3));
}

#[test]
fn a_full_device_is_told_and_is_no_success() {
    let place = place();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = shell(&place, "echo lost").stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("cannot write what the job printed"), "{said}");
}

#[test]
fn descriptors_that_somebody_made_non_blocking_work_and_stay_so() {
    let place = place();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let ours: OwnedFd = reader.try_clone().unwrap().into();
    fcntl_setfl(&ours, OFlags::NONBLOCK).unwrap();
    let mut exec = shell(&place, "cat").stdin(reader).stdout(Stdio::piped()).spawn().unwrap();
    thread::sleep(Duration::from_millis(300));
    writer.write_all(b"late\n").unwrap();
    drop(writer);
    let mut text = String::new();
    exec.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!((text.as_str(), ended(&mut exec, SOON).unwrap().code()), ("late\n", Some(0)));
    assert!(fcntl_getfl(&ours).unwrap().contains(OFlags::NONBLOCK));
}

#[test]
fn descriptors_that_block_are_left_so() {
    let place = place();
    let (reader, writer) = std::io::pipe().unwrap();
    let ours: [OwnedFd; 2] = [reader.try_clone().unwrap().into(), writer.try_clone().unwrap().into()];
    let mut exec = shell(&place, "echo out").stdin(reader).stdout(writer).spawn().unwrap();
    assert_eq!(ended(&mut exec, SOON).unwrap().code(), Some(0));
    assert!(ours.iter().all(|stream| !fcntl_getfl(stream).unwrap().contains(OFlags::NONBLOCK)));
}
