//! Matching, once more: each partition of `books` through the books here, and what came of each record beside what the log
//! says came of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Audit;
use super::book::{Book, Did, Leg, Resting};
use super::carried;
use super::log::Of;
use super::money::{Terms, order_of};
use super::murmur2::partition_of;
use super::outputs::ByCause;
use super::records::{Kind, Rec};

/// An output of matching: where, and what it says.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    of: Of,
    key: String,
    what: String,
}

/// One partition of `books`.
pub(super) fn check(all: &[Rec], partitions: u32, outputs: &ByCause<'_>, audit: &mut Audit) {
    let mut books = Books { partitions, version: 1, sealed_by: String::new(), books: BTreeMap::new() };
    for rec in all.iter().filter(|rec| rec.kind == Kind::Next) {
        let said = outputs.get(&(rec.of, rec.offset)).map_or(&[][..], Vec::as_slice);
        audit.findings.check(carried::check(rec, said, books.version));
        match books.apply(rec) {
            Err(what) => audit.findings.add(what),
            Ok(due) => {
                let told: Vec<Told> = said.iter().map(|rec| told(rec)).collect();
                if told != due {
                    audit.findings.add(format!("{rec} led to {told:?}, due was {due:?}"));
                }
                let own = due.iter().filter(|told| told.what.contains("self_trade")).count();
                *audit.seen.entry(format!("self trades under rules {}", books.version)).or_default() += own as u64;
                *audit.seen.entry("records matched".to_owned()).or_default() += 1;
            }
        }
    }
}

struct Books {
    partitions: u32,
    version: i128,
    sealed_by: String,
    books: BTreeMap<String, Book>,
}

impl Books {
    fn apply(&mut self, rec: &Rec) -> Result<Vec<Told>, String> {
        let version = self.version;
        match rec.event_type.as_str() {
            "OrderAccepted" => {
                let order = incoming(rec)?;
                let did = self.book(rec)?.submit(order, version);
                self.tell(rec, &rec.text("symbol")?, did)
            }
            "CancelAccepted" => {
                let did = self.book(rec)?.cancel(&order_of(rec)?);
                self.tell(rec, &rec.text("symbol")?, did)
            }
            "AmendAccepted" => {
                let (price, total) = (rec.units("price")?, rec.whole("quantity")?);
                let did = self.book(rec)?.amend(&order_of(rec)?, price, total, version);
                self.tell(rec, &rec.text("symbol")?, did)
            }
            "SessionClosed" => self.close_session(rec),
            "RulesVersionSet" => {
                self.version = rec.whole("rulesVersion")?;
                Ok(Vec::new())
            }
            "StreamKeySet" => Ok(self.take_key(rec.of.1, rec.text("keyId")?)),
            _ => Ok(Vec::new()),
        }
    }

    /// The key is taken in each stream, if it is another one.
    fn take_key(&mut self, partition: u32, key: String) -> Vec<Told> {
        if self.sealed_by == key {
            return Vec::new();
        }
        let targets = (0..self.partitions).map(|number| ("orders", number)).chain([("trades", partition)]);
        let what = format!("StreamKeyTaken {key}");
        let told = targets.map(|of| Told { of, key: "_control".to_owned(), what: what.clone() }).collect();
        self.sealed_by = key;
        told
    }

    fn book(&mut self, rec: &Rec) -> Result<&mut Book, String> {
        Ok(self.books.entry(rec.text("symbol")?).or_default())
    }

    fn close_session(&mut self, rec: &Rec) -> Result<Vec<Told>, String> {
        let named = rec.payload().get("symbols").and_then(Value::as_array);
        let named: Option<BTreeSet<&str>> = named.map(|symbols| symbols.iter().filter_map(Value::as_str).collect());
        let is_closed = |symbol: &str| named.as_ref().is_none_or(|named| named.contains(symbol));
        let symbols: Vec<String> = self.books.keys().filter(|symbol| is_closed(symbol)).cloned().collect();
        let mut told = Vec::new();
        for symbol in symbols {
            let did = self.books.get_mut(&symbol).map(Book::close_session).unwrap_or_default();
            told.extend(self.tell(rec, &symbol, did)?);
        }
        Ok(told)
    }

    fn tell(&self, rec: &Rec, symbol: &str, did: Vec<Did>) -> Result<Vec<Told>, String> {
        let mut told = Vec::new();
        for did in did {
            self.tell_one(rec, symbol, did, &mut told)?;
        }
        Ok(told)
    }

