//! A task as a sandbox's init reads it from the supervisor.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stockade_fuzz::task(data));
