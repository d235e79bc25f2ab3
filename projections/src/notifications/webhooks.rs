//! Webhooks: registered, told so far, given up, to be told again.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use orderledger_domain::position::{Position, Topic};
use orderledger_store::Error;
use orderledger_store::keys;
use orderledger_store::views::{Changes, ViewReader};
use uuid::Uuid;

use super::calls::{Asked, Call};
use super::dead_letters::DeadLetters;
use super::queries;
use super::rows::{self, DeadLetterRow, EarlierRow, MarksRow, ResendRow, WebhookRow};
use super::said::{DeliveryFailed, EarlierSecret, ResendRequested, Said, WebhookMarked, WebhookSet};

/// All webhooks, and what changed since the last batch.
#[derive(Debug, Default)]
pub(super) struct Webhooks {
    known: BTreeMap<Uuid, Webhook>,
    changed: BTreeSet<Uuid>,
    put_dead_letters: BTreeMap<Bytes, DeadLetterRow>,
    put_resends: BTreeMap<Bytes, ResendRow>,
    put_earlier: BTreeMap<Bytes, EarlierRow>,
    deleted: BTreeSet<Bytes>,
}

#[derive(Debug)]
struct Webhook {
    row: WebhookRow,
    marks: MarksRow,
    dead_letters: DeadLetters,
    resends: BTreeSet<Position>,
    /// Earlier secrets have a row.
    has_earlier: bool,
}

impl Webhooks {
    pub(super) fn load(reader: &ViewReader) -> Result<Webhooks, Error> {
        let mut known = BTreeMap::new();
        for (id, row) in queries::webhooks(reader)? {
            let marks = queries::marks(reader, id)?;
            let mut dead_letters = DeadLetters::default();
            for (at, row) in queries::dead_letters_of(reader, id)? {
                dead_letters.insert(at, row.user_id, row.given_up);
            }
            let resends = queries::resends(reader, id)?.into_iter().map(|(at, _)| at).collect();
            let has_earlier = !queries::earlier_secrets(reader, id)?.0.is_empty();
            known.insert(id, Webhook { row, marks, dead_letters, resends, has_earlier });
        }
        Ok(Webhooks { known, ..Webhooks::default() })
    }

    /// Takes what is said of a webhook; false if it changes nothing.
    pub(super) fn hear(&mut self, event_id: Uuid, at: Position, said: Said) -> bool {
        let call = |asked| Call { event_id, at, asked };
        match said {
            Said::WebhookSet(set) => self.set(call, set),
            Said::WebhookDeleted(deleted) => self.delete(call(Asked::Delete), deleted.webhook_id),
            Said::WebhookMarked(marked) => self.mark(marked),
            Said::WebhookDeliveryFailed(failed) => self.give_up(at.offset, failed),
            Said::WebhookResendRequested(request) => self.resend(call, request),
            Said::NotificationsRead(_) | Said::NotificationPreferencesSet(_) => false,
        }
    }

    fn set(&mut self, call: impl FnOnce(Asked) -> Call, set: WebhookSet) -> bool {
        let known = self.known.get(&set.webhook_id).map(|known| &known.row);
        let call = call(if known.is_some() { Asked::Rotate } else { Asked::Register });
        // One that was deleted stays so, the same call again changes nothing, and no secret goes back.
        let is_over = |row: &WebhookRow| {
            row.is_deleted || row.calls.find(call.event_id).is_some() || set.secret_version <= row.secret_version
        };
        if known.is_some_and(is_over) {
            return false;
        }
        let WebhookSet { webhook_id, url, user_id, event_types, secret_version, .. } = set;
        let WebhookSet { previous_until, earlier, key_fingerprint, from, .. } = set;
        let (registered, from) = known.map_or((call.at, from), |row| (row.registered, row.from.clone()));
        let mut calls = known.map(|row| row.calls.clone()).unwrap_or_default();
        calls.push(call);
        let row = WebhookRow {
            url,
            user_id,
            event_types,
            secret_version,
            previous_until,
            key_fingerprint,
            from,
            registered,
            calls,
            dead_letters: 0,
            is_deleted: false,
        };
        match self.known.get_mut(&webhook_id) {
            Some(known) => known.row = row,
            None => {
                let marks = MarksRow { next: row.from.clone(), ..MarksRow::default() };
                let (dead_letters, resends) = (DeadLetters::default(), BTreeSet::new());
                self.known.insert(webhook_id, Webhook { row, marks, dead_letters, resends, has_earlier: false });
            }
        }
        self.keep_earlier(webhook_id, &earlier);
        self.changed.insert(webhook_id);
        true
    }

    fn keep_earlier(&mut self, id: Uuid, earlier: &[EarlierSecret]) {
        let Some(known) = self.known.get_mut(&id) else { return };
        let key = rows::webhook_key(keys::WEBHOOK_SECRETS, id).build();
        let had = std::mem::replace(&mut known.has_earlier, !earlier.is_empty());
        if !earlier.is_empty() {
            self.deleted.remove(&key);
            let row = earlier.iter().map(|secret| (secret.secret_version, secret.until)).collect();
            self.put_earlier.insert(key, EarlierRow(row));
        } else if had {
            remove(&mut self.put_earlier, &mut self.deleted, key);
        }
    }

