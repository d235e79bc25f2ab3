//! Asking over HTTP.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::Agent;

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body as text.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The status checked, the body as JSON.
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }

    /// A problem of that status whose `type` ends in that code.
    pub fn expect_problem(&self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let kind = problem["type"].as_str().unwrap();
        assert!(kind.rsplit(['/', ':']).next() == Some(code), "{kind} does not end in {code}");
        assert_eq!(problem["status"], status, "{problem}");
        for field in ["title", "detail", "instance"] {
            assert!(problem[field].is_string(), "no {field}: {problem}");
        }
        problem
    }
}

/// A request being made.
pub struct Request<'a> {
    client: &'a Client,
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
}

impl Request<'_> {
    /// Adds a header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds the `Idempotency-Key`.
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// `Prefer: wait`, for as long as a loaded machine may need.
    pub fn wait(self) -> Self {
        self.header("prefer", "wait=30")
    }

    /// A JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").raw(body.to_string())
    }

    /// A body as it is, without a content type.
    pub fn raw(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sends it; panics if no answer comes.
    pub fn send(self) -> Answer {
        let said = format!("{} {}", self.method, self.path);
        self.try_send().unwrap_or_else(|error| panic!("{said}: {error}"))
    }

    /// An error is the connection's: the outcome is unknown.
    pub fn try_send(self) -> Result<Answer, ureq::Error> {
        let mut request = ureq::http::Request::builder().method(self.method);
        request = request.uri(format!("{}{}", self.client.base, self.path));
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let response = match self.body {
            Some(body) => self.client.agent.run(request.body(body)?),
            None => self.client.agent.run(request.body(())?),
        };
        let mut response = response?;
        let text = |value: &ureq::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        Ok(Answer { status: response.status().as_u16(), headers, body: response.body_mut().read_to_string()? })
    }
}

/// A client of one server.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    base: String,
}

impl Client {
    /// A client of the server at that address.
    pub fn new(base: String) -> Client {
        Client::within(base, Duration::from_secs(60))
    }

    /// One that gives up on an answer after so long.
    pub fn within(base: String, limit: Duration) -> Client {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .proxy(None)
            .timeout_global(Some(limit));
        Client { agent: config.build().into(), base }
    }

    /// The server's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A request that is not sent yet.
    pub fn request(&self, method: &'static str, path: impl Into<String>) -> Request<'_> {
        Request { client: self, method, path: path.into(), headers: Vec::new(), body: None }
    }

    /// Reads; an error if no answer comes.
    pub fn try_get(&self, path: &str) -> Result<Answer, ureq::Error> {
        self.request("GET", path).try_send()
    }

    /// Reads.
    pub fn get(&self, path: impl Into<String>) -> Answer {
        self.request("GET", path).send()
    }

    /// What the view says once it has reached these positions.
    pub fn get_at(&self, path: &str, positions: &Value) -> Value {
        let join = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{join}minPosition={}&waitMs=10000", positions.as_str().unwrap());
        // A view that may lag is not there within these ten seconds on every machine.
        until(|| self.get(&path), |answer| answer.status != 409).expect(200)
    }

    /// Waits until that projection is at the log's end: a server is ready before those are that may lag.
    pub fn until_live(&self, name: &str) {
        let rows = || self.get("/v1/projections").expect(200)["data"].as_array().cloned().unwrap_or_default();
        let is_live = |rows: &Vec<Value>| rows.iter().any(|row| row["name"] == name && row["state"] == "live");
        let rows = until(rows, is_live);
        assert!(is_live(&rows), "{rows:?}");
    }

    /// Writes, with a key of its own.
    pub fn post(&self, path: impl Into<String>, body: &Value) -> Request<'_> {
        self.request("POST", path).key(&new_key()).json(body)
    }

    /// Where the credit stands.
    pub fn deposit(&self, user: &str, asset: &str, amount: &str) -> Value {
        let body = json!({"asset": asset, "amount": amount});
        let path = format!("/v1/accounts/{user}/deposits");
        self.written(|key| self.request("POST", path.clone()).key(key).json(&body)).expect(201)["position"].clone()
    }

    /// A limit order, decided.
    pub fn order(&self, user: &str, side: &str, symbol: &str, quantity: u64, price: &str) -> Value {
        let body = limit(side, symbol, quantity, price);
        let path = format!("/v1/accounts/{user}/orders");
        self.written(|key| self.request("POST", path.clone()).key(key).json(&body).wait()).expect(200)
    }

    /// Sends one request, under one key, until intake stands where it can answer: a server that was just started says 503
    /// `not-ready`, which writes nothing, and to come back; one on a machine that is too busy for its time to answer says
    /// `outcome-unknown`, and the same key books it once.
    fn written<'a>(&'a self, request: impl Fn(&str) -> Request<'a>) -> Answer {
        let key = new_key();
        let come_back = |answer: &Answer| {
            answer.status == 503 && ["/not-ready\"", "/outcome-unknown\""].iter().any(|code| answer.body.contains(code))
        };
        until(|| request(&key).send(), |answer| !come_back(answer))
    }

    /// Total, available and reserved of every asset, at these positions.
    pub fn balances(&self, user: &str, positions: &Value) -> BTreeMap<String, [String; 3]> {
        let rows = self.get_at(&format!("/v1/accounts/{user}/balances"), positions);
        let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
        let row = |row: &Value| (text(row, "asset"), ["total", "available", "reserved"].map(|field| text(row, field)));
        rows["data"].as_array().unwrap().iter().map(row).collect()
    }
}

/// The body of a limit order.
pub fn limit(side: &str, symbol: &str, quantity: u64, price: &str) -> Value {
    json!({"symbol": symbol, "side": side, "orderType": "limit", "quantity": quantity, "price": price})
}

/// A key that nobody used.
pub fn new_key() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("key-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Asks again until the answer is right, or hardly can become so any more: work that goes last may get nothing of a loaded
/// machine for half a minute.
pub fn until<T>(ask: impl Fn() -> T, right: impl Fn(&T) -> bool) -> T {
    until_within(Duration::from_secs(120), ask, right)
}

/// The same for what may take longer.
pub fn until_within<T>(limit: Duration, ask: impl Fn() -> T, right: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + limit;
    loop {
        let answer = ask();
        if right(&answer) || Instant::now() > deadline {
            return answer;
        }
        std::thread::yield_now();
    }
}
