//! The fold itself: an accepted order, cancel, amend or close in; trades, fills and ends of orders out.

use std::collections::BTreeSet;

use orderledger_domain::book::Action;
use orderledger_domain::envelope::Envelope;
use orderledger_domain::event::{AmendAccepted, CancelAccepted, Event, OrderAccepted, SessionClose};
use orderledger_domain::ids::{KeyId, Symbol};
use orderledger_domain::position::{Position, Topic};
use orderledger_domain::rules::Rules;
use orderledger_domain::stream::{Arrival, StreamId, StreamKey, StreamMarks};
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::id_index::Kept;
use orderledger_store::{At, Error, codec};
use serde::{Deserialize, Serialize};

use super::books::{Books, BooksImage, Named, order_number, unusable};
use super::published::view;
use super::telling::{Command, Telling};
use crate::stage::emitter::{EmittedMarks, Emitter, Output};
use crate::stage::fold::{Failure, StageFold};
use crate::worker::board::Board;
use crate::worker::partition::{Accounting, may_end_in};
use crate::worker::read::{Read, lacks};

/// Matching of one partition of `books`.
#[derive(Debug)]
pub struct Matching {
    partition: u32,
    partitions: u32,
    books: Books,
    /// The rules in force from the last RulesVersionSet on.
    rules: Rules,
    marks: StreamMarks,
    emitter: Emitter,
    next_offset: u64,
    last: Option<(u64, u64)>,
    recorded_at: Timestamp,
    accounting: Accounting,
    /// Symbols whose book changed since it was published.
    changed: BTreeSet<Symbol>,
    /// Reused for every command.
    actions: Vec<Action>,
}

#[derive(Serialize, Deserialize)]
struct Image {
    before: ImageV1,
    rules: Rules,
    sealed_by: Option<KeyId>,
}

/// The image of a program that knew one version of the rules alone.
#[derive(Serialize, Deserialize)]
struct ImageV1 {
    books: BooksImage,
    marks: StreamMarks,
    emitted: EmittedMarks,
    next_offset: u64,
    last: Option<(u64, u64)>,
    recorded_at: Timestamp,
    accounting: Accounting,
}

/// The snapshot's byte in the row codec; the snapshot file carries the schema proper.
const CODEC_SCHEMA: u8 = 2;
/// That of [`ImageV1`].
const CODEC_SCHEMA_V1: u8 = 1;

impl StageFold for Matching {
    const NAME: &'static str = "matching";
    const SCHEMA: u16 = 1;
    type Shared = std::sync::Arc<Board>;

    fn new(partition: u32, partitions: u32, key: StreamKey) -> Matching {
        Matching {
            partition,
            partitions,
            books: Books::default(),
            rules: Rules::default(),
            marks: StreamMarks::default(),
            emitter: Emitter::new(Topic::Books.at(partition), Self::NAME, key),
            next_offset: 0,
            last: None,
            recorded_at: Timestamp::default(),
            accounting: Accounting::default(),
            changed: BTreeSet::new(),
            actions: Vec::new(),
        }
    }

    fn step(&mut self, read: &Read, _: &mut Self::Shared, outputs: &mut Vec<Output>) -> Result<(), Failure> {
        match self.arrival(read) {
            Arrival::Repeat { diverges } => {
                if diverges {
                    let position = read.position;
                    tracing::error!(%position, "a repeat with other bytes: a diverging twin writes to this log");
                }
                self.accounting.duplicate += 1;
            }
            Arrival::OutOfStream => {
                tracing::warn!(position = %read.position, "not the next of its stream: not applied");
                self.accounting.rejected += 1;
            }
            Arrival::Next => {
                if let Some(id) = read.lacks {
                    return Err(Failure::Halt(format!("{}: {}", read.position, lacks(id))));
                }
                let applied = self.take_key(read, outputs)?
                    || self.apply(read, outputs).map_err(|why| Failure::Halt(format!("{}: {why}", read.position)))?;
                if applied { self.accounting.applied += 1 } else { self.accounting.ignored += 1 }
            }
        }
        self.next_offset = read.position.offset.saturating_add(1);
        self.last = Some((read.position.offset, read.digest));
        self.recorded_at = self.recorded_at.max(read.recorded_at);
        Ok(())
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
            books: self.books.image(),
            marks: self.marks.clone(),
            emitted: self.emitter.marks(),
            next_offset: self.next_offset,
            last: self.last,
            recorded_at: self.recorded_at,
            accounting: self.accounting,
        };
        let image = Image { before, rules: self.rules, sealed_by: self.emitter.sealed_by() };
        codec::encode(CODEC_SCHEMA, &image)
    }

    fn restore(&mut self, image: &[u8]) -> Result<(), Error> {
        let image = match codec::decode(CODEC_SCHEMA_V1, image) {
            Ok(before) => Image { before, rules: Rules::V1, sealed_by: None },
            Err(_) => codec::decode(CODEC_SCHEMA, image)?,
        };
        let Image { before: image, rules, sealed_by } = image;
        self.emitter.resume(&image.emitted, sealed_by)?;
        self.emitter.check_knows(image.marks.keys())?;
        self.rules = rules;
        self.books = Books::from_image(image.books).map_err(|error| Error::corrupt(At::Frame, error.to_string()))?;
        self.marks = image.marks;
        self.next_offset = image.next_offset;
        self.last = image.last;
        self.recorded_at = image.recorded_at;
        self.accounting = image.accounting;
        self.changed = self.books.symbols().collect();
        Ok(())
    }

    fn end_batch(folds: &mut [Matching], board: &mut Self::Shared, _: bool) -> Result<Kept, Error> {
        for fold in folds {
            fold.publish(board);
        }
        Ok(Kept::already())
    }

    fn begin_again(_: &mut Self::Shared) {}

    fn supports_resuming(_: &Self::Shared, _: u32, _: u64) -> bool {
        true
    }
}

