//! `pip-install`: wheels from an index, and from nowhere else.

use stockade_tests::World;

use crate::Policy;
use crate::desk::{Desk, Ran};

pub(crate) const POLICY: Policy = Policy { name: "pip-install", honest };

/// A package of one module, in the format of a wheel (PEP 427), and the page of an index that leads to it (PEP 503).
const PUBLISH: &str = "
import base64, hashlib, os, sys, zipfile
files = {'demo.py': 'def answer(): return 42\\n',
         'demo-1.0.dist-info/METADATA': 'Metadata-Version: 2.1\\nName: demo\\nVersion: 1.0\\n',
         'demo-1.0.dist-info/WHEEL': 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n'}
digest = lambda text: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()
record = ''.join(f'{name},sha256={digest(text)},{len(text)}\\n' for name, text in files.items())
files['demo-1.0.dist-info/RECORD'] = record + 'demo-1.0.dist-info/RECORD,,\\n'
os.makedirs(sys.argv[1] + '/simple/demo'); os.makedirs(sys.argv[1] + '/packages')
wheel = sys.argv[1] + '/packages/demo-1.0-py3-none-any.whl'
with zipfile.ZipFile(wheel, 'w') as archive:
    for name, text in files.items(): archive.writestr(name, text)
sum = hashlib.sha256(open(wheel, 'rb').read()).hexdigest()
link = f'https://files.pythonhosted.org/packages/demo-1.0-py3-none-any.whl#sha256={sum}'
open(sys.argv[1] + '/simple/demo/index.html', 'w').write(f'<!DOCTYPE html><a href=\"{link}\">demo-1.0-py3-none-any.whl</a>')
";

/// Runs a command in a world of its own, with an index in it. Namespaces are entered by one thread, which ends here.
fn in_world(desk: &Desk, command: &[&str]) -> (Ran, Vec<String>) {
    let entered = || {
        let world = World::enter();
        let files = world.path("files");
        crate::desk::make(desk, &["/usr/bin/python3", "-c", PUBLISH, files.to_str().unwrap()]);
        (desk.run(&[], command), world.log())
    };
    std::thread::scope(|scope| scope.spawn(entered).join().unwrap())
}

const INSTALL: [&str; 9] =
    ["/usr/bin/python3", "-m", "pip", "install", "--only-binary", ":all:", "--target", "/job/site", "demo"];

fn honest(desk: &Desk) -> Result<(), String> {
    let (ran, log) = in_world(desk, &INSTALL);
    let ran = ran.good()?;
    let installed = ran.stdout.contains("Successfully installed demo-1.0");
    let asked = [
        "https GET pypi.org /simple/demo/",
        "https GET files.pythonhosted.org /packages/demo-1.0-py3-none-any.whl",
    ];
    let heard = asked.iter().all(|line| log.iter().any(|heard| heard == line));
    if installed && heard { Ok(()) } else { Err(format!("{ran:?} {log:#?}")) }
}

#[test]
fn another_index_is_not_reached() {
    let desk = Desk::new("pip-install");
    let other = ["--index-url", "https://a.example/simple", "--retries", "0", "--timeout", "3"];
    let command = [&INSTALL[..], &other].concat();
    let (ran, log) = in_world(&desk, &command);
    assert!(ran.code != 0 && ran.says("No matching distribution found"), "{ran:?}");
    assert!(!log.iter().any(|line| line.contains("a.example")), "{log:#?}");
    // The same index, for a policy that names it.
    let reads = "[{path: /usr/lib/python3.11, optional: true}, {path: /usr/lib/python3.13, optional: true}, \
                 /usr/lib/x86_64-linux-gnu, /usr/lib/python3/dist-packages, /etc/ssl/certs]";
    let wider = Desk::wider(&format!(
        "commands: [/usr/bin/python3]\nfilesystem: {{read: {reads}, write: [/job, /tmp]}}\n\
         network: {{mode: allowlist, hosts: [\"a.example:443\", \"files.pythonhosted.org:443\"]}}\n\
         syscalls: {{profile: standard}}"
    ));
    let (ran, log) = in_world(&wider, &command);
    assert!(
        ran.code == 0 && log.iter().any(|line| line.contains("a.example /simple/demo/")),
        "{ran:?} {log:#?}"
    );
}

#[test]
fn what_a_job_knows_leaves_for_no_other_host() {
    let script = "
import socket, urllib.request
try: urllib.request.urlopen('https://b.example/secret', timeout=5)
except OSError as error: print(error)
try: socket.create_connection(('203.0.113.11', 443), 5)
except OSError as error: print(error)
try: socket.getaddrinfo('secret.b.example', 443)
except OSError as error: print('unknown')
print(socket.create_connection(('pypi.org', 443), 5).getpeername()[0])
";
    let (ran, log) = in_world(&Desk::new("pip-install"), &["/usr/bin/python3", "-c", script]);
    ran.printed("<urlopen error Tunnel connection failed: 403 Forbidden>\n[Errno 101] Network is unreachable\nunknown\n127.64.0.2\n")
        .unwrap();
    assert!(!log.iter().any(|line| line.contains("b.example")), "{log:#?}");
}
