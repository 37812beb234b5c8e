//! Drafts from recordings made up here, for this host's own files.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use proptest::prelude::*;
use stockade_plan::{
    AbsPath, Deed, Ended, Fact, How, PathBytes, RECORDER, Recorded, Told, arguments_that_matter,
};

use super::*;
use crate::compile::{JobSpec, Recording};
use crate::environment::Environment;
use crate::library::Library;

const RECORDED: Recorded = Recorded {
    ended: Ended::Exited(0),
    disk_bytes: 0,
    files: 4,
    descriptor: 3,
    untold: 0,
    shy: 0,
    lost_signals: 0,
};
const EXECVE: u32 = 59;
const OPENAT: u32 = 257;
const MMAP: u32 = 9;

fn bytes(text: impl AsRef<[u8]>) -> PathBytes {
    text.as_ref().to_vec().try_into().unwrap()
}

fn named(call: u32, how: How, path: impl AsRef<[u8]>, errno: u16) -> Fact {
    let named = bytes(path);
    Fact { program: 0, call, deed: Deed::Named { how, named: named.clone(), real: Some(named) }, errno }
}

fn called(call: u32, arguments: [u32; 6], errno: u16) -> Fact {
    Fact { program: 0, call, deed: Deed::Called(arguments), errno }
}

fn read(path: &str) -> Fact {
    named(OPENAT, How::Read, path, 0)
}

/// A recording of `/bin/sh` with these facts.
fn trace_of(facts: &[Fact]) -> Trace {
    let shell = named(EXECVE, How::Execute, "/bin/sh", 0);
    let mut told = vec![Told::Program(bytes("/usr/bin/dash")), Told::Fact(shell)];
    told.extend(facts.iter().cloned().map(Told::Fact));
    told.push(Told::Ended(RECORDED));
    Trace::read(&told.iter().flat_map(|message| message.frame().unwrap()).collect::<Vec<_>>())
}

fn draft_from(trace: &Trace, breadth: Breadth, without: &BTreeSet<AbsPath>) -> Draft {
    let (name, command) = (PolicyName::new("draft").unwrap(), AbsPath::new("/bin/sh").unwrap());
    let study = Study {
        trace,
        name: &name,
        command: &command,
        inputs: &[],
        outputs: &[],
        pass: &[],
        measured: Measured::default(),
    };
    study.draft(&Host::new(), breadth, without)
}

fn draft(facts: &[Fact]) -> Draft {
    let draft = draft_from(&trace_of(facts), Breadth::Used, &BTreeSet::new());
    assert_parses(&draft.text);
    draft
}

fn assert_parses(text: &str) {
    let parsed = Library::shipped().unwrap().with_text("draft.yaml", text);
    let (library, name) = parsed.unwrap_or_else(|found| panic!("{found}\n{text}"));
    library.effective(name.as_str(), Environment::Production).unwrap();
}

/// The items under `key`, without their comments.
fn items(draft: &Draft, key: &str) -> Vec<String> {
    let lines = draft.text.lines().skip_while(|line| line.trim() != format!("{key}:")).skip(1);
    let items = lines.map_while(|line| line.trim_start().strip_prefix("- "));
    items.map(|item| item.split("  #").next().unwrap().trim().trim_matches('"').to_owned()).collect()
}

