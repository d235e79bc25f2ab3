//! What must be true when all is at rest.

use std::collections::BTreeMap;
use std::sync::Arc;

use orderledger_domain::money::Quantity;
use orderledger_domain::position::TopicPartition;
use orderledger_projections::analytics::Analytics;
use orderledger_projections::audit::Audit;
use orderledger_projections::market::Market;
use orderledger_projections::notifications::Notifications;
use orderledger_projections::rebuild::difference::first_difference;
use orderledger_projections::settlement::{Settlement, queries};
use orderledger_projections::verify::{LedgerRows, verify};
use orderledger_projections::worker::any::AnyFolding;
use orderledger_projections::worker::fold::Fold;
use orderledger_projections::worker::folding::Folding;
use orderledger_projections::worker::read::Read;
use orderledger_store::event_log::EventLog;
use orderledger_store::views::View;
use orderledger_tests::auditor::{self, Log, Story};
use orderledger_tests::dice::Dice;
use orderledger_tests::stages::all_partitions;

use crate::log::SimLog;
use crate::machine::{Machine, schema_of};
use crate::world::World;

/// How often each thing was seen.
pub(crate) type Seen = BTreeMap<String, u64>;

/// Holds everything against everything else.
pub(crate) fn check(world: &World, seen: &mut Seen) -> Result<(), String> {
    let log = &world.ground.log;
    let copy = Log::of(log).map_err(|error| error.to_string())?;
    let audit = auditor::audit(&copy, &world.keys);
    for (what, count) in &audit.seen {
        *seen.entry(what.clone()).or_default() += count;
    }
    if !audit.findings.is_empty() {
        return Err(audit.findings.to_string());
    }
    *seen.entry("answers checked".to_owned()).or_default() += world.clients.check(log, &world.ground.key)?;
    let expected = fold_again(world);
    for (number, machine) in world.machines().enumerate() {
        check_machine(world, machine, &audit.story, &expected, number == 0)
            .map_err(|what| format!("machine {number}: {what}"))?;
    }
    Ok(())
}

fn check_machine(
    world: &World,
    machine: &Machine,
    story: &Story,
    expected: &[Arc<View>],
    thoroughly: bool,
) -> Result<(), String> {
    check_accounting(&world.ground.log, machine)?;
    for (view, rebuilt) in machine.views.iter().zip(expected) {
        let digest = |view: &View| view.compute_digest().unwrap().digest;
        if digest(view) != digest(rebuilt) {
            let key = first_difference(view, rebuilt).unwrap().unwrap_or_default();
            let row = |view: &View| view.reader().unwrap().get(&key).unwrap();
            return Err(format!(
                "its {} view is not that of a rebuild: row {}: {:?}, {:?}",
                view.schema().name,
                key.escape_ascii(),
                row(view),
                row(rebuilt)
            ));
        }
    }
    if !thoroughly {
        return Ok(());
    }
    let [settlement, market, audit] = &machine.views;
    let reader = |view: &View| view.reader().unwrap();
    // Machines have no such views: nothing that is simulated asks for them.
    let [.., notifications, analytics] = expected else { return Err("views are missing".to_owned()) };
    let (notifications, analytics) = (reader(notifications), reader(analytics));
    let (settlement, market, audit) = (reader(settlement), reader(market), reader(audit));
    let rows = LedgerRows { settlement, market, audit, notifications, analytics };
    if !world.operator.has_discarded() {
        check_balances(&rows, story)?;
        check_orders(&rows, story)?;
    }
    let report = verify(&world.ground.log, &world.ground.key, &rows, &mut |_| {}).map_err(|error| error.to_string())?;
    if report.is_equal() { Ok(()) } else { Err(report.to_string()) }
}

/// Every record that a worker passed is counted once.
fn check_accounting(log: &SimLog, machine: &Machine) -> Result<(), String> {
    for (name, standing) in machine.workers() {
        for (of, progress) in &standing.partitions {
            let (consumed, there) = (progress.accounting.consumed(), log.records_below(*of, progress.next_offset));
            if consumed != there {
                return Err(format!("{name} counts {consumed} of {there} records of {of}: {:?}", progress.accounting));
            }
        }
    }
    Ok(())
}

fn empty<F: Fold + 'static>(world: &World) -> Box<dyn AnyFolding> {
    let view = Arc::new(View::in_memory(schema_of::<F>()));
    Box::new(Folding::<F>::resume(view, &world.ground.log, &world.ground.key, "memory").unwrap())
}

/// All views, folded once more from zero, in other batches and another order.
fn fold_again(world: &World) -> Vec<Arc<View>> {
    let log = &world.ground.log;
    let mut foldings = [
        empty::<Settlement>(world),
        empty::<Market>(world),
        empty::<Audit>(world),
        empty::<Notifications>(world),
        empty::<Analytics>(world),
    ];
    let key = &world.ground.key;
    foldings.iter_mut().for_each(|folding| folding.read_decisions(log, key).unwrap());
    let mut dice = Dice::of(world.plan.seed, "rebuild");
    let batch = *dice.pick(&[1, 7, 1000]);
    let mut at: BTreeMap<TopicPartition, u64> = all_partitions().map(|of| (of, 0)).collect();
    loop {
        let behind: Vec<TopicPartition> =
            log.ends().into_iter().filter(|(of, end)| at[of] < *end).map(|(of, _)| of).collect();
        if behind.is_empty() {
            break;
        }
        let of = *dice.choose(&behind).unwrap();
        let records = log.read(of, at[&of], batch).unwrap();
        let next = records.last().map(|last| last.offset + 1);
        at.insert(of, next.unwrap_or(log.end_offset(of).unwrap()));
        for read in records.into_iter().map(|record| Read::new(of, record, key)) {
            foldings.iter_mut().for_each(|folding| folding.take(&read).unwrap());
        }
        foldings.iter_mut().for_each(|folding| folding.commit().unwrap());
    }
    foldings.iter_mut().for_each(|folding| folding.release_all(log, key).unwrap());
    foldings.iter().map(|folding| Arc::clone(folding.view())).collect()
}

fn check_balances(rows: &LedgerRows, story: &Story) -> Result<(), String> {
    let mut seen = BTreeMap::new();
    for row in queries::accounts(&rows.settlement) {
        let (user, row) = row.unwrap();
        for (asset, balance) in row.account.iter() {
            let units = (balance.available.units(), balance.reserved.units());
            if units != (0, 0) {
                seen.insert((user.to_string(), asset.to_string()), units);
            }
        }
    }
    let told = story.balances();
    if seen == told { Ok(()) } else { Err(format!("its balances {seen:?} are not the auditor's {told:?}")) }
}

fn check_orders(rows: &LedgerRows, story: &Story) -> Result<(), String> {
    let shares = |quantity: Quantity| i128::from(quantity.shares());
    let mut live = 0;
    for row in queries::open_orders(&rows.settlement) {
        let order = row.unwrap().order;
        let who = (order.user_id.to_string(), order.order_id.to_string());
        let extra: i128 = order.undecided.iter().map(|amend| amend.extra.units()).sum();
        let shown = (order.held.units(), shares(order.leaves_quantity), shares(order.cum_quantity), extra);
        let told = story.orders.get(&who).map(|told| (told.held, told.leaves, told.cum, told.extra()));
        if told != Some(shown) {
            return Err(format!("order {who:?}: shown {shown:?}, told {told:?}"));
        }
        live += 1;
    }
    let told = story.orders.values().filter(|order| order.open).count();
    if live == told { Ok(()) } else { Err(format!("{live} open orders, told {told}")) }
}
