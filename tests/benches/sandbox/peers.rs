//! The peers, each started as its users start it, with as much isolation as it offers without a policy written for it:
//! every namespace, a read-only root, no network, no capability, limits where it has them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;
use stockade_tests::binary;

use crate::{TRUE, layers};

/// Makes the command of one run.
pub(crate) type Start = Box<dyn Fn() -> Command + Send + Sync>;

/// A peer that this host has and that runs here, or why it is not measured.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) runs: Result<Runs, String>,
}

/// A peer that runs here.
pub(crate) struct Runs {
    /// Runs `true` in it.
    pub(crate) start: Start,
    /// What it has in force.
    pub(crate) layers: String,
}

/// How a peer is made to run a command; `place` is a directory of its own.
type Prepare = fn(place: &Path, argv: &[&str]) -> Start;

/// Name, program, limits it puts in force, how it runs a command.
const PEERS: [(&str, &str, &str, Prepare); 6] = [
    ("bubblewrap", "bwrap", "no limits", bubblewrap),
    ("firejail", "firejail", "no limits", firejail),
    ("runc", "runc", "memory, pids, cpu in control groups", runc),
    ("crun", "crun", "memory, pids, cpu in control groups", crun),
    (
        "runsc",
        "runsc",
        "memory, pids, cpu in control groups; system calls answered by gVisor's own kernel",
        runsc,
    ),
    ("hakoniwa", "hakoniwa", "Landlock; memory, pids, cpu in control groups", hakoniwa),
];

/// Every peer, whether or not it can be measured.
pub(crate) fn all(place: &Path) -> Vec<Peer> {
    PEERS
        .map(|(name, program, limits, prepare)| Peer {
            name,
            runs: try_out(place, name, program, limits, prepare),
        })
        .into()
}

