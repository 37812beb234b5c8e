//! The store and the embedded server, against a real Postgres.
//!
//! The modules say `cfg(test)` because that is where the lints look for what is a test.
#![forbid(unsafe_code)]

#[cfg(test)]
mod jobs;
#[cfg(test)]
mod legacy;
#[cfg(test)]
mod loss;
#[cfg(test)]
mod record;
#[cfg(test)]
mod rights;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod server;
#[cfg(test)]
mod support;
