//! Stockade as a contestant: a process of its own for each way of making ahead, because root is given up once per
//! process. It runs a job for each line it reads and answers how long that took.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use stockade_plan::Plan;
use stockade_sandbox::{End, State, Warm};
use stockade_tests::Rig;

use super::Contestant;

const POLICY: &str = "\
policy: bench
version: 1
description: The smallest program there is.
extends: base
filesystem: {read: [/usr/lib/x86_64-linux-gnu], write: [/job, /tmp]}
commands: [/usr/bin/true]
";

/// Jobs run to find out how many a second there can be.
const RATE_JOBS: usize = 1000;

fn warm(scenario: &str) -> Warm {
    let idle = Duration::from_secs(60);
    match scenario {
        "nothing" => Warm::NONE,
        "spare" => Warm { ready: 0, spare: 4, idle },
        _ => Warm { ready: 16, spare: 0, idle },
    }
}

/// The process of one scenario.
pub(crate) fn serve(scenario: &str) -> ExitCode {
    let rig = Rig::start_with(None, warm(scenario));
    let plan = rig.plan(POLICY, &["/usr/bin/true"], &[]);
    let mut answers = std::io::stdout();
    let mut first = true;
    for line in std::io::stdin().lines() {
        let line = line.expect("a request");
        let answer = match line.split_once(' ') {
            Some((_, at_a_time)) => at_once(&rig, &plan, at_a_time.parse().expect("a number")).to_string(),
            None if line == "layers" => layers(&rig, &plan),
            None => one(&rig, &plan, scenario, &mut first).to_string(),
        };
        writeln!(answers, "{answer}").expect("answer");
    }
    rig.close();
    ExitCode::SUCCESS
}

/// What a job's enforcement says was read back.
fn layers(rig: &Rig, plan: &Plan) -> String {
    let outcome = rig.run_plan(plan.clone(), &[]).expect("the job runs");
    let layers = outcome.enforcement.0;
    let enforced = layers.values().filter(|layer| layer.state == State::Enforced).count();
    let names: Vec<&str> = layers.keys().copied().collect();
    format!("{enforced} of {} layers enforced, each read back: {}", layers.len(), names.join(" "))
}

fn one(rig: &Rig, plan: &Plan, scenario: &str, first: &mut bool) -> f64 {
    // What is made ahead is made between jobs that do not come all at once.
    std::thread::sleep(Duration::from_millis(10));
    let (sandbox, job) = (rig.sandbox.clone(), stockade_tests::job(plan.clone()));
    // Where a worker runs its jobs: in a task of the runtime.
    let timed = rig.runtime.spawn(async move {
        let began = Instant::now();
        let outcome = sandbox.run(job).await;
        (began.elapsed().as_secs_f64() * 1000.0, outcome)
    });
    let (ms, outcome) = rig.runtime.block_on(timed).expect("the task");
    let outcome = outcome.expect("the job runs");
    assert_eq!(outcome.end, End::Exited(0));
    assert!(outcome.made_ahead || scenario != "ready" || *first, "a sandbox was to be ready");
    *first = false;
    ms
}

/// How many jobs a second, so many at a time.
fn at_once(rig: &Rig, plan: &Plan, at_a_time: usize) -> f64 {
    let began = Instant::now();
    let callers: Vec<_> = (0..at_a_time)
        .map(|_| {
            let (sandbox, plan) = (rig.sandbox.clone(), plan.clone());
            rig.runtime.spawn(async move {
                for _ in 0..RATE_JOBS / at_a_time {
                    let outcome = sandbox.run(stockade_tests::job(plan.clone())).await.expect("the job runs");
                    assert_eq!(outcome.end, End::Exited(0));
                }
            })
        })
        .collect();
    for caller in callers {
        rig.runtime.block_on(caller).expect("caller");
    }
    let jobs = u32::try_from(RATE_JOBS / at_a_time * at_a_time).expect("few jobs");
    f64::from(jobs) / began.elapsed().as_secs_f64()
}

/// A process that serves a scenario.
struct Server {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Server {
    fn start(scenario: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("own path"))
            .args(["--serve", scenario])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start");
        let answers = BufReader::new(child.stdout.take().expect("answers"));
        Self { child, answers }
    }

    fn ask(&mut self, what: &str) -> String {
        writeln!(self.child.stdin.as_mut().expect("requests"), "{what}").expect("ask");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("answer");
        assert!(!answer.is_empty(), "the scenario ended");
        answer.trim().to_owned()
    }

    fn number(&mut self, what: &str) -> f64 {
        self.ask(what).parse().expect("a number")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ended = self.child.wait();
    }
}

pub(crate) fn contestant(name: &str, scenario: &str) -> Contestant {
    let mut server = Server::start(scenario);
    Contestant::new(name, move || server.number("one"))
}

/// What a job has in force.
pub(crate) fn layers_in_force() -> String {
    Server::start("nothing").ask("layers")
}

/// Jobs a second in a scenario, so many at a time.
pub(crate) fn rate(scenario: &str, at_a_time: usize) -> f64 {
    let mut server = Server::start(scenario);
    server.ask("one");
    server.number(&format!("rate {at_a_time}"))
}
