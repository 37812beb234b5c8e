//! Views and sources with links where none should be, swapped while they are looked at, or out of the supervisor's
//! reach.

use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use stockade_plan::{AbsPath, Access, Entry, LandlockRule, Plan, SetupError, Stage};
use stockade_sandbox::{RunError, User};
use stockade_tests::{Rig, Suite, binary};

const READ: &str = "read line < /shown; echo $line";

/// Directories of the host's for these tests; all of it belongs to the supervisor's account but what is root's alone.
struct Fixture {
    directory: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("stockade-hostile").tempdir_in("/var/tmp").unwrap();
        let fixture = Self { directory };
        for (name, mode) in [("open", 0o755), ("roots", 0o700)] {
            let path = fixture.path(name);
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join("data"), format!("{name}\n")).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        }
        symlink("/etc", fixture.path("open/link")).unwrap();
        symlink(fixture.path("secret"), fixture.path("open/other")).unwrap();
        std::fs::write(fixture.path("secret"), "secret\n").unwrap();
        let account = User::lookup("stockade").unwrap();
        for name in ["", "open", "open/data"] {
            chown(fixture.path(name), Some(account.uid), Some(account.gid)).unwrap();
        }
        std::fs::set_permissions(fixture.path(""), PermissionsExt::from_mode(0o755)).unwrap();
        fixture
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

pub(crate) fn run(suite: &mut Suite) {
    let fixture = Fixture::new();
    let rig = Rig::start(None);
    suite.test("a_view_with_a_link_or_a_file_where_a_mount_goes_is_refused", || mount_points(&rig));
    suite.test("nothing_is_placed_through_a_link_of_a_source", || linked_sources(&rig, &fixture));
    suite.test("a_source_that_is_swapped_for_a_link_shows_the_file_or_nothing", || swapped(&rig, &fixture));
    suite.test("a_file_that_the_account_cannot_reach_cannot_be_shown", || out_of_reach(&rig, &fixture));
    suite.test("a_command_behind_a_magic_link_is_refused", || magic_links(&rig));
    rig.close();
    // Root's directory in it is empty but for one file, and what holds it is the account's: it can be moved, not
    // emptied. The parent of this process is root and removes it.
    println!("remove {}", fixture.directory.keep().display());
}

fn absolute(path: impl AsRef<Path>) -> AbsPath {
    AbsPath::new(path.as_ref().to_str().unwrap()).unwrap()
}

fn plan(rig: &Rig, script: &str) -> Plan {
    rig.plan("shell-utils", &["/bin/sh", "-c", script], &[])
}

/// The plan with these entries before all others.
fn with(mut plan: Plan, entries: &[Entry]) -> Plan {
    let all: Vec<Entry> = entries.iter().chain(plan.confinement.view.entries.iter()).cloned().collect();
    plan.confinement.view.entries = all.try_into().unwrap();
    plan
}

/// The plan with `source` shown, and to be read, as `/shown`.
fn showing(mut plan: Plan, source: &Path) -> Plan {
    let path = absolute("/shown");
    let rule = LandlockRule { path: path.clone(), access: Access::Read };
    let rules: Vec<_> = plan.confinement.landlock.rules.iter().cloned().chain([rule]).collect();
    plan.confinement.landlock.rules = rules.try_into().unwrap();
    with(plan, &[Entry::Bind { source: absolute(source), path, executable: false }])
}

