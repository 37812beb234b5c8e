//! A report as the supervisor reads it from the status pipe.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stockade_fuzz::report(data));
