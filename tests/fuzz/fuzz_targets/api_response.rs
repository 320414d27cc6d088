#![no_main]

#[allow(dead_code, reason = "each fuzzer uses one target")]
#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::fuzz_api_response(bytes));
