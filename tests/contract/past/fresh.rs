//! How fresh an answer is: `Ledger-Position` carried on, `maxStalenessMs`, and answers that did not change.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use orderledger_tests::client::{Answer, Client, until};
use orderledger_tests::server::Home;
use serde_json::json;

const READS: [&str; 9] = [
    "/v1/accounts/ada/balances",
    "/v1/accounts/ada/orders",
    "/v1/accounts/ada/fills",
    "/v1/accounts/ada/transactions",
    "/v1/markets",
    "/v1/markets/AAPL",
    "/v1/markets/AAPL/trades",
    "/v1/markets/AAPL/book",
    "/v1/audit/proof",
];

fn trade(client: &Client) {
    client.order("bob", "sell", "AAPL", 1, "100");
    client.order("ada", "buy", "AAPL", 1, "100");
}

fn fund(client: &Client) {
    client.deposit("ada", "USD", "100000");
    client.deposit("bob", "AAPL", "1000");
}

/// The positions of a `Ledger-Position`.
fn positions(answer: &Answer) -> BTreeMap<String, u64> {
    let parts = answer.headers["ledger-position"].split(',').map(|one| one.split_once('@').unwrap());
    parts.map(|(of, offset)| (of.to_owned(), offset.parse().unwrap())).collect()
}

/// A session that carries every answer's `Ledger-Position` to the next call.
#[derive(Default)]
struct Session {
    seen: BTreeMap<String, u64>,
}

impl Session {
    fn carried(&self) -> String {
        let all: Vec<String> = self.seen.iter().map(|(of, offset)| format!("{of}@{offset}")).collect();
        all.join(",")
    }

    /// Reads; no answer is of an earlier state than any before it.
    fn read(&mut self, client: &Client, path: &str) -> bool {
        let path = format!("{path}?waitMs=10000");
        let ask = || client.request("GET", path.clone()).header("ledger-position", self.carried()).try_send();
        // A view that may lag is not there within these ten seconds on every machine.
        let is_late = |answer: &Result<Answer, _>| answer.as_ref().is_ok_and(|answer| answer.status == 409);
        let Ok(answer) = until(ask, |answer| !is_late(answer)) else { return false };
        if answer.status == 503 {
            return false;
        }
        answer.expect(200);
        for (of, offset) in positions(&answer) {
            let seen = self.seen.entry(of.clone()).or_default();
            assert!(offset >= *seen, "{path}: {of} was at {seen}, and is at {offset}");
            *seen = offset;
        }
        true
    }
}

#[test]
fn who_carries_the_ledger_position_never_reads_an_earlier_state_across_kills_and_rebuilds() {
    let home = Home::new();
    let mut session = Session::default();
    let first = home.serve();
    fund(&first.client);
    let mut server = first;
    for _ in 0..3 {
        (0..5).for_each(|_| trade(&server.client));
        READS.iter().for_each(|path| assert!(session.read(&server.client, path), "{path}"));
        server.kill();
        server = home.start(&[]);
        // From the first answer on, whatever the views have applied again by then.
        for path in READS {
            let deadline = Instant::now() + Duration::from_secs(120);
            while !session.read(&server.client, path) {
                assert!(Instant::now() < deadline, "{path}");
                std::thread::yield_now();
            }
        }
    }
    server.wait_until_ready();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                trade(&server.client);
            }
        });
        server.client.post("/v1/projections/all/rebuild", &json!({})).send().expect(202);
        for name in ["settlement", "market", "audit"] {
            loop {
                READS.iter().for_each(|path| assert!(session.read(&server.client, path), "{path}"));
                let job = server.client.get(format!("/v1/projections/{name}/rebuild"));
                if job.status == 200 && !job.json()["endedAt"].is_null() {
                    break;
                }
            }
        }
        READS.iter().for_each(|path| assert!(session.read(&server.client, path), "{path}"));
        done.store(true, Ordering::Release);
    });
}

