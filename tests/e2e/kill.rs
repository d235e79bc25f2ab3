//! kill -9 in the middle of flow: everything acknowledged is there, nothing twice.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use serde_json::Value;

use orderledger_tests::client::{Client, limit, new_key};
use orderledger_tests::server::Home;

const KILLS: usize = 3;
/// With `ORDERLEDGER_LONG` set.
const KILLS_LONG: usize = 100;
const WRITERS: usize = 6;
/// Acknowledged writes between two kills.
const BETWEEN: usize = 150;
const PATIENCE: Duration = Duration::from_secs(120);

/// What the writers share with who kills.
#[derive(Default)]
struct Flow {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The running server, if one runs, and how many ran before it.
    client: Option<Client>,
    generation: u64,
    /// The order of each acknowledged key, by user.
    acknowledged: BTreeMap<String, Vec<String>>,
    count: usize,
    ended: bool,
}

impl Flow {
    fn wait_until(&self, right: impl Fn(&State) -> bool) {
        let state = self.state.lock().unwrap();
        let (_state, over) = self.changed.wait_timeout_while(state, PATIENCE, |state| !right(state)).unwrap();
        assert!(!over.timed_out(), "the flow stands still");
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    /// The running server and its number, once there is one; none when all is done.
    fn server(&self) -> Option<(Client, u64)> {
        self.wait_until(|state| state.client.is_some() || state.ended);
        let state = self.state.lock().unwrap();
        state.client.clone().map(|client| (client, state.generation))
    }

    /// Sends until it is acknowledged, whatever happens to the server; false when all is done before that.
    fn insist(
        &self,
        send: impl Fn(&Client) -> Result<orderledger_tests::client::Answer, ureq::Error>,
    ) -> Option<Value> {
        loop {
            let (client, generation) = self.server()?;
            match send(&client) {
                Ok(answer) if answer.status < 300 => return Some(answer.json()),
                // Not judged in time, or not ready yet: the same key is safe.
                Ok(answer) => assert_eq!(answer.status, 503, "{answer:?}"),
                // Killed: the next server is asked.
                Err(_) => self.wait_until(|state| state.generation > generation || state.ended),
            }
        }
    }

    /// One user's orders, each under its own key, buying and selling in turns.
    fn write(&self, user: &str) {
        for number in 0_u64.. {
            let side = if (number / 2).is_multiple_of(2) { "buy" } else { "sell" };
            let (key, body) = (new_key(), limit(side, "AAPL", 1 + number % 3, &format!("{}", 100 + number % 2)));
            let path = format!("/v1/accounts/{user}/orders");
            let Some(order) = self.insist(|client| client.request("POST", &path).key(&key).json(&body).try_send())
            else {
                return;
            };
            let id = order["orderId"].as_str().unwrap().to_owned();
            self.change(|state| {
                state.acknowledged.entry(user.to_owned()).or_default().push(id);
                state.count += 1;
            });
        }
    }
}

#[test]
fn kill_9_in_the_middle_of_flow_loses_nothing_and_doubles_nothing() {
    let kills = if std::env::var_os("ORDERLEDGER_LONG").is_some() { KILLS_LONG } else { KILLS };
    let (home, flow) = (Home::new(), Flow::default());
    let users: Vec<String> = (0..WRITERS).map(|number| format!("u{number}")).collect();
    let first = home.serve();
    for user in &users {
        first.client.deposit(user, "USD", "1000000");
        first.client.deposit(user, "AAPL", "10000");
    }
    std::thread::scope(|scope| {
        let writers: Vec<_> = users.iter().map(|user| scope.spawn(|| flow.write(user))).collect();
        let mut server = first;
        for kill in 1..=kills {
            flow.change(|state| (state.client, state.generation) = (Some(server.client.clone()), state.generation + 1));
            flow.wait_until(|state| state.count >= kill * BETWEEN);
            flow.change(|state| state.client = None);
            server.kill();
            server = home.serve();
        }
        flow.change(|state| (state.client, state.generation) = (Some(server.client.clone()), state.generation + 1));
        flow.wait_until(|state| state.count >= (kills + 1) * BETWEEN);
        flow.change(|state| (state.ended, state.client) = (true, None));
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        check(&server.client, &users, &flow);
        server.stop();
    });
    home.verify();
}

/// Every acknowledged order is there once, decided, and no share or cent is lost.
fn check(client: &Client, users: &[String], flow: &Flow) {
    let mut totals = BTreeMap::<String, u64>::new();
    for user in users {
        // Behind all others in the book: what its answer rests on is everything.
        let last = client.order(user, "buy", "AAPL", 1, "1");
        let mut counts = BTreeMap::<String, u64>::new();
        let mut cursor = String::new();
        loop {
            let page = client.get_at(&format!("/v1/accounts/{user}/orders?limit=1000{cursor}"), &last["position"]);
            for order in page["data"].as_array().unwrap() {
                *counts.entry(order["orderId"].as_str().unwrap().to_owned()).or_default() += 1;
            }
            let Some(next) = page["nextCursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert!(counts.values().all(|count| *count == 1), "{user}: {counts:?}");
        let acknowledged = flow.state.lock().unwrap().acknowledged[user].clone();
        for order in &acknowledged {
            assert!(counts.contains_key(order), "{user}: {order} was acknowledged and is gone");
        }
        // One that was asked when all ended may be there though it was not acknowledged, and the one above is.
        assert!(counts.len() <= acknowledged.len() + 2, "{user}: {} of {}", counts.len(), acknowledged.len());
        for (asset, [total, ..]) in client.balances(user, &last["position"]) {
            *totals.entry(asset).or_default() += total.parse::<u64>().unwrap();
        }
    }
    let of_all = |each: u64| each * u64::try_from(users.len()).unwrap();
    let expected = BTreeMap::from([("AAPL".to_owned(), of_all(10_000)), ("USD".to_owned(), of_all(1_000_000))]);
    assert_eq!(totals, expected);
}
