//! Kafka for tests: the broker that `./test` started for all, or one of its own for a test that kills it or needs other
//! listeners. Both come from the script `./kafka`.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::checkout;
use crate::ports::free_port;

/// The user whom the listeners with SASL know, by PLAIN and by SCRAM-SHA-256.
pub const USER: &str = "alice";
/// Her password.
pub const PASSWORD: &str = "alice-secret";

/// Where the broker for all tests listens; without one it says on stderr that a test is skipped. Its topics are everybody's:
/// begin their names with [`unique_prefix`].
pub fn shared() -> Option<String> {
    said_if_none(std::env::var("ORDERLEDGER_KAFKA").ok())
}

/// The folder of Kafka's jars, for the tools in them; without it a test is skipped.
pub fn jars() -> Option<PathBuf> {
    said_if_none(std::env::var_os("ORDERLEDGER_KAFKA_LIBS").map(PathBuf::from))
}

/// The jars of the Java producer; without them a test is skipped.
pub fn producer_jars() -> Option<PathBuf> {
    said_if_none(std::env::var_os("ORDERLEDGER_PRODUCER_LIBS").map(PathBuf::from))
}

/// A Python that has confluent-kafka and jsonschema; without it a test is skipped.
pub fn python() -> Option<PathBuf> {
    said_if_none(std::env::var_os("ORDERLEDGER_PYTHON").map(PathBuf::from))
}

fn said_if_none<T>(found: Option<T>) -> Option<T> {
    if found.is_none() {
        // Nobody reads it if stderr is gone.
        let _ = writeln!(io::stderr(), "skipped: no Kafka (`./test` starts one)");
    }
    found
}

/// The beginning of topic names that nobody else uses.
pub fn unique_prefix(name: &str) -> String {
    format!("{name}-{}-", uuid::Uuid::new_v4().simple())
}

/// How a client speaks to a broker, in Kafka's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// Anybody, in the clear. Every broker here has it.
    Plaintext,
    /// Anybody, encrypted.
    Ssl,
    /// [`USER`], in the clear.
    SaslPlaintext,
    /// [`USER`], encrypted.
    SaslSsl,
}

impl Listener {
    /// The value of `security.protocol`.
    pub fn as_str(self) -> &'static str {
        match self {
            Listener::Plaintext => "PLAINTEXT",
            Listener::Ssl => "SSL",
            Listener::SaslPlaintext => "SASL_PLAINTEXT",
            Listener::SaslSsl => "SASL_SSL",
        }
    }

    fn is_encrypted(self) -> bool {
        matches!(self, Listener::Ssl | Listener::SaslSsl)
    }
}

/// What a broker of its own is like before it starts.
#[derive(Debug)]
pub struct Setup {
    port: u16,
    advertised: u16,
    controller: u16,
    advertised_controller: u16,
    /// Options of the script, beside those that every broker has.
    options: Vec<String>,
    listeners: Vec<(Listener, u16)>,
    properties: String,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup::on(free_port())
    }
}

impl Setup {
    /// A broker on this port.
    pub fn on(port: u16) -> Setup {
        // One that was killed may come back once its session is over: by default after 9 s.
        let (controller, options, listeners) = (free_port(), Vec::new(), Vec::new());
        let (advertised, advertised_controller) = (port, controller);
        let properties = String::new();
        Setup { port, advertised, controller, advertised_controller, options, listeners, properties }
            .property("controller.quorum.voters", &format!("1@127.0.0.1:{controller}"))
            .property("broker.session.timeout.ms", "3000")
            .property("broker.heartbeat.interval.ms", "500")
    }

    /// Tells clients another port: that of a proxy on the way to it.
    #[must_use]
    pub fn advertise(mut self, port: u16) -> Setup {
        self.advertised = port;
        self
    }

    /// Where its controller listens.
    pub fn controller(&self) -> u16 {
        self.controller
    }

    /// Tells the controller that it lives on another port than the controller's: that of a proxy on the way to it.
    #[must_use]
    pub fn advertise_controller(mut self, port: u16) -> Setup {
        self.advertised_controller = port;
        self.property("controller.quorum.voters", &format!("1@127.0.0.1:{port}"))
    }

