//! Plans for this host's own programs.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use stockade_plan::{AbsPath, Access, Device, Entry, FRAME_MAX, FileName, WORK_DIR};

use super::*;
use crate::environment::Environment;
use crate::library::Library;
use crate::policy::Policy;
use crate::yaml::Source;

/// The ABI of Linux 6.12 and later.
const ABI: u8 = 6;

fn policy(text: &str) -> EffectivePolicy {
    let source = Source::new("test.yaml", format!("policy: test\n{text}"));
    let name = Policy::parse(&source).unwrap_or_else(|found| panic!("{found}")).0.name.value;
    let (library, found) = Library::default().with_right_sources(vec![source]);
    assert!(found.is_empty(), "{found:?}");
    library.effective(name.as_str(), Environment::Development).unwrap()
}

fn job(arguments: &[&str]) -> JobSpec {
    JobSpec::command(arguments.iter().map(|argument| (*argument).to_owned()).collect()).unwrap()
}

fn plan_of(text: &str, arguments: &[&str]) -> Result<Plan, CompileError> {
    compile(&policy(text), &job(arguments), &Host::new(), ABI)
}

fn plan(text: &str, arguments: &[&str]) -> Plan {
    plan_of(text, arguments).unwrap_or_else(|error| panic!("{error}"))
}

fn bind<'p>(plan: &'p Plan, at: &str) -> Option<&'p Entry> {
    plan.confinement
        .view
        .entries
        .iter()
        .find(|entry| matches!(entry, Entry::Bind { path, .. } if path.as_str() == at))
}

fn access(plan: &Plan, at: &str) -> Option<Access> {
    plan.confinement.landlock.rules.iter().find(|rule| rule.path.as_str() == at).map(|rule| rule.access)
}

fn real(path: &str) -> String {
    fs::canonicalize(path).unwrap().to_str().unwrap().to_owned()
}

const SHELL: &str = "commands: [/bin/sh]\n";

#[test]
fn a_command_is_shown_with_its_loader_and_libraries_and_may_be_executed_with_them() {
    let plan = plan(SHELL, &["/bin/sh", "-c", "true"]);
    let shell = real("/bin/sh");
    let loader = real("/lib64/ld-linux-x86-64.so.2");
    assert_eq!(plan.task.command.executable.as_str(), shell);
    assert!(matches!(bind(&plan, &shell), Some(Entry::Bind { executable: true, .. })));
    assert!(matches!(bind(&plan, &loader), Some(Entry::Bind { executable: true, .. })));
    assert_eq!(access(&plan, &shell), Some(Access::Execute));
    assert_eq!(access(&plan, &loader), Some(Access::Execute));
    let libc = plan
        .confinement
        .landlock
        .rules
        .iter()
        .find(|rule| rule.path.as_str().ends_with("/libc.so.6"))
        .unwrap();
    assert_eq!(libc.access, Access::Read);
}

#[test]
fn nothing_but_files_may_be_executed_and_the_root_is_never_granted() {
    for name in ["script-standard", "script-strict", "shell-utils"] {
        let policy = Library::shipped().unwrap().effective(name, Environment::Production).unwrap();
        let program = policy.commands().next().unwrap().to_string();
        let plan = compile(&policy, &job(&[&program]), &Host::new(), ABI).unwrap();
        for rule in &plan.confinement.landlock.rules {
            let file = |path: &AbsPath| fs::metadata(path.as_str()).is_ok_and(|metadata| metadata.is_file());
            assert!(rule.access != Access::Execute || file(&rule.path), "{name}: {}", rule.path);
            assert!(
                !["/", "/usr", "/usr/bin", "/bin", "/etc"].contains(&rule.path.as_str()),
                "{}",
                rule.path
            );
        }
    }
}

#[test]
fn links_of_the_host_are_links_in_the_view_and_binds_have_none_on_their_way() {
    let plan = plan(SHELL, &["/bin/sh"]);
    let links: Vec<(&str, &str)> = plan
        .confinement
        .view
        .entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Symlink { path, target } => Some((path.as_str(), target.as_str())),
            _ => None,
        })
        .collect();
    assert!(links.contains(&("/bin", "/usr/bin")), "{links:?}");
    assert!(links.contains(&("/lib64", "/usr/lib64")), "{links:?}");
    for entry in &plan.confinement.view.entries {
        if let Entry::Bind { source, path, .. } = entry {
            assert_eq!(source, path);
            assert_eq!(real(source.as_str()), source.as_str());
        }
    }
}

