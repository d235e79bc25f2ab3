//! Where a number comes from: the postings that add up to a balance, now and then.

use orderledger_tests::dice::Dice;
use serde_json::Value;

use super::flow::{Flow, USERS, home_of, pages};
use super::replay::units;

#[test]
fn the_groups_of_an_explanation_add_up_to_the_balance_at_any_moment() {
    let flow = Flow::of(43, 60);
    let server = flow.serve();
    let client = &server.client;
    let mut dice = Dice::new(3);
    for user in USERS {
        let home = home_of(client, &format!("/v1/accounts/{user}/balances"), "orders");
        let places = flow.places_of("orders", home);
        for asset in ["USD", "AAPL"] {
            for number in 0..4 {
                let place = dice.choose(&places).unwrap();
                let (offset, moment) = match number {
                    0 => (u64::MAX, "waitMs=10000".to_owned()),
                    _ => (place.offset, format!("asOfPosition=orders-{home}@{}&waitMs=10000", place.offset)),
                };
                let path = format!("/v1/accounts/{user}/balances/{asset}/explain?{moment}");
                let explained = client.get(&path).expect(200);
                let balances = client.get(format!("/v1/accounts/{user}/balances?{moment}")).expect(200);
                let row = balances["data"].as_array().unwrap().iter().find(|row| row["asset"] == asset);
                check_sums(&explained, row);
                let (_, audit) = flow.replayed("orders", home, offset);
                check_reservations(&explained, user, asset, &audit.story);
                check_postings(client, &explained);
            }
        }
    }
    client.get("/v1/accounts/nobody/balances/USD/explain").expect_problem(404, "unknown-account");
    client.get("/v1/accounts/ada/balances/us$/explain").expect_problem(422, "invalid-request");
}

fn check_sums(explained: &Value, row: Option<&Value>) {
    assert_eq!(explained["addsUp"], true, "{explained}");
    for part in ["total", "available", "reserved"] {
        let due = row.map_or(0, |row| units(&row[part]));
        let groups = explained["groups"].as_array().unwrap().iter();
        assert_eq!(groups.map(|group| units(&group[part])).sum::<i64>(), due, "{part}: {explained}");
        assert_eq!((units(&explained["sum"][part]), units(&explained["balance"][part])), (due, due), "{explained}");
    }
    for group in explained["groups"].as_array().unwrap() {
        assert_eq!(units(&group["credit"]) - units(&group["debit"]), units(&group["total"]), "{group}");
    }
}

/// What each order holds, as a replay of its events says.
fn check_reservations(explained: &Value, user: &str, asset: &str, story: &orderledger_tests::auditor::Story) {
    let orders = story.orders.iter().filter(|((of, _), order)| of == user && order.held_asset() == asset);
    let due = orders.map(|((_, id), order)| (id.clone(), i64::try_from(order.held + order.extra()).unwrap()));
    let mut due: Vec<(String, i64)> = due.filter(|(_, held)| *held != 0).collect();
    due.sort();
    let rows = explained["reservations"].as_array().unwrap().iter();
    let row = |row: &Value| (row["orderId"].as_str().unwrap().to_owned(), units(&row["reserved"]));
    let mut shown: Vec<(String, i64)> = rows.map(row).collect();
    shown.sort();
    assert_eq!(shown, due, "{explained}");
    assert_eq!(explained["reservationsCount"], due.len());
    assert_eq!(units(&explained["reservationsSum"]), units(&explained["balance"]["reserved"]));
}

/// The postings that a group links to are those that it counts.
fn check_postings(client: &orderledger_tests::client::Client, explained: &Value) {
    for group in explained["groups"].as_array().unwrap() {
        let rows = pages(client, &format!("{}&order=asc", group["postings"].as_str().unwrap()), 9);
        assert_eq!(group["count"], rows.len(), "{group}");
        let sum = |field: &str| rows.iter().map(|row| units(&row[field])).sum::<i64>();
        assert_eq!((units(&group["debit"]), units(&group["credit"])), (sum("debit"), sum("credit")), "{group}");
        let (first, last) = (rows.first().unwrap(), rows.last().unwrap());
        assert_eq!((&group["firstPosition"], &group["lastPosition"]), (&first["position"], &last["position"]));
    }
}
