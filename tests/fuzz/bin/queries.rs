//! Fuzzes [`whence_fuzz::queries`] by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| whence_fuzz::queries::run(data));