/// A directory that policies may name, with files in it.
fn directory(files: &[&str]) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir_in("/var/tmp").unwrap();
    let path = fs::canonicalize(directory.path()).unwrap().to_str().unwrap().to_owned();
    for file in files {
        fs::write(format!("{path}/{file}"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(format!("{path}/{file}"), fs::Permissions::from_mode(0o755)).unwrap();
    }
    (directory, path)
}

#[test]
fn programs_are_listed_and_what_they_bring_is_not() {
    let (_directory, path) = directory(&["script"]);
    let script = format!("{path}/script");
    let loader = "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2";
    let draft = draft(&[
        named(EXECVE, How::Execute, &script, 0),
        named(EXECVE, How::Execute, "/usr/bin/dash", 0),
        named(EXECVE, How::Execute, "/usr/bin/sort", 0),
        named(EXECVE, How::Execute, "/usr/local/bin/sort", 2),
        read("/lib/x86_64-linux-gnu/libc.so.6"),
        read(loader),
        read("/etc/ld.so.cache"),
        read(&script),
    ]);
    assert_eq!(items(&draft, "commands"), ["/bin/sh", "/usr/bin/sort", script.as_str()]);
    assert!(!draft.text.contains("filesystem:"), "{}", draft.text);
}

#[test]
fn many_files_of_a_directory_become_the_directory_but_never_one_that_is_everybodys() {
    let names: Vec<String> = (0..9).map(|number| format!("file{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (_directory, path) = directory(&names);
    let of =
        |names: &[&str]| -> Vec<Fact> { names.iter().map(|name| read(&format!("{path}/{name}"))).collect() };
    assert_eq!(items(&draft(&of(&names)), "read"), [path.as_str()]);
    assert_eq!(items(&draft(&of(&names[..7])), "read").len(), 7);
    let libraries = fs::read_dir("/usr/lib/x86_64-linux-gnu").unwrap().flatten();
    let libraries: Vec<Fact> = libraries
        .filter(|entry| entry.file_type().unwrap().is_file())
        .take(20)
        .map(|entry| read(entry.path().to_str().unwrap()))
        .collect();
    assert!(!items(&draft(&libraries), "read").contains(&"/usr/lib/x86_64-linux-gnu".to_owned()));
}

#[test]
fn a_listed_directory_holds_what_lies_in_it_but_not_what_a_link_in_it_leads_to() {
    let (_outer, outside) = directory(&["data"]);
    let (_inner, inside) = directory(&["file"]);
    symlink(format!("{outside}/data"), format!("{inside}/link")).unwrap();
    let facts = [read(&inside), read(&format!("{inside}/file")), read(&format!("{inside}/link"))];
    assert_eq!(items(&draft(&facts), "read"), [inside.clone(), format!("{inside}/link")]);
}

#[test]
fn what_no_policy_can_grant_is_a_note_whatever_the_recording_claims() {
    let mut facts: Vec<Fact> =
        ["/etc/shadow", "/etc", "/", "/root", "/usr/bin", "/usr", "/home"].map(read).into();
    facts.push(named(OPENAT, How::Write, "/usr/bin/evil", 0));
    facts.push(named(EXECVE, How::Execute, "/tmp/evil", 0));
    facts.push(called(165, [0; 6], 0));
    facts.push(called(101, [0; 6], 0));
    let draft = draft(&facts);
    assert_eq!(items(&draft, "commands"), ["/bin/sh"]);
    assert!(!draft.text.contains("filesystem:"), "{}", draft.text);
    assert!(items(&draft, "add").is_empty());
    for tried in ["read `/etc/shadow`", "execute `/tmp/evil`", "the call `ptrace`", "the call `mount`"] {
        assert!(draft.refused.iter().any(|line| line.starts_with(tried)), "{tried}: {:?}", draft.refused);
    }
}

#[test]
fn code_outside_the_library_directories_is_executed_and_inside_them_read() {
    let (_directory, path) = directory(&["plugin.so"]);
    let plugin = format!("{path}/plugin.so");
    let facts = [read(&plugin), named(MMAP, How::Map, &plugin, 0)];
    let draft = draft(&facts);
    assert_eq!((items(&draft, "execute"), items(&draft, "read").len()), (vec![plugin], 0));
}

#[test]
fn writing_is_granted_where_it_happened_and_reading_tmp_is_writing_tmp() {
    let write = |path: &str| items(&draft(&[named(OPENAT, How::Write, path, 0)]), "write");
    assert_eq!(write("/job/out"), ["/job"]);
    assert_eq!(write("/dev/shm/x"), ["/tmp"]);
    assert!(write("/dev/null").is_empty());
    assert_eq!(items(&draft(&[read("/tmp")]), "write"), ["/tmp"]);
    assert!(items(&draft(&[read("/job/in.csv")]), "write").is_empty());
    let bind = |address: &[u8]| {
        let deed = Deed::Address(address.to_vec().try_into().unwrap());
        items(&draft(&[Fact { program: 0, call: 49, deed, errno: 0 }]), "write")
    };
    assert_eq!(
        (bind(b"\x01\0/tmp/socket\0"), bind(b"\x01\0socket")),
        (vec!["/tmp".to_owned()], vec!["/job".to_owned()])
    );
    assert!(bind(b"\x01\0\0abstract").is_empty());
}

#[test]
fn a_name_that_was_looked_at_is_needed_only_in_the_second_try() {
    let (_directory, path) = directory(&["landmark"]);
    let file = format!("{path}/landmark");
    let trace = trace_of(&[named(4, How::Look, &file, 0)]);
    let read = |breadth| items(&draft_from(&trace, breadth, &BTreeSet::new()), "read");
    assert!(read(Breadth::Used).is_empty());
    assert_eq!(read(Breadth::LookedAt), [file]);
}

#[test]
fn a_directory_that_was_only_looked_at_is_no_reason_to_show_all_that_is_in_it() {
    let (_directory, path) = directory(&["file"]);
    let look = |path: &str| named(4, How::Look, path, 0);
    let read_of =
        |facts: &[Fact]| items(&draft_from(&trace_of(facts), Breadth::LookedAt, &BTreeSet::new()), "read");
    let file = format!("{path}/file");
    // What lies in it is shown, so it is there.
    assert_eq!(read_of(&[look(&path), read(&file)]), [file]);
    assert_eq!(read_of(&[look(&path)]), [path]);
    assert!(read_of(&[look("/usr/lib"), look("/usr/share"), look("/var")]).is_empty());
}

#[test]
fn what_the_program_can_do_without_is_left_out_and_said() {
    let (_directory, path) = directory(&["a", "b"]);
    let [a, b] = ["a", "b"].map(|name| format!("{path}/{name}"));
    let trace = trace_of(&[read(&a), read(&b)]);
    let draft = draft_from(&trace, Breadth::Used, &[AbsPath::new(a.as_str()).unwrap()].into());
    assert_eq!(items(&draft, "read"), [b]);
    assert!(draft.text.contains(&format!("\n#   {a} (")), "{}", draft.text);
}

#[test]
fn the_profile_is_the_smallest_that_lets_pass_what_was_done() {
    let profile = |facts: &[Fact]| {
        let draft = draft(facts);
        let line = draft.text.lines().find_map(|line| line.trim().strip_prefix("profile: "));
        (line.unwrap().split(' ').next().unwrap().to_owned(), items(&draft, "add"))
    };
    let is =
        |name: &str, add: &[&str]| (name.to_owned(), add.iter().map(|call| (*call).to_owned()).collect());
    assert_eq!(profile(&[called(0, [0; 6], 0)]), is("strict", &[]));
    assert_eq!(profile(&[called(133, [0; 6], 0)]), is("strict", &["mknod"]));
    // io_setup: no recording lets it pass, so that it was done is no true word.
    assert_eq!(profile(&[called(206, [0; 6], 0)]), is("strict", &[]));
    assert_eq!(profile(&[called(133, [0; 6], 1)]), is("strict", &[]));
    // A record lock: `strict` has fcntl, but not this of it.
    assert_eq!(profile(&[called(72, [0, 6, 0, 0, 0, 0], 0)]), is("standard", &[]));
    assert_eq!(profile(&[called(135, [0x0004_0000, 0, 0, 0, 0, 0], 0)]), is("compiler", &[]));
}

#[test]
fn groups_that_were_never_used_are_removed() {
    let removed = |facts: &[Fact]| items(&draft(facts), "remove");
    assert_eq!(removed(&[]), ["@memory-exec", "@network", "@process"]);
    let compiled = called(MMAP, [0, 0, 7, 0x20, 0, 0], 0);
    let forked = called(56, [0; 6], 0);
    assert_eq!(removed(&[compiled, forked]), ["@network"]);
    // A socket for a daemon that is not there, as libc makes to ask for names.
    let asked = [called(41, [1, 1, 0, 0, 0, 0], 0), called(42, [0; 6], 2)];
    assert_eq!(removed(&asked), ["@memory-exec", "@network", "@process"]);
    assert!(items(&draft(&asked), "add").is_empty());
    let used = [called(41, [1, 1, 0, 0, 0, 0], 0), called(42, [0; 6], 0)];
    assert_eq!(removed(&used), ["@memory-exec", "@process"]);
    assert_eq!(items(&draft(&used), "add"), ["connect", "socket"]);
}

#[test]
fn every_argument_that_a_rule_looks_at_is_told() {
    for (call, argument, mask) in crate::seccomp::looked_at() {
        let told = arguments_that_matter(call)[usize::from(argument)];
        assert_eq!(told & mask, mask, "call {call}, argument {argument}");
    }
}

#[test]
fn a_recording_that_is_cut_says_so_in_the_policy() {
    let mut told = vec![Told::Program(bytes("/usr/bin/dash"))];
    told.push(Told::Ended(Recorded { untold: 7, shy: 1, ..RECORDED }));
    let trace = Trace::read(&told.iter().flat_map(|message| message.frame().unwrap()).collect::<Vec<_>>());
    let text = draft_from(&trace, Breadth::Used, &BTreeSet::new()).text;
    assert!(text.contains("THE RECORDING IS CUT: 7"), "{text}");
}

#[test]
fn a_file_with_the_name_of_a_pattern_is_no_output() {
    let left = |name: &str| {
        let told = [Told::Left(bytes(name), 1), Told::Left(bytes(name), 1), Told::Ended(RECORDED)];
        let trace =
            Trace::read(&told.iter().flat_map(|message| message.frame().unwrap()).collect::<Vec<_>>());
        let draft = draft_from(&trace, Breadth::Used, &BTreeSet::new());
        assert_parses(&draft.text.replace("resource_limits", "commands: [/bin/sh]\nresource_limits"));
        items(&draft, "outputs")
    };
    assert_eq!(left("out.csv"), ["out.csv"]);
    for name in ["*", "out*.csv", "a?", "[a]"] {
        assert!(left(name).is_empty(), "{name}");
    }
    assert!(left("a\nb").is_empty());
}

#[test]
fn a_recording_sees_programs_and_no_secrets() {
    let job = JobSpec::command(vec!["/bin/sh".to_owned()]).unwrap();
    let recording =
        Recording { shown: &[], pass: &[], seconds: 10, memory_mb: 64, environment: Environment::Production };
    let (_, plan) = recording.compile(&job, &Host::new(), 6).unwrap();
    assert_eq!((plan.task.command.executable.as_str(), plan.task.command.arguments.len()), (RECORDER, 3));
    let granted: Vec<&str> = plan.confinement.landlock.rules.iter().map(|rule| rule.path.as_str()).collect();
    assert!(granted.contains(&"/usr"));
    assert!(plan.confinement.view.entries.contains(&stockade_plan::Entry::Recorder));
    for secret in ["/", "/etc", "/root", "/home", "/var", "/etc/shadow", "/etc/ssh", "/run"] {
        assert!(!granted.contains(&secret), "{secret}");
    }
    let shown = AbsPath::new("/etc/ssh").unwrap();
    let loader = [stockade_plan::EnvName::new("LD_PRELOAD").unwrap()];
    let refused = Recording { pass: &loader, ..recording };
    assert!(
        refused.compile(&job, &Host::new(), 6).unwrap_err().to_string().contains("steers the dynamic loader")
    );
    let refused = Recording { shown: &[shown], ..recording };
    assert!(refused.compile(&job, &Host::new(), 6).is_err());
}

fn any_path() -> impl Strategy<Value = Vec<u8>> {
    let known =
        ["/usr/bin/sort", "/usr/lib", "/etc/shadow", "/job/x", "/tmp/y", "/proc/1/mem", "/", "/usr/share"];
    prop_oneof![
        proptest::sample::select(known.map(|path| path.as_bytes().to_vec()).to_vec()),
        proptest::collection::vec(any::<u8>(), 0..24),
        "/[ -~\u{80}-\u{2100}]{0,16}".prop_map(String::into_bytes),
    ]
}

fn any_fact() -> impl Strategy<Value = Fact> {
    let how = proptest::sample::select(vec![How::Look, How::Read, How::Map, How::Execute, How::Write]);
    let deed = prop_oneof![
        any::<[u32; 6]>().prop_map(Deed::Called),
        (how, any_path(), proptest::option::of(any_path())).prop_map(|(how, named, real)| Deed::Named {
            how,
            named: bytes(named),
            real: real.map(bytes)
        }),
        proptest::collection::vec(any::<u8>(), 0..40)
            .prop_map(|address| Deed::Address(address.try_into().unwrap())),
    ];
    (0_u32..470, deed, 0_u16..40).prop_map(|(call, deed, errno)| Fact { program: 0, call, deed, errno })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_was_recorded_the_draft_is_a_policy_and_always_the_same(
        facts in proptest::collection::vec(any_fact(), 0..40),
    ) {
        let trace = trace_of(&facts);
        for breadth in [Breadth::Used, Breadth::LookedAt] {
            let draft = draft_from(&trace, breadth, &BTreeSet::new());
            assert_parses(&draft.text);
            prop_assert_eq!(&draft, &draft_from(&trace, breadth, &BTreeSet::new()));
        }
    }

    #[test]
    fn garbage_for_a_recording_is_no_recording(garbage in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert_eq!(Trace::read(&garbage).ended(), None);
    }
}
