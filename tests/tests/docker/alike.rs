//! The same script in a sandbox and in a container: both stop it, and their records read alike.

use std::collections::BTreeSet;

use super::*;

/// Each line says what it got away with. A job that gets away with nothing prints nothing.
const HOSTILE_SCRIPT: &str = r#"
cat /etc/shadow 2>/dev/null && echo read the shadow file
(echo x > /bin/planted) 2>/dev/null && echo wrote a program
(echo x > /planted) 2>/dev/null && echo wrote the root
mount -t tmpfs none /tmp 2>/dev/null && echo mounted
mknod /tmp/disk b 8 0 2>/dev/null && echo made a device
echo b 2>/dev/null > /proc/sysrq-trigger && echo reached the kernel
(echo '|/tmp/x' > /proc/sys/kernel/core_pattern) 2>/dev/null && echo wrote a core pattern
kill -9 1 2>/dev/null; cat /proc/1/environ > /dev/null 2>&1 && echo read an environment
i=0; while [ $i -lt 60 ]; do sleep 3 & i=$((i + 1)); done
"#;

pub(crate) fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn a_hostile_script_is_stopped_by_both_and_the_records_read_alike() {
    let server = &RIG.server;
    let [sandboxed, contained] =
        ["sandbox", "box"].map(|service| server.run(service, "script", &script(HOSTILE_SCRIPT)));
    for job in [&sandboxed, &contained] {
        assert_eq!(stdout(job), "", "{job}");
        let denials = job["security_context"]["denials"].as_array().unwrap();
        assert!(denials.iter().any(|d| d["layer"] == "cgroup" && d["what"] == "fork"), "{job}");
        for denial in denials {
            let mut keys = keys(denial);
            keys.remove("at_least");
            assert_eq!(keys, BTreeSet::from(["layer", "what", "target", "count", "at"]), "{denial}");
        }
    }
    let [mut one, mut other] = [&sandboxed, &contained].map(|job| keys(&job["security_context"]));
    one.remove("network");
    // What was called is a container's to have.
    assert!(other.remove("target"));
    assert_eq!(one, other);
    let [one, other] = [&sandboxed, &contained].map(|job| keys(&job["security_context"]["enforcement"]));
    assert_eq!(one, other, "the layers have the same names");
    let [one, other] = [&sandboxed, &contained].map(|job| keys(&job["resource_usage"]));
    assert_eq!(one, other, "and so have the measures");
    // What an engine does not put in force, or cannot tell, is said.
    let layer = |name: &str| contained["security_context"]["enforcement"][name]["state"].as_str().unwrap();
    assert_eq!(
        [layer("landlock"), layer("user_namespace"), layer("evidence")],
        ["absent", "absent", "degraded"]
    );
    assert_eq!([layer("seccomp"), layer("capabilities"), layer("cgroup_memory")], ["enforced"; 3]);
    let events = |job: &Value| {
        let events = server.events(job["id"].as_str().unwrap());
        events.iter().map(|event| event["kind"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(events(&sandboxed), events(&contained));
}
