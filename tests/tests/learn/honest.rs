//! Programs that mean well.

use std::os::unix::fs::PermissionsExt;

use stockade_tests::{Place, binary};

use super::support::{learn, refusal};

#[test]
fn a_pipeline_gets_its_programs_and_nothing_else() {
    let learned = learn(&[], &["/bin/sh", "-c", "printf 'b\\na\\nb\\n' | sort | uniq -c"]);
    assert_eq!(learned.items("commands"), ["/bin/sh", "/usr/bin/sort", "/usr/bin/uniq"]);
    assert!(learned.items("read").is_empty() && learned.items("write").is_empty(), "{}", learned.text);
    assert_eq!(learned.items("remove"), ["\"@memory-exec\"", "\"@network\""]);
    assert_eq!(learned.said["proof"]["same_stdout"], true);
    learned.assert_least();
}

#[test]
fn a_python_script_gets_its_library_and_declares_what_it_leaves() {
    let place = Place::new("");
    let input = place.path().join("data.csv");
    std::fs::write(&input, "a,1\nb,2\n").unwrap();
    let script = "import csv, json; rows = list(csv.reader(open('data.csv'))); \
                  json.dump(rows, open('rows.json', 'w')); print(len(rows))";
    let learned = learn(&["--input", input.to_str().unwrap()], &["/usr/bin/python3", "-c", script]);
    assert_eq!(learned.items("commands"), ["/usr/bin/python3"]);
    assert_eq!(learned.items("outputs"), ["\"rows.json\""]);
    assert_eq!(learned.items("write"), ["/job"]);
    assert_eq!(learned.items("read").len(), 1, "{}", learned.text);
    learned.assert_least();
}

#[test]
fn a_compiler_gets_its_helpers_and_its_headers() {
    let place = Place::new("");
    let input = place.path().join("a.c");
    std::fs::write(&input, "#include <stddef.h>\nsize_t f(void) { return 7; }\n").unwrap();
    let learned = learn(&["--input", input.to_str().unwrap()], &["/usr/bin/gcc", "-c", "a.c", "-o", "a.o"]);
    let commands = learned.items("commands");
    assert!(commands.iter().any(|command| command.ends_with("/cc1")), "{commands:?}");
    assert_eq!(learned.items("outputs"), ["\"a.o\""]);
    assert!(learned.items("read").iter().any(|path| path.ends_with("/stddef.h")), "{}", learned.text);
    learned.assert_least();
}

#[test]
fn a_just_in_time_compiler_keeps_executable_memory() {
    let learned = learn(&[], &["/usr/bin/node", "-e", "console.log(6 * 7)"]);
    assert!(!learned.items("remove").contains(&"\"@memory-exec\"".to_owned()), "{}", learned.text);
    assert!(learned.text.contains("\n  profile: strict "), "{}", learned.text);
    learned.assert_least();
}

#[test]
fn a_local_socket_is_granted_by_its_calls_and_its_file() {
    let script = "import socket, os; s = socket.socket(socket.AF_UNIX); s.bind('/tmp/s'); s.listen(); \
                  c = socket.socket(socket.AF_UNIX); c.connect('/tmp/s'); c.send(b'x'); print(s.accept()[0].recv(1))";
    let learned = learn(&[], &["/usr/bin/python3", "-c", script]);
    assert_eq!(learned.items("add"), ["accept4", "bind", "connect", "listen", "socket"]);
    assert_eq!(learned.items("write"), ["/tmp"]);
    learned.assert_least();
}

#[test]
fn the_policy_is_written_once_unless_forced_and_the_program_is_heard() {
    let place = Place::new("");
    let path = place.path().join("out.yaml");
    let learn = |more: &[&str]| {
        let arguments = ["policy", "learn", "-o", path.to_str().unwrap()];
        let command = ["--name", "mine", "--", "/bin/sh", "-c", "echo heard; echo also >&2; exit 3"];
        place.stockade(&[&arguments, more, &command].concat())
    };
    let first = learn(&[]);
    let said = String::from_utf8_lossy(&first.stderr).into_owned();
    assert_eq!((first.status.code(), first.stdout.as_slice()), (Some(0), b"heard\n".as_slice()), "{said}");
    assert!(said.contains("also\n") && said.contains("the policy is that of a failure"), "{said}");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("\npolicy: mine\n"), "{text}");
    let second = learn(&[]);
    assert_eq!((second.status.code(), second.stdout.len()), (Some(125), 0));
    assert!(String::from_utf8_lossy(&second.stderr).contains("`--force` overwrites it"));
    assert_eq!(learn(&["--force"]).status.code(), Some(0));
}

#[test]
fn without_a_file_the_policy_is_all_that_stands_on_standard_output() {
    let place = Place::new("");
    let output = place.stockade(&["policy", "learn", "--", "/bin/sh", "-c", "echo heard"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let path = place.path().join("piped.yaml");
    std::fs::write(&path, &text).unwrap();
    assert!(place.stockade(&["policy", "check", path.to_str().unwrap()]).status.success(), "{text}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("heard\n"));
}

#[test]
fn standard_input_and_variables_are_the_same_in_every_run() {
    let place = Place::new("");
    let input = place.path().join("in");
    std::fs::write(&input, "from stdin\n").unwrap();
    let script = "cat; echo $COLOUR";
    let mut command =
        place.command(&["policy", "learn", "--json", "--env", "COLOUR", "--", "/bin/sh", "-c", script]);
    command.env("COLOUR", "red").stdin(std::fs::File::open(&input).unwrap());
    let said: serde_json::Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    assert_eq!(said["recording"]["stdout"], "from stdin\nred\n");
    assert_eq!(said["proof"]["same_stdout"], true);
    assert!(said["text"].as_str().unwrap().contains("\n  pass:\n    - \"COLOUR\""), "{said}");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    assert!(
        refusal(&[], &["/usr/bin/nothing-of-this-name"])
            .contains("`/usr/bin/nothing-of-this-name` does not exist")
    );
    assert!(
        refusal(&[], &["nothing-of-this-name"]).contains("it is in none of /usr/local/bin, /usr/bin, /bin")
    );
    assert!(refusal(&[], &["./relative"]).contains("name it by its whole path"));
    assert!(refusal(&["--show", "/etc/ssh"], &["/bin/true"]).contains("/etc/ssh"));
}

#[test]
fn the_recorder_beside_the_launcher_is_used_wherever_they_lie() {
    let place = Place::new("services: []\n");
    let closed = place.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o700)).unwrap();
    let launcher = closed.join("stockade-launcher");
    std::fs::copy(binary("stockade-launcher"), &launcher).unwrap();
    let options = ["--trials", "0", "--launcher", launcher.to_str().unwrap()];
    assert!(refusal(&options, &["/bin/true"]).contains("closed/stockade-recorder`: No such file"));
    std::fs::copy(binary("stockade-recorder"), closed.join("stockade-recorder")).unwrap();
    // Where the account that jobs are asked for by cannot go.
    learn(&options, &["/bin/true"]);
}

#[test]
fn every_run_is_on_record() {
    let learned = learn(&["--trials", "0"], &["/bin/true"]);
    let record = std::fs::read_to_string(learned.place.state_dir().join("exec-record.jsonl")).unwrap();
    let started = record.lines().filter(|line| line.contains("\"attempt.started\"")).count();
    assert_eq!(started, 1 + usize::try_from(learned.said["proof"]["runs"].as_u64().unwrap()).unwrap());
    assert!(record.contains("\"recording\"") && record.contains("\"learned-true\""), "{record}");
}
