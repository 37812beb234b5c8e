//! A reply as the supervisor reads it from the launcher.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stockade_fuzz::reply(data));
