//! Calls made by the runner itself, from the text of a registry.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use stockade::runner::http::{Authorities, HttpRunner, Lookup};
use stockade::runner::{Boxed, Finished, JobFacts, JobRunner, Refusal, Request, RunnerRegistry, Work};
use stockade::store::{AttemptId, JobId, WorkerId};
use stockade_egress::Failure;
use stockade_policies::{Environment, HostName, JobProposal, Library, Registry};
use uuid::Uuid;

pub(crate) const ATTEMPT: AttemptId =
    AttemptId { job: JobId(Uuid::from_u128(7)), attempt: 1, worker: WorkerId(Uuid::from_u128(9)) };

/// Who answers what about names; the last answer stays.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    answers: Arc<Mutex<VecDeque<Vec<IpAddr>>>>,
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

impl Names {
    pub(crate) fn answering(answers: &[&[&str]]) -> Self {
        let parse = |texts: &&[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Self { answers: Arc::new(Mutex::new(answers.iter().map(parse).collect())), ..Self::default() }
    }
}

impl Lookup for Names {
    fn addresses<'a>(&'a self, name: &'a HostName) -> Boxed<'a, Result<Vec<IpAddr>, Failure>> {
        self.asked.lock().unwrap().push(name.to_string());
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Box::pin(async { Ok(answer.unwrap_or_default()) })
    }
}

/// A worker's rules and its HTTP runner.
pub(crate) struct Desk {
    registry: Registry,
    pub(crate) runner: Arc<HttpRunner>,
}

impl Desk {
    /// With this registry, for names that nobody knows and servers that nobody vouches for.
    pub(crate) fn new(services: &str) -> Self {
        Self::with(services, Names::default(), None)
    }

    pub(crate) fn with(services: &str, names: Names, authorities: Option<&Path>) -> Self {
        Self::in_library(Library::shipped().unwrap(), services, names, authorities)
    }

    /// With one policy more than those that are shipped.
    pub(crate) fn under(policy: &str, services: &str, names: Names, authorities: Option<&Path>) -> Self {
        let (library, _) = Library::shipped().unwrap().with_text("mine.yaml", policy).unwrap();
        Self::in_library(library, services, names, authorities)
    }

    fn in_library(library: Library, services: &str, names: Names, authorities: Option<&Path>) -> Self {
        let runner = HttpRunner::new(names, Authorities::read(authorities));
        let registry = load_with(&library, services).unwrap_or_else(|found| panic!("{found}"));
        Self { registry, runner: Arc::new(runner) }
    }

    /// One service, `api`, with these lines; `base_url` among them.
    pub(crate) fn of_service(lines: &str) -> Self {
        Self::new(&service(lines))
    }

    pub(crate) fn work(&self, operation: &str, input: &Value) -> Result<Box<dyn Work>, Refusal> {
        self.work_proposed(operation, input, JobProposal::default())
    }

    pub(crate) fn work_proposed(
        &self,
        operation: &str,
        input: &Value,
        proposal: JobProposal<'_>,
    ) -> Result<Box<dyn Work>, Refusal> {
        self.work_of("api", operation, input, proposal)
    }

    fn work_of(
        &self,
        service: &str,
        operation: &str,
        input: &Value,
        proposal: JobProposal<'_>,
    ) -> Result<Box<dyn Work>, Refusal> {
        let operation = self.registry.operation(service, operation).unwrap();
        operation.check_input(input).unwrap();
        let job = JobFacts {
            id: ATTEMPT.job,
            tenant: None,
            idempotency_key: Some("order-7"),
            correlation_id: None,
        };
        self.runner.validate(&Request { operation, input, proposal, job })
    }

    /// Calls an operation and waits for what becomes of it.
    pub(crate) fn call(&self, operation: &str, input: Value) -> Finished {
        self.call_of("api", operation, input)
    }

    /// Like [`Desk::call`], of another service.
    pub(crate) fn call_of(&self, service: &str, operation: &str, input: Value) -> Finished {
        let work = self.work_of(service, operation, &input, JobProposal::default());
        let work = work.unwrap_or_else(|refused| panic!("{refused}"));
        block_on(work.execute(ATTEMPT))
    }
}

/// A registry of one service, `api`, with these lines.
pub(crate) fn service(lines: &str) -> String {
    let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    format!("services:\n  api:\n{lines}")
}

/// What a worker with an HTTP runner makes of a registry.
pub(crate) fn load(services: &str) -> Result<Registry, stockade_policies::Diagnostics> {
    load_with(&Library::shipped().unwrap(), services)
}

fn load_with(library: &Library, services: &str) -> Result<Registry, stockade_policies::Diagnostics> {
    let runner = HttpRunner::new(Names::default(), Authorities::read(None));
    let runners = RunnerRegistry::default().with(runner).unwrap();
    Registry::parse("services.yaml", services, library, Environment::Production, &runners.capabilities())
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// What stands in an attempt's list of denials.
pub(crate) fn denials(finished: &Finished) -> Vec<(String, String, String)> {
    let text = |denial: &Value, key: &str| denial[key].as_str().unwrap().to_owned();
    let all = finished.denials.as_array().unwrap().iter();
    all.map(|denial| (text(denial, "layer"), text(denial, "what"), text(denial, "target"))).collect()
}

/// `{"a": 1}` where nothing else is needed.
pub(crate) fn nothing() -> Value {
    json!({})
}
