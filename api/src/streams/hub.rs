//! A channel that somebody listens to: how far it was told, and to whom.

use orderledger_domain::position::Position;
use orderledger_store::Error;
use std::sync::Arc;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::balances::Balances;
use super::book::Book;
use super::candles::Candles;
use super::channel::Channel;
use super::connection::{Ending, Why};
use super::lag::Lag;
use super::look::Look;
use super::message::Message;
use super::notifications::Notifications;
use super::orders::Orders;
use super::place::Place;
use super::trades::Trades;
use crate::ledger::Ledger;

/// So many messages of a channel are read at once.
pub(super) const STRETCH: usize = 256;

/// A channel whose messages follow from the log, each with an index that only rises. Any of them can be read again.
pub(super) trait Past: Send {
    /// The index behind the newest message that can be read.
    fn end(&mut self, look: &Look<'_>) -> Result<u64, Error>;
    /// The index of the first message behind that place.
    fn behind(&mut self, look: &Look<'_>, place: Position) -> Result<u64, Error>;
    /// A place that everything below that index is at or before, and everything else behind.
    fn place_before(&mut self, look: &Look<'_>, index: u64) -> Result<Place, Error>;
    /// About how many messages there are from that index on; more than `max` need not be counted.
    fn count(&mut self, look: &Look<'_>, from: u64, max: usize) -> Result<usize, Error>;
    /// The messages from an index on, below another, about so many at most.
    fn read(&mut self, look: &Look<'_>, from: u64, to: u64, limit: usize) -> Result<Stretch, Error>;
}

/// Some messages, and the index at which the next ones begin.
pub(super) struct Stretch {
    pub(super) messages: Vec<Message>,
    pub(super) next: u64,
}

/// A channel that tells what is, and then how it changes.
pub(super) trait Present: Send {
    /// What changed since the last look.
    fn advance(&mut self, look: &Look<'_>) -> Result<Vec<Message>, Error>;
    /// All of it as it was at the last look.
    fn snapshot(&self) -> Vec<Message>;
}

/// A reader of a channel.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) queue: Sender<(usize, Message)>,
    /// Which of its channels this is.
    pub(super) slot: usize,
    pub(super) ending: Arc<Ending>,
}

/// What came of a reader's wish to join.
pub(super) enum Joined {
    /// It is told everything from now on.
    Told,
    /// The messages below that index were told before: it must read them for itself.
    Behind(u64),
}

enum Source {
    /// Told below the index; none: nobody has begun.
    Past(Box<dyn Past>, Option<u64>),
    Present(Box<dyn Present>),
}

/// A channel and its readers.
pub(super) struct Hub {
    source: Source,
    readers: Vec<Reader>,
    /// It was taken off the list: whoever holds it must look for another.
    pub(super) is_gone: bool,
}

impl Hub {
    pub(super) fn new(channel: &Channel, ledger: &Ledger) -> Hub {
        let present = |present: Box<dyn Present>| Source::Present(present);
        let source = match (past(channel, ledger), channel) {
            (Some(past), _) => Source::Past(past, None),
            (None, Channel::Book(symbol)) => present(Box::new(Book::new(*symbol))),
            (None, Channel::Balances(user)) => {
                present(Box::new(Balances::new(user.clone(), ledger.orders_of(user.as_str()))))
            }
            (None, Channel::Candles(symbol, interval)) => present(Box::new(Candles::new(*symbol, *interval))),
            (None, Channel::Lag | Channel::Notifications(_) | Channel::Orders(_) | Channel::Trades(_)) => {
                present(Box::<Lag>::default())
            }
        };
        Hub { source, readers: Vec::new(), is_gone: false }
    }

    /// Whether nobody listens any more.
    pub(super) fn is_empty(&mut self) -> bool {
        self.readers.retain(|reader| !reader.queue.is_closed());
        self.readers.is_empty()
    }

    /// Tells the readers what is new; whether there is still more.
    pub(super) fn advance(&mut self, look: &Look<'_>) -> Result<bool, Error> {
        let (messages, more) = match &mut self.source {
            Source::Present(present) => (present.advance(look)?, false),
            Source::Past(_, None) => return Ok(false),
            Source::Past(past, Some(next)) => {
                let end = past.end(look)?;
                if end <= *next {
                    return Ok(false);
                }
                let stretch = past.read(look, *next, end, STRETCH)?;
                *next = stretch.next;
                (stretch.messages, stretch.next < end)
            }
        };
        self.tell(&messages);
        Ok(more)
    }

    /// A reader whose queue is full is dropped: nobody waits for it.
    fn tell(&mut self, messages: &[Message]) {
        if messages.is_empty() {
            return;
        }
        self.readers.retain(|reader| messages.iter().all(|message| tell(reader, message)));
    }

    /// From now on the reader is told everything; with what it begins: the place, and the snapshot.
    pub(super) fn join(&mut self, look: &Look<'_>, reader: Reader) -> Result<(Place, Vec<Message>), Error> {
        let place = match &mut self.source {
            Source::Present(_) => {
                self.advance(look)?;
                None
            }
            Source::Past(past, next) => {
                let from = next.map_or_else(|| past.end(look), Ok)?;
                *next = Some(from);
                past.place_before(look, from)?
            }
        };
        let snapshot = match &self.source {
            Source::Present(present) => present.snapshot(),
            Source::Past(..) => Vec::new(),
        };
        self.readers.push(reader);
        Ok((place, snapshot))
    }

    /// The reader has everything below that index and is told the rest, if the others had just that.
    pub(super) fn join_at(&mut self, look: &Look<'_>, from: u64, reader: &Reader) -> Result<Joined, Error> {
        if let Source::Past(past, next @ None) = &mut self.source {
            *next = Some(past.end(look)?);
        }
        loop {
            let told = match &self.source {
                Source::Past(_, Some(next)) => *next,
                _ => from,
            };
            if told == from {
                self.readers.push(reader.clone());
                return Ok(Joined::Told);
            }
            if told > from || (!self.advance(look)? && self.is_below(from)) {
                return Ok(Joined::Behind(told));
            }
        }
    }

    fn is_below(&self, index: u64) -> bool {
        matches!(&self.source, Source::Past(_, Some(next)) if *next < index)
    }

    /// Nobody is told anything any more.
    pub(super) fn close(&mut self) {
        self.is_gone = true;
        self.readers.clear();
    }

    /// The channel can't go on: its readers come back later.
    pub(super) fn fail(&mut self) {
        for reader in self.readers.drain(..) {
            reader.ending.set(Why::Failed);
        }
    }
}

fn tell(reader: &Reader, message: &Message) -> bool {
    match reader.queue.try_send((reader.slot, message.clone())) {
        Ok(()) => true,
        Err(TrySendError::Full(_)) => {
            reader.ending.set(Why::Slow);
            false
        }
        Err(TrySendError::Closed(_)) => false,
    }
}

/// What reads a channel's messages again; none of one that begins with a snapshot.
pub(super) fn past(channel: &Channel, ledger: &Ledger) -> Option<Box<dyn Past>> {
    match channel {
        Channel::Trades(symbol) => Some(Box::new(Trades(*symbol))),
        Channel::Notifications(user) => {
            Some(Box::new(Notifications::new(user.clone(), ledger.orders_of(user.as_str()))))
        }
        Channel::Orders(user) => {
            let home = ledger.orders_of(user.as_str());
            Some(Box::new(Orders::new(user.clone(), home, ledger.partitions)))
        }
        Channel::Balances(_) | Channel::Book(_) | Channel::Candles(..) | Channel::Lag => None,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use orderledger_domain::ids::Symbol;
    use tokio::sync::mpsc::{Receiver, channel};

    use super::*;

    fn reader(buffer: usize) -> (Reader, Receiver<(usize, Message)>) {
        let (queue, messages) = channel(buffer);
        (Reader { queue, slot: 0, ending: Arc::default() }, messages)
    }

    #[test]
    fn a_reader_whose_queue_is_full_is_dropped_with_a_reason_and_the_others_get_everything() {
        let ((slow, _kept), (quick, mut got)) = (reader(2), reader(100));
        let (of_slow, of_quick) = (Arc::clone(&slow.ending), Arc::clone(&quick.ending));
        let symbol = Symbol::new("AAPL").unwrap();
        let source = Source::Past(Box::new(Trades(symbol)), None);
        let mut hub = Hub { source, readers: vec![slow, quick], is_gone: false };
        let message = |number: &u64| Message::new(&Channel::Trades(symbol), number, None).unwrap();
        let messages: Vec<Message> = [1, 2, 3].iter().map(message).collect();
        hub.tell(&messages);
        hub.tell(&messages);
        assert_eq!((of_slow.why(), of_quick.why()), (Some(Why::Slow), None));
        assert_eq!(hub.readers.len(), 1);
        let mut told = Vec::new();
        while let Ok((_, message)) = got.try_recv() {
            told.push(message.lines);
        }
        assert_eq!(told.len(), 6);
        let first = |lines: &bytes::Bytes| lines.as_ptr();
        assert_eq!(told.first().map(first), messages.first().map(|message| first(&message.lines)), "written once");
    }
}
