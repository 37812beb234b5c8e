//! Filters, run by an interpreter of classic BPF and compared with tables, golden files and seccompiler.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use proptest::prelude::*;
use stockade_plan::{Asked, FILTER_MAX, Filter, Instruction, SECCOMP_DATA_LEN, WatchList, seccomp_data};

use super::bpf::program;
use super::verdict::{ABSENT, Answer, Case, Condition, DONE, REFUSED, Rule, Verdict};
use super::{Call, TABLE, init_filter, job_filter, named, permits};
use crate::effective::{Calls, Origin};
use crate::policy::SyscallProfile;

const X86_64: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;

fn data(number: u32, architecture: u32, arguments: [u64; 6]) -> [u8; SECCOMP_DATA_LEN] {
    seccomp_data(number, architecture, arguments)
}

fn run_on(filter: &Filter, data: &[u8; SECCOMP_DATA_LEN]) -> (u32, usize) {
    filter.run(data).unwrap()
}

/// What becomes of a call: what the filter says, or what init answers for it.
fn answer(filter: &Filter, number: u32, arguments: [u64; 6]) -> u32 {
    let said = run_on(filter, &data(number, X86_64, arguments)).0;
    if said != Verdict::Noted.action() {
        return said;
    }
    match asked(filter, number) {
        Asked::GoesAhead => Verdict::Allow.action(),
        Asked::Refused(errno) => Verdict::Errno(errno).action(),
    }
}

fn asked(filter: &Filter, number: u32) -> Asked {
    let watched = filter.watched.iter().find(|watched| watched.call == number);
    watched.unwrap_or_else(|| panic!("init does not know what to answer to {number}")).asked
}

/// Whether init hears of a call.
fn is_heard(filter: &Filter, number: u32, arguments: [u64; 6]) -> bool {
    run_on(filter, &data(number, X86_64, arguments)).0 == Verdict::Noted.action()
}

fn profile(profile: SyscallProfile) -> Filter {
    job_filter(&Calls { profile, ..Calls::CLOSED }).unwrap()
}

/// The filter of a profile with calls added and removed, by names or groups.
fn changed(profile: SyscallProfile, add: &[&str], remove: &[&str]) -> Filter {
    let calls = |names: &[&str]| {
        let calls = names.iter().flat_map(|name| named(name).unwrap());
        calls.map(|call| (call, Origin::DEFAULT)).collect()
    };
    job_filter(&Calls { profile, origin: Origin::DEFAULT, added: calls(add), removed: calls(remove) })
        .unwrap()
}

fn filters() -> BTreeMap<&'static str, Filter> {
    BTreeMap::from([
        ("standard", profile(SyscallProfile::Standard)),
        ("strict", profile(SyscallProfile::Strict)),
        ("compiler", profile(SyscallProfile::Compiler)),
        ("init", init_filter().unwrap()),
    ])
}

fn number(name: &str) -> u32 {
    TABLE.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("no `{name}`")).number
}

fn word(action: u32) -> String {
    match action {
        action if action == Verdict::Allow.action() => "allow".to_owned(),
        action if action == REFUSED.untold().action() => "EPERM".to_owned(),
        action if action == ABSENT.action() => "ENOSYS".to_owned(),
        action if action == Verdict::Kill.action() => "kill".to_owned(),
        other => format!("{other:#x}"),
    }
}

/// With arguments that are all zero, and then all ones, so that rules show as a pair.
fn golden(filter: &Filter) -> String {
    let mut text = String::new();
    for number in 0..=520 {
        let name = TABLE.iter().find(|row| row.number == number).map_or("-", |row| row.name);
        let shown = |arguments| {
            let heard = if is_heard(filter, number, arguments) { ", told" } else { "" };
            format!("{}{heard}", word(answer(filter, number, arguments)))
        };
        let (zeros, ones) = (shown([0; 6]), shown([u64::MAX; 6]));
        let verdict = if zeros == ones { zeros } else { format!("{zeros} | {ones}") };
        writeln!(text, "{number} {name} {verdict}").unwrap();
    }
    text
}

#[test]
fn every_number_from_0_to_520_has_its_reviewed_answer() {
    for (name, filter) in filters() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/seccomp-{name}.txt"));
        let actual = golden(&filter);
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &actual).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(actual == expected, "{} differs; review, then run with BLESS=1", path.display());
    }
}

