//! Stockade's supervisor: the unprivileged half, which speaks to the database and parses what people wrote.
#![forbid(unsafe_code)]

pub mod cli;
pub mod demo;
pub mod doctor;
pub mod exec_record;
pub mod host;
pub mod logging;
pub mod output;
pub mod postgres;
pub mod report;
pub mod rules;
pub mod runner;
pub mod secret;
pub mod start;
pub mod store;
pub mod supervisor;
pub mod text;
pub mod worker;
