//! Fuzzes [`whence_fuzz::bundles`] by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| whence_fuzz::bundles::run(data));
