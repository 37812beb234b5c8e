//! The serverless runner: one call of a function that the policy names with its version. What runs, runs elsewhere: the
//! isolation is the platform's, and the record says so.

pub mod aws;
mod client;
pub mod gcp;
pub mod provider;