#[test]
fn the_view_holds_nothing_that_the_launcher_makes_itself() {
    let plan = plan(SHELL, &["/bin/sh"]);
    for entry in &plan.confinement.view.entries {
        let path = match entry {
            Entry::Directory { path }
            | Entry::Symlink { path, .. }
            | Entry::File { path, .. }
            | Entry::Bind { path, .. } => path.as_str(),
            Entry::Device(_) | Entry::Recorder => continue,
        };
        assert!(!["/proc", WORK_DIR, "/tmp", "/dev"].iter().any(|own| path.starts_with(own)), "{path}");
    }
    let devices =
        plan.confinement.view.entries.iter().filter(|entry| matches!(entry, Entry::Device(_))).count();
    assert_eq!(devices, Device::ALL.len());
}

#[test]
fn libraries_that_are_read_may_be_mapped_and_data_may_not() {
    let plan = plan(&format!("{SHELL}filesystem: {{read: [/usr/lib, /usr/share/zoneinfo]}}\n"), &["/bin/sh"]);
    assert!(matches!(bind(&plan, "/usr/lib"), Some(Entry::Bind { executable: true, .. })));
    assert!(matches!(bind(&plan, "/usr/share/zoneinfo"), Some(Entry::Bind { executable: false, .. })));
    assert_eq!(access(&plan, "/usr/share/zoneinfo"), Some(Access::Read));
}

#[test]
fn a_bind_beneath_another_is_left_out_unless_only_it_is_executable() {
    let plan = plan(&format!("{SHELL}filesystem: {{read: [/usr/lib]}}\n"), &["/bin/sh"]);
    let beneath: Vec<_> = plan
        .confinement
        .view
        .entries
        .iter()
        .filter(|entry| matches!(entry, Entry::Bind { path, .. } if path.as_str().starts_with("/usr/lib/")))
        .collect();
    assert!(beneath.is_empty(), "{beneath:?}");
    assert_eq!(access(&plan, &real("/lib64/ld-linux-x86-64.so.2")), Some(Access::Execute));

    let (directory, tool) = tool("#!/bin/sh\n");
    let data = directory.path().canonicalize().unwrap().join("data");
    let data = data.to_str().unwrap();
    let nested = format!("commands: [{tool}]\nfilesystem: {{read: [{data}]}}\n");
    let plan = self::plan(&nested, &[&tool]);
    assert!(matches!(bind(&plan, data), Some(Entry::Bind { executable: false, .. })));
    assert!(matches!(bind(&plan, &tool), Some(Entry::Bind { executable: true, .. })));
}

/// `DIR/data/tool`, executable; `DIR` is not beneath `/tmp`, which every sandbox has of its own.
fn tool(text: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir_in("/var/tmp").unwrap();
    let data = directory.path().canonicalize().unwrap().join("data");
    fs::create_dir(&data).unwrap();
    let tool: PathBuf = data.join("tool");
    fs::write(&tool, text).unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    (directory, tool.to_str().unwrap().to_owned())
}

#[test]
fn a_script_is_run_by_its_interpreter_as_the_kernel_would() {
    let (_directory, tool) = tool("#!/bin/sh -e\n");
    let plan = plan(&format!("commands: [{tool}]\n"), &[&tool, "one", "two"]);
    assert_eq!(plan.task.command.executable.as_str(), real("/bin/sh"));
    let arguments: Vec<&str> = plan.task.command.arguments.iter().map(stockade_plan::Arg::as_str).collect();
    assert_eq!(arguments, ["/bin/sh", "-e", &tool, "one", "two"]);
    assert_eq!(access(&plan, &tool), Some(Access::Execute));
    assert_eq!(access(&plan, &real("/bin/sh")), Some(Access::Execute));
}

#[test]
fn a_command_is_named_by_its_listed_path_its_location_or_its_file() {
    for name in ["/bin/sh", "/usr/bin/sh", &real("/bin/sh")] {
        let plan = plan(SHELL, &[name, "-c", "true"]);
        assert_eq!(plan.task.command.arguments[0].as_str(), name);
    }
}