fn refusal(rig: &Rig, plan: Plan) -> SetupError {
    match rig.run_plan(plan, &[]) {
        Err(RunError::Setup(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn mount_points(rig: &Rig) {
    assert!(rig.run_plan(plan(rig, "true"), &[]).is_ok(), "the control");
    for place in ["/proc", "/dev", "/job", "/tmp", "/dev/shm"] {
        let path = absolute(place);
        let link = Entry::Symlink { path: path.clone(), target: absolute("/usr") };
        let file = Entry::File { path, content: b"x".to_vec().try_into().unwrap() };
        for entry in [link, file] {
            let error = refusal(rig, with(plan(rig, "true"), &[entry]));
            assert_eq!(error.stage, Stage::View, "{place}: {error}");
        }
    }
}

fn linked_sources(rig: &Rig, fixture: &Fixture) {
    let directory = fixture.path("open");
    assert!(rig.run_plan(showing(plan(rig, "true"), &directory), &[]).is_ok(), "the control");
    // Through a link that the source has, and a source behind one.
    let mut placed = showing(plan(rig, "true"), &directory);
    let within = Entry::Directory { path: absolute("/shown/link/stockade-owned") };
    let entries: Vec<_> = placed.confinement.view.entries.iter().cloned().chain([within]).collect();
    placed.confinement.view.entries = entries.try_into().unwrap();
    assert_eq!(refusal(rig, placed).stage, Stage::View);
    let behind = directory.join("link/hostname");
    assert_eq!(refusal(rig, showing(plan(rig, "true"), &behind)).stage, Stage::View);
    assert!(std::fs::symlink_metadata("/etc/stockade-owned").is_err());
}

/// What is opened once is what is bound: never what a link names that takes its place.
fn swapped(rig: &Rig, fixture: &Fixture) {
    let (data, other) = (fixture.path("open/data"), fixture.path("open/other"));
    let planned = showing(plan(rig, READ), &data);
    let stop = AtomicBool::new(false);
    let (mut shown, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                renameat_with(CWD, &data, CWD, &other, RenameFlags::EXCHANGE).unwrap();
            }
        });
        for _ in 0..60 {
            match rig.run_plan(planned.clone(), &[]) {
                Ok(outcome) => {
                    assert_eq!(String::from_utf8_lossy(&outcome.stdout.bytes), "open\n");
                    shown += 1;
                }
                Err(RunError::Setup(error)) => {
                    assert_eq!(error.stage, Stage::View, "{error}");
                    refused += 1;
                }
                Err(other) => panic!("{other:?}"),
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(shown > 0 && refused > 0, "both happen: {shown} shown, {refused} refused");
}

fn out_of_reach(rig: &Rig, fixture: &Fixture) {
    let roots = fixture.path("roots/data");
    let outcome = rig.run_plan(showing(plan(rig, READ), &fixture.path("secret")), &[]).unwrap();
    assert_eq!(String::from_utf8_lossy(&outcome.stdout.bytes), "secret\n", "the control: a file in reach");
    let error = refusal(rig, showing(plan(rig, READ), &roots));
    assert_eq!((error.stage, error.errno.0), (Stage::View, 13), "{error}");
    assert!(error.target.contains("roots/data"), "{error}");
}

fn magic_links(rig: &Rig) {
    for path in [
        "/proc/self/fd/0",
        "/proc/self/exe",
        "/proc/self/root/bin/sh",
        "/proc/1/root/bin/sh",
        "/proc/self/cwd",
    ] {
        let mut planned = plan(rig, "true");
        planned.task.command.executable = absolute(path);
        let error = refusal(rig, planned);
        assert_eq!(error.stage, Stage::Exec, "{path}: {error}");
    }
}

/// A launcher on a host where `/dev/null` is another device.
pub(crate) fn run_with_replaced_device(suite: &mut Suite) {
    let directory = tempfile::Builder::new().prefix("stockade-device").tempdir_in("/var/tmp").unwrap();
    let wrapper = directory.path().join("stockade-launcher");
    let host = std::fs::read_link("/proc/self/ns/mnt").unwrap();
    // In a mount namespace of its own, of which it makes sure: this host keeps its `/dev/null`.
    let text = format!(
        "#!/bin/sh\nexport PATH=/usr/bin:/bin\n\
         [ \"$(readlink /proc/self/ns/mnt)\" != '{}' ] || exec unshare --mount -- \"$0\" \"$@\"\n\
         mount --bind /dev/zero /dev/null && exec {} \"$@\"\n",
        host.display(),
        binary("stockade-launcher").display()
    );
    std::fs::write(&wrapper, text).unwrap();
    std::fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o700)).unwrap();
    let account = User::lookup("stockade").unwrap();
    chown(directory.path(), Some(account.uid), Some(account.gid)).unwrap();
    let rig = Rig::start_by(wrapper);
    suite.test("a_device_that_is_not_itself_is_refused", || {
        let error = refusal(&rig, plan(&rig, "true"));
        assert_eq!(
            (error.stage, error.call.as_str(), error.target.as_str()),
            (Stage::View, "verify device", "/dev/null")
        );
    });
    rig.close();
}
