//! `c-compiler`.

use std::os::unix::fs::PermissionsExt as _;

use crate::Policy;
use crate::desk::{Desk, Ran, make, outside};

pub(crate) const POLICY: Policy = Policy { name: "c-compiler", honest };

const MAIN: &str = r#"
#include <linux/limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include "sum.h"
int main(void) { printf("%d %.0f\n", sum(3, 1, 2, 39), sqrt((double) PATH_MAX)); return 0; }
"#;
const SUM: &str = r#"
#include <stdarg.h>
#include "sum.h"
int sum(int count, ...) {
    int total = 0;
    va_list numbers;
    va_start(numbers, count);
    while (count-- > 0) total += va_arg(numbers, int);
    va_end(numbers);
    return total;
}
"#;

/// Two sources and a header to one program, which is collected and runs as a job of its own would.
fn honest(desk: &Desk) -> Result<(), String> {
    desk.file("main.c", MAIN.as_bytes());
    desk.file("sum.c", SUM.as_bytes());
    desk.file("sum.h", b"int sum(int count, ...);\n");
    let ran = desk.run(
        &["main.c", "sum.c", "sum.h"],
        &["/usr/bin/gcc", "-O2", "-Wall", "-Werror", "-o", "program", "main.c", "sum.c", "-lm"],
    );
    let ran = ran.good()?;
    let program = desk.file("program", ran.files.get("program").ok_or("no program was collected")?);
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let printed = outside(desk, &[program.to_str().unwrap()]).stdout;
    if printed == b"42 64\n" { Ok(()) } else { Err(String::from_utf8_lossy(&printed).into_owned()) }
}

fn compile(desk: &Desk, source: &str, arguments: &[&str]) -> Ran {
    desk.file("source.c", source.as_bytes());
    desk.run(&["source.c"], &[&["/usr/bin/gcc", "-c", "-o", "program", "source.c"], arguments].concat())
}

#[test]
fn files_of_the_host_cannot_be_included() {
    let desk = Desk::new("c-compiler");
    let ran = compile(&desk, "#include \"/etc/shadow\"\n", &[]);
    assert!(ran.code == 1 && ran.says("/etc/shadow: Permission denied"), "{ran:?}");
    let outside = outside(&desk, &["/usr/bin/gcc", "-fsyntax-only", "source.c"]);
    assert!(
        String::from_utf8_lossy(&outside.stderr).contains("root:"),
        "outside its lines are in the errors"
    );
}

/// An object with a file of the host in it.
fn embedding(path: &str) -> String {
    format!("__asm__(\".incbin \\\"{path}\\\"\");\n")
}

#[test]
fn files_of_the_host_cannot_be_embedded() {
    let desk = Desk::new("c-compiler");
    let ran = compile(&desk, &embedding("/etc/shadow"), &[]);
    assert!(ran.code == 1 && ran.says("file not found: /etc/shadow"), "{ran:?}");
    // The one that there is, is the sandbox's own.
    let accounts = compile(&desk, &embedding("/etc/passwd"), &[]).good().unwrap();
    let has = |bytes: &[u8], name: &str| bytes.windows(name.len()).any(|window| window == name.as_bytes());
    assert!(has(&accounts.files["program"], "job:x:1000") && !has(&accounts.files["program"], "daemon:"));
    make(&desk, &["/usr/bin/gcc", "-c", "-o", "outside.o", "source.c"]);
    assert!(has(&std::fs::read(desk.path("outside.o")).unwrap(), "daemon:"));
}

/// A plug-in that says that it was loaded.
const PLUGIN: &str =
    "#include <stdio.h>\n__attribute__((constructor)) void loaded(void) { fputs(\"loaded\\n\", stderr); }\n";

#[test]
fn what_was_built_is_neither_run_nor_loaded() {
    let desk = Desk::new("c-compiler");
    let built = compile(&desk, PLUGIN, &["-shared", "-fPIC"]).good().unwrap();
    assert!(built.files["program"].starts_with(b"\x7fELF"));
    make(&desk, &["/usr/bin/gcc", "-shared", "-fPIC", "-o", "plugin.so", "source.c"]);
    desk.file("empty.c", b"");
    let load = ["/usr/bin/gcc", "-fsyntax-only", "-fplugin=./plugin.so", "empty.c"];
    let ran = desk.run(&["plugin.so", "empty.c"], &load);
    assert!(ran.code != 0 && ran.says("failed to map segment") && !ran.says("loaded\n"), "{ran:?}");
    assert!(String::from_utf8_lossy(&outside(&desk, &load).stderr).contains("loaded\n"));
    let wrapped = ["/usr/bin/gcc", "-fsyntax-only", "-wrapper", "/usr/bin/env", "empty.c"];
    let ran = desk.run(&["empty.c"], &wrapped);
    assert!(ran.code != 0 && ran.says("/usr/bin/env"), "{ran:?}");
    make(&desk, &wrapped);
}

#[test]
fn an_object_without_an_end_ends_where_the_room_does() {
    let desk = Desk::new("c-compiler");
    let array = |megabytes: u32| compile(&desk, &format!("char big[{megabytes} << 20] = {{1}};\n"), &[]);
    array(1).good().unwrap();
    let ran = array(1024);
    let room = ["No space left", "File too large", "File size limit exceeded"];
    assert!(ran.code != 0 && room.iter().any(|text| ran.says(text)), "{ran:?}");
}

#[test]
fn a_macro_without_an_end_runs_out_of_memory() {
    let desk = Desk::with_text("policy: mine\nextends: c-compiler\nresource_limits: {memory_mb: 128}\n");
    let nested = |depth: u32| {
        let level =
            |at: u32| format!("#define M{} M{at} M{at} M{at} M{at} M{at} M{at} M{at} M{at}\n", at + 1);
        let levels: String = (0..depth).map(level).collect();
        compile(&desk, &format!("#define M0 1,\n{levels}int numbers[] = {{M{depth}}};\n"), &[])
    };
    nested(3).good().unwrap();
    let ran = nested(12);
    assert_eq!((ran.code, ran.status.as_str()), (137, "out_of_memory"), "{ran:?}");
}
