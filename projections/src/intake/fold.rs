//! The fold itself: one record in, state forward, outputs out.

use orderledger_domain::envelope::{Envelope, Refusal};
use orderledger_domain::event::{DuplicateIgnored, Event, RecordRefused};
use orderledger_domain::ids::KeyId;
use orderledger_domain::planted::{self, Bug};
use orderledger_domain::position::Topic;
use orderledger_domain::reason::RefuseReason;
use orderledger_domain::rules::Rules;
use orderledger_domain::stream::StreamKey;
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::id_index::{IdKind, IndexPosition, Kept};
use orderledger_store::{Error, codec};
use serde::{Deserialize, Serialize};

use super::accounts::Accounts;
use super::arrival::{Arrivals, Taken};
use super::decide::Answering;
use super::identity::{Id, Identities, Known, content_digest, event_key};
use super::judge::{self, REFUSED_KEY};
use super::keys::{intake_targets, unsealed};
use super::notice;
use crate::stage::emitter::{EmittedMarks, Emitter, Output};
use crate::stage::fold::{Failure, StageFold};
use crate::worker::partition::Accounting;
use crate::worker::read::Read;

/// Intake of one partition of `orders`.
#[derive(Debug)]
pub struct Intake {
    partition: u32,
    partitions: u32,
    pub(super) accounts: Accounts,
    /// The rules in force from the last RulesVersionSet on.
    rules: Rules,
    /// The key of the streams that was granted last.
    pub(super) granted: Option<KeyId>,
    arrivals: Arrivals,
    emitter: Emitter,
    next_offset: u64,
    last: Option<(u64, u64)>,
    accounting: Accounting,
}

#[derive(Serialize, Deserialize)]
struct Image {
    before: ImageV2,
    granted: Option<KeyId>,
}

/// The image of a program that took requests of another key from anybody.
#[derive(Serialize, Deserialize)]
struct ImageV2 {
    before: ImageV1,
    rules: Rules,
    sealed_by: Option<KeyId>,
}

/// The image of a program that knew one version of the rules alone.
#[derive(Serialize, Deserialize)]
struct ImageV1 {
    accounts: Accounts,
    arrivals: Arrivals,
    emitted: EmittedMarks,
    next_offset: u64,
    last: Option<(u64, u64)>,
    accounting: Accounting,
}

/// The snapshot schema's byte in the row codec; the snapshot file carries the schema proper.
const CODEC_SCHEMA: u8 = 3;
/// That of [`ImageV2`].
const CODEC_SCHEMA_V2: u8 = 2;
/// That of [`ImageV1`].
const CODEC_SCHEMA_V1: u8 = 1;

impl StageFold for Intake {
    const NAME: &'static str = "intake";
    const SCHEMA: u16 = 1;
    type Shared = Identities;

    fn new(partition: u32, partitions: u32, key: StreamKey) -> Intake {
        Intake {
            partition,
            partitions,
            accounts: Accounts::default(),
            rules: Rules::default(),
            granted: None,
            arrivals: Arrivals::default(),
            emitter: Emitter::new(Topic::Orders.at(partition), Self::NAME, key),
            next_offset: 0,
            last: None,
            accounting: Accounting::default(),
        }
    }

    fn step(&mut self, read: &Read, identities: &mut Identities, outputs: &mut Vec<Output>) -> Result<(), Failure> {
        let before = outputs.len();
        let mut gap = Ok(());
        match self.arrivals.take(read)? {
            Taken::Repeat => self.accounting.duplicate += 1,
            Taken::Early => {
                self.accounting.rejected += 1;
                gap = Err(Failure::Gap(format!("{}: an own record is missing before it", read.position)));
            }
            Taken::Own => {
                self.apply_control(read, outputs)?;
                self.accounting.ignored += 1;
            }
            Taken::Next => {
                self.apply_next(read, outputs)?;
                self.accounting.applied += 1;
            }
            Taken::Forged(refusal) => self.refuse(read, refusal, None, outputs),
            Taken::Outside => self.judge(read, identities, outputs)?,
        }
        let home = Topic::Orders.at(self.partition);
        for output in outputs.iter().skip(before).filter(|output| output.to == home) {
            self.arrivals.expect(output.mark);
        }
        self.next_offset = read.position.offset.saturating_add(1);
        self.last = Some((read.position.offset, read.digest));
        gap
    }

    fn next_offset(&self) -> u64 {
        self.next_offset
    }

    fn last(&self) -> Option<(u64, u64)> {
        self.last
    }

    fn accounting(&self) -> Accounting {
        self.accounting
    }

