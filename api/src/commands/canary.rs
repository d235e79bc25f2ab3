//! The canary: two accounts of the ledger's own trade one share with each other, back and forth, once a second. What it
//! measures is what a caller waits for: from the call until the order is accepted, matched, settled and shown.
//!
//! It trades in a market of its own, which the list of markets leaves out.

use std::sync::Arc;
use std::time::Duration;

use orderledger_domain::event::{Deposit, Event, OrderCancelRequested, OrderCreated};
use orderledger_domain::ids::{Asset, CANARY_SYMBOL, OrderId, Symbol, UserId};
use orderledger_domain::money::{Amount, Price, Quantity};
use orderledger_domain::order::Status;
use orderledger_domain::terms::{OrderType, Side, TimeInForce};
use orderledger_projections::settlement::queries::{OrdersFilter, Page, StatusFilter};
use orderledger_projections::worker::progress::{Progress, WorkerState};
use orderledger_projections::{market, settlement};
use orderledger_store::Error;
use orderledger_store::views::Direction;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};
use uuid::Uuid;

use super::submit::submit;
use crate::ledger::{Ledger, blocking};
use crate::metrics::{CANARY_SEEN, Step};

/// How often it trades.
const EVERY: Duration = Duration::from_secs(1);
/// Its accounts.
const USERS: [&str; 2] = ["ledger.canary-1", "ledger.canary-2"];
/// One dollar.
const PRICE_UNITS: i128 = 10_000;
/// Orders that are canceled at once before a round, at most.
const LEFT_MAX: usize = 100;
/// What it is given when it has nothing left: fees take from it.
const FUNDED_UNITS: i128 = 1_000 * PRICE_UNITS;

/// Why a round didn't come through: at which step, and what was wrong.
type Why = String;

/// Trades as long as it is polled.
pub(crate) async fn run(ledger: Arc<Ledger>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut users = USERS;
    // What an earlier process, or a round that failed, left in the book would meet the next order.
    let mut is_clear = false;
    loop {
        ticks.tick().await;
        // Nobody's writes are taken or shown then: that is no order that didn't come through.
        if is_catching_up(&ledger) {
            continue;
        }
        let round = if is_clear { round(&ledger, users).await } else { clear(&ledger).await };
        if let (Ok(()), false) = (&round, is_clear) {
            is_clear = true;
            continue;
        }
        is_clear = round.is_ok();
        CANARY_SEEN.ended(round.is_ok());
        if let Err(why) = round {
            tracing::warn!("the canary's order didn't come through: {why}");
        }
        users.reverse();
    }
}

fn is_catching_up(ledger: &Ledger) -> bool {
    let views = [&ledger.settlement, &ledger.market].map(|view| view.live.load().progress.standing());
    let stages = ledger.stages().map(|(_, progress)| progress.standing());
    views.iter().chain(&stages).any(|standing| standing.state == WorkerState::CatchingUp)
}

/// Asks that whatever its accounts have open be canceled; orders placed after that come behind it.
async fn clear(ledger: &Arc<Ledger>) -> Result<(), Why> {
    for user in USERS {
        let user = UserId::new(user).map_err(said)?;
        let (of, whose) = (Arc::clone(ledger), user.clone());
        let page = Page { after: None, limit: LEFT_MAX, direction: Direction::Ascending };
        let open = OrdersFilter { status: StatusFilter::Open, ..OrdersFilter::default() };
        let look = move || settlement::queries::orders(&of.settlement.reader()?, &whose, &open, &page);
        for row in blocking(look).await.map_err(said)?.rows {
            let asked = OrderCancelRequested { order_id: row.order.order_id, user_id: user.clone() };
            ask(ledger, &user, &Event::OrderCancelRequested(asked)).await?;
        }
    }
    Ok(())
}

