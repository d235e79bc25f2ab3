//! Heads that somebody saved: answers of `GET /v1/audit/proof`, `…/checkpoints`, `…/proof/consistency` and of a record's proof.

use std::collections::BTreeMap;

use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_projections::audit::Chain;
use orderledger_projections::audit::merkle::Hash;
use serde_json::Value;

use super::lines::unhex;

/// Saved heads by partition and size.
#[derive(Clone, Debug, Default)]
pub(crate) struct Saved(BTreeMap<TopicPartition, BTreeMap<u64, SavedHead>>);

/// What was saved of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SavedHead {
    sha256: Hash,
    root: Option<Hash>,
}

impl Saved {
    /// Takes the heads of an answer; says what is wrong with it otherwise.
    pub(crate) fn take(&mut self, text: &str) -> Result<(), String> {
        let answer: Value = serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
        let rows: Vec<&Value> = match answer.get("data").and_then(Value::as_array) {
            Some(rows) => rows.iter().collect(),
            None => ["checkpoint", "from", "to"].iter().filter_map(|name| answer.get(*name)).collect(),
        };
        if rows.is_empty() {
            return Err("holds no head: give it an answer of GET /v1/audit/proof or /v1/audit/checkpoints".to_owned());
        }
        for row in rows {
            let (of, size, head) = read(row).ok_or_else(|| format!("holds what is no head: {row}"))?;
            if self.0.entry(of).or_default().insert(size, head).is_some_and(|other| other != head) {
                return Err(format!("another saved head of {of} at {size} records differs from it"));
            }
        }
        Ok(())
    }

    /// Whether the saved head of so many records, if there is one, is this one; true of one that was compared.
    pub(super) fn compare(&self, of: TopicPartition, chain: &Chain) -> Result<bool, String> {
        let Some(saved) = self.0.get(&of).and_then(|sizes| sizes.get(&chain.count())) else { return Ok(false) };
        let equal = saved.sha256 == chain.sha256 && saved.root.is_none_or(|root| root == chain.tree.root());
        let differs = || format!("the saved head of {} records is another: a record up to here differs", chain.count());
        if equal { Ok(true) } else { Err(differs()) }
    }

    /// The largest saved size of a partition.
    pub(super) fn largest(&self, of: TopicPartition) -> Option<u64> {
        self.0.get(&of)?.keys().next_back().copied()
    }

    /// The partitions of which a head with records was saved.
    pub(super) fn partitions(&self) -> impl Iterator<Item = TopicPartition> {
        self.0.iter().filter(|(_, sizes)| sizes.keys().any(|size| *size > 0)).map(|(of, _)| *of)
    }

    /// How many heads were saved.
    pub(super) fn len(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }
}

fn read(row: &Value) -> Option<(TopicPartition, u64, SavedHead)> {
    let topic = row.get("topic")?.as_str()?.parse::<Topic>().ok()?;
    let partition = u32::try_from(row.get("partition")?.as_u64()?).ok()?;
    let size = row.get("count").or_else(|| row.get("treeSize"))?.as_u64()?;
    let hash = |name: &str| row.get(name).map(|value| value.as_str().and_then(unhex));
    let root = match hash("rootHash") {
        Some(root) => Some(root?),
        None => None,
    };
    Some((topic.at(partition), size, SavedHead { sha256: hash("sha256")??, root }))
}
