//! `serve`: the workers and HTTP, until SIGTERM or SIGINT.

mod door;
mod opening;
mod traces;
mod watchdog;
mod webhooks;

use std::net::SocketAddr;
use std::time::Duration;

use orderledger_projections::parking::breaker::Limits;
use orderledger_projections::stage::runner::SNAPSHOT_RECORDS;
use orderledger_projections::worker::progress::WorkerState;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::door::{Door, DoorArgs};
use self::opening::Opening;
use self::traces::TraceArgs;
use self::webhooks::WebhookArgs;
use super::args::MemoryArgs;
use super::{Failure, LogArgs};
use crate::commands::canary;
use crate::http::front::Front;
use crate::http::server;
use crate::http::tls::Tls;
use crate::ledger::{GROWTH_MIN, Ledger, QuietHours, REBUILD_SHARE, Settings, Tidying};
use crate::streams;

#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) log: LogArgs,
    /// The address to listen on; loopback only, as long as no authentication is configured.
    #[arg(long, env = "ORDERLEDGER_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    #[command(flatten)]
    door: DoorArgs,
    /// How many milliseconds a write waits for its acknowledgement and for intake's answer.
    #[arg(long, env = "ORDERLEDGER_ANSWER_TIMEOUT_MS", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    answer_timeout_ms: u64,
    #[command(flatten)]
    parking: ParkingArgs,
    /// How much of the time the threads of a rebuild may work, in percent: the rest is left to what is live.
    #[arg(long, env = "ORDERLEDGER_REBUILD_SHARE", default_value_t = REBUILD_SHARE, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(1..=100))]
    rebuild_share: u32,
    /// After how many records of a partition a stage keeps a snapshot, at the latest (after a minute in any case): a restart folds at most about so many again.
    #[arg(long, env = "ORDERLEDGER_SNAPSHOT_RECORDS", default_value_t = SNAPSHOT_RECORDS, value_name = "RECORDS", value_parser = clap::value_parser!(u64).range(100..=10_000_000))]
    snapshot_records: u64,
    #[command(flatten)]
    memory: MemoryArgs,
    /// In which hours of the day (UTC) the rebuild of a view is begun whose files have outgrown its rows.
    #[arg(long, env = "ORDERLEDGER_QUIET_HOURS", default_value_t, value_name = "FROM-TO")]
    quiet_hours: QuietHours,
    /// A view has outgrown its rows when its files take so many times their bytes, at least 3; 0: never.
    #[arg(long, env = "ORDERLEDGER_VIEW_GROWTH", default_value_t = 6, value_name = "TIMES", value_parser = view_growth)]
    view_growth: u32,
    #[command(flatten)]
    streams: StreamArgs,
    #[command(flatten)]
    webhooks: WebhookArgs,
    /// Trades one share between two accounts of the ledger's own once a second, and measures how long that takes
    #[arg(long, env = "ORDERLEDGER_CANARY", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true")]
    canary: bool,
    /// Makes the threads real-time (SCHED_RR) that an order passes, where the system allows it: they go before all that may lag
    #[arg(long, env = "ORDERLEDGER_REALTIME", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true")]
    realtime: bool,
    #[command(flatten)]
    pub(super) traces: TraceArgs,
}

