//! Programs that use the network as they always do.

use super::net::Net;

pub(super) fn by_proxy(net: &Net) {
    let ran = net.sh("curl -s http://a.example/one
         curl -s --cacert ca.pem https://a.example/two
         curl -s --socks5-hostname 127.0.0.1:3128 http://a.example/three
         curl -s --socks5-hostname 127.0.0.1:3128 --cacert ca.pem https://a.example/four");
    let (http, https) = ("http a.example at 203.0.113.10\n", "https a.example at 203.0.113.10\n");
    ran.printed(&format!("{http}{https}{http}{https}"));
    assert_eq!(
        ran.connections(&["how", "protocol", "destination", "address", "verdict", "reason"]),
        [
            "http http a.example:80 203.0.113.10 allowed null",
            "connect tls a.example:443 203.0.113.10 allowed null",
            "socks5 http a.example:80 203.0.113.10 allowed null",
            "socks5 tls a.example:443 203.0.113.10 allowed null",
        ]
    );
    assert!(ran.denials.is_empty(), "{:?}", ran.denials);
    assert_eq!(ran.enforcement["egress"]["state"], "enforced");
    let namespace = ran.enforcement["network_namespace"]["detail"].as_str().unwrap();
    assert!(namespace.ends_with("only lo, up, and the supervisor listening on 80, 443, 3128"), "{namespace}");
    let wild = net.python(
        "hosts: [\"*.wild.example:443\"]",
        "import urllib.request\n\
         context = ssl.create_default_context(cafile='ca.pem')\n\
         print(urllib.request.urlopen('https://x.wild.example/', context=context).read().decode(), end='')",
    );
    wild.printed("https x.wild.example at 203.0.113.10\n");
}

pub(super) fn without_proxy(net: &Net) {
    let node = "const said = [];
        for (const scheme of [\"http\", \"https\"]) said.push(await (await fetch(`${scheme}://a.example/`)).text());
        console.log(said.join(\"\").trim());";
    let ran = net.sh(&format!(
        "NODE_EXTRA_CA_CERTS=/job/ca.pem node --input-type=module -e '{node}'
         curl -s --noproxy '*' http://a.example/
         curl -s --noproxy '*' --cacert ca.pem https://a.example/",
    ));
    let both = "http a.example at 203.0.113.10\nhttps a.example at 203.0.113.10\n";
    ran.printed(&format!("{both}{both}"));
    let connections = ran.connections(&["how", "destination", "verdict"]);
    let expected = ["transparent a.example:80 allowed", "transparent a.example:443 allowed"];
    assert_eq!(connections, [expected, expected].concat(), "{ran:#?}");
}

pub(super) fn bytes(net: &Net) {
    let before = net.world.log();
    let ran = net.sh(
        "head -c 3000000 /dev/zero >big 2>/dev/null || python3 -c 'open(\"big\", \"wb\").write(bytes(3000000))'
         for noproxy in '' '*'; do
           curl -s --noproxy \"$noproxy\" --data-binary @big http://a.example/length
           curl -s --noproxy \"$noproxy\" -H 'Transfer-Encoding: chunked' --data-binary @big http://a.example/chunks
           curl -s --noproxy \"$noproxy\" --cacert ca.pem https://a.example/bytes/5000000 -w '%{size_download}\\n' -o /dev/null
         done",
    );
    ran.printed(&"got 3000000\ngot 3000000\n5000000\n".repeat(2));
    let (sent, received) = (ran.network["sent_bytes"].as_u64(), ran.network["received_bytes"].as_u64());
    assert!(sent > Some(4 * 3_000_000) && received > Some(2 * 5_000_000), "{sent:?} {received:?}");
    let posts = net.since(&before).iter().filter(|line| line.starts_with("http POST a.example")).count();
    assert_eq!(posts, 4);
}

pub(super) fn other_protocols(net: &Net) {
    let script = "
s = socket.create_connection(('a.example', 2525), 10)
print(read(s, 11).decode().strip())
s.sendall(b'\\0\\1binary\\n')
print(read(s, 9))
s, code = connect(b'a.example:2525')
print(code, read(s, 11))
# Before the server has said a word nothing is known of it, and it is not asked for anybody.
s = socket.create_connection(('a.example', 8080), 10)
s.sendall(b'\\0\\0\\0\\x08')
s.shutdown(socket.SHUT_WR)
rest(s)
# Where HTTP and TLS are at home nothing else passes.
for port in (80, 443):
    s = socket.create_connection(('a.example', port), 10)
    s.sendall(b'\\0\\0\\0\\x08')
    print(rest(s))
";
    let ran = net.python(
        "hosts: [\"a.example:2525\", \"a.example:8080\", \"a.example:80\", \"a.example:443\"]",
        script,
    );
    ran.printed("220 hello\nb'\\x00\\x01binary\\n'\nb'200' b'220 hello\\r\\n'\nb''\nb''\n");
    assert_eq!(
        ran.reasons(),
        [
            "port 80 is for HTTP, and this is something else",
            "port 443 is for TLS, and this is something else"
        ]
    );
    let connections = ran.connections(&["how", "protocol", "destination", "verdict"]);
    let other = "transparent other a.example:2525 allowed".to_owned();
    assert!(connections.contains(&other), "{connections:#?}");
    assert!(connections.contains(&"connect other a.example:2525 allowed".to_owned()), "{connections:#?}");
}
