//! Answers about past moments equal an independent replay of the log up to there, before and after a rebuild.

use std::collections::BTreeMap;

use orderledger_domain::timestamp::Timestamp;
use orderledger_tests::auditor::views::{Shown, check};
use orderledger_tests::auditor::{Audit, Log};
use orderledger_tests::client::{Client, until};
use orderledger_tests::dice::Dice;
use serde_json::{Value, json};

use super::flow::{Flow, SYMBOLS, USERS, home_of, last_by, pages};

const MOMENTS: usize = 4;

#[test]
fn every_past_moment_is_what_an_independent_replay_of_the_log_gives() {
    let flow = Flow::of(41, 100);
    let server = flow.serve();
    let mut dice = Dice::new(7);
    let compare = |client: &Client, dice: &mut Dice| {
        USERS.iter().for_each(|user| accounts(&flow, client, dice, user));
        SYMBOLS.iter().for_each(|symbol| markets(&flow, client, dice, symbol));
    };
    compare(&server.client, &mut dice);
    server.client.post("/v1/projections/all/rebuild", &json!({})).send().expect(202);
    for name in ["settlement", "market", "audit"] {
        let look = || server.client.get(format!("/v1/projections/{name}/rebuild"));
        let done = until(look, |answer| answer.status == 200 && !answer.json()["endedAt"].is_null()).expect(200);
        assert_eq!(done["error"], Value::Null, "{done}");
    }
    compare(&server.client, &mut dice);
}

fn accounts(flow: &Flow, client: &Client, dice: &mut Dice, user: &str) {
    let home = home_of(client, &format!("/v1/accounts/{user}/balances"), "orders");
    let places = flow.places_of("orders", home);
    let all_postings = pages(client, &format!("/v1/accounts/{user}/postings?order=asc"), 1000);
    for _ in 0..MOMENTS {
        let place = dice.choose(&places).unwrap();
        account_after(flow, client, user, place.offset, home, &all_postings);
        // By time: the last record up to which the newest append time is not later.
        let last = last_by(&places, place);
        for what in ["balances", "orders", "postings", "fills"] {
            let ask = |moment: String| {
                let path = format!("/v1/accounts/{user}/{what}?{moment}&waitMs=10000");
                let answer = client.get(path).expect(200);
                assert_eq!(answer["asOf"]["positions"][format!("orders-{home}")], last.offset, "{answer}");
                answer["data"].clone()
            };
            let by_time = ask(format!("asOfTime={}", place.recorded_at));
            assert_eq!(by_time, ask(format!("asOfPosition=orders-{home}@{}", last.offset)), "{user} {what} {place:?}");
        }
    }
    happened(client, dice, user, &all_postings);
}

/// Everything about a user after one record, against the log up to it.
fn account_after(flow: &Flow, client: &Client, user: &str, offset: u64, home: u32, all_postings: &[Value]) {
    let moment = format!("asOfPosition=orders-{home}@{offset}&waitMs=10000");
    let list = |what: &str| pages(client, &format!("/v1/accounts/{user}/{what}?{moment}&order=asc"), 30);
    let (log, mut audit) = flow.replayed("orders", home, offset);
    let (pending, orders): (Vec<Value>, Vec<Value>) =
        list("orders").into_iter().partition(|order| order["status"] == "pending_new");
    let mut backwards = pages(client, &format!("/v1/accounts/{user}/orders?{moment}&status=open"), 3);
    backwards.reverse();
    let open: Vec<&Value> = orders.iter().chain(&pending).filter(|order| is_open(order)).collect();
    assert_eq!(backwards.len(), open.len(), "{user}@{offset}: open orders are found among all");
    check_pending(&log, &audit, user, home, &pending);
    let balances = client.get(format!("/v1/accounts/{user}/balances?{moment}")).expect(200);
    assert_eq!(balances["asOf"]["positions"][format!("orders-{home}")], offset, "{balances}");
    let mut shown = Shown::default();
    shown.balances.insert(user.to_owned(), balances["data"].as_array().unwrap().clone());
    shown.orders.insert(user.to_owned(), orders.clone());
    shown.fills.insert(user.to_owned(), list("fills"));
    check(&shown, &mut audit);
    let findings: Vec<&String> = audit.findings.all().iter().filter(|one| !one.starts_with("nobody looked")).collect();
    assert!(findings.is_empty(), "{user} after orders-{home}@{offset}: {findings:?}");
    for order in orders.iter().take(3) {
        let id = order["orderId"].as_str().unwrap();
        for path in [format!("/v1/accounts/{user}/orders/{id}"), format!("/v1/orders/{id}")] {
            let mut one = client.get(format!("{path}?{moment}")).expect(200);
            one.as_object_mut().unwrap().remove("asOf");
            assert_eq!(one, *order, "{path}?{moment}");
        }
    }
    let due: Vec<Value> = all_postings.iter().filter(|row| offset_of(row) <= offset).cloned().collect();
    assert_eq!(list("postings"), due, "{user}@{offset}");
}

