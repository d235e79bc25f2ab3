//! Records from a running server: the audit trail by partitions, or one user's history, which that user may read, too.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use orderledger_domain::ids::UserId;
use orderledger_domain::position::{Position, Topic, TopicPartition};
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::event_log::Record;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::filter::Filter;
use super::{Seen, Source, newest};
use crate::cli::Failure;
use crate::cli::server::{Look, Page, Server};

/// How long nothing is asked when nothing came.
const PAUSE: Duration = Duration::from_millis(200);
/// The largest page.
const PAGE: usize = 1000;

pub(super) struct FromServer {
    server: Server,
    filter: Filter,
    /// Whether what isn't there may come later.
    patient: bool,
    /// Whether the newest are shown: only then it is known what comes after, and a server that goes away may come back.
    begun: bool,
    /// Why the server is away, as it was told.
    told: String,
}

/// A row of the audit trail, or of a history.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    position: String,
    recorded_at: String,
    key: Option<String>,
    key_base64: Option<String>,
    event: Option<Box<RawValue>>,
    value_base64: Option<String>,
}

/// Where the audit trail of a partition ends.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    topic: String,
    partition: u32,
    last_offset: Option<u64>,
}

impl FromServer {
    pub(super) fn open(server: Server, filter: Filter, patient: bool) -> Result<Box<dyn Source>, Failure> {
        let user = filter.user.clone().filter(|_| filter.topic.is_none_or(|topic| topic == Topic::Orders));
        let asking = FromServer { server, filter, patient, begun: false, told: String::new() };
        Ok(match user {
            Some(user) => Box::new(History { asking, user, last: None }),
            None => Box::new(Trail { asking, places: Vec::new() }),
        })
    }

    /// What it says; none while it is away or doesn't know, if that is waited for.
    fn ask<A: serde::de::DeserializeOwned>(&mut self, path: &str) -> Result<Option<A>, Failure> {
        match self.server.look(path)? {
            Look::Answer(answer) => {
                self.told.clear();
                Ok(Some(answer))
            }
            Look::Unknown(_) if self.patient => Ok(None),
            Look::Unknown(failure) => Err(failure),
            Look::Away(why) if self.begun => {
                if self.told != why {
                    tracing::warn!("{why}; asking again until it answers");
                    self.told = why;
                }
                Ok(None)
            }
            Look::Away(why) => Err(Failure::failed(why)),
        }
    }

    /// The rows of a list while they are wanted, page by page; none if the server went away meanwhile.
    fn rows(&mut self, path: &str, mut wanted: impl FnMut(&Seen) -> bool) -> Result<Option<Vec<Seen>>, Failure> {
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let Some(page) = self.ask::<Page<Row>>(&format!("{path}{cursor}"))? else { return Ok(None) };
            for row in page.data {
                let seen = self.seen(row)?;
                if !wanted(&seen) {
                    return Ok(Some(rows));
                }
                rows.push(seen);
            }
            match page.next_cursor {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(Some(rows)),
            }
        }
    }

    /// The record that a row shows, byte for byte.
    fn seen(&self, row: Row) -> Result<Seen, Failure> {
        let strange =
            || Failure::failed(format!("{} answers with what is no record at {}", self.server.url(), row.position));
        let decoded = |text: &String| BASE64_STANDARD.decode(text).map_err(|_| strange());
        let position: Position = row.position.parse().map_err(|_| strange())?;
        let value = match (&row.value_base64, &row.event) {
            (Some(bytes), _) => Some(decoded(bytes)?),
            (None, Some(event)) => Some(event.get().as_bytes().to_vec()),
            (None, None) => None,
        };
        let of_user = || self.filter.user.as_ref().map(|user| user.as_str().as_bytes().to_vec());
        let key = match (&row.key_base64, &row.key) {
            (Some(bytes), _) => Some(decoded(bytes)?),
            (None, Some(key)) => Some(key.as_bytes().to_vec()),
            // A history has the user's records alone.
            (None, None) => of_user(),
        };
        let record = Record {
            offset: position.offset,
            recorded_at_ms: Timestamp::parse(&row.recorded_at).ok_or_else(strange)?.millis(),
            key: key.map(Into::into),
            value: value.map(Into::into),
            headers: Vec::new(),
        };
        Ok((position.topic_partition(), record))
    }
}

