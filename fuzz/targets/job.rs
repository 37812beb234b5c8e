//! The columns of a job's row, as anybody who may insert one can fill them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stockade_fuzz::job(data));
