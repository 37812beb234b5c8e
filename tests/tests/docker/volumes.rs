//! Images that declare volumes.

use std::time::Duration;

use super::*;

const SOON: Duration = Duration::from_secs(20);
/// Of 16 MiB of disk half is `/job`'s: four share the rest.
const EACH_KB: &str = "2048";
const SCRIPT: &str = "\
    for v in /data /var/lib/box; do \
        echo kept > $v/file && cat $v/file; \
        dd if=/dev/zero of=$v/fill bs=1M count=20; \
        /bin/busybox rm $v/fill; /bin/busybox df -P -k $v | cat; \
        /bin/busybox cp /bin/busybox $v/x; /bin/busybox chmod 755 $v/x; $v/x true && echo executed; \
    done; \
    (echo x > /var/lib/x) && echo wrote; sleep 3";

#[test]
fn volumes_of_an_image_are_bounded_never_executed_and_none_of_the_engines() {
    let (server, engine) = (&RIG.server, &RIG.engine);
    let id = server.submit("volumes", "script", &script(SCRIPT));
    let name = stockade_tests::eventually("it runs", SOON, || {
        let name = engine.container_of(&id)?;
        let state = engine.docker(&["inspect", "--format", "{{.State.Running}}", &name]);
        state.stdout.starts_with(b"true").then_some(name)
    });
    let kinds = engine.said(&["inspect", "--format", "{{range .Mounts}}{{.Type}} {{.Name}}\n{{end}}", &name]);
    let volumes: Vec<&str> = kinds.lines().filter_map(|line| line.strip_prefix("volume ")).collect();
    let expected = match MAKER {
        Maker::Docker => 0,
        // Its own, in memory, each of a name that is known.
        Maker::Podman => 5,
    };
    assert_eq!(volumes.len(), expected, "{kinds}");
    assert!(volumes.iter().all(|volume| volume.starts_with(&name)), "{kinds}");
    let job = server.ended(&id);
    let (printed, errors) = (stdout(&job), job["output_data"]["stderr"].as_str().unwrap());
    assert_eq!((&job["status"], printed.matches("kept\n").count()), (&json!("completed"), 2), "{job}");
    assert!(!printed.contains("executed") && !printed.contains("wrote"), "{printed}");
    assert_eq!(errors.matches("No space left on device").count(), 2, "{errors}");
    assert_eq!(errors.matches("x: Permission denied").count(), 2, "{errors}");
    let sizes = printed.lines().filter(|line| line.starts_with("tmpfs"));
    let sizes: Vec<_> = sizes.map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(sizes, [EACH_KB; 2], "{printed}");
    let layer = &job["security_context"]["enforcement"]["work_filesystem"];
    assert!(layer["detail"].as_str().unwrap().ends_with("/data, /var/lib/box"), "{layer}");
    stockade_tests::eventually("nothing is left of it", SOON, || {
        let volumes = engine.said(&["volume", "ls", "--format", "{{.Name}}"]);
        (engine.container_of(&id).is_none() && !volumes.contains(&id)).then_some(())
    });
}
