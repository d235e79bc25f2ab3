//! `benchmark ids`: intake's memory of outside ids, from empty to large.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use orderledger_domain::partition;
use orderledger_store::IdIndex;
use orderledger_store::id_index::{Claim, IdKind, IndexPosition, Kept};
use serde_json::{Value, json};
use uuid::Uuid;

use super::history::forget_cached;
use crate::cli::progress::Bar;
use crate::cli::scratch::Scratch;
use crate::cli::{Failure, print, print_json};
use crate::demo::dice::Dice;
use crate::latencies::{grouped, per_second};
use crate::ledger::PARTITIONS;
use crate::spent;

pub(super) const ABOUT: &str = "\
Claims and look-ups a second of the index on disk by which intake knows every id that was ever used, as it grows.

Orders of --users users are made up, each with two ids as real ones have them (an event id and an order id, UUIDs), and claimed as \
intake claims them: gathered until the index is full, then committed together with the positions. Printed is the rate of the second \
half of 1 %, 10 % and 100 % of --ids, and how large the file was then; then look-ups of ids that are there and of others, \
in random order, right after an open that found nothing of the file cached, and the same once more; the most memory that was held; \
and how long an open takes, after a clean end and with a file as kill -9 leaves it.

Beside it: the same bytes appended to a plain file and synced as often, and random pages of 4 KiB read from the index's file.";

/// Each order claims so many ids.
const IDS_PER_ORDER: u64 = 2;
/// An order and intake's answer to it.
const RECORDS_PER_ORDER: u64 = 2;
/// Orders that are made before they are claimed, so that making them takes no time of that; fewer of a small index.
const ORDERS_AT_ONCE: u64 = 4_096;
/// Commits after which the bare file is synced, as the index is.
const SYNCED_EVERY: u64 = 16;
/// Claims between two commits of the bare file.
const COMMITTED_AT_ONCE: u64 = 8_192;
const PAGE: u64 = 4_096;
const FILE: &str = "ids.redb";

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// How many ids, two for each order.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1000..=1_000_000_000))]
    ids: u64,
    /// How many users place the orders.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    users: u64,
    /// How many look-ups of each kind.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(100..=100_000_000))]
    look_ups: u64,
    /// A directory for the index, which must not be there yet and stays [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

/// An order as intake meets it: whose it is, and its two ids.
struct Order {
    partition: u32,
    user: String,
    event_id: Uuid,
    order_id: String,
}

impl Order {
    /// The order of that number, the same each time.
    fn new(number: u64, users: u64) -> Order {
        let mut dice = Dice::new(number);
        let user = format!("user-{}", dice.below(users));
        let mut id = || uuid::Builder::from_random_bytes(wide(&mut dice).to_be_bytes()).into_uuid();
        let (event_id, order_id) = (id(), id().to_string());
        Order { partition: partition::of_key(user.as_bytes(), PARTITIONS), user, event_id, order_id }
    }

    fn ids(&self) -> [(IdKind, &[u8]); 2] {
        [(IdKind::Event, self.event_id.as_bytes()), (IdKind::Order, self.order_id.as_bytes())]
    }
}

fn wide(dice: &mut Dice) -> u128 {
    (u128::from(dice.roll()) << 64) | u128::from(dice.roll())
}

/// An index that is filled, and where the log would be meanwhile.
struct Filling {
    index: IdIndex,
    next: [u64; PARTITIONS as usize],
    dice: Dice,
    last: Kept,
}

impl Filling {
    fn new(path: &Path, first: u64) -> Result<Filling, Failure> {
        Ok(Filling {
            index: IdIndex::open(path)?,
            next: [first; PARTITIONS as usize],
            dice: Dice::new(1),
            last: Kept::already(),
        })
    }

