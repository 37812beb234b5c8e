//! Functions of a cloud, called by the serverless runner. What answers is a real function behind cargo-lambda, moto, the
//! functions framework of Google, and, for what none of them shows (the tail of the log, executed versions, platform
//! failures, broken connections), a server of the tests' own. Needs root.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts the programs it tests"
)]

#[path = "serverless/answers.rs"]
mod answers;
#[path = "serverless/broken.rs"]
mod broken;
#[path = "serverless/cloud.rs"]
mod cloud;
#[path = "serverless/desk.rs"]
mod desk;
#[path = "serverless/jobs.rs"]
mod jobs;
#[path = "serverless/real.rs"]
mod real;
#[path = "serverless/signed.rs"]
mod signed;
#[path = "serverless/stage.rs"]
mod stage;
