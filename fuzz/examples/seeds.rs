//! Writes `corpus/` anew: `cargo run --example seeds`. The texts are those of the library, the examples and the
//! snapshot tests of the messages; the frames are plans of the library's policies, and one of each reply and report.

use std::error::Error;
use std::path::{Path, PathBuf};

use stockade_plan::{
    AbsPath, Assignment, Command, Confinement, Deed, Ended, Errno, Evidence, Fact, FileName, Found, How,
    JobSignal, LauncherFacts, List, Mark, Mounted, Named, Namespaces, NetworkFound, NotCollected,
    PLAN_VERSION, Plan, Recorded, Refusal, Refused, Reply, Report, Request, Rlimits, Rusage, SetupError,
    Stage, StageTime, Task, Told, Wall, encode,
};
use stockade_policies::{Environment, Host, JobSpec, Library, compile};

/// A larger text teaches the fuzzer nothing that a smaller one does not.
const TEXT_MAX: usize = 4096;

fn main() -> Result<(), Box<dyn Error>> {
    texts()?;
    requests()?;
    connections()?;
    replies()?;
    reports()?;
    records()?;
    functions()?;
    recordings()
}

/// What platforms of functions answer: what it is as one byte, then the text.
fn functions() -> Result<(), Box<dyn Error>> {
    const ID: &str = "8f507cfc-0000-4697-b07a-ac58fc914c95";
    let plain = format!(
        "START RequestId: {ID} Version: 7\nhello\nREPORT RequestId: {ID}\tDuration: 102.25 ms\tBilled Duration: 103 ms\tMemory \
         Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 120.5 ms\t\nXRAY TraceId: 1-2\tSegmentId: 3\n"
    );
    let forged = format!("REPORT RequestId: 0\tDuration: 1 ms\n{}", plain.replace("36 MB", "4096 MB"));
    let json = format!(
        r#"{{"time":"2026-01-01T00:00:00Z","type":"platform.report","record":{{"requestId":"{ID}","metrics":{{"durationMs":102.25,"billedDurationMs":103,"memorySizeMB":128,"maxMemoryUsedMB":36,"initDurationMs":120.5}},"status":"success"}}}}"#
    );
    let claims = "e30.eyJhdWQiOiJodHRwczovL2YucnVuLmFwcCIsImV4cCI6NzY0MTI2NDgwMH0.c2ln";
    for (kind, name, text) in [
        (0, "report", plain.as_str()),
        (0, "report-forged", &forged),
        (0, "report-json", &json),
        (0, "report-late", "REPORT RequestId: 0 Duration: 9e9 ms Memory Size: NaN MB"),
        (1, "threw", r#"{"errorType": "ValueError", "errorMessage": "no rows", "stackTrace": []}"#),
        (1, "timed-out", r#"{"errorMessage": "2026-01-01T00:00:00Z x Task timed out after 3.00 seconds"}"#),
        (1, "out-of-memory", r#"{"errorType": "Runtime.OutOfMemory", "errorMessage": "x"}"#),
        (1, "no-json", "Task timed out"),
        (2, "answered", "200{}"),
        (2, "failed", "500boom"),
        (3, "claims", claims),
        (3, "claims-none", "a.b.c"),
        (4, "granted", r#"{"id_token": "a.b.c", "expires_in": 3600}"#),
    ] {
        write("function", name, &[&[kind][..], text.as_bytes()].concat())?;
    }
    Ok(())
}

/// Records of the kernel's audit: the type as one byte, then the text.
fn records() -> Result<(), Box<dyn Error>> {
    const KILLED: &str = "auid=4294967295 uid=1879048192 gid=1879048192 ses=4294967295 pid=9 comm=\"probe\" exe=\"/probe\" \
                          sig=31 arch=40000003 syscall=20 compat=1 ip=0x8048 code=0x80000000";
    let accesses = [
        ("bind", "blockers=net.bind_tcp src=8080"),
        ("connect", "blockers=net.connect_tcp daddr=192.0.2.1 dest=80"),
        ("connect-v6", "blockers=net.connect_tcp daddr=2001:db8::1 dest=443"),
        ("hexadecimal", "blockers=fs.write_file,fs.truncate path=2F6120620A dev=\"tmpfs\" ino=35"),
        ("other", "blockers=fs.something_new"),
        ("read", "blockers=fs.read_file path=\"/etc/shadow\" dev=\"tmpfs\" ino=35"),
        ("signal", "blockers=scope.signal opid=1 ocomm=\"systemd\""),
        ("trace", "blockers=ptrace opid=1 ocomm=\"systemd\""),
    ];
    let domains = [
        (
            "allocated",
            "status=allocated mode=enforcing pid=16533 uid=1879048192 exe=\"/x\" comm=646F6D61696E3D31",
        ),
        ("deallocated", "status=deallocated denials=2"),
    ];
    let record = |kind: u8, text: &str| [&[kind][..], text.as_bytes()].concat();
    let at = "audit(1795446429.972:4816):";
    write("audit", "killed", &record(0, &format!("{at} {KILLED}")))?;
    for (kind, texts) in [(1, &accesses[..]), (2, &domains)] {
        for (name, text) in texts {
            write("audit", name, &record(kind, &format!("{at} domain=18c678dc0 {text}")))?;
        }
    }
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn write(target: &str, name: &str, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let directory = root().join("corpus").join(target);
    std::fs::create_dir_all(&directory)?;
    Ok(std::fs::write(directory.join(name), bytes)?)
}

/// Each text to the target that parses its kind.
fn texts() -> Result<(), Box<dyn Error>> {
    for directory in ["policies/library", "policies/tests/errors", "examples", "fuzz/src"] {
        for entry in std::fs::read_dir(root().join("..").join(directory))? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let bytes = std::fs::read(&path)?;
            let is_registry = bytes.windows(9).any(|window| window == b"services:");
            let name = path.file_name().unwrap_or_default().display().to_string();
            if bytes.len() <= TEXT_MAX {
                write(if is_registry { "registry" } else { "policy" }, &name, &bytes)?;
            }
        }
    }
    Ok(())
}

/// The plan of a command under each policy of the library.
fn plans() -> Result<Vec<(String, Plan)>, Box<dyn Error>> {
    let (library, host) = (Library::shipped()?, Host::new());
    let mut plans = Vec::new();
    for name in library.names() {
        let policy = library.effective(name.as_str(), Environment::Production)?;
        let commands: Vec<String> = policy.commands().map(ToString::to_string).collect();
        for command in commands.iter().take(1) {
            let job = JobSpec::command(vec![command.clone(), "-c".into(), "true".into()])?
                .with_input(FileName::new("input.json")?, 2);
            if let Ok(plan) = compile(&policy, &job, &host, 6) {
                plans.push((format!("{name}-{}", plans.len()), plan));
            }
        }
    }
    Ok(plans)
}

fn requests() -> Result<(), Box<dyn Error>> {
    write("request", "prepare", &encode(&Request::Prepare { id: 7, v1_groups: 3, terminal: true })?)?;
    write("request", "signal", &encode(&Request::Signal { id: 7, signal: JobSignal::Terminate })?)?;
    let marked = Assignment { task: shortest()?, mark: Some(Mark::of([0; Mark::LENGTH])) };
    write("task", "shortest", &encode(&marked)?)?;
    for (name, plan) in &plans()? {
        let mut task = plan.task.clone();
        write("task", name, &unmarked(&task)?)?;
        task.inputs = List::empty();
        write("task", &format!("{name}-no-input"), &unmarked(&task)?)?;
        task.command.environment = List::empty();
        task.outputs = List::empty();
        write("task", &format!("{name}-bare"), &unmarked(&task)?)?;
        let mut confinement = Box::new(plan.confinement.clone());
        write("request", name, &build(&confinement)?)?;
        // Small ones are changed more often: without filters, without rules, without a view.
        confinement.filter.instructions = List::empty();
        confinement.init_filter.instructions = List::empty();
        write("request", &format!("{name}-no-filter"), &build(&confinement)?)?;
        confinement.view.entries = List::empty();
        confinement.landlock.rules = List::empty();
        write("request", &format!("{name}-bare"), &build(&confinement)?)?;
    }
    Ok(())
}

/// As init is given it where no mark is asked for.
fn unmarked(task: &Task) -> Result<Vec<u8>, Box<dyn Error>> {
    Ok(encode(&Assignment { task, mark: None })?)
}

fn shortest() -> Result<Task, Box<dyn Error>> {
    let command =
        Command { executable: AbsPath::new("/a")?, arguments: List::empty(), environment: List::empty() };
    Ok(Task { command, inputs: List::empty(), outputs: List::empty() })
}

fn build(confinement: &Confinement) -> Result<Vec<u8>, Box<dyn Error>> {
    let confinement = Box::new(confinement.clone());
    Ok(encode(&Request::Build { id: 7, version: PLAN_VERSION, confinement })?)
}

fn namespaces() -> Namespaces {
    Namespaces { user: 1, mnt: 2, pid: 3, net: 4, ipc: 5, uts: 6, cgroup: 7 }
}

fn rusage() -> Rusage {
    Rusage { user_us: 1, system_us: 2, max_rss_kb: 3, blocks_in: 4, blocks_out: 5, context_switches: 6 }
}

fn setup_error(stage: Stage) -> SetupError {
    SetupError { stage, call: "mount".into(), target: "/job".into(), errno: Errno(13) }
}

fn replies() -> Result<(), Box<dyn Error>> {
    let facts = LauncherFacts {
        plan_version: 1,
        landlock_abi: 6,
        landlock_errata: 3,
        host_namespaces: namespaces(),
        uid_base: 100_000,
        uid_slots: 1024,
    };
    write("reply", "hello", &encode(&Reply::Hello(facts))?)?;
    write("reply", "prepared", &encode(&Reply::Prepared { id: 1, host_uid: 100_001 })?)?;
    for stage in Stage::ALL {
        let reply = Reply::Failed { id: Some(1), error: setup_error(*stage) };
        write("reply", &format!("failed-{}", stage.name()), &encode(&reply)?)?;
    }
    write(
        "reply",
        "failed-early",
        &encode(&Reply::Failed { id: None, error: setup_error(Stage::Request) })?,
    )?;
    for ended in [Ended::Exited(0), Ended::Exited(-1), Ended::Signaled(9)] {
        let reply = Reply::Exited { id: 1, ended, rusage: rusage() };
        write("reply", &format!("exited-{ended:?}"), &encode(&reply)?)?;
    }
    Ok(())
}

fn network() -> Result<NetworkFound, Box<dyn Error>> {
    Ok(NetworkFound {
        interfaces: vec!["lo".to_owned()].try_into()?,
        loopback_up: true,
        routes_elsewhere: 0,
        listening: vec![443, 3128].try_into()?,
    })
}

fn evidence() -> Result<Evidence, Box<dyn Error>> {
    let mounted = |path: &str| Mounted {
        path: path.to_owned(),
        read_only: path == "/",
        nosuid: true,
        nodev: true,
        noexec: path != "/",
        size_bytes: 1 << 24,
        inodes: 4096,
    };
    let rlimits = Rlimits {
        open_files: 64,
        file_bytes: 1 << 24,
        processes: 32,
        cpu_seconds: 11,
        stack_bytes: 8 << 20,
        pending_signals: 1024,
    };
    Ok(Evidence {
        namespaces: namespaces(),
        host_uid: 100_001,
        uid: 1000,
        groups: 0,
        capabilities: [0; 5],
        securebits: 0x2f,
        no_new_privs: true,
        seccomp_mode: 2,
        seccomp_filters: 2,
        landlock_abi: 6,
        landlock_probe_refused: true,
        cgroup_paths: vec!["0::/".to_owned(), "4:memory:/".to_owned()].try_into()?,
        joined: vec!["0::/stockade/w-7-9/j0".to_owned(), "4:memory:/stockade/w-7-9/j0".to_owned()]
            .try_into()?,
        mounts: ["/", "/job", "/tmp", "/dev/shm", "/proc"].map(mounted).to_vec().try_into()?,
        rlimits,
        descriptors: vec![0, 1, 2].try_into()?,
        network: Some(network()?),
        stages: Stage::ALL
            .iter()
            .map(|stage| StageTime { stage: *stage, us: 7 })
            .collect::<Vec<_>>()
            .try_into()?,
    })
}

fn reports() -> Result<(), Box<dyn Error>> {
    write("report", "started", &encode(&Report::Started)?)?;
    let program = Named::Known(b"/usr/bin/id\xff".to_vec().try_into()?);
    let refused = [
        Refused::Call { call: 41, arguments: Named::Known([38, 5, 0, 0, 0, 0]) },
        Refused::Execute { program, by: Wall::View },
        Refused::Connect { address: Named::Known("192.0.2.1:80".parse()?) },
        Refused::Connect { address: Named::Others },
        Refused::Unread { call: 59 },
    ];
    for (place, refused) in (0_u16..).zip(refused) {
        let told = Refusal { place, count: 1, refused: Some(refused) };
        write("report", &format!("refused-{place}"), &encode(&Report::Refused(told))?)?;
    }
    write("report", "ready", &encode(&Report::Ready(Box::new(evidence()?)))?)?;
    write("report", "setup-failed", &encode(&Report::SetupFailed(setup_error(Stage::Exec)))?)?;
    for (name, ended) in [("exited", Ended::Exited(1)), ("signaled", Ended::Signaled(31))] {
        let report = Report::Ended {
            ended,
            read_bytes: Some(u64::MAX),
            written_bytes: None,
            rusage: rusage(),
            wall_us: u64::MAX,
        };
        write("report", name, &encode(&report)?)?;
    }
    let found = [
        Found::File { size: 3 },
        Found::Not(NotCollected::Missing),
        Found::Not(NotCollected::Symlink),
        Found::Not(NotCollected::HardLinked),
        Found::Not(NotCollected::TooLarge { size: u64::MAX }),
        Found::Not(NotCollected::Unreadable(Errno(5))),
    ];
    for (index, found) in (0..).zip(found) {
        write("report", &format!("output-{index}"), &encode(&Report::Output { index, found })?)?;
    }
    write("report", "chunk", &encode(&Report::Chunk(b"a\0\xff".to_vec().try_into()?))?)?;
    write("report", "done", &encode(&Report::Done)?)
}

/// What a connection begins with, of each kind.
fn connections() -> Result<(), Box<dyn Error>> {
    // A hello as TLS 1.3 has it, short of the keys: versions, and a server's name.
    let name = b"a.example";
    let names = [&[0, 14, 0, 12, 0, 0, 9][..], name].concat();
    let extensions = [&[0, 43, 0, 3, 2, 3, 4, 0, 0][..], &names].concat();
    let len = u8::try_from(extensions.len())?;
    let body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0, 0, len], &extensions].concat();
    let len = u8::try_from(body.len())?;
    let hello = [&[0x16, 3, 1, 0, len + 4, 1, 0, 0, len][..], &body].concat();
    let texts: [(&str, &[u8]); 12] = [
        ("hello", &hello),
        ("socks-greeting", &[5, 2, 0, 2]),
        ("socks-name", b"\x05\x01\0\x03\x09a.example\x01\xbb"),
        ("socks-nul", b"\x05\x01\0\x03\x13a.example\0b.example\x01\xbb"),
        ("socks-v4", b"\x05\x01\0\x01\x7f\0\0\x01\0\x50"),
        ("socks-v6", b"\x05\x01\0\x04\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\x01\0\x50"),
        ("connect", b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"),
        ("get", b"GET http://a.example/x?y HTTP/1.1\r\nHost: a.example\r\nProxy-Connection: close\r\n\r\n"),
        ("post", b"POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\nConnection: x, te\r\nX: y\r\n\r\nabc"),
        ("chunked", b"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
        ("chunk", b"1f;name=value\r\n"),
        ("destination", b"[2001:db8::7]:443"),
    ];
    texts.into_iter().try_for_each(|(name, bytes)| write("egress", name, bytes))
}

/// A recording of one fact each, so that a fuzzer can put them together.
fn recordings() -> Result<(), Box<dyn Error>> {
    let path = |text: &str| text.as_bytes().to_vec().try_into();
    let named = |how, text: &str| -> Result<Deed, Box<dyn Error>> {
        Ok(Deed::Named { how, named: path(text)?, real: Some(path(text)?) })
    };
    let facts = [
        ("executed", 59, named(How::Execute, "/usr/bin/sort")?, 0),
        ("executed-script", 59, named(How::Execute, "/usr/bin/ldd")?, 0),
        ("read", 257, named(How::Read, "/usr/share/zoneinfo/UTC")?, 0),
        ("listed", 257, named(How::Read, "/usr/lib/locale")?, 0),
        ("mapped", 9, named(How::Map, "/usr/lib/x86_64-linux-gnu/libm.so.6")?, 0),
        ("wrote", 257, named(How::Write, "/tmp/x")?, 0),
        ("looked", 262, named(How::Look, "/etc/alternatives")?, 0),
        ("refused", 257, named(How::Read, "/etc/shadow")?, 13),
        ("called", 133, Deed::Called([0; 6]), 0),
        ("locked", 72, Deed::Called([0, 6, 0, 0, 0, 0]), 0),
        ("compiled", 9, Deed::Called([0, 0, 7, 0x20, 0, 0]), 0),
        ("connected", 42, Deed::Address(b"\x02\0\x01\xbb\xc0\0\x02\x07".to_vec().try_into()?), 101),
        ("bound", 49, Deed::Address(b"\x01\0/tmp/socket\0".to_vec().try_into()?), 0),
    ];
    let recorded = Recorded {
        ended: Ended::Exited(0),
        disk_bytes: 1 << 20,
        files: 7,
        descriptor: 5,
        untold: 1,
        shy: 1,
        lost_signals: 1,
    };
    for (name, call, deed, errno) in facts {
        let told = [
            Told::Program(path("/usr/bin/dash")?),
            Told::Fact(Fact { program: 0, call, deed, errno }),
            Told::Counts(vec![3].try_into()?),
            Told::Left(path("out.csv")?, 100),
            Told::Printed(b"a\xff".to_vec().try_into()?),
            Told::Ended(recorded),
        ];
        let frames = told.iter().map(Told::frame).collect::<Result<Vec<_>, _>>()?;
        write("recording", name, &frames.concat())?;
    }
    write("recording", "not-started", &Told::NotStarted(2).frame()?)
}
