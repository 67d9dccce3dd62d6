//! Fuzzes [`whence_fuzz::forwarded`] by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| whence_fuzz::forwarded::run(data));