    fn tell_one(&self, rec: &Rec, symbol: &str, did: Did, told: &mut Vec<Told>) -> Result<(), String> {
        let (who, what) = match did {
            Did::Trade { seq, price, quantity, buy_came, maker, taker } => {
                let side = if buy_came { "buy" } else { "sell" };
                let (buyer, seller) = if buy_came { (&taker, &maker) } else { (&maker, &taker) };
                let trade = format!("{symbol}-{seq}");
                let what = format!(
                    "TradeExecuted {trade} {seq} {price} {quantity} {side} {} {}",
                    name(&buyer.who),
                    name(&seller.who)
                );
                told.push(Told { of: ("trades", rec.of.1), key: symbol.to_owned(), what });
                for (leg, liquidity) in [(&maker, "maker"), (&taker, "taker")] {
                    let Leg { who, fee, cum, leaves } = leg;
                    let side = if (liquidity == "taker") == buy_came { "buy" } else { "sell" };
                    let what = format!(
                        "OrderFilled {} {symbol} {side} {trade} {price} {quantity} {fee} {liquidity} {cum} {leaves}",
                        name(who)
                    );
                    told.push(self.to_user(&who.0, what));
                }
                return Ok(());
            }
            Did::Expired { who, reason, quantity } => {
                (who.clone(), format!("OrderExpired {} {reason} {quantity}", name(&who)))
            }
            Did::Canceled { who, quantity } => (who.clone(), format!("OrderCanceled {} {quantity}", name(&who))),
            Did::Rejected { who, reason } => (who.clone(), format!("OrderRejected {} {reason}", name(&who))),
            Did::CancelRejected { who, reason } => (who.clone(), format!("CancelRejected {} {reason}", name(&who))),
            Did::Amended { who, price, total, leaves } => {
                let extra = rec.units("extraReserved")?;
                (who.clone(), format!("OrderAmended {} {price} {total} {leaves} {extra}", name(&who)))
            }
            Did::AmendRejected { who, reason } => {
                let extra = rec.units("extraReserved")?;
                (who.clone(), format!("AmendRejected {} {reason} {extra}", name(&who)))
            }
        };
        told.push(self.to_user(&who.0, what));
        Ok(())
    }

    fn to_user(&self, user: &str, what: String) -> Told {
        Told { of: ("orders", partition_of(user.as_bytes(), self.partitions)), key: user.to_owned(), what }
    }
}

fn incoming(rec: &Rec) -> Result<Resting, String> {
    let terms = Terms::of(rec)?;
    let rests = matches!(terms.time_in_force.as_str(), "gtc" | "day");
    Ok(Resting {
        who: order_of(rec)?,
        buy: terms.buy,
        market: terms.market,
        day: terms.time_in_force == "day",
        post_only: terms.post_only,
        rests,
        whole: terms.time_in_force == "fok",
        price: terms.price.unwrap_or_default(),
        quantity: terms.quantity,
        cum: 0,
        budget: if terms.market && terms.buy { Some(rec.units("reserved")?) } else { None },
        bps: [rec.whole("makerBps")?, rec.whole("takerBps")?],
        notional: [0, 0],
        charged: 0,
        arrival: 0,
    })
}

fn name(who: &(String, String)) -> String {
    format!("{}/{}", who.0, who.1)
}

/// What a record of matching says, in the words above; one that lacks a field says so.
fn told(rec: &Rec) -> Told {
    let what = said(rec).unwrap_or_else(|what| what);
    Told { of: rec.of, key: String::from_utf8_lossy(rec.key.as_deref().unwrap_or_default()).into_owned(), what }
}

fn said(rec: &Rec) -> Result<String, String> {
    let kind = rec.event_type.as_str();
    let text = |field: &str| rec.text(field);
    if kind == "TradeExecuted" {
        let (trade, seq, side) = (text("tradeId")?, rec.whole("bookSeq")?, text("takerSide")?);
        let (price, quantity) = (rec.units("price")?, rec.whole("quantity")?);
        let buyer = name(&(text("buyUserId")?, text("buyOrderId")?));
        let seller = name(&(text("sellUserId")?, text("sellOrderId")?));
        return Ok(format!("{kind} {trade} {seq} {price} {quantity} {side} {buyer} {seller}"));
    }
    if kind == "StreamKeyTaken" {
        return Ok(format!("{kind} {}", text("keyId")?));
    }
    let order = name(&order_of(rec)?);
    Ok(match kind {
        "OrderFilled" => {
            let (symbol, side, trade) = (text("symbol")?, text("side")?, text("tradeId")?);
            let (price, quantity, fee) = (rec.units("price")?, rec.whole("quantity")?, rec.units("fee")?);
            let (liquidity, cum) = (text("liquidity")?, rec.whole("cumQuantity")?);
            let leaves = rec.whole("leavesQuantity")?;
            format!("{kind} {order} {symbol} {side} {trade} {price} {quantity} {fee} {liquidity} {cum} {leaves}")
        }
        "OrderExpired" => format!("{kind} {order} {} {}", text("reason")?, rec.whole("expiredQuantity")?),
        "OrderCanceled" => format!("{kind} {order} {}", rec.whole("canceledQuantity")?),
        "OrderAmended" => {
            let (price, total) = (rec.units("price")?, rec.whole("quantity")?);
            let (leaves, extra) = (rec.whole("leavesQuantity")?, rec.units("extraReserved")?);
            format!("{kind} {order} {price} {total} {leaves} {extra}")
        }
        "AmendRejected" => format!("{kind} {order} {} {}", text("reason")?, rec.units("extraReserved")?),
        _ => format!("{kind} {order} {}", text("reason")?),
    })
}
