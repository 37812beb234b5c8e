//! What a job's network may use up, and that it ends with the job.

use std::time::{Duration, Instant};

use stockade_egress::Proxy;
use stockade_policies::{Egress, Environment, Library};
use stockade_sandbox::{End, Warm};
use stockade_tests::{Rig, eventually, job};

use super::net::{HOSTS, Net};

pub(super) fn flood(net: &Net) {
    let script = "
import threading, time
for _ in range(20): ask(b'GET http://a.example:2525/ HTTP/1.1\\r\\nHost: ' + b'\\xff' * 30000 + b'\\r\\n\\r\\n')
held = [connect(b'a.example:2525') for _ in range(60)]
print(sum(code == b'200' for _, code in held))
more = []
for _ in range(400):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(('127.0.0.1', 3128))
    more.append(s)
time.sleep(1)
for s, _ in held: s.close()
for s in more: s.close()
time.sleep(0.5)
for _ in range(600):
    s, code = connect(b'b.example:80')
    assert code == b'403', code
print(connect(b'a.example:2525')[1])
";
    let began = Instant::now();
    let ran = net.python("hosts: [\"a.example:2525\"]", script);
    ran.printed("60\nb'200'\n");
    assert!(began.elapsed() < Duration::from_secs(30));
    assert_eq!(ran.network["connections"].as_array().unwrap().len(), 256);
    assert!(ran.network["not_listed"].as_u64().unwrap() >= 400, "{}", ran.network["not_listed"]);
    let refused =
        [("a.example:2525", 20), ("b.example:80", 600)].map(|(host, count)| (host.to_owned(), count));
    assert_eq!(ran.denials, refused);
    // What a job says would fill the record otherwise.
    assert!(ran.network.to_string().len() < 256 * 1024);
}

pub(super) fn death(net: &Net) {
    let hosts = "hosts: [\"a.example:2525\"]";
    // A process that the job leaves behind holds connections of three kinds, and says nothing on them.
    let script = "
held = [connect(b'a.example:2525')[0], socks(named(b'a.example'), 2525)[0], socket.create_connection(('a.example', 2525))]
for s in held: read(s, 11)
if os.fork() == 0:
    import time
    time.sleep(60)
print('left')
sys.stdout.flush()
os._exit(0)
";
    let began = Instant::now();
    let ran = net.python(hosts, script);
    ran.printed("left\n");
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!(ran.connections(&["verdict", "received_bytes"]), ["allowed 11"; 3]);
    eventually("every connection of the job is closed", Duration::from_secs(5), || {
        let log = net.world.log();
        let count = |word: &str| log.iter().filter(|line| line.starts_with(word)).count();
        (count("open ") > 0 && count("open ") == count("closed ")).then_some(())
    });
}

pub(super) fn none(net: &Net) {
    let script = "
import errno, socket
for address in (('127.0.0.1', 3128), ('127.64.0.1', 80), ('203.0.113.10', 80), ('169.254.169.254', 80)):
    print(errno.errorcode[socket.socket().connect_ex(address)])
print(open('/etc/hosts').read().count('127.64'))
import os
print(sorted(name for name in os.environ if 'proxy' in name.lower()))
print(open('/proc/self/net/tcp').read().count('\\n'), open('/proc/self/net/fib_trie').read().count('127.0.0.1'))
";
    let ran = net.exec("mode: none", &["/usr/bin/python3", "-c", script]);
    ran.printed(&format!("{}0\n[]\n1 0\n", "EACCES\n".repeat(4)));
    assert!(ran.network.is_null());
    assert!(ran.enforcement.get("egress").is_none());
}

/// Gives up root, so it comes last.
pub(super) fn made_ahead(net: &Net) {
    let text = Net::text(&format!("mode: allowlist, {HOSTS}"));
    let (library, name) = Library::shipped().unwrap().with_text("net.yaml", &text).unwrap();
    let policy = library.effective(name.as_str(), Environment::Development).unwrap();
    let rig = Rig::start_with(None, Warm { ready: 2, spare: 0, idle: Duration::from_secs(60) });
    let plan = rig.plan(&text, &["/usr/bin/curl", "-s", "http://a.example/"], &[]);
    let run = || {
        rig.runtime.block_on(async {
            let (proxy, listeners) = Proxy::new(Egress::of(&policy).unwrap());
            let mut job = job(plan.clone());
            job.network = Some(listeners);
            let outcome = rig.sandbox.run(job).await.unwrap();
            (outcome, proxy.end().await)
        })
    };
    let made_ahead = (0..20).find_map(|_| {
        let (outcome, traffic) = run();
        assert_eq!(
            (outcome.end, outcome.stdout.bytes.as_slice()),
            (End::Exited(0), &b"http a.example at 203.0.113.10\n"[..])
        );
        assert_eq!(traffic.connections.len(), 1);
        std::thread::sleep(Duration::from_millis(50));
        outcome.made_ahead.then_some(())
    });
    assert!(made_ahead.is_some(), "no sandbox was ever made ahead");
    // A job whose network nobody serves does not start.
    assert!(rig.run_plan(plan, &[]).unwrap_err().to_string().contains("nobody serves"));
    rig.close();
    assert!(net.world.log().len() > 20);
}
