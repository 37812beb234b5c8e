//! `node-script`.

use crate::Policy;
use crate::desk::Desk;

pub(crate) const POLICY: Policy = Policy { name: "node-script", honest };

/// Adds up an input file in a worker thread, by way of a temporary file, into a result.
const SCRIPT: &str = "
const fs = require('fs'), os = require('os'), path = require('path');
const { Worker } = require('worker_threads');
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'work-'));
fs.copyFileSync('orders.json', path.join(directory, 'copy.json'));
const sum = `const { parentPort, workerData } = require('worker_threads');
    parentPort.postMessage(workerData.reduce((sum, order) => sum + order.total, 0));`;
const workerData = JSON.parse(fs.readFileSync(path.join(directory, 'copy.json')));
new Worker(sum, { eval: true, workerData })
    .on('message', total => fs.writeFileSync('result.json', JSON.stringify({ total })));
";

fn honest(desk: &Desk) -> Result<(), String> {
    desk.file("orders.json", br#"[{"total": 3}, {"total": 39}]"#);
    let ran = desk.run(&["orders.json"], &["/usr/bin/node", "-e", SCRIPT]).good()?;
    let result = ran.files.get("result.json").map(Vec::as_slice);
    if result == Some(br#"{"total":42}"#) { Ok(()) } else { Err(format!("{ran:?}")) }
}

fn node(desk: &Desk, script: &str) -> crate::desk::Ran {
    desk.run(&[], &["/usr/bin/node", "-e", script])
}

#[test]
fn a_child_process_finds_no_program() {
    let spawn = "
        const { error, stdout } = require('child_process').spawnSync('/bin/sh', ['-c', 'echo $((6*7))']);
        console.log(error ? error.code : stdout.toString().trim());";
    node(&Desk::new("node-script"), spawn).printed("ENOENT\n").unwrap();
    let wider = "commands: [/usr/bin/node, /bin/sh]\nfilesystem: {write: [/job, /tmp]}\nsyscalls: {profile: standard}";
    node(&Desk::wider(wider), spawn).printed("42\n").unwrap();
}

#[test]
fn buffers_without_an_end_run_out_of_memory() {
    let desk = Desk::new("node-script");
    let fill = |megabytes: u64| {
        let script = "const kept = []; for (let i = 0; i < N; i++) kept.push(Buffer.alloc(1 << 20, 1));";
        node(&desk, &script.replace('N', &megabytes.to_string()))
    };
    fill(100).good().unwrap();
    let ran = fill(1 << 20);
    assert_eq!((ran.code, ran.status.as_str()), (137, "out_of_memory"));
}

#[test]
fn nothing_answers_on_the_network() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let script = format!(
        "require('net').connect({}, '127.0.0.1')
            .on('connect', () => {{ console.log('connected'); process.exit() }})
            .on('error', error => console.log('refused'));",
        listener.local_addr().unwrap().port()
    );
    let desk = Desk::new("node-script");
    node(&desk, &script).printed("refused\n").unwrap();
    let outside = crate::desk::outside(&desk, &["/usr/bin/node", "-e", &script]);
    assert_eq!(outside.stdout, b"connected\n");
}
