//! `log tail` follows a log that a running server writes, whichever it is, and ends well.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use orderledger_tests::client::until;
use orderledger_tests::server::Home;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// How long a record may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command that follows.
struct Following {
    child: Child,
    lines: Receiver<String>,
}

impl Following {
    fn start(home: &Home, arguments: &[&str]) -> Following {
        let mut command = Command::new(orderledger_tests::program());
        command.args(["log", "tail", "--follow", "--json"]).args(home.options()).args(arguments);
        let mut child = command.env("ORDERLEDGER_LOG_LEVEL", "error").stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = channel();
        // It ends with the command.
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Following { child, lines }
    }

    /// The next record: where it stands and what it says.
    fn next(&mut self) -> (String, Value) {
        let line: Value = serde_json::from_str(&self.lines.recv_timeout(PATIENCE).unwrap()).unwrap();
        let position = format!("{}-{}@{}", line["topic"].as_str().unwrap(), line["partition"], line["offset"]);
        (position, serde_json::from_str(line["value"].as_str().unwrap()).unwrap())
    }

    /// The types of the next records.
    fn types(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.next().1["eventType"].as_str().unwrap().to_owned()).collect()
    }

    /// Ctrl-C; it must end with 0, with nothing half said.
    fn interrupt(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        for line in self.lines.iter() {
            serde_json::from_str::<Value>(&line).unwrap();
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_shows_what_was_and_goes_on_with_what_comes() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    client.deposit("u1", "USD", "1000");
    client.deposit("u2", "AAPL", "9");
    let order = client.order("u1", "buy", "AAPL", 1, "10");
    client.get_at("/v1/audit/events", &order["position"]);
    // A user's history: what the server's own list of it says.
    let mut of_user = Following::start(&home, &["--user", "u1"]);
    assert_eq!(of_user.types(4), ["DepositMade", "AccountCredited", "OrderCreated", "OrderAccepted"]);
    // Nothing of theirs is there yet, so they show the same whether they begin before it comes or after.
    let mut of_symbol = Following::start(&home, &["--symbol", "AAPL", "--type", "TradeExecuted,OrderFilled"]);
    let mut of_topic = Following::start(&home, &["--topic", "trades"]);
    // Over HTTP, as one would from another machine.
    let mut asking = Following::start(&home, &["--user", "u2", "--server", client.base()]);
    assert_eq!(asking.types(2), ["DepositMade", "AccountCredited"]);
    client.order("u2", "sell", "AAPL", 1, "10");
    assert_eq!(of_user.types(1), ["OrderFilled"]);
    assert_eq!(asking.types(3), ["OrderCreated", "OrderAccepted", "OrderFilled"]);
    let (position, trade) = of_topic.next();
    assert_eq!((&trade["eventType"], position.starts_with("trades-")), (&"TradeExecuted".into(), true));
    let mut types = of_symbol.types(3);
    types.sort();
    assert_eq!(types, ["OrderFilled", "OrderFilled", "TradeExecuted"]);
    // The bytes are those of the log.
    let again = client.order("u1", "buy", "AAPL", 1, "9");
    let (at, event) = of_user.next();
    let path = format!("/v1/audit/events/{}", at.replace('@', "/").replacen("orders-", "orders/", 1));
    assert_eq!(client.get_at(&path, &again["position"])["event"], event);
    for following in [of_user, of_symbol, of_topic, asking] {
        following.interrupt();
    }
    server.stop();
}

#[test]
fn without_follow_it_ends_with_one_value() {
    let home = Home::new();
    let server = home.serve();
    let positions = ["1", "2", "3"].map(|amount| server.client.deposit("u1", "USD", amount));
    server.client.get_at("/v1/audit/events", &positions[2]);
    let amounts = |arguments: &[&str]| {
        let (code, said) = home.run(&[&["log", "tail", "--json", "--type", "DepositMade"], arguments].concat());
        assert_eq!(code, Some(0), "{said}");
        let rows: Vec<Value> = serde_json::from_str(&said).unwrap();
        let amount = |row: &Value| {
            serde_json::from_str::<Value>(row["value"].as_str().unwrap()).unwrap()["payload"]["amount"].to_string()
        };
        rows.iter().map(amount).collect::<Vec<String>>()
    };
    assert_eq!(amounts(&["--lines", "2"]), ["2", "3"]);
    assert_eq!(amounts(&["--user", "u1"]), ["1", "2", "3"]);
    assert_eq!(amounts(&["--user", "u1", "--lines", "0"]), Vec::<String>::new());
    assert_eq!(amounts(&["--symbol", "AAPL"]), Vec::<String>::new());
    let (code, said) = home.run(&["log", "tail"]);
    assert!(code == Some(0) && said.lines().count() >= 6 && said.contains("AccountCredited"), "{said}");
    // A server that is not there, or doesn't know the user, is told of.
    let (code, said) = home.run(&["log", "tail", "--server", "http://127.0.0.1:1"]);
    assert!(code == Some(1) && said.contains("start the server"), "{said}");
    let (code, said) = home.run(&["log", "tail", "--user", "nobody", "--server", server.client.base()]);
    assert!(code == Some(1) && said.contains("404"), "{said}");
    server.stop();
    // With nobody there the log itself is read; on an embedded one nothing can come.
    assert_eq!(amounts(&["--lines", "2"]), ["2", "3"]);
    let (code, said) = home.run(&["log", "dump", "--json", "--user", "u1"]);
    assert_eq!((code, serde_json::from_str::<Vec<Value>>(&said).unwrap().len()), (Some(0), 6), "{said}");
    if home.has_log_file() {
        let (code, said) = home.run(&["log", "tail", "--follow"]);
        assert!(code == Some(1) && said.contains("while no server runs there"), "{said}");
    }
}

#[test]
fn a_server_that_is_started_again_is_followed_on() {
    let home = Home::embedded();
    let server = home.serve();
    let address = server.client.base().strip_prefix("http://").unwrap().to_owned();
    server.client.deposit("u1", "USD", "1");
    let mut following = Following::start(&home, &["--user", "u1", "--server", server.client.base()]);
    assert_eq!(following.types(2), ["DepositMade", "AccountCredited"]);
    server.kill();
    let mut again = home.start(&["--listen", &address]);
    again.client = orderledger_tests::client::Client::new(format!("http://{address}"));
    again.wait_until_ready();
    again.client.deposit("u1", "USD", "2");
    assert_eq!(following.types(2), ["DepositMade", "AccountCredited"]);
    following.interrupt();
}

#[test]
fn what_stands_in_notifications_is_shown_by_its_type_and_checked() {
    let home = Home::embedded();
    let server = home.serve();
    let at = server.client.deposit("u1", "USD", "1");
    server.client.until_live("notifications");
    let read = server.client.post("/v1/accounts/u1/notifications/read", &json!({"upTo": at})).send().expect(200);
    server.client.get_at("/v1/audit/events", &read["position"]);
    let shown = || home.run(&["log", "tail", "--type", "NotificationsRead"]);
    let is_shown = |(code, said): &(Option<i32>, String)| {
        *code == Some(0) && said.lines().count() == 1 && said.contains(" NotificationsRead ")
    };
    let from_server = until(shown, is_shown);
    assert!(is_shown(&from_server), "{from_server:?}");
    let (code, said) = home.run(&["log", "tail", "--type", "NotificationsRead", "--user", "u1"]);
    assert!(code == Some(2) && said.contains("leave --user out"), "{code:?} {said}");
    server.stop();
    assert!(is_shown(&shown()), "{:?}", shown());
    let (code, said) = home.run(&["schema", "check"]);
    assert!(code == Some(0) && said.contains("NotificationsRead") && !said.contains("not read"), "{said}");
}
