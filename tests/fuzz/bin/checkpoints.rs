//! Fuzzes [`whence_fuzz::checkpoints`] by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| whence_fuzz::checkpoints::run(data));
