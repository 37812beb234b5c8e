//! Sandboxes as the supervisor runs them, on this kernel. Needs root.
//!
//! Every group of tests runs in a process of its own, because root is given up once per process.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, prints its results, and starts the programs it tests"
)]

#[path = "sandbox/attacks.rs"]
mod attacks;
#[path = "sandbox/calls.rs"]
mod calls;
#[path = "sandbox/confinement.rs"]
mod confinement;
#[path = "sandbox/crash.rs"]
mod crash;
#[path = "sandbox/denials.rs"]
mod denials;
#[path = "sandbox/failures.rs"]
mod failures;
#[path = "sandbox/hostile.rs"]
mod hostile;
#[path = "sandbox/launcher_input.rs"]
mod launcher_input;
#[path = "sandbox/limits.rs"]
mod limits;
#[path = "sandbox/outputs.rs"]
mod outputs;
#[path = "sandbox/pressure.rs"]
mod pressure;
#[path = "sandbox/separation.rs"]
mod separation;
#[path = "sandbox/supervisor_side.rs"]
mod supervisor_side;
#[path = "sandbox/warm.rs"]
mod warm;

use std::process::{Command, ExitCode};

use stockade_plan::Stage;
use stockade_tests::{Leftovers, Suite};

type Group = (&'static str, fn(&mut Suite));

/// Each group with what it runs.
const GROUPS: [Group; 15] = [
    ("attacks", attacks::run),
    ("calls", calls::run),
    ("hostile", hostile::run),
    ("replaced-device", hostile::run_with_replaced_device),
    ("supervisor-side", supervisor_side::run),
    ("confinement", confinement::run),
    ("limits", limits::run),
    ("denials", denials::run),
    ("outputs", outputs::run),
    ("separation", separation::run),
    ("launcher-input", launcher_input::run),
    ("warm", warm::run),
    ("crash", crash::run),
    ("pressed-launcher", pressure::launcher),
    ("pressed-supervisor", pressure::supervisor),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    match args.iter().position(|arg| arg == "--group").and_then(|at| args.get(at + 1)) {
        Some(group) => run_group(group),
        None => run_all(args.iter().skip(1).find(|arg| !arg.starts_with('-')).map(String::as_str)),
    }
}

/// All groups, or those whose name contains `filter`.
fn run_all(filter: Option<&str>) -> ExitCode {
    assert!(rustix::process::geteuid().is_root(), "these tests need root: run `make test` as root");
    let mut suite = Suite::default();
    let stages =
        Stage::ALL.iter().flat_map(|stage| [format!("fail-at-{stage}"), format!("ahead-fail-at-{stage}")]);
    let groups = GROUPS.iter().map(|(name, _)| (*name).to_owned()).chain(stages);
    for group in groups.filter(|group| filter.is_none_or(|filter| group.contains(filter))) {
        let before = Leftovers::now();
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--group", &group])
            .stderr(std::process::Stdio::inherit())
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        report(&output);
        // What a group could not remove, having given up root.
        for directory in output.lines().filter_map(|line| line.strip_prefix("remove /var/tmp/stockade-")) {
            std::fs::remove_dir_all(format!("/var/tmp/stockade-{directory}")).unwrap();
        }
        print!("{}", output.replace("test ", &format!("test {group}::")));
        suite.add(&output);
        suite.test(&format!("{group}::nothing_is_left"), || Leftovers::assert_none_since(&before));
    }
    suite.finish()
}

/// How each test went, for the table of claims: `make security-table`.
fn report(output: &str) {
    let Some(path) = std::env::var_os("STOCKADE_TESTS_REPORT") else { return };
    let mut file = std::fs::File::options().append(true).create(true).open(path).unwrap();
    for (name, verdict) in output.lines().filter_map(|line| line.strip_prefix("test ")?.split_once(" ... ")) {
        let verdict = verdict.split(' ').next().unwrap();
        std::io::Write::write_all(&mut file, format!("{name} {verdict}\n").as_bytes()).unwrap();
    }
}

fn run_group(group: &str) -> ExitCode {
    let mut suite = Suite::default();
    if let Some(stage) = group.strip_prefix("fail-at-") {
        failures::run(&mut suite, Stage::from_name(stage).expect("a stage"));
    } else if let Some(stage) = group.strip_prefix("ahead-fail-at-") {
        supervisor_side::run_ahead(&mut suite, Stage::from_name(stage).expect("a stage"));
    } else {
        let (_, run) = GROUPS.iter().find(|(name, _)| *name == group).expect("a group");
        run(&mut suite);
    }
    suite.finish()
}