    fn image(&self) -> Result<Vec<u8>, Error> {
        let before = ImageV1 {
            accounts: self.accounts.clone(),
            arrivals: self.arrivals.clone(),
            emitted: self.emitter.marks(),
            next_offset: self.next_offset,
            last: self.last,
            accounting: self.accounting,
        };
        let before = ImageV2 { before, rules: self.rules, sealed_by: self.emitter.sealed_by() };
        codec::encode(CODEC_SCHEMA, &Image { before, granted: self.granted })
    }

    fn restore(&mut self, image: &[u8]) -> Result<(), Error> {
        let (image, granted) = match codec::decode(CODEC_SCHEMA, image) {
            Ok(Image { before, granted }) => (before, granted),
            Err(_) => match codec::decode(CODEC_SCHEMA_V2, image) {
                Ok(before @ ImageV2 { sealed_by, .. }) => (before, sealed_by),
                Err(_) => (
                    ImageV2 { before: codec::decode(CODEC_SCHEMA_V1, image)?, rules: Rules::V1, sealed_by: None },
                    None,
                ),
            },
        };
        let ImageV2 { before: image, rules, sealed_by } = image;
        self.emitter.resume(&image.emitted, sealed_by)?;
        self.emitter.check_knows(image.arrivals.keys())?;
        self.rules = rules;
        self.granted = granted;
        self.accounts = image.accounts;
        self.arrivals = image.arrivals;
        self.next_offset = image.next_offset;
        self.last = image.last;
        self.accounting = image.accounting;
        Ok(())
    }

    fn end_batch(folds: &mut [Intake], identities: &mut Identities, durable: bool) -> Result<Kept, Error> {
        if !durable && !identities.index_mut().is_full() {
            return Ok(Kept::already());
        }
        let position = |fold: &Intake| {
            let digest_of_last_record = fold.last.map_or(0, |(_, digest)| digest);
            (fold.partition, IndexPosition { next_offset: fold.next_offset, digest_of_last_record })
        };
        let positions: Vec<_> = folds.iter().map(position).collect();
        identities.index_mut().commit(&positions, durable)
    }

    fn begin_again(identities: &mut Identities) {
        identities.index_mut().forget_uncommitted();
    }

    fn supports_resuming(identities: &Identities, partition: u32, next_offset: u64) -> bool {
        let reaches = |position: IndexPosition| position.next_offset >= next_offset;
        planted::is(Bug::IndexBehindTrusted) || identities.index().position(partition).is_some_and(reaches)
    }
}

impl Intake {
    fn judge(&mut self, read: &Read, identities: &mut Identities, outputs: &mut Vec<Output>) -> Result<(), Failure> {
        let (envelope, event) = match judge::usable(read, self.partitions, self.rules) {
            Ok(usable) => usable,
            Err(refusal) => {
                self.refuse(read, refusal, None, outputs);
                return Ok(());
            }
        };
        match self.identify(read, envelope, event, identities)? {
            Judged::First => {
                let timestamp = envelope.timestamp.min(read.recorded_at);
                self.answering(read, timestamp, outputs, |intake, to| intake.decide(envelope, event, identities, to))?;
                self.accounting.applied += 1;
            }
            Judged::Repeat(original) => {
                let position = read.position;
                let original = position.topic_partition().offset(original);
                let ignored = Event::DuplicateIgnored(DuplicateIgnored { position, original });
                let key = event.user_id().map_or(judge::CONTROL_KEY, |user| user.as_str());
                let timestamp = envelope.timestamp.min(read.recorded_at);
                self.answering(read, timestamp, outputs, |_, to| {
                    to.answer(key, ignored);
                    Ok(())
                })?;
                self.accounting.duplicate += 1;
            }
            Judged::Reused(refusal, original) => {
                tracing::error!(position = %read.position, original, "integrity alarm: {refusal}");
                self.refuse(read, refusal, Some(original), outputs);
            }
            Judged::Unsealed(refusal) => {
                tracing::error!(position = %read.position, "integrity alarm: {refusal}");
                self.refuse(read, refusal, None, outputs);
            }
        }
        Ok(())
    }