impl Matching {
    fn arrival(&mut self, read: &Read) -> Arrival {
        match read.stamp {
            Some(stamp) if may_end_in(StreamId::of(&stamp), Topic::Books.at(self.partition)) => {
                self.marks.take(&stamp, read.digest)
            }
            _ => Arrival::OutOfStream,
        }
    }

    /// Seals with another key, if the record says so; false if it says something else.
    fn take_key(&mut self, read: &Read, outputs: &mut Vec<Output>) -> Result<bool, Failure> {
        let Ok(Envelope { event: Ok(Event::StreamKeySet(set)), .. }) = &read.envelope else { return Ok(false) };
        let mut emission = self.emitter.cause(read, self.rules, read.recorded_at);
        let orders = (0..self.partitions).map(|number| Topic::Orders.at(number));
        let targets = orders.chain(std::iter::once(Topic::Trades.at(self.partition)));
        emission.take_key(set.key_id, targets, outputs)?;
        Ok(true)
    }

    /// Applies the next record of a stream; false if it means nothing to the books.
    fn apply(&mut self, read: &Read, outputs: &mut Vec<Output>) -> Result<bool, String> {
        let envelope = read.envelope.as_ref().map_err(ToString::to_string)?;
        let event = envelope.event.as_ref().map_err(|refusal| format!("can't be read by this program: {refusal}"))?;
        let created = read.stamp.map_or(read.position, |stamp| stamp.cause.position);
        match event {
            Event::OrderAccepted(accepted) => self.submit(read, envelope.timestamp, accepted, created, outputs)?,
            Event::CancelAccepted(cancel) => self.cancel(read, envelope.timestamp, cancel, outputs),
            Event::AmendAccepted(amend) => self.amend(read, envelope.timestamp, amend, outputs)?,
            Event::SessionClosed(close) => self.close_session(read, envelope.timestamp, close, outputs),
            Event::RulesVersionSet(set) => {
                self.rules = Rules::try_from(set.rules_version).map_err(|unknown| unknown.to_string())?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn submit(
        &mut self,
        read: &Read,
        time: Timestamp,
        accepted: &OrderAccepted,
        created: Position,
        outputs: &mut Vec<Output>,
    ) -> Result<(), String> {
        let terms = &accepted.terms;
        let order = self.books.number(accepted, created);
        let market = self.books.market(terms.symbol);
        self.actions.clear();
        let self_trade = self.rules.self_trade();
        market.book.submit(&order, self_trade, &mut self.actions).map_err(|error| unusable(read.position, error))?;
        let (user_id, order_id) = (terms.user_id.clone(), terms.order_id.clone());
        market.names.insert(order.key, Named { user_id, order_id, side: terms.side });
        self.tell(read, time, terms.symbol, Command::Submit(accepted), outputs);
        Ok(())
    }

    fn cancel(&mut self, read: &Read, time: Timestamp, cancel: &CancelAccepted, outputs: &mut Vec<Output>) {
        self.actions.clear();
        self.books.market(cancel.symbol).book.cancel(order_number(cancel.created), &mut self.actions);
        self.tell(read, time, cancel.symbol, Command::Cancel(cancel), outputs);
    }

    fn amend(
        &mut self,
        read: &Read,
        time: Timestamp,
        amend: &AmendAccepted,
        outputs: &mut Vec<Output>,
    ) -> Result<(), String> {
        let terms = (amend.price.units(), amend.quantity.shares());
        self.actions.clear();
        let book = &mut self.books.market(amend.symbol).book;
        book.amend(order_number(amend.created), terms, self.rules.self_trade(), &mut self.actions)
            .map_err(|error| unusable(read.position, error))?;
        self.tell(read, time, amend.symbol, Command::Amend(amend), outputs);
        Ok(())
    }

    /// Tells what one command did to the book of one symbol.
    fn tell(&mut self, read: &Read, time: Timestamp, symbol: Symbol, command: Command<'_>, outputs: &mut Vec<Output>) {
        self.changed.insert(symbol);
        let mut emission = self.emitter.cause(read, self.rules, time);
        let market = self.books.market(symbol);
        Telling { market, symbol, command, partitions: self.partitions }.tell(&self.actions, &mut emission, outputs);
    }

    /// A close stands at its place in `books`: a day order that comes after it belongs to the next session.
    fn close_session(&mut self, read: &Read, time: Timestamp, close: &SessionClose, outputs: &mut Vec<Output>) {
        let symbols: BTreeSet<Symbol> = match &close.symbols {
            Some(symbols) => symbols.iter().copied().collect(),
            None => self.books.symbols().collect(),
        };
        let mut emission = self.emitter.cause(read, self.rules, time);
        for symbol in symbols {
            let Some(market) = self.books.existing_mut(symbol) else { continue };
            self.actions.clear();
            market.book.close_session(&mut self.actions);
            self.changed.insert(symbol);
            let telling = Telling { market, symbol, command: Command::Close, partitions: self.partitions };
            telling.tell(&self.actions, &mut emission, outputs);
        }
    }

    /// Publishes the books that changed, as they are at this position.
    fn publish(&mut self, board: &Board) {
        let at = Topic::Books.at(self.partition);
        let views = std::mem::take(&mut self.changed)
            .into_iter()
            .filter_map(|symbol| {
                self.books.existing(symbol).map(|market| view(symbol, market, at, self.next_offset, self.recorded_at))
            })
            .collect();
        board.publish(at, self.next_offset, views);
    }
}
