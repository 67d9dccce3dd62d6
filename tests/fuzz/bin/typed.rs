//! Fuzzes [`whence_fuzz::typed`] by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| whence_fuzz::typed::run(data));
