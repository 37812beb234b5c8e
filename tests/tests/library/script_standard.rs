//! `script-standard`.

use crate::Policy;
use crate::desk::{Desk, Ran};

pub(crate) const POLICY: Policy = Policy { name: "script-standard", honest };

/// A script that reads the distribution's YAML, knows a time zone and letters, and lets Node have a part of the work
/// through the shell.
const SCRIPT: &str = "
import datetime, json, locale, lzma, os, tempfile, zoneinfo
import yaml
locale.setlocale(locale.LC_ALL, '')
job = yaml.safe_load(open('job.yaml'))
zone = zoneinfo.ZoneInfo(job['zone'])
hours = datetime.datetime(2024, 7, 1, tzinfo=zone).utcoffset().seconds // 3600
with tempfile.NamedTemporaryFile('w', dir='/tmp') as numbers:
    json.dump(job['numbers'], numbers)
    numbers.flush()
    os.system(f'/usr/bin/node -p \"Math.max(...JSON.parse(fs.readFileSync(process.argv[1])))\" {numbers.name} > most')
json.dump({'hours': hours, 'most': int(open('most').read())}, open('result.json', 'w'))
";

fn honest(desk: &Desk) -> Result<(), String> {
    desk.file("job.yaml", b"zone: Europe/Zurich\nnumbers: [3, 42, 7]\n");
    let ran = python(desk, &["job.yaml"], SCRIPT).good()?;
    let result = ran.files.get("result.json").map(Vec::as_slice);
    if result == Some(br#"{"hours": 2, "most": 42}"#) { Ok(()) } else { Err(format!("{ran:?}")) }
}

fn python(desk: &Desk, inputs: &[&str], script: &str) -> Ran {
    desk.run(inputs, &["/usr/bin/python3", "-c", script])
}

#[test]
fn a_program_that_is_not_on_the_list_is_not_found() {
    let script = "import os; print(os.system('/usr/bin/env true') >> 8, os.system('node -e 0') >> 8)";
    python(&Desk::new("script-standard"), &[], script).printed("127 0\n").unwrap();
    let env = Desk::new("shell-utils").run(&[], &["/bin/sh", "-c", "/usr/bin/env true; echo $?"]);
    env.printed("0\n").unwrap();
}

#[test]
fn files_of_the_host_are_not_there() {
    let script = "
import os, sys
for path in sys.argv[1:]: print(os.path.exists(path))
";
    let desk = Desk::new("script-standard");
    let paths =
        ["/usr/lib/x86_64-linux-gnu", "/etc/profile", "/etc/ssl", "/var/log", "/var/lib", "/usr/bin/env"];
    let ran = desk.run(&[], &[&["/usr/bin/python3", "-c", script], &paths[..]].concat());
    ran.printed("True\nFalse\nFalse\nFalse\nFalse\nFalse\n").unwrap();
    assert!(paths.iter().all(|path| std::path::Path::new(path).exists()), "outside all are there");
}