    fn claim(&mut self, order: &Order) -> Result<(), Failure> {
        let next = usize::try_from(order.partition).ok().and_then(|at| self.next.get_mut(at));
        let offset = next.map_or(0, |next| std::mem::replace(next, next.saturating_add(RECORDS_PER_ORDER)));
        let claim = Claim { offset, digest: wide(&mut self.dice) };
        for (kind, id) in order.ids() {
            self.index.claim(order.partition, kind, &order.user, id, claim);
        }
        if self.index.is_full() { self.commit(false) } else { Ok(()) }
    }

    fn commit(&mut self, durable: bool) -> Result<(), Failure> {
        let position = |(partition, next): (u32, &u64)| {
            (partition, IndexPosition { next_offset: *next, digest_of_last_record: *next })
        };
        let positions: Vec<_> = (0..PARTITIONS).zip(&self.next).map(position).collect();
        self.last = self.index.commit(&positions, durable)?;
        Ok(())
    }
}

/// How far the filling was: ids, the time that their claims took, and the bytes of the file.
#[derive(Clone, Copy, Default)]
struct Mark {
    ids: u64,
    took: Duration,
    bytes: u64,
}

/// Fills the index; where it was now and then, and at the end, with all of it synced.
fn fill(args: &Args, path: &Path) -> Result<Vec<Mark>, Failure> {
    let orders = args.ids / IDS_PER_ORDER;
    let at_once = (orders / 200).clamp(1, ORDERS_AT_ONCE);
    let (mut filling, mut mark) = (Filling::new(path, 0)?, Mark::default());
    let mut marks = vec![mark];
    let mut bar = Bar::new(usize::try_from(args.ids).unwrap_or(usize::MAX), "ids");
    let mut number = 0;
    while number < orders {
        let end = number.saturating_add(at_once).min(orders);
        let made: Vec<Order> = (number..end).map(|number| Order::new(number, args.users)).collect();
        let begun = Instant::now();
        made.iter().try_for_each(|order| filling.claim(order))?;
        let took = mark.took.saturating_add(begun.elapsed());
        mark = Mark { ids: end.saturating_mul(IDS_PER_ORDER), took, bytes: fs::metadata(path)?.len() };
        marks.push(mark);
        bar.set(usize::try_from(mark.ids).unwrap_or(usize::MAX));
        number = end;
    }
    bar.end();
    let begun = Instant::now();
    filling.commit(true)?;
    filling.last.wait()?;
    let took = mark.took.saturating_add(begun.elapsed());
    marks.push(Mark { took, bytes: fs::metadata(path)?.len(), ..mark });
    Ok(marks)
}

/// Where so many are there, and the claims a second of the second half of those.
fn second_half(marks: &[Mark], end: u64) -> (Mark, u64) {
    let at = |ids: u64| marks.iter().find(|mark| mark.ids >= ids).copied().unwrap_or_default();
    let (first, last) = (at(end / 2), at(end));
    (last, per_second(last.ids.saturating_sub(first.ids), last.took.saturating_sub(first.took)))
}

/// The same bytes, appended to a plain file.
fn append(args: &Args, path: &Path) -> Result<u64, Failure> {
    let claims = (args.ids / 100).max(COMMITTED_AT_ONCE);
    let orders: Vec<Order> = (0..claims / IDS_PER_ORDER).map(|number| Order::new(number, args.users)).collect();
    let mut file = BufWriter::new(File::create(path)?);
    let (begun, mut written) = (Instant::now(), 0_u64);
    for order in &orders {
        for (_, id) in order.ids() {
            file.write_all(&order.partition.to_be_bytes())?;
            file.write_all(order.user.as_bytes())?;
            file.write_all(id)?;
            file.write_all(&[0; 24])?;
            written = written.saturating_add(1);
            if written.is_multiple_of(COMMITTED_AT_ONCE.saturating_mul(SYNCED_EVERY)) {
                file.flush()?;
                file.get_ref().sync_data()?;
            }
        }
    }
    file.flush()?;
    file.get_ref().sync_data()?;
    let took = begun.elapsed();
    fs::remove_file(path)?;
    Ok(per_second(written, took))
}

