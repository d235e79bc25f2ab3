//! A server of its own for each test: on a free port, in a directory of its own, ended with the test.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use orderledger_tests::ports::free_port;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::client::Client;

/// How long a start or an end may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory with a server's data and what the server said.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Home {
        Home(tempfile::tempdir().unwrap())
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.0.path().join("said")).unwrap_or_default()
    }

    /// Starts a server here and waits until it is ready.
    pub(crate) fn serve(&self) -> Server<'_> {
        self.serve_with(&[])
    }

    pub(crate) fn serve_with(&self, arguments: &[&str]) -> Server<'_> {
        let mut server = self.spawn(arguments);
        let deadline = Instant::now() + PATIENCE;
        while !server.client.try_get("/readyz").is_ok_and(|answer| answer.status == 200) {
            if let Some(status) = server.child.try_wait().unwrap() {
                panic!("the server ended with {status}: {}", self.said());
            }
            assert!(Instant::now() < deadline, "the server is not ready: {}", self.said());
            std::thread::yield_now();
        }
        server
    }

    /// Starts a server that is expected to end by itself; what it ended with, and what it said last.
    pub(crate) fn serve_refused(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut server = self.spawn(arguments);
        let status = server.wait();
        (status.code(), self.said().lines().last().unwrap_or_default().to_owned())
    }

    fn spawn(&self, arguments: &[&str]) -> Server<'_> {
        let port = free_port();
        let said = File::options().create(true).append(true).open(self.0.path().join("said")).unwrap();
        let mut command = Command::new(orderledger_tests::program());
        command.arg("serve").arg("--data").arg(self.data()).args(arguments);
        if !arguments.contains(&"--listen") {
            command.args(["--listen", &format!("127.0.0.1:{port}")]);
        }
        command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said);
        let child = command.current_dir(self.0.path()).env("ORDERLEDGER_LOG_LEVEL", "error").spawn().unwrap();
        Server { home: self, child, client: Client::new(format!("http://127.0.0.1:{port}")) }
    }

    /// Runs another command on the data directory; its exit code and what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let data = self.data();
        let mut all = arguments.to_vec();
        all.extend(["--data", data.to_str().unwrap()]);
        let output = orderledger_tests::run(&all).unwrap();
        let mut said = String::from_utf8(output.stdout).unwrap();
        said.push_str(&String::from_utf8_lossy(&output.stderr));
        (output.status.code(), said)
    }

    /// Appends outside records to a log of one partition, where they keep their order, as another producer would.
    pub(crate) fn import(&self, records: &[&str]) {
        let file = self.0.path().join("events.jsonl");
        std::fs::write(&file, records.join("\n")).unwrap();
        let (code, said) = self.run(&["import", "events", file.to_str().unwrap(), "--partitions", "1"]);
        assert_eq!(code, Some(0), "{said}");
    }

    pub(crate) fn verify(&self) {
        let (code, said) = self.run(&["verify"]);
        assert_eq!(code, Some(0), "{said}");
    }
}

/// A running server.
pub(crate) struct Server<'a> {
    home: &'a Home,
    child: Child,
    pub(crate) client: Client,
}

impl Server<'_> {
    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn send_sigterm(&self) {
        kill_process(self.pid(), Signal::TERM).unwrap();
    }

    /// SIGTERM; the server must end with 0 in time.
    pub(crate) fn stop(mut self) {
        self.send_sigterm();
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "{status}: {}", self.home.said());
    }

    /// Waits until the server has ended; one that doesn't is killed.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let (ended, end) = channel::<()>();
        let pid = self.pid();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                if end.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                    // It may have ended just now.
                    let _ = kill_process(pid, Signal::KILL);
                }
            });
            let status = self.child.wait().unwrap();
            drop(ended);
            status
        })
    }

    pub(crate) fn said(&self) -> String {
        self.home.said()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            std::io::Write::write_all(&mut std::io::stderr(), self.said().as_bytes()).unwrap();
        }
    }
}
