//! Writers that insist on each of their orders with its key, and the look whether each judged one stands there, once, in order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use orderledger_tests::client::{Client, limit, new_key, until};

const PATIENCE: Duration = Duration::from_secs(180);
const WRITERS: u64 = 4;

/// The ids of each writer's judged orders, in the order of their judging.
pub(crate) type Judged = BTreeMap<String, Vec<String>>;

/// How far the writers are.
#[derive(Default)]
pub(crate) struct Flow {
    judged: AtomicU64,
    unknown: AtomicU64,
    ended: AtomicBool,
}

impl Flow {
    fn write(&self, client: &Client, user: &str) -> Vec<String> {
        let path = format!("/v1/accounts/{user}/orders");
        let (mut ids, mut last) = (Vec::new(), None);
        for number in 0_u64.. {
            let side = if (number / 2).is_multiple_of(2) { "buy" } else { "sell" };
            let (key, body) = (new_key(), limit(side, "AAPL", 1 + number % 3, &format!("{}", 100 + number % 2)));
            loop {
                if self.ended.load(Ordering::Acquire) {
                    return ids;
                }
                let answer = client.request("POST", &path).key(&key).json(&body).send();
                if answer.status < 300 {
                    let order = answer.json();
                    let stands = offset(order["position"].as_str().unwrap());
                    assert!(last < Some(stands), "{order} stands before an earlier one");
                    last = Some(stands);
                    ids.push(order["orderId"].as_str().unwrap().to_owned());
                    self.judged.fetch_add(1, Ordering::AcqRel);
                    break;
                }
                // Intake begins again where the cluster disowned a topic for a moment, and takes nothing until it is there.
                let is_behind = answer.status == 503 && answer.body.contains("/not-ready\"");
                answer.expect_problem(503, if is_behind { "not-ready" } else { "outcome-unknown" });
                self.unknown.fetch_add(1, Ordering::AcqRel);
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        ids
    }

    /// Waits until so many more are judged.
    pub(crate) fn wait_judged(&self, more: u64) {
        self.wait(&self.judged, more);
    }

    /// Waits until so many more answers said that the outcome is unknown, or that nothing is taken.
    pub(crate) fn wait_unknown(&self, more: u64) {
        self.wait(&self.unknown, more);
    }

    fn wait(&self, what: &AtomicU64, more: u64) {
        let (wanted, begun) = (what.load(Ordering::Acquire) + more, Instant::now());
        while what.load(Ordering::Acquire) < wanted {
            assert!(begun.elapsed() < PATIENCE, "the flow stands still");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

pub(crate) fn offset(position: &str) -> u64 {
    let first = position.split(',').next().unwrap();
    first.rsplit('@').next().unwrap().parse().unwrap()
}

/// Ends the flow after a panic too: else its threads would be waited for, for ever.
struct Ending<'a>(&'a Flow);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Release);
    }
}

/// Funds the writers and lets them write for as long as `happens` runs.
pub(crate) fn run(client: &Client, happens: impl FnOnce(&Flow)) -> Judged {
    let users: Vec<String> = (0..WRITERS).map(|user| format!("w{user}")).collect();
    for user in &users {
        fund(client, user, "USD", "100000000");
        fund(client, user, "AAPL", "1000000");
    }
    let flow = Flow::default();
    std::thread::scope(|scope| {
        let flow = &flow;
        let writing = users.iter().map(|user| (user.clone(), scope.spawn(move || flow.write(client, user))));
        let writing: Vec<_> = writing.collect();
        let ending = Ending(flow);
        happens(flow);
        drop(ending);
        writing.into_iter().map(|(user, writer)| (user, writer.join().unwrap())).collect()
    })
}

/// Insists: a cluster that has just begun may be slow.
pub(crate) fn fund(client: &Client, user: &str, asset: &str, amount: &str) {
    let (key, body) = (new_key(), serde_json::json!({"asset": asset, "amount": amount}));
    let path = format!("/v1/accounts/{user}/deposits");
    let ask = || client.request("POST", &path).key(&key).json(&body).send();
    until(ask, |answer| answer.status == 201).expect(201);
}

/// Every judged order stands there once, and no writer's order that nobody insisted on.
pub(crate) fn check(client: &Client, judged: &Judged) {
    for (user, ids) in judged {
        let mut known: Vec<String> = Vec::new();
        let mut path = format!("/v1/accounts/{user}/orders?limit=1000");
        loop {
            let page = client.get(path).expect(200);
            let rows = page["data"].as_array().unwrap();
            known.extend(rows.iter().map(|row| row["orderId"].as_str().unwrap().to_owned()));
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
}
