//! Inputs in, outputs out.

use stockade_plan::{FileName, Input, NotCollected};
use stockade_sandbox::{Collected, Outcome, OutputState, RunError};
use stockade_tests::{Rig, Suite};

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
