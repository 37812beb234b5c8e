//! `python-data`.

use crate::Policy;
use crate::desk::{Desk, Ran};

pub(crate) const POLICY: Policy = Policy { name: "python-data", honest };

/// Statistics of a compressed table by group, with a pool of processes, a temporary file and a database in memory.
const SCRIPT: &str = "
import csv, json, lzma, multiprocessing, sqlite3, statistics, tempfile
def spread(values):
    return round(statistics.pstdev(values), 3)
if __name__ == '__main__':
    with tempfile.TemporaryFile('w+') as table:
        table.write(lzma.open('sales.csv.xz', 'rt').read())
        table.seek(0)
        rows = [(row['city'], int(row['total'])) for row in csv.DictReader(table)]
    database = sqlite3.connect(':memory:')
    database.execute('create table sales (city, total)')
    database.executemany('insert into sales values (?, ?)', rows)
    sums = dict(database.execute('select city, sum(total) from sales group by city order by city'))
    groups = [[total for name, total in rows if name == city] for city in sums]
    with multiprocessing.Pool(2) as pool:
        spreads = dict(zip(sums, pool.map(spread, groups)))
    json.dump({'sums': sums, 'spreads': spreads}, open('result.json', 'w'))
";

fn honest(desk: &Desk) -> Result<(), String> {
    desk.file("sales.csv", b"city,total\nBern,1\nChur,10\nBern,3\nChur,30\n");
    crate::desk::make(desk, &["/usr/bin/xz", "-kf", "sales.csv"]);
    let ran = python(desk, &["sales.csv.xz"], SCRIPT).good()?;
    let result = ran.files.get("result.json").map(Vec::as_slice);
    let expected = br#"{"sums": {"Bern": 4, "Chur": 40}, "spreads": {"Bern": 1.0, "Chur": 10.0}}"#;
    if result == Some(expected) { Ok(()) } else { Err(format!("{ran:?}")) }
}

fn python(desk: &Desk, inputs: &[&str], script: &str) -> Ran {
    desk.run(inputs, &["/usr/bin/python3", "-c", script])
}

#[test]
fn no_program_is_started_and_no_socket_opened() {
    let script = "
import socket, subprocess
for attempt in (lambda: subprocess.run(['/bin/sh', '-c', 'exit 0'], check=True), socket.socket):
    try:
        attempt()
        print('done')
    except OSError as error:
        print(type(error).__name__)
";
    python(&Desk::new("python-data"), &[], script).printed("FileNotFoundError\nPermissionError\n").unwrap();
    python(&Desk::new("script-standard"), &[], script).printed("done\ndone\n").unwrap();
}

#[test]
fn a_table_that_is_too_large_runs_out_of_memory() {
    let desk = Desk::with_text("policy: mine\nextends: python-data\nresource_limits: {memory_mb: 128}\n");
    let fill = |megabytes: u32| {
        python(&desk, &[], &format!("rows = [bytearray(1 << 20) for _ in range({megabytes})]"))
    };
    fill(32).good().unwrap();
    let ran = fill(4096);
    assert_eq!((ran.code, ran.status.as_str()), (137, "out_of_memory"));
}

#[test]
fn what_is_spilled_ends_where_the_room_does() {
    let desk = Desk::with_text("policy: mine\nextends: python-data\nresource_limits: {disk_mb: 32}\n");
    let spill = |files: u32| {
        let script = "
import sys, tempfile
try:
    kept = [tempfile.NamedTemporaryFile() for _ in range(COUNT)]
    for file in kept: file.write(bytes(8 << 20)); file.flush()
except OSError as error:
    import errno; print(errno.errorcode[error.errno])
";
        python(&desk, &[], &script.replace("COUNT", &files.to_string()))
    };
    spill(2).printed("").unwrap();
    assert_eq!(spill(8).stdout, "ENOSPC\n");
}