/// Look-ups a second, cold and then once more.
struct LookUps {
    what: &'static str,
    rates: [u64; 2],
}

/// Ids that are there or not, looked up in random order.
fn look_ups(args: &Args, directory: &Path, what: &'static str, are_there: bool) -> Result<LookUps, Failure> {
    let orders = args.ids / IDS_PER_ORDER;
    let mut dice = Dice::new(2);
    let first = if are_there { 0 } else { orders };
    let wanted: Vec<Order> =
        (0..args.look_ups).map(|_| Order::new(first.saturating_add(dice.below(orders)), args.users)).collect();
    forget_cached(directory)?;
    let index = IdIndex::open(&directory.join(FILE))?;
    let mut rates = [0; 2];
    for rate in &mut rates {
        let begun = Instant::now();
        for (order, number) in wanted.iter().zip(0_usize..) {
            let Some((kind, id)) = order.ids().get(number % 2).copied() else { continue };
            if index.get(order.partition, kind, &order.user, id)?.is_some() != are_there {
                return Err(Failure::failed("the index doesn't say of an id what it was told"));
            }
        }
        *rate = per_second(args.look_ups, begun.elapsed());
    }
    Ok(LookUps { what, rates })
}

/// Random pages of the index's file.
fn pages(args: &Args, directory: &Path) -> Result<LookUps, Failure> {
    forget_cached(directory)?;
    let file = File::open(directory.join(FILE))?;
    let there = file.metadata()?.len() / PAGE;
    let mut rates = [0; 2];
    for rate in &mut rates {
        let (mut dice, mut page) = (Dice::new(3), vec![0; usize::try_from(PAGE).unwrap_or_default()]);
        let begun = Instant::now();
        for _ in 0..args.look_ups {
            file.read_exact_at(&mut page, dice.below(there).saturating_mul(PAGE))?;
        }
        *rate = per_second(args.look_ups, begun.elapsed());
    }
    Ok(LookUps { what: "a page", rates })
}

/// How long an open takes that finds nothing of the file cached.
fn opening(directory: &Path) -> Result<Duration, Failure> {
    forget_cached(directory)?;
    let begun = Instant::now();
    let index = IdIndex::open(&directory.join(FILE))?;
    let took = begun.elapsed();
    drop(index);
    Ok(took)
}

/// The same of a file as kill -9 leaves it: copied while it is open, after commits that are not durable.
fn opening_after_kill(args: &Args, directory: &Path, killed: &Path) -> Result<Duration, Failure> {
    // Above what any partition has.
    let mut filling = Filling::new(&directory.join(FILE), args.ids.saturating_mul(RECORDS_PER_ORDER))?;
    let orders = args.ids / IDS_PER_ORDER;
    for number in 0..COMMITTED_AT_ONCE.saturating_mul(2) {
        filling.claim(&Order::new(orders.saturating_mul(2).saturating_add(number), args.users))?;
    }
    // Copied while it is written it would be a file that no kill leaves.
    filling.last.wait()?;
    fs::create_dir(killed)?;
    fs::copy(directory.join(FILE), killed.join(FILE))?;
    let took = opening(killed)?;
    fs::remove_dir_all(killed)?;
    Ok(took)
}

