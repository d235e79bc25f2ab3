//! A server of its own for each test: on a free port, in a directory of its own, ended with the test.
//!
//! `ORDERLEDGER_TEST_LOG=kafka` puts every log on the broker at `$ORDERLEDGER_KAFKA`, with topics of its own.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use orderledger_store::event_log::kafka::{KafkaSettings, topics};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::client::Client;
use crate::disk::SmallDisk;
use crate::kafka;
use crate::ports::free_port;

/// How long a start or an end may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory with a server's data and what the server said, and its topics if the log is on Kafka.
pub struct Home {
    directory: TempDir,
    kafka: Option<Kafka>,
    disk: Option<SmallDisk>,
}

/// Topics that are made when the first command names their partition count.
struct Kafka {
    settings: KafkaSettings,
    made: OnceLock<Topics>,
}

/// Whose topics they are.
#[derive(PartialEq, Eq)]
enum Topics {
    Ours,
    Others,
}

impl Kafka {
    fn wanted() -> Option<Kafka> {
        std::env::var("ORDERLEDGER_TEST_LOG").ok().filter(|log| log == "kafka")?;
        Some(Kafka::shared().expect("ORDERLEDGER_TEST_LOG=kafka needs a broker in ORDERLEDGER_KAFKA"))
    }

    fn shared() -> Option<Kafka> {
        let prefix = kafka::unique_prefix("e2e");
        let settings = KafkaSettings { brokers: kafka::shared()?, prefix, ..KafkaSettings::default() };
        Some(Kafka { settings, made: OnceLock::new() })
    }

    /// The options that name this log.
    fn options(&self, others: &[&str]) -> [String; 6] {
        self.made.get_or_init(|| {
            let named = others.iter().position(|option| *option == "--partitions").and_then(|at| others.get(at + 1));
            let partitions = named.map_or(12, |count| count.parse().unwrap());
            topics::create(&self.settings, partitions, None).unwrap();
            Topics::Ours
        });
        let KafkaSettings { brokers, prefix, .. } = &self.settings;
        ["--log", "kafka", "--kafka-brokers", brokers, "--topic-prefix", prefix].map(str::to_owned)
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        if self.made.get() == Some(&Topics::Ours) {
            // The broker goes soon; until then it has less to look after.
            let _ = topics::delete(&self.settings);
        }
    }
}

impl Default for Home {
    fn default() -> Home {
        Home { directory: tempfile::tempdir().unwrap(), kafka: Kafka::wanted(), disk: None }
    }
}

impl Home {
    /// A fresh one; on Kafka its topics are made when they are first needed.
    pub fn new() -> Home {
        Home::default()
    }

    /// A fresh one with its log in the directory, whatever the other tests use.
    pub fn embedded() -> Home {
        Home { directory: tempfile::tempdir().unwrap(), kafka: None, disk: None }
    }

    /// A fresh one with its log on that cluster, whose topics are somebody else's business.
    pub fn on(settings: KafkaSettings) -> Home {
        let made = OnceLock::from(Topics::Others);
        Home { directory: tempfile::tempdir().unwrap(), kafka: Some(Kafka { settings, made }), disk: None }
    }

    /// A fresh one on the broker for all tests, whatever the other tests use, with its topics; without Kafka the test is
    /// skipped.
    pub fn on_kafka() -> Option<(Home, KafkaSettings)> {
        let kafka = Kafka::shared()?;
        kafka.options(&[]);
        let settings = kafka.settings.clone();
        Some((Home { directory: tempfile::tempdir().unwrap(), kafka: Some(kafka), disk: None }, settings))
    }

    /// The same with its data on that disk.
    #[must_use]
    pub fn on_disk(self, disk: SmallDisk) -> Home {
        Home { disk: Some(disk), ..self }
    }

    /// The disk that the data lie on, if they have one of their own.
    pub fn disk(&self) -> Option<&SmallDisk> {
        self.disk.as_ref()
    }

    /// Whether the log is a file of the data directory.
    pub fn has_log_file(&self) -> bool {
        self.kafka.is_none()
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.disk.as_ref().map_or(self.directory.path(), SmallDisk::path).join("data")
    }

