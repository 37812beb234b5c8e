//! Every step of set-up, made to fail: the job must not start, the error names the step, nothing is left.

use stockade_plan::Stage;
use stockade_sandbox::RunError;
use stockade_tests::{Leftovers, Rig, Suite};

pub(crate) fn run(suite: &mut Suite, stage: Stage) {
    let rig = Rig::start(Some(stage));
    let before = Leftovers::now();
    suite.test("the_job_does_not_start_and_the_error_names_the_step", || {
        // Were it to start it would leave its mark in the outcome; there must be none.
        match rig.try_run("shell-utils", &["/bin/sh", "-c", "echo started"]) {
            Err(RunError::Setup(error)) => assert_eq!(error.stage, stage, "{error}"),
            other => panic!("{other:?}"),
        }
    });
    suite.test("a_second_try_fails_the_same_way_and_nothing_is_left", || {
        assert!(matches!(rig.try_run("shell-utils", &["/bin/sh", "-c", "true"]), Err(RunError::Setup(_))));
        Leftovers::assert_none_since(&before);
    });
    rig.close();
}
