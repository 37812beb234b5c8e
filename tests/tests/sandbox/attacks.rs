//! The attack corpus: each case in a sandbox, where it must be answered as its header says, and in the places of its
//! controls, where the same program shows that it asks the right question.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};

use stockade_plan::{
    AbsPath, Access, Asked, Entry, Filter, Instruction, LandlockRule, List, Plan, seccomp_data,
};
use stockade_sandbox::{End, User};
use stockade_tests::{Case, Control, ControlPlace as Place, Rig, Suite, compile_corpus};

const X86_64: u32 = 0xc000_003e;
/// Number and name of each system call, as the policy's reviewed table has them.
const CALLS: &str = include_str!("../../../policies/tests/golden/seccomp-standard.txt");

pub(crate) fn run(suite: &mut Suite) {
    // `/tmp` is the job's own in a sandbox, so programs cannot lie there, nor can this checkout be trusted not to.
    let directory = tempfile::Builder::new().prefix("stockade-corpus").tempdir_in("/var/tmp").unwrap();
    let path = directory.path();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    let cases = Case::all();
    compile_corpus(&cases, path);
    // Before root is given up: the controls need it to become an account without any right here.
    let services = HostServices::start();
    let outside: Vec<Vec<Option<String>>> = cases
        .iter()
        .map(|case| case.controls.iter().map(|control| on_host(case, control, path)).collect())
        .collect();
    // Whoever removes it later is no longer root.
    let account = User::lookup("stockade").unwrap();
    chown(path, Some(account.uid), Some(account.gid)).unwrap();
    let rig = Rig::start(None);
    for (case, outside) in cases.iter().zip(&outside) {
        suite.test(&case.name, || {
            for (control, outside) in case.controls.iter().zip(outside) {
                if let Some(said) = outside.clone().or_else(|| beside(&rig, case, control, path)) {
                    assert!(
                        control.expect.contains(&said),
                        "{:?}: `{said}`, not {:?}",
                        control.place,
                        control.expect
                    );
                }
            }
            let plan = rig.plan(&case.policy(path), &arguments(case, path), &[]);
            let (said, denials) = in_sandbox(&rig, case, plan);
            let abi = rig.sandbox.facts().landlock_abi;
            assert!(case.answers(abi).contains(&said), "in a sandbox: `{said}`, not {:?}", case.answers(abi));
            let denials: Vec<String> = denials.iter().map(|denial| without_pid(denial)).collect();
            // Before this ABI Landlock tells the kernel's audit nothing, and init sees of it what is executed, no more.
            let may_lack = |denial: &str| {
                abi < 7 && denial.starts_with("landlock ") && !denials.iter().any(|told| told == denial)
            };
            let expected: Vec<&str> = case.evidence().into_iter().filter(|one| !may_lack(one)).collect();
            assert_eq!(denials, expected, "what the record holds of it");
        });
    }
    rig.close();
    drop(services);
}

/// Which pid a job's process has depends on what had been made ahead for it.
fn without_pid(denial: &str) -> String {
    match denial.split_once("/proc/") {
        Some((before, after)) => {
            let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
            let pid = if rest.len() == after.len() { "" } else { "PID" };
            format!("{before}/proc/{pid}{rest}")
        }
        None => denial.to_owned(),
    }
}

fn arguments(case: &Case, directory: &Path) -> Vec<&'static str> {
    case.command(directory).into_iter().map(|argument| &*argument.leak()).collect()
}

/// What the host has that a job must not reach; each listens, and nobody need answer.
struct HostServices {
    _tcp: TcpListener,
    _abstract: UnixListener,
    _named: UnixListener,
}

const NAMED: &str = "/tmp/stockade-corpus.sock";

impl HostServices {
    fn start() -> Self {
        let _absent = std::fs::remove_file(NAMED);
        let named = UnixListener::bind(NAMED).unwrap();
        std::fs::set_permissions(NAMED, PermissionsExt::from_mode(0o777)).unwrap();
        let account = User::lookup("stockade").unwrap();
        chown(NAMED, Some(account.uid), Some(account.gid)).unwrap();
        let address = SocketAddr::from_abstract_name("stockade-corpus").unwrap();
        Self {
            _tcp: TcpListener::bind("127.0.0.1:61999").unwrap(),
            _abstract: UnixListener::bind_addr(&address).unwrap(),
            _named: named,
        }
    }
}

impl Drop for HostServices {
    fn drop(&mut self) {
        std::fs::remove_file(NAMED).unwrap();
    }
}

/// What a control that is root has of its own.
const NAMESPACES: [(&str, &str); 6] = [
    ("mnt", "--mount"),
    ("pid", "--pid"),
    ("net", "--net"),
    ("ipc", "--ipc"),
    ("uts", "--uts"),
    ("cgroup", "--cgroup"),
];

/// Makes sure of it before the case runs: as root on the host itself these programs would do what they try. Stays pid 1,
/// so that what is asked of init is asked of somebody else.
const APART: &str = r#"
for namespace in mnt pid net ipc uts cgroup; do
    [ -n "$1" ] && [ "$(readlink "/proc/self/ns/$namespace")" != "$1" ] || exit 99
    shift
done
"$@"
exit $?
"#;