#[test]
fn a_command_that_is_not_listed_is_refused_with_a_suggestion() {
    let error = plan_of(SHELL, &["/usr/bin/env"]).unwrap_err();
    assert_eq!(error.to_string(), "policy `test` does not allow `/usr/bin/env`; it allows `/bin/sh`");
    assert!(error.is_refusal());
    let said = |asked: &str| plan_of(SHELL, &[asked]).unwrap_err().to_string();
    assert_eq!(said("/bin/shh"), "policy `test` does not allow `/bin/shh`; did you mean `/bin/sh`?");
    let start =
        |asked: &str| format!("policy `test` does not allow `{asked}`; no `PATH` is searched: write ");
    assert_eq!(said("sh"), start("sh") + "`/bin/sh`");
    assert_eq!(
        said("true"),
        start("true") + "the whole path of a program, of those that it allows: `/bin/sh`"
    );
    assert!(plan_of(SHELL, &["/bin/sh"]).is_ok());
}

#[test]
fn a_listed_command_that_the_host_lacks_is_missed_only_when_it_is_asked_for() {
    let text = "commands: [/bin/sh, /usr/bin/no-such-program]\n";
    assert!(plan_of(text, &["/bin/sh"]).is_ok());
    let error = plan_of(text, &["/usr/bin/no-such-program"]).unwrap_err();
    assert!(error.to_string().ends_with("`/usr/bin/no-such-program` does not exist on this host"), "{error}");
    assert!(!error.is_refusal());
}

#[test]
fn an_absent_path_stops_the_job_unless_it_is_optional() {
    let text = |path: &str| format!("{SHELL}filesystem: {{read: [{path}]}}\n");
    let error = plan_of(&text("/opt/no-such-directory"), &["/bin/sh"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot show `/opt/no-such-directory` (policy `test` (test.yaml:3:21)) to the job: \
         `/opt/no-such-directory` does not exist on this host"
    );
    assert!(plan_of(&text("{path: /opt/no-such-directory, optional: true}"), &["/bin/sh"]).is_ok());
}

#[test]
fn what_is_no_file_and_no_directory_is_not_shown() {
    let (directory, _) = tool("");
    let root = directory.path().canonicalize().unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    let read = |name: &str| {
        plan_of(&format!("{SHELL}filesystem: {{read: [{}]}}\n", root.join(name).display()), &["/bin/sh"])
    };
    assert!(read("socket").unwrap_err().to_string().ends_with("is neither a directory nor a regular file"));
    assert!(read("data").is_ok());
}

#[test]
fn a_link_that_leads_to_what_no_job_may_read_is_refused() {
    let (directory, _) = tool("");
    let root = directory.path().canonicalize().unwrap();
    symlink("/usr/bin", root.join("programs")).unwrap();
    symlink("/etc", root.join("settings")).unwrap();
    symlink(root.join("data"), root.join("fine")).unwrap();
    let read = |name: &str| {
        let text = format!("{SHELL}filesystem: {{read: [{}]}}\n", root.join(name).display());
        plan_of(&text, &["/bin/sh"])
    };
    assert!(matches!(
        read("programs"),
        Err(CompileError::Unsafe { reason: crate::UnsafePath::Programs(_), .. })
    ));
    assert!(matches!(
        read("settings"),
        Err(CompileError::Unsafe { reason: crate::UnsafePath::Secrets(_), .. })
    ));
    assert!(read("fine").is_ok());
}

#[test]
fn a_link_in_a_directory_that_is_granted_is_no_right_to_what_it_points_at() {
    let (directory, _) = tool("");
    let root = directory.path().canonicalize().unwrap();
    for name in ["granted", "granted/inner", "beside"] {
        std::fs::create_dir(root.join(name)).unwrap();
    }
    symlink(root.join("beside"), root.join("granted/out")).unwrap();
    symlink(root.join("granted/inner"), root.join("granted/in")).unwrap();
    symlink(root.join("granted/in"), root.join("granted/twice")).unwrap();
    let paths = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| root.join(name).display().to_string()).collect();
        format!("filesystem: {{read: [{}]}}\n", names.join(", "))
    };
    let read = |layers: &[&[&str]]| {
        let mut layers = layers.iter().map(|names| paths(names));
        let mut effective = policy(&format!("{SHELL}{}", layers.next().unwrap()));
        for text in layers {
            let asked = Policy::parse(&Source::new("row", format!("policy: row\n{text}"))).unwrap().0;
            effective = effective.tightened(&asked.clauses, &crate::effective::Layer::Job).unwrap();
        }
        compile(&effective, &job(&["/bin/sh"]), &Host::new(), ABI)
    };
    // Whoever is granted the link itself is granted what it leads to, and so is who keeps it.
    assert!(read(&[&["granted/out"], &["granted/out"]]).is_ok());
    assert!(read(&[&["granted", "granted/out"], &["granted/out"]]).is_ok());
    for kept in ["granted", "granted/inner", "granted/in", "granted/twice"] {
        assert!(read(&[&["granted"], &[kept]]).is_ok(), "{kept}");
    }
    for layers in [
        [&["granted"][..], &["granted/out"], &["granted/out"]],
        [&["granted"], &["granted"], &["granted/out"]],
        [&["granted", "granted/out"], &["granted"], &["granted/out"]],
    ] {
        let error = read(&layers).unwrap_err();
        assert!(matches!(error, CompileError::LeadsOut { .. }), "{layers:?}: {error}");
    }
}

