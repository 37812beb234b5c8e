//! The sandbox suite and the doctor on other kernels than this host's: Debian's 6.1 and 6.12, booted in virtual machines
//! under software emulation, with control groups in version 2 only. Needs root, as the suite on this host does.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, prints its results, and starts the programs it tests"
)]

#[path = "kernels/doctor.rs"]
mod doctor;
#[path = "kernels/image.rs"]
mod image;
#[path = "kernels/kernel.rs"]
mod kernel;
#[path = "kernels/machine.rs"]
mod machine;
#[path = "kernels/verdict.rs"]
mod verdict;

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

use kernel::{KERNELS, Kernel};
use machine::Machine;
use verdict::Expected;

/// What of the suite's groups, by a part of their names, does not run in the machines, and why. Everything else does, and the
/// machines have to say so of each of these themselves.
const NOT_RUN: [(&str, &str); 1] = [(
    "egress",
    "it asks for `production`, which 6.1 is no host for, and its programs are curl, node and pip: what a kernel changes of a \
     job's network, `proxied` and the corpus show",
)];

/// Below this two machines do not run side by side, bytes.
const MEMORY_FOR_TWO: u64 = 3 << 30;

fn main() -> ExitCode {
    assert!(rustix::process::geteuid().is_root(), "these tests need root: run `make test-kernels` as root");
    // Groups of the suite to be run, separated by commas, instead of all.
    let groups = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let groups = groups.as_deref();
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kernels");
    // Held until this process ends: two runs would write over each other's images.
    let _ours = ours(&directory);
    let programs = image::Programs::gather(&directory);
    let skip = NOT_RUN.map(|(group, _)| group).join(",");
    let (all, not_run) = programs.tests(groups, &skip);
    for (group, why) in NOT_RUN {
        println!("not run in the machines: {group}: {why}");
        assert!(
            groups.is_some() || not_run.iter().any(|one| one.contains(group)),
            "there is no group {group}"
        );
    }
    let (delegated, _) = programs.tests(Some("groups"), "");
    let expected = Expected { all, delegated, not_run };
    let root = image::root(&directory, &programs);
    let start = |kernel: &Kernel| Machine::start(kernel, &kernel.fetched(&directory), &root, groups, &skip);
    let finished: Vec<_> = if available_memory() >= MEMORY_FOR_TWO {
        let started: Vec<Machine> = KERNELS.iter().map(start).collect();
        started.into_iter().map(Machine::finish).collect()
    } else {
        KERNELS.iter().map(|kernel| start(kernel).finish()).collect()
    };
    let mut failed = 0;
    for (kernel, run) in KERNELS.iter().zip(&finished) {
        failed += verdict::judge(kernel, run, &expected);
    }
    println!("{} kernels, {failed} failures", KERNELS.len());
    if failed == 0 && !expected.all.is_empty() && !expected.delegated.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Waits for whoever uses the directory.
fn ours(directory: &Path) -> File {
    std::fs::create_dir_all(directory).unwrap();
    let lock = File::create(directory.join("lock")).unwrap();
    if lock.try_lock().is_err() {
        println!("waits for another run in {}", directory.display());
        lock.lock().unwrap();
    }
    lock
}

/// `MemAvailable` of proc_meminfo(5), bytes.
fn available_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
