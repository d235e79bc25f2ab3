//! What each record caused: numbered from 0 without a hole, each output where it belongs, none without its cause.

use std::collections::BTreeMap;

use super::Findings;
use super::log::Of;
use super::murmur2::partition_of;
use super::records::{Kind, Rec};

/// The outputs of each record that has some, in their order.
pub(super) type ByCause<'a> = BTreeMap<(Of, u64), Vec<&'a Rec>>;

/// What readers take of all streams, by what caused it.
pub(super) fn by_cause<'a>(all: &'a BTreeMap<Of, Vec<Rec>>, findings: &mut Findings) -> ByCause<'a> {
    let mut outputs = ByCause::new();
    for rec in all.values().flatten().filter(|rec| rec.kind == Kind::Next) {
        if let Some(stamp) = &rec.stamp {
            outputs.entry((stamp.source, stamp.cause_offset)).or_default().push(rec);
        }
    }
    for ((source, offset), caused) in &mut outputs {
        caused.sort_by_key(|rec| rec.stamp.as_ref().map(|stamp| stamp.index));
        let numbered = (0..).zip(caused.iter());
        for (number, rec) in numbered {
            if rec.stamp.as_ref().is_none_or(|stamp| stamp.index != number) {
                findings.add(format!("output {number} of {}-{}@{offset} is not there: {rec}", source.0, source.1));
            }
        }
        let taken = caused.first().is_some_and(|rec| rec.event_type == "StreamKeyTaken");
        let wanted = if source.0 == "orders" && !taken { Kind::Outside } else { Kind::Next };
        let records = all.get(source).map_or(&[][..], Vec::as_slice);
        let cause = records.binary_search_by_key(offset, |rec| rec.offset).ok().and_then(|place| records.get(place));
        if cause.is_none_or(|cause| cause.kind != wanted)
            && let Some(first) = caused.first()
        {
            findings.add(format!("nobody asked for it: {first}"));
        }
    }
    outputs
}

/// An answer of intake, and its copies: to the book, to every partition, to the dead letters.
pub(super) fn check_copies(caused: &[&Rec], partitions: u32) -> Result<(), String> {
    let Some((answer, copies)) = caused.split_first() else { return Ok(()) };
    let home = answer.of;
    let targets: Vec<Of> = match answer.event_type.as_str() {
        "OrderAccepted" | "CancelAccepted" | "AmendAccepted" => {
            vec![("books", partition_of(answer.text("symbol")?.as_bytes(), partitions))]
        }
        "FeeScheduleSet" | "RulesVersionSet" | "StreamKeySet" | "SessionClosed" => {
            let everywhere = ["orders", "books"].into_iter().flat_map(|topic| (0..partitions).map(move |p| (topic, p)));
            everywhere.filter(|of| *of != home).collect()
        }
        "RecordRefused" => vec![("dead-letters", home.1)],
        _ => Vec::new(),
    };
    let standing: Vec<Of> = copies.iter().map(|copy| copy.of).collect();
    if standing != targets {
        return Err(format!("its copies stand in {standing:?}, not in {targets:?}: {answer}"));
    }
    for copy in copies {
        let same = copy.event_type == answer.event_type && copy.payload() == answer.payload();
        if !same && copy.event_type != "RecordRefused" {
            return Err(format!("another copy than the answer {}: {copy}", answer.at()));
        }
    }
    Ok(())
}

/// What intake writes where it reads which key to seal with: the key is taken in each of its streams.
pub(super) fn check_taken(set: &Rec, caused: &[&Rec], partitions: u32) -> Result<(), String> {
    let here = set.of.1;
    let orders = (0..partitions).filter(|number| *number == here || here == 0).map(|number| ("orders", number));
    let targets: Vec<Of> =
        orders.chain((0..partitions).map(|number| ("books", number))).chain([("dead-letters", here)]).collect();
    let standing: Vec<Of> = caused.iter().map(|rec| rec.of).collect();
    let alike = caused.iter().all(|rec| rec.event_type == "StreamKeyTaken" && rec.payload() == set.payload());
    if standing == targets && alike { Ok(()) } else { Err(format!("taken in {standing:?}, not in {targets:?}: {set}")) }
}