    fn delete(&mut self, call: Call, id: Uuid) -> bool {
        let Some(known) = self.known.get_mut(&id).filter(|known| !known.row.is_deleted) else { return false };
        known.row.is_deleted = true;
        known.row.calls.push(call);
        known.marks = MarksRow::default();
        for at in std::mem::take(&mut known.dead_letters).into_places() {
            remove(&mut self.put_dead_letters, &mut self.deleted, rows::place_key(keys::WEBHOOK_DEAD_LETTER, id, at));
        }
        for at in std::mem::take(&mut known.resends) {
            remove(&mut self.put_resends, &mut self.deleted, rows::place_key(keys::WEBHOOK_RESEND, id, at));
        }
        self.keep_earlier(id, &[]);
        self.changed.insert(id);
        true
    }

    /// Two servers that tell the same webhook both say how far they are: the further one counts.
    fn mark(&mut self, marked: WebhookMarked) -> bool {
        let WebhookMarked { webhook_id, next, behind, resent, resent_too } = marked;
        let Some(known) = self.known.get_mut(&webhook_id).filter(|known| !known.row.is_deleted) else { return false };
        let goes_back = known.marks.next.iter().any(|known| {
            let other = next.iter().find(|other| other.topic_partition() == known.topic_partition());
            other.is_none_or(|other| other.offset < known.offset)
        });
        if goes_back {
            return false;
        }
        let behind = behind.into_iter().map(|one| (one.user_id, one.next, one.attempts)).collect();
        let resent = resent.max(known.marks.resent);
        let done: Vec<Position> = known.resends.iter().copied().take_while(|at| Some(*at) <= resent).collect();
        for at in done.into_iter().chain(resent_too) {
            if known.resends.remove(&at) {
                remove(&mut self.put_resends, &mut self.deleted, rows::place_key(keys::WEBHOOK_RESEND, webhook_id, at));
            }
        }
        known.marks = MarksRow { next, behind, resent };
        self.changed.insert(webhook_id);
        true
    }

    fn give_up(&mut self, given_up: u64, failed: DeliveryFailed) -> bool {
        let DeliveryFailed { webhook_id, user_id, position, attempts, error } = failed;
        let Some(known) = self.known.get_mut(&webhook_id).filter(|known| !known.row.is_deleted) else { return false };
        let key = rows::place_key(keys::WEBHOOK_DEAD_LETTER, webhook_id, position);
        self.deleted.remove(&key);
        self.put_dead_letters.insert(key, DeadLetterRow { user_id: user_id.clone(), attempts, error, given_up });
        if let Some(oldest) = known.dead_letters.insert(position, user_id, given_up) {
            let key = rows::place_key(keys::WEBHOOK_DEAD_LETTER, webhook_id, oldest);
            remove(&mut self.put_dead_letters, &mut self.deleted, key);
        }
        self.changed.insert(webhook_id);
        true
    }

    /// What is to be sent again is no dead letter any more; if it fails again it becomes one again.
    fn resend(&mut self, call: impl FnOnce(Asked) -> Call, request: ResendRequested) -> bool {
        let ResendRequested { webhook_id, user_id, from, to } = request;
        let Some(known) = self.known.get_mut(&webhook_id).filter(|known| !known.row.is_deleted) else { return false };
        let call = call(Asked::Resend { user_id: user_id.clone(), from, to });
        let is_stretch = from.topic == Topic::Orders && from.topic_partition() == to.topic_partition() && from <= to;
        if !is_stretch || known.row.calls.find(call.event_id).is_some() {
            return false;
        }
        for at in known.dead_letters.remove(from, to, user_id.as_ref()) {
            let key = rows::place_key(keys::WEBHOOK_DEAD_LETTER, webhook_id, at);
            remove(&mut self.put_dead_letters, &mut self.deleted, key);
        }
        known.resends.insert(call.at);
        let key = rows::place_key(keys::WEBHOOK_RESEND, webhook_id, call.at);
        self.put_resends.insert(key, ResendRow { event_id: call.event_id, user_id, from, to });
        known.row.calls.push(call);
        self.changed.insert(webhook_id);
        true
    }

    pub(super) fn write_rows(&mut self, changes: &mut Changes) -> Result<(), Error> {
        for id in std::mem::take(&mut self.changed) {
            if let Some(known) = self.known.get_mut(&id) {
                known.row.dead_letters = u64::try_from(known.dead_letters.len()).unwrap_or(u64::MAX);
                changes.put_row(rows::webhook_key(keys::WEBHOOK, id).build(), &known.row)?;
                changes.put_row(rows::webhook_key(keys::WEBHOOK_MARKS, id).build(), &known.marks)?;
            }
        }
        for (key, row) in std::mem::take(&mut self.put_dead_letters) {
            changes.put_row(key, &row)?;
        }
        for (key, row) in std::mem::take(&mut self.put_resends) {
            changes.put_row(key, &row)?;
        }
        for (key, row) in std::mem::take(&mut self.put_earlier) {
            changes.put_row(key, &row)?;
        }
        for key in std::mem::take(&mut self.deleted) {
            changes.delete(key);
        }
        Ok(())
    }
}

fn remove<R>(put: &mut BTreeMap<Bytes, R>, deleted: &mut BTreeSet<Bytes>, key: Bytes) {
    put.remove(&key);
    deleted.insert(key);
}