/// A thing that is configured, and what a start would say of it.
pub(super) type Looked = (&'static str, Result<String, Failure>);

impl Args {
    /// Who may come in, from where, and the key of the webhooks: what a start would say of it.
    pub(super) fn look(&self) -> Vec<Looked> {
        let address = self.door.check_address(self.listen).map(|()| self.listen.to_string());
        let mut parts = vec![("address", address)];
        parts.extend(self.door.look());
        parts.extend(self.webhooks.look());
        parts
    }
}

/// How much `GET /v1/stream` may take.
#[derive(Clone, Copy, Debug, clap::Args)]
struct StreamArgs {
    /// How many streams are open at once; one more is refused.
    #[arg(long, env = "ORDERLEDGER_STREAM_READERS", default_value_t = 3000, value_parser = clap::value_parser!(u16).range(1..=4000))]
    stream_readers: u16,
    /// How many messages wait for a reader of a stream before it is dropped.
    #[arg(long, env = "ORDERLEDGER_STREAM_BUFFER", default_value_t = 1024, value_parser = clap::value_parser!(u16).range(1..))]
    stream_buffer: u16,
    /// How many messages of a channel a reader may have missed and still resume.
    #[arg(long, env = "ORDERLEDGER_STREAM_RESUME", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    stream_resume: u32,
}

impl From<StreamArgs> for streams::Limits {
    fn from(args: StreamArgs) -> streams::Limits {
        let StreamArgs { stream_readers, stream_buffer, stream_resume } = args;
        let resume = usize::try_from(stream_resume).unwrap_or(usize::MAX);
        streams::Limits { readers: stream_readers.into(), buffer: stream_buffer.into(), resume }
    }
}

/// When a projection stops instead of parking still more.
#[derive(Clone, Copy, Debug, clap::Args)]
struct ParkingArgs {
    /// A projection stops when so many entities in a row have a record that can't be applied.
    #[arg(long, env = "ORDERLEDGER_PARKING_CONSECUTIVE", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    parking_consecutive: u32,
    /// A projection stops when more than so many percent of the last 1,000 records can't be applied.
    #[arg(long, env = "ORDERLEDGER_PARKING_RATIO", default_value_t = 10, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(0..=100))]
    parking_ratio: u32,
}

fn view_growth(text: &str) -> Result<u32, String> {
    let times: u32 = text.parse().map_err(|error| format!("{error}"))?;
    if times == 0 || times >= GROWTH_MIN { Ok(times) } else { Err(format!("0, or {GROWTH_MIN} and more")) }
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    args.door.check_address(args.listen)?;
    let door = args.door.open()?;
    let mut settings = args.log.settings()?;
    settings.answer_within = Duration::from_millis(args.answer_timeout_ms);
    let ParkingArgs { parking_consecutive: consecutive, parking_ratio: ratio_percent } = args.parking;
    settings.rebuild_share = args.rebuild_share;
    settings.snapshot_records = args.snapshot_records;
    settings.memory_limit = args.memory.limit;
    let tidying = Tidying { hours: args.quiet_hours, growth: args.view_growth };
    settings.tidying = (args.view_growth > 0).then_some(tidying);
    settings.streams = args.streams.into();
    settings.webhooks = args.webhooks.settings()?;
    settings.parking = Limits { consecutive, ratio_percent };
    if settings.kafka.is_some() && settings.key.begins_without_key() {
        tracing::warn!(
            "the log is begun without a stream key: until its streams take one (PUT /v1/stream-key), whoever may write to \
             the topics can write records that pass for this ledger's own; name one with --stream-key-file before the \
             first record"
        );
    }
    if args.realtime {
        allow_realtime()?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let listener = listen(&runtime, args.listen)?;
    open_until_signaled(&settings, runtime, listener, door, args.canary)
}

/// Lets threads be real-time, or says what to do where the system doesn't.
pub(super) fn allow_realtime() -> Result<(), Failure> {
    orderledger_store::allow_realtime().map_err(|error| {
        Failure::refused(format!(
            "the system allows no real-time threads ({error}); give the process RLIMIT_RTPRIO (systemd: LimitRTPRIO=1) or CAP_SYS_NICE, \
             or leave out --realtime"
        ))
    })
}

/// Takes the address.
pub(super) fn listen(runtime: &Runtime, address: SocketAddr) -> Result<TcpListener, Failure> {
    runtime.block_on(TcpListener::bind(address)).map_err(|error| {
        Failure::failed(format!("can't listen on {address}: {error}; name another address with --listen"))
    })
}

/// Opens the ledger and serves it, to every caller, until a signal comes.
pub(super) fn until_signaled(settings: &Settings, runtime: Runtime, listener: TcpListener) -> Result<(), Failure> {
    open_until_signaled(settings, runtime, listener, Door::default(), false)
}

/// The same, to whom the door lets in. HTTP answers from the first moment, and says what it waits for.
fn open_until_signaled(
    settings: &Settings,
    runtime: Runtime,
    listener: TcpListener,
    door: Door,
    canary: bool,
) -> Result<(), Failure> {
    let signals = runtime.block_on(async { Signals::listen() })?;
    let front = Front::with(door.access);
    let address = (listener.local_addr()?, door.tls.is_some());
    let opening = Opening::start(settings.clone(), front.clone(), address)?;
    let ended = runtime.block_on(serve_until(signals, listener, front, door.tls, &opening, canary));
    // Calls that still run are cut off here; what they wrote is in the log.
    runtime.shutdown_timeout(Duration::from_millis(200));
    if let Some(workers) = opening.end() {
        workers.stop_and_join();
    }
    ended
}

/// Refuses an address that others than this machine reach.
pub(super) fn check_address(address: SocketAddr) -> Result<(), Failure> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "{address} is no loopback address and every caller would have all rights; listen on 127.0.0.1, or configure \
         authentication with --auth-keys or --auth-jwks"
    )))
}

/// What ends the program.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on; within a runtime.
    fn listen() -> std::io::Result<Signals> {
        Ok(Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }
}

/// Serves until a signal comes, or until the log is refused: when it is opened, or by a stage that reads it.
async fn serve_until(
    mut signals: Signals,
    listener: TcpListener,
    front: Front,
    tls: Option<Tls>,
    opening: &Opening,
    canary: bool,
) -> Result<(), Failure> {
    let mut ended = Ok(());
    let stop = async {
        tokio::select! {
            _ = signals.terminate.recv() => {}
            _ = signals.interrupt.recv() => {}
            failure = failure(opening) => ended = Err(failure),
            () = sing(opening), if canary => {}
        }
        // From here on nothing that hangs can keep the program from ending in time, neither calls nor workers.
        watchdog::start(ended.as_ref().err().cloned());
        opening.close_streams();
    };
    server::serve(listener, front, tls, stop).await;
    ended
}

/// The canary, once the ledger is open. Never ends.
async fn sing(opening: &Opening) {
    match opening.opened().await {
        Ok(ledger) => canary::run(ledger).await,
        // Told where it is waited for.
        Err(_) => std::future::pending().await,
    }
}

/// Why the log is refused, or can't be opened for another reason than that it is away. Never ends if it isn't.
async fn failure(opening: &Opening) -> Failure {
    match opening.opened().await {
        Ok(ledger) => Failure::refused(refusal(&ledger).await),
        Err(error) => error.into(),
    }
}

/// A stage that halts before it was ever live doesn't accept this log. Never ends once both are live.
async fn refusal(ledger: &Ledger) -> String {
    for progress in [&ledger.intake, &ledger.matching] {
        let forever = Duration::from_secs(u64::from(u32::MAX));
        progress.wait(forever, |standing| standing.state == WorkerState::Live).await;
        if let WorkerState::Halted(why) = &progress.standing().state {
            return why.clone();
        }
    }
    std::future::pending().await
}
