//! What the tests of one engine share.

use std::path::Path;
use std::sync::LazyLock;

use serde_json::{Value, json};
use stockade_tests::{Engine, Maker, Place, Server};

use crate::MAKER;

/// An image whose entry point, user, environment and volumes are meant badly, but for the volumes.
const HOSTILE: [&str; 5] = [
    "USER 0",
    "ENV LD_PRELOAD=/evil.so PATH=/evil HOME=/evil",
    "ENTRYPOINT [\"/bin/sh\", \"-c\", \"echo the image has its way\"]",
    "CMD [\"-x\"]",
    "LABEL stockade.job=somebody-else",
];

/// See there.
const TAKEN_BACK: &str = include_str!("taken_back.c");
const KNOCK: &str = include_str!("knock.c");

/// Makes a program that needs nothing else of an image.
fn compile(source: &str, program: &Path) {
    compile_with(&["-static"], source, program);
}

#[expect(clippy::disallowed_methods, reason = "a compiler and a source of our own, outside of any job")]
pub(crate) fn compile_with(how: &[&str], source: &str, program: &Path) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("source.c");
    std::fs::write(&file, source).unwrap();
    let mut compiler = std::process::Command::new("cc");
    compiler.args(how).args(["-O1", "-Wall", "-Wextra", "-Werror"]).arg(file).arg("-o").arg(program);
    assert!(compiler.status().unwrap().success());
}

/// What the tests share. Nobody drops it: it ends with the process, and what it has is removed then.
pub(crate) struct Rig {
    pub(crate) engine: Engine,
    pub(crate) server: Server,
    pub(crate) image: String,
}

pub(crate) static RIG: LazyLock<Rig> = LazyLock::new(|| {
    let engine = Engine::start(MAKER);
    let image = engine.import_with("box", &[], |bin| {
        compile(TAKEN_BACK, &bin.join("taken-back"));
        compile(KNOCK, &bin.join("knock"));
    });
    let hostile = engine.import("hostile", &HOSTILE);
    let volumes = engine.import("volumes", &["VOLUME /data /var/lib/box"]);
    let proc_volume = engine.import("proc-volume", &["VOLUME /proc/data"]);
    let talkative =
        engine.import("talkative", &["ENTRYPOINT [\"/bin/echo\", \"its\"]", "CMD [\"own\", \"words\"]"]);
    let services = services(&image, &hostile, [&volumes, &proc_volume], &talkative);
    let server = Server::start_in(place(&services, &engine));
    Rig { engine, server, image }
});

/// Where the host's control groups are of version 1, Podman gives no namespace of them, without which `production` runs nothing;
/// `engines.rs` looks for that.
pub(crate) fn lacks_a_namespace(engine: &Engine) -> bool {
    engine.maker() == Maker::Podman && engine.said(&["info", "--format", "{{.CgroupVersion}}"]) == "1"
}

/// A place with an engine, where jobs run.
pub(crate) fn place(services: &str, engine: &Engine) -> Place {
    let environment = lacks_a_namespace(engine).then_some("development");
    Place::new(services).with_engine(engine.address()).in_environment(environment)
}

/// The registry of a server with one image.
pub(crate) fn services_of(image: &str) -> String {
    services(image, image, [image; 2], image)
}

fn services(image: &str, hostile: &str, [volumes, proc_volume]: [&str; 2], talkative: &str) -> String {
    include_str!("services.yaml")
        .replace("BOX", image)
        .replace("HOSTILE", hostile)
        .replace("VOLUMES", volumes)
        .replace("PROC-VOLUME", proc_volume)
        .replace("TALKATIVE", talkative)
        .replace("MISSING", &format!("box@sha256:{}", "0".repeat(64)))
}

/// The input of an operation that takes a script.
pub(crate) fn script(text: &str) -> Value {
    json!({"script": text})
}

/// Runs a script in the container that most tests use.
pub(crate) fn run(text: &str) -> Value {
    RIG.server.run("box", "script", &script(text))
}

pub(crate) fn stdout(job: &Value) -> &str {
    job["output_data"]["stdout"].as_str().unwrap_or_else(|| panic!("{job}"))
}

/// The only attempt of a job that had one.
pub(crate) fn only_attempt(server: &Server, job: &Value) -> Value {
    let mut attempts = server.attempts(job["id"].as_str().unwrap());
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    attempts.remove(0)
}
