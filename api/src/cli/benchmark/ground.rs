//! Where a benchmark's log is: a temporary directory, or topics of its own on a cluster, which go when it ends.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use orderledger_store::event_log::kafka::{KafkaLog, KafkaSettings, topics};
use orderledger_store::event_log::{EmbeddedLog, EventLog, embedded::EmbeddedOptions};

use crate::cli::Failure;
use crate::cli::args::{KafkaArgs, LogKind, PROPERTIES};
use crate::ledger::{PARTITIONS, Settings};

/// Which log. No group of options of its own: it would be called `Args`, as that of the benchmark around it.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    /// Where the event log is. On Kafka the benchmark makes topics of its own, and deletes them.
    #[arg(long, env = "ORDERLEDGER_LOG", value_enum, default_value = "embedded")]
    log: LogKind,
    #[command(flatten)]
    kafka: KafkaArgs,
}

/// The log's place while the benchmark runs.
pub(super) struct Ground {
    /// The settings that open it.
    pub(super) settings: Settings,
    made: Vec<KafkaSettings>,
}

impl Args {
    /// A fresh log, with its directory there.
    pub(super) fn fresh(&self, data: &Path) -> Result<Ground, Failure> {
        let mut ground = Ground { settings: Settings::new(data), made: Vec::new() };
        if self.log == LogKind::Kafka {
            ground.settings.kafka = Some(ground.make(&self.kafka.settings()?, "ledger", PARTITIONS)?);
        }
        Ok(ground)
    }

    /// A log that is made there and stays; on Kafka in topics of that very prefix.
    pub(super) fn kept(&self, data: &Path) -> Result<Ground, Failure> {
        let ground = self.existing(data)?;
        if let Some(kafka) = &ground.settings.kafka {
            topics::create(kafka, PARTITIONS, None)?;
        }
        Ok(ground)
    }

    /// The log that is there already.
    pub(super) fn existing(&self, data: &Path) -> Result<Ground, Failure> {
        let kafka = if self.log == LogKind::Kafka { Some(self.kafka.settings()?) } else { None };
        Ok(Ground { settings: Settings { kafka, ..Settings::new(data) }, made: Vec::new() })
    }
}

impl Ground {
    fn make(&mut self, beside: &KafkaSettings, what: &str, partitions: u32) -> Result<KafkaSettings, Failure> {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let prefix = format!("{}benchmark-{since_1970}-{what}-", beside.prefix);
        let settings = KafkaSettings { prefix, ..beside.clone() };
        // Noted first: half of them may be there when making them fails.
        self.made.push(settings.clone());
        topics::create(&settings, partitions, None)?;
        Ok(settings)
    }

    /// A log of its own beside it, of the same kind, for bare loops.
    pub(super) fn bare(&mut self, scratch: &Path) -> Result<Box<dyn EventLog>, Failure> {
        Ok(match self.settings.kafka.clone() {
            None => Box::new(EmbeddedLog::open(&scratch.join("bare.redb"), PARTITIONS, EmbeddedOptions::default())?),
            Some(kafka) => Box::new(KafkaLog::open(self.make(&kafka, "bare", PARTITIONS)?, None)?),
        })
    }

    /// The options and the environment of a server on this log.
    pub(super) fn for_a_server(&self) -> (Vec<String>, Option<(&'static str, String)>) {
        let Some(kafka) = &self.settings.kafka else { return (Vec::new(), None) };
        let options = ["--log", "kafka", "--kafka-brokers", &kafka.brokers, "--topic-prefix", &kafka.prefix];
        let lines: Vec<String> = kafka.properties.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (options.map(str::to_owned).to_vec(), Some((PROPERTIES, lines.join("\n"))))
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        for settings in &self.made {
            if let Err(error) = topics::delete(settings) {
                tracing::warn!(%error, prefix = settings.prefix, "the benchmark's topics stay; delete them");
            }
        }
    }
}
