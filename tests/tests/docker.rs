//! Jobs in containers of a real engine, on their way through the queue. One `stockade up` and one dockerd serve all of these
//! tests but those that break one. Needs root, and `docker.io` of Debian.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

#[path = "docker/alike.rs"]
mod alike;
#[path = "docker/between.rs"]
mod between;
#[path = "docker/ends.rs"]
mod ends;
#[path = "docker/engines.rs"]
mod engines;
#[path = "docker/honest.rs"]
mod honest;
#[path = "docker/hostile.rs"]
mod hostile;
#[path = "docker/networked.rs"]
mod networked;
#[path = "docker/preloaded.rs"]
mod preloaded;
#[path = "docker/refused.rs"]
mod refused;

use std::path::Path;
use std::sync::LazyLock;

use serde_json::{Value, json};
use stockade_tests::{Engine, Place, Server};

/// An image whose entry point, user, environment and volumes are meant badly, but for the volumes.
const HOSTILE: [&str; 5] = [
    "USER 0",
    "ENV LD_PRELOAD=/evil.so PATH=/evil HOME=/evil",
    "ENTRYPOINT [\"/bin/sh\", \"-c\", \"echo the image has its way\"]",
    "CMD [\"-x\"]",
    "LABEL stockade.job=somebody-else",
];

/// See there.
const TAKEN_BACK: &str = include_str!("docker/taken_back.c");
const KNOCK: &str = include_str!("docker/knock.c");

/// Makes a program that needs nothing else of an image.
fn compile(source: &str, program: &Path) {
    compile_with(&["-static"], source, program);
}

#[expect(clippy::disallowed_methods, reason = "a compiler and a source of our own, outside of any job")]
fn compile_with(how: &[&str], source: &str, program: &Path) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("source.c");
    std::fs::write(&file, source).unwrap();
    let mut compiler = std::process::Command::new("cc");
    compiler.args(how).args(["-O1", "-Wall", "-Wextra", "-Werror"]).arg(file).arg("-o").arg(program);
    assert!(compiler.status().unwrap().success());
}

/// What the tests share. Nobody drops it: it ends with the process, and what it has is removed then.
struct Rig {
    engine: Engine,
    server: Server,
    image: String,
}

static RIG: LazyLock<Rig> = LazyLock::new(|| {
    let engine = Engine::start();
    let image = engine.import_with("box", &[], |bin| {
        compile(TAKEN_BACK, &bin.join("taken-back"));
        compile(KNOCK, &bin.join("knock"));
    });
    let hostile = engine.import("hostile", &HOSTILE);
    let volumes = engine.import("volumes", &["VOLUME /data"]);
    let talkative =
        engine.import("talkative", &["ENTRYPOINT [\"/bin/echo\", \"its\"]", "CMD [\"own\", \"words\"]"]);
    let services = services(&image, &hostile, &volumes, &talkative);
    let server = Server::start_in(Place::new(&services).with_engine(engine.address()));
    Rig { engine, server, image }
});

/// The registry of a server with one image.
fn services_of(image: &str) -> String {
    services(image, image, image, image)
}

fn services(image: &str, hostile: &str, volumes: &str, talkative: &str) -> String {
    include_str!("docker/services.yaml")
        .replace("BOX", image)
        .replace("HOSTILE", hostile)
        .replace("VOLUMES", volumes)
        .replace("TALKATIVE", talkative)
        .replace("MISSING", &format!("box@sha256:{}", "0".repeat(64)))
}

/// The input of an operation that takes a script.
fn script(text: &str) -> Value {
    json!({"script": text})
}

/// Runs a script in the container that most tests use.
fn run(text: &str) -> Value {
    RIG.server.run("box", "script", &script(text))
}

fn stdout(job: &Value) -> &str {
    job["output_data"]["stdout"].as_str().unwrap_or_else(|| panic!("{job}"))
}

/// The only attempt of a job that had one.
fn only_attempt(server: &Server, job: &Value) -> Value {
    let mut attempts = server.attempts(job["id"].as_str().unwrap());
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    attempts.remove(0)
}