fn is_open(order: &Value) -> bool {
    ["pending_new", "new", "partially_filled"].contains(&order["status"].as_str().unwrap())
}

fn offset_of(row: &Value) -> u64 {
    row["position"].as_str().unwrap().split_once('@').unwrap().1.parse().unwrap()
}

/// Shown as pending: what was asked and not judged up to there.
fn check_pending(log: &Log, audit: &Audit, user: &str, home: u32, shown: &[Value]) {
    let asked = log.records("orders", home).iter().filter(|record| record.key.as_deref() == Some(user.as_bytes()));
    let asked = asked.filter_map(|record| serde_json::from_slice::<Value>(record.value.as_deref()?).ok());
    let asked = asked.filter(|event| event["eventType"] == "OrderCreated");
    let ids = asked.map(|event| event["payload"]["orderId"].as_str().unwrap().to_owned());
    let judged = |id: &String| {
        let who = (user.to_owned(), id.clone());
        audit.story.orders.contains_key(&who) || audit.story.rejected.contains_key(&who)
    };
    let due: Vec<String> = ids.filter(|id| !judged(id)).collect();
    let shown: Vec<&str> = shown.iter().map(|order| order["orderId"].as_str().unwrap()).collect();
    assert_eq!(shown, due, "{user}");
}

/// By what had happened: the sums of the postings of events up to then, wherever they stand.
fn happened(client: &Client, dice: &mut Dice, user: &str, all_postings: &[Value]) {
    let time_of = |row: &Value| Timestamp::parse(row["time"].as_str().unwrap()).unwrap();
    for _ in 0..MOMENTS / 2 {
        let by = dice.choose(all_postings).unwrap()["time"].as_str().unwrap();
        let moment = format!("asOfTime={by}&clock=event");
        let due: Vec<&Value> =
            all_postings.iter().filter(|row| time_of(row) <= Timestamp::parse(by).unwrap()).collect();
        let rows = pages(client, &format!("/v1/accounts/{user}/postings?{moment}&order=asc"), 1000);
        assert_eq!(rows.iter().collect::<Vec<_>>(), due, "{user} {moment}");
        let mut totals: BTreeMap<String, i64> = BTreeMap::new();
        for row in due {
            let units = |field: &str| units(&row[field]);
            *totals.entry(row["asset"].as_str().unwrap().to_owned()).or_default() += units("credit") - units("debit");
        }
        let shown = client.get(format!("/v1/accounts/{user}/balances?{moment}")).expect(200);
        let shown = shown["data"].as_array().unwrap().iter();
        let shown = shown.map(|row| (row["asset"].as_str().unwrap().to_owned(), units(&row["total"])));
        assert_eq!(shown.collect::<BTreeMap<_, _>>(), totals, "{user} {moment}");
    }
    let long_ago = "asOfTime=1999-01-01T00:00:00Z";
    for moment in [long_ago.to_owned(), format!("{long_ago}&clock=event")] {
        for what in ["balances", "orders", "postings", "fills"] {
            let none = client.get(format!("/v1/accounts/{user}/{what}?{moment}&waitMs=10000")).expect(200);
            assert_eq!(none["data"], json!([]), "{what} {moment}");
        }
    }
    for what in ["orders", "fills"] {
        let later = format!("/v1/accounts/{user}/{what}?asOfTime=2999-01-01T00:00:00Z&clock=event&limit=1000");
        let now = format!("/v1/accounts/{user}/{what}?limit=1000");
        assert_eq!(client.get(later).expect(200)["data"], client.get(now).expect(200)["data"], "{what}");
    }
}

pub(crate) fn units(value: &Value) -> i64 {
    let text = value.as_str().unwrap();
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    sign * format!("{whole}{part:0<4}").parse::<i64>().unwrap()
}

