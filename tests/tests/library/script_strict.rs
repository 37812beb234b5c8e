//! `script-strict`.

use crate::Policy;
use crate::desk::{Desk, Ran};

pub(crate) const POLICY: Policy = Policy { name: "script-strict", honest };

/// A stranger's computation on its input, with a time zone, a digest and a temporary file.
const SCRIPT: &str = "
import datetime, json, lzma, tempfile, zoneinfo
orders = json.load(open('input.json'))
zone = zoneinfo.ZoneInfo('Asia/Tokyo')
day = datetime.datetime.fromtimestamp(orders['at'], zone).isoformat()
with tempfile.TemporaryFile(dir='/tmp') as packed:
    packed.write(lzma.compress(day.encode()))
    packed.seek(0)
    json.dump({'day': lzma.decompress(packed.read()).decode()}, open('result.json', 'w'))
";

fn honest(desk: &Desk) -> Result<(), String> {
    desk.file("input.json", br#"{"at": 1719800000}"#);
    let ran = python(desk, &["input.json"], SCRIPT).good()?;
    let result = ran.files.get("result.json").map(Vec::as_slice);
    if result == Some(br#"{"day": "2024-07-01T11:13:20+09:00"}"#) { Ok(()) } else { Err(format!("{ran:?}")) }
}

fn python(desk: &Desk, inputs: &[&str], script: &str) -> Ran {
    desk.run(inputs, &["/usr/bin/python3", "-c", script])
}

#[test]
fn there_are_no_sockets_at_all() {
    let script = "
import socket
try: socket.socket(); print('socket')
except PermissionError: print('none')
";
    python(&Desk::new("script-strict"), &[], script).printed("none\n").unwrap();
    python(&Desk::new("script-standard"), &[], script).printed("socket\n").unwrap();
}

#[test]
fn a_loop_without_an_end_uses_up_its_processor_time() {
    let desk = Desk::with_text("policy: mine\nextends: script-strict\nresource_limits: {cpu_seconds: 1}\n");
    python(&desk, &[], "for i in range(1000): pass").good().unwrap();
    let ran = python(&desk, &[], "while True: pass");
    assert_eq!((ran.code, ran.status.as_str()), (152, "limit_exceeded"), "{ran:?}");
}