fn try_out(place: &Path, name: &str, program: &str, limits: &str, prepare: Prepare) -> Result<Runs, String> {
    if !is_installed(program) {
        return Err("not installed".to_owned());
    }
    let own = |what: &str| {
        let own = place.join(format!("{name}-{what}"));
        std::fs::create_dir(&own).expect("a directory of the peer's own");
        own
    };
    let start = prepare(&own("true"), &[TRUE]);
    let tried = start().stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if !tried.status.success() {
        let said = String::from_utf8_lossy(&tried.stderr);
        return Err(format!("{}: {}", tried.status, said.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    let look = prepare(&own("look"), &layers::LOOK)();
    Ok(Runs { start, layers: format!("{}; {limits}", layers::found_by(look)) })
}

fn is_installed(program: &str) -> bool {
    let quiet = |mut command: Command| command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    let mut command = Command::new(path_of(program));
    command.arg("--version");
    quiet(command)
}

/// What `make bench` has built is beside this build; the rest is where the host has it.
fn path_of(program: &str) -> PathBuf {
    let built = binary("../peers/bin").join(program);
    if built.exists() { built } else { program.into() }
}

fn with(program: &str, options: &[&str], argv: &[&str]) -> Start {
    let program = path_of(program);
    let all: Vec<String> = options.iter().chain(argv).map(|&argument| argument.to_owned()).collect();
    Box::new(move || {
        let mut command = Command::new(&program);
        command.args(&all);
        command
    })
}

fn bubblewrap(_: &Path, argv: &[&str]) -> Start {
    let namespaces = ["--unshare-all", "--cap-drop", "ALL", "--die-with-parent", "--new-session"];
    let root =
        ["--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"];
    let rest = ["--symlink", "usr/bin", "/bin", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"];
    with("bwrap", &[&namespaces[..], &root, &rest, &["--remount-ro", "/", "--"]].concat(), argv)
}

fn firejail(_: &Path, argv: &[&str]) -> Start {
    let namespaces = ["--quiet", "--noprofile", "--net=none", "--ipc-namespace", "--hostname=bench"];
    let rest = [
        "--caps.drop=all",
        "--nonewprivs",
        "--seccomp",
        "--private-dev",
        "--private-tmp",
        "--read-only=/",
        "--",
    ];
    with("firejail", &[&namespaces[..], &rest].concat(), argv)
}

fn hakoniwa(_: &Path, argv: &[&str]) -> Start {
    let namespaces = ["run", "--unshare-all", "--rootfs", "/", "--devfs", "/dev", "--tmpfs", "/tmp"];
    let landlock = ["--landlock-restrict-all", "--landlock-fs-rx", "/usr", "--landlock-fs-ro", "/usr:/proc"];
    let limits = [
        "--cgroup-memory",
        "268435456",
        "--cgroup-pids-limit",
        "64",
        "--cgroup-cpus",
        "1",
        "--limit-nofile",
        "256",
    ];
    with("hakoniwa", &[&namespaces[..], &landlock, &limits, &["--"]].concat(), argv)
}

fn runc(place: &Path, argv: &[&str]) -> Start {
    bundle(place, argv);
    oci("runc", &[], place)
}

fn crun(place: &Path, argv: &[&str]) -> Start {
    bundle(place, argv);
    oci("crun", &[], place)
}

fn runsc(place: &Path, argv: &[&str]) -> Start {
    bundle(place, argv);
    oci("runsc", &["--network=none", "--platform=ptrace"], place)
}

/// Every run is a container with a name of its own.
fn oci(program: &str, options: &[&str], bundle: &Path) -> Start {
    let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
    let (program, bundle) = (program.to_owned(), bundle.to_owned());
    let runs = std::sync::atomic::AtomicU64::new(0);
    Box::new(move || {
        let run = runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let look = bundle.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut command = Command::new(&program);
        command.args(&options).args(["run", "--bundle"]).arg(&bundle);
        command.arg(format!("stockade-bench-{}-{look}-{run}", std::process::id()));
        command
    })
}

/// An OCI bundle: config.md of the runtime specification.
fn bundle(place: &Path, argv: &[&str]) {
    let root = place.join("rootfs");
    for directory in ["usr", "proc", "dev", "tmp"] {
        std::fs::create_dir_all(root.join(directory)).expect("a directory of the root");
    }
    for (link, target) in [("lib", "usr/lib"), ("lib64", "usr/lib64"), ("bin", "usr/bin")] {
        std::os::unix::fs::symlink(target, root.join(link)).expect("a link of the root");
    }
    let mount = |destination: &str, kind: &str, source: &str, options: &[&str]| json!({"destination": destination, "type": kind, "source": source, "options": options});
    let namespaces = ["pid", "network", "ipc", "uts", "mount", "cgroup"].map(|kind| json!({"type": kind}));
    let none: [&str; 0] = [];
    let config = json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 65534, "gid": 65534}, "args": argv, "cwd": "/", "env": ["PATH=/usr/bin"],
            "noNewPrivileges": true,
            "capabilities": {"bounding": none, "effective": none, "permitted": none},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 256, "soft": 256}],
        },
        "root": {"path": "rootfs", "readonly": true},
        "hostname": "bench",
        "mounts": [
            mount("/proc", "proc", "proc", &[]),
            mount("/dev", "tmpfs", "tmpfs", &["nosuid", "mode=755", "size=65536k"]),
            mount("/usr", "bind", "/usr", &["bind", "ro", "nosuid", "nodev"]),
            mount("/tmp", "tmpfs", "tmpfs", &["nosuid", "nodev", "noexec", "size=64m"]),
        ],
        "linux": {
            "namespaces": namespaces,
            "resources": {
                "memory": {"limit": 256 << 20},
                "pids": {"limit": 64},
                "cpu": {"quota": 100_000, "period": 100_000},
            },
        },
    });
    std::fs::write(place.join("config.json"), config.to_string()).expect("config.json");
}
