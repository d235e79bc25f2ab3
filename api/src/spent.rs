//! What this process spends: processor time, and the most memory that it held.

use std::fs;
use std::path::Path;

/// A page of `/proc/self/stat`'s clock: it counts in hundredths of a second.
const MILLIS_PER_TICK: u64 = 10;

/// Processor time of this process so far, in milliseconds; 0 where the system doesn't tell (it does on Linux).
pub(crate) fn cpu_millis() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program may hold spaces; after it the 12th and 13th fields are user and system time.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks.saturating_mul(MILLIS_PER_TICK)
}

/// Forgets how much memory was held at most.
pub(crate) fn forget_peak() {
    forget_peak_of(std::process::id());
}

/// The most memory that this process held since then, in bytes.
pub(crate) fn peak_bytes() -> u64 {
    peak_bytes_of(std::process::id())
}

/// The same of another process of this user.
pub(crate) fn forget_peak_of(process: u32) {
    // Where the system has no such file the figure is that of the whole run.
    let _ = fs::write(format!("/proc/{process}/clear_refs"), "5");
}

/// The most memory that a process held since then, in bytes.
pub(crate) fn peak_bytes_of(process: u32) -> u64 {
    bytes_of(process, "VmHWM:")
}

/// The memory that a process holds now, in bytes.
pub(crate) fn held_bytes_of(process: u32) -> u64 {
    bytes_of(process, "VmRSS:")
}

fn bytes_of(process: u32, what: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let kib: u64 = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0);
    kib.saturating_mul(1024)
}

/// The memory that this process holds now, in bytes.
pub(crate) fn held_bytes() -> u64 {
    held_bytes_of(std::process::id())
}

/// The threads of this process; 0 where the system doesn't tell.
pub(crate) fn threads() -> u64 {
    threads_of(std::process::id())
}

/// The threads of another process of this user.
pub(crate) fn threads_of(process: u32) -> u64 {
    entries(&format!("/proc/{process}/task"))
}

/// The files and sockets that this process has open; 0 where the system doesn't tell.
pub(crate) fn open_files() -> u64 {
    // The directory that is being read is one of them.
    entries("/proc/self/fd").saturating_sub(1)
}

/// The same of another process of this user.
pub(crate) fn open_files_of(process: u32) -> u64 {
    entries(&format!("/proc/{process}/fd"))
}

/// The bytes of all files below a directory; what goes away meanwhile counts nothing.
pub(crate) fn file_bytes_below(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => file_bytes_below(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

fn entries(of: &str) -> u64 {
    fs::read_dir(of).map_or(0, |entries| u64::try_from(entries.count()).unwrap_or(u64::MAX))
}