#[test]
fn every_number_is_answered_as_the_table_says() {
    for (name, filter) in filters() {
        for row in TABLE {
            let expected = match name {
                "standard" => row.standard,
                "strict" => row.strict,
                "compiler" => row.compiler(),
                _ => row.init,
            };
            if let Answer::Fixed(verdict) = expected {
                assert_eq!(
                    answer(&filter, row.number, [0; 6]),
                    verdict.untold().action(),
                    "{name} {}",
                    row.name
                );
            }
        }
    }
}

#[test]
fn the_32_bit_and_x32_doors_are_shut_and_the_64_bit_one_is_open() {
    for (name, filter) in filters() {
        let read = data(0, X86_64, [0; 6]);
        assert_eq!(run_on(&filter, &read).0, Verdict::Allow.action(), "{name}");
        for number in [0, 1, 11, 102, 359, 0x4000_0000, u32::MAX] {
            assert_eq!(
                run_on(&filter, &data(number, I386, [0; 6])).0,
                Verdict::Kill.action(),
                "{name} {number}"
            );
        }
        for number in [0x4000_0000, 0x4000_0001, 0x4000_0208, 0x8000_0000, u32::MAX] {
            assert_eq!(answer(&filter, number, [0; 6]), Verdict::Kill.action(), "{name} {number:#x}");
        }
    }
}

#[test]
fn numbers_that_nobody_knows_yet_are_absent_for_jobs_and_kill_init() {
    let filters = filters();
    for number in [335, 400, 423, 470, 521, 9999, 0x3fff_ffff] {
        assert_eq!(answer(&filters["standard"], number, [0; 6]), ABSENT.action());
        assert_eq!(answer(&filters["strict"], number, [0; 6]), ABSENT.action());
        assert_eq!(answer(&filters["init"], number, [0; 6]), Verdict::Kill.action());
    }
}

