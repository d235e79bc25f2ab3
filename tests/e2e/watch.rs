//! `status --watch` outlives the server that it looks at.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use orderledger_tests::ports::free_port;
use orderledger_tests::server::{Home, Server};

/// How long a look may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command that watches.
struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Watching {
    fn start(server: &str) -> Watching {
        let mut command = Command::new(orderledger_tests::program());
        command.args(["status", "--watch", "--server", server]).env("ORDERLEDGER_LOG_LEVEL", "error");
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = channel();
        // It ends with the command.
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Watching { child, lines }
    }

    /// Waits for a line that is right, of what is shown from now on.
    fn until_shown(&mut self, what: &str, right: impl Fn(&str) -> bool) {
        let earlier = self.lines.try_iter().count();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if right(&line) => break,
                Ok(_) => {}
                Err(_) => panic!("it doesn't show {what}, after {earlier} lines; ended: {:?}", self.child.try_wait()),
            }
        }
        assert!(self.child.try_wait().unwrap().is_none(), "it has ended");
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ready<'a>(home: &'a Home, address: &str) -> Server<'a> {
    let mut server = home.start(&["--listen", address]);
    server.client = orderledger_tests::client::Client::new(format!("http://{address}"));
    server.wait_until_ready();
    server
}

#[test]
fn status_watch_says_that_the_server_is_away_and_goes_on_when_it_is_back() {
    let home = Home::new();
    let address = format!("127.0.0.1:{}", free_port());
    let is_row = |line: &str| line.starts_with("settlement ") && line.contains("critical");
    let server = ready(&home, &address);
    let mut watching = Watching::start(server.client.base());
    watching.until_shown("a row", is_row);
    server.kill();
    // On the screen's first line, instead of the titles.
    watching.until_shown("that nobody answers", |line| {
        line.contains(&format!("\u{1b}[Hhttp://{address}/")) && line.contains("start the server")
    });
    let server = ready(&home, &address);
    watching.until_shown("a row again", is_row);
    server.stop();
}
