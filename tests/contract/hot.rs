//! An answer that is given again says what one that is read anew says.

use orderledger_tests::server::Home;
use serde_json::Value;

/// The rows without `asOf`.
fn rows(mut answer: Value) -> Value {
    answer.as_object_mut().unwrap().remove("asOf");
    answer
}

#[test]
fn an_answer_given_again_is_the_one_that_is_read_anew_at_every_moment() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    for (asset, amount) in [("USD", "1000000"), ("AAPL", "1000")] {
        client.deposit("u", asset, amount);
        client.deposit("v", asset, amount);
    }
    for number in 0..12_u64 {
        let (user, side) = if number % 2 == 0 { ("u", "sell") } else { ("v", "buy") };
        let order = client.order(user, side, "AAPL", 1 + number % 3, &format!("{}", 100 + number % 4));
        let (id, at) = (order["orderId"].as_str().unwrap(), order["position"].as_str().unwrap());
        for path in [
            format!("/v1/accounts/{user}/balances"),
            format!("/v1/accounts/{user}/orders/{id}"),
            "/v1/markets/AAPL".to_owned(),
            "/v1/markets/AAPL/book".to_owned(),
            "/v1/markets/AAPL/book?depth=1".to_owned(),
        ] {
            let join = if path.contains('?') { '&' } else { '?' };
            // One that waits is read anew; the others may be what was kept, and must be no older.
            let anew = client.get(format!("{path}{join}minPosition={at}&waitMs=10000")).expect(200);
            for _ in 0..3 {
                let answer = client.get(path.clone());
                let again = answer.expect(200);
                assert_eq!(rows(again.clone()), rows(anew.clone()), "{path}");
                for (partition, offset) in anew["asOf"]["positions"].as_object().unwrap() {
                    assert!(again["asOf"]["positions"][partition].as_u64() >= offset.as_u64(), "{path}: {again}");
                }
                let tag = answer.headers["etag"].clone();
                let same = client.request("GET", path.clone()).header("if-none-match", tag).send();
                assert_eq!((same.status, same.body.as_str()), (304, ""), "{path}");
            }
        }
    }
}
