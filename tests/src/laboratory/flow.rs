//! What a client asks next: requests of every kind, few users and symbols.

use serde_json::{Value, json};

use super::clients::Placed;
use crate::dice::Dice;

pub(super) const USERS: [&str; 4] = ["alice", "bob", "carol", "dave"];
pub(super) const SYMBOLS: [&str; 2] = ["AAPL", "MSFT"];
const BPS: [(u64, u64); 4] = [(0, 0), (10, 25), (25, 10), (7, 7)];

/// A request, without its key.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) account: &'static str,
    pub(super) event_type: &'static str,
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) body: Value,
    pub(super) about: Option<String>,
}

/// The first wishes of a log: without anything nothing trades.
pub(super) fn funding() -> Vec<Wish> {
    let wish = |user: &'static str| {
        [("USD", "100000"), ("AAPL", "500"), ("MSFT", "500")]
            .map(|(asset, amount)| moved(user, "deposits", asset, amount))
    };
    USERS.into_iter().flat_map(wish).collect()
}

/// Something that a client may want now.
pub(super) fn wish(dice: &mut Dice, placed: &[Placed]) -> Wish {
    let user = *dice.pick(&USERS);
    match dice.range(0, 100) {
        0..5 => movement(dice, user, "deposits"),
        5..8 => movement(dice, user, "withdrawals"),
        8..10 => adjustment(dice, user),
        10..12 => fees(dice),
        12..13 => close(dice),
        13..14 => rules(dice),
        14..27 => change(dice, placed, true).unwrap_or_else(|| order(dice, user)),
        27..40 => change(dice, placed, false).unwrap_or_else(|| order(dice, user)),
        _ => order(dice, user),
    }
}

fn moved(account: &'static str, what: &str, asset: &str, amount: &str) -> Wish {
    let event_type = if what == "deposits" { "DepositMade" } else { "WithdrawalRequested" };
    Wish {
        account,
        event_type,
        method: "POST",
        path: format!("/v1/accounts/{account}/{what}"),
        body: json!({"asset": asset, "amount": amount}),
        about: None,
    }
}

fn movement(dice: &mut Dice, user: &'static str, what: &str) -> Wish {
    if dice.percent(50) {
        let cents = dice.range(1, 300_000);
        moved(user, what, "USD", &format!("{}.{:02}", cents / 100, cents % 100))
    } else {
        let symbol = *dice.pick(&SYMBOLS);
        moved(user, what, symbol, &dice.range(1, 60).to_string())
    }
}

/// Under older rules it is refused.
fn adjustment(dice: &mut Dice, account: &'static str) -> Wish {
    let asset = *dice.pick(&["USD", "AAPL", "MSFT"]);
    let (sign, amount) = (*dice.pick(&["", "-", "-"]), dice.range(1, 80));
    let body = json!({"asset": asset, "amount": format!("{sign}{amount}"), "reason": format!("mistake {amount}")});
    let path = format!("/v1/accounts/{account}/adjustments");
    Wish { account, event_type: "AdjustmentRequested", method: "POST", path, body, about: None }
}

fn control(event_type: &'static str, method: &'static str, path: &str, body: Value) -> Wish {
    Wish { account: "_control", event_type, method, path: path.to_owned(), body, about: None }
}

fn fees(dice: &mut Dice) -> Wish {
    let (maker, taker) = *dice.pick(&BPS);
    control("FeeScheduleRequested", "PUT", "/v1/fees", json!({"makerBps": maker, "takerBps": taker}))
}

fn rules(dice: &mut Dice) -> Wish {
    control("RulesVersionRequested", "PUT", "/v1/rules", json!({"rulesVersion": dice.range(1, 5)}))
}

fn close(dice: &mut Dice) -> Wish {
    let symbols = if dice.percent(50) { Value::Null } else { json!([dice.pick(&SYMBOLS)]) };
    control("SessionCloseRequested", "POST", "/v1/sessions/close", json!({"symbols": symbols}))
}

fn price(dice: &mut Dice) -> String {
    let units = 950_000 + dice.range(0, 20) * 5_000 + dice.pick(&[0, 0, 0, 1, 333]);
    format!("{}.{:04}", units / 10_000, units % 10_000)
}

fn order(dice: &mut Dice, user: &'static str) -> Wish {
    let (symbol, side) = (*dice.pick(&SYMBOLS), *dice.pick(&["buy", "sell"]));
    let mut body = json!({"symbol": symbol, "side": side, "quantity": dice.range(1, 40)});
    let mut set = |field: &str, value: Value| {
        if let Some(fields) = body.as_object_mut() {
            fields.insert(field.to_owned(), value);
        }
    };
    match dice.range(0, 20) {
        0..2 => {
            set("orderType", json!("market"));
            set("timeInForce", json!(dice.pick(&["ioc", "fok"])));
            if side == "buy" && dice.percent(70) {
                set("maxCost", json!(dice.range(50, 4_000).to_string()));
            }
        }
        kind => {
            set("orderType", json!("limit"));
            set("price", json!(price(dice)));
            match kind {
                2..4 => set("timeInForce", json!("ioc")),
                4..6 => set("timeInForce", json!("fok")),
                6..8 => set("timeInForce", json!("day")),
                8..10 => set("postOnly", json!(true)),
                _ => {}
            }
        }
    }
    let path = format!("/v1/accounts/{user}/orders");
    Wish { account: user, event_type: "OrderCreated", method: "POST", path, body, about: None }
}

/// A cancel or an amend of an order placed before.
fn change(dice: &mut Dice, placed: &[Placed], cancel: bool) -> Option<Wish> {
    let Placed { account, order, quantity } = dice.choose(placed)?.clone();
    let path = format!("/v1/accounts/{account}/orders/{order}");
    let about = Some(order);
    if cancel {
        let (event_type, method) = ("OrderCancelRequested", "DELETE");
        return Some(Wish { account, event_type, method, path, body: Value::Null, about });
    }
    let fewer = quantity.saturating_sub(dice.range(0, 8)).max(1);
    let body = match dice.range(0, 4) {
        0 => json!({"price": price(dice)}),
        1 => json!({"quantity": dice.range(1, 60), "price": price(dice)}),
        2 => json!({"quantity": dice.range(1, 60)}),
        _ => json!({"quantity": fewer}),
    };
    Some(Wish { account, event_type: "OrderAmendRequested", method: "PATCH", path, body, about })
}
