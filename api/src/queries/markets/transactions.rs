//! `GET /v1/markets/{symbol}/transactions`: every record that names the symbol, as it stands in the log.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::ids::Symbol;
use orderledger_domain::position::{Position, Topic, TopicPartition};
use orderledger_projections::audit::queries::{PAGE_BYTES_MAX, SymbolQuery, visit_symbol};
use orderledger_store::views::ViewReader;

use super::book_of;
use crate::http::export::{Export, Rest, STRETCH_BYTES};
use crate::http::form::Form;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::sheet::Sheet;
use crate::http::{answer, cursor};
use crate::ledger::Ledger;
use crate::queries::accounts::transactions::types;
use crate::queries::{AUDIT, read, wait_for_cursor};
use crate::rows::{AuditLine, AuditRow};

const TOPICS: &[Topic] = &[Topic::Orders, Topic::Books, Topic::Trades];

pub(crate) async fn list(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    form: Form,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let symbol = params.path("symbol", Symbol::new);
    let min = params.min_position(TOPICS)?;
    let mut wanted = params.page::<Position>();
    let partitions = ledger.partitions;
    let after = params.after(|at| TOPICS.contains(&at.topic) && at.partition < partitions);
    wanted.after = wanted.after.or(after);
    let (from, to, types) = (params.moment("from"), params.moment("to"), types(&mut params));
    let symbol = params.finish(symbol)?;
    if let Some(after) = wanted.after {
        wait_for_cursor(AUDIT(&ledger), after, min.within).await?;
    }
    let (direction, after, limit) = (wanted.direction, wanted.after, wanted.limit);
    let query = SymbolQuery { symbol, from, to, types, direction, after, limit };
    let topics = [Topic::Books, Topic::Trades].map(|topic| ledger.partition_of_symbol(topic, symbol.as_str()));
    let rests_on: Vec<TopicPartition> = ledger.all_of(Topic::Orders).chain(topics).collect();
    let is_page = form == Form::Json;
    let ((records, next), as_of) = read(&ledger, AUDIT, min, rests_on, move |view| {
        let mut records = Vec::new();
        let query = SymbolQuery { limit: if is_page { limit } else { 1 }, ..query };
        let keep = |record: &_| records.push(AuditRow::from(record));
        let next = visit_symbol(view, &query, PAGE_BYTES_MAX, |_| u64::MAX, keep)?;
        Ok((records, next))
    })
    .await?;
    if records.is_empty() {
        book_of(&ledger, symbol)?;
    }
    if is_page {
        let next = next.map(|place| cursor::write(&wanted.scope, &place));
        return answer::list(&headers, &records, next, &as_of);
    }
    let (mut rest, end) = (Rest::of(&wanted), as_of.clone());
    let step = move |reader: &ViewReader, sheet: &mut Sheet| {
        let (query, mut rows) = (SymbolQuery { after: rest.after, limit: rest.left, ..query }, 0_usize);
        let next = visit_symbol(
            reader,
            &query,
            STRETCH_BYTES,
            |of| end.end_of(of),
            |record| {
                rows = rows.saturating_add(1);
                sheet.add(&AuditLine(record));
            },
        )?;
        Ok(rest.pass(rows, next))
    };
    Export { ledger, view: AUDIT, form, name: "transactions", as_of }.stream::<AuditLine<'_>>(step).await
}
