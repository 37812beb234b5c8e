//! What a job was refused, as evidence: gathered, counted, and told with the job.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use stockade_sandbox::{Denial, End, Outcome, State};
use stockade_tests::{Rig, Suite, patience, slack};
use tokio_util::sync::CancellationToken;

const POLICY: &str = "\
policy: denials
version: 1
description: An interpreter and a shell.
extends: base
commands: [/usr/bin/python3, /bin/sh, /usr/bin/true]
filesystem: {read: [/usr/lib], write: [/job, /tmp]}
resource_limits: {wall_seconds: 60, cpu_seconds: 60}
";

/// What a job asks for that its policy does not let it: a path, a call, an address, a program.
const FOUR: &str = "\
import ctypes, os, socket, subprocess
def attempt(what):
    try:
        what()
        print('done')
    except OSError as error:
        print(error.errno)
libc = ctypes.CDLL(None, use_errno=True)
def io_uring():
    if libc.syscall(425, 1, 0) < 0:
        raise OSError(ctypes.get_errno(), '')
attempt(lambda: open('/etc/shadow').read())
attempt(io_uring)
attempt(lambda: socket.create_connection(('192.0.2.1', 80), 1))
attempt(lambda: subprocess.run(['/usr/bin/id']))
";

fn python(rig: &Rig, script: &str) -> Outcome {
    rig.run(POLICY, &["/usr/bin/python3", "-c", script])
}

fn text(outcome: &Outcome) -> String {
    String::from_utf8_lossy(&outcome.stdout.bytes).into_owned()
        + &String::from_utf8_lossy(&outcome.stderr.bytes)
}

fn find<'a>(outcome: &'a Outcome, layer: &str, what: &str, target: &str) -> &'a Denial {
    let found =
        outcome.denials.iter().find(|d| (d.layer, d.what, d.target.as_str()) == (layer, what, target));
    found.unwrap_or_else(|| panic!("no {layer} {what} {target} in {:#?}\n{}", outcome.denials, text(outcome)))
}

/// Whether the kernel tells what its Landlock refuses. Where it does not, that is refused all the same, and the
/// enforcement says that no evidence of it can be had.
fn tells_of_landlock(rig: &Rig) -> bool {
    rig.sandbox.facts().landlock_abi >= 7
}

/// Where the kernel does not tell what its Landlock refuses, nothing is known of it but the programs that init saw asked for,
/// and the job's record says so.
fn assert_unknown(outcome: &Outcome) {
    let known = |denial: &Denial| denial.layer != "landlock" || denial.what == "execute";
    assert!(outcome.denials.iter().all(known), "{:#?}", outcome.denials);
    let evidence = &outcome.enforcement.0["evidence"];
    assert_eq!(evidence.state, State::Degraded, "{evidence:?}");
    assert!(evidence.detail.contains("the audit does not tell of it before ABI 7"), "{evidence:?}");
}

