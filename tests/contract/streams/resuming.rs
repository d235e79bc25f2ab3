//! Trades and orders: each once, in order, however often a client goes and comes.

use orderledger_tests::client::{Client, until};
use orderledger_tests::server::Home;
use serde_json::{Value, json};

use super::listener::{Event, Listener};
use super::{flow, fund};

const CHANNELS: [&str; 3] = ["trades:AAPL", "orders:buyer", "orders:seller"];

/// Every message of a channel from the beginning, by a stream that was never cut off.
fn whole(client: &Client, channel: &str, count: usize) -> Vec<Event> {
    let partition = Listener::open(client.base(), channel, None).id.split('@').next().unwrap().to_owned();
    Listener::open(client.base(), channel, Some(&format!("{partition}@-"))).take(count)
}

fn rows(client: &Client, path: &str) -> Vec<Value> {
    client.get(path).expect(200)["data"].as_array().unwrap().clone()
}

#[test]
fn a_stream_of_trades_has_the_tape_and_one_of_orders_every_change_up_to_the_rows_of_now() {
    let home = Home::embedded();
    let server = home.serve();
    let client = &server.client;
    fund(client);
    let mut live: Vec<Listener> = CHANNELS.iter().map(|channel| Listener::open(client.base(), channel, None)).collect();
    let position = flow(client, 0..60);
    client.get_at("/v1/markets/AAPL/trades", &position);
    let tape = rows(client, "/v1/markets/AAPL/trades?order=asc&limit=1000");
    assert!(tape.len() > 10, "{}", tape.len());
    let told: Vec<Value> = live[0].take(tape.len()).into_iter().map(|event| event.data).collect();
    assert_eq!(told, tape);
    for (user, listener) in ["buyer", "seller"].into_iter().zip(&mut live[1..]) {
        let orders = rows(client, &format!("/v1/accounts/{user}/orders?limit=1000"));
        let changed =
            |order: &Value| order["position"].as_str().unwrap().split('@').nth(1).unwrap().parse::<u64>().unwrap();
        let last = orders.iter().map(changed).max().unwrap();
        let told = listener.until(|event| changed(&event.data) == last);
        for order in &orders {
            let newest = told.iter().rev().find(|event| event.data["orderId"] == order["orderId"]).unwrap();
            assert_eq!(&newest.data, order);
        }
        let places: Vec<u64> = told.iter().map(|event| changed(&event.data)).collect();
        assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
        assert!(told.iter().any(|event| event.data["status"] == "partially_filled"));
        assert!(told.iter().any(|event| event.data["status"] == "rejected"));
        let again = whole(client, &format!("orders:{user}"), told.len());
        assert_eq!(again, told, "from the beginning");
    }
    server.stop();
}

#[test]
fn resumed_at_any_message_a_stream_goes_on_with_the_next_also_after_a_kill_and_a_rebuild() {
    let home = Home::embedded();
    let mut server = home.serve();
    fund(&server.client);
    let mut live = Listener::open(server.client.base(), &CHANNELS.join(","), None);
    flow(&server.client, 0..40);
    let mut told = live.until(|event| event.channel == "orders:buyer" && event.data["status"] == "rejected");
    // What was told last may be in the middle of what an order did.
    let mut last = told.last().unwrap().id.clone();
    for round in 1..4 {
        match round {
            1 => {
                server.kill();
                server = home.serve();
            }
            2 => {
                server.client.post("/v1/projections/all/rebuild", &json!({})).send().expect(202);
            }
            _ => {
                let ended = || server.client.get("/v1/projections/market/rebuild");
                until(ended, |answer| answer.status == 200 && !answer.json()["endedAt"].is_null());
            }
        }
        let mut resumed = Listener::open(server.client.base(), &CHANNELS.join(","), Some(&last));
        assert_eq!((resumed.status, &resumed.id), (200, &last));
        flow(&server.client, round * 40..round * 40 + 40);
        told.extend(resumed.take(30));
        // The views of orders and of trades go on by themselves: a channel may tell its first message late.
        while round == 3 && CHANNELS.iter().any(|channel| told.iter().all(|event| event.channel != *channel)) {
            told.extend(resumed.take(1));
        }
        last = told.last().unwrap().id.clone();
    }
    for channel in CHANNELS {
        let of_channel: Vec<&Value> =
            told.iter().filter(|event| event.channel == channel).map(|event| &event.data).collect();
        let whole = whole(&server.client, channel, of_channel.len());
        assert_eq!(of_channel, whole.iter().map(|event| &event.data).collect::<Vec<_>>(), "{channel}");
        let (first, id) = (&whole[0], &whole[whole.len() / 2].id);
        assert_eq!(first.channel, channel);
        let rest = Listener::open(server.client.base(), channel, Some(id)).take(whole.len() - whole.len() / 2 - 1);
        assert_eq!(rest, whole[whole.len() / 2 + 1..], "{channel}");
    }
    server.stop();
}
