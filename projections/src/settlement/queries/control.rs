//! Reads of what control events have set.

use orderledger_store::Error;
use orderledger_store::keys::{self, KeyReader};
use orderledger_store::views::{Direction, ViewReader};
use serde::de::DeserializeOwned;

use super::super::rows::{FEES, FeeScheduleRow, RULES, RulesRow, STREAM_KEY, StreamKeyRow, control_key};

/// The fee rates of orders accepted from now on, as they stand in partition 0; none until they are set.
pub fn fee_schedule(reader: &ViewReader) -> Result<Option<FeeScheduleRow>, Error> {
    reader.get_row(&control_key(FEES, 0))
}

/// The fee rates by which intake of that partition judges; none until they are set there.
pub fn fee_schedule_in(reader: &ViewReader, partition: u32) -> Result<Option<FeeScheduleRow>, Error> {
    reader.get_row(&control_key(FEES, partition))
}

/// The fee rates as they stand in every partition.
pub fn fee_schedules(reader: &ViewReader) -> impl Iterator<Item = Result<(u32, FeeScheduleRow), Error>> + use<> {
    by_partition(reader, FEES)
}

/// The version of the stages' rules as it stands in partition 0; none until another than the first is set.
pub fn rules_version(reader: &ViewReader) -> Result<Option<RulesRow>, Error> {
    rules_version_in(reader, 0)
}

/// The version of the rules by which intake of that partition judges; none until another than the first is set there.
pub fn rules_version_in(reader: &ViewReader, partition: u32) -> Result<Option<RulesRow>, Error> {
    reader.get_row(&control_key(RULES, partition))
}

/// The version of the stages' rules as it stands in every partition.
pub fn rules_versions(reader: &ViewReader) -> impl Iterator<Item = Result<(u32, RulesRow), Error>> + use<> {
    by_partition(reader, RULES)
}

/// The key of the streams as it stands in partition 0; none until one is set.
pub fn stream_key(reader: &ViewReader) -> Result<Option<StreamKeyRow>, Error> {
    reader.get_row(&control_key(STREAM_KEY, 0))
}

/// The key of the streams as it stands in every partition.
pub fn stream_keys(reader: &ViewReader) -> impl Iterator<Item = Result<(u32, StreamKeyRow), Error>> + use<> {
    by_partition(reader, STREAM_KEY)
}

fn by_partition<R: DeserializeOwned>(
    reader: &ViewReader,
    name: &str,
) -> impl Iterator<Item = Result<(u32, R), Error>> + use<R> {
    let prefix = keys::KeyBuilder::new(keys::CONTROL).name(name).build();
    reader.scan_prefix_rows::<R>(&prefix, Direction::Ascending).map(|row| {
        let (key, row) = row?;
        let mut fields = KeyReader::new(keys::CONTROL, &key)?;
        fields.name()?;
        Ok((fields.u32()?, row))
    })
}
