//! Steps of set-up that the supervisor takes, made to fail: the job does not start, the error names what failed, and
//! the next job runs.

use std::convert::Infallible;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use stockade_plan::{AbsPath, Limits, Stage};
use stockade_sandbox::{End, Enforcement, NotRun, Outcome, RunError, Sink, Warm};
use stockade_tests::{Leftovers, Rig, Suite, groups_of_worker, job, patience};

const COMMAND: [&str; 3] = ["/bin/sh", "-c", "echo started"];

pub(crate) fn run(suite: &mut Suite) {
    let rig = Rig::start(None);
    let before = Leftovers::now();
    suite.test("a_group_that_cannot_be_made_stops_the_job", || {
        let groups = groups_of_worker(std::process::id());
        assert!(!groups.is_empty());
        let mode = |bits| {
            for group in &groups {
                std::fs::set_permissions(group, PermissionsExt::from_mode(bits)).unwrap();
            }
        };
        mode(0o500);
        let refused = rig.try_run("shell-utils", &COMMAND);
        mode(0o755);
        assert!(
            matches!(&refused, Err(RunError::Cgroup(error)) if error.to_string().contains("make")),
            "{refused:?}"
        );
        assert_eq!(rig.run("shell-utils", &COMMAND).end, End::Exited(0));
        Leftovers::assert_none_since(&before);
    });
    suite.test("a_limit_that_the_kernel_does_not_take_stops_the_job", || {
        // The first is taken as another number, which the reading back shows; the others are not taken at all.
        let spoiled: [fn(&mut Limits); 3] = [
            |limits| limits.memory_bytes = u64::MAX - 4095,
            |limits| limits.pids = u32::MAX,
            |limits| limits.cpu_quota_us = 1,
        ];
        for spoil in spoiled {
            let mut plan = rig.plan("shell-utils", &COMMAND, &[]);
            spoil(&mut plan.confinement.limits);
            let refused = rig.run_plan(plan, &[]);
            assert!(matches!(&refused, Err(RunError::Cgroup(_))), "{refused:?}");
        }
        assert_eq!(rig.run("shell-utils", &COMMAND).end, End::Exited(0));
        Leftovers::assert_none_since(&before);
    });
    suite.test("a_job_whose_start_cannot_be_put_on_record_does_not_start", || unrecorded(&rig));
    suite.test("a_job_that_had_a_sandbox_and_did_not_start_tells_what_was_in_force", || had_a_sandbox(&rig));
    suite.test("nothing_is_left_of_a_job_that_did_not_start", || Leftovers::assert_none_since(&before));
    rig.close();
}

/// Its sandbox is built by the time that the record fails, and what it prints would reach us.
fn unrecorded(rig: &Rig) {
    for recorded in [false, true] {
        let (mut printed, stdout) = std::io::pipe().unwrap();
        let mut job = job(rig.plan("shell-utils", &COMMAND, &[]));
        job.stdout = Sink::PassThrough(stdout.into());
        let record = async {
            tokio::time::sleep(patience(Duration::from_millis(50))).await;
            if recorded { Ok(()) } else { Err("no room for the record") }
        };
        let ran = rig.runtime.block_on(rig.sandbox.run_when(job, record));
        let mut text = String::new();
        printed.read_to_string(&mut text).unwrap();
        if recorded {
            assert_eq!((ran.unwrap().unwrap().end, text.as_str()), (End::Exited(0), "started\n"));
        } else {
            assert_eq!((ran.unwrap_err(), text.as_str()), ("no room for the record", ""));
        }
    }
}

/// Cancelled when its sandbox is built and it has no task yet, or ended because its command is not there. Of a job that
/// came to no sandbox nothing is told, and of one that ran the same as ever.
fn had_a_sandbox(rig: &Rig) {
    let layers = |enforcement: &Enforcement| enforcement.0.keys().copied().collect::<Vec<_>>();
    let ran = rig.run("shell-utils", &COMMAND);
    let in_force = |not_run: &NotRun| {
        assert!(not_run.host_uid.is_some(), "{not_run:?}");
        assert_eq!(not_run.enforcement.as_ref().map(layers), Some(layers(&ran.enforcement)), "{not_run:?}");
    };

    let mut absent = rig.plan("shell-utils", &COMMAND, &[]);
    absent.task.command.executable = AbsPath::new("/usr/bin/absent").unwrap();
    let not_run = rig.runtime.block_on(rig.sandbox.run(job(absent))).unwrap_err();
    assert!(matches!(&not_run.error, RunError::Setup(error) if error.stage == Stage::Exec), "{not_run:?}");
    in_force(&not_run);

    // When its sandbox is built nobody hears: on a busy host later than on another. It is not given its task then.
    let built = [0.2, 1.0, 5.0].into_iter().any(|seconds| {
        let not_run = cancelled_after(rig, seconds).unwrap_err();
        assert!(matches!(not_run.error, RunError::Cancelled), "{not_run:?}");
        let built = not_run.enforcement.is_some();
        if built {
            in_force(&not_run);
        }
        built
    });
    assert!(built, "nothing is told of a sandbox that must have been built");

    let mut wrong = job(rig.plan("shell-utils", &COMMAND, &[]));
    wrong.inputs.push(Vec::new());
    let not_run = rig.runtime.block_on(rig.sandbox.run(wrong)).unwrap_err();
    assert_eq!((not_run.host_uid, not_run.enforcement), (None, None));
}

/// Cancels a job and then clears it, so long after its sandbox was asked for.
fn cancelled_after(rig: &Rig, seconds: f64) -> Result<Outcome, NotRun> {
    let cancelled = job(rig.plan("shell-utils", &COMMAND, &[]));
    let cancel = cancelled.cancel.clone();
    let cleared = async {
        tokio::time::sleep(patience(Duration::from_secs_f64(seconds))).await;
        cancel.cancel();
        Ok::<_, Infallible>(())
    };
    rig.runtime.block_on(rig.sandbox.run_when(cancelled, cleared)).unwrap()
}

/// With sandboxes made ahead, each of which fails at this stage.
pub(crate) fn run_ahead(suite: &mut Suite, stage: Stage) {
    let rig = Rig::start_with(Some(stage), Warm { ready: 2, spare: 2, idle: Duration::from_secs(1) });
    suite.test("with_sandboxes_made_ahead_the_job_does_not_start_either", || {
        for _ in 0..3 {
            match rig.try_run("shell-utils", &COMMAND) {
                Err(RunError::Setup(error)) => assert_eq!(error.stage, stage, "{error}"),
                other => panic!("{other:?}"),
            }
            std::thread::sleep(Duration::from_millis(60));
        }
    });
    rig.close();
}
