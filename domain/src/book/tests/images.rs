//! An image is the book, whole; what no book can have made is refused.

use super::super::{Book, BookImage, ImageError, Order, SelfTrade};
use super::limit;
use crate::terms::Side::{Buy, Sell};
use crate::terms::TimeInForce;

fn image() -> BookImage {
    let (mut book, mut actions) = (Book::new(), Vec::new());
    for order in [limit(1, 1, Buy, 10, 5), limit(2, 2, Sell, 10, 2), limit(3, 2, Sell, 11, 2), limit(4, 1, Buy, 9, 1)] {
        assert_eq!(book.submit(&order, SelfTrade::ExpireIncoming, &mut actions), Ok(()));
    }
    book.image()
}

#[test]
fn an_image_survives_its_text_form() {
    let image = image();
    let text = serde_json::to_string(&image).unwrap_or_default();
    assert_eq!(serde_json::from_str::<BookImage>(&text).ok(), Some(image.clone()));
    assert_eq!(Book::from_image(&image).map(|book| book.image()), Ok(image));
}

#[test]
fn an_impossible_image_is_refused() {
    let check = |change: fn(&mut Order), expected| {
        let mut image = image();
        // The order with key 3 is the second of three.
        image.orders.iter_mut().skip(1).take(1).for_each(change);
        assert_eq!(Book::from_image(&image).map(|book| book.image()), Err(expected));
    };
    check(|order| order.price = 0, ImageError::Terms(3));
    check(|order| order.cum = order.quantity, ImageError::Terms(3));
    check(|order| order.time_in_force = TimeInForce::Ioc, ImageError::Terms(3));
    check(|order| order.charged = -1, ImageError::Terms(3));
    check(|order| order.arrival = 1, ImageError::Arrival(3));
    check(|order| order.arrival = 9, ImageError::Arrival(3));
    check(|order| order.key = 1, ImageError::Twice(1));
    check(|order| order.price = 10, ImageError::Crossed);
}

#[test]
fn an_image_goes_on_with_the_number_of_the_last_trade() {
    let (mut book, mut actions) = (Book::new(), Vec::new());
    assert!(book.is_empty());
    for order in [limit(1, 1, Buy, 10, 5), limit(2, 2, Sell, 10, 1), limit(3, 2, Sell, 10, 1)] {
        assert_eq!(book.submit(&order, SelfTrade::ExpireIncoming, &mut actions), Ok(()));
        assert!(!book.is_empty());
    }
    assert_eq!((book.last_book_seq(), book.len()), (2, 1));
    assert_eq!(Book::from_image(&book.image()).map(|book| book.last_book_seq()), Ok(2));
}
