//! Engines that go, come again, are too old, or are none.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use super::between::{Between, Changed};
use super::*;

const SOON: Duration = Duration::from_secs(40);

#[test]
fn an_engine_that_goes_in_the_middle_is_waited_for_or_the_job_given_up_as_the_registry_says() {
    let mut engine = Engine::start(MAKER);
    let image = engine.import("box", &[]);
    let server = Server::start_in(place(&services_of(&image), &engine));
    let ids = ["again", "once"].map(|operation| server.submit("box", operation, &json!({})));
    for id in &ids {
        // Not only the container, but the job in it: the worker has seen what is in force there, and let it go on.
        ends::running(&engine, id);
    }
    engine.kill();
    let first = |id: &str| {
        stockade_tests::eventually("the attempt ends", SOON, || {
            server.attempts(id).into_iter().next().filter(|attempt| attempt["ended_at"].is_string())
        })
    };
    for id in &ids {
        let attempt = first(id);
        assert_eq!(attempt["status"], "failed", "{attempt}");
        assert!(
            attempt["error_message"].as_str().or(attempt["error"].as_str()).unwrap().contains("not known"),
            "{attempt}"
        );
    }
    let once = server.until(&ids[1], SOON, |job| job["status"] == "failed");
    assert_eq!(
        (&once["attempts"], &once["output_data"]["error_class"]),
        (&json!(1), &json!("unknown")),
        "{once}"
    );
    assert_eq!(once["error_message"].as_str().map(|text| text.contains("not known")), Some(true));
    engine.start_again();
    // What may be done twice is, in a container of its own, and what the first attempt left is gone.
    stockade_tests::eventually("it runs again", SOON, || {
        let names: Vec<String> = engine.containers();
        let mine: Vec<&String> = names.iter().filter(|name| name.contains(&ids[0])).collect();
        (mine.len() == 1 && !mine[0].contains("-1-")).then_some(())
    });
    let name = |id: &str| engine.container_of(id);
    stockade_tests::eventually("the other is removed", SOON, || name(&ids[1]).is_none().then_some(()));
}

