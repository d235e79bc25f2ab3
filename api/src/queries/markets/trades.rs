//! `GET /v1/markets/{symbol}/trades`: the tape.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::ids::Symbol;
use orderledger_domain::position::Topic;
use orderledger_projections::market::queries::{Page, TapeTrade, Within, next_book_seq, trades, trades_until};
use orderledger_store::views::ViewReader;

use super::{book_of, of_symbol, until_of, wait_for_tape};
use crate::http::export::{Export, Rest};
use crate::http::form::Form;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::{answer, cursor};
use crate::ledger::Ledger;
use crate::queries::MARKET;
use crate::queries::then::Asked;
use crate::rows::TradeRow;

pub(crate) async fn list(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    form: Form,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let symbol = params.path("symbol", Symbol::new);
    let mut min = params.min_position(&[Topic::Trades])?;
    let wanted = params.page::<u64>();
    let within = Within { from: params.moment("from"), to: params.moment("to") };
    let asked = Asked::of(&mut params);
    asked.comes_as(form, &mut params);
    let symbol = params.finish(symbol)?;
    if let Some(after) = wanted.after {
        wait_for_tape(&ledger, min.within, |view| Ok(next_book_seq(view, symbol)? > after)).await?;
    }
    if form != Form::Json {
        let ((), as_of) = of_symbol(&ledger, symbol, min, |_| Ok(())).await?;
        book_of(&ledger, symbol)?;
        let below = as_of.end_of(ledger.partition_of_symbol(Topic::Trades, symbol.as_str()));
        let export = Export { ledger, view: MARKET, form, name: "trades", as_of };
        let page = move |view: &ViewReader, Rest { after, left, direction }: Rest<u64>| {
            let listed = trades(view, symbol, within, Page { direction, after, limit: left })?;
            let row = |(seq, trade): (_, TapeTrade)| (trade.position.offset < below, TradeRow::new(symbol, seq, trade));
            Ok((listed.rows.into_iter().map(row).collect(), listed.next))
        };
        return export.pages(&wanted, page).await;
    }
    let home = ledger.partition_of_symbol(Topic::Trades, symbol.as_str());
    let then = asked.at(&ledger, home, &mut min).await?;
    let page = Page { direction: wanted.direction, after: wanted.after, limit: wanted.limit };
    let read = move |view: &ViewReader| trades_until(view, symbol, within, until_of(then), page);
    let (listed, as_of) = of_symbol(&ledger, symbol, min, read).await?;
    if listed.rows.is_empty() {
        // What has traded is known, whether or not its book is read back yet.
        book_of(&ledger, symbol)?;
    }
    let as_of = then.said(&ledger, home, as_of).await?;
    let row = |(book_seq, trade)| TradeRow::new(symbol, book_seq, trade);
    let rows: Vec<TradeRow> = listed.rows.into_iter().map(row).collect();
    let next = listed.next.map(|place| cursor::write(&wanted.scope, &place));
    answer::list(&headers, &rows, next, &as_of)
}
