//! A moment that comes while it is waited for.

use orderledger_tests::client::limit;
use orderledger_tests::server::Home;
use serde_json::Value;

/// The partition of `orders` and the offset that the answer names.
fn place(answer: &Value) -> (String, u64) {
    let all = answer["position"].as_str().unwrap();
    let own = all.split(',').find(|position| position.starts_with("orders-")).unwrap();
    let (partition, offset) = own.split_once('@').unwrap();
    (partition.to_owned(), offset.parse().unwrap())
}

#[test]
fn an_order_of_a_moment_still_to_come_is_the_order_of_that_moment() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    client.deposit("u", "USD", "1000");
    let order = || client.order("u", "buy", "AAPL", 1, "10");
    let path = |order: &Value| format!("/v1/accounts/u/orders/{}", order["orderId"].as_str().unwrap());
    let cancel = |order: &Value, key: &str| client.request("DELETE", path(order)).key(key).wait().send().expect(200);
    // How many records it takes to cancel one.
    let first = order();
    let records = place(&cancel(&first, "cancel-1")).1 - place(&first).1;
    let second = order();
    let (partition, stands) = place(&second);
    let id = second["orderId"].as_str().unwrap();
    let asked = format!("/v1/orders/{id}?asOfPosition={partition}@{}&waitMs=10000", stands + records);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| client.get(asked.as_str()).expect(200));
        // It waits: what comes behind the order in between says so.
        client.post("/v1/accounts/u/orders?dryRun=true", &limit("buy", "AAPL", 1, "10")).send().expect(200);
        cancel(&second, "cancel-2");
        let then = waiting.join().unwrap();
        assert_eq!(then["status"], "canceled", "{then}");
        assert_eq!(then["asOf"]["positions"][&partition], stands + records, "{then}");
    });
}
