//! `serve`: the workers and HTTP, until SIGTERM or SIGINT.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use orderledger_projections::worker::progress::WorkerState;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Failure, LogArgs};
use crate::http::{routes, server};
use crate::ledger::{Ledger, Opened, Settings};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    log: LogArgs,
    /// The address to listen on; loopback only, as long as no authentication is configured.
    #[arg(long, env = "ORDERLEDGER_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// How many milliseconds a write waits for its acknowledgement and for intake's answer.
    #[arg(long, env = "ORDERLEDGER_ANSWER_TIMEOUT_MS", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    answer_timeout_ms: u64,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    check_address(args.listen)?;
    let mut settings = args.log.settings()?;
    settings.answer_within = Duration::from_millis(args.answer_timeout_ms);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let listener = listen(&runtime, args.listen)?;
    until_signaled(&settings, runtime, listener)
}

/// Takes the address.
pub(super) fn listen(runtime: &Runtime, address: SocketAddr) -> Result<TcpListener, Failure> {
    runtime.block_on(TcpListener::bind(address)).map_err(|error| {
        Failure::failed(format!("can't listen on {address}: {error}; name another address with --listen"))
    })
}

/// Opens the ledger and serves it until a signal comes.
pub(super) fn until_signaled(settings: &Settings, runtime: Runtime, listener: TcpListener) -> Result<(), Failure> {
    // From here on a signal is obeyed: opening may take long.
    let signals = runtime.block_on(async { Signals::listen() })?;
    let Opened { ledger, workers } = Opened::open(settings)?;
    let served = runtime.block_on(serve_until(signals, listener, Arc::clone(&ledger)));
    // Calls that still run are cut off here; what they wrote is in the log.
    runtime.shutdown_timeout(Duration::from_millis(200));
    drop(ledger);
    workers.stop_and_join();
    served
}

/// Refuses an address that others than this machine reach.
pub(super) fn check_address(address: SocketAddr) -> Result<(), Failure> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "{address} is no loopback address and every caller would have all rights; listen on 127.0.0.1"
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

/// Serves until a signal comes, or until a stage refuses the log it was given.
async fn serve_until(mut signals: Signals, listener: TcpListener, ledger: Arc<Ledger>) -> Result<(), Failure> {
    let (told, mut refused) = tokio::sync::oneshot::channel();
    let watched = Arc::clone(&ledger);
    let stop = async move {
        tokio::select! {
            _ = signals.terminate.recv() => {}
            _ = signals.interrupt.recv() => {}
            why = refusal(&watched) => drop(told.send(why)),
        }
    };
    server::serve(listener, routes::router(ledger), stop).await;
    match refused.try_recv() {
        Ok(why) => Err(Failure::refused(why)),
        Err(_) => Ok(()),
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
