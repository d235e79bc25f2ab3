//! `GET /v1/analytics/…`: figures that the rest of the API bears out, and questions that are too large.

use std::collections::{BTreeMap, BTreeSet};

use orderledger_tests::server::Home;
use serde_json::{Value, json};

use super::{DAY, old_day, rows, units};

fn number(row: &Value, name: &str) -> i128 {
    i128::from(row[name].as_u64().unwrap_or_else(|| panic!("{name}: {row}")))
}

/// n / d with 4 decimals, as the answers have it; none of nothing.
fn ratio(n: i128, d: i128) -> Value {
    if d == 0 {
        return Value::Null;
    }
    let (quotient, rest) = (n * 10_000 / d, n * 10_000 % d);
    let up = 2 * rest > d || (2 * rest == d && quotient % 2 == 1);
    let text = format!("{:05}", quotient + i128::from(up));
    let (whole, part) = text.split_at(text.len() - 4);
    let text = format!("{whole}.{part}");
    json!(text.trim_end_matches('0').trim_end_matches('.'))
}

#[test]
fn the_figures_of_a_day_are_those_of_its_orders_fills_and_trades() {
    let home = Home::embedded();
    let server = old_day(&home);
    let client = &server.client;
    let period = format!("from={DAY}&to={DAY}");
    let markets = rows(client, "/v1/markets");
    let symbols: Vec<&str> = markets.iter().map(|row| row["symbol"].as_str().unwrap()).collect();
    let users: BTreeSet<String> = rows(client, "/v1/audit/events?topic=orders&type=AccountCredited")
        .iter()
        .map(|row| row["key"].as_str().unwrap().to_owned())
        .collect();
    let (mut turnover, mut volume, mut trades) = (0, 0, 0);
    let mut of_symbols = BTreeMap::new();
    for symbol in &symbols {
        let tape = rows(client, &format!("/v1/markets/{symbol}/trades"));
        let cash: i128 = tape.iter().map(|row| units(&row["price"]) * number(row, "quantity")).sum();
        let shares: i128 = tape.iter().map(|row| number(row, "quantity")).sum();
        let found =
            client.get(format!("/v1/analytics/symbols?symbol={symbol}&{period}")).expect(200)["data"][0].clone();
        assert_eq!((units(&found["turnover"]), number(&found, "volume")), (cash, shares), "{found}");
        assert_eq!(number(&found, "tradeCount"), i128::try_from(tape.len()).unwrap(), "{found}");
        let candles = client.get(format!("/v1/markets/{symbol}/candles?interval=1d")).expect(200);
        for (name, candle) in candles["data"].as_array().unwrap().iter().flat_map(|row| row.as_object().unwrap()) {
            assert!(name == "openTime" || &found[name] == candle, "{name} of {found}");
        }
        // Where the side that comes changes, the last buyer's price is the ask, the last seller's the bid.
        let samples: Vec<i128> = tape
            .windows(2)
            .filter(|pair| pair[0]["takerSide"] != pair[1]["takerSide"])
            .map(|pair| {
                let apart = units(&pair[0]["price"]) - units(&pair[1]["price"]);
                if pair[0]["takerSide"] == "buy" { apart } else { -apart }
            })
            .collect();
        assert_eq!(number(&found, "spreadSamples"), i128::try_from(samples.len()).unwrap(), "{found}");
        if samples.is_empty() {
            assert_eq!(found["spread"], Value::Null);
        } else {
            let (sum, count) = (samples.iter().sum::<i128>(), i128::try_from(samples.len()).unwrap());
            assert!((units(&found["spread"]) * count - sum).abs() * 2 <= count, "{found}: {samples:?}");
        }
        (turnover, volume, trades) = (turnover + cash, volume + shares, trades + tape.len());
        of_symbols.insert((*symbol).to_owned(), found);
    }
    let whole = client.get(format!("/v1/analytics/days?{period}")).expect(200)["data"][0].clone();
    assert_eq!((units(&whole["turnover"]), number(&whole, "volume")), (turnover, volume), "{whole}");
    assert_eq!(number(&whole, "tradeCount"), i128::try_from(trades).unwrap(), "{whole}");
    assert!(trades > 10 && whole["day"] == DAY, "{whole}");

    let count = |of: &str| rows(client, &format!("/v1/audit/events?topic=orders&type={of}")).len();
    let messages = count("OrderAccepted") + count("AmendAccepted") + count("CancelAccepted");
    let messages = i128::try_from(messages).unwrap();
    assert_eq!(whole["orderToTradeRatio"], ratio(messages, i128::try_from(trades).unwrap()), "{whole}");
    let (mut active, mut filled, mut ordered) = (0, 0, 0);
    for user in &users {
        let of_user: Vec<Value> = rows(client, &format!("/v1/analytics/accounts/{user}?{period}"));
        let all = of_user.iter().find(|row| row["symbol"].is_null()).unwrap();
        let fills = rows(client, &format!("/v1/accounts/{user}/fills"));
        let orders = rows(client, &format!("/v1/accounts/{user}/orders"));
        let of = |side: &str| {
            let own = fills.iter().filter(|row| row["side"] == side);
            own.fold((0, 0), |(shares, cash), row| {
                let quantity = number(row, "quantity");
                (shares + quantity, cash + units(&row["price"]) * quantity)
            })
        };
        assert_eq!((number(all, "bought"), units(&all["boughtFor"])), of("buy"), "{all}");
        assert_eq!((number(all, "sold"), units(&all["soldFor"])), of("sell"), "{all}");
        assert_eq!(units(&all["fees"]), fills.iter().map(|row| units(&row["fee"])).sum::<i128>(), "{all}");
        assert_eq!(number(all, "fills"), i128::try_from(fills.len()).unwrap(), "{all}");
        let (of_fills, of_orders) = (of("buy").0 + of("sell").0, number(all, "orderedQuantity"));
        assert_eq!(all["fillRatio"], ratio(of_fills, of_orders), "{all}");
        // What the rows of its symbols add up to.
        for name in ["fills", "bought", "sold", "orders", "rejected", "orderedQuantity"] {
            let sum: i128 = of_user.iter().filter(|row| !row["symbol"].is_null()).map(|row| number(row, name)).sum();
            assert_eq!(sum, number(all, name), "{name} of {of_user:?}");
        }
        active += i128::from(!orders.is_empty());
        (filled, ordered) = (filled + of_fills, ordered + of_orders);
    }
    assert_eq!(number(&whole, "activeAccounts"), active, "{whole}");
    assert_eq!((number(&whole, "filledQuantity"), filled), (filled, 2 * volume), "{whole}");
    assert_eq!(whole["fillRatio"], ratio(filled, ordered), "{whole}");

    let movers = |by: &str| {
        let page = client.get(format!("/v1/analytics/movers?day={DAY}&by={by}&limit=1000")).expect(200);
        page["data"].as_array().unwrap().clone()
    };
    let ranked = movers("turnover");
    assert!(ranked.windows(2).all(|pair| units(&pair[0]["turnover"]) >= units(&pair[1]["turnover"])), "{ranked:?}");
    assert!(ranked.iter().all(|row| row == &of_symbols[row["symbol"].as_str().unwrap()]), "{ranked:?}");
    let moved = movers("change");
    let size = |row: &Value| units(&row["changePercent"]).abs();
    assert!(moved.windows(2).all(|pair| size(&pair[0]) >= size(&pair[1])), "{moved:?}");
    assert!(movers("losers").iter().all(|row| units(&row["change"]) < 0));
    server.stop();
}

