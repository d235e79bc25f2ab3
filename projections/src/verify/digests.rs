//! The digest that a view keeps while its rows change, beside one of the rows as they are.

use orderledger_store::Error;
use orderledger_store::views::{RowsDigest, View};

use super::report::{Check, Report};

impl Report {
    /// Compares the two under [`Check::Digests`]. All rows of the view are read; nothing may be committed to it meanwhile. Whatever the
    /// rows are: whether they are right is for the other checks to say. Rows that can't be read are a difference, too.
    pub fn compare_digest(&mut self, view: &View) -> Result<(), Error> {
        // What is kept is of what stands on the disk, a scan shows what is in memory, too.
        view.flush_and_sync()?;
        let kept = text(view.digest()?.digest);
        let of_rows = match view.compute_digest() {
            Ok(computed) => text(computed.digest),
            Err(damaged @ Error::Corrupt { .. }) => damaged.to_string(),
            Err(error) => return Err(error),
        };
        self.compare(Check::Digests, view.schema().name, &of_rows, &kept, String::clone);
        Ok(())
    }
}

fn text(RowsDigest { sum, rows }: RowsDigest) -> String {
    format!("digest {sum:032x} of {rows} rows")
}
