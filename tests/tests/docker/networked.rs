//! Jobs in containers whose policy names destinations.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use stockade_tests::{Answer, Endpoint};

use super::between::{Between, Changed};
use super::*;

const SOON: Duration = Duration::from_secs(20);

/// Postgres has room for not much more in the path of its socket.
const STATE: &str = "a-state-directory-whose-path-is-longer-than-most";

/// One with a server on loopback, that the policy names by a name and by its address.
struct Net {
    server: Server,
    endpoint: Endpoint,
    port: String,
}

static NET: LazyLock<Net> = LazyLock::new(|| Net::start(&RIG.engine.address()));

impl Net {
    fn start(engine: &str) -> Self {
        let endpoint = Endpoint::start(|asked| match asked.target.as_str() {
            "/silence" => Answer::Silence,
            target => Answer::whole(200, &[("connection", "close")], format!("said {target}\n").as_bytes()),
        });
        let port = endpoint.url().rsplit(':').next().unwrap().to_owned();
        let image = &RIG.image;
        let services = format!(
            "services:\n  - name: net\n    execution_type: docker\n    runner_config: {{allowed_images: [\"{image}\"]}}\n    \
             security_policy: {{use: networked}}\n    operations:\n      - {{name: script, max_retries: 0, runner_config: \
             {{interpreter: [/bin/sh], script_from_input: script}}}}\n  - name: sandbox\n    execution_type: shell\n    \
             security_policy: {{use: sandboxed}}\n    operations:\n      - {{name: script, max_retries: 0, runner_config: \
             {{interpreter: [/bin/busybox, sh], script_from_input: script}}}}\n"
        );
        let place = place(&services, &RIG.engine).with_engine(engine.to_owned()).with_state_in(STATE);
        let policies = place.path().join("policies");
        std::fs::create_dir(&policies).unwrap();
        let network = format!(
            "network: {{mode: allowlist, hosts: [\"named.example:{port}\", \"web.example:80\"], addresses: [\"127.0.0.1:{port}\"]}}"
        );
        let policy = |name: &str, more: &str| {
            let text = format!(
                "policy: {name}\nversion: 1\ndescription: Some destinations.\n{more}\n{network}\nsyscalls: {{profile: standard}}\n\
                 resource_limits: {{memory_mb: 64, cpu_cores: 1, cpu_seconds: 20, wall_seconds: 30, pids: 32, disk_mb: 16, \
                 files: 256, output_kb: 64}}\noutputs: [result.json]\n"
            );
            std::fs::write(policies.join(format!("{name}.yaml")), text).unwrap();
        };
        policy("networked", &format!("images: [\"{image}\"]\nfilesystem: {{write: [/job, /tmp]}}"));
        policy("sandboxed", "extends: base\ncommands: [/bin/busybox]\nfilesystem: {write: [/job, /tmp]}");
        let server = Server::start_with(place, |worker| {
            worker.arg("--policies").arg(&policies);
            *worker = knowing(worker, "127.0.0.1 named.example web.example other.example");
        });
        Self { server, endpoint, port }
    }

    /// Runs a script in a container; `PORT` is the server's.
    fn run(&self, text: &str) -> Value {
        self.server.run("net", "script", &script(&text.replace("PORT", &self.port)))
    }

    fn submit(&self, text: &str) -> String {
        self.server.submit("net", "script", &script(&text.replace("PORT", &self.port)))
    }

