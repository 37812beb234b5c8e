//! Many jobs, honest and hostile, one worker: what it and its launcher hold is the same at the end as near the beginning,
//! and when they have ended nothing is there that was not there before.
//!
//! `STOCKADE_SOAK_JOBS` says how many; `make soak` runs ten thousand. Never more than 64 processes live at a time. Needs
//! root.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, prints its results, and starts the programs it tests"
)]

#[path = "soak/jobs.rs"]
mod jobs;
#[path = "soak/worker.rs"]
mod worker;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use stockade_tests::{Holdings, Suite, Worker, groups_of_worker, memory_kb, network_namespaces, polled};

const JOBS: usize = 500;
/// Part of the jobs that are run before the first look: what is kept for later use has been made then.
const WARM_UP: usize = 5;
/// How much more memory the supervisor and the launcher may have at the end, KiB, whatever the number of jobs.
const SUPERVISOR_GROWTH_KB: u64 = 4096;
const LAUNCHER_GROWTH_KB: u64 = 512;
/// The kernel clears network namespaces away behind the scenes; and other programs of the host may have some.
const NAMESPACE_GROWTH: u64 = 100;
const REST: Duration = Duration::from_secs(20);
/// A worker that shows the same for so long rests: longer than its keeper of sandboxes made ahead pauses (1 s).
const STEADY: Duration = Duration::from_millis(1500);

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--worker") {
        return worker::main();
    }
    assert!(rustix::process::geteuid().is_root(), "this test needs root: run `make test` as root");
    let jobs =
        std::env::var("STOCKADE_SOAK_JOBS").map_or(JOBS, |text| text.parse().expect("a number of jobs"));
    let mut suite = Suite::default();
    let mut running = Running::start();
    let began = Instant::now();
    running.run(jobs / WARM_UP);
    let (before, namespaces) = (running.look(), network_namespaces());
    suite.test("every_job_of_the_soak_ends_as_its_kind_must", || running.run(jobs - jobs / WARM_UP));
    println!("{jobs} jobs in {:.0} s", began.elapsed().as_secs_f64());
    let after = running.look();
    println!(
        "{} kB of the supervisor's, {} kB of the launcher's; at the end {} and {}",
        before.memory_kb[0], before.memory_kb[1], after.memory_kb[0], after.memory_kb[1]
    );
    suite.test("a_worker_holds_the_same_after_many_jobs_as_after_few", || {
        assert_eq!(after.holdings, before.holdings);
    });
    suite.test("the_memory_of_supervisor_and_launcher_stays_flat", || {
        let [supervisor, launcher] =
            [0, 1].map(|of| after.memory_kb[of].saturating_sub(before.memory_kb[of]));
        assert!(supervisor <= SUPERVISOR_GROWTH_KB, "the supervisor has grown by {supervisor} kB");
        assert!(launcher <= LAUNCHER_GROWTH_KB, "the launcher has grown by {launcher} kB");
    });
    suite.test("the_kernel_keeps_no_namespace_of_a_job_that_has_ended", || {
        let settled = polled(REST, || (network_namespaces() <= namespaces + NAMESPACE_GROWTH).then_some(()));
        assert!(settled.is_some(), "{namespaces} network namespaces before, now {}", network_namespaces());
    });
    suite.test("a_worker_that_has_ended_leaves_nothing", || running.end());
    suite.finish()
}

/// The worker, in a process of its own: this one stays root, to look at it.
struct Running {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    worker: Worker,
}

/// What a worker at rest has.
struct Look {
    holdings: Holdings,
    /// Of the supervisor and of the launcher.
    memory_kb: [u64; 2],
}

impl Running {
    fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("--worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let requests = child.stdin.take();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let mut ids = String::new();
        answers.read_line(&mut ids).unwrap();
        let (base, slots) = ids.trim().split_once(' ').expect("the ids of the worker's jobs");
        let (base, slots): (u32, u32) = (base.parse().unwrap(), slots.parse().unwrap());
        let worker = Worker::new(child.id(), base..base + slots);
        Self { child, requests, answers, worker }
    }

    /// Has that many jobs run; it rests when this returns.
    fn run(&mut self, jobs: usize) {
        writeln!(self.requests.as_mut().unwrap(), "{jobs}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim(), "as they must", "the worker: {answer}");
    }

    /// Looks when nothing changes for longer than the worker's keeper rests: then the sandbox that waits for any policy
    /// is there again, and nothing else is.
    fn look(&self) -> Look {
        let mut last = (self.worker.holdings(), Instant::now());
        let holdings = polled(REST, || {
            let now = self.worker.holdings();
            if now != last.0 {
                last = (now, Instant::now());
            }
            (last.1.elapsed() > STEADY).then(|| last.0.clone())
        });
        let memory_kb = [self.worker.supervisor, self.worker.launcher].map(memory_kb);
        Look { holdings: holdings.expect("a worker that rests"), memory_kb }
    }

    fn end(mut self) {
        drop(self.requests.take());
        assert!(self.child.wait().unwrap().success());
        let left = polled(REST, || {
            let processes = self.worker.holdings();
            let none = processes.is_empty() && groups_of_worker(self.worker.supervisor).is_empty();
            none.then_some(())
        });
        assert!(left.is_some(), "{:?}", self.worker.holdings());
    }
}
