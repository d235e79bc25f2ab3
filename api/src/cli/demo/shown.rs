//! The tables of a market day, as text and as JSON.

use std::fmt::Write;
use std::path::Path;

use orderledger_domain::ids::Asset;
use serde_json::{Value, json};

use super::{Outcome, Proven};
use crate::cli::{rebuild, verify};
use crate::demo::figures::{Counts, Proof, SymbolDay};
use crate::latencies::{Latencies, grouped, per_second};

/// What happened. Writing into a string can't fail.
pub(super) fn outcome(outcome: &Outcome, seed: u64, data: &Path) -> String {
    let (day, counts) = (&outcome.day, &outcome.counts);
    let mut text = format!(
        "A market day from seed {seed}: {} accounts, {} symbols, in {}\n\n",
        day.users().len(),
        outcome.symbols.len(),
        data.display()
    );
    let rate = grouped(outcome.orders_per_second());
    let _ = writeln!(text, "{:<12} {:>10}   {rate}/s, every view caught up", "orders", grouped(day.orders()));
    let _ = writeln!(text, "{:<12} {:>10}", "trades", grouped(counts.trades));
    let _ = writeln!(text, "{:<12} {:>10}   in the log, all topics", "records", grouped(counts.records));
    let _ = writeln!(text, "\n{:<38} {}", "from append to judged", Latencies::headings());
    let _ = writeln!(text, "{:<38} {}", "  at full speed, the window full", outcome.at_speed.columns());
    if outcome.alone.count() > 0 {
        let _ = writeln!(text, "{:<38} {}", "  one at a time", outcome.alone.columns());
    }
    text.push_str("\nwhat the ledger said\n");
    for (event_type, reason, count) in counts.derived() {
        let _ = writeln!(text, "  {:<20} {:<24} {:>10}", event_type.as_str(), reason, grouped(count));
    }
    text.push_str("(ids used twice raise integrity alarms on stderr: here they are meant)\n");
    text.push_str(&symbols(&outcome.symbols));
    text.push_str(&proof(outcome));
    text
}

fn symbols(days: &[SymbolDay]) -> String {
    let mut text = format!(
        "\n{:<8} {:>10} {:>10} {:>10} {:>10} {:>10} {:>12} {:>8} {:>10} {:>10}\n",
        "symbol", "open", "high", "low", "last", "change", "volume", "trades", "bid", "ask"
    );
    for SymbolDay { symbol, day, bid_ask, .. } in days {
        let none = || "-".to_owned();
        let figures = day.as_ref().map(|day| {
            let of = &day.figures;
            let prices = [of.open, of.high, of.low, of.close].map(|price| price.to_string());
            (prices, day.change().to_string(), grouped(of.volume), grouped(of.trade_count))
        });
        let (prices, change, volume, trades) =
            figures.unwrap_or_else(|| ([none(), none(), none(), none()], none(), none(), none()));
        let [bid, ask] = bid_ask.clone().map(|price| price.unwrap_or_else(none));
        let _ = write!(text, "{:<8}", symbol.as_str());
        for price in prices {
            let _ = write!(text, " {price:>10}");
        }
        let _ = writeln!(text, " {change:>10} {volume:>12} {trades:>8} {bid:>10} {ask:>10}");
    }
    text
}

fn proof(outcome: &Outcome) -> String {
    let mut text = format!(
        "\n{:<6} {:>22} {:>16} {:>10} {:>22} {:>6}\n",
        "asset", "accounts", "fees", "clearing", "outside", "sum"
    );
    for (asset, proof) in &outcome.proofs {
        let [users, fees, clearing, outside, sum] =
            [proof.users, proof.fees, proof.clearing, proof.outside, proof.sum()].map(grouped);
        let _ = writeln!(text, "{:<6} {users:>22} {fees:>16} {clearing:>10} {outside:>22} {sum:>6}", asset.as_str());
    }
    let holds = outcome.proofs.values().all(Proof::holds);
    let verdict = if holds { "nothing was made, nothing was lost" } else { "SOMETHING IS MISSING" };
    let _ = writeln!(text, "{verdict}; balances sha256 {:.16}…", outcome.balances_digest);
    text
}

/// What the proofs came to.
pub(super) fn proven(proven: &Proven) -> String {
    let first = proven.rebuilt.first();
    let records = first.map_or(0, |rebuilt| rebuilt.records);
    let rate = first.map_or(0, |rebuilt| per_second(records, rebuilt.folding));
    let mut text =
        format!("\nevery view from offset zero: {} records, {} records/s\n", grouped(records), grouped(rate));
    for rebuilt in &proven.rebuilt {
        text.push_str(&rebuild::line(rebuilt));
    }
    let _ = write!(text, "\nverified by other code: {}", verify::table(&proven.verified));
    text
}

/// What the ledger said, for a program.
pub(super) fn outcomes_json(counts: &Counts) -> Value {
    let row = |(event_type, reason, count): (orderledger_domain::event::EventType, &str, u64)| json!({ "eventType": event_type.as_str(), "reason": (!reason.is_empty()).then_some(reason), "count": count });
    counts.derived().map(row).collect()
}

/// A symbol's day, for a program.
pub(super) fn symbol_json(row: &SymbolDay) -> Value {
    let figures = row.day.as_ref().map(|day| &day.figures);
    let price = |price: fn(&orderledger_projections::market::rows::Candle) -> orderledger_domain::money::Price| {
        figures.map(|figures| price(figures).to_string())
    };
    json!({
        "symbol": row.symbol,
        "open": price(|figures| figures.open),
        "high": price(|figures| figures.high),
        "low": price(|figures| figures.low),
        "last": price(|figures| figures.close),
        "volume": figures.map_or(0, |figures| figures.volume),
        "tradeCount": figures.map_or(0, |figures| figures.trade_count),
        "bid": row.bid_ask.first(),
        "ask": row.bid_ask.last(),
        "levels": row.levels,
    })
}

/// The proof of an asset, for a program.
pub(super) fn proof_json(asset: Asset, proof: &Proof) -> Value {
    json!({
        "asset": asset,
        "users": proof.users.to_string(),
        "fees": proof.fees.to_string(),
        "clearing": proof.clearing.to_string(),
        "outside": proof.outside.to_string(),
        "sum": proof.sum().to_string(),
        "holds": proof.holds(),
    })
}
