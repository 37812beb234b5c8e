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
#[path = "sandbox/disks.rs"]
mod disks;
#[path = "sandbox/egress.rs"]
mod egress;
#[path = "sandbox/failures.rs"]
mod failures;
#[path = "sandbox/groups.rs"]
mod groups;
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
#[path = "sandbox/proxied.rs"]
mod proxied;
#[path = "sandbox/separation.rs"]
mod separation;
#[path = "sandbox/supervisor_side.rs"]
mod supervisor_side;
#[path = "sandbox/warm.rs"]
mod warm;

use std::process::{Command, ExitCode, Stdio};

use stockade_plan::Stage;
use stockade_tests::{Leftovers, Suite};

type Group = (&'static str, fn(&mut Suite));

/// Each group with what it runs.
const GROUPS: [Group; 20] = [
    ("attacks", attacks::run),
    ("calls", calls::run),
    ("hostile", hostile::run),
    ("replaced-device", hostile::run_with_replaced_device),
    ("supervisor-side", supervisor_side::run),
    ("confinement", confinement::run),
    ("limits", limits::run),
    ("groups", groups::run),
    ("disks", disks::run),
    ("unrecorded-denials", denials::run_unrecorded),
    ("denials", denials::run),
    ("outputs", outputs::run),
    ("separation", separation::run),
    ("launcher-input", launcher_input::run),
    ("warm", warm::run),
    ("crash", crash::run),
    ("pressed-launcher", pressure::launcher),
    ("pressed-supervisor", pressure::supervisor),
    ("proxied", proxied::run),
    ("egress", egress::run),
];

/// Every group, or those that are named, by a part of their names, separated by commas, without those that `--skip=` names
/// so; `--list` tells the tests' names and runs none.
fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let listing = args.iter().any(|arg| arg == "--list");
    match args.iter().position(|arg| arg == "--group").and_then(|at| args.get(at + 1)) {
        Some(group) => run_group(group, listing),
        None => {
            let skip = args.iter().find_map(|arg| arg.strip_prefix("--skip=")).unwrap_or_default();
            let wanted = args.iter().skip(1).find(|arg| !arg.starts_with('-'));
            run_all(wanted.map(String::as_str), skip, listing)
        }
    }
}

fn run_all(filter: Option<&str>, skip: &str, listing: bool) -> ExitCode {
    assert!(rustix::process::geteuid().is_root(), "these tests need root: run `make test` as root");
    let named = |group: &str, parts: &str| parts.split(',').any(|part| group.contains(part));
    let wanted = |group: &String| filter.is_none_or(|parts| named(group, parts));
    let mut suite = if listing { Suite::listing() } else { Suite::default() };
    let stages =
        Stage::ALL.iter().flat_map(|stage| [format!("fail-at-{stage}"), format!("ahead-fail-at-{stage}")]);
    let groups = GROUPS.iter().map(|(name, _)| (*name).to_owned()).chain(stages);
    for group in groups.filter(wanted) {
        if !skip.is_empty() && named(&group, skip) {
            println!("not run {group}");
            continue;
        }
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--group", &group]).args(listing.then_some("--list"));
        let group_process = command.stdout(Stdio::piped()).spawn().unwrap();
        let worker = group_process.id();
        let output = group_process.wait_with_output().unwrap();
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        report(&output);
        // What a group could not remove, having given up root.
        for directory in output.lines().filter_map(|line| line.strip_prefix("remove /var/tmp/stockade-")) {
            std::fs::remove_dir_all(format!("/var/tmp/stockade-{directory}")).unwrap();
        }
        print!("{}", output.replace("test ", &format!("test {group}::")));
        if !listing {
            suite.add(&output);
        }
        suite.test(&format!("{group}::nothing_is_left"), || Leftovers::assert_none_of(worker));
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

fn run_group(group: &str, listing: bool) -> ExitCode {
    let mut suite = if listing { Suite::listing() } else { Suite::default() };
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
