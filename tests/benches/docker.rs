//! What a job in a container costs beyond what the engine takes for the same container by itself: made, started, waited for.
//! `make bench`; needs root and `docker.io`. Both are measured in turns, in the same engine, with everything alike that is
//! asked of it but the first process. Fails if the median is over its bound.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a benchmark prints, starts what it measures, and fails loudly"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::StreamExt as _;
use stockade::runner::docker::{self, Handovers, Identity, Known, Order, Profiles, Reaper, Runs, init};
use stockade_policies::{
    Capabilities, ContainerJob, ContainerPlan, DOCKER_ENFORCES, Environment, Host, Library, Registry,
    compile_container,
};
use stockade_tests::{Engine, Maker};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const ROUNDS: usize = 60;
const WARM_UP: usize = 5;
const BOUND: Duration = Duration::from_millis(5);

fn main() -> ExitCode {
    if !["dockerd", "docker"].iter().all(|program| Command::new(program).arg("--version").output().is_ok()) {
        println!("JOBS IN CONTAINERS ARE NOT MEASURED: there is no dockerd here (`docker.io` of Debian)");
        return ExitCode::FAILURE;
    }
    let engine = Engine::start(Maker::Docker);
    let image = engine.import("box", &[]);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runtime");
    runtime.block_on(measure(&engine.socket(), &image))
}

async fn measure(socket: &Path, image: &str) -> ExitCode {
    let plan = plan(image);
    let runs = Runs {
        engine: docker::Engine::connect(socket).await.expect("the engine answers"),
        init: init(&Host::new()).expect("init is built"),
        profiles: Profiles::beneath(&std::env::temp_dir()),
        reaper: Reaper::default(),
        handovers: Handovers::in_directory(std::env::temp_dir().join("stockade-bench-containers")),
    };
    let bare =
        Docker::connect_with_unix(&socket.display().to_string(), 60, API_DEFAULT_VERSION).expect("socket");
    let bare = bare.negotiate_version().await.expect("version");
    let (mut ours, mut theirs, mut overheads) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS + WARM_UP {
        let mut order = order(&plan);
        let asked = runs.asked_for(&order).await.expect("an image");
        let body = ContainerCreateBody { entrypoint: Some(vec!["/bin/true".to_owned()]), ..asked };
        let alone = alone(&bare, body, round).await;
        let began = Instant::now();
        let ran = runs.run(&mut order, &mut Known::default()).await.expect("the job runs");
        let job = began.elapsed();
        assert!(matches!(ran.end, Ok(stockade_sandbox::End::Exited(0))), "{:?}", ran.end);
        // Removing is not part of either.
        let options = RemoveContainerOptionsBuilder::new().force(true).build();
        let _gone = bare.remove_container(&name(round), Some(options)).await;
        tokio::time::sleep(Duration::from_millis(150)).await;
        if round >= WARM_UP {
            ours.push(job);
            theirs.push(alone);
            overheads.push(job.as_secs_f64() - alone.as_secs_f64());
        }
    }
    runs.reaper.close().await;
    report(ours, theirs, overheads)
}

fn report(ours: Vec<Duration>, theirs: Vec<Duration>, mut overheads: Vec<f64>) -> ExitCode {
    let [ours, theirs] = [ours, theirs].map(|times| {
        let mut times: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
        times.sort_by(f64::total_cmp);
        times
    });
    overheads.sort_by(f64::total_cmp);
    println!("a job in a container, {ROUNDS} times in turns with the engine alone, milliseconds");
    println!("{:<34}{:>8}{:>8}", "", "median", "p95");
    for (what, times) in
        [("create, start and wait, alone", &theirs), ("the job", &ours), ("the difference", &overheads)]
    {
        println!("{what:<34}{:>8.2}{:>8.2}", 1e3 * at(times, 50), 1e3 * at(times, 95));
    }
    // Of each turn by itself: a host that is busy is so for both.
    let overhead = at(&overheads, 50);
    let good = overhead <= BOUND.as_secs_f64();
    let verdict = if good { "within" } else { "OVER" };
    println!("overhead at the median {:.2} ms, {verdict} its {} ms", 1e3 * overhead, BOUND.as_millis());
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The value below which so many per cent lie.
fn at(sorted: &[f64], percent: usize) -> f64 {
    sorted.get(sorted.len() * percent / 100).copied().unwrap_or(f64::NAN)
}

fn name(round: usize) -> String {
    format!("bare-{round}")
}

/// The same container with `/bin/true` as its first process, by nothing but the engine's interface.
async fn alone(docker: &Docker, body: ContainerCreateBody, round: usize) -> Duration {
    let name = name(round);
    let began = Instant::now();
    let options = CreateContainerOptionsBuilder::new().name(&name).build();
    docker.create_container(Some(options), body).await.expect("create");
    docker.start_container(&name, None).await.expect("start");
    let mut ends = std::pin::pin!(docker.wait_container(&name, None));
    ends.next().await.expect("an end").expect("an end");
    began.elapsed()
}

fn order(plan: &ContainerPlan) -> Order {
    let identity = Identity {
        worker: "bench".to_owned(),
        job: Uuid::new_v4().to_string(),
        attempt: 1,
        nonce: Uuid::new_v4().simple().to_string(),
    };
    Order {
        plan: plan.clone(),
        inputs: Vec::new(),
        egress: None,
        identity,
        secrets: Vec::new(),
        cancel: CancellationToken::new(),
    }
}

fn plan(image: &str) -> ContainerPlan {
    let services = format!(
        "services:\n  - name: batch\n    execution_type: docker\n    runner_config: {{allowed_images: [\"{image}\"]}}\n    \
         operations:\n      - {{name: run, runner_config: {{command: [/bin/true]}}}}\n"
    );
    let capabilities = Capabilities::new().runner("docker", DOCKER_ENFORCES);
    let library = Library::shipped().expect("library");
    let registry =
        Registry::parse("services.yaml", &services, &library, Environment::Production, &capabilities);
    let policy = registry.expect("registry").operation("batch", "run").expect("operation").effective_policy();
    let job = ContainerJob {
        image: image.to_owned(),
        command: Some(vec!["/bin/true".to_owned()]),
        environment: BTreeMap::new(),
        inputs: Vec::new(),
        stdin: None,
        runtime: None,
    };
    compile_container(&policy, &job).expect("plan")
}
