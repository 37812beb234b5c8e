//! Jobs and images that mean badly.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::*;

fn status(job: &Value) -> String {
    only_attempt(&RIG.server, job)["status"].as_str().unwrap().to_owned()
}

fn denied(job: &Value, what: &str) -> bool {
    let denials = job["security_context"]["denials"].as_array().unwrap();
    denials.iter().any(|denial| denial["what"] == what)
}

#[test]
fn an_image_with_roots_user_and_an_entry_point_of_its_own_has_no_say() {
    let job = RIG.server.run("hostile", "script", &script("id; env; cat /proc/self/status"));
    let printed = stdout(&job);
    assert!(!printed.contains("has its way") && !printed.contains("evil"), "{printed}");
    assert!(!printed.contains("uid=0") && printed.contains("uid=21"), "{printed}");
    for line in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
}

#[test]
fn the_first_process_cannot_be_spoken_for_stopped_or_read() {
    let job = run(
        "kill -9 1; kill -STOP 1; echo forged > /proc/1/fd/1; cat /proc/1/environ /proc/1/mem /proc/1/maps; \
                   ls -l /proc/1/fd >/dev/null; echo still here",
    );
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!(stdout(&job), "still here\n");
    assert_eq!(
        job["output_data"]["stderr"].as_str().unwrap().matches("Permission denied").count(),
        5,
        "{job}"
    );
}

#[test]
fn memory_ends_where_the_policy_says_and_the_whole_job_with_it() {
    let job = run("dd if=/dev/zero of=/dev/null bs=200M count=1; echo survived");
    assert_eq!(status(&job), "out_of_memory", "{job}");
    assert!(denied(&job, "out_of_memory"), "{job}");
    let peak = job["resource_usage"]["peak_memory_mb"].as_f64().unwrap();
    assert!((40.0..=64.1).contains(&peak), "{peak}");
    // Half of it is no matter.
    assert_eq!(run("dd if=/dev/zero of=/dev/null bs=30M count=1")["status"], "completed");
}

#[test]
fn a_job_has_no_more_time_than_it_is_given() {
    let job = RIG.server.run("box", "brief", &json!({}));
    assert_eq!(status(&job), "timed_out", "{job}");
    let wall = job["resource_usage"]["duration_seconds"].as_f64().unwrap();
    assert!((1.0..2.5).contains(&wall), "{wall}");
}

#[test]
fn a_job_that_takes_back_what_it_printed_does_not_hold_up_its_limits() {
    let job = RIG.server.run("taken", "back", &json!({}));
    assert_eq!(status(&job), "limit_exceeded", "{job}");
    assert!(job["error_message"].as_str().unwrap().contains("processor time"), "{job}");
    let usage = &job["resource_usage"];
    assert!(usage["duration_seconds"].as_f64().unwrap() < 15.0, "{usage}");
    assert!(
        (2.9..4.5).contains(
            &(usage["user_cpu_ms"].as_f64().unwrap() / 1e3 + usage["system_cpu_ms"].as_f64().unwrap() / 1e3)
        ),
        "{usage}"
    );
}

#[test]
fn forks_end_where_the_policy_says() {
    // At most 64 of them: a bomb that is not stopped must not take the host along.
    let job = run("i=0; while [ $i -lt 64 ]; do sleep 5 & i=$((i + 1)); done; echo all of them");
    assert!(!stdout(&job).contains("all of them") || denied(&job, "fork"), "{job}");
    assert!(denied(&job, "fork"), "{job}");
    assert!(job["resource_usage"]["peak_processes"].as_f64().unwrap() <= 32.0, "{job}");
    // Fewer are no matter, and nothing of them is left.
    let job = run("i=0; while [ $i -lt 20 ]; do sleep 5 & i=$((i + 1)); done; echo all of them");
    assert_eq!((stdout(&job), denied(&job, "fork")), ("all of them\n", false), "{job}");
}

#[test]
fn output_is_cut_and_the_job_ended() {
    let job = run("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done");
    assert_eq!(status(&job), "limit_exceeded", "{job}");
    assert!(job["error_message"].as_str().unwrap().contains("printed more than its 64 KiB"), "{job}");
    assert_eq!(stockade_tests::bytes(&only_attempt(&RIG.server, &job)["stdout"]).len(), 64 * 1024);
    assert!(denied(&job, "write"), "{job}");
}

#[test]
fn what_a_job_can_write_is_bounded_and_never_executed() {
    let job = run("for d in /job /tmp /dev/shm; do dd if=/dev/zero of=$d/fill bs=1M count=20; done; \
                   i=0; while [ $i -lt 300 ]; do (echo x > /job/f$i) || break; i=$((i + 1)); done; echo files $i; \
                   /bin/busybox rm /tmp/fill; /bin/busybox cp /bin/busybox /tmp/x; chmod 755 /tmp/x; /tmp/x true && echo executed; \
                   (echo x > /bin/x) && echo wrote; (echo x > /x) && echo wrote; true");
    let (printed, errors) = (stdout(&job), job["output_data"]["stderr"].as_str().unwrap());
    assert!(!printed.contains("executed") && !printed.contains("wrote"), "{printed}");
    assert_eq!(errors.matches("No space left on device").count(), 4, "{printed}{errors}");
    assert!(errors.contains("Read-only file system") && errors.contains("Permission denied"), "{errors}");
    let files: u32 = printed.split("files ").nth(1).unwrap().trim().parse().unwrap();
    assert!(files < 130, "{files}");
}

#[test]
fn there_is_no_network_and_the_same_image_with_one_reaches_the_same_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"reached\n").unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read(&mut [0; 16]);
    });
    let job = run(&format!("nc -w 2 127.0.0.1 {port} </dev/null; echo $?; ls /sys/class/net"));
    assert!(!stdout(&job).contains("reached"), "{job}");
    assert!(stdout(&job).ends_with("lo\n"), "{job}");
    let image = RIG.image.split_once('@').unwrap().1;
    // Podman's own limits would take a privilege that not every root has.
    let limits = ["--ulimit", "nofile=64:64", "--ulimit", "nproc=64:64"];
    let program = [image, "/bin/nc", "-w", "2", "127.0.0.1", &port];
    let control = [&["run", "--rm", "--network", "host"], &limits[..], &program].concat();
    assert!(RIG.engine.said(&control).contains("reached"));
    server.join().unwrap();
}

#[test]
fn what_a_job_leaves_at_an_outputs_name_is_told_as_what_it_is() {
    let job =
        run("ln -s /etc/passwd link; /bin/busybox mkfifo fifo; mkdir result.json; /bin/busybox sleep 100 &");
    let outputs = &job["output_data"]["outputs"];
    assert_eq!(outputs["link"]["state"], "symlink", "{job}");
    assert_eq!(outputs["fifo"]["state"], "fifo");
    assert_eq!(outputs["result.json"]["state"], "directory");
}
