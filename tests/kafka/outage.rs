//! The broker dies in the middle of flow, or is slow: nothing lost, nothing twice, and every answer says what is known.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use orderledger_domain::position::Topic;
use orderledger_store::event_log::EventLog;
use orderledger_store::event_log::kafka::{KafkaLog, KafkaSettings, topics};
use orderledger_tests::client::{Client, limit, new_key};
use orderledger_tests::kafka::{Broker, Setup};
use orderledger_tests::proxy::{Mode, Proxy};
use orderledger_tests::server::Home;

const PATIENCE: Duration = Duration::from_secs(180);
/// How long the broker is away.
const OUTAGE: Duration = Duration::from_secs(8);
/// With `ORDERLEDGER_LONG` set.
const OUTAGE_LONG: Duration = Duration::from_secs(60);
const WRITERS: u64 = 4;
const PARTITIONS: u32 = 3;

fn with_topics(broker: &Broker) -> KafkaSettings {
    let settings = KafkaSettings { brokers: broker.bootstrap(), ..KafkaSettings::default() };
    topics::create(&settings, PARTITIONS, None).unwrap();
    settings
}

/// Writers that place orders, each insisting on each of its own with the same key until it is judged.
#[derive(Default)]
struct Flow {
    judged: AtomicU64,
    unknown: AtomicU64,
    ended: AtomicBool,
}

