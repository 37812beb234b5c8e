//! Reading from disk no faster than a policy lets a job. Where a host cannot hold a job to that, the job is refused.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use stockade_sandbox::{CgroupError, End, Hierarchy, Kernel, Outcome, RunError, State};
use stockade_tests::{Rig, Suite, slack};

/// What is read, MiB.
const SIZE_MB: usize = 12;
/// How often the control is tried: a machine that has other things to do may be slow once.
const TRIES: u32 = 10;

/// And so many of them a second: fewer where the disk itself is slow, so that the limit shows.
fn rate_mb() -> usize {
    if slack() > 1 { 1 } else { 4 }
}

pub(crate) fn run(suite: &mut Suite) {
    // Not in `/tmp`: that may be memory.
    let directory = tempfile::Builder::new().prefix("stockade-disk").tempdir_in("/var/tmp").unwrap();
    let path = directory.path().join("data");
    File::create(&path).unwrap().write_all(&vec![7; SIZE_MB << 20]).unwrap();
    for (path, mode) in [(directory.path(), 0o755), (&path, 0o644)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let rig = Rig::start(None);
    suite.test("reading_from_disk_is_held_to_its_limit", || held(&rig, &path));
    suite.test("without_a_limit_on_disks_none_is_said_to_be_in_force", || unlimited(&rig, &path));
    rig.close();
}

fn policy(path: &Path, limit: &str) -> String {
    format!(
        "policy: reader\nversion: 1\ndescription: A file on disk.\ncommands: [/bin/sh, /usr/bin/cat]\n\
         filesystem: {{read: [/usr/lib/x86_64-linux-gnu, {}], write: [/job]}}\n\
         resource_limits: {{memory_mb: 64, cpu_seconds: 30, wall_seconds: 60{limit}}}\n",
        path.display()
    )
}

/// Reads the whole file from the disk, and tells how many seconds that took.
fn read(rig: &Rig, path: &Path, limit: &str) -> Result<(Outcome, f64), RunError> {
    let file = File::open(path).unwrap();
    rustix::fs::fsync(&file).unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    let script = format!("/usr/bin/cat {} > /dev/null", path.display());
    let outcome = rig.try_run(&policy(path, limit), &["/bin/sh", "-c", &script])?;
    assert_eq!(outcome.end, End::Exited(0), "{}", String::from_utf8_lossy(&outcome.stderr.bytes));
    // It was the disk that was read, not what the kernel still had of it.
    assert!(outcome.usage.block_read_bytes >= (SIZE_MB as u64) << 20, "{:?}", outcome.usage);
    let took = outcome.usage.duration_seconds;
    Ok((outcome, took))
}

fn held(rig: &Rig, path: &Path) {
    let limit = format!(", disk_read_mb_per_second: {}", rate_mb());
    let place = Kernel::here().controllers.into_iter().find(|(name, _)| *name == "io");
    // A file system with a major number of zero may be on any disk, or on none.
    let disk_is_known = std::fs::metadata(path).unwrap().dev() >> 8 != 0;
    let (outcome, took) = match (read(rig, path, &limit), &place) {
        (Err(RunError::Cgroup(CgroupError::NoController("io"))), None) => return,
        (Err(RunError::Cgroup(CgroupError::NoDisk { .. })), Some(_)) if !disk_is_known => return,
        (read, _) => read.unwrap(),
    };
    let least = (SIZE_MB / rate_mb()) as f64 * 0.8;
    assert!(took > least, "{SIZE_MB} MiB at {} MiB a second in {took} s", rate_mb());
    let layer = &outcome.enforcement.0["cgroup_io"];
    let version = if place == Some(("io", Hierarchy::V2)) { "cgroup v2" } else { "cgroup v1" };
    assert_eq!(layer.state, State::Enforced);
    assert!(
        layer.detail.starts_with(&format!("{} bytes a second", rate_mb() << 20))
            && layer.detail.ends_with(version),
        "{layer:?}"
    );
    // The control: the same without a limit.
    let unhindered = |_| read(rig, path, "").unwrap().1;
    let shows = (0..TRIES).map(unhindered).any(|seconds| seconds < took / 2.0);
    assert!(shows, "{TRIES} times without a limit took no less than half of {took} s with one");
}

fn unlimited(rig: &Rig, path: &Path) {
    let (outcome, _) = read(rig, path, "").unwrap();
    assert!(!outcome.enforcement.0.contains_key("cgroup_io"));
}
