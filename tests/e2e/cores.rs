//! Work that may lag keeps off half of the cores while orders come.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use orderledger_store::can_go_last;
use orderledger_tests::server::{Home, Server};
use rustix::thread::{Pid, sched_getaffinity};

/// More than the server counts as few.
const ORDERS_A_SECOND: u32 = 50;
/// The rate that it looks at is one of ten seconds; on a loaded machine it is given several times that.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many cores each of the server's threads may have, by its name: the fewest where several have that.
fn cores(server: &Server<'_>) -> BTreeMap<String, u32> {
    let mut cores = BTreeMap::new();
    for thread in fs::read_dir(format!("/proc/{}/task", server.pid().as_raw_nonzero())).unwrap() {
        let thread = thread.unwrap();
        let id = Pid::from_raw(thread.file_name().to_str().unwrap().parse().unwrap());
        let (Ok(name), Ok(of)) = (fs::read_to_string(thread.path().join("comm")), sched_getaffinity(id)) else {
            continue;
        };
        let name = name.trim().to_owned();
        cores.entry(name).and_modify(|fewest: &mut u32| *fewest = of.count().min(*fewest)).or_insert(of.count());
    }
    cores
}

/// Which of these have a thread of the scheduler's idle class: `SCHED_IDLE` is 5, in the field `policy` of proc_pid_stat(5).
fn go_last<'a>(server: &Server<'_>, names: &[&'a str]) -> BTreeSet<&'a str> {
    let threads = fs::read_dir(format!("/proc/{}/task", server.pid().as_raw_nonzero())).unwrap();
    // One may end meanwhile.
    let stats = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("stat")).ok());
    let last = stats.filter_map(|stat| {
        let (name, fields) = stat.split_once('(')?.1.rsplit_once(')')?;
        let is_last = fields.split_whitespace().nth(38) == Some("5");
        names.iter().find(|known| is_last && **known == name).copied()
    });
    last.collect()
}

#[test]
fn work_that_may_lag_keeps_off_half_of_the_cores_while_orders_come() {
    let all = sched_getaffinity(None).unwrap().count();
    let half = all.div_ceil(2);
    let lags = ["analytics", "audit", "notifications", "view-flusher", "view-merger"];
    let passes_orders = ["intake", "log-commit", "market", "matching", "settlement"];
    let home = Home::embedded();
    let server = home.serve();
    server.client.deposit("u", "USD", "1000000");
    let are_on = |cores: &BTreeMap<String, u32>, names: &[&str], count: u32| {
        names.iter().all(|name| cores.get(*name).is_some_and(|of| *of == count))
    };
    let within = |expected: u32, mut beside: Box<dyn FnMut() + '_>| {
        let begun = Instant::now();
        loop {
            beside();
            let now = cores(&server);
            assert!(are_on(&now, &passes_orders, all), "{now:?}");
            if are_on(&now, &lags, expected) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{expected} of {all}: {now:?}");
        }
    };
    within(
        half,
        Box::new(|| {
            server.client.order("u", "buy", "AAPL", 1, "1");
            sleep(Duration::from_secs(1) / ORDERS_A_SECOND);
        }),
    );
    // What keeps up writes its rows so, where the system allows that.
    let begun = Instant::now();
    while can_go_last() && go_last(&server, &lags).is_empty() {
        server.client.order("u", "buy", "AAPL", 1, "1");
        // On a machine that is full they have a share for a minute.
        assert!(begun.elapsed() < PATIENCE + Duration::from_secs(90), "nobody goes last");
    }
    assert_eq!(go_last(&server, &passes_orders), BTreeSet::new());
    within(all, Box::new(|| sleep(Duration::from_millis(100))));
    server.client.deposit("u", "USD", "1");
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        assert!(go_last(&server, &lags).is_empty(), "no orders come");
    }
    server.stop();
}
