//! `benchmark inbox`: one account's inbox as it grows, beside a small one.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use orderledger_domain::envelope::{self, Cause, Stamp};
use orderledger_domain::event::{AccountCredited, Event, EventType};
use orderledger_domain::ids::{Asset, UserId};
use orderledger_domain::money::Amount;
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::said::{NotificationsRead, Said};
use orderledger_domain::stream::StreamKey;
use orderledger_projections::notifications::Notifications;
use orderledger_projections::notifications::queries::{Inbox, Notification, inbox};
use orderledger_projections::notifications::said;
use orderledger_projections::worker::fold::Fold;
use orderledger_projections::worker::partition::Arrived;
use orderledger_projections::worker::read::Read;
use orderledger_store::event_log::{NewRecord, Record};
use orderledger_store::views::{Direction, Options, Schema, View};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::progress::Bar;
use crate::cli::scratch::Scratch;
use crate::cli::{Failure, print, print_json};
use crate::demo::dice::Dice;
use crate::latencies::{Latencies, grouped, per_second};
use crate::ledger::now;

pub(super) const ABOUT: &str = "\
Does an inbox get slower as it grows? Nothing of one is ever dropped, so two are filled by the fold itself, without a log or HTTP: one \
account's of 100 notifications, and one of --notifications, each in a view of its own on the disk.

