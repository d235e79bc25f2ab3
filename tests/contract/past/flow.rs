//! Random flow of three users over HTTP, and the log that it left, read by itself.

use orderledger_domain::timestamp::Timestamp;
use orderledger_tests::auditor::{self, Audit, Findings, Keys, Log, TOPICS};
use orderledger_tests::client::{Client, limit, new_key};
use orderledger_tests::dice::Dice;
use orderledger_tests::server::{Home, Server};
use serde_json::{Value, json};

pub(crate) const USERS: [&str; 3] = ["ada", "bob", "eve"];
pub(crate) const SYMBOLS: [&str; 2] = ["AAPL", "MSFT"];
pub(crate) const PARTITIONS: u32 = 2;

/// A place in the log, and when the log took it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) topic: String,
    pub(crate) partition: u32,
    pub(crate) offset: u64,
    pub(crate) recorded_at: String,
}

impl Place {
    fn time(&self) -> Timestamp {
        Timestamp::parse(&self.recorded_at).unwrap()
    }
}

/// The last of a partition's places up to which none was recorded later than `place`.
pub(crate) fn last_by<'a>(places: &[&'a Place], place: &Place) -> &'a Place {
    places.iter().take_while(|one| one.time() <= place.time()).last().unwrap()
}

/// A flow that has ended, and its log.
pub(crate) struct Flow {
    pub(crate) home: Home,
    pub(crate) log: Log,
    pub(crate) places: Vec<Place>,
}

impl Flow {
    /// So many steps of that seed.
    pub(crate) fn of(seed: u64, steps: usize) -> Flow {
        let home = Home::embedded();
        let server = home.serve_with(&["--partitions", "2"]);
        run(&server.client, seed, steps);
        server.stop();
        let (code, dump) = home.run(&["log", "dump"]);
        assert_eq!(code, Some(0), "{dump}");
        let log = Log::from_dump(PARTITIONS, &dump).unwrap();
        let places = dump.lines().map(place).collect();
        Flow { home, log, places }
    }

    pub(crate) fn serve(&self) -> Server<'_> {
        self.home.serve_with(&["--partitions", "2"])
    }

    /// The places of a partition.
    pub(crate) fn places_of(&self, topic: &str, partition: u32) -> Vec<&Place> {
        self.places.iter().filter(|place| place.topic == topic && place.partition == partition).collect()
    }

    /// What the log tells, of that partition up to that offset.
    pub(crate) fn replayed(&self, topic: &str, partition: u32, last: u64) -> (Log, Audit) {
        let mut log = Log::new(PARTITIONS);
        for (name, number) in TOPICS.into_iter().flat_map(|name| (0..PARTITIONS).map(move |number| (name, number))) {
            for record in self.log.records(name, number) {
                if (name, number) != (topic, partition) || record.offset <= last {
                    log.add(name, number, record.clone()).unwrap();
                }
            }
        }
        let audit = auditor::audit(&log, &Keys::default());
        // What is cut off is missing, of course.
        (log, Audit { findings: Findings::default(), ..audit })
    }
}

fn place(line: &str) -> Place {
    let row: Value = serde_json::from_str(line).unwrap();
    let text = |field: &str| row[field].as_str().unwrap().to_owned();
    let partition = u32::try_from(row["partition"].as_u64().unwrap()).unwrap();
    Place { topic: text("topic"), partition, offset: row["offset"].as_u64().unwrap(), recorded_at: text("recordedAt") }
}

fn run(client: &Client, seed: u64, steps: usize) {
    let mut dice = Dice::new(seed);
    let fees = json!({"makerBps": 5, "takerBps": 20});
    client.request("PUT", "/v1/fees").key(&new_key()).json(&fees).send().expect(202);
    for user in USERS {
        client.deposit(user, "USD", "100000");
        SYMBOLS.iter().for_each(|symbol| drop(client.deposit(user, symbol, "1000")));
    }
    let mut placed: Vec<(&str, String)> = Vec::new();
    for _ in 0..steps {
        let user = *dice.pick(&USERS);
        match dice.range(0, 100) {
            0..8 => drop(client.deposit(user, "USD", &format!("{}.{:02}", dice.range(1, 500), dice.range(0, 100)))),
            8..12 => {
                let body = json!({"asset": "USD", "amount": dice.range(1, 2000).to_string()});
                client.post(format!("/v1/accounts/{user}/withdrawals"), &body).wait().send();
            }
            12..65 => {
                let (side, symbol) = (*dice.pick(&["buy", "sell"]), *dice.pick(&SYMBOLS));
                let price = format!("{}.{:02}", dice.range(98, 103), dice.range(0, 100));
                // Some are larger than what is there: rejected.
                let quantity = if dice.percent(5) { 100_000 } else { dice.range(1, 60) };
                let mut body = limit(side, symbol, quantity, &price);
                if dice.percent(15) {
                    body["timeInForce"] = json!("ioc");
                }
                let order = client.post(format!("/v1/accounts/{user}/orders"), &body).wait().send().expect(200);
                placed.push((user, order["orderId"].as_str().unwrap().to_owned()));
            }
            throw => {
                let Some((user, id)) = dice.choose(&placed) else { continue };
                let path = format!("/v1/accounts/{user}/orders/{id}");
                if throw < 80 {
                    client.request("DELETE", path).key(&new_key()).wait().send().expect(200);
                } else {
                    let body = json!({"quantity": dice.range(1, 80), "price": dice.range(97, 104).to_string()});
                    client.request("PATCH", path).key(&new_key()).json(&body).wait().send().expect(200);
                }
            }
        }
    }
}

/// The partition of `topic` that answers about a path rest on.
pub(crate) fn home_of(client: &Client, path: &str, topic: &str) -> u32 {
    let answer = client.get(path).expect(200);
    let names: Vec<String> = answer["asOf"]["positions"].as_object().unwrap().keys().cloned().collect();
    let of = names.iter().find_map(|name| name.strip_prefix(topic)?.strip_prefix('-')).unwrap();
    of.parse().unwrap()
}

/// All rows of a list, page by page.
pub(crate) fn pages(client: &Client, path: &str, size: u32) -> Vec<Value> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    let join = if path.contains('?') { '&' } else { '?' };
    loop {
        let page = client.get(format!("{path}{join}limit={size}{cursor}")).expect(200);
        rows.extend(page["data"].as_array().unwrap().clone());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
    }
}
