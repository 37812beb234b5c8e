//! A worker whose jobs are those of type `digest`: `custom-runner DATABASE_URL services.yaml`.

use std::error::Error;
use std::time::Duration;

use custom_runner::DigestRunner;
use stockade::rules::{Loader, Rulebook, Rules};
use stockade::runner::RunnerRegistry;
use stockade::store::Database;
use stockade::worker::{Settings, Shutdown, Worker};
use stockade_policies::Environment;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(services)) = (arguments.next(), arguments.next()) else {
        return Err("usage: custom-runner DATABASE_URL SERVICES".into());
    };
    let runners = RunnerRegistry::default().with(DigestRunner::default())?;
    let rules = Rules { services: services.into(), policies: None, environment: Environment::Production };
    let rulebook = Rulebook::open(Loader::new(rules, runners.capabilities()))?;
    let settings = Settings {
        name: "custom-runner".to_owned(),
        concurrency: 4,
        lease: Duration::from_secs(60),
        grace: Duration::from_secs(5),
    };
    let worker = Worker::register(settings, &Database::Url(url), runners, rulebook).await?;
    Ok(worker.run(&Shutdown::on_signals()?, std::future::pending()).await?)
}
