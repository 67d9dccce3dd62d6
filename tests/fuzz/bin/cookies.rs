//! Fuzzes [`whence_fuzz::cookies`] by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| whence_fuzz::cookies::run(data));
