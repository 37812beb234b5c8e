//! Inputs in, outputs out.

use stockade_plan::{FileName, Input, List, NotCollected, Output, RelPath, Stage, decode, encode};
use stockade_sandbox::{Collected, Outcome, OutputState, RunError};
use stockade_tests::{Leftovers, Rig, Suite};

const POLICY: &str = "\
policy: outputs
version: 1
description: One declared output.
extends: script-standard
commands: [/usr/bin/python3, /bin/sh]
resource_limits: {disk_mb: 64}
outputs: [result.json]
";

fn collected(rig: &Rig, script: &str) -> OutputState {
    let outcome = rig.run(POLICY, &["/bin/sh", "-c", script]);
    let Outcome { outputs, .. } = outcome;
    match <[Collected; 1]>::try_from(outputs) {
        Ok([output]) => output.state,
        Err(outputs) => panic!("{outputs:?}"),
    }
}

pub(crate) fn run(suite: &mut Suite) {
    let rig = Rig::start(None);
    suite.test("a_regular_file_is_collected_byte_for_byte", || {
        assert_eq!(
            collected(&rig, "printf '\\000\\377{}' > result.json"),
            OutputState::File(b"\0\xff{}".to_vec())
        );
    });
    suite.test("what_is_not_a_regular_file_is_reported_as_what_it_is", || {
        for (script, why) in [
            ("true", NotCollected::Missing),
            ("ln -s /etc/shadow result.json", NotCollected::Symlink),
            ("ln -s /dev/zero result.json", NotCollected::Symlink),
            ("ln -s /proc/1/environ result.json", NotCollected::Symlink),
            ("mkdir result.json", NotCollected::Directory),
            ("echo x > a; ln a result.json", NotCollected::HardLinked),
        ] {
            let shell = format!("PATH=/usr/bin; {script}");
            assert_eq!(collected_with_tools(&rig, &shell), OutputState::Not(why), "{script}");
        }
    });
    suite.test("a_fifo_does_not_block_the_collector", || {
        let state = python(&rig, "import os; os.mkfifo('/job/result.json')");
        assert_eq!(state, OutputState::Not(NotCollected::Fifo));
    });
    suite.test("a_socket_and_an_unreadable_file_are_not_collected", || {
        let state = python(&rig, "import socket; socket.socket(socket.AF_UNIX).bind('/job/result.json')");
        assert_eq!(state, OutputState::Not(NotCollected::Socket));
        let state = python(&rig, "import os; os.close(os.open('/job/result.json', os.O_CREAT, 0))");
        assert!(matches!(state, OutputState::Not(NotCollected::Unreadable(_))), "{state:?}");
    });
    suite.test("a_sparse_file_is_too_large_and_not_read", || {
        let state = python(&rig, "open('/job/result.json', 'w').truncate(60 << 20)");
        assert_eq!(state, OutputState::Not(NotCollected::TooLarge { size: 60 << 20 }));
    });
    suite.test("an_output_larger_than_the_cap_is_named_not_read", || {
        let cap = 1 << 20;
        let of_size = |size| python(&rig, &format!("open('/job/result.json', 'wb').write(b'x' * {size})"));
        assert_eq!(of_size(cap), OutputState::File(vec![b'x'; 1 << 20]));
        assert_eq!(of_size(cap + 1), OutputState::Not(NotCollected::TooLarge { size: cap + 1 }));
    });
    suite.test("an_output_swapped_without_end_is_a_file_or_a_link_and_never_what_the_link_names", || {
        swapped(&rig)
    });
    suite.test("a_racer_that_outlives_the_job_changes_nothing", || racer(&rig));
    suite.test("hostile_output_names_are_no_names", hostile_names);
    suite.test("more_outputs_than_a_plan_may_have_are_refused", || {
        let output = Output { path: RelPath::new("x").unwrap(), max_bytes: 1 };
        assert!(List::<Output, 64>::try_from(vec![output.clone(); 64]).is_ok());
        assert!(List::<Output, 64>::try_from(vec![output.clone(); 65]).is_err());
        let frame = encode(&vec![output; 65]).unwrap();
        assert!(decode::<List<Output, 64>>(&frame).is_err());
    });
    suite.test("two_inputs_of_one_name_stop_the_job", || {
        let files: [(&str, &[u8]); 2] = [("data", b"one"), ("data", b"two")];
        assert!(rig.try_plan(POLICY, &["/bin/sh", "-c", "true"], &files).is_err(), "no policy lets it");
        let mut plan = rig.plan(POLICY, &["/bin/sh", "-c", "true"], &[]);
        let input = Input { name: FileName::new("data").unwrap(), size: 3 };
        plan.task.inputs = vec![input; 2].try_into().unwrap();
        match rig.run_plan(plan, &files) {
            Err(RunError::Setup(error)) => {
                assert_eq!((error.stage, error.target.as_str(), error.errno.0), (Stage::Inputs, "data", 17));
            }
            other => panic!("{other:?}"),
        }
    });
    suite.test("an_input_name_that_leads_elsewhere_is_no_name", || {
        for name in ["..", ".", "", "a/b", "/etc/x", "a\0b", "a\nb", "\u{1b}[2J"] {
            assert!(decode::<FileName>(&encode(&name.to_owned()).unwrap()).is_err(), "{name:?}");
        }
        assert!(decode::<FileName>(&encode(&"x".repeat(255)).unwrap()).is_ok());
    });
    suite.test("inputs_lie_in_the_work_directory", || inputs(&rig));
    suite.test("an_input_of_another_size_than_the_plan_says_stops_the_job", || wrong_size(&rig));
    rig.close();
}

