//! A feed's text, line by line, with errors that name the line.

use std::io::{self, BufRead};

/// A file that can't be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A line that can't be used.
    #[error("line {line}: {what}")]
    Line {
        /// Its number, from 1.
        line: u64,
        /// What is wrong with it, and what to do.
        what: String,
    },
    /// Files that don't belong together, or an option that doesn't fit the file.
    #[error("{0}")]
    Files(String),
    /// The file could not be read.
    #[error("the file could not be read; check that it is there, is plain text and may be read")]
    Unreadable(#[source] io::Error),
}

impl ImportError {
    /// A line that can't be used.
    pub fn line(line: u64, what: impl Into<String>) -> ImportError {
        ImportError::Line { line, what: what.into() }
    }
}

/// Calls `take` with the number and text of every line that is not blank.
pub fn for_each(
    text: impl BufRead,
    mut take: impl FnMut(u64, &str) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let mut number = 0_u64;
    for line in text.lines() {
        number = number.saturating_add(1);
        let line = line.map_err(ImportError::Unreadable)?;
        let line = line.trim();
        if !line.is_empty() {
            take(number, line)?;
        }
    }
    Ok(())
}

/// Whether a first line names columns instead of having numbers.
pub fn is_header(line: &str) -> bool {
    let first = line.split(',').next().unwrap_or_default().trim();
    !first.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.')
}