    /// Listens in this way too, on a port of its own.
    #[must_use]
    pub fn listen(mut self, listener: Listener) -> Setup {
        self.listeners.push((listener, free_port()));
        self
    }

    /// Sets a property of the broker.
    #[must_use]
    pub fn property(mut self, key: &str, value: &str) -> Setup {
        // A String takes all that is written to it.
        let _ = writeln!(self.properties, "{key}={value}");
        self
    }

    /// Starts it and waits until it is ready; without the jars the test is skipped.
    pub fn start(mut self) -> io::Result<Option<Broker>> {
        if jars().is_none() {
            return Ok(None);
        }
        let dir = tempfile::tempdir()?;
        if self.listeners.iter().any(|(listener, _)| listener.is_encrypted()) {
            certificate(dir.path())?;
            self = self.encrypted(dir.path());
        }
        self = self.known_user().all_listeners();
        std::fs::write(dir.path().join("properties"), &self.properties)?;
        let Setup { port, advertised, options, listeners, .. } = self;
        let broker = Broker { dir, port, advertised, options, listeners };
        broker.start()?;
        Ok(Some(broker))
    }

    fn encrypted(self, dir: &Path) -> Setup {
        let keystore = dir.join(KEYSTORE);
        self.property("ssl.keystore.type", "PKCS12")
            .property("ssl.keystore.location", &keystore.to_string_lossy())
            .property("ssl.keystore.password", PASSWORD)
            .property("ssl.key.password", PASSWORD)
    }

    fn known_user(self) -> Setup {
        let modules = "org.apache.kafka.common.security";
        let plain = format!("{modules}.plain.PlainLoginModule required user_{USER}=\"{PASSWORD}\";");
        let scram = format!("{modules}.scram.ScramLoginModule required;");
        let mut setup = self.property("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256");
        for listener in ["sasl_plaintext", "sasl_ssl"] {
            setup = setup
                .property(&format!("listener.name.{listener}.plain.sasl.jaas.config"), &plain)
                .property(&format!("listener.name.{listener}.scram-sha-256.sasl.jaas.config"), &scram);
        }
        setup
    }

    fn all_listeners(self) -> Setup {
        let others: String = self
            .listeners
            .iter()
            .map(|(listener, port)| format!(",{}://127.0.0.1:{port}", listener.as_str()))
            .collect();
        let listeners =
            |port, controller| format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{others}");
        let here = listeners(self.port, self.controller);
        let told = listeners(self.advertised, self.advertised_controller);
        self.property("listeners", &here).property("advertised.listeners", &told)
    }
}

/// A broker of its own, in a directory of its own; it is killed and forgotten when dropped.
#[derive(Debug)]
pub struct Broker {
    dir: TempDir,
    port: u16,
    advertised: u16,
    options: Vec<String>,
    listeners: Vec<(Listener, u16)>,
}

impl Broker {
    /// Where clients begin, in the clear: the advertised port.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.advertised)
    }

    /// Where clients of another listener begin.
    pub fn address(&self, listener: Listener) -> Option<String> {
        let port = self.listeners.iter().find(|(found, _)| *found == listener).map(|(_, port)| port);
        port.map(|port| format!("127.0.0.1:{port}"))
    }

    /// The certificate that a client of an encrypted listener trusts (PEM).
    pub fn certificate(&self) -> PathBuf {
        self.dir.path().join(CERTIFICATE)
    }

    /// What the broker said.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.home().join("log")).unwrap_or_default()
    }

    /// Starts it again with its directory and its ports, and waits until it is ready.
    pub fn start(&self) -> io::Result<()> {
        let scram = format!("name={USER},password={PASSWORD}");
        let mut command = self.script("start");
        command.args(["--port", &self.port.to_string(), "--scram", &scram]).args(&self.options);
        run(command.arg("--properties").arg(self.dir.path().join("properties")))
    }

    /// Ends it as an operator does.
    pub fn stop(&self) -> io::Result<()> {
        run(&mut self.script("stop"))
    }

    /// kill -9.
    pub fn kill(&self) -> io::Result<()> {
        run(&mut self.script("kill"))
    }

    /// Sends it a signal: STOP makes it hang, CONT lets it go on.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = std::fs::read_to_string(self.home().join("pid"))?;
        let pid = pid.trim().parse().ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
        Ok(kill_process(pid, signal)?)
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("broker")
    }

    fn script(&self, command: &str) -> Command {
        let mut script = Command::new(checkout().join("kafka"));
        script.arg(command).arg(self.home());
        script
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.kill();
    }
}

