//! What comes from outside: requests of every kind, repeats of them, and records that nobody can use.

use bytes::Bytes;
use orderledger_domain::ids::KeyId;
use orderledger_domain::partition::of_key;
use orderledger_domain::position::Topic;
use orderledger_domain::stream::StreamKey;
use orderledger_store::event_log::NewRecord;
use orderledger_tests::dice::Dice;
use orderledger_tests::stages::PARTITIONS;
use uuid::Uuid;

use crate::plan::Plan;

const SYMBOLS: [&str; 3] = ["A", "B", "C"];
const BPS: [(u64, u64); 6] = [(0, 0), (25, 10), (10, 25), (1000, 1), (7, 7), (1, 999)];

/// Makes records from outside, written here as any producer would.
pub(crate) struct Flow {
    dice: Dice,
    keys: StreamKey,
    users: u64,
    symbols: &'static [&'static str],
    asked: u64,
    /// User, order id and quantity of the orders asked last.
    orders: Vec<(String, String, u64)>,
    /// Records asked before, to be repeated.
    past: Vec<(String, Request)>,
}

#[derive(Clone)]
struct Request {
    event_id: Uuid,
    event_type: &'static str,
    payload: String,
    /// The key that seals it.
    sealed_by: Option<KeyId>,
}

impl Request {
    fn record(&self, user: &str, asked: u64, keys: &StreamKey) -> NewRecord {
        let Request { event_id, event_type, payload, sealed_by } = self;
        let (minute, second) = (asked / 60 % 60, asked % 60);
        // Few: under older rules they are refused.
        let metadata = if asked % 16 == 15 {
            format!(r#""version":"2.1","source":"flow","correlationId":"c-{asked}""#)
        } else {
            r#""version":"2.0","source":"flow""#.to_owned()
        };
        let value = format!(
            r#"{{"eventId":"{event_id}","eventType":"{event_type}","timestamp":"2025-01-15T10:{minute:02}:{second:02}Z","payload":{payload},"metadata":{{{metadata}}}}}"#
        );
        let (mut value, mut record) = (value.into_bytes(), keyed(user, Bytes::new()));
        if let Some(id) = sealed_by {
            keys.seal(*id, record.to, user.as_bytes(), &mut value);
        }
        record.value = Some(Bytes::from(value));
        record
    }
}

/// A record in its key's partition; control events go to partition 0.
fn keyed(key: &str, value: Bytes) -> NewRecord {
    let partition = if key == "_control" { 0 } else { of_key(key.as_bytes(), PARTITIONS) };
    let key = Some(Bytes::copy_from_slice(key.as_bytes()));
    NewRecord { to: Topic::Orders.at(partition), key, value: Some(value), headers: Vec::new() }
}

/// Units of 1/10000 as JSON: some with trailing zeros.
fn decimal(units: u64) -> String {
    format!("{}.{:04}", units / 10_000, units % 10_000)
}

impl Flow {
    pub(crate) fn new(plan: &Plan, keys: StreamKey) -> Flow {
        let symbols = &SYMBOLS[..usize::try_from(plan.symbols).unwrap()];
        let dice = Dice::of(plan.seed, "flow");
        Flow { dice, keys, users: plan.users, symbols, asked: 0, orders: Vec::new(), past: Vec::new() }
    }

    /// The next records, usually one.
    pub(crate) fn ask(&mut self) -> Vec<NewRecord> {
        self.asked += 1;
        let user = format!("u{}", self.dice.range(0, self.users));
        if self.asked <= 2 * self.users {
            return vec![self.deposit(&user)];
        }
        match self.dice.range(0, 100) {
            0..20 => vec![self.deposit(&user)],
            20..22 => vec![self.withdrawal(&user)],
            22..24 => vec![self.adjustment(&user)],
            24..28 => vec![self.control()],
            28..68 => vec![self.order(&user)],
            68..76 => self.cancel().into_iter().collect(),
            76..88 => self.amends(),
            88..94 => self.repeat().into_iter().collect(),
            _ => vec![self.unusable(&user)],
        }
    }

    fn request(&mut self, user: &str, event_type: &'static str, payload: String) -> NewRecord {
        self.sealed_request(user, event_type, payload, None)
    }

    fn sealed_request(
        &mut self,
        user: &str,
        event_type: &'static str,
        payload: String,
        sealed_by: Option<KeyId>,
    ) -> NewRecord {
        let event_id = Uuid::from_u64_pair(7, self.asked + (u64::try_from(self.past.len()).unwrap() << 32));
        let request = Request { event_id, event_type, payload, sealed_by };
        self.past.push((user.to_owned(), request.clone()));
        request.record(user, self.asked, &self.keys)
    }