fn markets(flow: &Flow, client: &Client, dice: &mut Dice, symbol: &str) {
    let home = home_of(client, &format!("/v1/markets/{symbol}/trades"), "trades");
    let places = flow.places_of("trades", home);
    for _ in 0..MOMENTS {
        let place = dice.choose(&places).unwrap();
        let moment = format!("asOfPosition=trades-{home}@{}&waitMs=10000", place.offset);
        let (log, mut audit) = flow.replayed("trades", home, place.offset);
        let mut shown = Shown::default();
        let tape = pages(client, &format!("/v1/markets/{symbol}/trades?{moment}&order=asc"), 5);
        shown.trades.insert(symbol.to_owned(), tape.clone());
        let back = pages(client, &format!("/v1/markets/{symbol}/trades?{moment}"), 5);
        assert_eq!(back.iter().rev().cloned().collect::<Vec<_>>(), tape);
        check(&shown, &mut audit);
        let findings: Vec<&String> =
            audit.findings.all().iter().filter(|one| !one.starts_with("nobody looked")).collect();
        assert!(findings.is_empty(), "{symbol} {moment}: {findings:?}");
        figures(client, symbol, &moment, &executed(&log, symbol, home));
        let last = last_by(&places, place);
        let ask = |moment: String| {
            client.get(format!("/v1/markets/{symbol}/trades?{moment}&waitMs=10000")).expect(200)["data"].clone()
        };
        let by_time = ask(format!("asOfTime={}", place.recorded_at));
        assert_eq!(by_time, ask(format!("asOfPosition=trades-{home}@{}", last.offset)), "{symbol} {place:?}");
    }
}

/// Time, price in 1/10000 and shares of every trade that the log holds.
fn executed(log: &Log, symbol: &str, home: u32) -> Vec<(Timestamp, i64, i64)> {
    let records = log.records("trades", home).iter().filter(|record| record.key.as_deref() == Some(symbol.as_bytes()));
    let events = records.map(|record| serde_json::from_slice::<Value>(record.value.as_deref().unwrap()).unwrap());
    let events = events.filter(|event| event["eventType"] == "TradeExecuted");
    let row = |event: Value| {
        let payload = &event["payload"];
        let time = Timestamp::parse(event["timestamp"].as_str().unwrap()).unwrap();
        let price = payload["price"].to_string();
        (time, units(&Value::String(price)), payload["quantity"].as_i64().unwrap())
    };
    events.map(row).collect()
}

/// Candles and the figures of a day, against the trades up to there.
fn figures(client: &Client, symbol: &str, moment: &str, trades: &[(Timestamp, i64, i64)]) {
    const MINUTE: i64 = 60_000_000;
    for (interval, micros) in [("1m", MINUTE), ("15m", 15 * MINUTE), ("1d", 24 * 60 * MINUTE)] {
        let mut due: BTreeMap<i64, [i64; 6]> = BTreeMap::new();
        for (time, price, quantity) in trades {
            let open = time.micros() - time.micros().rem_euclid(micros);
            let candle = due.entry(open).or_insert([*price, *price, *price, *price, 0, 0]);
            *candle =
                [candle[0], candle[1].max(*price), candle[2].min(*price), *price, candle[4] + quantity, candle[5] + 1];
        }
        let path = format!("/v1/markets/{symbol}/candles?interval={interval}&{moment}&order=asc");
        let rows = pages(client, &path, 1);
        let shown = rows.iter().map(|row| {
            let figures = ["open", "high", "low", "close"].map(|field| units(&row[field]));
            let open = Timestamp::parse(row["openTime"].as_str().unwrap()).unwrap().micros();
            let (volume, count) = (row["volume"].as_i64().unwrap(), row["tradeCount"].as_i64().unwrap());
            (open, [figures[0], figures[1], figures[2], figures[3], volume, count])
        });
        assert_eq!(shown.collect::<BTreeMap<_, _>>(), due, "{path}");
    }
    let market = client.get(format!("/v1/markets/{symbol}?{moment}")).expect(200);
    // The flow takes less than a day: the figures are those of all trades.
    let volume: i64 = trades.iter().map(|(.., quantity)| quantity).sum();
    assert_eq!((&market["volume"], &market["tradeCount"]), (&json!(volume), &json!(trades.len())), "{market}");
    let prices = trades.iter().map(|(_, price, _)| *price);
    let due = [prices.clone().next(), prices.clone().max(), prices.clone().min(), prices.clone().next_back()];
    let shown = ["open", "high", "low", "last"].map(|field| market[field].as_str().map(|_| units(&market[field])));
    assert_eq!(shown, due, "{market}");
    assert_eq!((&market["bid"], &market["askSize"]), (&Value::Null, &Value::Null), "no book of the past is kept");
    let listed = client.get(format!("/v1/markets?{moment}")).expect(200)["data"].clone();
    let mut alone = market;
    alone.as_object_mut().unwrap().remove("asOf");
    assert!(listed.as_array().unwrap().contains(&alone), "{listed}");
}
