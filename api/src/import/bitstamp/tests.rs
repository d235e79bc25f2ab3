//! Small feeds, and the real one where it is.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use orderledger_domain::ids::Symbol;

use super::super::step::Ask;
use super::super::trial::{Trial, shared_data};
use super::{Deletes, Plan, Report, SYMBOL, Trades};

fn plan(text: &str) -> Plan {
    Plan::read(text.as_bytes(), Symbol::new(SYMBOL).unwrap(), 500).unwrap()
}

fn report(plan: &Plan) -> Report {
    let mut trial = Trial::default();
    trial.take(&plan.orders, &plan.steps);
    plan.report(&trial.outcome)
}

const FEED: &str = r#"
1430438404518 order_created {"price": "236.47", "amount": "2.00000000", "datetime": "1", "id": 20, "order_type": 0}
1430438404519 order_book {"bids": [], "asks": []}
1430438404520 order_changed {"price": "236.50", "amount": "0.50000000", "datetime": "1", "id": 12, "order_type": 1}
1430438404521 order_deleted {"price": "236.50", "amount": "0.50000000", "datetime": "1", "id": 12, "order_type": 1}
1430438404522 order_deleted {"price": "236.47", "amount": "0.00000000", "datetime": "1", "id": 11, "order_type": 1}
1430438404523 order_deleted {"price": "230.00", "amount": "1.00000001", "datetime": "1", "id": 10, "order_type": 0}
1430438404524 order_created {"price": "236.40", "amount": "1.50000000", "datetime": "1", "id": 21, "order_type": 1}
1430438404525 trade {"price": 236.46999999999999, "amount": 1.5000000000000001, "id": 1}
1430438404526 trade {"price": 236.47, "amount": 9.9999999999999995e-07, "id": 2}
1430438404527 order_deleted {"price": "236.47", "amount": "0.49999900", "datetime": "1", "id": 20, "order_type": 0}
1430438404528 order_deleted {"price": "236.47", "amount": "0.49999900", "datetime": "1", "id": 20, "order_type": 0}
"#;

#[test]
fn orders_from_before_the_feed_come_first_and_each_event_is_its_step() {
    let plan = plan(FEED);
    let lines: Vec<String> = plan
        .steps
        .iter()
        .map(|step| {
            let order = plan.orders.get(step.order).unwrap();
            match step.ask {
                Ask::Place => format!("{} {} {} at {}", order.id, order.side, order.quantity, order.price),
                Ask::Amend(_) => "no amends".to_owned(),
                Ask::Cancel => format!("{} canceled", order.id),
            }
        })
        .collect();
    let expected = [
        "10 buy 100000001 at 2.3",
        "12 sell 50000000 at 2.365",
        "20 buy 200000000 at 2.3647",
        "12 canceled",
        "10 canceled",
        "21 sell 150000000 at 2.364",
        "20 canceled",
        "20 canceled",
    ];
    assert_eq!(lines, expected);
    let deletes = Deletes { compared: 3, equal: 2 };
    let trades = Trades { engine: 1, exchange: 2, equal_in_order: 1 };
    assert_eq!(report(&plan), Report { orders: 4, deletes, trades });
}

#[test]
fn the_report_has_the_promised_shape() {
    let text = serde_json::to_string(&report(&plan(FEED))).unwrap();
    let expected =
        r#"{"orders":4,"deletes":{"compared":3,"equal":2},"trades":{"engine":1,"exchange":2,"equalInOrder":1}}"#;
    assert_eq!(text, expected);
    let text = serde_json::to_string(&super::super::lobster::Report::default()).unwrap();
    let expected = concat!(
        r#"{"messages":0,"orders":0,"cancels":0,"reductions":0,"skipped":0,"trades":0,"#,
        r#""executions":{"inFile":0,"reproduced":0,"atNamedOrder":0},"#,
        r#""levels":{"rows":0,"equal":[0,0,0,0,0,0,0,0,0,0]}}"#
    );
    assert_eq!(text, expected);
}

#[test]
fn a_bad_line_is_named_with_what_to_do() {
    let created = |price: &str, amount: &str| {
        format!(r#"1 order_created {{"price": {price}, "amount": {amount}, "id": 1, "order_type": 0}}"#)
    };
    let known = "order_created, order_changed, order_deleted, order_book and trade";
    for (line, expected) in [
        ("order_book".to_owned(), "is not `<ms> <event> <json>`; correct or remove it".to_owned()),
        ("1 depth {}".to_owned(), format!("event depth: only {known} are known; remove it")),
        ("x trade {}".to_owned(), "missing field `price` at line 1 column 2; correct or remove the line".to_owned()),
        ("x order_deleted {}".to_owned(), "must begin with milliseconds since 1970; correct it".to_owned()),
        (created("\"1.001\"", "\"1\""), "price 1.001 has more than 2 decimals; correct or remove the line".to_owned()),
        (created("\"0\"", "\"1\""), "price is not between 0.01 and 100000000 USD; remove the line".to_owned()),
        (
            created("\"1\"", "\"-1\""),
            "amount -1 is not a positive decimal number; correct or remove the line".to_owned(),
        ),
        (
            created("1", "1000.00000001"),
            "amount is more than 1000 BTC, the most one order may have; remove the line".to_owned(),
        ),
    ] {
        let read = Plan::read(format!("\n{line}\n").as_bytes(), Symbol::new(SYMBOL).unwrap(), 2);
        assert_eq!(read.unwrap_err().to_string(), format!("line 2: {expected}"), "{line}");
    }
}

#[test]
fn the_real_feed_gives_the_exchange_s_trades() {
    let Some(path) = shared_data("bitstamp_20150501/2015-05-01.log.xz") else { return };
    let unpacked = Command::new("xz").arg("-dc").arg(path).output().unwrap();
    let report = report(&plan(&String::from_utf8(unpacked.stdout).unwrap()));
    let deletes = Deletes { compared: 24_308, equal: 24_292 };
    let trades = Trades { engine: 519, exchange: 575, equal_in_order: 505 };
    assert_eq!(report, Report { orders: 25_054, deletes, trades });
}