    fn asset_and_amount(&mut self, cash_units: u64, shares: u64) -> String {
        let symbol = *self.dice.choose(self.symbols).unwrap();
        if self.dice.percent(40) {
            format!(r#""asset":"USD","amount":{}"#, decimal(self.dice.range(1, cash_units)))
        } else {
            format!(r#""asset":"{symbol}","amount":{}"#, self.dice.range(1, shares))
        }
    }

    fn deposit(&mut self, user: &str) -> NewRecord {
        let moved = self.asset_and_amount(60_000, 60);
        self.request(user, "DepositMade", format!(r#"{{"userId":"{user}",{moved}}}"#))
    }

    fn withdrawal(&mut self, user: &str) -> NewRecord {
        let moved = self.asset_and_amount(3_000, 90);
        self.request(user, "WithdrawalRequested", format!(r#"{{"userId":"{user}",{moved}}}"#))
    }

    /// Of the first record of the partition, or of none in particular; under older rules it is refused.
    fn adjustment(&mut self, user: &str) -> NewRecord {
        let moved = self.asset_and_amount(3_000, 90);
        let direction = *self.dice.pick(&["credit", "debit", "debit"]);
        let first = format!(r#","corrects":"orders-{}@0""#, of_key(user.as_bytes(), PARTITIONS));
        let corrects = if self.dice.percent(30) { first } else { String::new() };
        let payload =
            format!(r#"{{"userId":"{user}",{moved},"direction":"{direction}","reason":"a mistake"{corrects}}}"#);
        self.request(user, "AdjustmentRequested", payload)
    }

    fn control(&mut self) -> NewRecord {
        if self.dice.percent(20) {
            let symbols = if self.dice.percent(50) { "null" } else { r#"["A"]"# };
            return self.request("_control", "SessionCloseRequested", format!(r#"{{"symbols":{symbols}}}"#));
        }
        if self.dice.percent(25) {
            let key = *self.dice.pick(&["k2", "k3"]);
            // Often with the key in force, sometimes as one who doesn't have it.
            let sealer = *self.dice.pick(&["0", "k2", "k3", "none"]);
            let sealed_by = KeyId::new(sealer).ok();
            return self.sealed_request("_control", "StreamKeyRequested", format!(r#"{{"keyId":"{key}"}}"#), sealed_by);
        }
        if self.dice.percent(40) {
            let version = *self.dice.pick(&[1, 2, 3, 4, 4, 5]);
            return self.request("_control", "RulesVersionRequested", format!(r#"{{"rulesVersion":{version}}}"#));
        }
        let (maker, taker) = *self.dice.pick(&BPS);
        let payload = format!(r#"{{"makerBps":{maker},"takerBps":{taker}}}"#);
        self.request("_control", "FeeScheduleRequested", payload)
    }

    fn order(&mut self, user: &str) -> NewRecord {
        let number = if self.dice.percent(97) { self.asked } else { 1 };
        let (symbol, side) = (*self.dice.choose(self.symbols).unwrap(), *self.dice.pick(&["buy", "sell"]));
        let price = decimal(self.dice.range(1, 40) * self.dice.pick(&[1, 3, 7]));
        let quantity = self.dice.range(1, 40);
        let budget = if self.dice.percent(50) { "null".to_owned() } else { decimal(self.dice.range(1, 3_000)) };
        let terms =
            match *self.dice.pick(&["gtc", "gtc", "gtc", "gtc", "gtc", "day", "ioc", "fok", "post", "market", "bad"]) {
                "post" => format!(r#""orderType":"limit","postOnly":true,"price":{price}"#),
                "market" if side == "buy" => format!(r#""orderType":"market","maxCost":{budget}"#),
                "market" => r#""orderType":"market","timeInForce":"ioc""#.to_owned(),
                "bad" => format!(r#""orderType":"market","timeInForce":"gtc","price":{price}"#),
                "gtc" => format!(r#""orderType":"limit","price":{price}"#),
                time_in_force => format!(r#""orderType":"limit","timeInForce":"{time_in_force}","price":{price}"#),
            };
        let id = format!("o{number}");
        self.orders.push((user.to_owned(), id.clone(), quantity));
        let payload = format!(
            r#"{{"orderId":"{id}","userId":"{user}","symbol":"{symbol}","side":"{side}","quantity":{quantity},{terms}}}"#
        );
        self.request(user, "OrderCreated", payload)
    }

    /// One of the orders asked last, or one that never was.
    fn some_order(&mut self) -> Option<(String, String, u64)> {
        let last = &self.orders[self.orders.len().saturating_sub(16)..];
        if last.is_empty() {
            return None;
        }
        let (user, order, quantity) = self.dice.choose(last).unwrap().clone();
        Some(if self.dice.percent(4) { (user, "never".to_owned(), quantity) } else { (user, order, quantity) })
    }

    fn cancel(&mut self) -> Option<NewRecord> {
        let (user, order, _) = self.some_order()?;
        Some(self.request(&user, "OrderCancelRequested", format!(r#"{{"orderId":"{order}","userId":"{user}"}}"#)))
    }

    /// A burst: while one is undecided others come.
    fn amends(&mut self) -> Vec<NewRecord> {
        let Some((user, order, quantity)) = self.some_order() else { return Vec::new() };
        let burst = *self.dice.pick(&[1, 1, 2, 3]);
        let mut records = Vec::new();
        for _ in 0..burst {
            let fewer = quantity.saturating_sub(self.dice.range(0, 5)).max(1);
            let total = match self.dice.range(0, 3) {
                0 => None,
                1 => Some(self.dice.range(1, 60)),
                _ => Some(fewer),
            };
            let price = (total.is_none() || self.dice.percent(40)).then(|| decimal(self.dice.range(1, 200)));
            let total = total.map(|total| format!(r#","quantity":{total}"#)).unwrap_or_default();
            let price = price.map(|price| format!(r#","price":{price}"#)).unwrap_or_default();
            let payload = format!(r#"{{"orderId":"{order}","userId":"{user}"{total}{price}}}"#);
            records.push(self.request(&user, "OrderAmendRequested", payload));
        }
        records
    }

    /// Something asked before, once more: the same, or its id for something else.
    fn repeat(&mut self) -> Option<NewRecord> {
        if self.past.is_empty() {
            return None;
        }
        let (user, mut request) = self.dice.choose(&self.past).unwrap().clone();
        match self.dice.range(0, 4) {
            // The same event id with another payload; no key that no server has, for that halts every stage, as it must.
            0 if request.event_type == "StreamKeyRequested" => {
                let other = if request.payload.contains("k2") { ("k2", "k3") } else { ("k3", "k2") };
                request.payload = request.payload.replace(other.0, other.1);
            }
            0 => request.payload = request.payload.replace(['3', '7'], "5"),
            // The same order under a new event id, perhaps with another payload.
            1 if request.event_type == "OrderCreated" => request.event_id = Uuid::from_u64_pair(8, self.asked),
            2 if request.event_type == "OrderCreated" => {
                request.event_id = Uuid::from_u64_pair(9, self.asked);
                request.payload = request.payload.replace(r#""side":"buy""#, r#""side":"sell""#);
            }
            _ => {}
        }
        Some(request.record(&user, self.asked, &self.keys))
    }

    fn unusable(&mut self, user: &str) -> NewRecord {
        let good = Request {
            event_id: Uuid::from_u64_pair(10, self.asked),
            event_type: "DepositMade",
            sealed_by: None,
            payload: format!(r#"{{"userId":"{user}","asset":"USD","amount":5}}"#),
        };
        let record = good.record(user, self.asked, &self.keys);
        let value = String::from_utf8(record.value.clone().unwrap().to_vec()).unwrap();
        let with = |value: String| NewRecord { value: Some(value.into()), ..record.clone() };
        let home = record.to.partition;
        match self.dice.range(0, 12) {
            0 => with("not json".to_owned()),
            1 => NewRecord { value: None, ..record },
            2 => NewRecord { value: Some(Bytes::from_static(b"\xff\xfe")), ..record },
            3 => with("{}".to_owned()),
            4 => with(value.replace("DepositMade", "DepositDreamt")),
            // Whether the last two are read is a question of the rules.
            5 => {
                let version: &str = self.dice.pick::<&str, 3>(&[r#""3.0""#, r#""2.1""#, r#""2.7""#]);
                with(value.replace(r#""2.0""#, version))
            }
            6 => NewRecord { key: Some(Bytes::from_static(b"somebody")), ..record },
            7 => NewRecord { to: Topic::Orders.at((home + 1) % PARTITIONS), ..record },
            8 => with(value.replace("2025-", "2125-")),
            9 => with(value.replace(r#""amount":5"#, r#""amount":5,"amount":5"#)),
            10 => with(value.replace(r#""amount":5"#, r#""amount":100000000000001"#)),
            // A credit that no stage wrote: without a place in a stream, or far ahead in one.
            _ => {
                let cause = *self.dice.pick(&["orders", "books"]);
                let stamp = format!(
                    r#","cause":{{"topic":"{cause}","partition":{home},"offset":1,"index":0}},"sequence":99999,"prev":"0123456789abcdef"}}}}"#
                );
                let forged = value.replace("DepositMade", "AccountCredited");
                with(if self.dice.percent(50) { forged } else { forged.replace("}}", &stamp) })
            }
        }
    }
}
