//! A record of the kernel's audit as the supervisor reads it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stockade_fuzz::audit(data));