/// What it all came to.
struct Found {
    marks: Vec<Mark>,
    appended: u64,
    look_ups: [LookUps; 3],
    filling_peak: u64,
    reading_peak: u64,
    open: Duration,
    open_after_kill: Duration,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let scratch = Scratch::new()?;
    let directory = args.data.clone().unwrap_or_else(|| scratch.path().join("ids"));
    if directory.exists() {
        return Err(Failure::failed(format!("{} is there already; name a new directory", directory.display())));
    }
    fs::create_dir_all(&directory)?;
    // On the same disk, and gone when they are measured.
    let beside = |what: &str| directory.join(what);
    spent::forget_peak();
    let marks = fill(args, &directory.join(FILE))?;
    let filling_peak = spent::peak_bytes();
    let appended = append(args, &beside("bare"))?;
    let open = opening(&directory)?;
    spent::forget_peak();
    let there = look_ups(args, &directory, "there", true)?;
    let others = look_ups(args, &directory, "not there", false)?;
    let reading_peak = spent::peak_bytes();
    let look_ups = [there, others, pages(args, &directory)?];
    let open_after_kill = opening_after_kill(args, &directory, &beside("killed"))?;
    show(args, &Found { marks, appended, look_ups, filling_peak, reading_peak, open, open_after_kill })
}

fn show(args: &Args, found: &Found) -> Result<(), Failure> {
    let all = found.marks.last().copied().unwrap_or_default();
    let filled =
        [1, 10, 100].map(|percent| (percent, second_half(&found.marks, all.ids.saturating_mul(percent) / 100)));
    let bytes_an_id = |mark: &Mark| mark.bytes / mark.ids.max(1);
    let micros = |took: Duration| u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    if args.json {
        let row = |(percent, (mark, rate)): &(u64, (Mark, u64))| json!({ "percent": percent, "ids": mark.ids, "perSecond": rate, "bytes": mark.bytes });
        let looked = |row: &LookUps| {
            let [cold, warm] = row.rates;
            json!({ "what": row.what, "coldPerSecond": cold, "warmPerSecond": warm })
        };
        return print_json(&json!({
            "ids": all.ids,
            "users": args.users,
            "fileBytes": all.bytes,
            "fillMicros": micros(all.took),
            "perSecond": per_second(all.ids, all.took),
            "filled": filled.iter().map(row).collect::<Vec<Value>>(),
            "appendPerSecond": found.appended,
            "lookUps": found.look_ups.iter().map(looked).collect::<Vec<Value>>(),
            "fillingPeakBytes": found.filling_peak,
            "readingPeakBytes": found.reading_peak,
            "openMicros": micros(found.open),
            "openAfterKillMicros": micros(found.open_after_kill),
        }));
    }
    let mut text = format!(
        "{} ids of {} users in {PARTITIONS} partitions\n\n{:<10} {:>14} {:>12} {:>12} {:>12}\n",
        grouped(all.ids),
        grouped(args.users),
        "filled to",
        "ids",
        "claims/s",
        "file MiB",
        "bytes/id"
    );
    let mut line = |what: &str, mark: &Mark, rate: u64| {
        let (ids, rate, mib) = (grouped(mark.ids), grouped(rate), grouped(mark.bytes >> 20));
        text.push_str(&format!("{what:<10} {ids:>14} {rate:>12} {mib:>12} {:>12}\n", bytes_an_id(mark)));
    };
    for (percent, (mark, rate)) in &filled {
        line(&format!("{percent} %"), mark, *rate);
    }
    line("in all", &all, per_second(all.ids, all.took));
    text.push_str(&format!("{:<10} {:>14} {:>12}\n", "appended", "", grouped(found.appended)));
    text.push_str(&format!("\n{:<10} {:>14} {:>12}\n", "look-ups/s", "cold", "once more"));
    for LookUps { what, rates: [cold, warm] } in &found.look_ups {
        text.push_str(&format!("{what:<10} {:>14} {:>12}\n", grouped(cold), grouped(warm)));
    }
    text.push_str(&format!(
        "\nheld at most {} MiB while it was filled, {} MiB at look-ups; opened in {} ms, after kill -9 in {} ms\n",
        grouped(found.filling_peak >> 20),
        grouped(found.reading_peak >> 20),
        grouped(micros(found.open) / 1000),
        grouped(micros(found.open_after_kill) / 1000)
    ));
    print(text)
}
