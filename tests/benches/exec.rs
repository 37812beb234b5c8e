//! `stockade exec` as a whole process beside `bwrap`, measured by hyperfine: what somebody waits who types the command.
//! `make bench`; needs root, hyperfine and bubblewrap. The policy is a shipped one, the command `true`.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a benchmark prints, starts what it measures, and fails loudly"
)]

use std::process::{Command, ExitCode};

use serde_json::Value;
use stockade_tests::{Place, binary};

const RUNS: &str = "200";
const WARM_UP: &str = "10";
const TRUE: &str = "/usr/bin/true";
/// What bubblewrap offers that comes closest: no seccomp filter, no Landlock, no control group, no limits, no record.
const BWRAP: &str = "bwrap --unshare-all --die-with-parent --ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64 \
                     --symlink usr/bin /bin --proc /proc --dev /dev --tmpfs /tmp /usr/bin/true";

fn main() -> ExitCode {
    let place = Place::new("services: []\n");
    let stockade = format!(
        "{} exec --policy shell-utils --state-dir {} -- {TRUE}",
        binary("stockade").display(),
        place.state_dir().display()
    );
    let figures = place.path().join("figures.json");
    let measured = Command::new("hyperfine")
        .args(["-N", "--style", "none", "--warmup", WARM_UP, "--runs", RUNS, "--export-json"])
        .arg(&figures)
        .args([TRUE, BWRAP, &stockade])
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

fn report(figures: &Value) {
    let times: Vec<Vec<f64>> = figures["results"]
        .as_array()
        .expect("results")
        .iter()
        .map(|result| sorted(&result["times"]))
        .collect();
    println!("whole processes running `true`, {RUNS} times each (hyperfine -N), milliseconds");
    println!("{:<16}{:>8}{:>8}{:>10}", "", "median", "p95", "of bwrap");
    let of_bwrap = times.get(1).map_or(f64::NAN, |times| at(times, 50));
    for (name, times) in ["bare", "bwrap", "stockade exec"].iter().zip(&times) {
        let median = at(times, 50);
        println!("{name:<16}{:>8.2}{:>8.2}{:>9.2}x", 1e3 * median, 1e3 * at(times, 95), median / of_bwrap);
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
