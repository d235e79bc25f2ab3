//! What HTTP and the senders read.

use std::ops::Bound;

use bytes::Bytes;
use orderledger_domain::event::EventType;
use orderledger_domain::ids::UserId;
use orderledger_domain::position::{Position, Topic};
use orderledger_store::keys::{self, KeyBuilder, KeyReader};
use orderledger_store::views::{Direction, ViewReader};
use orderledger_store::{At, Error};
use uuid::Uuid;

use super::rows::{self, DeadLetterRow, EarlierRow, MarksRow, ResendRow, UserRow, WebhookRow};

/// A page looks at no more rows than this, so that finding little among much stays bounded.
const LOOKED_AT_MAX: usize = if cfg!(test) { 8 } else { 20_000 };

/// Which part of an inbox is wanted.
#[derive(Clone, Debug)]
pub struct Inbox<'a> {
    /// Whose.
    pub user: &'a UserId,
    /// Only these types; none: all.
    pub types: Option<&'a [EventType]>,
    /// Only what is not read.
    pub unread: bool,
    /// Newest or oldest first.
    pub direction: Direction,
    /// Behind this offset, in that direction.
    pub after: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// A notification: where its event stands, of which type it is, and whether the user has read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The offset in the user's partition of `orders`.
    pub offset: u64,
    /// The event's type.
    pub event_type: EventType,
    /// Whether it is read.
    pub is_read: bool,
}

/// A page of an inbox, and behind which offset the next one begins, if there may be one. What the user had muted when it
/// happened is not in it.
pub fn inbox(reader: &ViewReader, asked: &Inbox<'_>) -> Result<(Vec<Notification>, Option<u64>), Error> {
    let user = user(reader, asked.user)?;
    let unread_from = user.read_up_to.map_or(0, |read| read.saturating_add(1));
    let low = match (asked.unread, asked.direction, asked.after) {
        (true, Direction::Ascending, after) => after.map_or(0, |after| after.saturating_add(1)).max(unread_from),
        (false, Direction::Ascending, after) => after.map_or(0, |after| after.saturating_add(1)),
        (true, Direction::Descending, _) => unread_from,
        (false, Direction::Descending, _) => 0,
    };
    let high = match (asked.direction, asked.after) {
        (Direction::Descending, Some(after)) => after,
        _ => u64::MAX,
    };
    let key = |offset| rows::notification_key(asked.user, offset);
    if low >= high {
        return Ok((Vec::new(), None));
    }
    let range = (Bound::Included(key(low)), Bound::Excluded(key(high)));
    let (mut page, mut last, mut looked_at) = (Vec::new(), None, 0_usize);
    for row in reader.scan_rows::<u8, Bytes>(range, asked.direction) {
        let (key, number) = row?;
        if page.len() >= asked.limit || looked_at >= LOOKED_AT_MAX {
            return Ok((page, last));
        }
        looked_at = looked_at.saturating_add(1);
        let mut fields = KeyReader::new(keys::NOTIFICATION, &key)?;
        fields.name()?;
        let offset = fields.u64()?;
        last = Some(offset);
        let event_type = read_type(number)?;
        let is_wanted = asked.types.is_none_or(|types| types.contains(&event_type));
        if is_wanted && !user.muted_at(offset).has(event_type) {
            page.push(Notification { offset, event_type, is_read: offset < unread_from });
        }
    }
    Ok((page, None))
}

/// How many entries an inbox has from that offset on, those that were muted included; no more than `max` are looked at.
pub fn entries(reader: &ViewReader, user: &UserId, from: u64, max: usize) -> Result<usize, Error> {
    let key = |offset| rows::notification_key(user, offset);
    let range = (Bound::Included(key(from)), Bound::Included(key(u64::MAX)));
    reader.scan::<Bytes>(range, Direction::Ascending).take(max).try_fold(0, |count: usize, entry| {
        entry?;
        Ok(count.saturating_add(1))
    })
}

/// Every notification of everybody, whatever they want to be told: user by user, in the order of their offsets.
pub fn all(reader: &ViewReader) -> impl Iterator<Item = Result<(UserId, u64, EventType), Error>> + use<> {
    reader.scan_prefix_rows::<u8>(&[keys::NOTIFICATION], Direction::Ascending).map(|row| {
        let (key, number) = row?;
        let mut fields = KeyReader::new(keys::NOTIFICATION, &key)?;
        let corrupt = |_| Error::corrupt(At::Frame, "a notification of no user");
        let user = UserId::new(&fields.name()?).map_err(corrupt)?;
        Ok((user, fields.u64()?, read_type(number)?))
    })
}

