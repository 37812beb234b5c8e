//! A job with a network where there is no network to reach: what its sandbox gives it is the proxy, and nothing else. The
//! suite of `egress.rs` has a world behind the proxy; this needs nothing but a kernel.

use stockade_egress::Proxy;
use stockade_policies::{Egress, Environment, Library};
use stockade_sandbox::{End, State};
use stockade_tests::{Rig, Suite, job};

const POLICY: &str = "\
policy: proxied
version: 1
description: One host, which nobody looks up here.
extends: base
commands: [/usr/bin/python3]
filesystem: {read: [/usr/lib], write: [/job, /tmp]}
network: {mode: allowlist, hosts: [\"a.example:80\"]}
resource_limits: {wall_seconds: 30}
";

/// Asks the proxy for a host that is not named; then what is not the proxy, in each way there is.
const SCRIPT: &str = "\
import errno, socket
s = socket.create_connection(('127.0.0.1', 3128), 10)
s.sendall(b'CONNECT b.example:80 HTTP/1.1\\r\\n\\r\\n')
print(s.recv(64).split(b' ')[1].decode())
def attempt(kind, address):
    try: print(errno.errorcode[socket.socket(socket.AF_INET, kind).connect_ex(address)])
    except OSError as error: print(errno.errorcode[error.errno])
attempt(socket.SOCK_STREAM, ('127.0.0.1', 61999))
attempt(socket.SOCK_STREAM, ('203.0.113.10', 80))
attempt(socket.SOCK_STREAM, ('169.254.169.254', 80))
attempt(socket.SOCK_DGRAM, ('203.0.113.53', 53))
print(open('/proc/self/net/dev').read().count(':'))
";

pub(crate) fn run(suite: &mut Suite) {
    let rig = Rig::start(None);
    suite.test("a_job_with_a_network_has_its_proxy_and_nothing_else_to_reach", || alone(&rig));
    rig.close();
}

fn alone(rig: &Rig) {
    let (library, name) = Library::shipped().unwrap().with_text("proxied.yaml", POLICY).unwrap();
    let policy = library.effective(name.as_str(), Environment::Development).unwrap();
    let plan = rig.plan(POLICY, &["/usr/bin/python3", "-c", SCRIPT], &[]);
    // Without somebody who serves its network it does not start.
    assert!(rig.run_plan(plan.clone(), &[]).unwrap_err().to_string().contains("nobody serves"));
    let (outcome, traffic) = rig.runtime.block_on(async {
        let (proxy, listeners) = Proxy::new(Egress::of(&policy).unwrap());
        let mut job = job(plan);
        job.network = Some(listeners);
        (rig.sandbox.run(job).await.unwrap(), proxy.end().await)
    });
    let said = String::from_utf8_lossy(&outcome.stdout.bytes).into_owned();
    assert_eq!(outcome.end, End::Exited(0), "{}", String::from_utf8_lossy(&outcome.stderr.bytes));
    let said: Vec<&str> = said.lines().collect();
    // Ports are Landlock's from ABI 4 on; before, nobody listens. One interface: the loopback.
    let port = if rig.sandbox.facts().landlock_abi >= 4 { "EACCES" } else { "ECONNREFUSED" };
    assert_eq!(said, ["403", port, "ENETUNREACH", "ENETUNREACH", "ENETUNREACH", "1"]);
    assert_eq!(traffic.connections.len(), 1, "{traffic:?}");
    let refused: Vec<&str> = outcome.denials.iter().map(|denial| denial.target.as_str()).collect();
    assert_eq!(refused, ["127.0.0.1:61999", "203.0.113.10:80", "169.254.169.254:80", "203.0.113.53:53"]);
    let namespace = &outcome.enforcement.0["network_namespace"];
    assert_eq!(namespace.state, State::Enforced);
    assert!(
        namespace.detail.contains("only lo, up, and the supervisor listening on"),
        "{}",
        namespace.detail
    );
}
