//! Fuzzes [`whence_fuzz::jwt`] by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| whence_fuzz::jwt::run(data));