    /// What is where containers hand over their sockets.
    fn handovers(&self) -> Vec<String> {
        let Ok(found) = std::fs::read_dir(self.server.place().state_dir().join("containers")) else {
            return Vec::new();
        };
        found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

/// The same worker in a mount namespace of its own, whose host looks names up like this.
#[expect(clippy::disallowed_methods, reason = "the worker that is tested")]
fn knowing(worker: &Command, hosts: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c"]);
    command.arg("file=$(mktemp) && echo \"$1\" > \"$file\" && chmod 644 \"$file\" && mount --bind \"$file\" /etc/hosts && rm \"$file\"; shift; exec \"$@\"");
    command
        .args(["sh", hosts])
        .arg(worker.get_program())
        .args(worker.get_args())
        .stdin(std::process::Stdio::null());
    for (name, value) in worker.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

fn connections(job: &Value) -> &Vec<Value> {
    job["security_context"]["network"]["connections"].as_array().unwrap_or_else(|| panic!("{job}"))
}

fn refused(job: &Value) -> Vec<(&str, u64)> {
    let denials = job["security_context"]["denials"].as_array().unwrap();
    let egress = denials.iter().filter(|denial| denial["layer"] == "egress" && denial["what"] == "connect");
    egress.map(|denial| (denial["target"].as_str().unwrap(), denial["count"].as_u64().unwrap())).collect()
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap_or_else(|| panic!("{value}")).keys().map(String::as_str).collect()
}

/// A name by the proxy that the environment names, the same by a program that knows of no proxy, and an address.
const REACH: &str = "/bin/busybox wget -q -O - http://named.example:PORT/proxy; \
                     http_proxy= /bin/busybox wget -q -O - http://named.example:PORT/name; \
                     /bin/busybox wget -q -O - http://127.0.0.1:PORT/address";

#[test]
fn what_the_policy_names_is_reached_from_a_container_and_recorded_like_a_sandboxs() {
    let text = REACH.replace("PORT", &NET.port);
    let [contained, sandboxed] =
        ["net", "sandbox"].map(|service| NET.server.run(service, "script", &script(&text)));
    for job in [&contained, &sandboxed] {
        assert_eq!(job["status"], "completed", "{job}");
        assert_eq!(stdout(job), "said /proxy\nsaid /name\nsaid /address\n", "{job}");
        assert_eq!(job["security_context"]["denials"], json!([]), "{job}");
        // They are listed in the order of their ends.
        let mut made = connections(job).clone();
        made.sort_by_key(|connection| connection["started_at"].to_string());
        assert_eq!(made.len(), 3, "{job}");
        let named = format!("named.example:{}", NET.port);
        for (connection, (how, to)) in made.iter().zip([
            ("http", named.clone()),
            ("transparent", named),
            ("http", format!("127.0.0.1:{}", NET.port)),
        ]) {
            assert_eq!(
                (&connection["how"], &connection["destination"]),
                (&json!(how), &json!(to)),
                "{connection}"
            );
            assert_eq!(
                (&connection["verdict"], &connection["address"]),
                (&json!("allowed"), &json!("127.0.0.1"))
            );
            let bytes = |key: &str| connection[key].as_u64().unwrap();
            assert!(bytes("sent_bytes") > 50 && bytes("received_bytes") > 50, "{connection}");
        }
        let total = job["security_context"]["network"]["received_bytes"].as_u64().unwrap();
        assert_eq!(total, made.iter().map(|made| made["received_bytes"].as_u64().unwrap()).sum::<u64>());
        let layers = &job["security_context"]["enforcement"];
        let detail = layers["network_namespace"]["detail"].as_str().unwrap();
        assert!(detail.contains("only lo, up, and the supervisor listening on 80, 3128"), "{detail}");
        assert_eq!(layers["egress"]["state"], "enforced", "{layers}");
    }
    let [one, other] = [&contained, &sandboxed].map(|job| &job["security_context"]);
    assert_eq!(keys(&one["network"]), keys(&other["network"]));
    assert_eq!(keys(&connections(&contained)[0]), keys(&connections(&sandboxed)[0]));
    assert_eq!(one["enforcement"]["egress"], other["enforcement"]["egress"]);
    assert_eq!(keys(&one["enforcement"]), keys(&other["enforcement"]));
    assert_eq!(one["allowlists"], {
        let mut same = other["allowlists"].clone();
        same["images"] = one["allowlists"]["images"].clone();
        same.as_object_mut().unwrap().remove("commands");
        same
    });
    assert_eq!(NET.handovers(), Vec::<String>::new());
}

#[test]
fn what_the_policy_does_not_name_is_refused_a_container_and_nothing_leads_around_the_proxy() {
    // The very server answers who is let through, and who is on its network.
    let image = RIG.image.split_once('@').unwrap().1;
    let url = format!("http://127.0.0.1:{}/direct", NET.port);
    let control = [
        "run",
        "--rm",
        "--network",
        "host",
        "--ulimit",
        "nofile=64:64",
        "--ulimit",
        "nproc=64:64",
        image,
        "/bin/busybox",
        "wget",
        "-q",
        "-O",
        "-",
        &url,
    ];
    assert_eq!(RIG.engine.said(&control), "said /direct");
    let job = NET.run(
        "/bin/busybox wget -q -O - http://other.example:PORT/; /bin/busybox wget -q -O - http://named.example:9/; \
         /bin/busybox wget -q -O - http://203.0.113.10:PORT/; http_proxy= /bin/busybox wget -q -O - http://web.example/; \
         http_proxy= /bin/busybox wget -q -O - http://other.example:PORT/; \
         http_proxy= /bin/busybox wget -q -O - http://127.0.0.1:PORT/; \
         for address in 203.0.113.10 172.17.0.1 169.254.169.254; do nc -w 2 $address PORT </dev/null; done; \
         ls /sys/class/net; cat /proc/net/route | /bin/busybox wc -l; \
         /bin/busybox wget -q -O - http://named.example:PORT/control",
    );
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!(stdout(&job), "lo\n1\nsaid /control\n", "{job}");
    let errors = job["output_data"]["stderr"].as_str().unwrap();
    assert_eq!(errors.matches("403 Forbidden").count(), 3, "{errors}");
    assert_eq!(errors.matches("bad address").count(), 1, "{errors}");
    assert_eq!(errors.matches("Network is unreachable").count(), 3, "{errors}");
    let port = &NET.port;
    let mut expected =
        ["other.example:PORT", "named.example:9", "203.0.113.10:PORT", "web.example:80", "127.0.0.1:PORT"]
            .map(|target| target.replace("PORT", port));
    expected.sort();
    assert_eq!(refused(&job), expected.each_ref().map(|target| (target.as_str(), 1)), "{job}");
    let made = connections(&job).iter().filter(|made| made["verdict"] == "allowed").count();
    assert_eq!((made, connections(&job).len()), (1, 6), "{job}");
    let asked: Vec<String> = NET.endpoint.asked().into_iter().map(|asked| asked.target).collect();
    assert!(!asked.contains(&"/".to_owned()), "{asked:?}");
}

#[test]
fn the_socket_that_a_container_handed_its_network_over_at_is_nobodys_any_more() {
    let job = NET.run(
        "ls /.stockade-*/network && knock /.stockade-*/network; /bin/busybox rm -f /.stockade-*/network /etc/hosts; \
         (echo x > /etc/hosts) 2>/dev/null && echo wrote; cat /etc/hosts; env | /bin/busybox grep -i _proxy=h | /bin/busybox sort",
    );
    assert_eq!(job["status"], "completed", "{job}");
    let printed = stdout(&job);
    assert!(printed.contains("/job/own: opened\n"), "{printed}");
    assert!(printed.contains("/network: Connection refused\n"), "{printed}");
    assert!(printed.contains("127.64.0.1 named.example\n127.64.0.2 web.example\n"), "{printed}");
    assert_eq!(printed.matches("=http://127.0.0.1:3128").count(), 6, "{printed}");
    assert!(!printed.contains("wrote"), "{printed}");
    assert_eq!(job["output_data"]["stderr"].as_str().unwrap().matches("can't remove").count(), 2, "{job}");
    assert!(connections(&job).is_empty(), "{job}");
}

#[test]
fn a_flood_of_connections_out_of_a_container_is_bounded_and_counted() {
    let job = NET.run(
        "i=0; while [ $i -lt 300 ]; do (echo 'CONNECT other.example:443 HTTP/1.1'; echo) | nc -w 5 127.0.0.1 3128 >/dev/null; \
         i=$((i + 1)); done; /bin/busybox wget -q -O - http://named.example:PORT/after",
    );
    assert_eq!(stdout(&job), "said /after\n", "{job}");
    assert_eq!(refused(&job), [("other.example:443", 300)], "{job}");
    let network = &job["security_context"]["network"];
    assert_eq!((connections(&job).len(), &network["not_listed"]), (256, &json!(45)), "{network}");
}

#[test]
fn connections_out_of_a_container_end_with_its_job_and_with_its_worker() {
    let mut net = Net::start(&RIG.engine.address());
    let asks = |net: &Net, count: usize| {
        stockade_tests::eventually("it asks", SOON, || {
            let asked = net.endpoint.asked().into_iter().filter(|asked| asked.target == "/silence").count();
            (asked == count).then_some(())
        });
    };
    let leaves = |net: &Net, since: Instant| {
        stockade_tests::eventually("the connection is closed", Duration::from_secs(3), || {
            net.endpoint.left(|_| true).filter(|left| *left > since)
        })
    };
    let id = net.submit("/bin/busybox wget -q -O - http://named.example:PORT/silence");
    asks(&net, 1);
    assert_eq!(net.handovers(), Vec::<String>::new(), "nothing is kept of the handover once the job runs");
    let asked = Instant::now();
    assert!(net.server.place().stockade(&["jobs", "cancel", &id]).status.success());
    leaves(&net, asked);
    let job = net.server.until(&id, SOON, |job| job["status"] == "cancelled");
    assert_eq!(connections(&job)[0]["verdict"], "allowed", "{job}");

    let id = net.submit("/bin/busybox wget -q -O - http://named.example:PORT/silence");
    asks(&net, 2);
    let name = RIG.engine.container_of(&id).unwrap();
    net.server.kill();
    stockade_tests::eventually("the container ends", SOON, || {
        (RIG.engine.said(&["inspect", "--format", "{{.State.Running}}", &name]) != "true").then_some(())
    });
    assert_eq!(net.handovers(), Vec::<String>::new());
}

#[test]
fn a_worker_that_dies_while_a_container_is_made_leaves_nothing_to_its_next_start() {
    let between = Between::start(&RIG.engine.socket());
    let mut net = Net::start(&between.address());
    assert_eq!(stdout(&net.run("echo control")), "control\n");
    between.change(Changed::NoContainer);
    let id = net.submit("echo never");
    stockade_tests::eventually("a socket is there", SOON, || {
        net.handovers().iter().any(|name| name.starts_with(&id)).then_some(())
    });
    net.server.kill();
    assert_eq!(net.handovers().len(), 1, "nobody has removed it yet");
    between.change(Changed::Nothing);
    let mut server =
        Server::start_in(place(&services_of(&RIG.image), &RIG.engine).with_engine(between.address()));
    assert_eq!(net.handovers().len(), 1, "another worker leaves it alone");
    assert!(server.stop().success());
    let policies = net.server.place().path().join("policies");
    net.server.start_again_with(|worker| {
        worker.arg("--policies").arg(&policies);
    });
    assert!(!net.handovers().contains(&format!("{id}-1")));
}

#[test]
fn a_container_has_its_network_though_the_path_to_where_it_hands_it_over_is_longer_than_a_sockets() {
    let job = NET.run("echo ran");
    assert_eq!(stdout(&job), "ran\n", "{job}");
    let attempt = format!("containers/{}-1/network", job["id"].as_str().unwrap());
    let path = NET.server.place().state_dir().join(attempt);
    assert!(path.as_os_str().len() > 107, "{path:?}");
}

#[test]
fn a_container_whose_network_cannot_be_made_does_not_start() {
    let net = Net::start(&RIG.engine.address());
    let in_the_way = net.server.place().state_dir().join("containers");
    let _none_yet = std::fs::remove_dir(&in_the_way);
    std::fs::write(&in_the_way, "").unwrap();
    let job = net.run("echo ran");
    let attempt = only_attempt(&net.server, &job);
    assert_eq!(attempt["status"], "setup_failed", "{job}");
    let error = job["error_message"].as_str().unwrap();
    assert!(error.contains("cannot have the network") && error.contains("containers"), "{error}");
    assert_eq!(job["output_data"]["error_class"], "retryable", "{job}");
    std::fs::remove_file(&in_the_way).unwrap();
    assert_eq!(stdout(&net.run("echo ran")), "ran\n");
}
