//! Rebuilding views from offset zero beside the live ones, and going back.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use orderledger_store::views::{Options, Schema, View};
use orderledger_tests::client::{Client, until};
use orderledger_tests::server::{Home, Server};
use serde_json::{Value, json};

/// Every view, by calls of each kind.
const READS: [&str; 9] = [
    "/v1/accounts/buyer/balances",
    "/v1/accounts/buyer/orders?limit=3",
    "/v1/accounts/buyer/fills?limit=3",
    "/v1/markets/AAPL",
    "/v1/markets/AAPL/trades?limit=3",
    "/v1/accounts/buyer/transactions?limit=3",
    "/v1/audit/proof",
    "/v1/accounts/buyer/notifications?limit=3",
    "/v1/analytics/days",
];
/// The projections.
pub(crate) const NAMES: [&str; 5] = ["settlement", "market", "audit", "notifications", "analytics"];
/// 200 reads a second.
const BETWEEN_READS: Duration = Duration::from_millis(5);

pub(crate) fn fund(client: &Client) {
    client.deposit("buyer", "USD", "1000000");
    client.deposit("seller", "AAPL", "100000");
}

fn trade(client: &Client, price: u64) -> Value {
    client.order("seller", "sell", "AAPL", 1, &price.to_string());
    client.order("buyer", "buy", "AAPL", 1, &price.to_string())["position"].clone()
}

/// Twenty trades; where the last one stands.
pub(crate) fn trades(client: &Client) -> Value {
    (1..20).for_each(|price| drop(trade(client, 10 + price % 7)));
    trade(client, 11)
}

pub(crate) fn ask(client: &Client, what: &str) -> Value {
    client.post(format!("/v1/projections/{what}"), &json!({})).send().expect(202)
}

/// The newest rebuild or rollback, once it has ended.
pub(crate) fn ended(client: &Client, name: &str) -> Value {
    let look = || client.get(format!("/v1/projections/{name}/rebuild"));
    until(look, |answer| answer.status == 200 && !answer.json()["endedAt"].is_null()).expect(200)
}

pub(crate) fn generations(client: &Client, name: &str) -> Vec<(u64, String)> {
    let rows = client.get(format!("/v1/projections/{name}/generations")).expect(200)["data"].clone();
    let row = |row: &Value| (row["generation"].as_u64().unwrap(), row["state"].as_str().unwrap().to_owned());
    rows.as_array().unwrap().iter().map(row).collect()
}

/// A client that reads every view, and what it has seen of each.
#[derive(Default)]
struct Poller {
    last: BTreeMap<(&'static str, String), u64>,
    reads: u64,
}

impl Poller {
    /// Reads until it is told to stop or the server is gone; every answer must be there, at positions that never go back.
    fn poll(&mut self, client: &Client, stop: &AtomicBool) {
        for path in READS.into_iter().cycle() {
            let began = Instant::now();
            let Ok(answer) = client.try_get(path) else { return };
            for (partition, offset) in answer.expect(200)["asOf"]["positions"].as_object().unwrap() {
                let offset = offset.as_u64().unwrap();
                let before = self.last.insert((path, partition.clone()), offset).unwrap_or(0);
                assert!(offset >= before, "{path}: {partition} went from {before} back to {offset}");
            }
            self.reads += 1;
            if stop.load(Ordering::Acquire) {
                return;
            }
            std::thread::sleep(BETWEEN_READS.saturating_sub(began.elapsed()));
        }
    }
}

/// Ends what runs beside, whatever happens.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Reads and trades while something is done.
fn beside_traffic(client: &Client, act: impl FnOnce()) {
    let (stop, traded) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        // A failure of the act ends them too.
        let stops = Stops(&stop);
        let reader = scope.spawn(|| {
            let mut poller = Poller::default();
            poller.poll(client, &stop);
            assert!(stop.load(Ordering::Acquire), "the server was gone after {} reads", poller.reads);
        });
        let writer = scope.spawn(|| {
            while !stop.load(Ordering::Acquire) {
                trade(client, 10 + traded.fetch_add(1, Ordering::Relaxed) % 7);
            }
        });
        act();
        drop(stops);
        writer.join().unwrap();
        reader.join().unwrap();
    });
    assert!(traded.into_inner() > 0);
}

