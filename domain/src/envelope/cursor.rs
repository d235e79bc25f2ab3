//! Reads one exact way of writing JSON: no spaces, no escapes, every field in its place.

use std::str::FromStr;

use crate::decimal::{parse_digits, parse_units};
use crate::money::{Amount, BasisPoints, Price, Quantity};

/// What is still to be read. Every method takes what stands before a value, then the value; `None` if either is not there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(text: &'a str) -> Cursor<'a> {
        Cursor { rest: text }
    }

    /// Exactly that.
    pub(super) fn literal(&mut self, expected: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(expected)?;
        Some(())
    }

    /// Nothing is left.
    pub(super) fn end(self) -> Option<()> {
        self.rest.is_empty().then_some(())
    }

    /// The text behind an opening quote, which stands in `before`.
    pub(super) fn text(&mut self, before: &str) -> Option<&'a str> {
        self.literal(before)?;
        let length = self.rest.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < b' ')?;
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest.strip_prefix('"')?;
        Some(text)
    }

    /// A text that is a value of that kind.
    pub(super) fn parsed<T: FromStr>(&mut self, before: &str) -> Option<T> {
        self.text(before)?.parse().ok()
    }

    /// A text that names one of these.
    pub(super) fn one_of<T: Copy>(&mut self, before: &str, all: &[T], name: fn(T) -> &'static str) -> Option<T> {
        let text = self.text(before)?;
        all.iter().copied().find(|one| name(*one) == text)
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, before: &str) -> Option<bool> {
        self.literal(before)?;
        match self.literal("true") {
            Some(()) => Some(true),
            None => self.literal("false").map(|()| false),
        }
    }

    /// A whole number.
    pub(super) fn whole<N: TryFrom<i128>>(&mut self, before: &str) -> Option<N> {
        N::try_from(parse_digits(self.number(before)?).ok()?).ok()
    }

    pub(super) fn quantity(&mut self, before: &str) -> Option<Quantity> {
        Quantity::new(self.whole(before)?).ok()
    }

    pub(super) fn rate(&mut self, before: &str) -> Option<BasisPoints> {
        BasisPoints::new(self.whole(before)?).ok()
    }

    pub(super) fn amount(&mut self, before: &str) -> Option<Amount> {
        parse_units(self.number(before)?).ok().map(Amount::from_units)
    }

    pub(super) fn price(&mut self, before: &str) -> Option<Price> {
        Price::from_units(parse_units(self.number(before)?).ok()?).ok()
    }

    fn number(&mut self, before: &str) -> Option<&'a str> {
        self.literal(before)?;
        let length = self.rest.bytes().position(|byte| !byte.is_ascii_digit() && byte != b'.')?;
        let (number, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(number)
    }

    /// What that reads, if the field is there.
    pub(super) fn optional<T>(
        &mut self,
        before: &str,
        read: impl FnOnce(&mut Cursor<'a>, &str) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.rest.starts_with(before) { read(self, before).map(Some) } else { Some(None) }
    }
}