/// Call, arguments that pass, arguments that do not.
type Twin = (&'static str, [u64; 6], [u64; 6]);

const GARBAGE: u64 = 0xdead_beef_0000_0000;

const TWINS: [Twin; 37] = [
    ("ioctl", [0, 0x5401, 0, 0, 0, 0], [0, 0x5412, 0, 0, 0, 0]),
    ("ioctl", [0, 0x1_0000_5401, 0, 0, 0, 0], [0, 0x1_0000_5412, 0, 0, 0, 0]),
    ("ioctl", [0, 0x5413, 0, 0, 0, 0], [0, 0x541c, 0, 0, 0, 0]),
    ("ioctl", [0, 0x5424, 0, 0, 0, 0], [0, GARBAGE | 0x5423, 0, 0, 0, 0]),
    ("clone", [0x3d_0f00, 0, 0, 0, 0, 0], [0x1000_0000, 0, 0, 0, 0, 0]),
    ("clone", [0x11, 0, 0, 0, 0, 0], [0x11 | 0x0002_0000, 0, 0, 0, 0, 0]),
    ("clone", [0x11, 0, 0, 0, 0, 0], [0x11 | 0x4000_0000, 0, 0, 0, 0, 0]),
    ("socket", [1, 1, 0, 0, 0, 0], [40, 1, 0, 0, 0, 0]),
    ("socket", [2, 1, 6, 0, 0, 0], [2, 1, 262, 0, 0, 0]),
    ("socket", [10, 2, 17, 0, 0, 0], [10, 5, 132, 0, 0, 0]),
    ("socket", [10, 2, 0, 0, 0, 0], [16, 3, 0, 0, 0, 0]),
    ("socket", [1, 3, 0, 0, 0, 0], [16, 3, 12, 0, 0, 0]),
    ("socket", [GARBAGE | 2, 1, GARBAGE, 0, 0, 0], [GARBAGE | 38, 5, 0, 0, 0, 0]),
    ("socket", [1, 1, 0, 0, 0, 0], [17, 3, 0, 0, 0, 0]),
    ("socket", [1, 1, 0, 0, 0, 0], [33, 2, 0, 0, 0, 0]),
    ("socket", [1, 1, 0, 0, 0, 0], [44, 3, 0, 0, 0, 0]),
    ("socket", [2, 0x8_0801, 0, 0, 0, 0], [2, 10, 0, 0, 0, 0]),
    ("socket", [2, 0x8_0802, 0, 0, 0, 0], [2, 0x8_0803, 0, 0, 0, 0]),
    ("socket", [10, 1, 6, 0, 0, 0], [10, 6, 33, 0, 0, 0]),
    ("socketpair", [1, 1, 0, 0, 0, 0], [2, 1, 0, 0, 0, 0]),
    ("setsockopt", [3, 6, 1, 0, 0, 0], [3, 6, 31, 0, 0, 0]),
    ("setsockopt", [3, 1, 31, 0, 0, 0], [3, GARBAGE | 6, GARBAGE | 31, 0, 0, 0]),
    ("setsockopt", [3, 1, 9, 0, 0, 0], [3, 1, 26, 0, 0, 0]),
    ("setsockopt", [3, 17, 1, 0, 0, 0], [3, 17, 100, 0, 0, 0]),
    ("setsockopt", [3, 2, 50, 0, 0, 0], [3, 1, 50, 0, 0, 0]),
    ("setsockopt", [3, 1, 53, 0, 0, 0], [3, 1, 51, 0, 0, 0]),
    ("setsockopt", [3, 1, 53, 0, 0, 0], [3, 1, GARBAGE | 52, 0, 0, 0]),
    ("fcntl", [3, 1030, 3, 0, 0, 0], [3, 1026, 1, 0, 0, 0]),
    ("madvise", [0, 4096, 4, 0, 0, 0], [0, 4096, 12, 0, 0, 0]),
    ("sched_setaffinity", [0, 8, 0, 0, 0, 0], [1, 8, 0, 0, 0, 0]),
    ("prlimit64", [0, 7, 0, 0, 0, 0], [0, 4, 0, 0, 0, 0]),
    ("prctl", [68, 1, 0, 0, 0, 0], [67, 1, 0, 0, 0, 0]),
    ("personality", [0xffff_ffff, 0, 0, 0, 0, 0], [0x0004_0000, 0, 0, 0, 0, 0]),
    ("personality", [0, 0, 0, 0, 0, 0], [8, 0, 0, 0, 0, 0]),
    ("prlimit64", [0, 7, 0, 0, 0, 0], [1, 7, 0, 0, 0, 0]),
    ("prctl", [15, 0, 0, 0, 0, 0], [22, 2, 0, 0, 0, 0]),
    ("prctl", [38, 1, 0, 0, 0, 0], [47, 2, 0, 0, 0, 0]),
];

#[test]
fn each_rule_refuses_what_it_is_for_and_lets_its_neighbour_pass() {
    for (name, filter) in filters().into_iter().filter(|(name, _)| *name != "init") {
        for (call, good, bad) in TWINS {
            if [("strict", "socket"), ("compiler", "personality")].contains(&(name, call)) {
                continue;
            }
            assert_eq!(
                answer(&filter, number(call), good),
                Verdict::Allow.action(),
                "{name} {call} {good:x?}"
            );
            assert_eq!(
                answer(&filter, number(call), bad),
                REFUSED.untold().action(),
                "{name} {call} {bad:x?}"
            );
        }
    }
}

#[test]
fn strict_allows_no_more_than_standard_and_init_no_more_than_its_list() {
    let filters = filters();
    for row in TABLE {
        for arguments in [[0; 6], [1; 6], [2; 6], [u64::MAX; 6]] {
            let strict = answer(&filters["strict"], row.number, arguments);
            let standard = answer(&filters["standard"], row.number, arguments);
            assert!(strict != Verdict::Allow.action() || standard == strict, "{}", row.name);
        }
    }
    let allowed =
        TABLE.iter().filter(|row| answer(&filters["init"], row.number, [0; 6]) == Verdict::Allow.action());
    assert_eq!(allowed.count(), 40);
}

#[test]
fn init_has_a_call_recorded_under_a_name_and_does_no_more_to_itself() {
    let prctl = |option| answer(&filters()["init"], number("prctl"), [option, 1, 0, 0, 0, 0]);
    assert_eq!(prctl(libc::PR_SET_NAME.unsigned_abs().into()), Verdict::Allow.action());
    assert_eq!(prctl(libc::PR_GET_NAME.unsigned_abs().into()), Verdict::Logged.action());
    for other in [libc::PR_SET_DUMPABLE, libc::PR_SET_SECCOMP, libc::PR_SET_PDEATHSIG, libc::PR_SET_MM] {
        assert_eq!(prctl(other.unsigned_abs().into()), Verdict::Kill.action());
    }
}

#[test]
fn compiler_is_standard_and_a_program_may_fix_its_own_addresses() {
    let filters = filters();
    let no_randomize = [0x0004_0000, 0, 0, 0, 0, 0];
    assert_eq!(answer(&filters["compiler"], number("personality"), no_randomize), Verdict::Allow.action());
    assert_eq!(answer(&filters["standard"], number("personality"), no_randomize), REFUSED.untold().action());
    for other in [0x0040_0000, 0x0044_0000, 0x0010_0000, 8] {
        let arguments = [other, 0, 0, 0, 0, 0];
        assert_eq!(answer(&filters["compiler"], number("personality"), arguments), REFUSED.untold().action());
    }
    for row in TABLE.iter().filter(|row| row.name != "personality") {
        for arguments in [[0; 6], [1; 6], [2; 6], [u64::MAX; 6]] {
            let [compiler, standard] =
                ["compiler", "standard"].map(|name| answer(&filters[name], row.number, arguments));
            assert_eq!(compiler, standard, "{}", row.name);
        }
    }
}

#[test]
fn calls_can_be_added_and_removed_by_name_and_by_group() {
    let call = |filter: &Filter, name: &str| answer(filter, number(name), [0; 6]);
    let more = changed(SyscallProfile::Strict, &["@sysv-ipc", "mknod"], &[]);
    assert_eq!([call(&more, "shmget"), call(&more, "mknod")], [Verdict::Allow.action(); 2]);
    assert_eq!([call(&more, "mknodat"), call(&more, "connect")], [REFUSED.untold().action(); 2]);
    let less = changed(SyscallProfile::Standard, &[], &["@network", "inotify_init1"]);
    assert_eq!([call(&less, "connect"), call(&less, "inotify_init1")], [REFUSED.untold().action(); 2]);
    assert_eq!(call(&less, "shmget"), Verdict::Allow.action());
}

#[test]
fn an_added_call_keeps_its_conditions() {
    let sockets = changed(SyscallProfile::Strict, &["@network"], &[]);
    let socket = |family: u64| answer(&sockets, number("socket"), [family, 1, 0, 0, 0, 0]);
    assert_eq!([socket(1), socket(2)], [Verdict::Allow.action(); 2]);
    assert_eq!([socket(38), socket(40)], [REFUSED.untold().action(); 2]);
}

#[test]
fn without_memory_exec_libraries_are_mapped_and_no_code_is_made() {
    let filter = changed(SyscallProfile::Standard, &[], &["@memory-exec"]);
    // Read and execute, of a file; then anonymous, then writable too.
    let twins: [Twin; 5] = [
        ("mmap", [0, 4096, 0x5, 0x2, 3, 0], [0, 4096, 0x5, 0x22, u64::MAX, 0]),
        ("mmap", [0, 4096, 0x3, 0x22, u64::MAX, 0], [0, 4096, 0x7, 0x2, 3, 0]),
        ("mprotect", [0, 4096, 0x1, 0, 0, 0], [0, 4096, 0x5, 0, 0, 0]),
        ("pkey_mprotect", [0, 4096, 0x3, 0, 0, 0], [0, 4096, 0x4, 0, 0, 0]),
        ("shmat", [1, 0, 0, 0, 0, 0], [1, 0, 0x8000, 0, 0, 0]),
    ];
    for (call, good, bad) in twins {
        assert_eq!(answer(&filter, number(call), good), Verdict::Allow.action(), "{call}");
        assert_eq!(answer(&filter, number(call), bad), REFUSED.untold().action(), "{call}");
        assert_eq!(answer(&filters()["standard"], number(call), bad), Verdict::Allow.action(), "{call}");
    }
    let strict = changed(SyscallProfile::Strict, &[], &["@memory-exec"]);
    assert_eq!(answer(&strict, number("shmat"), [0; 6]), REFUSED.untold().action());
}

#[test]
fn what_a_set_of_calls_permits_is_what_its_filter_lets_pass() {
    for (name, profile) in SyscallProfile::WORDS {
        let filter = self::profile(profile);
        for call in super::all().filter(|call| *call != Call::MEMORY_EXEC) {
            let row = TABLE.iter().find(|row| row.name == call.name()).unwrap();
            let passing = [Verdict::Allow.action(), DONE.action()];
            let passes = [[0; 6], [1, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0]]
                .iter()
                .any(|arguments| passing.contains(&answer(&filter, row.number, *arguments)));
            assert_eq!(passes, permits(profile, call), "{name} {}", row.name);
        }
    }
}

#[test]
fn init_hears_of_what_is_refused_and_not_of_what_libraries_probe_for() {
    for filter in [profile(SyscallProfile::Standard), profile(SyscallProfile::Strict)] {
        for name in ["ptrace", "mount", "bpf", "io_uring_setup", "keyctl", "unshare", "userfaultfd", "reboot"]
        {
            assert!(is_heard(&filter, number(name), [0; 6]), "{name}");
        }
        for name in ["clone3", "futex_waitv", "vserver", "read", "openat"] {
            assert!(!is_heard(&filter, number(name), [0; 6]), "{name}");
        }
        assert!(is_heard(&filter, number("execve"), [0; 6]));
        // What a message names lies in memory, which no filter sees.
        assert!(is_heard(&filter, number("sendmsg"), [3, 1, 0, 0, 0, 0]));
        // By a descriptor that has no path, and to where the socket is connected.
        let by_descriptor = [3, 1, 0, 0, 0x1000, 0];
        let twins =
            [[3, 1, 0, 0, 0, 0], [0xffff_ff9c, 1, 0, 0, 0x1000, 0], [u64::MAX - 99, 1, 0, 0, 0x1000, 0]]
                .map(|by_path| ("execveat", by_descriptor, by_path));
        let sendto = |address: u64| [3, 1, 1, 0, address, 16];
        let addresses = [1, 0x7fff_0000_0000, u64::MAX].map(|address| ("sendto", sendto(0), sendto(address)));
        for (name, quiet, heard) in twins.into_iter().chain(addresses) {
            assert!(!is_heard(&filter, number(name), quiet), "{name} {quiet:x?}");
            assert!(is_heard(&filter, number(name), heard), "{name} {heard:x?}");
        }
    }
}

#[test]
fn init_has_one_answer_to_each_call_and_none_to_what_it_does_not_hear_of() {
    for (name, filter) in filters() {
        let expected = TABLE.iter().filter(|row| {
            let [of_table, of_rules] = [[0; 6], [u64::MAX; 6]].map(|a| is_heard(&filter, row.number, a));
            of_table || of_rules
        });
        let missing = expected.filter(|row| !filter.watched.iter().any(|watched| watched.call == row.number));
        assert_eq!(missing.map(|row| row.name).collect::<Vec<_>>(), Vec::<&str>::new(), "{name}");
    }
    for row in TABLE {
        for answer in [row.standard, row.strict, row.compiler()] {
            let asked: std::collections::BTreeSet<_> =
                answer.verdicts().filter_map(Verdict::asked).map(|a| format!("{a:?}")).collect();
            assert!(asked.len() <= 1, "{}", row.name);
        }
    }
    assert!(filters()["init"].watched.is_empty());
    let recording =
        super::unwatched_filter(&Calls { profile: SyscallProfile::Compiler, ..Calls::CLOSED }).unwrap();
    assert!(recording.watched.is_empty());
    assert_eq!(answer(&recording, number("mount"), [0; 6]), REFUSED.untold().action());
    assert_eq!(answer(&recording, number("execve"), [0; 6]), Verdict::Allow.action());
}

#[test]
fn filters_are_short_and_every_number_is_answered_in_few_steps() {
    for (name, filter) in filters() {
        let length = filter.instructions.len();
        assert!(length <= 435, "{name}: {length} instructions");
        let most = (0..=520).map(|number| run_on(&filter, &data(number, X86_64, [0; 6])).1).max().unwrap();
        assert!(most <= 32, "{name}: {most} steps");
    }
}

/// Every jump stays inside the program and the last instruction returns: what the kernel's verifier asks
/// (`bpf_check_classic`, net/core/filter.c).
fn is_well_formed(filter: &Filter) -> bool {
    let length = filter.instructions.len();
    let inside = filter.instructions.iter().enumerate().all(|(at, i)| match i.code {
        0x05 => at + 1 + (i.k as usize) < length,
        0x15 | 0x35 => at + 1 + usize::from(i.jt.max(i.jf)) < length,
        _ => true,
    });
    inside && length <= FILTER_MAX && filter.instructions.last().is_some_and(|last| last.code == 0x06)
}

#[test]
fn filters_are_well_formed() {
    assert!(filters().values().all(is_well_formed));
}

#[test]
fn a_filter_longer_than_the_kernel_takes_is_an_error() {
    let answers: Vec<_> = (0..3000)
        .map(|number| (number, Answer::Fixed(if number % 2 == 0 { Verdict::Allow } else { REFUSED })))
        .collect();
    assert!(bare(&answers, ABSENT).is_none());
    assert!(bare(&answers[..1000], ABSENT).is_some_and(|filter| is_well_formed(&filter)));
}

/// A filter of which nobody hears.
fn bare(answers: &[(u32, Answer<'_>)], otherwise: Verdict) -> Option<Filter> {
    let instructions = program(answers, otherwise, Verdict::untold).ok()?;
    Some(Filter { instructions, watched: WatchList::empty() })
}

/// Rules that allow some calls, as both compilers understand them.
type Rules = BTreeMap<u32, Vec<Vec<Condition>>>;

fn condition() -> impl Strategy<Value = Condition> {
    (0..6_u8, prop_oneof![Just(u32::MAX), any::<u32>()], 0..4_u32)
        .prop_map(|(argument, mask, value)| Condition { argument, upper: false, mask, value: value & mask })
}

fn rules() -> impl Strategy<Value = Rules> {
    let cases = proptest::collection::vec(proptest::collection::vec(condition(), 1..4), 0..4);
    proptest::collection::btree_map(0..600_u32, cases, 0..120)
}

fn ours(rules: &Rules) -> Filter {
    let cases: Vec<(u32, Vec<Case<'_>>)> = rules
        .iter()
        .map(|(number, cases)| {
            (*number, cases.iter().map(|when| Case { when, then: Verdict::Allow }).collect::<Vec<_>>())
        })
        .collect();
    let answers: Vec<(u32, Answer<'_>)> = cases
        .iter()
        .map(|(number, cases)| match cases.is_empty() {
            true => (*number, Answer::Fixed(Verdict::Allow)),
            false => (*number, Answer::Ruled(Rule { cases, otherwise: REFUSED })),
        })
        .collect();
    bare(&answers, REFUSED).unwrap()
}

fn theirs(rules: &Rules) -> Filter {
    use seccompiler::{
        SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    };
    let condition = |c: &Condition| {
        let operator = SeccompCmpOp::MaskedEq(u64::from(c.mask));
        SeccompCondition::new(c.argument, SeccompCmpArgLen::Dword, operator, u64::from(c.value)).unwrap()
    };
    let rule = |when: &Vec<Condition>| SeccompRule::new(when.iter().map(condition).collect()).unwrap();
    let rules =
        rules.iter().map(|(number, cases)| (i64::from(*number), cases.iter().map(rule).collect())).collect();
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Errno(1),
        SeccompAction::Allow,
        seccompiler::TargetArch::x86_64,
    );
    let program: seccompiler::BpfProgram = filter.unwrap().try_into().unwrap();
    let instruction = |i: &seccompiler::sock_filter| Instruction { code: i.code, jt: i.jt, jf: i.jf, k: i.k };
    Filter {
        instructions: program.iter().map(instruction).collect::<Vec<_>>().try_into().unwrap(),
        watched: WatchList::empty(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn seccompiler_compiles_the_same_rules_to_the_same_answers(
        rules in rules(),
        arguments in proptest::collection::vec(prop_oneof![0..4_u64, (0..4_u64).prop_map(|n| n | GARBAGE), any::<u64>()], 6),
    ) {
        let (ours, theirs) = (ours(&rules), theirs(&rules));
        prop_assert!(is_well_formed(&ours));
        let arguments: [u64; 6] = arguments.try_into().unwrap();
        for number in 0..610 {
            let data = data(number, X86_64, arguments);
            prop_assert_eq!(run_on(&ours, &data).0, run_on(&theirs, &data).0, "{}", number);
        }
        let foreign = data(0, I386, arguments);
        prop_assert_eq!(run_on(&ours, &foreign).0, run_on(&theirs, &foreign).0);
    }
}
