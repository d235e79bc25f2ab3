//! One server: a process, and asking whether it is ready.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::client::Client;
use crate::ports::free_port;

/// How long a connection attempt of a look at readiness may last.
const LOOK: Duration = Duration::from_secs(5);
/// What one look costs on a small machine, and so how often it is worth taking one.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
/// How long a SIGTERM may take.
const END: Duration = Duration::from_secs(30);

/// A running server; killed when dropped.
pub struct Process {
    child: Child,
    said: PathBuf,
    started: Instant,
    port: u16,
}

impl Process {
    /// Starts `serve` with these options; what it says goes behind what is in `said`.
    ///
    /// # Errors
    /// It can't be started.
    pub fn start(
        program: &Path,
        options: &[String],
        environment: &[(String, String)],
        said: &Path,
    ) -> Result<Process, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", program.display());
        let port = free_port();
        let out = File::options().create(true).append(true).open(said).map_err(failed)?;
        let mut command = Command::new(program);
        command.arg("serve").args(options).args(["--listen", &format!("127.0.0.1:{port}")]);
        command.env("ORDERLEDGER_LOG_LEVEL", "warn").envs(environment.iter().cloned());
        command.stdin(Stdio::null()).stdout(out.try_clone().map_err(failed)?).stderr(out);
        let child = command.spawn().map_err(failed)?;
        Ok(Process { child, said: said.to_owned(), started: Instant::now(), port })
    }

    /// A client that gives up on an answer after so long.
    pub fn client(&self, within: Duration) -> Client {
        Client::within(format!("http://127.0.0.1:{}", self.port), within)
    }

    /// Waits until it is ready, and says how long that took since it was started; none if it ended before.
    ///
    /// # Errors
    /// It is not ready within `limit`, or ended by itself otherwise than by SIGKILL.
    pub fn wait_until_ready(&mut self, limit: Duration) -> Result<Option<Duration>, String> {
        let client = self.client(LOOK);
        loop {
            if client.try_get("/readyz").is_ok_and(|answer| answer.status == 200) {
                return Ok(Some(self.started.elapsed()));
            }
            if self.has_ended()? {
                return Ok(None);
            }
            if self.started.elapsed() > limit {
                let said = client.try_get("/readyz").map(|answer| answer.body).unwrap_or_default();
                return Err(format!("not ready after {} s: {said}; it said: {}", limit.as_secs(), self.last_words()));
            }
            std::thread::park_timeout(BETWEEN_LOOKS);
        }
    }

    /// Whether it was killed.
    ///
    /// # Errors
    /// It ended in another way.
    pub fn has_ended(&mut self) -> Result<bool, String> {
        use std::os::unix::process::ExitStatusExt;
        match self.child.try_wait().map_err(|error| error.to_string())? {
            None => Ok(false),
            Some(status) if status.signal() == Some(Signal::KILL.as_raw()) => Ok(true),
            Some(status) => Err(format!("the server ended with {status}; it said: {}", self.last_words())),
        }
    }

    /// Waits so long for its end.
    ///
    /// # Errors
    /// It ended otherwise than by SIGKILL.
    pub fn wait_for_end(&mut self, limit: Duration) -> Result<bool, String> {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if self.has_ended()? {
                return Ok(true);
            }
            std::thread::park_timeout(BETWEEN_LOOKS);
        }
        Ok(false)
    }

    /// kill -9.
    pub fn kill(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM: it must end with 0.
    ///
    /// # Errors
    /// It doesn't, or not in time.
    pub fn stop(&mut self) -> Result<(), String> {
        self.signal(Signal::TERM)?;
        let deadline = Instant::now() + END;
        loop {
            match self.child.try_wait().map_err(|error| error.to_string())? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("SIGTERM ended it with {status}: {}", self.last_words())),
                None if Instant::now() > deadline => return Err("SIGTERM did not end it".to_owned()),
                None => std::thread::park_timeout(BETWEEN_LOOKS),
            }
        }
    }

    /// Sends it a signal: STOP makes it a zombie, CONT lets it go on.
    ///
    /// # Errors
    /// It is gone.
    pub fn signal(&self, signal: Signal) -> Result<(), String> {
        kill_process(Pid::from_child(&self.child), signal).map_err(|error| error.to_string())
    }

    /// The end of what all servers said here.
    pub fn last_words(&self) -> String {
        let said = std::fs::read_to_string(&self.said).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        lines.get(lines.len().saturating_sub(12)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