pub(crate) fn run(suite: &mut Suite) {
    let rig = Rig::start(None);
    suite.test("refused_path_call_address_and_program_are_four_denials", || {
        let outcome = python(&rig, FOUR);
        assert_eq!(outcome.end, End::Exited(0), "{}", text(&outcome));
        assert_eq!(find(&outcome, "seccomp", "system_call", "io_uring_setup").count, 1);
        assert_eq!(find(&outcome, "network", "connect", "192.0.2.1:80").count, 1);
        assert_eq!(find(&outcome, "view", "execute", "/usr/bin/id").count, 1);
        if tells_of_landlock(&rig) {
            assert_eq!(find(&outcome, "landlock", "read", "/etc/shadow").count, 1);
            assert_eq!(outcome.denials.len(), 4, "{:#?}", outcome.denials);
        } else {
            assert!(text(&outcome).starts_with("13\n"), "{}", text(&outcome));
            assert_eq!(outcome.denials.len(), 3, "{:#?}", outcome.denials);
            assert_unknown(&outcome);
        }
    });
    suite.test("a_job_that_keeps_to_its_policy_has_no_denial", || {
        let script = "import os, socket, subprocess\n\
                      subprocess.run(['/usr/bin/true'], check=True)\n\
                      subprocess.run(['/bin/sh', '-c', 'true; /usr/bin/true'], check=True)\n\
                      a, b = socket.socketpair()\n\
                      a.send(b'x')\n\
                      open('/job/x', 'w').write('y')\n";
        let outcome = python(&rig, script);
        assert_eq!(outcome.end, End::Exited(0), "{}", text(&outcome));
        assert!(outcome.denials.is_empty(), "{:#?}", outcome.denials);
    });
    suite.test("a_program_that_is_found_along_the_search_path_leaves_no_denial", || found_later(&rig));
    suite.test("a_program_that_is_found_nowhere_is_a_denial_for_each_directory", || found_nowhere(&rig));
    suite.test("a_call_that_kills_is_told_by_the_kernels_audit", || {
        // getpid of the x32 table.
        let outcome = python(&rig, "import ctypes; ctypes.CDLL(None).syscall(0x40000027)");
        assert_eq!(outcome.end, End::Signaled(31), "{}", text(&outcome));
        find(&outcome, "seccomp", "system_call", "call 1073741863 of architecture 0xc000003e, which kills");
    });
    suite.test("a_flood_of_refused_calls_is_counted_to_the_last_and_costs_the_job", || flood(&rig));
    suite.test("a_flood_of_one_job_hides_nothing_of_another", || beside_a_flood(&rig));
    suite.test("a_job_that_is_killed_leaves_what_was_refused_until_then", || killed(&rig));
    suite.test("paths_that_landlock_refuses_are_denials_with_their_right", || paths(&rig));
    suite.test("what_is_refused_last_is_told_too", || at_the_end(&rig));
    suite.test("whatever_the_host_does_the_last_refusal_of_a_job_that_ends_well_is_told", || {
        under_load(&rig);
    });
    suite.test("a_job_that_has_calls_of_its_own_recorded_is_heard_to_its_end_all_the_same", || forged(&rig));
    suite.test("what_the_probe_refuses_a_job_is_the_jobs_denial", || probe(&rig));
    suite.test("a_flood_beyond_what_the_kernel_records_is_counted_all_the_same", || landlock_flood(&rig));
    rig.close();
}

/// The audit of this host, told to keep no record of calls that a filter has logged, until this is dropped: by a process that
/// still may do so then.
struct Unrecorded(Child);

impl Unrecorded {
    fn start() -> Self {
        let script = "cd /proc/sys/kernel/seccomp && read -r was < actions_logged || exit 1\n\
                      for one in $was; do [ $one = log ] || kept=\"$kept $one\"; done\n\
                      echo $kept > actions_logged && echo; read -r line; echo $was > actions_logged";
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = shell.spawn().unwrap();
        let mut line = [0];
        shell.stdout.as_mut().unwrap().read_exact(&mut line).expect("the kernel takes it");
        Self(shell)
    }
}

impl Drop for Unrecorded {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }
}

pub(crate) fn run_unrecorded(suite: &mut Suite) {
    let _unrecorded = Unrecorded::start();
    let rig = Rig::start(None);
    suite.test("a_host_that_keeps_no_record_of_inits_marks_hears_of_the_last_refusal_by_another", || {
        for _ in 0..8 {
            at_the_end(&rig);
        }
    });
    rig.close();
}

/// What execvp(3) does, by the interpreter's own and by its way to start others.
fn searching(program: &str) -> String {
    format!(
        "import os, subprocess\n\
         os.environ['PATH'] = '/usr/local/bin:/usr/games:/usr/bin:/bin'\n\
         try: subprocess.run(['{program}'], check=True)\n\
         except FileNotFoundError: print('nowhere')\n\
         os.execvp('{program}', ['{program}'])\n"
    )
}

fn found_later(rig: &Rig) {
    let outcome = python(rig, &searching("true"));
    assert_eq!(outcome.end, End::Exited(0), "{}", text(&outcome));
    assert!(outcome.denials.is_empty(), "{:#?}", outcome.denials);
}

fn found_nowhere(rig: &Rig) {
    let outcome = python(rig, &searching("id"));
    assert_eq!(outcome.end, End::Exited(1), "{}", text(&outcome));
    for directory in ["/usr/local/bin", "/usr/games", "/usr/bin", "/bin"] {
        assert_eq!(find(&outcome, "view", "execute", &format!("{directory}/id")).count, 2);
    }
    assert_eq!(outcome.denials.len(), 4, "{:#?}", outcome.denials);
}

/// Refused so often, in C's speed as far as an interpreter has it.
fn flooding(times: usize) -> String {
    format!(
        "import ctypes\n\
         call = ctypes.CDLL(None).syscall\n\
         for _ in range({times}): call(165, 0, 0, 0, 0, 0)\n"
    )
}

