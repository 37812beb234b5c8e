//! Every system call there is, made in a sandbox: what is answered is what the reviewed table says.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::time::Duration;

use stockade_plan::Plan;
use stockade_sandbox::{End, User};
use stockade_tests::{Rig, Suite, compile_program, patience};

use super::attacks::allow_all;

/// Number, name, and the answer to zeros, before a `|` and the answer to other arguments.
const TABLE: &str = include_str!("../../../policies/tests/golden/seccomp-standard.txt");
const LAST: i32 = 470;

pub(crate) fn run(suite: &mut Suite) {
    let directory = tempfile::Builder::new().prefix("stockade-calls").tempdir_in("/var/tmp").unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let program = compile_program("every_call", directory.path());
    let account = User::lookup("stockade").unwrap();
    chown(directory.path(), Some(account.uid), Some(account.gid)).unwrap();
    let rig = Rig::start(None);
    suite.test("every_number_is_answered_as_the_table_says", || every_number(&rig, &program));
    rig.close();
}

fn every_number(rig: &Rig, program: &Path) {
    let policy = format!(
        "policy: calls\nversion: 1\ndescription: Every call.\nextends: base\ncommands: [{}]\n\
         filesystem: {{read: [], write: [/job, /tmp]}}\nresource_limits: {{wall_seconds: 60, memory_mb: 64}}\n",
        program.display()
    );
    // Far longer than an answer of init's takes, which a slow machine's may be ended for otherwise.
    let each = patience(Duration::from_millis(150)).as_millis().to_string();
    let plan = rig.plan(&policy, &[program.to_str().unwrap(), &each], &[]);
    let mut open = plan.clone();
    open.confinement.filter = allow_all();
    let (filtered, open) = (answers(rig, plan), answers(rig, open));
    let mut refused = 0;
    for line in TABLE.lines() {
        let mut words = line.splitn(3, ' ');
        let number: i32 = words.next().unwrap().parse().unwrap();
        let (name, verdict) = (words.next().unwrap(), words.next().unwrap());
        if number > LAST {
            break;
        }
        // uretprobe and uprobe: newer kernels answer them before any filter is asked. They serve the kernel's own
        // breakpoints; from anywhere else they end in an error or SIGILL.
        if [335, 336].contains(&number) {
            assert!([1, 38, 6, -4].contains(&filtered[&number]), "{}", filtered[&number]);
            continue;
        }
        let verdict = verdict.split(" | ").next().unwrap();
        let wanted = match verdict.split(", told").next().unwrap() {
            "EPERM" => 1,
            "ENOSYS" => 38,
            "kill" => -31,
            "0x50000" => 0,
            // What may pass is answered as without a filter.
            "allow" => open[&number],
            other => panic!("{name}: `{other}`"),
        };
        assert_eq!(filtered[&number], wanted, "{number} {name}, without a filter {}", open[&number]);
        refused += u32::from(open[&number] != filtered[&number]);
    }
    // The control: many of them do something else where no filter stands in front.
    assert!(refused > 60, "{refused}");
}

fn answers(rig: &Rig, plan: Plan) -> BTreeMap<i32, i32> {
    let outcome = rig.run_plan(plan, &[]).unwrap();
    let said = String::from_utf8_lossy(&outcome.stdout.bytes).into_owned();
    assert_eq!(outcome.end, End::Exited(0), "{said}");
    let pairs = said.lines().map(|line| line.split_once(' ').unwrap());
    let answers: BTreeMap<i32, i32> =
        pairs.map(|(number, answer)| (number.parse().unwrap(), answer.parse().unwrap())).collect();
    assert_eq!(answers.len(), usize::try_from(LAST).unwrap() + 1);
    answers
}
