//! `json-tools`.

use crate::Policy;
use crate::desk::Desk;

pub(crate) const POLICY: Policy = Policy { name: "json-tools", honest };

const ORDERS: &str = r#"[{"city":"Bern","total":3},{"city":"Chur","total":4},{"city":"Bern","total":5}]"#;

/// Sums by group.
fn honest(desk: &Desk) -> Result<(), String> {
    desk.file("orders.json", ORDERS.as_bytes());
    let program = "group_by(.city) | map({(.[0].city): map(.total) | add}) | add";
    desk.run(&["orders.json"], &["/usr/bin/jq", "-c", program, "orders.json"])
        .printed("{\"Bern\":8,\"Chur\":4}\n")
}

fn jq(program: &str) -> crate::desk::Ran {
    Desk::new("json-tools").run(&[], &["/usr/bin/jq", "-n", "-c", program])
}

#[test]
fn a_document_without_an_end_runs_out_of_memory() {
    jq("[range(1000)] | length").printed("1000\n").unwrap();
    let ran = jq("[range(1e12)] | length");
    assert_eq!((ran.code, ran.status.as_str()), (137, "out_of_memory"));
}

#[test]
fn output_without_an_end_is_cut() {
    jq("limit(2; repeat(1))").printed("1\n1\n").unwrap();
    let ran = jq("repeat(\"x\" * 1000)");
    assert_eq!((ran.code, ran.status.as_str()), (153, "limit_exceeded"));
}

#[test]
fn other_files_and_the_callers_environment_are_not_there() {
    let desk = Desk::new("json-tools");
    desk.file("own", b"text");
    let read = |path| desk.run(&["own"], &["/usr/bin/jq", "-n", "--rawfile", "text", path, "$text"]);
    read("own").printed("\"text\"\n").unwrap();
    let ran = read("/etc/shadow");
    assert!(ran.code == 2 && ran.says("/etc/shadow: Permission denied"), "{ran:?}");
    assert!(std::fs::read("/etc/shadow").is_ok(), "outside it can be read");
    jq("$ENV | keys").printed("[\"HOME\",\"LANG\",\"PATH\",\"TMPDIR\"]\n").unwrap();
}
