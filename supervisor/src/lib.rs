//! Stockade's supervisor: the unprivileged half, which speaks to the database and parses what people wrote.
#![forbid(unsafe_code)]

pub mod postgres;
pub mod store;