fn flood(rig: &Rig) {
    let times = 200_000 / usize::try_from(slack()).unwrap();
    let began = Instant::now();
    let outcome = python(rig, &flooding(times));
    assert_eq!(outcome.end, End::Exited(0), "{}", text(&outcome));
    let denial = find(&outcome, "seccomp", "system_call", "mount");
    assert_eq!((denial.count, denial.at_least), (times as u64, false));
    // Job and init together may have had more than their share.
    let others = outcome.denials.iter().filter(|denial| denial.what != "cpu_throttled");
    assert_eq!(others.count(), 1, "{:#?}", outcome.denials);
    println!("{times} refused calls in {:?}", began.elapsed());
}

fn beside_a_flood(rig: &Rig) {
    let cancel = CancellationToken::new();
    let script = flooding(100_000_000);
    let flood = rig.start_job(POLICY, &["/usr/bin/python3", "-c", &script], &cancel);
    std::thread::sleep(patience(Duration::from_millis(300)));
    let quiet = python(rig, FOUR);
    find(&quiet, "seccomp", "system_call", "io_uring_setup");
    assert!(!quiet.denials.iter().any(|denial| denial.target == "mount"), "{:#?}", quiet.denials);
    std::thread::sleep(Duration::from_secs(1));
    cancel.cancel();
    let flooded = rig.runtime.block_on(flood).unwrap().unwrap();
    assert_eq!(flooded.end, End::Cancelled);
    let denial = find(&flooded, "seccomp", "system_call", "mount");
    assert!(denial.at_least && denial.count >= 16, "{denial:?}");
}

fn killed(rig: &Rig) {
    let script = format!("{FOUR}\nimport signal\nos.kill(os.getpid(), signal.SIGSTOP)\n");
    let cancel = CancellationToken::new();
    let job = rig.start_job(POLICY, &["/usr/bin/python3", "-c", &script], &cancel);
    rig.until_stopped();
    // Init keeps an execution that found nothing to itself for a tenth of a second: the next directory may have the program.
    std::thread::sleep(patience(Duration::from_secs(1)));
    cancel.cancel();
    let outcome = rig.runtime.block_on(job).unwrap().unwrap();
    assert_eq!(outcome.end, End::Cancelled);
    assert!(find(&outcome, "seccomp", "system_call", "io_uring_setup").at_least);
    find(&outcome, "network", "connect", "192.0.2.1:80");
    find(&outcome, "view", "execute", "/usr/bin/id");
    if tells_of_landlock(rig) {
        let denial = find(&outcome, "landlock", "read", "/etc/shadow");
        // The kernel counts those, and no end of a job takes it away.
        assert_eq!((denial.count, denial.at_least), (1, false));
    }
}

/// What Landlock refuses, by path and right, each once and again.
fn paths(rig: &Rig) {
    let script = "\
import os
def attempt(what):
    try:
        what()
    except OSError as error:
        print(error.errno)
for _ in range(3): attempt(lambda: open('/etc/gshadow'))
attempt(lambda: os.listdir('/root'))
attempt(lambda: os.mkdir('/etc/ssh/x'))
attempt(lambda: open('/etc/passwd', 'a'))
attempt(lambda: os.execv('/usr/lib/os-release', ['x']))
open('/job/program', 'w').write('#!/bin/sh')
os.chmod('/job/program', 0o755)
attempt(lambda: os.execv('/job/program', ['x']))
for _ in range(12):
    os.mkdir('\\x7f' * 250)
    os.chdir('\\x7f' * 250)
open('program', 'w')
attempt(lambda: os.execv('program', ['x']))
";
    let outcome = python(rig, script);
    let longest = outcome.denials.iter().map(|denial| denial.target.len()).max();
    assert!((1000..1100).contains(&longest.unwrap()), "{longest:?}");
    find(&outcome, "mount", "execute", "/job/program");
    find(&outcome, "landlock", "execute", "/usr/lib/os-release");
    if tells_of_landlock(rig) {
        assert_eq!(find(&outcome, "landlock", "read", "/etc/gshadow").count, 3);
        find(&outcome, "landlock", "list", "/root");
    } else {
        assert_unknown(&outcome);
    }
}

/// A short job, ended at once: what it was refused last is told all the same.
fn at_the_end(rig: &Rig) {
    let outcome = rig.run(POLICY, &["/bin/sh", "-c", "read line < /etc/shadow"]);
    assert_eq!(outcome.end, End::Exited(2), "{}", text(&outcome));
    if tells_of_landlock(rig) {
        find(&outcome, "landlock", "read", "/etc/shadow");
    } else {
        assert_unknown(&outcome);
    }
}

