//! Other people's clocks: records dated far in the past, ahead of the log by less and by more than it allows, and backwards.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use orderledger_domain::envelope;
use orderledger_domain::event::{Deposit, Event, OrderCreated};
use orderledger_domain::ids::{Asset, OrderId, Symbol, UserId};
use orderledger_domain::money::{Amount, Price, Quantity};
use orderledger_domain::partition::of_key;
use orderledger_domain::position::Topic;
use orderledger_domain::terms::{OrderType, Side};
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::event_log::kafka::KafkaLog;
use orderledger_store::event_log::{Appender, AppenderKind, EventLog, NewRecord};
use orderledger_tests::client::until;
use orderledger_tests::server::Home;
use uuid::Uuid;

const PARTITIONS: u32 = 12;
const MINUTE: i64 = 60_000;

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A producer whose clock says what it likes.
struct Producer {
    log: KafkaLog,
    appender: Box<dyn Appender>,
}

impl Producer {
    /// Where the record stands, once it is acknowledged.
    fn send(&self, user: &str, event: &Event, dated_ms: i64) -> String {
        let to = Topic::Orders.at(of_key(user.as_bytes(), self.log.partitions()));
        let value = envelope::write_outside(Uuid::new_v4(), Timestamp::from_millis(dated_ms), event, "desk");
        let key = Some(user.as_bytes().to_vec().into());
        let (done, acknowledged) = std::sync::mpsc::channel();
        let record = NewRecord { to, key, value: Some(value.into()), headers: Vec::new() };
        self.appender.append(vec![record], Box::new(move |result| done.send(result).unwrap())).unwrap();
        let offsets = acknowledged.recv_timeout(Duration::from_secs(60)).unwrap().unwrap();
        to.offset(offsets[0]).to_string()
    }
}

fn deposit(user: &str, asset: &str) -> Event {
    let amount = Amount::from_units(10_000 * 10_000);
    Event::DepositMade(Deposit { user_id: UserId::new(user).unwrap(), asset: Asset::new(asset).unwrap(), amount })
}

fn order(user: &str, id: &str, side: Side) -> Event {
    Event::OrderCreated(OrderCreated {
        order_id: OrderId::new(id).unwrap(),
        user_id: UserId::new(user).unwrap(),
        symbol: Symbol::new("AAPL").unwrap(),
        side,
        order_type: OrderType::Limit,
        time_in_force: None,
        post_only: false,
        quantity: Quantity::new(1).unwrap(),
        price: Some(Price::from_units(10_000).unwrap()),
        max_cost: None,
        client_order_id: None,
    })
}

#[test]
fn trades_never_go_back_in_time_and_what_is_dated_too_far_ahead_is_refused() {
    let Some((home, settings)) = Home::on_kafka() else { return };
    let server = home.serve();
    let log = KafkaLog::open(settings, None).unwrap();
    let appender = log.appender(AppenderKind::Client).unwrap();
    let desk = Producer { log, appender };
    desk.send("buyer", &deposit("buyer", "USD"), 0);
    let funded = desk.send("seller", &deposit("seller", "AAPL"), -MINUTE);
    server.client.get_at("/v1/accounts/seller/balances", &funded.into());
    // Each pair trades at once: dated now, in 1970, ahead by what is allowed, an hour back, and now again.
    let begun = now_ms();
    let dates = [0, -begun, 5 * MINUTE - 1_000, -60 * MINUTE, 0];
    for (number, date) in dates.into_iter().enumerate() {
        desk.send("seller", &order("seller", &format!("s{number}"), Side::Sell), now_ms() + date);
        let bought = desk.send("buyer", &order("buyer", &format!("b{number}"), Side::Buy), now_ms() + date);
        server.client.get_at("/v1/accounts/buyer/orders", &bought.into());
        // A market is not known before its first order is.
        let trades = || server.client.get("/v1/markets/AAPL/trades?limit=100").json()["data"].clone();
        let traded = until(trades, |trades| trades.as_array().map_or(0, Vec::len) > number);
        assert_eq!(traded.as_array().map(Vec::len), Some(number + 1), "pair {number}: {traded}");
    }
    let trades = server.client.get("/v1/markets/AAPL/trades?limit=100").expect(200)["data"].clone();
    let mut times: Vec<(u64, Timestamp)> = trades.as_array().unwrap().iter().map(numbered).collect();
    times.sort();
    assert!(times.is_sorted_by_key(|(_, time)| time), "{times:?}");
    let latest = Timestamp::from_millis(now_ms());
    assert!(times.iter().all(|(_, time)| *time <= latest), "a trade in the future: {times:?}, now {latest}");
    let refused = desk.send("buyer", &order("buyer", "late", Side::Buy), now_ms() + 5 * MINUTE + 10_000);
    let events = format!("/v1/audit/events?topic=orders&partition={}", of_key(b"buyer", PARTITIONS));
    let said = server.client.get_at(&format!("{events}&type=RecordRefused"), &refused.into()).to_string();
    assert!(said.contains("timestamp_in_future"), "{said}");
    assert!(!server.client.get("/v1/accounts/buyer/orders?limit=100").body.contains("late"));
    server.stop();
    home.verify();
}

/// A trade's place in its book, and when it took place: texts have no order, for one of a whole second has no milliseconds.
fn numbered(trade: &serde_json::Value) -> (u64, Timestamp) {
    let time = Timestamp::parse(trade["time"].as_str().unwrap());
    (trade["bookSeq"].as_u64().unwrap(), time.unwrap())
}
