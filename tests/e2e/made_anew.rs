//! Views that are made anew without hands: damaged, lost, or of another program's version.

use std::cell::Cell;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use orderledger_store::generations::Generations;
use orderledger_store::views::{Options, Schema, View};
use orderledger_tests::client::{Answer, Client, until};
use orderledger_tests::server::{Home, Server};
use serde_json::{Value, json};

use crate::markets::busy_morning;
use crate::rebuild::{NAMES, ask, ended, fund, generations, trades};

fn lose(home: &Home, name: &str) {
    std::fs::remove_dir_all(home.data().join("views").join(name)).unwrap();
}

/// The generations of a view; no server runs.
fn of(home: &Home, name: &str) -> Generations {
    Generations::open(&home.data().join("views"), name).unwrap()
}

/// In the place of a view, one that a program with another version of its rows wrote.
fn with_rows_of_version(home: &Home, name: &'static str, version: u8) {
    lose(home, name);
    write_rows_of_version(&of(home, name).current_path(), name, version);
}

fn write_rows_of_version(path: &Path, name: &'static str, version: u8) {
    let view = View::open(path, Schema { name, version }, Options::default()).unwrap();
    let mut changes = view.changes();
    changes.put(&b"\x30AAPL\x00"[..], &b"rows of another shape"[..]);
    view.commit(changes, &b"head"[..]).unwrap();
    view.close().unwrap();
}

/// Flips bits all over a file, in its place.
fn flip(path: &Path) {
    use std::os::unix::fs::FileExt;
    let mut bytes = std::fs::read(path).unwrap();
    for at in (0..bytes.len()).step_by(61) {
        bytes[at] ^= 0x20;
    }
    std::fs::File::options().write(true).open(path).unwrap().write_all_at(&bytes, 0).unwrap();
}

/// Meanwhile the market's calls say so, and the others answer.
fn is_rebuilt(mut server: Server<'_>, generation: u64, last: &Value) {
    let mut seen = 0;
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        assert!(Instant::now() < deadline, "{}", server.said());
        let Ok(answer) = server.client.try_get("/v1/markets/AAPL") else { continue };
        if answer.status == 200 {
            break;
        }
        let code = answer.json()["type"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        if code == "view-rebuilding" {
            seen += 1;
            server.client.get("/v1/accounts/buyer/balances").expect(200);
            server.client.get("/v1/projections").expect(200);
            server.client.get("/v1/projections/market/generations").expect(200);
        }
        assert!(["view-rebuilding", "starting"].contains(&code.as_str()), "{answer:?}");
    }
    server.wait_until_ready();
    let rows = server.client.get_at("/v1/markets/AAPL/trades", last);
    assert_eq!(rows["data"].as_array().unwrap().len(), 20, "{rows}");
    assert_eq!(
        generations(&server.client, "market").first(),
        Some(&(generation, "live".to_owned())),
        "after {seen} refusals"
    );
    // It answers a moment before the rebuild has ended.
    assert_eq!(ended(&server.client, "market")["phase"], "done");
    let nothing = server.client.post("/v1/projections/market/rollback", &json!({})).send();
    nothing.expect_problem(409, "nothing-to-roll-back-to");
    server.stop();
}

#[test]
fn a_view_of_another_version_or_damaged_is_made_anew_by_itself() {
    let home = Home::new();
    let server = home.serve();
    fund(&server.client);
    let last = trades(&server.client);
    server.client.get_at("/v1/accounts/buyer/balances", &last);
    server.stop();
    for version in [1, 200] {
        with_rows_of_version(&home, "market", version);
        is_rebuilt(home.start(&[]), 2, &last);
    }
    home.verify();
    // What a process that ends meanwhile leaves is no view, either, of one that is lost as of one whose bytes are flipped.
    let spoil: [(&dyn Fn(), u64); 2] =
        [(&|| lose(&home, "market"), 2), (&|| flip(&of(&home, "market").current_path().join("db")), 3)];
    for (spoil, generation) in spoil {
        spoil();
        let mut server = home.start_faulty(&[], &[("ORDERLEDGER_FAULT_POINTS", "view.before-load=1")]);
        while server.client.try_get("/v1/markets/AAPL").is_ok_and(|answer| answer.status != 200) {}
        assert!(!server.wait().success(), "a view is read that is not made yet");
        is_rebuilt(home.start(&[]), generation, &last);
        home.verify();
    }
}