    /// What the newest server has said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("said")).unwrap_or_default()
    }

    fn program(&self, program: &Path) -> Command {
        self.disk.as_ref().map_or_else(|| Command::new(program), |disk| disk.command(program))
    }

    fn log_options(&self, others: &[&str]) -> Vec<String> {
        self.kafka.as_ref().map_or_else(Vec::new, |kafka| kafka.options(others).to_vec())
    }

    /// Starts a server here and waits until it is ready.
    pub fn serve(&self) -> Server<'_> {
        self.serve_with(&[])
    }

    /// Starts a server here with these options and waits until it is ready.
    pub fn serve_with(&self, arguments: &[&str]) -> Server<'_> {
        let mut server = self.start(arguments);
        server.wait_until_ready();
        server
    }

    /// Starts a server here that logs what `level` names, one JSON object a line, and waits until it is ready.
    pub fn serve_logging(&self, level: &str, arguments: &[&str]) -> Server<'_> {
        let environment = [("ORDERLEDGER_LOG_LEVEL", level), ("ORDERLEDGER_LOG_FORMAT", "json")];
        let mut server = self.start_program(&crate::program(), arguments, &environment);
        server.wait_until_ready();
        server
    }

    /// Starts a server that is expected to end by itself; what it ended with, and what it said last.
    pub fn serve_refused(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut server = self.start(arguments);
        let status = server.wait();
        (status.code(), self.said().lines().last().unwrap_or_default().to_owned())
    }

    /// Starts a server here with these options, and doesn't wait for it.
    pub fn start(&self, arguments: &[&str]) -> Server<'_> {
        self.start_program(&crate::program(), arguments, &[])
    }

    /// The same with the program that has faults on demand, and the environment that says which.
    pub fn start_faulty(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Server<'_> {
        self.start_program(&crate::faulty_program(), arguments, environment)
    }

    fn start_program(&self, program: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Server<'_> {
        let port = free_port();
        let said = File::options().create(true).append(true).open(self.directory.path().join("said")).unwrap();
        let mut command = self.program(program);
        command.arg("serve").arg("--data").arg(self.data()).args(self.log_options(arguments)).args(arguments);
        if !arguments.contains(&"--listen") {
            command.args(["--listen", &format!("127.0.0.1:{port}")]);
        }
        command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said);
        let child = command
            .current_dir(self.directory.path())
            .env("ORDERLEDGER_LOG_LEVEL", "error")
            .env("ORDERLEDGER_VIEW_GROWTH", "0")
            .envs(environment.iter().copied())
            .spawn()
            .unwrap();
        Server { home: self, child, client: Client::new(format!("http://127.0.0.1:{port}")) }
    }

    /// The options that name data and log.
    pub fn options(&self) -> Vec<String> {
        let mut options = vec!["--data".to_owned(), self.data().to_str().unwrap().to_owned()];
        options.extend(self.log_options(&[]));
        options
    }

    /// Runs another command on the data directory; its exit code and what it printed.
    pub fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let data = self.data();
        let mut all = arguments.to_vec();
        all.extend(["--data", data.to_str().unwrap()]);
        let log = self.log_options(arguments);
        all.extend(log.iter().map(String::as_str));
        let output = crate::run_as(self.program(&crate::program()), &all).unwrap();
        let mut said = String::from_utf8(output.stdout).unwrap();
        said.push_str(&String::from_utf8_lossy(&output.stderr));
        (output.status.code(), said)
    }

    /// Appends outside records to a log of one partition, where they keep their order, as another producer would.
    pub fn import(&self, records: &[&str]) {
        let file = self.directory.path().join("events.jsonl");
        std::fs::write(&file, records.join("\n")).unwrap();
        let (code, said) = self.run(&["import", "events", file.to_str().unwrap(), "--partitions", "1"]);
        assert_eq!(code, Some(0), "{said}");
    }

    /// Runs `verify`, which must find nothing.
    pub fn verify(&self) {
        let (code, said) = self.run(&["verify"]);
        assert_eq!(code, Some(0), "{said}");
    }
}

/// A running server.
pub struct Server<'a> {
    home: &'a Home,
    child: Child,
    /// Asks it.
    pub client: Client,
}

impl Server<'_> {
    /// Waits until it is ready.
    pub fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.client.try_get("/readyz").is_ok_and(|answer| answer.status == 200) {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the server ended with {status}: {}", self.home.said());
            }
            assert!(Instant::now() < deadline, "the server is not ready: {}", self.home.said());
            std::thread::yield_now();
        }
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, without waiting.
    pub fn send_sigterm(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGTERM; the server must end with 0 in time.
    pub fn stop(mut self) {
        self.send_sigterm();
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "{status}: {}", self.home.said());
    }

    /// Waits until the server has ended; one that doesn't is killed.
    pub fn wait(&mut self) -> ExitStatus {
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

    /// What all servers said here.
    pub fn said(&self) -> String {
        self.home.said()
    }

    /// Sends it a signal: STOP makes it hang, CONT lets it go on.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
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
