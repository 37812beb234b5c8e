//! `stockade policy learn`: what is learned is a policy, lets the program run again, and grants nothing that it can do
//! without. Needs root.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod learn {
    mod honest;
    mod hostile;
    mod support;
}