#[test]
fn what_the_policy_writes_is_granted_and_the_work_directory_can_always_be_read() {
    let both = plan(&format!("{SHELL}filesystem: {{write: [/job, /tmp]}}\n"), &["/bin/sh"]);
    for path in ["/job", "/tmp", "/dev/shm"] {
        assert_eq!(access(&both, path), Some(Access::Write), "{path}");
    }
    let none = plan(SHELL, &["/bin/sh"]);
    assert_eq!(access(&none, "/job"), Some(Access::Read));
    assert_eq!([access(&none, "/tmp"), access(&none, "/dev/shm")], [None, None]);
}

#[test]
fn the_environment_is_the_policys_and_nothing_else() {
    let text = format!("{SHELL}environment: {{pass: [TOKEN, ABSENT], set: {{LANG: C, MODE: \"a b\"}}}}\n");
    let caller =
        [("TOKEN", "t"), ("SECRET", "s"), ("PATH", "/evil")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let job = job(&["/bin/sh"]).with_caller_environment(caller);
    let plan = compile(&policy(&text), &job, &Host::new(), ABI).unwrap();
    let shown: Vec<String> = plan
        .task
        .command
        .environment
        .iter()
        .map(|variable| format!("{}={}", variable.name, variable.value))
        .collect();
    assert_eq!(
        shown,
        ["HOME=/job", "LANG=C", "MODE=a b", "PATH=/usr/local/bin:/usr/bin:/bin", "TMPDIR=/tmp", "TOKEN=t"]
    );
}

#[test]
fn limits_are_the_policys_in_the_kernels_units() {
    let text = format!(
        "{SHELL}resource_limits: {{memory_mb: 64, cpu_cores: 0.5, cpu_seconds: 3, wall_seconds: 7, pids: 9, disk_mb: 2, \
         files: 100, open_files: 32, output_kb: 4}}\noutputs: [a/b.json, \"*\"]\n"
    );
    let plan = plan(&text, &["/bin/sh"]);
    let limits = plan.confinement.limits;
    assert_eq!((limits.memory_bytes, limits.cpu_quota_us, limits.cpu_time_ms), (64 << 20, 50_000, 3000));
    assert_eq!((limits.wall_time_ms, limits.pids, limits.disk_bytes), (7000, 9, 2 << 20));
    assert_eq!((limits.files, limits.output_bytes), (100, 4096));
    assert_eq!(
        (
            plan.confinement.rlimits.open_files,
            plan.confinement.rlimits.processes,
            plan.confinement.rlimits.cpu_seconds
        ),
        (32, 25, 4)
    );
    assert_eq!(plan.task.outputs.len(), 1);
    assert_eq!((plan.task.outputs[0].path.as_str(), plan.task.outputs[0].max_bytes), ("a/b.json", 4096));
}

#[test]
fn inputs_must_fit_into_the_jobs_file_system() {
    let text = format!("{SHELL}resource_limits: {{disk_mb: 1}}\n");
    let with = |size| {
        let job = job(&["/bin/sh"]).with_input(FileName::new("input.json").unwrap(), size);
        compile(&policy(&text), &job, &Host::new(), ABI)
    };
    assert_eq!(with(1 << 20).unwrap().task.inputs.len(), 1);
    assert_eq!(
        with((1 << 20) + 1).unwrap_err().to_string(),
        "inputs of 1048577 bytes do not fit into the 1048576 bytes of `resource_limits.disk_mb`"
    );
}

#[test]
fn two_inputs_of_one_name_are_refused() {
    let name = |name: &str| FileName::new(name).unwrap();
    let with = |second: &str| {
        let job = job(&["/bin/sh"]).with_input(name("a.csv"), 1).with_input(name(second), 1);
        compile(&policy(SHELL), &job, &Host::new(), ABI)
    };
    assert!(with("b.csv").is_ok());
    assert_eq!(
        with("a.csv").unwrap_err().to_string(),
        "two inputs are called `a.csv`; they would lie at the same place in `/job`"
    );
}

#[test]
fn the_largest_command_fits_a_frame_and_a_larger_one_is_refused() {
    let policy = Library::shipped().unwrap().effective("shell-utils", Environment::Production).unwrap();
    let with = |length: usize| {
        let long = "a".repeat(length);
        compile(&policy, &job(&["/bin/sh", "-c", &long]), &Host::new(), ABI)
    };
    let plan = with(95 * 1024).unwrap();
    assert!(encode(&plan).unwrap().len() < FRAME_MAX);
    let error = with(97 * 1024).unwrap_err();
    assert!(error.to_string().contains("are more than 98304 bytes together"), "{error}");
    assert!(error.is_refusal());
    assert!(matches!(
        JobSpec::command(vec!["a\0b".to_owned()]),
        Err(CompileError::Argument { index: 0, .. })
    ));
    assert_eq!(JobSpec::command(Vec::new()), Err(CompileError::NoCommand));
}

#[test]
fn a_clause_without_a_mechanism_stops_the_job() {
    let error = plan_of(&format!("{SHELL}network: {{mode: loopback}}\n"), &["/bin/sh"]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("`network.mode: loopback` (policy `test` (test.yaml:3:17)) cannot be enforced")
    );
    let error = compile(&policy(SHELL), &job(&["/bin/sh"]), &Host::new(), 0).unwrap_err();
    assert!(error.to_string().contains("the kernel has no Landlock"), "{error}");
    assert!(plan_of(&format!("{SHELL}network: {{mode: none}}\n"), &["/bin/sh"]).is_ok());
}

#[test]
fn a_layer_that_a_policy_requires_and_the_host_lacks_stops_the_job() {
    let required = policy(&format!("{SHELL}require: [landlock, cgroup]\n"));
    let with = |host: &Host, abi| compile(&required, &job(&["/bin/sh"]), host, abi);
    assert!(with(&Host::new(), ABI).is_ok());
    assert_eq!(
        with(&Host::new(), 5).unwrap_err().to_string(),
        "`require: landlock` (policy `test` (test.yaml:3:11)) cannot be enforced: the kernel's Landlock has ABI 5, \
         and signals and abstract sockets are confined from ABI 6"
    );
    let host = Host::new().without("cgroup_cpu", "the cpu controller is not delegated");
    assert!(with(&host, ABI).unwrap_err().to_string().ends_with(": the cpu controller is not delegated"));
    assert!(compile(&policy(SHELL), &job(&["/bin/sh"]), &host, 5).is_ok());
}

#[test]
fn a_limit_on_disks_stops_the_job_where_the_host_cannot_hold_it() {
    let limited = policy(&format!("{SHELL}resource_limits: {{disk_read_mb_per_second: 20}}\n"));
    let with = |policy, host: &Host| compile(policy, &job(&["/bin/sh"]), host, ABI);
    let rate = |plan: Plan| plan.confinement.limits.disk_read_bytes_per_second;
    assert_eq!(with(&limited, &Host::new()).map(rate).unwrap(), Some(20 << 20));
    let without = Host::new().without("cgroup_io", "the host has no `io` controller");
    assert_eq!(
        with(&limited, &without).unwrap_err().to_string(),
        "`resource_limits.disk_read_mb_per_second` (policy `test` (test.yaml:3:44)) cannot be enforced: the host has no \
         `io` controller"
    );
    // What nobody asks for nobody misses.
    assert_eq!(with(&policy(SHELL), &without).map(rate).unwrap(), None);
}

#[test]
fn rights_that_the_shell_runner_does_not_hand_out_stop_the_job() {
    let digest = "a".repeat(64);
    for text in [
        format!("images: [\"python@sha256:{digest}\"]\n"),
        "functions: [\"arn:aws:lambda:eu-west-1:123456789012:function:f:1\"]\n".to_owned(),
        "http: {hosts: [\"a.example:443\"], methods: [GET]}\n".to_owned(),
        "secrets: [\"env:KEY\"]\n".to_owned(),
    ] {
        let error = plan_of(&format!("{SHELL}{text}"), &["/bin/sh"]).unwrap_err();
        assert!(matches!(error, CompileError::Enforcement { .. }), "{error}");
    }
    assert!(plan_of(&format!("{SHELL}images: []\nsecrets: []\n"), &["/bin/sh"]).is_ok());
}

#[test]
fn what_may_be_executed_is_mapped_listed_and_executed_and_its_neighbour_is_not() {
    let (_directory, tool) = tool("#!/bin/sh\n");
    let data = tool.strip_suffix("/tool").unwrap();
    let text = |key: &str| format!("{SHELL}filesystem: {{{key}: [{data}]}}\n");
    let accesses = |plan: &Plan| {
        let rules = plan.confinement.landlock.rules.iter().filter(|rule| rule.path.as_str() == data);
        rules.map(|rule| rule.access).collect::<Vec<_>>()
    };
    let executed = plan(&text("execute"), &["/bin/sh"]);
    assert!(matches!(bind(&executed, data), Some(Entry::Bind { executable: true, .. })));
    assert_eq!(accesses(&executed), [Access::Read, Access::Execute]);
    let read = plan(&text("read"), &["/bin/sh"]);
    assert!(matches!(bind(&read, data), Some(Entry::Bind { executable: false, .. })));
    assert_eq!(accesses(&read), [Access::Read]);
}

/// A directory with a shell, its loader and its libraries, as a prepared image has them.
fn image() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let top = directory.path().canonicalize().unwrap().join("image");
    let program = Host::new().program(&crate::host::Root::Host, &AbsPath::new("/bin/sh").unwrap()).unwrap();
    for file in program.executed.iter().chain(&program.libraries) {
        let copy = top.join(file.as_str().trim_start_matches('/'));
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(file.as_str(), &copy).unwrap();
    }
    for link in &program.links {
        let at = top.join(link.path.as_str().trim_start_matches('/'));
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        let target = link.target.as_str();
        let top_level = link.path.components().count() == 1;
        symlink(if top_level { target.trim_start_matches('/') } else { target }, at).unwrap();
    }
    fs::create_dir_all(top.join("etc/app")).unwrap();
    fs::write(top.join("etc/passwd"), "").unwrap();
    (directory, top.to_str().unwrap().to_owned())
}

