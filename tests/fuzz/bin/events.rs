//! Fuzzes [`whence_fuzz::events`] by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| whence_fuzz::events::run(data));