/// Has calls recorded as its init has one, under whatever name comes to its mind, before it is refused something.
fn forged(rig: &Rig) {
    let script = "\
import ctypes, struct
libc = ctypes.CDLL(None, use_errno=True)
# Loads the number; 157 (prctl) is answered with SECCOMP_RET_LOG, all else with SECCOMP_RET_ALLOW.
code = [(0x20, 0, 0, 0), (0x15, 0, 1, 157), (6, 0, 0, 0x7ffc0000), (6, 0, 0, 0x7fff0000)]
code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *step) for step in code))
program = ctypes.create_string_buffer(struct.pack('HxxxxxxQ', 4, ctypes.addressof(code)))
assert libc.syscall(317, 1, 0, program) == 0, ctypes.get_errno()
name = ctypes.create_string_buffer(16)
for mark in (b'stockade-launch', b'0' * 15, b'o' * 15):
    assert libc.prctl(15, mark, 0, 0, 0) == 0
    assert libc.prctl(16, name, 0, 0, 0) == 0 and name.value == mark
try: open('/etc/shadow')
except OSError as error: print(error.errno)
";
    let outcome = python(rig, script);
    assert_eq!((outcome.end, text(&outcome).as_str()), (End::Exited(0), "13\n"));
    if tells_of_landlock(rig) {
        let denial = find(&outcome, "landlock", "read", "/etc/shadow");
        assert_eq!((denial.count, denial.at_least), (1, false), "{denial:?}");
        assert_eq!(outcome.denials.len(), 1, "{:#?}", outcome.denials);
    } else {
        assert_unknown(&outcome);
    }
}

/// Uses up a processor for as long as it lives.
struct Busy(Child);

impl Busy {
    fn start() -> Self {
        let shell = Command::new("/bin/sh").args(["-c", "while :; do :; done"]).spawn();
        Self(shell.unwrap())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Jobs whose last act is refused, and which end well, on a host that has not enough processors for what runs on it.
fn under_load(rig: &Rig) {
    const BUSY: usize = 4;
    const AT_ONCE: usize = 8;
    let script = ["/bin/sh", "-c", "read line < /etc/shadow || exit 0"];
    let _busy: Vec<Busy> = (0..BUSY).map(|_| Busy::start()).collect();
    let jobs = 200 / slack() as usize;
    for _ in 0..jobs.div_ceil(AT_ONCE) {
        let started: Vec<_> =
            (0..AT_ONCE).map(|_| rig.start_job(POLICY, &script, &CancellationToken::new())).collect();
        for job in started {
            let outcome = rig.runtime.block_on(job).unwrap().unwrap();
            assert_eq!(outcome.end, End::Exited(0), "{}", text(&outcome));
            if tells_of_landlock(rig) {
                let denial = find(&outcome, "landlock", "read", "/etc/shadow");
                assert_eq!((denial.count, denial.at_least), (1, false), "{:#?}", outcome.denials);
                assert_eq!(outcome.enforcement.0["evidence"].state, State::Enforced);
            } else {
                assert_unknown(&outcome);
            }
        }
    }
}

/// What lies in every root for the sandbox to try its own wall is as shut to the job as anything else.
fn probe(rig: &Rig) {
    let outcome = rig.run(POLICY, &["/bin/sh", "-c", "read line < /.stockade-probe || exit 0"]);
    assert_eq!(outcome.end, End::Exited(0), "{}", text(&outcome));
    if tells_of_landlock(rig) {
        assert_eq!(find(&outcome, "landlock", "read", "/.stockade-probe").count, 1);
    } else {
        assert_unknown(&outcome);
    }
}

/// Many more than the kernel makes records of.
fn landlock_flood(rig: &Rig) {
    let times = 100_000;
    let script = format!(
        "import os\n\
         for _ in range({times}):\n\
         \x20   try: os.open('/etc/shadow', 0)\n\
         \x20   except OSError: pass\n"
    );
    let outcome = python(rig, &script);
    if !tells_of_landlock(rig) {
        return assert_unknown(&outcome);
    }
    let denials = || outcome.denials.iter().filter(|denial| denial.layer == "landlock");
    let counted: u64 = denials().map(|denial| denial.count).sum();
    // The kernel's own count is a record like others, and may be one too many.
    let says_so = outcome.denials.iter().any(|denial| denial.what == "incomplete");
    assert!(counted == times || says_so && denials().all(|denial| denial.at_least), "{:#?}", outcome.denials);
    assert!(counted >= 100, "{:#?}", outcome.denials);
}