    /// Whether the record's ids were used before; a first one claims them.
    fn identify(
        &self,
        read: &Read,
        envelope: &Envelope,
        event: &Event,
        identities: &mut Identities,
    ) -> Result<Judged, Failure> {
        let content = content_digest(event);
        let user = event.user_id().map_or(judge::CONTROL_KEY, |user| user.as_str());
        let (partition, offset) = (self.partition, read.position.offset);
        let event_id = Id { partition, user, bytes: event_key(&envelope.event_id), offset };
        match identities.look_up(IdKind::Event, &event_id, content)? {
            Known::Repeat(original) => return Ok(Judged::Repeat(original)),
            Known::Reused(original) => {
                let detail = format!("eventId {} was used for something else", envelope.event_id);
                return Ok(Judged::Reused(Refusal::new(RefuseReason::IdReused, detail), original));
            }
            Known::Fresh => {}
        }
        // A repeat has been judged by the key of then.
        if let Some(refusal) = unsealed(read, event, self.emitter.key(), self.granted)? {
            return Ok(Judged::Unsealed(refusal));
        }
        let Event::OrderCreated(order) = event else {
            identities.claim(IdKind::Event, &event_id, content);
            return Ok(Judged::First);
        };
        let order_id = Id { partition, user, bytes: order.order_id.as_str().as_bytes(), offset };
        match identities.look_up(IdKind::Order, &order_id, content)? {
            Known::Reused(original) => {
                let detail = format!("orderId {} was used for another order", order.order_id);
                Ok(Judged::Reused(Refusal::new(RefuseReason::DuplicateOrder, detail), original))
            }
            Known::Repeat(original) => {
                identities.claim(IdKind::Event, &event_id, content);
                Ok(Judged::Repeat(original))
            }
            Known::Fresh => {
                identities.claim(IdKind::Event, &event_id, content);
                identities.claim(IdKind::Order, &order_id, content);
                Ok(Judged::First)
            }
        }
    }

    /// Refuses a record: an answer in its partition and a notice among the dead letters. Nothing waits for it.
    fn refuse(&mut self, read: &Read, refusal: Refusal, original: Option<u64>, outputs: &mut Vec<Output>) {
        let position = read.position;
        let original = original.map(|offset| position.topic_partition().offset(offset));
        let Refusal { reason, detail } = refusal;
        let refused = RecordRefused::plain(position, reason, detail, original);
        let notice = notice::notice(read, refused.clone(), self.rules);
        let dead_letters = Topic::DeadLetters.at(self.partition);
        let (partitions, timestamp) = (self.partitions, read.recorded_at);
        let emission = self.emitter.cause(read, self.rules, timestamp);
        let mut to = Answering { emission, outputs, partitions };
        to.answer(REFUSED_KEY, Event::RecordRefused(refused));
        to.emission.emit(dead_letters, REFUSED_KEY, &Event::RecordRefused(notice), to.outputs);
        self.accounting.rejected += 1;
    }

    fn answering<R>(
        &mut self,
        read: &Read,
        timestamp: Timestamp,
        outputs: &mut Vec<Output>,
        decide: impl FnOnce(&mut Intake, &mut Answering<'_>) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        // The emitter is lent out while deciding changes the rest of the state.
        let mut emitter = std::mem::replace(
            &mut self.emitter,
            Emitter::new(Topic::Orders.at(self.partition), Self::NAME, StreamKey::default()),
        );
        let emission = emitter.cause(read, self.rules, timestamp);
        let decided = decide(self, &mut Answering { emission, outputs, partitions: self.partitions });
        self.emitter = emitter;
        decided
    }

    fn apply_next(&mut self, read: &Read, outputs: &mut Vec<Output>) -> Result<(), Failure> {
        self.apply_control(read, outputs)?;
        let Ok(Envelope { event: Ok(event), .. }) = &read.envelope else { return Ok(()) };
        self.accounts.apply_matched(event).map_err(|error| Failure::Halt(format!("{}: {error}", read.position)))
    }

    /// Control events take effect when they are read.
    fn apply_control(&mut self, read: &Read, outputs: &mut Vec<Output>) -> Result<(), Failure> {
        let Ok(Envelope { event: Ok(event), .. }) = &read.envelope else { return Ok(()) };
        match event {
            Event::FeeScheduleSet(fees) => self.accounts.fees = *fees,
            Event::RulesVersionSet(set) => {
                let known = Rules::try_from(set.rules_version);
                self.rules = known.map_err(|unknown| Failure::Halt(format!("{}: {unknown}", read.position)))?;
            }
            Event::StreamKeySet(set) => {
                let (here, time) = (Topic::Orders.at(self.partition), read.recorded_at);
                let targets = intake_targets(here.partition, self.partitions);
                self.emitter.cause(read, self.rules, time).take_key(set.key_id, targets, outputs)?;
            }
            _ => {}
        }
        Ok(())
    }
}

enum Judged {
    First,
    Repeat(u64),
    Reused(Refusal, u64),
    Unsealed(Refusal),
}
