//! Progress of long work on stderr: a bar with rate and ETA on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use orderledger_projections::rebuild::pass::Passed;

/// How often a plain line is written.
const PLAIN_EVERY: Duration = Duration::from_secs(2);

/// The progress of one piece of work.
pub(crate) struct Bar {
    bar: ProgressBar,
    unit: &'static str,
    /// What is being done, in a word or two.
    phase: String,
    /// When a plain line was last written; none on a terminal.
    plain: Option<Instant>,
    begun: Instant,
}

impl Bar {
    /// Work of so many units.
    pub(crate) fn new(length: usize, unit: &'static str) -> Bar {
        let terminal = std::io::stderr().is_terminal();
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        let bar = if terminal { ProgressBar::new(length) } else { ProgressBar::hidden() };
        bar.set_length(length);
        let style = format!("{{bar:40}} {{pos}}/{{len}} {unit}  {{per_sec}}  ETA {{eta}}  {{msg}}");
        bar.set_style(ProgressStyle::with_template(&style).unwrap_or_else(|_| ProgressStyle::default_bar()));
        let plain = (!terminal).then(Instant::now);
        Bar { bar, unit, phase: String::new(), plain, begun: Instant::now() }
    }

    /// So many units are done.
    pub(crate) fn set(&mut self, done: usize) {
        self.set_position(u64::try_from(done).unwrap_or(u64::MAX));
    }

    /// A pass over the log is so far.
    pub(crate) fn set_passed(&mut self, passed: Passed) {
        self.bar.set_length(passed.records.saturating_add(passed.left));
        self.set_position(passed.records);
    }

    /// What is done now: the units alone don't tell where some of the work is not counted in them.
    pub(crate) fn set_phase(&mut self, phase: &str) {
        if self.phase != phase {
            phase.clone_into(&mut self.phase);
            self.bar.set_message(self.phase.clone());
        }
    }

    fn set_position(&mut self, done: u64) {
        self.bar.set_position(done);
        let Some(said) = &mut self.plain else { return };
        if said.elapsed() < PLAIN_EVERY {
            return;
        }
        *said = Instant::now();
        let (length, unit) = (self.bar.length().unwrap_or(done), self.unit);
        let elapsed = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = done.saturating_mul(1000) / elapsed;
        let eta = length.saturating_sub(done) / rate.max(1);
        let line = format!("{done}/{length} {unit}  {rate}/s  ETA {eta} s  {}", self.phase);
        // There is nobody to tell if stderr is gone.
        let _ = writeln!(std::io::stderr().lock(), "{}", line.trim_end());
    }

    /// The work is done.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