/// A data directory without views, or with those of a process that ended before it had written any; and one whose views have
/// nothing to show yet.
#[test]
fn what_was_never_made_is_made_before_the_server_is_ready() {
    let home = Home::new();
    let server = home.serve();
    fund(&server.client);
    let live = |client: &Client| NAMES.map(|name| generations(client, name).first().unwrap().0);
    server.stop();
    let server = home.serve();
    assert_eq!(live(&server.client)[1], 1, "no trade is nothing that market's lacks");
    let last = trades(&server.client);
    let before = server.client.balances("buyer", &last);
    server.stop();
    std::fs::remove_dir_all(home.data().join("views")).unwrap();
    // An offline command that ends in the middle leaves nothing that is taken for a view.
    let mut verify = Command::new(orderledger_tests::faulty_program());
    verify.arg("verify").args(home.options()).env("ORDERLEDGER_FAULT_POINTS", "view.after-sync=1");
    assert!(!verify.output().unwrap().status.success());
    for _ in 0..2 {
        let server = home.serve();
        assert_eq!(server.client.balances("buyer", &last), before);
        for path in ["/v1/accounts/buyer/transactions", "/v1/accounts/buyer/notifications", "/v1/analytics/days"] {
            server.client.get(path).expect(200);
        }
        assert_eq!(live(&server.client), [2; 5]);
        server.stop();
        home.verify();
    }
}

/// Bytes flipped under a running server: the first bad read finds them, and no answer is made of them.
#[test]
fn rows_that_prove_damaged_while_they_are_read_are_made_anew_by_itself() {
    // Fills enough for many blocks: those that a start reads are none of them.
    let home = busy_morning();
    let path = "/v1/accounts/b/fills?limit=1000";
    let server = home.serve();
    let before = server.client.get(path).expect(200)["data"].clone();
    assert_eq!(before.as_array().map(Vec::len), Some(400));
    server.stop();
    let server = home.serve();
    let files =
        std::fs::read_dir(home.data().join("views/settlement/gen-000001")).unwrap().map(|file| file.unwrap().path());
    files.filter(|file| file.to_string_lossy().contains("/rows-")).for_each(|file| flip(&file));
    let refused = Cell::new(0_u32);
    let is_whole = |answer: &Answer| {
        if answer.status != 200 {
            answer.expect_problem(503, "view-rebuilding");
            refused.set(refused.get() + 1);
        }
        answer.status == 200
    };
    assert_eq!(until(|| server.client.get(path), is_whole).expect(200)["data"], before);
    assert!(refused.get() > 0, "nobody saw it");
    assert_eq!(ended(&server.client, "settlement")["phase"], "done");
    assert_eq!(generations(&server.client, "settlement").first(), Some(&(2, "live".to_owned())));
    let said = server.said();
    assert_eq!(
        said.matches("the store failed at a call").count(),
        1,
        "the other calls say no more than the answer: {said}"
    );
    server.stop();
    home.verify();
}

/// A program goes back to the rows that it wrote before a newer one took over, and on from there.
#[test]
fn after_a_downgrade_the_generation_of_before_is_live_again() {
    let home = Home::new();
    let server = home.serve();
    fund(&server.client);
    trades(&server.client);
    // What a rebuild wrote is known as ours, too.
    ask(&server.client, "audit/rebuild");
    assert_eq!(ended(&server.client, "audit")["phase"], "done");
    server.stop();
    for name in NAMES {
        let mut generations = of(&home, name);
        let (number, path) = generations.create_next().unwrap();
        write_rows_of_version(&path, name, 200);
        generations.promote(number).unwrap();
    }
    let server = home.serve_logging("warn", &[]);
    let last = trades(&server.client);
    for name in NAMES {
        let live = if name == "audit" { 2 } else { 1 };
        let expected = [(live + 1, "rolled_back"), (live, "live")].map(|(number, state)| (number, state.to_owned()));
        assert_eq!(generations(&server.client, name), expected, "{name}");
        server.client.get(format!("/v1/projections/{name}/rebuild")).expect_problem(404, "no-rebuild");
    }
    let rows = server.client.get_at("/v1/markets/AAPL/trades", &last)["data"].clone();
    assert_eq!(rows.as_array().unwrap().len(), 40, "{rows}");
    let said = server.said();
    assert_eq!(said.matches("are those of a newer program: generation").count(), 5, "{said}");
    server.stop();
    home.verify();
    let server = home.serve();
    assert_eq!(generations(&server.client, "audit"), [(2, "live".to_owned())]);
    server.stop();
}

/// Whichever view it is.
#[test]
fn every_view_of_another_version_is_made_anew_by_itself() {
    let home = Home::new();
    let mut server = home.serve();
    fund(&server.client);
    let rows = server.client.get("/v1/projections").expect(200)["data"].clone();
    assert!(rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).eq(NAMES), "{rows}");
    server.stop();
    NAMES.iter().for_each(|name| with_rows_of_version(&home, name, 200));
    server = home.serve_logging("warn", &[]);
    for name in NAMES {
        let is_live = |found: &Vec<(u64, String)>| found.first() == Some(&(2, "live".to_owned()));
        let found = until(|| generations(&server.client, name), is_live);
        assert!(is_live(&found), "{name}: {found:?}");
    }
    let said = server.said();
    let passes: Vec<&str> = said.lines().filter(|line| line.contains("made anew from the log")).collect();
    assert!(passes.len() == 1 && NAMES.iter().all(|name| passes.concat().contains(name)), "one pass for all: {said}");
    server.stop();
    home.verify();
}