#[test]
fn an_image_is_the_root_and_only_what_is_granted_of_it_can_be_opened() {
    let (_directory, top) = image();
    let plan =
        plan(&format!("{SHELL}filesystem: {{root: {{image: {top}}}, read: [/etc/app]}}\n"), &["/bin/sh"]);
    let bound: Vec<(&str, String, bool)> = plan
        .confinement
        .view
        .entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Bind { source, path, executable } => {
                Some((path.as_str(), source.to_string(), *executable))
            }
            _ => None,
        })
        .collect();
    assert_eq!(bound, [("/etc", format!("{top}/etc"), false), ("/usr", format!("{top}/usr"), true)]);
    assert!(!plan.confinement.view.entries.iter().any(|entry| matches!(entry, Entry::File { .. })));
    assert_eq!(access(&plan, &real("/bin/sh")), Some(Access::Execute));
    for path in ["/etc/app", "/etc/passwd"] {
        assert_eq!(access(&plan, path), Some(Access::Read), "{path}");
    }
    assert_eq!([access(&plan, "/usr"), access(&plan, "/etc"), access(&plan, "/etc/group")], [None; 3]);
}

#[test]
fn commands_of_an_image_are_those_inside_it_whatever_its_links_say() {
    let (_directory, top) = image();
    let text = format!(
        "commands: [/bin/sh, /usr/bin/env, /usr/bin/stolen]\nfilesystem: {{root: {{image: {top}}}}}\n"
    );
    symlink("/usr/bin/env", format!("{top}/usr/bin/stolen")).unwrap();
    assert!(plan_of(&text, &["/bin/sh"]).is_ok());
    for outside in ["/usr/bin/env", "/usr/bin/stolen"] {
        let error = plan_of(&text, &[outside]).unwrap_err().to_string();
        assert!(error.ends_with("does not exist on this host"), "{error}");
    }
    symlink("/etc", format!("{top}/data")).unwrap();
    let error = plan_of(&text, &["/bin/sh"]).unwrap_err();
    assert!(
        error.to_string().contains(&format!("as the job's root: `{top}/data` is a symbolic link")),
        "{error}"
    );
}

#[test]
fn the_same_policy_and_job_give_the_same_plan() {
    let digest = |arguments: &[&str]| plan(SHELL, arguments).digest().unwrap();
    assert_eq!(digest(&["/bin/sh", "-c", "true"]), digest(&["/bin/sh", "-c", "true"]));
    assert_ne!(digest(&["/bin/sh", "-c", "true"]), digest(&["/bin/sh", "-c", "false"]));
}