fn collected_with_tools(rig: &Rig, script: &str) -> OutputState {
    let policy = POLICY.replace("/bin/sh]", "/bin/sh, /usr/bin/ln, /usr/bin/mkdir]").replace(
        "extends: script-standard",
        "extends: base\nfilesystem: {read: [/usr/lib/x86_64-linux-gnu], write: [/job, /tmp]}",
    );
    let outcome = rig.run(&policy.replace("/usr/bin/python3, ", ""), &["/bin/sh", "-c", script]);
    outcome.outputs[0].state.clone()
}

fn python(rig: &Rig, code: &str) -> OutputState {
    let outcome = rig.run(POLICY, &["/usr/bin/python3", "-c", code]);
    assert!(outcome.stderr.bytes.is_empty(), "{}", String::from_utf8_lossy(&outcome.stderr.bytes));
    outcome.outputs[0].state.clone()
}

/// Names as they come over the wire. What is not UTF-8 is no text there, and so no name either.
fn hostile_names() {
    for name in
        ["../../etc/x", "x/", "x/.", "x//y", "/x", "", ".", "..", "a\0b", "a\nb", "\u{1b}[2J", "\u{9b}31m"]
    {
        assert!(decode::<RelPath>(&encode(&name.to_owned()).unwrap()).is_err(), "{name:?}");
    }
    assert!(decode::<RelPath>(&encode(&"x".repeat(256)).unwrap()).is_err());
    assert!(decode::<RelPath>(&[2, 0xff, 0xfe]).is_err());
    for good in ["x".repeat(255), "a b;'$(id)".to_owned(), "directory/file".to_owned()] {
        assert!(decode::<RelPath>(&encode(&good).unwrap()).is_ok(), "{good}");
    }
}

/// A process that left the job's session exchanges the file and a link to a secret for ever.
fn swapped(rig: &Rig) {
    const SWAP: &str = "\
import ctypes, os, time
libc = ctypes.CDLL(None)
open('/job/result.json', 'w').write('result')
os.symlink('/etc/passwd', '/job/other')
if os.fork() == 0:
  os.setsid()
  if os.fork() != 0: os._exit(0)
  for at in (0, 1, 2): os.close(at)
  while True: libc.syscall(316, -100, b'/job/result.json', -100, b'/job/other', 2)
time.sleep(0.05)
assert os.path.exists('/job/other')";
    let (mut files, mut links) = (0, 0);
    // One job in two leaves a link, so that a dozen may do so one after the other; not three dozen.
    while files + links < 12 || (files == 0 && links < 36) {
        match python(rig, SWAP) {
            OutputState::File(bytes) => {
                assert_eq!(bytes, b"result");
                files += 1;
            }
            OutputState::Not(NotCollected::Symlink) => links += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(files > 0, "the file is found as well");
}

/// A process that ignores what it can ignore writes on and on. It is dead before anything is looked at: the size that
/// is announced is the size that is read, and nothing is left.
fn racer(rig: &Rig) {
    const WRITE: &str = "\
import os, signal, time
if os.fork() == 0:
  os.setsid()
  for number in range(1, 32):
    try: signal.signal(number, signal.SIG_IGN)
    except OSError: pass
  if os.fork() != 0: os._exit(0)
  file = os.open('/job/result.json', os.O_CREAT | os.O_RDWR)
  while True: os.truncate(file, 0); os.pwrite(file, b'x' * 4096, 0)
time.sleep(0.1)";
    let before = Leftovers::now();
    for _ in 0..5 {
        match python(rig, WRITE) {
            OutputState::File(bytes) => assert!([0, 4096].contains(&bytes.len()), "{}", bytes.len()),
            other => panic!("{other:?}"),
        }
    }
    Leftovers::assert_none_since(&before);
}

fn inputs(rig: &Rig) {
    let files: [(&str, &[u8]); 2] = [("data.bin", b"\0\xff\n"), ("empty", b"")];
    let code = "import os; print(open('data.bin', 'rb').read(), sorted(os.listdir('.')), os.stat('data.bin').st_uid)";
    let plan = rig.plan(POLICY, &["/usr/bin/python3", "-c", code], &files);
    let outcome = rig.run_plan(plan, &files).unwrap();
    let text = String::from_utf8_lossy(&outcome.stdout.bytes).into_owned();
    assert_eq!(text.trim(), "b'\\x00\\xff\\n' ['data.bin', 'empty'] 1000");
}

fn wrong_size(rig: &Rig) {
    let files: [(&str, &[u8]); 1] = [("data", b"four")];
    for size in [3, 5] {
        let mut plan = rig.plan(POLICY, &["/bin/sh", "-c", "true"], &[]);
        plan.task.inputs = vec![Input { name: FileName::new("data").unwrap(), size }].try_into().unwrap();
        match rig.run_plan(plan, &files) {
            Err(RunError::Inputs(what)) => assert!(what.contains("`data` has 4 bytes instead of"), "{what}"),
            other => panic!("{other:?}"),
        }
    }
}
