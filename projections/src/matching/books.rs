//! The books of one partition and the names of the orders in them; the book itself knows numbers only.

use std::collections::BTreeMap;

use orderledger_domain::book::{Book, BookImage, NewOrder, Unusable};
use orderledger_domain::event::OrderAccepted;
use orderledger_domain::ids::{OrderId, Symbol, UserId};
use orderledger_domain::money::Price;
use orderledger_domain::planted::{self, Bug};
use orderledger_domain::position::Position;
use orderledger_domain::terms::Side;
use orderledger_domain::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// Who an order of the book belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Named {
    pub(crate) user_id: UserId,
    pub(crate) order_id: OrderId,
    pub(crate) side: Side,
}

/// One symbol's book, the names of its orders, and the time of its last trade.
#[derive(Debug, Default)]
pub(crate) struct Market {
    pub(crate) book: Book,
    pub(crate) names: BTreeMap<u64, Named>,
    pub(crate) last_trade: Timestamp,
}

/// An order's number: where its OrderCreated stands, unique among all orders for ever.
pub(crate) fn order_number(created: Position) -> u64 {
    (u64::from(created.partition) << 44) | created.offset
}

/// All books of one partition, and a number for every user who ever sent an order to them.
#[derive(Debug, Default)]
pub(crate) struct Books {
    markets: BTreeMap<Symbol, Market>,
    owners: BTreeMap<UserId, u64>,
}

/// A symbol, its book, the time of its last trade, and the names of its orders.
type MarketImage = (Symbol, BookImage, Timestamp, Vec<(u64, Named)>);

/// The books as a snapshot keeps them.
#[derive(Serialize, Deserialize)]
pub(crate) struct BooksImage {
    markets: Vec<MarketImage>,
    owners: Vec<(UserId, u64)>,
}

impl Books {
    /// The market of a symbol; it exists from its first accepted order.
    pub(crate) fn market(&mut self, symbol: Symbol) -> &mut Market {
        self.markets.entry(symbol).or_default()
    }

    /// A market that exists.
    pub(crate) fn existing(&self, symbol: Symbol) -> Option<&Market> {
        self.markets.get(&symbol)
    }

    /// A market that exists, to change it.
    pub(crate) fn existing_mut(&mut self, symbol: Symbol) -> Option<&mut Market> {
        self.markets.get_mut(&symbol)
    }

    pub(crate) fn symbols(&self) -> impl Iterator<Item = Symbol> + '_ {
        self.markets.keys().copied()
    }

    /// The order of an acceptance as the book takes it.
    pub(crate) fn number(&mut self, accepted: &OrderAccepted, created: Position) -> NewOrder {
        let terms = &accepted.terms;
        let next = u64::try_from(self.owners.len()).unwrap_or(u64::MAX);
        let owner = match self.owners.get(&terms.user_id) {
            Some(owner) => *owner,
            None => *self.owners.entry(terms.user_id.clone()).or_insert(next),
        };
        NewOrder {
            key: order_number(created),
            owner,
            side: terms.side,
            kind: terms.order_type,
            time_in_force: terms.time_in_force,
            post_only: terms.post_only,
            price: terms.price.map_or(0, Price::units),
            quantity: terms.quantity.shares(),
            budget: accepted.reserved.units(),
            maker_bps: accepted.maker_bps.rate(),
            taker_bps: accepted.taker_bps.rate(),
        }
    }

    pub(crate) fn image(&self) -> BooksImage {
        let market = |(symbol, market): (&Symbol, &Market)| {
            let names = market.names.iter().map(|(key, named)| (*key, named.clone())).collect();
            (*symbol, market.book.image(), market.last_trade, names)
        };
        BooksImage {
            markets: self.markets.iter().map(market).collect(),
            owners: self
                .owners
                .iter()
                .filter(|_| !planted::is(Bug::OwnersForgotten))
                .map(|(user, owner)| (user.clone(), *owner))
                .collect(),
        }
    }

    pub(crate) fn from_image(image: BooksImage) -> Result<Books, orderledger_domain::book::ImageError> {
        let mut books = Books { markets: BTreeMap::new(), owners: image.owners.into_iter().collect() };
        for (symbol, book, last_trade, names) in image.markets {
            let book = Book::from_image(&book)?;
            books.markets.insert(symbol, Market { book, names: names.into_iter().collect(), last_trade });
        }
        Ok(books)
    }
}

/// Why the log holds an order that no intake accepts.
pub(crate) fn unusable(position: Position, error: Unusable) -> String {
    format!("{position}: {error}: no intake of this version accepts such an order")
}