/// The audit trail, partition by partition.
struct Trail {
    asking: FromServer,
    /// Each wanted partition, and where what comes begins.
    places: Vec<(TopicPartition, u64)>,
}

impl Trail {
    /// Where each wanted partition ends now.
    fn ends(&mut self) -> Result<Vec<(TopicPartition, u64)>, Failure> {
        let heads: Page<Head> = match self.asking.ask("/v1/audit/proof?waitMs=0")? {
            Some(heads) => heads,
            None => return Ok(Vec::new()),
        };
        let topic = |head: &Head| head.topic.parse::<Topic>().ok();
        let of = |head: &Head| {
            Some((topic(head)?.at(head.partition), head.last_offset.map_or(0, |last| last.saturating_add(1))))
        };
        let wanted = self
            .asking
            .filter
            .partitions(heads.data.iter().map(|head| head.partition.saturating_add(1)).max().unwrap_or(0));
        Ok(heads.data.iter().filter_map(of).filter(|(of, _)| wanted.contains(of)).collect())
    }

    /// What fits of a stretch of offsets; none if the server went away.
    fn read(&mut self, of: TopicPartition, from: u64, to: u64) -> Result<Option<Vec<Seen>>, Failure> {
        let (topic, partition, query) = (of.topic, of.partition, self.asking.filter.query());
        let path = format!("/v1/audit/events?topic={topic}&partition={partition}&from={from}&limit={PAGE}{query}");
        let filter = self.asking.filter.clone();
        let rows = self.asking.rows(&path, |(_, record)| record.offset < to)?;
        Ok(rows.map(|rows| rows.into_iter().filter(|(_, record)| filter.takes(record)).collect()))
    }
}

impl Source for Trail {
    fn newest(&mut self, count: usize) -> Result<Vec<Seen>, Failure> {
        self.places = self.ends()?;
        let mut found = Vec::new();
        for (of, end) in self.places.clone() {
            let read = |from, to| Ok(self.read(of, from, to)?.unwrap_or_default());
            found.extend(newest::of_partition((0, end), count, read)?);
        }
        self.asking.begun = true;
        Ok(newest::of_all(found, count))
    }

    fn next(&mut self) -> Result<Vec<Seen>, Failure> {
        let mut found = Vec::new();
        for (of, end) in self.ends()? {
            let known = self.places.iter().find(|(known, _)| *known == of).map_or(0, |(_, place)| *place);
            if end <= known {
                continue;
            }
            let Some(records) = self.read(of, known, end)? else { break };
            found.extend(records);
            match self.places.iter_mut().find(|(known, _)| *known == of) {
                Some((_, place)) => *place = end,
                None => self.places.push((of, end)),
            }
        }
        if found.is_empty() {
            std::thread::park_timeout(PAUSE);
        }
        Ok(found)
    }
}

/// One user's history.
struct History {
    asking: FromServer,
    user: UserId,
    /// The newest record that was shown.
    last: Option<Position>,
}

impl History {
    fn rows(&mut self, more: &str, wanted: impl FnMut(&Seen) -> bool) -> Result<Vec<Seen>, Failure> {
        let path = format!("/v1/accounts/{}/transactions?limit={PAGE}{}{more}", self.user, self.asking.filter.query());
        Ok(self.asking.rows(&path, wanted)?.unwrap_or_default())
    }
}

impl Source for History {
    fn newest(&mut self, count: usize) -> Result<Vec<Seen>, Failure> {
        // One says where what comes begins, even if nothing is to be shown.
        let mut left = count.max(1);
        let mut found = self.rows("&order=desc", |_| {
            let takes = left > 0;
            left = left.saturating_sub(1);
            takes
        })?;
        found.reverse();
        self.last = found.last().map(|(of, record)| of.offset(record.offset));
        self.asking.begun = true;
        Ok(found.split_off(found.len().saturating_sub(count)))
    }

    fn next(&mut self) -> Result<Vec<Seen>, Failure> {
        let after = self.last.map_or_else(String::new, |last| format!("&after={last}"));
        let found = self.rows(&format!("&order=asc{after}"), |_| true)?;
        match found.last() {
            Some((of, record)) => self.last = Some(of.offset(record.offset)),
            None => std::thread::park_timeout(PAUSE),
        }
        Ok(found)
    }
}