impl Flow {
    /// The ids of the orders that were judged.
    fn write(&self, client: &Client, user: &str) -> Vec<String> {
        let path = format!("/v1/accounts/{user}/orders");
        let mut ids = Vec::new();
        for number in 0_u64.. {
            let side = if (number / 2).is_multiple_of(2) { "buy" } else { "sell" };
            let (key, body) = (new_key(), limit(side, "AAPL", 1 + number % 3, &format!("{}", 100 + number % 2)));
            loop {
                if self.ended.load(Ordering::Acquire) {
                    return ids;
                }
                let answer = client.request("POST", &path).key(&key).json(&body).send();
                if answer.status < 300 {
                    ids.push(answer.json()["orderId"].as_str().unwrap().to_owned());
                    self.judged.fetch_add(1, Ordering::AcqRel);
                    break;
                }
                answer.expect_problem(503, "outcome-unknown");
                self.unknown.fetch_add(1, Ordering::AcqRel);
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        ids
    }

    fn wait(&self, what: &AtomicU64, more: u64) {
        let (wanted, begun) = (what.load(Ordering::Acquire) + more, Instant::now());
        while what.load(Ordering::Acquire) < wanted {
            assert!(begun.elapsed() < PATIENCE, "the flow stands still");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn a_broker_that_dies_in_the_middle_of_flow_costs_nothing_but_time() {
    let Some(broker) = Setup::default().start().unwrap() else { return };
    let home = Home::on(with_topics(&broker));
    let server = home.serve();
    for user in 0..WRITERS {
        server.client.deposit(&format!("w{user}"), "USD", "100000000");
        server.client.deposit(&format!("w{user}"), "AAPL", "1000000");
    }
    let (flow, client) = (Flow::default(), &server.client);
    let outage = if std::env::var_os("ORDERLEDGER_LONG").is_some() { OUTAGE_LONG } else { OUTAGE };
    let judged: BTreeMap<String, Vec<String>> = std::thread::scope(|scope| {
        let write = |user: String| (user.clone(), flow.write(client, &user));
        let writers: Vec<_> = (0..WRITERS).map(|user| scope.spawn(move || write(format!("w{user}")))).collect();
        flow.wait(&flow.judged, 200);
        broker.kill().unwrap();
        let gone = Instant::now();
        flow.wait(&flow.unknown, 1);
        std::thread::sleep(outage.saturating_sub(gone.elapsed()));
        broker.start().unwrap();
        flow.wait(&flow.judged, 200);
        flow.ended.store(true, Ordering::Release);
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    server.stop();
    home.verify();
    let server = home.serve();
    for (user, ids) in judged {
        let mut known: Vec<String> = Vec::new();
        let mut path = format!("/v1/accounts/{user}/orders?limit=1000");
        loop {
            let page = server.client.get(path).expect(200);
            known
                .extend(page["data"].as_array().unwrap().iter().map(|row| row["orderId"].as_str().unwrap().to_owned()));
            let Some(cursor) = page["nextCursor"].as_str() else { break };
            path = format!("/v1/accounts/{user}/orders?limit=1000&cursor={cursor}");
        }
        let mut once = known.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), known.len(), "an order of {user} stands there twice");
        assert!(ids.iter().all(|id| known.contains(id)), "an order of {user} is lost");
        // Each writer was stopped at one order at most, which may have been judged.
        assert!(known.len() <= ids.len() + 1, "{user}: {} orders, {} judged", known.len(), ids.len());
    }
    server.stop();
}

#[test]
fn a_broker_that_is_restarted_during_an_import_loses_no_record_of_the_file() {
    const RECORDS: u64 = 6_000;
    let Some(broker) = Setup::default().start().unwrap() else { return };
    let settings = with_topics(&broker);
    let home = Home::on(settings.clone());
    let deposit = |number: u64| {
        format!(
            r#"{{"eventId":"{}","eventType":"DepositMade","timestamp":"2026-01-01T00:00:00Z","payload":{{"userId":"u{}","asset":"USD","amount":1}},"metadata":{{"version":"2.0","source":"test"}}}}"#,
            uuid::Uuid::from_u128((4 << 76) | (2 << 62) | u128::from(number)),
            number % 50
        )
    };
    let file = home.data().with_file_name("records.jsonl");
    std::fs::write(&file, (0..RECORDS).map(|number| deposit(number) + "\n").collect::<String>()).unwrap();
    let log = KafkaLog::open(settings, None).unwrap();
    let ends = || (0..PARTITIONS).map(|at| log.end_offset(Topic::Orders.at(at)).unwrap()).sum::<u64>();
    std::thread::scope(|scope| {
        let import = scope.spawn(|| home.run(&["import", "events", file.to_str().unwrap()]));
        let begun = Instant::now();
        while ends() < RECORDS / 4 {
            assert!(begun.elapsed() < PATIENCE && !import.is_finished(), "the import did not begin");
        }
        broker.kill().unwrap();
        broker.start().unwrap();
        let (code, said) = import.join().unwrap();
        assert_eq!(code, Some(0), "{said}");
    });
    home.verify();
    let server = home.serve();
    let total: u64 = (0..50)
        .map(|user| server.client.get(format!("/v1/accounts/u{user}/balances")).expect(200))
        .map(|balances| balances["data"][0]["total"].as_str().unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(total, RECORDS);
    server.stop();
}

#[test]
fn a_slow_way_to_the_broker_makes_answers_late_and_connections_that_break_are_made_again() {
    // The proxy's port is what the broker tells its clients; the broker's own is known before it starts.
    let port = orderledger_tests::ports::free_port();
    let proxy = Proxy::to(port).unwrap();
    let Some(broker) = Setup::on(port).advertise(proxy.port()).start().unwrap() else { return };
    let home = Home::on(with_topics(&broker));
    let server = home.serve();
    server.client.deposit("u", "USD", "1000");
    proxy.set(Mode::Delay(Duration::from_millis(100)));
    let begun = Instant::now();
    let order = server.client.order("u", "buy", "AAPL", 1, "10");
    assert!(begun.elapsed() >= Duration::from_millis(400), "two hops of 200 ms each can't take {:?}", begun.elapsed());
    assert_eq!(server.client.balances("u", &order["position"])["USD"], ["1000", "990", "10"]);
    assert_eq!(server.client.get("/readyz").status, 200);
    proxy.set(Mode::Pass);
    for number in 0_u64..5 {
        proxy.cut();
        let order = server.client.order("u", "buy", "AAPL", 1, "10");
        let reserved = (20 + 10 * number).to_string();
        assert_eq!(server.client.balances("u", &order["position"])["USD"][2], reserved);
    }
    server.stop();
    home.verify();
}
