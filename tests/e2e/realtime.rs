//! `--realtime`: the threads that an order passes are real-time, and no others; where the system allows none, the start says so.

use std::fs;

use orderledger_tests::server::{Home, Server};

use orderledger_tests::client::until;

/// `SCHED_RR` (sched(7)).
const ROUND_ROBIN: &str = "2";

/// The names of the server's real-time threads.
fn realtime(server: &Server<'_>) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{}/task", server.pid().as_raw_nonzero())).unwrap();
    let policy_is_realtime = |stat: &str| {
        // proc_pid_stat(5): the policy is the 41st field, the name the second, in parentheses.
        let fields = stat.rsplit_once(") ")?.1;
        Some(fields.split(' ').nth(38)? == ROUND_ROBIN)
    };
    let mut names: Vec<String> = threads
        .filter_map(|thread| {
            let path = thread.ok()?.path();
            let stat = fs::read_to_string(path.join("stat")).ok()?;
            policy_is_realtime(&stat)?.then(|| fs::read_to_string(path.join("comm")).ok())?
        })
        .map(|name| name.trim().to_owned())
        .collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn the_threads_that_an_order_passes_are_real_time_and_no_others_or_the_start_is_refused() {
    let home = Home::embedded();
    if orderledger_store::allow_realtime().is_err() {
        let (code, said) = home.serve_refused(&["--realtime"]);
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("LimitRTPRIO=1") && said.contains("--realtime"), "{said}");
        return;
    }
    let server = home.serve_with(&["--realtime"]);
    let at = server.client.deposit("u", "USD", "1000");
    assert_eq!(server.client.balances("u", &at)["USD"][0], "1000");
    server.client.order("u", "buy", "AAPL", 1, "1");
    let expected = ["intake", "log-commit", "market", "matching", "settlement"];
    assert_eq!(until(|| realtime(&server), |names| names == &expected), expected);
    server.stop();
    let server = home.serve();
    server.client.deposit("u", "USD", "1");
    assert!(realtime(&server).is_empty());
}