/// The first sells to the second.
async fn round(ledger: &Arc<Ledger>, [seller, buyer]: [&str; 2]) -> Result<(), Why> {
    let symbol = Symbol::new(CANARY_SYMBOL).map_err(said)?;
    place(ledger, symbol, seller, Side::Sell).await?;
    // The last round's trade is in the tape, and so is this number.
    let of = Arc::clone(ledger);
    let next = move || market::queries::next_book_seq(&of.market.reader()?, symbol);
    let traded = blocking(next).await.map_err(said)?.saturating_sub(1);
    let (begun, user, order) = place(ledger, symbol, buyer, Side::Buy).await?;
    CANARY_SEEN.took(Step::Accepted, begun.elapsed());
    let deadline = Instant::now() + ledger.answer_within;

    let mut books = ledger.board.positions();
    let has_traded = || ledger.board.get(symbol).is_some_and(|book| book.last_book_seq > traded);
    let matched = timeout_at(deadline, books.wait_for(|_| has_traded())).await;
    if !matches!(matched, Ok(Ok(_))) {
        return Err("it was not matched in time".to_owned());
    }
    CANARY_SEEN.took(Step::Matched, begun.elapsed());

    let progress = ledger.settlement.live.load().progress.clone();
    let of = Arc::clone(ledger);
    let is_settled = move || {
        let row = settlement::queries::order(&of.settlement.reader()?, &user, &order)?;
        Ok(row.is_some_and(|row| row.order.status == Status::Filled))
    };
    see(&progress, deadline, is_settled).await.map_err(|why| format!("settlement: {why}"))?;
    CANARY_SEEN.took(Step::Settled, begun.elapsed());

    let progress = ledger.market.live.load().progress.clone();
    let of = Arc::clone(ledger);
    let is_shown = move || Ok(market::queries::next_book_seq(&of.market.reader()?, symbol)? > traded.saturating_add(1));
    see(&progress, deadline, is_shown).await.map_err(|why| format!("market: {why}"))?;
    CANARY_SEEN.took(Step::Shown, begun.elapsed());
    Ok(())
}

/// Looks again whenever the worker has moved.
async fn see(
    progress: &Progress,
    deadline: Instant,
    look: impl Fn() -> Result<bool, Error> + Clone + Send + 'static,
) -> Result<(), Why> {
    let mut moved = progress.subscribe();
    loop {
        moved.mark_unchanged();
        if blocking(look.clone()).await.map_err(said)? {
            return Ok(());
        }
        if !matches!(timeout_at(deadline, moved.changed()).await, Ok(Ok(()))) {
            return Err("it was not there in time".to_owned());
        }
    }
}

/// Places an order for one share that intake accepts, and gives the account what it needs; when it was asked.
async fn place(
    ledger: &Arc<Ledger>,
    symbol: Symbol,
    user: &str,
    side: Side,
) -> Result<(Instant, UserId, OrderId), Why> {
    let user = UserId::new(user).map_err(said)?;
    let mut may_fund = true;
    loop {
        let order_id = OrderId::new(&Uuid::new_v4().to_string()).map_err(said)?;
        let event = Event::OrderCreated(OrderCreated {
            order_id: order_id.clone(),
            user_id: user.clone(),
            symbol,
            side,
            order_type: OrderType::Limit,
            // The seller's rests until the buyer's comes; the buyer's is not left behind.
            time_in_force: Some(if side == Side::Sell { TimeInForce::Day } else { TimeInForce::Ioc }),
            post_only: false,
            quantity: Quantity::new(1).map_err(said)?,
            price: Some(Price::from_units(PRICE_UNITS).map_err(said)?),
            max_cost: None,
            client_order_id: None,
        });
        let begun = Instant::now();
        match ask(ledger, &user, &event).await? {
            Event::OrderAccepted(_) => return Ok((begun, user, order_id)),
            Event::OrderRejected(_) if may_fund => may_fund = false,
            other => return Err(format!("intake answered {}", other.event_type().as_str())),
        }
        fund(ledger, symbol, &user).await?;
    }
}

async fn fund(ledger: &Arc<Ledger>, symbol: Symbol, user: &UserId) -> Result<(), Why> {
    for asset in [Asset::USD, symbol.asset()] {
        let deposit = Deposit { user_id: user.clone(), asset, amount: Amount::from_units(FUNDED_UNITS) };
        ask(ledger, user, &Event::DepositMade(deposit)).await?;
    }
    Ok(())
}

async fn ask(ledger: &Arc<Ledger>, user: &UserId, event: &Event) -> Result<Event, Why> {
    let judged = submit(ledger, user.as_str(), Uuid::new_v4(), event).await;
    judged.map(|judged| judged.event).map_err(|problem| format!("{}: {}", problem.code, problem.detail))
}

fn said(error: impl std::fmt::Display) -> Why {
    error.to_string()
}