Then, --samples times each: pages of 100 (the newest, one behind a cursor anywhere, unread ones while all are and once none is, a page \
of a type that the inbox doesn't have, which looks at 20,000 rows and no more), a commit of one more notification, one that marks a \
single notification as read, and one that marks all. Printed are microseconds, and the bytes that an entry takes in the view's files.";

/// What the large one is compared with.
const SMALL: u32 = 100;
/// Notifications of one commit while an inbox is filled.
const BATCH: u32 = 1_000;
const PAGE: usize = 100;
/// Of each notification and of what caused it: other records of the account stand between.
const APART: u64 = 2;
const HOME: TopicPartition = Topic::Orders.at(0);

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// How many notifications the large inbox has.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1000..=100_000_000))]
    notifications: u32,
    /// How often each is measured.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    samples: u32,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

/// One account's inbox in a view on the disk.
struct Filled {
    view: View,
    fold: Notifications,
    user: UserId,
    /// Entries so far.
    entries: u64,
    /// Records of `notifications` so far.
    said: u64,
}

/// What an inbox came to.
struct Found {
    entries: u64,
    filled_in: Duration,
    rows: Vec<(&'static str, Latencies)>,
    disk_bytes: u64,
}

impl Filled {
    fn new(directory: &Path) -> Result<Filled, Failure> {
        let schema = Schema { name: Notifications::NAME, version: Notifications::SCHEMA };
        let view = View::open(directory, schema, Options::default())?;
        let fold = Notifications::load(&view, 1)?;
        let user = UserId::new("user").map_err(|_| Failure::failed("the account has no name"))?;
        Ok(Filled { view, fold, user, entries: 0, said: 0 })
    }

    /// Where that entry's event stands.
    const fn offset(entry: u64) -> u64 {
        entry.saturating_mul(APART).saturating_add(1)
    }

    /// The next notification's record.
    fn credited(&mut self) -> Read {
        let offset = Filled::offset(self.entries);
        let event = Event::AccountCredited(AccountCredited {
            user_id: self.user.clone(),
            asset: Asset::USD,
            amount: Amount::from_units(10_000),
            request_id: Uuid::from_u128(u128::from(offset)),
        });
        let cause = Cause { position: HOME.offset(offset.saturating_sub(1)), index: 0 };
        let stamp = Stamp { cause, sequence: self.entries, prev: 0, key: None, takes: None };
        let payload = envelope::payload_bytes(&event);
        let value = envelope::write_derived(EventType::AccountCredited, &payload, now(), &stamp, "intake");
        self.entries = self.entries.saturating_add(1);
        let key = Some(Bytes::copy_from_slice(self.user.as_str().as_bytes()));
        read(NewRecord { to: HOME, key, value: Some(value.into()), headers: Vec::new() }, offset)
    }

    /// The record that marks all up to that entry as read.
    fn marked(&mut self, entry: u64) -> Read {
        let up_to = HOME.offset(Filled::offset(entry));
        let said = Said::NotificationsRead(NotificationsRead { user_id: self.user.clone(), up_to });
        self.said = self.said.saturating_add(1);
        read(said::record(&said, Uuid::from_u128(u128::from(self.said)), now(), "benchmark", None, 1), self.said)
    }

    /// Folds them and commits what came of it; how long that took.
    fn commit(&mut self, reads: &[Read]) -> Result<Duration, Failure> {
        let begun = Instant::now();
        for read in reads {
            let arrived = if read.position.topic == Topic::Orders { Arrived::Derived } else { Arrived::Outside };
            self.fold.apply(&self.view, read, arrived).map_err(Failure::failed)?;
        }
        let mut changes = self.view.changes();
        self.fold.write_rows(&self.view, &mut changes)?;
        self.view.commit(changes, Bytes::new())?;
        Ok(begun.elapsed())
    }

    /// A page, which must have so many entries; how long it took.
    fn page(&self, asked: &Inbox<'_>, expected: usize) -> Result<Duration, Failure> {
        let begun = Instant::now();
        let (page, _): (Vec<Notification>, _) = inbox(&self.view.reader()?, asked)?;
        let took = begun.elapsed();
        if page.len() != expected {
            return Err(Failure::failed(format!("{asked:?} has {} entries, not {expected}", page.len())));
        }
        Ok(took)
    }
}

fn read(record: NewRecord, offset: u64) -> Read {
    let NewRecord { to, key, value, headers } = record;
    let recorded_at_ms = now().millis();
    Read::new(to, Record { offset, recorded_at_ms, key, value, headers }, &StreamKey::default())
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let scratch = Scratch::new()?;
    let small = measure(args, SMALL, &scratch.path().join("small"))?;
    let large = measure(args, args.notifications, &scratch.path().join("large"))?;
    show(args, [&small, &large])
}

fn measure(args: &Args, entries: u32, directory: &Path) -> Result<Found, Failure> {
    let (mut filled, mut commits, mut filled_in) = (Filled::new(directory)?, Latencies::default(), Duration::ZERO);
    let mut bar = Bar::new(usize::try_from(entries).unwrap_or(0), "notifications");
    for first in (0..entries).step_by(usize::try_from(BATCH).unwrap_or(1)) {
        let reads: Vec<Read> = (first..entries.min(first.saturating_add(BATCH))).map(|_| filled.credited()).collect();
        let took = filled.commit(&reads)?;
        commits.record(took);
        filled_in = filled_in.saturating_add(took);
        bar.set(usize::try_from(first).unwrap_or(0));
    }
    bar.end();
    filled.view.flush_and_sync()?;
    let disk_bytes = filled.view.sizes()?.disk_bytes;
    let mut rows = vec![("filling commit", commits)];
    rows.extend(pages(args, &filled, entries)?);
    rows.extend(marks(args, &mut filled)?);
    filled.view.close()?;
    Ok(Found { entries: u64::from(entries), filled_in, rows, disk_bytes })
}

/// So many times.
fn sampled(args: &Args, mut one: impl FnMut(u32) -> Result<Duration, Failure>) -> Result<Latencies, Failure> {
    let mut latencies = Latencies::default();
    (0..args.samples).try_for_each(|number| one(number).map(|took| latencies.record(took)))?;
    Ok(latencies)
}

/// Pages of an inbox of which nothing is read.
fn pages(args: &Args, filled: &Filled, entries: u32) -> Result<Vec<(&'static str, Latencies)>, Failure> {
    let (user, direction) = (&filled.user, Direction::Descending);
    let newest = Inbox { user, types: None, unread: false, direction, after: None, limit: PAGE };
    let unread = Inbox { unread: true, ..newest.clone() };
    let absent = Inbox { types: Some(&[EventType::OrderFilled]), ..newest.clone() };
    let mut dice = Dice::new(1);
    let anywhere = |_| {
        let below = dice.below(u64::from(entries));
        let asked = Inbox { after: Some(Filled::offset(below)), ..newest.clone() };
        filled.page(&asked, usize::try_from(below).unwrap_or(PAGE).min(PAGE))
    };
    Ok(vec![
        ("first page", sampled(args, |_| filled.page(&newest, PAGE))?),
        ("page anywhere", sampled(args, anywhere)?),
        ("unread, all are", sampled(args, |_| filled.page(&unread, PAGE))?),
        ("of no such type", sampled(args, |_| filled.page(&absent, 0))?),
    ])
}

/// Commits, and what there is to read after them.
fn marks(args: &Args, filled: &mut Filled) -> Result<Vec<(&'static str, Latencies)>, Failure> {
    let one_more = sampled(args, |_| {
        let read = filled.credited();
        filled.commit(&[read])
    })?;
    let one_read = sampled(args, |number| {
        let read = filled.marked(u64::from(number).min(filled.entries.saturating_sub(1)));
        filled.commit(&[read])
    })?;
    let all_read = sampled(args, |_| {
        let read = filled.marked(filled.entries.saturating_sub(1));
        filled.commit(&[read])
    })?;
    let (user, direction) = (&filled.user, Direction::Descending);
    let unread = Inbox { user, types: None, unread: true, direction, after: None, limit: PAGE };
    let none = sampled(args, |_| filled.page(&unread, 0))?;
    let rows =
        [("one more", one_more), ("one is read", one_read), ("all is read", all_read), ("unread, none is", none)];
    Ok(rows.into())
}

fn show(args: &Args, found: [&Found; 2]) -> Result<(), Failure> {
    let bytes_an_entry = |found: &Found| found.disk_bytes / found.entries.max(1);
    if args.json {
        let one = |found: &&Found| {
            let rows =
                found.rows.iter().map(|(what, latencies)| json!({ "what": what, "latency": latencies.to_json() }));
            json!({
                "entries": found.entries,
                "perSecond": per_second(found.entries, found.filled_in),
                "diskBytes": found.disk_bytes,
                "bytesAnEntry": bytes_an_entry(found),
                "rows": rows.collect::<Vec<Value>>(),
            })
        };
        return print_json(
            &json!({ "samples": args.samples, "inboxes": found.iter().map(one).collect::<Vec<Value>>() }),
        );
    }
    let [small, large] = found;
    let mut text = format!(
        "{:<18}{:>29}{:>29}\n{:<18}",
        "µs",
        format!("of {}", grouped(small.entries)),
        format!("of {}", grouped(large.entries)),
        ""
    );
    let heading = format!("{:>11}{:>9}{:>9}", "p50", "p99", "max");
    text.push_str(&format!("{heading}{heading}\n"));
    let columns = |latencies: &Latencies| {
        let [p50, p99, max] = [latencies.micros(500), latencies.micros(990), latencies.max()].map(grouped);
        format!("{p50:>11}{p99:>9}{max:>9}")
    };
    for ((what, of_small), (_, of_large)) in small.rows.iter().zip(&large.rows) {
        text.push_str(&format!("{what:<18}{}{}\n", columns(of_small), columns(of_large)));
    }
    for (what, figure) in [
        ("bytes an entry", &bytes_an_entry as &dyn Fn(&Found) -> u64),
        ("entries/s", &|found| per_second(found.entries, found.filled_in)),
    ] {
        text.push_str(&format!("{what:<18}{:>29}{:>29}\n", grouped(figure(small)), grouped(figure(large))));
    }
    print(text)
}