/// A server that is expected not to start: what it says.
fn refused(address: &str, services: &str) -> String {
    let place = Place::new(services).with_engine(address.to_owned());
    let output = place.worker("up", &[]).output().unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_engine_that_is_not_there_or_behind_tcp_is_a_clear_error_at_the_start() {
    let services = services_of(&RIG.image);
    let said = refused("unix:///nowhere/docker.sock", &services);
    assert!(said.contains("no container engine answers at `/nowhere/docker.sock`"), "{said}");
    let said = refused("tcp://127.0.0.1:2375", &services);
    assert!(said.contains("`tcp://127.0.0.1:2375` is no engine's address here"), "{said}");
}

#[test]
fn without_an_engine_a_registry_with_docker_services_does_not_load_and_says_how_to_get_one() {
    let place = Place::new(&services_of(&RIG.image));
    let output = place.worker("up", &[]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("--docker-host"), "{said}");
}

/// An engine that only tells what it is, without root, which is all that is asked of it here: one that is too old can be had no
/// more, and one without root takes a host set up for it.
fn stand_in(version: &'static str) -> (tempfile::TempDir, String) {
    let directory = tempfile::Builder::new().prefix("stand-in-").tempdir_in("/tmp").unwrap();
    let socket = directory.path().join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    for path in [directory.path(), &socket] {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    }
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = [0; 4096];
            let read = stream.read(&mut asked).unwrap_or(0);
            let body = match String::from_utf8_lossy(&asked[..read]).contains("/info") {
                true => {
                    r#"{"DefaultRuntime": "runc", "SecurityOptions": ["name=seccomp,profile=default", "name=rootless"]}"#
                }
                false => version,
            };
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
    let address = format!("unix://{}", socket.display());
    (directory, address)
}

#[test]
fn an_engine_of_too_old_a_version_is_refused() {
    let old = r#"{"Version": "18.09.1", "ApiVersion": "1.39", "Components": [{"Name": "runc", "Version": "1.0.0"}]}"#;
    let (_directory, address) = stand_in(old);
    let said = refused(&address, &services_of(&RIG.image));
    assert!(said.contains("too old") && said.contains("1.39") && said.contains("1.41"), "{said}");
    let runtime = r#"{"Version": "20.10.1", "ApiVersion": "1.41", "Components": [{"Name": "runc", "Version": "1.0.0-rc92"}]}"#;
    let (_directory, address) = stand_in(runtime);
    let said = refused(&address, &services_of(&RIG.image));
    assert!(
        said.contains("too old") && said.contains("its runc is 1.0.0") && said.contains("1.1.5"),
        "{said}"
    );
}

#[test]
fn podman_without_root_is_refused_because_it_bounds_no_files() {
    let podman = r#"{"Version": "4.3.1", "ApiVersion": "1.41", "Components": [{"Name": "Podman Engine", "Version": "4.3.1"}]}"#;
    let (_directory, address) = stand_in(podman);
    let said = refused(&address, &services_of(&RIG.image));
    assert!(said.contains("cannot confine jobs") && said.contains("Podman without root"), "{said}");
}

#[test]
fn what_an_engine_does_not_give_and_the_policy_requires_is_not_done_without() {
    let engine = &RIG.engine;
    let ran = |services: &str| {
        let server = Server::start_in(Place::new(services).with_engine(engine.address()));
        server.run("box", "fixed", &json!({}))
    };
    let job = ran(&services_of(&RIG.image));
    if !lacks_a_namespace(engine) {
        let layer = &job["security_context"]["enforcement"]["cgroup_namespace"]["state"];
        assert_eq!((&job["status"], layer), (&json!("completed"), &json!("enforced")), "{job}");
        return;
    }
    let said = job["error_message"].as_str().unwrap();
    assert!(said.contains("`cgroup_namespace` is enforced, which the policy requires"), "{said}");
    // Where nobody requires it the same is done without, and said.
    let job = RIG.server.run("box", "fixed", &json!({}));
    let layer = &job["security_context"]["enforcement"]["cgroup_namespace"]["state"];
    assert_eq!((&job["status"], layer), (&json!("completed"), &json!("absent")), "{job}");
}

#[test]
fn a_worker_without_an_engine_leaves_containers_to_one_that_has_it() {
    let mut engine = Engine::start(MAKER);
    let image = engine.import("box", &[]);
    let has = Server::start_in(place(&services_of(&image), &engine));
    let docker = [("execution_type", json!("docker"))];
    // It has eight slots, and all of them are taken.
    let long = [(); 8].map(|()| has.submit_with("box", "long", &json!({}), &docker));
    for id in &long {
        has.until(id, SOON, |job| job["status"] == "running");
    }
    let services = std::fs::read_to_string(has.place().services()).unwrap();
    let (head, sandbox) = services.split_once("  - name: sandbox").unwrap();
    assert!(head.contains("docker"));
    let has_not = has.second_worker_in(Place::new(&format!("services:\n  - name: sandbox{sandbox}")));
    let waits = has.submit_with("box", "fixed", &json!({}), &docker);
    // The control: whatever else there is, it does take.
    let taken = has.run("sandbox", "script", &json!({"script": "echo here"}));
    assert_eq!(taken["status"], "completed", "{taken}");
    assert_eq!(has.job(&waits)["status"], "pending");
    let worker = |id: &str| has.attempts(id)[0]["worker_id"].clone();
    assert_ne!(worker(taken["id"].as_str().unwrap()), worker(&long[0]));
    for id in &long {
        has.sql(&format!("SELECT jobs.cancel_job('{id}', 'the test')"));
    }
    let fixed = has.ended(&waits);
    assert_eq!((&fixed["status"], worker(&waits)), (&json!("completed"), worker(&long[0])), "{fixed}");
    drop(has_not);
    engine.kill();
}

#[test]
fn the_doctor_says_which_engine_answers() {
    let output = RIG
        .server
        .place()
        .command(&["doctor", "--json", "--docker-host", &RIG.engine.address()])
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut checks = report["checks"].as_array().unwrap().iter();
    let check = checks.find(|check| check["name"] == "container engine").unwrap();
    assert_eq!(check["standing"], "good", "{check}");
    let found = check["found"].as_str().unwrap();
    assert!(found.contains("interface 1.") && found.contains("runc"), "{found}");
}

#[test]
fn an_engine_that_leaves_away_what_it_is_asked_for_runs_no_job_and_what_it_warns_of_is_recorded() {
    let between = Between::start(&RIG.engine.socket());
    let server =
        Server::start_in(place(&services_of(&RIG.image), &RIG.engine).with_engine(between.address()));
    let warnings = |job: &Value| job["security_context"]["target"]["warnings"].clone();
    let fixed = || server.run("box", "fixed", &json!({}));
    let job = fixed();
    assert_eq!((stdout(&job), warnings(&job)), ("fixed\n", json!([])), "{job}");
    let warning = "PIDs limit discarded, it says, and has kept it.";
    between.change(Changed::Warning(warning));
    let job = fixed();
    assert_eq!((stdout(&job), warnings(&job)), ("fixed\n", json!([warning])), "{job}");
    for (name, said) in
        [("PidsLimit", "`PidsLimit` is"), ("LogConfig", "`LogConfig` is"), ("Ulimits", "`ulimit co")]
    {
        between.change(Changed::Unheard(name));
        let job = fixed();
        let error = job["error_message"].as_str().unwrap();
        assert!(error.contains(said) && error.contains("as it was asked for"), "{error}");
        assert_eq!(only_attempt(&server, &job)["status"], "setup_failed", "{job}");
        assert_eq!(job["output_data"]["error_class"], "permanent", "{job}");
        let id = job["id"].as_str().unwrap();
        let gone = || RIG.engine.container_of(id).is_none().then_some(());
        stockade_tests::eventually("it is removed", SOON, gone);
    }
}

#[test]
fn a_volume_of_an_image_that_an_engine_would_make_itself_is_found_before_anything_runs() {
    let between = Between::start(&RIG.engine.socket());
    let image = RIG.engine.import("one-volume", &["VOLUME /data"]);
    let server = Server::start_in(place(&services_of(&image), &RIG.engine).with_engine(between.address()));
    let fixed = || server.run("box", "fixed", &json!({}));
    assert_eq!(stdout(&fixed()), "fixed\n");
    between.change(Changed::Unheard(match MAKER {
        Maker::Docker => "Tmpfs",
        Maker::Podman => "Binds",
    }));
    let job = fixed();
    let error = job["error_message"].as_str().unwrap();
    assert!(error.contains("at `/data` it has the volume"), "{error}");
    assert_eq!(only_attempt(&server, &job)["status"], "setup_failed", "{job}");
}
