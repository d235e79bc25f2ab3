//! The view as a fold and its readers see it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::Duration;

use super::*;

mod against_an_oracle;
mod back_pressure;
mod bulk_loading;
mod digests;
mod failing;
mod merging;
mod older;
mod one_moment;
mod quarantine;
mod reopening;

const SCHEMA: Schema = Schema { name: "test", version: 1 };

/// Flushes as often as it can.
fn eager() -> Options {
    Options { flush_rows: 1, flush_interval: Duration::ZERO, ..lazy() }
}

/// Flushes only when asked to.
fn lazy() -> Options {
    Options {
        cache_bytes: 1 << 20,
        flush_rows: usize::MAX,
        flush_bytes: usize::MAX,
        flush_interval: Duration::from_secs(3_600),
        ..Options::default()
    }
}

fn open(dir: &Path, options: Options) -> View {
    View::open(dir, SCHEMA, options).unwrap()
}

/// Changes of text rows under prefix `r`; a value of "-" deletes.
fn changes(rows: &[(&str, &str)]) -> Changes {
    let mut changes = Changes::new(SCHEMA.version);
    for (key, value) in rows {
        match *value {
            "-" => changes.delete(format!("r{key}")),
            value => changes.put_row(format!("r{key}"), value).unwrap(),
        }
    }
    changes
}

/// All rows and the head as one line.
fn text(reader: &ViewReader) -> String {
    let rows = reader.scan_prefix_rows::<String>(b"r", Direction::Ascending);
    let rows =
        rows.map(|row| row.unwrap()).map(|(key, value)| format!("{}={value} ", String::from_utf8_lossy(&key[1..])));
    format!("{}@{}", rows.collect::<String>(), String::from_utf8_lossy(reader.head()))
}