fn read_type(number: u8) -> Result<EventType, Error> {
    rows::type_of(number).ok_or_else(|| Error::corrupt(At::Frame, "a notification of no type"))
}

/// Whether the user is told of the event at that offset, and of which type it is.
pub fn notification(reader: &ViewReader, user: &UserId, offset: u64) -> Result<Option<EventType>, Error> {
    let number: Option<u8> = reader.get_row(&rows::notification_key(user, offset))?;
    Ok(number.and_then(rows::type_of))
}

/// How far a user has read, and what the user wants to be told.
pub fn user(reader: &ViewReader, user: &UserId) -> Result<UserRow, Error> {
    Ok(reader.get_row(&rows::user_key(user))?.unwrap_or_default())
}

/// All webhooks, deleted ones included, by id.
pub fn webhooks(reader: &ViewReader) -> Result<Vec<(Uuid, WebhookRow)>, Error> {
    let mut all = Vec::new();
    for row in reader.scan_prefix_rows::<WebhookRow>(&[keys::WEBHOOK], Direction::Ascending) {
        let (key, row) = row?;
        let mut fields = KeyReader::new(keys::WEBHOOK, &key)?;
        all.push((id_of(&fields.name()?)?, row));
    }
    Ok(all)
}

/// A webhook, also a deleted one.
pub fn webhook(reader: &ViewReader, id: Uuid) -> Result<Option<WebhookRow>, Error> {
    reader.get_row(rows::webhook_key(keys::WEBHOOK, id).as_slice())
}

/// Which secrets of a webhook before the newest two still sign.
pub fn earlier_secrets(reader: &ViewReader, id: Uuid) -> Result<EarlierRow, Error> {
    Ok(reader.get_row(rows::webhook_key(keys::WEBHOOK_SECRETS, id).as_slice())?.unwrap_or_default())
}

/// How far a webhook was told.
pub fn marks(reader: &ViewReader, id: Uuid) -> Result<MarksRow, Error> {
    Ok(reader.get_row(rows::webhook_key(keys::WEBHOOK_MARKS, id).as_slice())?.unwrap_or_default())
}

/// A page of a webhook's dead letters in the order of their positions, behind that one; whether there may be more.
pub fn dead_letters(
    reader: &ViewReader,
    id: Uuid,
    after: Option<Position>,
    limit: usize,
) -> Result<(Vec<(Position, DeadLetterRow)>, bool), Error> {
    let prefix = keys::WEBHOOK_DEAD_LETTER;
    let all = rows::webhook_key(prefix, id).build();
    let end = keys::after_prefix(&all).map_or(Bound::Unbounded, |end| Bound::Excluded(Bytes::from(end)));
    let begin = after.map_or(Bound::Included(all), |at| Bound::Excluded(rows::place_key(prefix, id, at)));
    let mut page = Vec::new();
    for row in reader.scan_rows::<DeadLetterRow, Bytes>((begin, end), Direction::Ascending) {
        if page.len() >= limit {
            return Ok((page, true));
        }
        let (key, row) = row?;
        page.push((place_in(prefix, &key, Topic::Orders)?, row));
    }
    Ok((page, false))
}

pub(super) fn dead_letters_of(reader: &ViewReader, id: Uuid) -> Result<Vec<(Position, DeadLetterRow)>, Error> {
    Ok(dead_letters(reader, id, None, usize::MAX)?.0)
}

/// What a webhook is to be sent again, in the order in which that was asked, with where.
pub fn resends(reader: &ViewReader, id: Uuid) -> Result<Vec<(Position, ResendRow)>, Error> {
    let (prefix, mut all) = (keys::WEBHOOK_RESEND, Vec::new());
    let of: KeyBuilder = rows::webhook_key(prefix, id);
    for row in reader.scan_prefix_rows::<ResendRow>(of.as_slice(), Direction::Ascending) {
        let (key, row) = row?;
        all.push((place_in(prefix, &key, Topic::Notifications)?, row));
    }
    Ok(all)
}

fn place_in(prefix: u8, key: &[u8], topic: Topic) -> Result<Position, Error> {
    let mut fields = KeyReader::new(prefix, key)?;
    fields.name()?;
    Ok(topic.at(fields.u32()?).offset(fields.u64()?))
}

fn id_of(name: &str) -> Result<Uuid, Error> {
    Uuid::parse_str(name).map_err(|_| Error::corrupt(At::Frame, "a webhook without an id"))
}
