//! The canary: an order that travels the whole way, and says how long that takes.

use orderledger_tests::client::until;
use orderledger_tests::server::Home;

#[test]
fn the_canarys_orders_come_through_and_stay_out_of_the_lists() {
    let home = Home::embedded();
    let server = home.serve_with(&["--canary"]);
    let client = &server.client;
    client.deposit("ann", "AAPL", "1");
    client.order("ann", "sell", "AAPL", 1, "150");
    let metrics = || client.get("/metrics").body;
    let value = |text: &str, name: &str| -> f64 {
        let line = text.lines().find(|line| line.rsplit_once(' ').is_some_and(|(found, _)| found == name));
        line.and_then(|line| line.rsplit_once(' ')).unwrap().1.parse().unwrap()
    };
    let done = "orderledger_canary_rounds_total{outcome=\"done\"}";
    // Both ways.
    let text = until(metrics, |text| value(text, done) >= 2.0);
    assert!(value(&text, done) >= 2.0, "{text}");
    // On a busy machine a round may be later than its patience, and is told as failed.
    let all_came_through = value(&text, "orderledger_canary_rounds_total{outcome=\"failed\"}") == 0.0;
    let took = |step: &str| {
        let part = |part: &str| value(&text, &format!("orderledger_canary_duration_seconds_{part}{{step=\"{step}\"}}"));
        assert!(part("count") >= 2.0, "{step}: {text}");
        part("sum") / part("count")
    };
    let steps = ["accepted", "matched", "settled", "shown"].map(took);
    assert!(steps[0] > 0.0 && (steps.is_sorted() || !all_came_through), "{steps:?}");

    let markets = client.get("/v1/markets").expect(200);
    let symbols: Vec<&str> =
        markets["data"].as_array().unwrap().iter().map(|row| row["symbol"].as_str().unwrap()).collect();
    assert_eq!(symbols, ["AAPL"]);
    assert_eq!(client.get("/v1/markets/LEDGER.CANARY").expect(200)["last"], "1");
    server.stop();
    home.verify();

    let server = home.serve();
    let text = server.client.get("/metrics").body;
    assert_eq!(value(&text, done), 0.0, "it is off unless asked for");
    server.stop();
}
