//! What a recorder tells, as the supervisor reads it, and the policy that comes of it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stockade_fuzz::recording(data));
