//! What a job says to the proxy that is its network.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stockade_fuzz::egress(data));