/// What a control on the host says; `None` for one that is elsewhere.
fn on_host(case: &Case, control: &Control, directory: &Path) -> Option<String> {
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", "20"]);
    match control.place {
        Place::Bare => {
            command.args(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]);
        }
        Place::Root => {
            command.args(["unshare", "--kill-child", "--fork", "--mount-proc"]);
            command.args(NAMESPACES.map(|(_, option)| option));
            command.args(["/bin/sh", "-c", APART, "sh"]);
            command.args(
                NAMESPACES.map(|(name, _)| std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap()),
            );
        }
        _ => return None,
    }
    let place = tempfile::Builder::new().prefix("stockade-control").tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let command = command.args(case.command(directory)).current_dir(place.path());
    let command = command.env_clear().env("PATH", "/usr/bin:/bin").stdin(std::process::Stdio::null());
    Some(said(&command.output().unwrap()))
}

fn said(output: &Output) -> String {
    match output.status.signal().or(output.status.code().filter(|code| *code > 128).map(|code| code - 128)) {
        Some(31) => "killed SIGSYS".to_owned(),
        Some(signal) => format!("killed {signal}: {output:?}"),
        None => match String::from_utf8_lossy(&output.stdout).trim() {
            "" => format!("{output:?}"),
            said => said.to_owned(),
        },
    }
}

/// What a control beside the sandbox says; `None` for one that is elsewhere.
fn beside(rig: &Rig, case: &Case, control: &Control, directory: &Path) -> Option<String> {
    let mut plan = rig.plan(&case.policy(directory), &arguments(case, directory), &[]);
    match &control.place {
        Place::Without { seccomp, landlock } => {
            if *seccomp {
                plan.confinement.filter = allow_all();
            }
            if *landlock {
                grant_all(&mut plan);
            }
            Some(in_sandbox(rig, case, plan).0)
        }
        Place::Filter { call, arguments } => Some(answer(&plan.confinement.filter, call, arguments)),
        Place::Bare | Place::Root | Place::None => None,
    }
}

/// What it says, and what the record has of its denials.
fn in_sandbox(rig: &Rig, case: &Case, plan: Plan) -> (String, Vec<String>) {
    let outcome = rig.run_plan(plan, &[]).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    // Whether it had to wait for its share of the processors is not what a case is about.
    let denials = outcome.denials.iter().filter(|denial| denial.what != "cpu_throttled");
    let denials = denials.map(|denial| format!("{} {} {}", denial.layer, denial.what, denial.target));
    let denials = denials.collect();
    let said = match (outcome.end, text(&outcome.stdout.bytes)) {
        (End::Signaled(31), _) => "killed SIGSYS".to_owned(),
        (End::Exited(0), said) if !said.is_empty() => said,
        (end, said) => format!("{end:?} {said} {}", text(&outcome.stderr.bytes)),
    };
    (said, denials)
}

/// A filter of one instruction: everything passes.
pub(crate) fn allow_all() -> Filter {
    const ALLOW: Instruction = Instruction { code: 0x06, jt: 0, jf: 0, k: 0x7fff_0000 };
    Filter { instructions: vec![ALLOW].try_into().unwrap(), watched: List::empty() }
}

/// Everything in the view granted, with the rights of the first ABI, which knows nothing of networks and devices. The
/// probe in the root stays refused, so the launcher finds its domain in force.
fn grant_all(plan: &mut Plan) {
    let mut tops: Vec<String> = ["/proc", "/job", "/tmp", "/dev"].map(str::to_owned).into();
    for entry in plan.confinement.view.entries.iter() {
        if let Entry::Directory { path } | Entry::File { path, .. } | Entry::Bind { path, .. } = entry {
            tops.push(format!("/{}", path.components().next().unwrap()));
        }
    }
    tops.sort();
    tops.dedup();
    let rule = |top: &String, access| LandlockRule { path: AbsPath::new(top.as_str()).unwrap(), access };
    let rules = tops.iter().flat_map(|top| [Access::Execute, Access::Write].map(|access| rule(top, access)));
    plan.confinement.landlock.rules = rules.collect::<Vec<_>>().try_into().unwrap();
    plan.confinement.landlock.abi = 1;
}

fn answer(filter: &Filter, call: &str, arguments: &[u64]) -> String {
    let number = call.strip_prefix("0x").map_or_else(
        || {
            let row = CALLS.lines().find(|line| line.split(' ').nth(1) == Some(call));
            row.and_then(|row| row.split(' ').next()?.parse().ok())
                .unwrap_or_else(|| panic!("no call `{call}`"))
        },
        |hex| u32::from_str_radix(hex, 16).unwrap(),
    );
    let mut all = [0; 6];
    all.iter_mut().zip(arguments).for_each(|(slot, argument)| *slot = *argument);
    let (action, _) = filter.run(&seccomp_data(number, X86_64, all)).unwrap();
    match action {
        0x7fff_0000 => "allow",
        0x8000_0000 => "kill",
        0x0005_0001 => "EPERM",
        0x0005_0026 => "ENOSYS",
        0x7fc0_0000 => match filter.watched.iter().find(|watched| watched.call == number).unwrap().asked {
            Asked::GoesAhead => "allow",
            Asked::Refused(1) => "EPERM",
            Asked::Refused(38) => "ENOSYS",
            Asked::Refused(other) => panic!("error {other}"),
        },
        other => panic!("action {other:#x}"),
    }
    .to_owned()
}