/// How many brokers a cluster has here.
const NODES: usize = 3;

/// Three brokers that are one cluster, each a controller too.
#[derive(Debug)]
pub struct Cluster(Vec<Broker>);

impl Cluster {
    /// Starts them and waits until they are ready; without the jars the test is skipped.
    pub fn start() -> io::Result<Option<Cluster>> {
        let mut setups: Vec<Setup> = (0..NODES).map(|_| Setup::default()).collect();
        let voter = |(number, setup): (usize, &Setup)| format!("{}@127.0.0.1:{}", number + 1, setup.controller);
        let voters = setups.iter().enumerate().map(voter).collect::<Vec<_>>().join(",");
        // Random bytes in base64url, the last character standing for two bits of them.
        let id: String = uuid::Uuid::new_v4().simple().to_string().chars().take(21).chain(['A']).collect();
        setups = setups
            .into_iter()
            .enumerate()
            .map(|(number, mut setup)| {
                setup.options = ["--heap", "300m", "--cluster-id", &id].map(str::to_owned).to_vec();
                setup
                    .property("node.id", &(number + 1).to_string())
                    .property("controller.quorum.voters", &voters)
                    .property("offsets.topic.replication.factor", &NODES.to_string())
            })
            .collect();
        // None is ready before most of them are there.
        let started = std::thread::scope(|scope| {
            let starting: Vec<_> = setups.into_iter().map(|setup| scope.spawn(|| setup.start())).collect();
            let joined = starting.into_iter().map(|starting| starting.join().unwrap_or_else(|_| Ok(None)));
            joined.collect::<io::Result<Option<Vec<Broker>>>>()
        })?;
        Ok(started.map(Cluster))
    }

    /// Where clients begin.
    pub fn bootstrap(&self) -> String {
        self.0.iter().map(Broker::bootstrap).collect::<Vec<_>>().join(",")
    }

    /// The broker of that number, from 1.
    pub fn node(&self, number: i32) -> Option<&Broker> {
        usize::try_from(number).ok()?.checked_sub(1).and_then(|place| self.0.get(place))
    }

    /// Starts those brokers again, together, and waits until they are ready.
    pub fn start_again(&self, numbers: &[i32]) -> io::Result<()> {
        let nodes = numbers.iter().filter_map(|number| self.node(*number));
        std::thread::scope(|scope| {
            let starting: Vec<_> = nodes.map(|node| scope.spawn(|| node.start())).collect();
            starting.into_iter().try_for_each(|starting| starting.join().unwrap_or(Ok(())))
        })
    }
}

const KEYSTORE: &str = "keystore.p12";
const CERTIFICATE: &str = "certificate.pem";

/// Makes a key and the certificate for it in a directory; returns the certificate. One of another directory than the broker's
/// is one that a client must not accept.
pub fn certificate(dir: &Path) -> io::Result<PathBuf> {
    let (keystore, certificate) = (dir.join(KEYSTORE), dir.join(CERTIFICATE));
    let keytool = |command: &str| {
        let mut keytool = Command::new("keytool");
        keytool.args([command, "-alias", "broker", "-storetype", "PKCS12", "-storepass", PASSWORD]);
        keytool.arg("-keystore").arg(&keystore);
        keytool
    };
    let names = "san=ip:127.0.0.1,dns:localhost";
    run(keytool("-genkeypair").args(["-keyalg", "RSA", "-validity", "2", "-dname", "CN=127.0.0.1", "-ext", names]))?;
    run(keytool("-exportcert").arg("-rfc").arg("-file").arg(&certificate))?;
    Ok(certificate)
}

/// Runs a command to its end; an error says what it said.
fn run(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    Err(io::Error::other(format!("{command:?} ended with {}: {said}", output.status)))
}