#[test]
fn who_asks_for_ten_years_is_told_how_to_ask() {
    let home = Home::embedded();
    let server = home.serve();
    let at = server.client.deposit("ann", "USD", "1000");
    server.client.get_at("/v1/analytics/accounts/ann", &at);
    for path in ["/v1/analytics/days", "/v1/analytics/symbols", "/v1/analytics/accounts/ann"] {
        let problem =
            server.client.get(format!("{path}?from=2016-01-01&to=2025-12-31")).expect_problem(422, "invalid-request");
        assert_eq!(problem["errors"][0]["parameter"], "from", "{problem}");
        let detail = problem["errors"][0]["detail"].as_str().unwrap();
        assert!(
            detail.contains("3653 days") && detail.contains("366") && detail.contains("export parquet"),
            "{detail}"
        );
        server.client.get(format!("{path}?from=2025-01-01&to=2025-12-31")).expect(200);
        server.client.get(format!("{path}?from=2025-01-02&to=2025-01-01")).expect_problem(422, "invalid-request");
        server.client.get(format!("{path}?from=yesterday")).expect_problem(422, "invalid-request");
        server.client.get(format!("{path}?cursor=AAAA")).expect_problem(422, "invalid-request");
    }
    for query in ["by=luck", "day=2025-13-01", "limit=0", "limit=1001", "from=2025-01-01"] {
        server.client.get(format!("/v1/analytics/movers?{query}")).expect_problem(422, "invalid-request");
    }
    server.client.get("/v1/analytics/accounts/nobody").expect_problem(404, "unknown-account");
    for path in ["trades", "trades?day=today", "tapes?day=2025-01-01"] {
        server.client.get(format!("/v1/analytics/export/{path}")).expect_problem(422, "invalid-request");
    }
    let day = server.client.get("/v1/analytics/export/postings?day=2025-01-01");
    assert_eq!((day.status, day.body.as_str(), day.headers["ledger-day"].as_str()), (200, "", "over"));
    server.stop();
}