#[test]
fn views_are_rebuilt_and_rolled_back_while_everything_goes_on() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    fund(client);
    trades(client);
    beside_traffic(client, || {
        let begun = ask(client, "all/rebuild");
        assert_eq!(begun["data"].as_array().unwrap().len(), 5, "{begun}");
        for name in NAMES {
            let state = ended(client, name);
            assert_eq!((&state["phase"], &state["generation"]), (&json!("done"), &json!(2)), "{name}: {state}");
            assert!(state["digest"].is_string() && state["digest"] == state["liveDigest"], "{name}: {state}");
        }
        for name in ["settlement", "market", "audit"] {
            assert_eq!(ask(client, &format!("{name}/rollback")), json!({"generation": 1}));
            assert_eq!(ended(client, name)["phase"], "done");
            let nothing = client.post(format!("/v1/projections/{name}/rollback"), &json!({})).send();
            nothing.expect_problem(409, "nothing-to-roll-back-to");
        }
        assert_eq!(ask(client, "settlement/rebuild"), json!({"generation": 3}));
        assert_eq!(ended(client, "settlement")["phase"], "done");
    });
    let last = trade(client, 12);
    let balances = client.balances("buyer", &last);
    let expected = [(3, "live"), (1, "previous")].map(|(number, state)| (number, state.to_owned()));
    assert_eq!(generations(client, "settlement"), expected);
    let page = |query: &str| client.get(format!("/v1/projections/settlement/generations?{query}")).expect(200);
    let first = page("limit=1");
    let second = page(&format!("limit=1&cursor={}", first["nextCursor"].as_str().unwrap()));
    assert_eq!((&first["data"][0]["generation"], &second["data"][0]["generation"]), (&json!(3), &json!(1)));
    assert!(second["nextCursor"].is_null() && second["asOf"]["positions"].is_object(), "{second}");
    assert_eq!(page("order=asc")["data"][0]["generation"], 1);
    client.get("/v1/projections/settlement/generations?limit=0").expect_problem(422, "invalid-request");
    server.stop();
    home.verify();

    let server = home.serve();
    assert_eq!(server.client.balances("buyer", &last), balances);
    assert_eq!(generations(&server.client, "settlement").first(), Some(&(3, "live".to_owned())));
    assert_eq!(generations(&server.client, "audit"), [(1, "live".to_owned())], "the one rolled back is removed");
    // By the command line, on the running server.
    let (code, said) = home.run(&["rebuild", "all", "--server", server.client.base()]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("settlement generation 4: done"), "{said}");
    server.stop();
}

/// Starts a server whose rebuilds stay before their rows are loaded for as long as the file is there: long enough to be called off.
pub(crate) fn held<'a>(home: &'a Home, file: &Path) -> Server<'a> {
    std::fs::write(file, "rebuild").unwrap();
    let mut server = home.start_faulty(&[], &[("ORDERLEDGER_HANG_FILE", file.to_str().unwrap())]);
    server.wait_until_ready();
    server
}

#[test]
fn what_makes_no_sense_is_refused() {
    let home = Home::new();
    let hold = home.data().with_extension("held");
    let server = held(&home, &hold);
    let client = &server.client;
    fund(client);
    trades(client);
    let unknown = client.post("/v1/projections/balances/rebuild", &json!({})).send();
    let unknown = unknown.expect_problem(404, "unknown-projection");
    assert!(unknown["detail"].as_str().unwrap().contains("settlement, market, audit"), "{unknown}");
    client.get("/v1/projections/balances/generations").expect_problem(404, "unknown-projection");
    client.get("/v1/projections/market/rebuild").expect_problem(404, "no-rebuild");
    client.request("DELETE", "/v1/projections/market/rebuild").send().expect_problem(409, "no-rebuild");
    let nothing = client.post("/v1/projections/market/rollback", &json!({})).send();
    nothing.expect_problem(409, "nothing-to-roll-back-to");
    client.request("POST", "/v1/projections/market/rebuild").send().expect_problem(400, "idempotency-key-required");
    let reason = json!({"acceptDifference": "", "force": true});
    let refused = client.post("/v1/projections/market/rebuild", &reason).send().expect_problem(422, "invalid-request");
    assert_eq!(refused["errors"].as_array().unwrap().len(), 2, "{refused}");

    // A contract in few words: no body at all.
    let begin = || client.request("POST", "/v1/projections/settlement/rebuild").key("one").send();
    assert_eq!(begin().expect(202), json!({"generation": 2}));
    for name in ["settlement", "all"] {
        let second = client.post(format!("/v1/projections/{name}/rebuild"), &json!({})).send();
        second.expect_problem(409, "rebuild-running");
    }
    let rows = client.get("/v1/projections").expect(200)["data"].clone();
    assert_eq!((&rows[0]["state"], &rows[0]["rebuild"]["generation"]), (&json!("rebuilding"), &json!(2)), "{rows}");
    assert_eq!(client.request("DELETE", "/v1/projections/settlement/rebuild").send().expect(202)["generation"], 2);
    std::fs::remove_file(&hold).unwrap();
    assert_eq!(ended(client, "settlement")["phase"], "canceled");
    assert_eq!(generations(client, "market"), [(1, "live".to_owned())], "all or nothing is begun");
    let again = begin();
    assert_eq!((again.expect(202), again.headers["idempotency-replayed"].as_str()), (json!({"generation": 2}), "true"));
    let other = client.request("POST", "/v1/projections/settlement/rebuild").key("one");
    other.json(&json!({"acceptDifference": "why not"})).send().expect_problem(422, "idempotency-key-reused");
    let elsewhere = client.request("POST", "/v1/projections/all/rebuild").key("one").send();
    elsewhere.expect_problem(422, "idempotency-key-reused");
    assert_eq!(generations(client, "settlement"), [(1, "live".to_owned())]);
    server.stop();
    home.verify();
}

