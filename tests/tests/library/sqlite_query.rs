//! `sqlite-query`.

use crate::Policy;
use crate::desk::{Desk, Ran, make, outside};

pub(crate) const POLICY: Policy = Policy { name: "sqlite-query", honest };

const SALES: &str = "
    create table sales (city text, total integer);
    insert into sales values ('Bern', 3), ('Chur', 4), ('Bern', 5);
";
/// Adds up, changes the database, and sorts more than the cache holds.
const QUERY: &str = "
    pragma temp_store = file;
    pragma cache_size = 10;
    update sales set total = total * 10;
    create temp table noise as
        with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
        select i, hex(randomblob(16)) as text from n;
    select count(*) from (select i from noise order by text);
.mode csv
.once result.csv
    select city, sum(total), count(*) from sales group by city order by city;
";

fn honest(desk: &Desk) -> Result<(), String> {
    let _ = std::fs::remove_file(desk.path("sales.db"));
    make(desk, &["/usr/bin/sqlite3", "sales.db", SALES]);
    desk.file("query.sql", QUERY.as_bytes());
    let ran = desk.run(
        &["sales.db", "query.sql"],
        &["/usr/bin/sqlite3", "-batch", "-bail", "sales.db", ".read query.sql"],
    );
    let ran = ran.good()?;
    let result = ran.files.get("result.csv").map(|bytes| String::from_utf8_lossy(bytes).replace('\r', ""));
    match result.as_deref() {
        Some("Bern,80,2\nChur,40,1\n") if ran.stdout == "20000\n" => Ok(()),
        _ => Err(format!("{ran:?}")),
    }
}

fn sqlite(desk: &Desk, sql: &[&str]) -> Ran {
    desk.run(&["own.so"], &[&["/usr/bin/sqlite3", "-batch", ":memory:"], sql].concat())
}

#[test]
fn other_files_cannot_be_attached_read_or_written() {
    let desk = Desk::new("sqlite-query");
    desk.file("own.so", b"text");
    sqlite(&desk, &["attach 'own.db' as own; create table own.t (x); select readfile('own.so')"])
        .printed("text\n")
        .unwrap();
    sqlite(&desk, &["select readfile('/etc/shadow') is null"]).printed("1\n").unwrap();
    for sql in ["attach '/etc/shadow' as x; select * from x.sqlite_master", "attach '/usr/lib/x.db' as x"] {
        let ran = sqlite(&desk, &[sql]);
        assert!(ran.code != 0 && ran.says("unable to open database"), "{ran:?}");
    }
    let outside =
        outside(&desk, &["/usr/bin/sqlite3", ":memory:", "select length(readfile('/etc/shadow')) > 0"]);
    assert_eq!(outside.stdout, b"1\n");
}

#[test]
fn dot_commands_start_no_program() {
    let desk = Desk::new("sqlite-query");
    desk.file("own.so", b"");
    let ran = sqlite(&desk, &[".shell echo ran", "select 6 * 7"]);
    assert!(ran.stdout == "42\n" && ran.says("System command returns"), "{ran:?}");
    let outside = outside(&desk, &["/usr/bin/sqlite3", ":memory:", ".shell echo ran"]);
    assert_eq!(outside.stdout, b"ran\n");
}

/// A library that says that it was loaded.
const EXTENSION: &str =
    "#include <stdio.h>\n__attribute__((constructor)) void loaded(void) { puts(\"loaded\"); }\n";

#[test]
fn an_extension_that_came_as_input_is_not_loaded() {
    let desk = Desk::new("sqlite-query");
    desk.file("own.c", EXTENSION.as_bytes());
    make(&desk, &["/usr/bin/gcc", "-shared", "-fPIC", "-o", "own.so", "own.c"]);
    let ran = sqlite(&desk, &[".load ./own"]);
    assert!(ran.code != 0 && ran.says("failed to map segment") && !ran.stdout.contains("loaded"), "{ran:?}");
    let outside = outside(&desk, &["/usr/bin/sqlite3", ":memory:", ".load ./own"]);
    assert_eq!(outside.stdout, b"loaded\n");
}

#[test]
fn a_query_without_an_end_uses_up_its_processor_time() {
    let desk = Desk::with_text("policy: mine\nextends: sqlite-query\nresource_limits: {cpu_seconds: 1}\n");
    desk.file("own.so", b"");
    let count = |end: &str| {
        let query =
            "with recursive n(i) as (select 1 union all select i + 1 from n END) select count(*) from n";
        sqlite(&desk, &[&query.replace("END", end)])
    };
    count("where i < 1000").printed("1000\n").unwrap();
    let ran = count("");
    assert_eq!((ran.code, ran.status.as_str()), (152, "limit_exceeded"), "{ran:?}");
}
