//! A backup of a server that runs, and what comes back from it: the same records at the same offsets, and a ledger that adds up.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use orderledger_tests::client::{Client, until};
use orderledger_tests::proxy::{Mode, Proxy};
use orderledger_tests::server::Home;
use serde_json::Value;

/// Deposits and orders of some users, a part of which trade.
fn trade(client: &Client, orders: u64) {
    for user in ["ann", "bob"] {
        client.deposit(user, "USD", "100000");
        client.deposit(user, "AAPL", "1000");
    }
    for number in 0..orders {
        let (user, side) = if number % 2 == 0 { ("ann", "buy") } else { ("bob", "sell") };
        client.order(user, side, "AAPL", 1 + number % 3, "10");
    }
}

/// Every record of the log, a line each.
fn dumped(home: &Home) -> Vec<String> {
    let (code, said) = home.run(&["log", "dump"]);
    assert_eq!(code, Some(0), "{said}");
    said.lines().map(str::to_owned).collect()
}

/// Takes a backup into that directory, and gives the file.
fn backup(home: &Home, to: &Path) -> PathBuf {
    let (code, said) = home.run(&["backup", "--json", "--to", to.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    let told: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!(told["state"], "intact", "{told}");
    PathBuf::from(told["file"].as_str().unwrap())
}

fn restore(file: &Path, home: &Home) {
    let (code, said) = home.run(&["restore", file.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
}

/// The digests of the views once all has been read and is on the disk.
fn digests(client: &Client) -> Vec<Value> {
    let rows = || client.get("/v1/projections").expect(200)["data"].as_array().unwrap().clone();
    let still =
        |rows: &Vec<Value>| rows.iter().all(|row| row["lagRecords"] == 0 && row["digestPositions"] == row["positions"]);
    let rows = until(rows, still);
    assert!(still(&rows), "{rows:?}");
    rows.into_iter().map(|row| row["digest"].clone()).collect()
}

#[test]
fn offline_a_log_in_use_is_left_alone() {
    let home = Home::embedded();
    let server = home.serve();
    server.client.deposit("ann", "USD", "1");
    let to = home.data().with_file_name("backups");
    let offline = ["--offline", "--to", to.to_str().unwrap()];
    let (code, said) = home.run(&[&["backup"], &offline[..]].concat());
    assert!(code == Some(3) && said.contains("stop its server, or leave --offline out"), "{code:?}: {said}");
    let (code, said) = home.run(&["log", "tail", "--offline"]);
    assert!(code == Some(3) && said.contains("leave --offline out"), "{code:?}: {said}");
    backup(&home, &to);
    server.stop();
    let (code, said) = home.run(&[&["backup"], &offline[..]].concat());
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_backup_of_a_server_that_takes_orders_comes_back_as_a_ledger_that_adds_up() {
    let (home, restored) = (Home::embedded(), Home::embedded());
    let backups = home.data().with_file_name("backups");
    let server = home.serve();
    trade(&server.client, 40);
    let ended = AtomicBool::new(false);
    let file = std::thread::scope(|scope| {
        for (user, side) in [("ann", "buy"), ("bob", "sell")] {
            let (client, ended) = (&server.client, &ended);
            scope.spawn(move || {
                while !ended.load(Ordering::Acquire) {
                    client.order(user, side, "AAPL", 1, "10");
                }
            });
        }
        let file = backup(&home, &backups);
        ended.store(true, Ordering::Release);
        file
    });
    server.stop();
    let there = dumped(&home);
    restore(&file, &restored);
    let here = dumped(&restored);
    assert!(here.len() > 100 && here.iter().all(|record| there.contains(record)), "{} of {}", here.len(), there.len());
    // It goes on from there, and what was still to be written is written.
    let server = restored.serve();
    server.client.order("ann", "buy", "AAPL", 1, "10");
    server.stop();
    restored.verify();
    let file_mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
    assert_eq!(file_mode & 0o077, 0, "everybody's orders are for their owner alone");
}

#[test]
fn a_backup_of_a_server_at_rest_comes_back_record_for_record_and_row_for_row() {
    let (home, restored) = (Home::embedded(), Home::embedded());
    let server = home.serve_with(&["--partitions", "3"]);
    trade(&server.client, 20);
    let before = digests(&server.client);
    let backups = home.data().with_file_name("backups");
    let beside = backup(&home, &backups);
    server.stop();
    let alone = backup(&home, &backups);
    assert!(std::fs::read(&beside).unwrap() == std::fs::read(&alone).unwrap(), "the server sends another file");
    restore(&beside, &restored);
    assert_eq!(dumped(&restored), dumped(&home));
    let server = restored.serve();
    assert_eq!(digests(&server.client), before);
    server.stop();
    restored.verify();
}

#[test]
fn what_is_no_whole_log_is_not_restored_and_nothing_is_written_over() {
    let home = Home::embedded();
    let server = home.serve_with(&["--partitions", "2"]);
    trade(&server.client, 4);
    server.stop();
    let directory = home.data().with_file_name("backups");
    let file = backup(&home, &directory);
    let refused = |file: &Path, to: &Home, options: &[&str], code: i32, words: &str| {
        let (ended, said) = to.run(&[&["restore", file.to_str().unwrap()], options].concat());
        assert_eq!(ended, Some(code), "{said}");
        assert!(said.contains(words), "{said}");
    };
    refused(&file, &home, &[], 3, "holds a ledger already");
    let restored = Home::embedded();
    refused(&file, &restored, &["--partitions", "3"], 2, "has 2 partitions a topic, not 3");
    let part = directory.join("part.jsonl");
    let (code, said) = home.run(&["log", "export", "--topic", "orders", "--out", part.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    refused(&part, &restored, &[], 3, "only a part of a log");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let broken = directory.join("broken.jsonl");
    std::fs::write(&broken, bytes).unwrap();
    refused(&broken, &restored, &[], 4, "nothing was restored");
    refused(&directory.join("nothing"), &restored, &[], 1, "nothing");
    // None of that is in the way of the right file.
    restore(&file, &restored);
    assert_eq!(dumped(&restored), dumped(&home));
}

/// Files in a directory; none if it is not there.
fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned()).collect()
}

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_backup_that_breaks_off_leaves_nothing_that_looks_like_one() {
    let home = Home::embedded();
    let server = home.serve();
    trade(&server.client, 60);
    let port = server.client.base().rsplit(':').next().unwrap().parse().unwrap();
    let proxy = Proxy::to(port).unwrap();
    // About 100 KB would take far longer than the test.
    proxy.set(Mode::Narrow(1_000));
    let directory = home.data().with_file_name("backups");
    let url = format!("http://127.0.0.1:{}", proxy.port());
    let mut command = Command::new(orderledger_tests::program());
    command
        .args(["backup", "--to", directory.to_str().unwrap(), "--server", &url])
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut running = Running(command.spawn().unwrap());
    let begun = Instant::now();
    while names(&directory).is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never began");
        std::thread::yield_now();
    }
    proxy.set(Mode::Gone);
    assert_eq!(running.0.wait().unwrap().code(), Some(1));
    assert_eq!(names(&directory), [""; 0]);
    proxy.set(Mode::Pass);
    let (code, said) = home.run(&["backup", "--to", directory.to_str().unwrap(), "--server", &url]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(names(&directory).len(), 1);
    server.stop();
}

/// The shell of the page below that heading, block by block.
fn blocks(heading: &str) -> Vec<String> {
    let page = std::fs::read_to_string(orderledger_tests::checkout().join("docs/OPERATING.md")).unwrap();
    let section = page.split(&format!("\n## {heading}\n")).nth(1).unwrap().split("\n## ").next().unwrap().to_owned();
    section.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_steps_of_the_page_bring_a_ledger_back() {
    let home = Home::embedded();
    let tools = home.data().with_file_name("bin");
    std::fs::create_dir_all(&tools).unwrap();
    std::os::unix::fs::symlink(orderledger_tests::program(), tools.join("orderledger")).unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let backups = home.data().with_file_name("backups");
    let follow = |step: &str, server: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-euc", step]).env("PATH", &path).env("DATA", home.data()).env("BACKUPS", &backups);
        let output = shell.env("SERVER", server).output().unwrap();
        assert!(output.status.success(), "{step}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let steps = blocks("After a disaster");
    let [before, after, running, stopped] = steps.as_slice() else { panic!("{steps:?}") };

    let server = home.serve();
    trade(&server.client, 10);
    follow(before, "");
    let orders = server.client.get("/v1/accounts/ann/orders").expect(200)["data"].clone();
    server.kill();
    follow(after, "");
    let server = home.serve();
    assert!(follow(running, server.client.base()).contains("settlement"));
    assert_eq!(server.client.get("/v1/accounts/ann/orders").expect(200)["data"], orders);
    server.stop();
    follow(stopped, "");
}
