//! The book as plain data: for snapshots, and to compare two books.

use serde::{Deserialize, Serialize};

use super::order::{check_price, check_quantity};
use super::{Book, Order};
use crate::terms::Side;

/// Everything a book is. Two books with one image do the same for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookImage {
    /// All resting orders, the earliest arrival first.
    pub orders: Vec<Order>,
    /// The arrival number of the next order that rests.
    pub next_arrival: u64,
    /// Number of the last trade; 0 before the first.
    pub last_book_seq: u64,
}

/// An image that no book can have made, with the order that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Bounds or terms that no resting order has.
    #[error("order {0} can't rest with these terms")]
    Terms(u64),
    /// An order stands twice.
    #[error("order {0} stands twice")]
    Twice(u64),
    /// The orders don't stand in the order of their arrivals, or after the next arrival.
    #[error("order {0} doesn't stand in the order of arrivals")]
    Arrival(u64),
    /// The book is full.
    #[error("order {0} doesn't fit the book")]
    Full(u64),
    /// The best bid is not below the best ask.
    #[error("the book is crossed")]
    Crossed,
}

impl Book {
    /// The book as data.
    pub fn image(&self) -> BookImage {
        BookImage {
            orders: self.orders().into_iter().copied().collect(),
            next_arrival: self.next_arrival,
            last_book_seq: self.last_book_seq,
        }
    }

    /// The book of an image.
    ///
    /// # Errors
    /// An image that no book made, see [`ImageError`].
    pub fn from_image(image: &BookImage) -> Result<Self, ImageError> {
        let mut book = Self { last_book_seq: image.last_book_seq, ..Self::new() };
        let mut last = 0;
        for order in &image.orders {
            check_resting(order)?;
            if order.arrival <= last || order.arrival >= image.next_arrival {
                return Err(ImageError::Arrival(order.key));
            }
            if book.index.contains_key(&order.key) {
                return Err(ImageError::Twice(order.key));
            }
            if book.slab.is_full() {
                return Err(ImageError::Full(order.key));
            }
            last = order.arrival;
            book.insert(*order);
        }
        book.next_arrival = image.next_arrival;
        match (book.best(Side::Buy), book.best(Side::Sell)) {
            (Some(bid), Some(ask)) if bid.price >= ask.price => Err(ImageError::Crossed),
            _ => Ok(book),
        }
    }
}

/// Whether a resting order can look like this.
fn check_resting(order: &Order) -> Result<(), ImageError> {
    let numbers = check_price(order.price).and_then(|()| check_quantity(order.quantity));
    let amounts = [order.maker_notional, order.taker_notional, order.charged];
    let rests = order.time_in_force.rests() && order.cum < order.quantity && amounts.iter().all(|x| *x >= 0);
    if numbers.is_ok() && rests { Ok(()) } else { Err(ImageError::Terms(order.key)) }
}
