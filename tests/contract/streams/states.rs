//! Book, balances, candles and lag: a snapshot, then what changes.

use std::collections::BTreeMap;

use orderledger_tests::server::Home;
use serde_json::{Value, json};

use super::listener::{Event, Listener};
use super::{flow, fund};

/// A book as a client keeps it: by side and price.
#[derive(Default)]
struct Kept {
    levels: BTreeMap<(&'static str, String), (u64, u64)>,
    sequence: u64,
}

impl Kept {
    fn apply(&mut self, event: &Event) {
        let sequence = event.data["sequence"].as_u64().unwrap();
        if event.data["type"] == "snapshot" {
            self.levels.clear();
        } else {
            assert_eq!(sequence, self.sequence + 1, "no update is missed");
        }
        self.sequence = sequence;
        for (side, level) in levels(&event.data) {
            let (price, quantity, orders) = level;
            match quantity {
                0 => drop(self.levels.remove(&(side, price))),
                _ => drop(self.levels.insert((side, price), (quantity, orders))),
            }
        }
    }
}

fn levels(book: &Value) -> Vec<(&'static str, (String, u64, u64))> {
    let of_side = |side: &'static str| {
        let level = move |level: &Value| {
            let number = |field: &str| level[field].as_u64().unwrap();
            (side, (level["price"].as_str().unwrap().to_owned(), number("quantity"), number("orders")))
        };
        book[side].as_array().unwrap().iter().map(level).collect::<Vec<_>>()
    };
    [of_side("bids"), of_side("asks")].concat()
}

#[test]
fn a_book_kept_by_a_stream_is_the_book_at_the_same_position() {
    let home = Home::embedded();
    let server = home.serve();
    let client = &server.client;
    fund(client);
    let mut early = Listener::open(client.base(), "book:AAPL", None);
    flow(client, 0..40);
    let mut late = Listener::open(client.base(), "book:AAPL", None);
    flow(client, 40..80);
    let book = client.get("/v1/markets/AAPL/book?depth=1000").expect(200);
    let expected: BTreeMap<_, _> = levels(&book)
        .into_iter()
        .map(|(side, (price, quantity, orders))| ((side, price), (quantity, orders)))
        .collect();
    assert!(expected.len() > 2);
    for listener in [&mut early, &mut late] {
        let mut kept = Kept::default();
        for event in listener.until(|event| event.data["position"] == book["position"]) {
            kept.apply(&event);
        }
        assert_eq!(kept.levels, expected);
    }
    server.stop();
}

#[test]
fn balances_candles_and_lag_begin_with_what_is_and_go_on_with_what_changes() {
    let home = Home::embedded();
    let server = home.serve();
    let client = &server.client;
    fund(client);
    let at = client.deposit("buyer", "USD", "1");
    client.get_at("/v1/accounts/buyer/balances", &at);
    let mut balances = Listener::open(client.base(), "balances:buyer", None);
    let rows: Vec<Value> = balances.take(2).into_iter().map(|event| event.data).collect();
    assert_eq!(json!(rows), client.get("/v1/accounts/buyer/balances").expect(200)["data"]);
    let position = client.deposit("buyer", "USD", "5");
    let at = client.get_at("/v1/accounts/buyer/balances", &position);
    let usd = at["data"].as_array().unwrap().iter().find(|row| row["asset"] == "USD").unwrap();
    assert_eq!(&balances.next().unwrap().data, usd);

    let mut candles = Listener::open(client.base(), "candles:AAPL:1d", None);
    let position = flow(client, 0..20);
    let newest = client.get_at("/v1/markets/AAPL/candles?interval=1d&limit=1", &position)["data"][0].clone();
    candles.until(|event| event.data == newest);
    let snapshot = Listener::open(client.base(), "candles:AAPL:1d", None).next().unwrap();
    assert_eq!(snapshot.data, newest);

    let mut lag = Listener::open(client.base(), "lag", None);
    let workers: Vec<Value> = lag.take(14).into_iter().map(|event| event.data["name"].clone()).collect();
    assert_eq!(workers[..7], workers[7..], "told again after a second");
    for name in ["settlement", "market", "audit", "notifications", "analytics", "intake", "matching"] {
        assert!(workers.contains(&json!(name)), "{workers:?}");
    }
    server.stop();
}

#[test]
fn a_server_that_is_told_to_stop_ends_its_streams_and_itself() {
    let home = Home::embedded();
    let mut server = home.serve();
    fund(&server.client);
    let channels = "trades:AAPL,orders:buyer,book:AAPL,lag";
    let open: Vec<Listener> = (0..50).map(|_| Listener::open(server.client.base(), channels, None)).collect();
    server.send_sigterm();
    assert!(open.into_iter().all(Listener::ends));
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_snapshot_longer_than_what_may_wait_is_told_whole() {
    let home = Home::new();
    let server = home.serve_with(&["--stream-buffer", "4"]);
    for asset in 0..12 {
        server.client.deposit("u", &format!("A{asset}"), "1");
    }
    let at = server.client.deposit("u", "USD", "1");
    server.client.get_at("/v1/accounts/u/balances", &at);
    let mut stream = Listener::open(server.client.base(), "balances:u", None);
    let told = stream.take(13);
    assert!(told.iter().all(|event| event.channel == "balances:u"), "{told:?}");
}
