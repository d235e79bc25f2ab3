//! What this process spends: processor time, and the most memory that it held.

use std::fs;

/// A page of `/proc/self/stat`'s clock: it counts in hundredths of a second.
const MILLIS_PER_TICK: u64 = 10;

/// Processor time of this process so far, in milliseconds; 0 where the system doesn't tell (it does on Linux).
pub(super) fn cpu_millis() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program may hold spaces; after it the 12th and 13th fields are user and system time.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks.saturating_mul(MILLIS_PER_TICK)
}

/// Forgets how much memory was held at most.
pub(super) fn forget_peak() {
    // Where the system has no such file the figure is that of the whole run.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The most memory that this process held since then, in bytes.
pub(super) fn peak_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0);
    kib.saturating_mul(1024)
}
