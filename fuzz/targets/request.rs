//! A request as the launcher reads it from the supervisor.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stockade_fuzz::request(data));