#[test]
fn a_session_waits_for_what_it_has_seen_and_ignores_what_a_view_does_not_read() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    let ask = |path: &str, seen: &str| client.request("GET", path).header("ledger-position", seen).send();
    let written = client.post("/v1/accounts/ada/deposits", &json!({"asset": "USD", "amount": "7"})).send();
    let own = ask("/v1/accounts/ada/balances?waitMs=10000", &written.headers["ledger-position"]).expect(200);
    assert_eq!(own["data"][0]["total"], "7");
    ask("/v1/accounts/ada/balances?waitMs=0", "books-0@999999,dead-letters-1@5,orders-99@1,trades-3@77").expect(200);
    let early = ask("/v1/accounts/ada/balances?waitMs=50", "orders-0@999999");
    assert!(early.expect_problem(409, "position-not-reached")["detail"].as_str().unwrap().contains("Ledger-Position"));
    assert!(early.headers.contains_key("retry-after"), "{early:?}");
    for malformed in ["zzz", "orders-0", "orders-0@1,,orders-1@2", "orders-0@-1"] {
        ask("/v1/accounts/ada/balances", malformed).expect_problem(422, "invalid-request");
    }
    for path in ["/v1/accounts/ada/balances?clock=event", "/v1/accounts/ada/orders?asOfTime=soon"] {
        client.get(path).expect_problem(422, "invalid-request");
    }
    let elsewhere = "/v1/accounts/ada/orders?asOfPosition=trades-0@1";
    client.get(elsewhere).expect_problem(422, "invalid-request");
    let (of, offset) = written.headers["ledger-position"].split_once('@').unwrap();
    for what in ["balances", "orders", "postings", "fills", "balances/USD/explain"] {
        let future = offset.parse::<u64>().unwrap() + 999;
        let path = format!("/v1/accounts/ada/{what}?asOfPosition={of}@{future}&waitMs=20");
        client.get(path).expect_problem(409, "position-not-reached");
    }
}

#[test]
fn an_answer_that_is_older_than_its_caller_accepts_is_refused_with_its_lag() {
    let home = Home::new();
    let poison = tempfile::NamedTempFile::new().unwrap();
    let environment = [("ORDERLEDGER_POISON_FILE", poison.path().to_str().unwrap())];
    let mut server = home.start_faulty(&["--parking-consecutive", "2", "--partitions", "1"], &environment);
    server.wait_until_ready();
    let client = &server.client;
    let first = client.deposit("ada", "USD", "1");
    let fresh = "/v1/accounts/ada/balances?maxStalenessMs=0&waitMs=10000";
    client.get(fresh).expect(200);
    let (of, offset) = first.as_str().unwrap().split_once('@').unwrap();
    let offset: u64 = offset.parse().unwrap();
    std::fs::write(poison.path(), format!("settlement:{of}@{}\nsettlement:{of}@{}", offset + 2, offset + 4)).unwrap();
    ["bob", "eve", "ada"].iter().for_each(|user| drop(client.deposit(user, "USD", "1")));
    let stale =
        until(|| client.get("/v1/accounts/ada/balances?maxStalenessMs=0&waitMs=20"), |answer| answer.status == 503);
    let problem = stale.expect_problem(503, "too-stale");
    assert!(stale.headers.contains_key("retry-after"), "{stale:?}");
    assert!(problem["lagRecords"].as_u64() > Some(0) && problem["lagMs"].as_u64() > Some(0), "{problem}");
    client.get("/v1/accounts/ada/balances?maxStalenessMs=86400000").expect(200);
    client.get("/v1/accounts/ada/balances").expect(200);
    // The other views go on.
    client.get("/v1/audit/proof?maxStalenessMs=1000&waitMs=10000").expect(200);
    client.get("/v1/accounts/ada/balances?maxStalenessMs=-1").expect_problem(422, "invalid-request");
}

#[test]
fn nothing_that_stayed_the_same_is_sent_again_wherever_it_is_asked() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    fund(client);
    trade(client);
    client.post("/v1/projections/market/rebuild", &json!({})).send().expect(202);
    until(|| client.get("/v1/projections/market/rebuild").json(), |job| !job["endedAt"].is_null());
    let others = [
        "/v1/projections",
        "/v1/projections/market/rebuild",
        "/v1/projections/market/generations",
        "/v1/parked",
        "/v1/fees",
        "/v1/accounts/ada/balances/USD/explain",
        "/v1/accounts/ada/postings?reason=trade",
        "/v1/markets/AAPL/candles",
    ];
    for path in others.into_iter().chain(READS) {
        // A view may still be writing to disk what it shows.
        let again = until(
            || {
                let tag = client.get(path).headers["etag"].clone();
                client.request("GET", path).header("if-none-match", tag).send()
            },
            |answer| answer.status == 304,
        );
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{path}");
        assert_eq!(client.request("GET", path).header("if-none-match", "\"x\"").send().status, 200, "{path}");
    }
    for path in READS {
        assert!(client.get(path).headers.contains_key("ledger-position"), "{path}");
    }
}
