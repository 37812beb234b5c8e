//! What a sandbox costs: `true` bare, in a cold Stockade sandbox through a resident launcher, and under
//! bubblewrap, in turns in one run, so that all meet the same machine. `make bench`; needs root.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark prints, starts what it measures, and fails loudly"
)]

use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use stockade_sandbox::End;
use stockade_tests::Rig;

const ROUNDS: usize = 300;
const WARM_UP: usize = 20;
/// The bound that a cold sandbox must keep, milliseconds over bare fork and exec at the median.
const COLD_BOUND_MS: f64 = 5.0;

const POLICY: &str = "\
policy: bench
version: 1
description: The smallest program there is.
extends: base
filesystem: {read: [/usr/lib/x86_64-linux-gnu], write: [/job, /tmp]}
commands: [/usr/bin/true]
";

fn main() -> ExitCode {
    if !rustix::process::geteuid().is_root() {
        println!("make bench needs root, to build sandboxes");
        return ExitCode::FAILURE;
    }
    let rig = Rig::start(None);
    let mut bare = Vec::new();
    let mut cold = Vec::new();
    let mut bubblewrap = Vec::new();
    let mut stages: Vec<(String, Vec<f64>)> = Vec::new();
    let peer = Command::new("bwrap").arg("--version").stdout(Stdio::null()).status().is_ok();
    let plan = rig.plan(POLICY, &["/usr/bin/true"], &[]);
    for round in 0..WARM_UP + ROUNDS {
        let keep = round >= WARM_UP;
        record(&mut bare, keep, || run(&mut Command::new("/usr/bin/true")));
        let mut outcome = None;
        record(&mut cold, keep, || outcome = rig.run_plan(plan.clone(), &[]).ok());
        let outcome = outcome.expect("the job runs");
        assert_eq!(outcome.end, End::Exited(0));
        if keep {
            for (index, stage) in outcome.stages.iter().enumerate() {
                if stages.len() <= index {
                    stages.push((stage.stage.to_string(), Vec::new()));
                }
                stages[index].1.push(f64::from(stage.us));
            }
        }
        if peer {
            record(&mut bubblewrap, keep, || run(&mut bwrap()));
        }
    }
    rig.close();
    report(bare, cold, bubblewrap, stages)
}

fn report(bare: Vec<f64>, cold: Vec<f64>, bubblewrap: Vec<f64>, stages: Vec<(String, Vec<f64>)>) -> ExitCode {
    let (bare, cold) = (Summary::of(bare), Summary::of(cold));
    println!("running `true`, {ROUNDS} rounds in turns            median      p95   over bare");
    println!("bare fork and exec                         {bare}");
    println!("stockade, cold, resident launcher          {cold}   {:+.2} ms", cold.median - bare.median);
    if bubblewrap.is_empty() {
        println!("bubblewrap                                 not installed, not measured");
    } else {
        let bubblewrap = Summary::of(bubblewrap);
        println!(
            "bubblewrap, fewer layers, whole process    {bubblewrap}   {:+.2} ms",
            bubblewrap.median - bare.median
        );
        println!("stockade cold is {:.2} times as fast as bubblewrap", bubblewrap.median / cold.median);
    }
    println!("median time of each set-up stage, microseconds:");
    for (stage, times) in stages {
        println!("  {stage:<16} {:>6.0}", Summary::of(times).median);
    }
    let added = cold.median - bare.median;
    if added > COLD_BOUND_MS {
        println!("FAILED: a cold sandbox adds {added:.2} ms, the bound is {COLD_BOUND_MS} ms");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn record(times: &mut Vec<f64>, keep: bool, work: impl FnOnce()) {
    let began = Instant::now();
    work();
    if keep {
        times.push(began.elapsed().as_secs_f64() * 1000.0);
    }
}

fn run(command: &mut Command) {
    let status = command.stdin(Stdio::null()).status().expect("the program starts");
    assert!(status.success());
}

/// What bubblewrap offers that comes closest: no seccomp filter, no Landlock, no control group, no limits.
fn bwrap() -> Command {
    let mut command = Command::new("bwrap");
    command.args(["--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr"]);
    command.args([
        "--symlink",
        "usr/lib",
        "/lib",
        "--symlink",
        "usr/lib64",
        "/lib64",
        "--symlink",
        "usr/bin",
        "/bin",
    ]);
    command.args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "/usr/bin/true"]);
    command
}

struct Summary {
    median: f64,
    p95: f64,
}

impl Summary {
    fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or(f64::NAN);
        Self { median: at(50), p95: at(95) }
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:7.2} ms {:7.2} ms", self.median, self.p95)
    }
}