/// Rows that came and went: their files are not merged yet.
fn grow(home: &Home, generation: u64) {
    let path = home.data().join(format!("views/settlement/gen-{generation:06}"));
    let schema = Schema { name: "settlement", version: orderledger_projections::settlement::SCHEMA };
    let view = View::open(&path, schema, Options::default()).unwrap();
    let head = view.reader().unwrap().head().clone();
    let keys = || (0..4_000_u32).map(|n| [&[0xfe][..], &n.to_be_bytes()].concat());
    let (mut come, mut go) = (view.changes(), view.changes());
    keys().for_each(|key| come.put(key, vec![7; 4_000]));
    keys().for_each(|key| go.delete(key));
    for changes in [come, go] {
        view.commit(changes, head.clone()).unwrap();
        view.flush_and_sync().unwrap();
    }
    view.close().unwrap();
}

/// In a quiet hour a view whose files take more than so many times its rows is made anew, without a call.
#[test]
fn a_view_that_has_grown_is_rebuilt_in_a_quiet_hour() {
    let home = Home::embedded();
    let (code, said) = home.run(&["demo", "--orders", "1000", "--users", "30"]);
    assert_eq!(code, Some(0), "{said}");
    let live = |server: &Server| {
        let rows = generations(&server.client, "settlement");
        rows.into_iter().find(|(_, state)| state == "live").unwrap().0
    };
    let server = home.serve_with(&["--quiet-hours", "0-24", "--view-growth", "0"]);
    let before = live(&server);
    server.stop();
    grow(&home, before);
    let options = ["--quiet-hours", "0-24", "--view-growth", "3"];
    let mut server = home.start_faulty(&options, &[]);
    server.wait_until_ready();
    let state = ended(&server.client, "settlement");
    assert!(state["phase"] == "done" && live(&server) > before, "{state}");
    server.stop();
    for (wrong, words) in
        [(["--quiet-hours", "2-25"], "hours are written FROM-TO"), (["--view-growth", "2"], "3 and more")]
    {
        let (code, _) = home.serve_refused(&wrong);
        assert!(code == Some(2) && home.said().contains(words), "{}", home.said());
    }
}

#[test]
fn killed_anywhere_a_rebuild_leaves_a_whole_view() {
    let home = Home::new();
    let server = home.serve();
    fund(&server.client);
    let last = trades(&server.client);
    let balances = server.client.balances("buyer", &last);
    server.stop();
    let (mut poller, forever) = (Poller::default(), AtomicBool::new(false));
    let mut live = BTreeMap::from(NAMES.map(|name| (name, 1)));
    // Each projection is killed somewhere; the last point is the first one's again.
    for (name, (point, is_live_then)) in NAMES.into_iter().cycle().zip([
        ("view.before-load", false),
        ("view.loaded", false),
        ("generation.before-promotion", false),
        ("generation.after-promotion", true),
        ("generation.before-swap", true),
        ("generation.after-swap", true),
    ]) {
        let mut server = home.start_faulty(&[], &[("ORDERLEDGER_FAULT_POINTS", &format!("{point}=1"))]);
        server.wait_until_ready();
        let client = server.client.clone();
        std::thread::scope(|scope| {
            scope.spawn(|| poller.poll(&client, &forever));
            ask(&client, &format!("{name}/rebuild"));
            assert!(!server.wait().success(), "{name} {point}");
        });
        let server = home.serve();
        let live = live.entry(name).or_default();
        *live += u64::from(is_live_then);
        let found = generations(&server.client, name);
        assert_eq!(found.first(), Some(&(*live, "live".to_owned())), "{name} {point}: {found:?}");
        let answer = server.client.get(format!("/v1/projections/{name}/generations")).expect(200);
        let interrupted = if is_live_then { Value::Null } else { json!(*live + 1) };
        assert_eq!(answer["interrupted"], interrupted, "{name} {point}");
        assert_eq!(server.client.balances("buyer", &last), balances, "{name} {point}");
        server.stop();
        home.verify();
    }
}
