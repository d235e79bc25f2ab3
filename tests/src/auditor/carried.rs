//! What a record carries of whoever asked: from the third version of the rules on, all that a record caused belongs to what
//! that record belongs to.
#![expect(clippy::indexing_slicing, reason = "what is not in a JSON value is null")]

use super::records::Rec;

/// The outputs of one record under that version of the rules.
pub(super) fn check(cause: &Rec, caused: &[&Rec], rules: i128) -> Result<(), String> {
    let due = (if rules > 2 { "2.1" } else { "2.0" }, if rules > 2 { correlation(cause) } else { None });
    for rec in caused {
        let carried = (rec.version().unwrap_or_default(), rec.json["metadata"]["correlationId"].as_str());
        // What can't be read at all belongs to nothing.
        let is_none = rec.event_type == "RecordRefused" && carried == (due.0, None);
        if carried != due && !is_none {
            return Err(format!("{rec} carries {carried:?}, due was {due:?}, as it was caused by {cause}"));
        }
    }
    Ok(())
}

/// What a record belongs to, if it is of a version that has that.
fn correlation(rec: &Rec) -> Option<&str> {
    let has = rec.version().is_some_and(|version| version.starts_with("2.") && version != "2.0");
    let id = rec.json["metadata"]["correlationId"].as_str()?;
    let is_one = (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    (has && is_one).then_some(id)
}
