//! Rows of a list one below another: a line of JSON each, or a line of a table.

use std::io;

use bytes::Bytes;
use csv::{QuoteStyle, Terminator, Writer, WriterBuilder};
use serde::Serialize;
use serde_json::Value;

/// A row that can stand alone.
pub(crate) trait Row {
    /// The names of a table's columns: those of the fields in JSON, in that order.
    const COLUMNS: &'static [&'static str];

    /// The row as JSON, without a line's end in it.
    fn write_line(&self, to: &mut Vec<u8>) -> io::Result<()>;

    /// The row as a table's cells.
    fn cells(&self) -> io::Result<Vec<String>>;
}

/// The JSON of a row whose texts are short: no line's end is in it, for in JSON each is written `\n`.
pub(crate) fn write_line(row: &impl Serialize, to: &mut Vec<u8>) -> io::Result<()> {
    Ok(serde_json::to_writer(to, row)?)
}

/// The cells of a row, out of its JSON.
pub(crate) fn cells(row: &impl Serialize, columns: &[&str]) -> io::Result<Vec<String>> {
    let row = serde_json::to_value(row)?;
    let cell = |name: &&str| match row.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => guarded(text),
        Some(other) => other.to_string(),
    };
    Ok(columns.iter().map(cell).collect())
}

/// The text, with an apostrophe before it where a spreadsheet would take it for a formula. One that is there already gets another, so
/// that taking one away always gives the text back. A plain number is no formula, whatever its sign.
pub(crate) fn guarded(text: &str) -> String {
    const FORMULAS: [char; 12] = ['=', '+', '-', '@', '\t', '\r', '\n', '\'', '＝', '＋', '－', '＠'];
    if text.starts_with(FORMULAS) && !is_number(text) { format!("'{text}") } else { text.to_owned() }
}

/// Digits, with a sign before them and a point among them at most.
fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(part)
}

/// Rows on their way out.
pub(crate) struct Sheet {
    rows: Rows,
    failed: Option<io::Error>,
}

enum Rows {
    Lines(Vec<u8>),
    Table(Box<Writer<Vec<u8>>>),
}

impl Sheet {
    /// One with a line of JSON for each row.
    pub(crate) fn of_lines(capacity: usize) -> Sheet {
        Sheet { rows: Rows::Lines(Vec::with_capacity(capacity)), failed: None }
    }

    /// A table (RFC 4180), or more of one where the names of its columns stand above already.
    pub(crate) fn of_cells(capacity: usize, columns: Option<&[&str]>) -> Sheet {
        // All cells stand in quotes: some programs take a semicolon outside of them for the end of a cell.
        let mut table = WriterBuilder::new()
            .terminator(Terminator::CRLF)
            .quote_style(QuoteStyle::Always)
            .from_writer(Vec::with_capacity(capacity));
        let failed = columns.and_then(|columns| table.write_record(columns).err()).map(io::Error::other);
        Sheet { rows: Rows::Table(Box::new(table)), failed }
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, row: &impl Row) {
        let added = match &mut self.rows {
            Rows::Lines(lines) => row.write_line(lines).map(|()| lines.push(b'\n')),
            Rows::Table(table) => row.cells().and_then(|cells| table.write_record(cells).map_err(io::Error::other)),
        };
        if let Err(error) = added {
            self.failed.get_or_insert(error);
        }
    }

    /// What was written.
    pub(crate) fn into_bytes(self) -> io::Result<Bytes> {
        let bytes = match self.rows {
            Rows::Lines(lines) => lines,
            Rows::Table(table) => table.into_inner().map_err(|error| io::Error::other(error.to_string()))?,
        };
        self.failed.map_or(Ok(Bytes::from(bytes)), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_texts_and_numbers_stay_numbers() {
        let cases = [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1+2", "'-1+2"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("＝1", "'＝1"),
            ("'quoted", "''quoted"),
            ("-1.5", "-1.5"),
            ("-15", "-15"),
            ("--1", "'--1"),
            ("--1.5", "'--1.5"),
            ("-", "'-"),
            ("-1.", "'-1."),
            ("150.25", "150.25"),
            ("AAPL", "AAPL"),
            ("a=b", "a=b"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(guarded(text), expected, "{text}");
        }
    }
}
