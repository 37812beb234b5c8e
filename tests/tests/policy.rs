//! The tools around policies as a caller meets them. They need no root; where a test is root, it gives that up.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Output;
use std::sync::OnceLock;

use serde_json::Value;
use stockade_tests::{Place, binary};

/// An unprivileged user of every host.
const NOBODY: u32 = 65534;

const SERVICES: &str = "\
services:
  - name: reports
    execution_type: shell
    security_policy: {use: script-standard, resource_limits: {memory_mb: 256}}
    operations:
      - {name: build, timeout: 20, runner_config: {command: [/usr/bin/python3, /job/input.json]}}
";

fn place() -> Place {
    Place::new(SERVICES)
}

/// A file that everybody can read, owned by whoever runs the test.
fn file(place: &Place, name: &str, text: &str) -> String {
    let path = place.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The program, open: whoever may execute it can start it by this path, also where a directory above it lets nobody in.
fn program() -> PathBuf {
    static OPEN: OnceLock<File> = OnceLock::new();
    let file = OPEN.get_or_init(|| {
        let file = File::open(binary("stockade")).unwrap();
        // It is still open in the child when that executes it.
        rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
        file
    });
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// `stockade policy`, as nobody in particular, where no database and no sandbox is.
fn policy(place: &Place, arguments: &[&str]) -> Output {
    let mut command = place.command_of(&program(), &["policy"]);
    command
        .args(arguments)
        .env_remove("STOCKADE_ENVIRONMENT")
        .env("DATABASE_URL", "postgres://nowhere.invalid/x");
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

#[test]
fn check_tells_all_errors_of_all_files_and_directories_in_a_stable_order() {
    let place = place();
    file(&place, "policies/b.yaml", "policy: b\ncomands: []\nresource_limits: {memory_mb: lots}\n");
    file(&place, "policies/a.yml", "policy: a\nextends: nothing\n");
    file(&place, "policies/notes.txt", "not a policy");
    let single = file(&place, "single.yaml", "policy: single\nnetwork: {mode: telepathy}\n");
    let services = place.services();
    let directory = place.path().join("policies");
    let paths = [single.as_str(), directory.to_str().unwrap(), services.to_str().unwrap()];
    let check = |more: &[&str]| policy(&place, &[&["check"], &paths[..], more].concat());
    let found = json(&check(&["--json"]));
    let told: Vec<(&str, &str, u64)> = found["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| {
            let name = found["file"].as_str().unwrap().rsplit('/').next().unwrap();
            (name, found["code"].as_str().unwrap(), found["line"].as_u64().unwrap())
        })
        .collect();
    let expected = [
        ("a.yml", "unknown-policy", 2),
        ("b.yaml", "unknown-key", 2),
        ("b.yaml", "wrong-type", 3),
        ("single.yaml", "unknown-word", 2),
    ];
    assert_eq!(told, expected);
    assert_eq!((found["ok"].as_bool(), found["files"].as_array().unwrap().len()), (Some(false), 4));
    let human = check(&[]);
    assert_eq!(code(&human), Some(1));
    assert_eq!(text(&human.stdout), text(&check(&[]).stdout));
    assert!(
        text(&human.stdout).ends_with("4 files checked: 4 errors, 0 warnings\n"),
        "{}",
        text(&human.stdout)
    );
    assert_eq!(code(&policy(&place, &["check", services.to_str().unwrap()])), Some(0));
}

#[test]
fn check_warns_of_links_and_of_files_that_others_can_write() {
    let place = place();
    let good = file(&place, "good.yaml", "policy: good\n");
    let link = place.path().join("link.yaml");
    symlink(&good, &link).unwrap();
    let output = policy(&place, &["check", link.to_str().unwrap(), "--json"]);
    assert_eq!(
        (code(&output), json(&output)["diagnostics"][0]["code"].as_str()),
        (Some(0), Some("symbolic-link"))
    );
    std::fs::set_permissions(&good, std::fs::Permissions::from_mode(0o666)).unwrap();
    let output = policy(&place, &["check", &good, "--json"]);
    assert_eq!(code(&output), Some(0));
    assert_eq!(json(&output)["diagnostics"][0]["code"], "writable-by-others");
    assert_eq!(json(&output)["diagnostics"][0]["severity"], "warning");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a shell sets the limit that this test is about")]
fn a_hundred_megabytes_are_refused_in_little_memory() {
    let place = place();
    let path = file(&place, "large.yaml", "policy: large\n");
    std::fs::File::options().write(true).open(&path).unwrap().set_len(100 << 20).unwrap();
    let stockade = place.command(&[]).get_program().to_owned();
    let limited = format!("ulimit -v 90000; exec {} policy check {path}", PathBuf::from(stockade).display());
    let output = std::process::Command::new("/bin/sh").args(["-c", &limited]).output().unwrap();
    assert_eq!(code(&output), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("error[too-large]"), "{}", text(&output.stdout));
}

#[test]
fn explain_shows_every_line_with_its_origin_and_what_enforces_it() {
    let place = place();
    let services = place.services();
    let explain = |more: &[&str]| {
        policy(
            &place,
            &[&["explain", "reports.build", "--services", services.to_str().unwrap()], more].concat(),
        )
    };
    let output = explain(&["--json"]);
    let found = json(&output);
    assert_eq!(code(&output), Some(if found["jobs_run_here"] == true { 0 } else { 1 }));
    let lines = found["lines"].as_array().unwrap();
    let line = |clause: &str| lines.iter().find(|line| line["clause"] == clause).unwrap();
    for line in lines {
        assert!(!line["mechanism"].as_str().unwrap().is_empty(), "{line}");
        assert!(line["origin"].as_str().is_some_and(|origin| !origin.is_empty()), "{line}");
    }
    let memory = line("resource_limits.memory_mb");
    assert_eq!((memory["value"].as_str(), memory["place"]["line"].as_u64()), (Some("256"), Some(4)));
    assert!(memory["mechanism"].as_str().unwrap().contains("memory controller"));
    // The operation's own timeout is the shortest.
    let wall = line("resource_limits.wall_seconds");
    assert_eq!((wall["value"].as_str(), wall["place"]["line"].as_u64()), (Some("20"), Some(6)));
    let human = text(&explain(&[]).stdout);
    assert!(human.contains("operation `reports.build` ("), "{human}");
    assert!(human.lines().all(|line| line.chars().count() <= 160), "{human}");
    let staging = text(&explain(&["--environment", "development"]).stdout);
    assert!(!staging.contains("require: landlock"), "{staging}");
}

#[test]
fn explain_says_what_is_not_enforced_and_its_exit_code_too() {
    let place = place();
    let mine = file(&place, "mine.yaml", "policy: mine\ncommands: [/bin/sh]\nnetwork: {mode: loopback}\n");
    let output = policy(&place, &["explain", &mine]);
    assert_eq!(code(&output), Some(1));
    let said = text(&output.stdout);
    assert!(said.contains("NOT ENFORCED: the shell runner"), "{said}");
    assert!(said.contains("1 NOT ENFORCED: no job runs under this policy here"), "{said}");
    let tight =
        file(&place, "tight.yaml", "policy: tight\ncommands: [/bin/sh]\nresource_limits: {memory_mb: 64}\n");
    let output = policy(&place, &["explain", &tight]);
    assert!(!text(&output.stdout).contains("NOT ENFORCED"), "{}", text(&output.stdout));
    assert_eq!(code(&output), Some(0));
}

#[test]
fn explain_names_what_it_does_not_find() {
    let place = place();
    let services = place.services();
    for (target, said) in [
        ("reports.biuld", "there is no operation `biuld`; did you mean `build`?"),
        ("repots.build", "there is no service `repots`; did you mean `reports`?"),
        ("script-standart", "did you mean `script-standard`?"),
        ("./none.yaml", "cannot open `./none.yaml`"),
    ] {
        let output = policy(&place, &["explain", target, "--services", services.to_str().unwrap()]);
        assert_eq!((code(&output), text(&output.stdout)), (Some(1), String::new()), "{target}");
        assert!(text(&output.stderr).contains(said), "{}", text(&output.stderr));
    }
    let output = policy(&place, &["explain", "reports.build"]);
    assert!(text(&output.stderr).contains("--services FILE"), "{}", text(&output.stderr));
}

#[test]
fn diff_tells_gains_from_losses_and_its_exit_code_too() {
    let place = place();
    let file = |name: &str, rest: &str| file(&place, name, &format!("policy: mine\nextends: base\n{rest}"));
    let old = file("old.yaml", "commands: [/bin/sh]\nfilesystem: {read: [/usr/share]}\n");
    let same = file(
        "same.yaml",
        "description: other words\nfilesystem: {read: [/usr/share]}\ncommands: [/bin/sh]\n",
    );
    let less = file("less.yaml", "commands: []\nfilesystem: {read: [/usr/share/a]}\nrequire: [landlock]\n");
    let more = file("more.yaml", "commands: [/bin/cat]\nfilesystem: {read: [/usr/share]}\n");
    let diff = |a: &str, b: &str| policy(&place, &["diff", a, b]);
    let shown = |output: &Output| text(&output.stdout);
    let output = diff(&old, &same);
    assert_eq!((code(&output), shown(&output)), (Some(0), "the same rights\n".to_owned()));
    let output = diff(&old, &less);
    let lines = "- commands: /bin/sh\n- filesystem.read: /usr/share -> /usr/share/a\n- require: landlock is required now\n";
    assert_eq!((code(&output), shown(&output)), (Some(3), format!("{lines}only less: 3 lines\n")));
    let output = diff(&old, &more);
    assert_eq!(code(&output), Some(4));
    assert!(shown(&output).starts_with("+ commands: /bin/cat\n- commands: /bin/sh\nGAINS RIGHTS"));
    assert_eq!(code(&diff(&less, &old)), Some(4));
    assert_eq!(code(&diff(&old, "no-such-policy")), Some(1));
    let output = policy(&place, &["diff", &old, &more, "--json"]);
    let found = json(&output);
    assert_eq!((code(&output), found["verdict"].as_str()), (Some(4), Some("gains")));
    assert_eq!(found["differences"][0]["change"], "gained");
}

#[test]
fn diff_compares_an_operation_with_its_policy_and_with_another_registry() {
    let place = place();
    let services = place.services();
    let services = services.to_str().unwrap();
    let output = policy(&place, &["diff", "script-standard", "reports.build", "--services", services]);
    assert_eq!(code(&output), Some(3));
    assert!(text(&output.stdout).contains("- resource_limits.memory_mb: 512 -> 256\n"));
    let wider = file(&place, "wider.yaml", &SERVICES.replace("memory_mb: 256", "memory_mb: 300"));
    let both = ["--old-services", services, "--services", &wider];
    let output = policy(&place, &[&["diff", "reports.build", "reports.build"], &both[..]].concat());
    assert_eq!(
        (code(&output), text(&output.stdout).lines().next()),
        (Some(4), Some("+ resource_limits.memory_mb: 256 -> 300"))
    );
    let other = SERVICES.replace("/job/input.json", "/job/script");
    assert_ne!(other, SERVICES, "what it runs is written otherwise");
    let other = file(&place, "other.yaml", &other);
    let both = ["--old-services", services, "--services", &other];
    let output = policy(&place, &[&["diff", "reports.build", "reports.build"], &both[..]].concat());
    assert_eq!(code(&output), Some(4), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("+ runner_config: command: "), "{}", text(&output.stdout));
}

#[test]
fn schema_prints_a_json_schema_of_each_kind_of_file() {
    let place = place();
    for (option, title, key) in
        [(None, "Stockade policy", "commands"), (Some("--registry"), "Stockade service registry", "services")]
    {
        let arguments: Vec<&str> = ["schema"].into_iter().chain(option).collect();
        let schema = json(&policy(&place, &arguments));
        assert_eq!(schema["title"], title);
        assert!(schema["properties"][key].is_object());
    }
}

/// `exec` of a command that prints, with these options; as root.
fn exec(place: &Place, options: &[&str], sudo_uid: Option<&str>) -> Output {
    let mut command = place.command(&["exec"]);
    command.args(options).args(["--", "/bin/sh", "-c", "echo ran"]).env_remove("SUDO_UID");
    command.envs(sudo_uid.map(|uid| ("SUDO_UID", uid)));
    command.output().unwrap()
}

#[test]
fn exec_runs_under_no_policy_that_others_have_a_say_in() {
    let place = place();
    let mine = file(&place, "mine/mine.yaml", "policy: mine\nextends: shell-utils\n");
    let directory = place.path().join("mine");
    let by_path = ["--policy", &mine];
    let by_name = ["--policies", directory.to_str().unwrap(), "--policy", "mine"];
    let expect = |sudo_uid: Option<&str>, said: Option<&str>| {
        for options in [&by_path[..], &by_name[..]] {
            let output = exec(&place, options, sudo_uid);
            let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
            match said {
                None => {
                    assert_eq!((code(&output), stdout.as_str()), (Some(0), "ran\n"), "{options:?}: {stderr}")
                }
                Some(said) => {
                    assert_eq!((code(&output), stdout.as_str()), (Some(125), ""), "{options:?}");
                    assert!(stderr.contains(said), "{options:?}: {stderr}");
                }
            }
        }
    };
    expect(None, None);
    std::fs::set_permissions(&mine, std::fs::Permissions::from_mode(0o664)).unwrap();
    expect(None, Some("error[writable-by-others]"));
    std::fs::set_permissions(&mine, std::fs::Permissions::from_mode(0o644)).unwrap();
    chown(&mine, Some(NOBODY), None).unwrap();
    expect(None, Some("error[foreign-owner]"));
    expect(Some("1"), Some("error[foreign-owner]"));
    // Whoever calls with `sudo` is trusted with what he calls.
    expect(Some("65534"), None);
    chown(&mine, Some(0), None).unwrap();
    std::fs::rename(&mine, place.path().join("real.yaml")).unwrap();
    symlink("../real.yaml", &mine).unwrap();
    expect(None, Some("error[symbolic-link]"));
}

#[test]
fn exec_takes_no_directory_of_policies_that_others_can_write() {
    let place = place();
    file(&place, "mine/mine.yaml", "policy: mine\nextends: shell-utils\n");
    let directory = place.path().join("mine");
    let options = ["--policies", directory.to_str().unwrap(), "--policy", "mine"];
    assert_eq!(code(&exec(&place, &options, None)), Some(0));
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o777)).unwrap();
    let output = exec(&place, &options, None);
    assert_eq!(code(&output), Some(125));
    assert!(text(&output.stderr).contains("error[writable-by-others]"), "{}", text(&output.stderr));
}

#[test]
fn no_worker_starts_with_a_registry_that_others_have_a_say_in() {
    let place = place();
    let refused = |code: &str| {
        let output = place.worker("up", &[]).env_remove("SUDO_UID").output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = text(&output.stderr);
        assert!(said.contains(&format!("error[{code}]")), "{said}");
    };
    std::fs::set_permissions(place.services(), std::fs::Permissions::from_mode(0o666)).unwrap();
    refused("writable-by-others");
    std::fs::set_permissions(place.services(), std::fs::Permissions::from_mode(0o644)).unwrap();
    chown(place.services(), Some(NOBODY), None).unwrap();
    refused("foreign-owner");
    let real = place.path().join("real.yaml");
    std::fs::rename(place.services(), &real).unwrap();
    symlink(&real, place.services()).unwrap();
    refused("symbolic-link");
}
