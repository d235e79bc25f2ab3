//! One fuzzer for every way in: `ORDERLEDGER_FUZZ_TARGET` names which. Run by `fuzz/run`.
#![no_main]

mod targets;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<targets::Target> = LazyLock::new(targets::chosen);

fuzz_target!(|data: &[u8]| TARGET(data));
