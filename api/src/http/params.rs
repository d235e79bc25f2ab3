//! Path and query parameters; everything that is wrong is found before anything is said.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use axum::extract::{FromRequestParts, MatchedPath, Query, RawPathParams};
use axum::http::request::Parts;
use orderledger_domain::position::{Position, Topic};
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::views::Direction;

use super::cursor::{self, Place};
use super::problem::{FieldError, Problem};

/// Parameters that say how to read a list, not what list it is.
const BESIDE_THE_SCOPE: [&str; 6] = ["after", "cursor", "limit", "minPosition", "waitMs", "maxStalenessMs"];

/// The parameters that nobody has read yet, and what is wrong so far.
pub(crate) struct Params {
    path: BTreeMap<String, String>,
    query: BTreeMap<String, String>,
    errors: Vec<FieldError>,
    /// What a cursor belongs to: the route, its path and its filters.
    scope: String,
    /// The header `Ledger-Position`: positions that the caller has seen.
    seen: Option<String>,
}

/// Which part of a list is wanted.
pub(crate) struct Wanted<K> {
    pub(crate) after: Option<K>,
    pub(crate) limit: usize,
    /// Whether the caller asked for no more than that.
    pub(crate) is_limited: bool,
    pub(crate) direction: Direction,
    /// What its cursors belong to.
    pub(crate) scope: String,
}

/// The positions that a view must have reached before it answers, how old its answer may be, and how long to wait for both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MinPosition {
    pub(crate) positions: Vec<Position>,
    /// What the caller's earlier answers rested on (`Ledger-Position`); partitions that the view doesn't read say nothing.
    pub(crate) seen: Vec<Position>,
    pub(crate) within: Duration,
    /// How many milliseconds the answer may lag (`maxStalenessMs`).
    pub(crate) stale_max: Option<u64>,
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Params, Problem> {
        let unreadable = |_| Problem::invalid(vec![FieldError::parameter("path", "is not UTF-8")]);
        let path = RawPathParams::from_request_parts(parts, state).await.map_err(unreadable)?;
        let path = path.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let Query(pairs) =
            pairs.map_err(|_| Problem::invalid(vec![FieldError::parameter("query", "can't be read")]))?;
        let route = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
        let seen = parts.headers.get_all("ledger-position").iter();
        let seen: Vec<_> = seen.map(|value| String::from_utf8_lossy(value.as_bytes()).replace(' ', "")).collect();
        Ok(Params { seen: Some(seen.join(",")).filter(|text| !text.is_empty()), ..Params::new(route, path, pairs) })
    }
}

impl Params {
    fn new(route: &str, path: BTreeMap<String, String>, pairs: Vec<(String, String)>) -> Params {
        let (mut query, mut errors) = (BTreeMap::new(), Vec::new());
        for (name, value) in pairs {
            if query.insert(name.clone(), value).is_some() {
                errors.push(FieldError::parameter(&short(&name), "is given twice"));
            }
        }
        let filters = query.iter().filter(|(name, _)| !BESIDE_THE_SCOPE.contains(&name.as_str()));
        let mut scope = route.to_owned();
        for text in path.iter().chain(filters).flat_map(|(name, value)| [name, value]) {
            // With its length, so that no two lists have the same scope.
            scope.push_str(&format!(" {}:{text}", text.len()));
        }
        Params { path, query, errors, scope, seen: None }
    }

