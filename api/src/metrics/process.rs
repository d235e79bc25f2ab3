//! The process itself, under the names that every program has.

use std::fmt;
use std::time::Duration;

use super::text::{NO_LABELS, Text, number};
use crate::spent;

pub(super) fn write(text: &mut Text<'_>) -> fmt::Result {
    text.gauge("process_resident_memory_bytes", "Memory held", number(spent::held_bytes()))?;
    text.gauge("process_open_fds", "Files and sockets that are open", number(spent::open_files()))?;
    text.gauge("process_threads", "Threads", number(spent::threads()))?;
    let cpu = Duration::from_millis(spent::cpu_millis()).as_secs_f64();
    text.counters("process_cpu_seconds", "Processor time, of the user and of the system", [(NO_LABELS, cpu)])?;
    let build = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("librdkafka", &orderledger_store::event_log::kafka::client_version()),
    ];
    text.gauges("orderledger_build_info", "Always 1; its labels say what was built", [(build, 1.0)])
}
