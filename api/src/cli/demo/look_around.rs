//! The commands with which to look around after the day.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use crate::demo::market_day::MarketDay;

/// Where a server listens that was told nothing else.
const DEFAULT: &str = "127.0.0.1:8080";

/// What to type. `kept`: the directory, if it stays; `serving`: where the server of this command listens.
pub(super) fn text(day: &MarketDay, kept: Option<&Path>, serving: Option<SocketAddr>) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "orderledger".to_owned());
    let mut text = String::from("\nlook around");
    // Writing into a string can't fail.
    let _ = match (kept, serving) {
        (Some(data), Some(_)) => {
            writeln!(text, " in {}, served here until Ctrl-C:", data.display())
        }
        (Some(data), None) => writeln!(text, ":\n  {program} serve --data {}", data.display()),
        (None, _) => {
            writeln!(text, " (the temporary directory is gone; this one stays):\n  {program} demo --keep-serving")
        }
    };
    let base = format!("http://{}/v1", serving.map_or_else(|| DEFAULT.to_owned(), |address| address.to_string()));
    let user = day.users().first().map_or("trader-1", |user| user.as_str());
    for path in [
        "markets/AAPL".to_owned(),
        "markets/AAPL/book?depth=5".to_owned(),
        "markets/AAPL/candles?interval=1h".to_owned(),
        format!("accounts/{user}/balances"),
        format!("accounts/{user}/transactions?limit=5"),
        "orders/day-1/transactions".to_owned(),
        "projections".to_owned(),
        "audit/proof".to_owned(),
    ] {
        let _ = writeln!(text, "  curl -s '{base}/{path}'");
    }
    let _ = writeln!(
        text,
        "  curl -s '{base}/accounts/{user}/orders' -H 'Idempotency-Key: hello-1' -H 'Prefer: wait=2' \\\n    \
         -H 'Content-Type: application/json' -d \
         '{{\"symbol\":\"AAPL\",\"side\":\"buy\",\"orderType\":\"limit\",\"quantity\":10,\"price\":\"150.25\"}}'"
    );
    if let Some(data) = kept.filter(|_| serving.is_none()) {
        let _ = writeln!(text, "  {program} log dump --data {} --user {user}", data.display());
    }
    text
}
