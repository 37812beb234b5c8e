//! The launcher killed at any moment: jobs end, callers are told, nothing runs unconfined or on.

use std::time::Duration;

use stockade_sandbox::{NotRun, RunError};
use stockade_tests::{Leftovers, Rig, Suite, eventually, patience, slack};
use tokio_util::sync::CancellationToken;

pub(crate) fn run(suite: &mut Suite) {
    let killer = Killer::start();
    let before = Leftovers::now();
    let rig = Rig::start(None);
    suite.test("a_killed_launcher_takes_its_jobs_with_it_and_callers_are_told", || {
        let cancel = CancellationToken::new();
        let job = rig.start_job("shell-utils", &["/bin/sh", "-c", "kill -STOP $$"], &cancel);
        let both = || (Leftovers::now().processes().len() == before.processes().len() + 2).then_some(());
        eventually("init and the job", patience(Duration::from_secs(5)), both);
        // It has been told that the job runs, or will be while nothing else happens.
        std::thread::sleep(patience(Duration::from_millis(300)));
        killer.kill_launcher_of_this_process();
        assert!(matches!(
            rig.runtime.block_on(job).unwrap(),
            Err(NotRun { error: RunError::LauncherGone, .. })
        ));
        for _ in 0..200 * slack() {
            if Leftovers::now().processes() == before.processes() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(Leftovers::now().processes(), before.processes());
    });
    suite.test("without_a_launcher_no_job_starts_and_the_supervisor_knows", || {
        rig.runtime.block_on(async {
            tokio::time::timeout(patience(Duration::from_secs(1)), rig.sandbox.gone()).await.expect("told");
        });
        assert!(matches!(
            rig.try_run("shell-utils", &["/bin/sh", "-c", "true"]),
            Err(RunError::LauncherGone)
        ));
    });
    rig.close();
}

/// Another process that keeps root, to kill what this one no longer can.
struct Killer(std::cell::RefCell<std::process::Child>);

impl Killer {
    fn start() -> Self {
        let child = std::process::Command::new("/bin/sh")
            .args(["-c", "while read pid; do kill -9 $pid; done"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        Self(std::cell::RefCell::new(child))
    }

    fn kill_launcher_of_this_process(&self) {
        use std::io::Write;
        let own = std::process::id();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap();
        let launcher = children
            .split_whitespace()
            .find(|pid| {
                std::fs::read_to_string(format!("/proc/{pid}/comm"))
                    .is_ok_and(|name| name.starts_with("stockade-launch"))
            })
            .expect("the launcher is a child of this process");
        let mut child = self.0.borrow_mut();
        writeln!(child.stdin.as_mut().unwrap(), "{launcher}").unwrap();
    }
}

impl Drop for Killer {
    fn drop(&mut self) {
        drop(self.0.borrow_mut().stdin.take());
        self.0.borrow_mut().wait().unwrap();
    }
}
