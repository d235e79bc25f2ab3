//! SIGTERM: what is acknowledged is kept, and the program ends in time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use orderledger_tests::client::{limit, until};
use orderledger_tests::server::Home;

const WRITERS: usize = 8;

#[test]
fn sigterm_under_load_ends_with_0_in_time_and_keeps_what_was_answered() {
    let home = Home::new();
    let mut server = home.serve();
    server.client.deposit("u", "USD", "1000000");
    let (acknowledged, count) = (Mutex::new(Vec::new()), AtomicU64::new(0));
    let client = server.client.clone();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (client, acknowledged, count) = (client.clone(), &acknowledged, &count);
            scope.spawn(move || {
                for number in 0.. {
                    let key = format!("{writer}-{number}");
                    let order = client.request("POST", "/v1/accounts/u/orders").key(&key);
                    match order.json(&limit("buy", "AAPL", 1, "1")).try_send() {
                        Ok(answer) if answer.status == 202 => {
                            acknowledged.lock().unwrap().push(answer.json()["orderId"].clone());
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                        _ => return,
                    }
                }
            });
        }
        assert!(until(|| count.load(Ordering::Relaxed), |count| *count > 200) > 200, "the writers do not get on");
        let asked = Instant::now();
        server.send_sigterm();
        let status = server.wait();
        assert_eq!(status.code(), Some(0), "{}", server.said());
        assert!(asked.elapsed() < Duration::from_secs(10), "it took {:?}", asked.elapsed());
    });
    drop(server);
    let server = home.serve();
    for order in acknowledged.into_inner().unwrap() {
        server.client.get(format!("/v1/accounts/u/orders/{}", order.as_str().unwrap())).expect(200);
    }
    server.stop();
    home.verify();
}
