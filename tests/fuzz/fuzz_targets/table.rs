#![no_main]

libfuzzer_sys::fuzz_target!(|steps: Vec<rescind_fuzz::table::Step>| rescind_fuzz::table::run(
    steps
));
