//! The worker against a real server, with a runner that only waits: what it does when jobs are cancelled, leases lost,
//! the database gone, the worker told to stop.

mod life;
mod loss;
mod steps;
mod support;