    /// A parameter of the path.
    pub(crate) fn path<T, E: Display>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        let text = self.path.get(name).cloned().unwrap_or_default();
        self.read(name, &text, read)
    }

    /// A parameter of the query, if it is given.
    pub(crate) fn query<T, E: Display>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        let text = self.query.remove(name)?;
        self.read(name, &text, read)
    }

    fn read<T, E: Display>(&mut self, name: &str, text: &str, read: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        read(text).map_err(|error| self.refuse(name, error.to_string())).ok()
    }

    /// Something is wrong with that parameter.
    pub(crate) fn refuse(&mut self, name: &str, detail: impl Into<String>) {
        self.errors.push(FieldError::parameter(name, detail));
    }

    /// Whether a switch of the query is on; off if it isn't there.
    pub(crate) fn switch(&mut self, name: &str) -> bool {
        let on = self.query(name, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("must be true or false"),
        });
        on.unwrap_or(false)
    }

    /// Whether something is wrong already.
    pub(crate) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// A moment of the query.
    pub(crate) fn moment(&mut self, name: &str) -> Option<Timestamp> {
        self.query(name, |text| Timestamp::parse(text).ok_or("must be RFC 3339, as in 2025-01-15T10:30:00Z"))
    }

    /// A whole number of the query, within bounds.
    pub(crate) fn number(&mut self, name: &str, low: u64, high: u64) -> Option<u64> {
        self.query(name, |text| {
            let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse::<u64>().ok().filter(|number| plain && (low..=high).contains(number));
            number.ok_or_else(|| format!("must be a whole number from {low} to {high}"))
        })
    }

    /// `limit`, `order` and `cursor`; the newest first unless asked otherwise.
    pub(crate) fn page<K: Place>(&mut self) -> Wanted<K> {
        let direction = self.query("order", |text| match text {
            "asc" => Ok(Direction::Ascending),
            "desc" => Ok(Direction::Descending),
            _ => Err("must be asc or desc"),
        });
        self.page_in(direction.unwrap_or(Direction::Descending))
    }

    /// `limit` and `cursor` of a list whose order can't be chosen.
    pub(crate) fn page_in<K: Place>(&mut self, direction: Direction) -> Wanted<K> {
        let limit = self.number("limit", 1, 1000).and_then(|limit| usize::try_from(limit).ok());
        let scope = std::mem::take(&mut self.scope);
        let after = self.query("cursor", |text| cursor::read(&scope, text).ok_or("is no cursor of this list"));
        Wanted { after, limit: limit.unwrap_or(100), is_limited: limit.is_some(), direction, scope }
    }

    /// `after`: behind the record at that position, which must stand where the list's records may; a cursor is further on.
    pub(crate) fn after(&mut self, has: impl FnOnce(Position) -> bool) -> Option<Position> {
        let after = self.query("after", str::parse::<Position>)?;
        if !has(after) {
            self.refuse("after", "stands where no record of this list does");
        }
        Some(after)
    }

    /// `minPosition`, `waitMs`, `maxStalenessMs` and the header `Ledger-Position`, of a view that reads these topics.
    pub(crate) fn min_position(&mut self, topics: &[Topic]) -> Result<MinPosition, Problem> {
        let within = Duration::from_millis(self.number("waitMs", 0, 10_000).unwrap_or(1000));
        let stale_max = self.number("maxStalenessMs", 0, 86_400_000);
        let seen = self.seen.take().and_then(|text| self.read("Ledger-Position", &text, read_positions));
        let seen = seen.unwrap_or_default().into_iter().filter(|position| topics.contains(&position.topic)).collect();
        let unbound = MinPosition { positions: Vec::new(), seen, within, stale_max };
        let Some(all) = self.query("minPosition", read_positions) else { return Ok(unbound) };
        let positions: Vec<Position> = all.into_iter().filter(|position| topics.contains(&position.topic)).collect();
        if positions.is_empty() {
            let names: Vec<&str> = topics.iter().map(|topic| topic.name()).collect();
            let detail = format!("this view reads {}, none of the positions", names.join(" and "));
            let code = "position-not-tracked";
            return Err(Problem {
                code,
                detail,
                ..Problem::invalid(vec![FieldError::parameter("minPosition", "is not tracked")])
            });
        }
        Ok(MinPosition { positions, ..unbound })
    }

    /// What the parameters make, if nothing is wrong and none is left over.
    pub(crate) fn finish<T>(mut self, made: Option<T>) -> Result<T, Problem> {
        for name in std::mem::take(&mut self.query).into_keys() {
            self.refuse(&short(&name), "is no parameter of this call");
        }
        match made {
            Some(made) if self.errors.is_empty() => Ok(made),
            None if self.errors.is_empty() => Err(Problem::internal()),
            _ => Err(Problem::invalid(self.errors)),
        }
    }
}

/// Positions with commas between them.
pub(crate) fn read_positions(text: &str) -> Result<Vec<Position>, String> {
    text.split(',').map(|position| position.parse::<Position>().map_err(|error| error.to_string())).collect()
}

fn short(name: &str) -> String {
    name.chars().take(64).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params::new(
            "/x",
            BTreeMap::new(),
            pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        )
    }

    #[test]
    fn limits_out_of_range_are_refused_never_clamped() {
        for (text, expected) in [
            ("1", true),
            ("1000", true),
            ("0", false),
            ("1001", false),
            ("99999999", false),
            ("+1", false),
            ("x", false),
        ] {
            let mut params = params(&[("limit", text)]);
            let page = params.page::<u64>();
            assert_eq!(params.finish(Some(page)).is_ok(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_unknown_or_twice_is_refused() {
        assert!(params(&[("colour", "red")]).finish(Some(())).is_err());
        let mut twice = params(&[("limit", "1"), ("limit", "2")]);
        let page = twice.page::<u64>();
        assert!(twice.finish(Some(page)).is_err());
    }

    #[test]
    fn a_cursor_belongs_to_its_list_alone() {
        let mut first = params(&[("status", "open")]);
        let text = cursor::write(&first.page::<u64>().scope, &7_u64);
        let after = |pairs: &[(&str, &str)]| {
            let mut params = params(&[pairs, &[("cursor", text.as_str())]].concat());
            params.page::<u64>().after
        };
        assert_eq!(after(&[("status", "open"), ("limit", "3")]), Some(7));
        assert_eq!(after(&[("status", "closed")]), None);
        assert_eq!(after(&[]), None);
    }

    #[test]
    fn positions_of_other_topics_are_ignored_unless_alone() {
        let ask = |text: &str| params(&[("minPosition", text)]).min_position(&[Topic::Orders]);
        assert_eq!(ask("orders-3@7,trades-1@2").unwrap().positions, ["orders-3@7".parse().unwrap()]);
        assert_eq!(ask("trades-1@2").unwrap_err().code, "position-not-tracked");
        let session = |text: &str| Params { seen: Some(text.to_owned()), ..params(&[]) }.min_position(&[Topic::Orders]);
        assert_eq!(session("orders-3@7,trades-1@2").unwrap().seen, ["orders-3@7".parse().unwrap()]);
        assert_eq!(session("trades-1@2").unwrap().seen, []);
        let mut malformed = Params { seen: Some("orders-3".to_owned()), ..params(&[]) };
        let _ = malformed.min_position(&[Topic::Orders]);
        assert_eq!(malformed.finish(Some(())).unwrap_err().status.as_u16(), 422);
        let mut malformed = params(&[("minPosition", "zzz")]);
        let _ = malformed.min_position(&[Topic::Orders]);
        assert_eq!(malformed.finish(Some(())).unwrap_err().status.as_u16(), 422);
    }
}
