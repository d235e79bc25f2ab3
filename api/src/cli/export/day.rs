//! The file of one day: under its name once it is whole and synced, else not there.
//!
//! Whether it has to be written again stands in its own metadata: a day that was still running, or orders that were still open.

use std::fs::{File, Permissions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use orderledger_domain::timestamp::Day;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use serde_json::Value;

use super::table::{Columns, Table};
use crate::cli::Failure;
use crate::cli::exit::in_full;

/// Rows of one row group: what is held in memory.
const GROUP_ROWS: usize = 65_536;
/// The largest line that is read.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// What is not whole ends so; no reader of `*.parquet` takes it.
const UNFINISHED: &str = ".unfinished";
/// The entry of the metadata that says whether what the file says never changes.
const FINAL: &str = "orderledger.final";

/// What was written.
pub(super) struct Written {
    pub(super) rows: u64,
}

/// The directory of a day, and the file in it.
pub(super) fn names(out: &Path, table: &Table, day: Day) -> (PathBuf, PathBuf) {
    let directory = out.join(table.name).join(format!("day={day}"));
    let file = directory.join("part-0.parquet");
    (directory, file)
}

/// Whether the day is there and needs not be written again. What is no Parquet file of that table is written anew.
pub(super) fn stands(path: &Path, table: &Table) -> Result<bool, Failure> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(told(path, &error)),
    };
    let Ok(reader) = SerializedFileReader::new(file) else { return Ok(false) };
    let metadata = reader.metadata().file_metadata();
    let is_final = metadata
        .key_value_metadata()
        .into_iter()
        .flatten()
        .any(|entry| entry.key == FINAL && entry.value.as_deref() == Some("true"));
    Ok(is_final && metadata.schema() == table.schema().map_err(|error| failed(path, &error, None))?.as_ref())
}

/// Removes what an export that was killed has left.
pub(super) fn leftovers(directory: &Path) -> Result<(), Failure> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(told(directory, &error)),
    };
    for entry in entries {
        let path = entry.map_err(|error| told(directory, &error))?.path();
        if path.to_string_lossy().ends_with(UNFINISHED) {
            std::fs::remove_file(&path).map_err(|error| told(&path, &error))?;
        }
    }
    Ok(())
}

/// The rows of an answer, a line of JSON each; an answer that breaks off is a failure.
pub(super) fn read_lines(body: impl Read, url: &str) -> impl Iterator<Item = Result<Value, Failure>> {
    let (mut body, mut line, url) = (BufReader::with_capacity(1 << 18, body), Vec::new(), url.to_owned());
    std::iter::from_fn(move || {
        line.clear();
        let broken = |why: &dyn std::fmt::Display| {
            Failure::failed(format!("{url} broke off: {why}; give the same command again: it goes on with this day"))
        };
        match Read::by_ref(&mut body).take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_slice(&line).map_err(|error| broken(&error))),
            Err(error) => Some(Err(broken(&error))),
        }
    })
}

/// Writes the day beside its name, syncs it, and gives it its name.
pub(super) fn write(
    table: &Table,
    (directory, path): (&Path, &Path),
    is_over: bool,
    rows: impl Iterator<Item = Result<Value, Failure>>,
) -> Result<Written, Failure> {
    std::fs::create_dir_all(directory).map_err(|error| told(path, &error))?;
    // It is for others to read; the umask says for whom.
    let mut made = tempfile::Builder::new();
    let made = made.prefix(".part-").suffix(UNFINISHED).permissions(Permissions::from_mode(0o666));
    let unfinished = made.tempfile_in(directory).map_err(|error| told(path, &error))?;
    let refused = Arc::new(Mutex::new(None));
    let to = unfinished.reopen().map_err(|error| told(path, &error))?;
    let to = Disk { file: to, refused: Arc::clone(&refused) };
    let wrong = |error: ParquetError| {
        let refused = refused.lock().unwrap_or_else(PoisonError::into_inner).take();
        failed(path, &error, refused.as_ref())
    };
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by(concat!("orderledger ", env!("CARGO_PKG_VERSION")).to_owned());
    let schema = table.schema().map_err(wrong)?;
    let mut writer = SerializedFileWriter::new(to, schema, Arc::new(properties.build())).map_err(wrong)?;
    let (mut count, mut is_final, mut columns) = (0_u64, is_over, Columns::of(table));
    for row in rows {
        let row = row?;
        is_final &= table.is_final(&row);
        columns.add(&row).map_err(|why| Failure::failed(format!("{}: {why}", path.display())))?;
        count = count.saturating_add(1);
        if columns.rows() >= GROUP_ROWS {
            columns.write(&mut writer).map_err(wrong)?;
        }
    }
    if columns.rows() > 0 {
        columns.write(&mut writer).map_err(wrong)?;
    }
    writer.append_key_value_metadata(KeyValue::new(FINAL.to_owned(), is_final.to_string()));
    writer.close().map_err(wrong)?;
    unfinished.as_file().sync_all().map_err(|error| told(path, &error))?;
    unfinished.persist(path).map_err(|error| told(path, &error.error))?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(|error| told(path, &error))?;
    Ok(Written { rows: count })
}

/// The file, which keeps what the disk said: Parquet's own error has only a text of it.
struct Disk {
    file: File,
    refused: Arc<Mutex<Option<io::Error>>>,
}

impl Disk {
    fn keep<T>(&self, done: io::Result<T>) -> io::Result<T> {
        done.inspect_err(|error| {
            let same = error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error);
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(same);
        })
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let done = self.file.write(bytes);
        self.keep(done)
    }

    fn flush(&mut self) -> io::Result<()> {
        let done = self.file.flush();
        self.keep(done)
    }
}

fn failed(path: &Path, error: &ParquetError, refused: Option<&io::Error>) -> Failure {
    refused.map_or_else(|| Failure::failed(format!("{}: {error}", path.display())), |refused| told(path, refused))
}

/// What a disk said of a day.
fn told(path: &Path, error: &io::Error) -> Failure {
    let (what, path) = (in_full(error), path.display());
    Failure::failed(match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => format!(
            "{path}: no room: {what}; the files that are there are whole, and of this one nothing is left; make room and give \
             the same command again: it goes on with this day"
        ),
        _ => format!("{path}: {what}"),
    })
}
