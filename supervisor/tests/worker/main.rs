//! The worker against a real server, with a runner that only waits: what it does when jobs are cancelled, leases lost,
//! the database gone, the worker told to stop.
//!
//! The modules say `cfg(test)` because that is where the lints look for what is a test.
#![forbid(unsafe_code)]

#[cfg(test)]
mod life;
#[cfg(test)]
mod loss;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod schemas;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod support;
