//! `stockade exec` as a whole process beside `bwrap`, measured by hyperfine: what somebody waits who types the command.
//! `make bench`; needs root, hyperfine and bubblewrap. The policy is a shipped one, the command `true`. bubblewrap is measured
//! twice: showing the host's whole `/usr`, and showing what the policy shows, file by file.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a benchmark prints, starts what it measures, and fails loudly"
)]

use std::process::{Command, ExitCode};

use serde_json::Value;
use stockade_plan::{Entry, View};
use stockade_policies::{Host, Library};
use stockade_tests::{Place, binary, plan_for};

const RUNS: &str = "200";
const WARM_UP: &str = "10";
const TRUE: &str = "/usr/bin/true";
const POLICY: &str = "shell-utils";
/// What bubblewrap offers that comes closest: no seccomp filter, no Landlock, no control group, no limits, no record.
const BWRAP: &str = "bwrap --unshare-all --die-with-parent";
const WHOLE_USR: &str =
    "--ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64 --symlink usr/bin /bin";
const OWN_PLACES: &str = "--proc /proc --dev /dev --tmpfs /tmp";
/// Any that has all rights: the view is the same.
const LANDLOCK_ABI: u8 = 6;

/// In the order in which they are measured.
const NAMES: [&str; 4] = ["bare", "bwrap, whole /usr", "bwrap, same files", "stockade exec"];

fn main() -> ExitCode {
    let place = Place::new("services: []\n");
    let stockade = format!(
        "{} exec --policy {POLICY} --state-dir {} -- {TRUE}",
        binary("stockade").display(),
        place.state_dir().display()
    );
    let figures = place.path().join("figures.json");
    let measured = Command::new("hyperfine")
        .args(["-N", "--style", "none", "--warmup", WARM_UP, "--runs", RUNS, "--export-json"])
        .arg(&figures)
        .args([TRUE, &bwrap(WHOLE_USR), &bwrap(&same_files()), &stockade])
        .status();
    if !measured.is_ok_and(|status| status.success()) {
        println!("whole processes are not measured: hyperfine or bwrap is missing, or a command failed");
        return ExitCode::FAILURE;
    }
    let text = std::fs::read_to_string(&figures).expect("figures");
    let figures: Value = serde_json::from_str(&text).expect("figures of hyperfine");
    report(&figures);
    ExitCode::SUCCESS
}

fn bwrap(shows: &str) -> String {
    format!("{BWRAP} {shows} {OWN_PLACES} {TRUE}")
}

/// The binds and links of the policy's root as bubblewrap's options. The policy's made-up files are left out, and devices:
/// `--dev` makes some.
fn same_files() -> String {
    let library = Library::shipped().expect("the shipped policies");
    let plan = plan_for(&library, &Host::new(), LANDLOCK_ABI, POLICY, &[TRUE], &[]).expect("a plan");
    let View { entries, .. } = plan.confinement.view;
    let options = entries.iter().filter_map(|entry| match entry {
        Entry::Bind { source, path, .. } => Some(format!("--ro-bind {source} {path}")),
        Entry::Symlink { path, target } => Some(format!("--symlink {target} {path}")),
        Entry::Directory { path } => Some(format!("--dir {path}")),
        Entry::File { .. } | Entry::Device(_) | Entry::Recorder => None,
    });
    options.collect::<Vec<_>>().join(" ")
}

fn report(figures: &Value) {
    let times: Vec<Vec<f64>> = figures["results"]
        .as_array()
        .expect("results")
        .iter()
        .map(|result| sorted(&result["times"]))
        .collect();
    println!("whole processes running `true`, {RUNS} times each (hyperfine -N), milliseconds");
    println!("{:<24}{:>8}{:>8}{:>16}", "", "median", "p95", "stockade exec");
    let medians: Vec<f64> = times.iter().map(|times| at(times, 50)).collect();
    let ours = medians.last().copied().unwrap_or(f64::NAN);
    for ((name, times), median) in NAMES.iter().zip(&times).zip(&medians) {
        println!("{name:<24}{:>8.2}{:>8.2}{:>15.2}x", 1e3 * median, 1e3 * at(times, 95), ours / median);
    }
}

fn sorted(times: &Value) -> Vec<f64> {
    let mut times: Vec<f64> = times.as_array().expect("times").iter().filter_map(Value::as_f64).collect();
    times.sort_by(f64::total_cmp);
    times
}

/// The value below which so many per cent lie.
fn at(sorted: &[f64], percent: usize) -> f64 {
    sorted.get(sorted.len() * percent / 100).copied().unwrap_or(f64::NAN)
}
