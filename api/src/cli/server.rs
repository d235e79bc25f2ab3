//! Asking a running server.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use uuid::Uuid;

use super::{Failure, server_file};
use crate::ledger::now;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The largest answer that is read.
const ANSWER_BYTES_MAX: u64 = 1 << 30;

/// Which server.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ServerArgs {
    /// The server.
    #[arg(long, env = "ORDERLEDGER_SERVER", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    server: String,
    #[command(flatten)]
    client: ClientArgs,
}

/// A server that is asked instead of the log, where there is one.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub(super) struct InsteadArgs {
    /// The running server that is asked [default: the log itself; for `backup` and `log tail` the server that has it in use]
    #[arg(long, env = "ORDERLEDGER_SERVER", value_name = "URL")]
    server: Option<String>,
    /// Asks no server but the log itself, also where one is configured
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// How a server is asked.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub(super) struct ClientArgs {
    /// The API key or token to ask the server with; better kept in the environment than on the command line
    #[arg(long, env = "ORDERLEDGER_API_KEY", value_name = "KEY", hide_env_values = true, hide_default_value = true)]
    api_key: Option<ApiKey>,
    /// The authority that signed the server's certificate (PEM) [default: the public ones]
    #[arg(long, env = "ORDERLEDGER_SERVER_CA", value_name = "FILE")]
    server_ca: Option<PathBuf>,
}

/// A credential, which nothing shows.
#[derive(Clone)]
struct ApiKey(String);

impl From<&str> for ApiKey {
    fn from(text: &str) -> ApiKey {
        ApiKey(text.to_owned())
    }
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKey")
    }
}

/// A server that can be asked.
pub(super) struct Server {
    agent: ureq::Agent,
    url: String,
    credential: Option<String>,
}

/// What some headers say, and a body that still comes.
type Said<const HEADERS: usize> = ([Option<String>; HEADERS], Box<dyn Read + Send>);

/// A page of a list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page<R> {
    pub(super) data: Vec<R>,
    pub(super) next_cursor: Option<String>,
}

impl ServerArgs {
    /// The server that these options name; it is not asked yet.
    pub(super) fn open(&self) -> Result<Server, Failure> {
        Server::at(&self.server, &self.client)
    }
}

impl InsteadArgs {
    /// The server that is named, unless none is to be asked.
    pub(super) fn open(&self) -> Result<Option<Server>, Failure> {
        let url = self.server.as_ref().filter(|_| !self.offline);
        url.map(|url| Server::at(url, &self.client)).transpose()
    }

    /// The server that has the data directory, which is in use.
    pub(super) fn of(&self, data: &Path) -> Result<Server, Failure> {
        let in_use = |what: &str| Failure::refused(format!("{} is in use; {what}", data.display()));
        if self.offline {
            return Err(in_use("stop its server, or leave --offline out"));
        }
        let url = server_file::read(data).ok_or_else(|| in_use("name its server with --server URL"))?;
        Server::at(&url, &self.client)
    }
}

impl Server {
    /// The server at that address; it is not asked yet.
    fn at(url: &str, client: &ClientArgs) -> Result<Server, Failure> {
        let mut config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false);
        if let Some(path) = &client.server_ca {
            let wrong = |why: &dyn std::fmt::Display| Failure::usage(format!("{}: {why}", path.display()));
            let text = std::fs::read(path).map_err(|error| wrong(&error))?;
            let authority = Certificate::from_pem(&text).map_err(|error| wrong(&error))?;
            let roots = RootCerts::new_with_certs(&[authority]);
            config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        let credential = client.api_key.as_ref().map(|key| format!("Bearer {}", key.0));
        Ok(Server { agent: config.build().into(), url: url.trim_end_matches('/').to_owned(), credential })
    }

    fn signed<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.credential {
            Some(credential) => request.header("Authorization", credential),
            None => request,
        }
    }

    /// What it answers; a problem is a failure.
    pub(super) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.read(path)
    }

    /// Its address.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The same as [`Server::get`], and by how many milliseconds its clock was ahead of this one, where its answer is dated.
    pub(super) fn get_with_date(&self, path: &str) -> Result<(Value, Option<i64>), Failure> {
        let url = format!("{}{path}", self.url);
        let before = now().millis();
        let answer = self.signed(self.agent.get(&url)).call().map_err(|error| unreachable(&url, &error))?;
        let between = before.midpoint(now().millis());
        let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| chrono::DateTime::parse_from_rfc2822(date).ok());
        // It says the second that has begun.
        let ahead = date.map(|date| date.timestamp_millis().saturating_add(500).saturating_sub(between));
        Ok((read(&url, answer)?, ahead))
    }

    /// What it says now, as one page: of somebody who asks again and again, so that one who is away is no failure.
    pub(super) fn look<A: DeserializeOwned>(&self, path: &str) -> Result<Look<A>, Failure> {
        let url = format!("{}{path}", self.url);
        let mut answer = match self.signed(self.agent.get(&url)).call() {
            // 409: after a restart a view may not yet be where it was (`position-not-reached`).
            Ok(answer) if answer.status().is_server_error() || answer.status() == ureq::http::StatusCode::CONFLICT => {
                return Ok(Look::Away(format!("{url} answers {}", answer.status().as_u16())));
            }
            Ok(answer) => answer,
            Err(error) => return Ok(Look::Away(unreachable(&url, &error).to_string())),
        };
        if answer.status() == ureq::http::StatusCode::NOT_FOUND {
            // What is unknown now may be known later.
            return Ok(Look::Unknown(refusal(&url, &mut answer)?));
        }
        read(&url, answer).map(Look::Answer)
    }

    fn read<A: DeserializeOwned>(&self, path: &str) -> Result<A, Failure> {
        let url = format!("{}{path}", self.url);
        let answer = self.signed(self.agent.get(&url)).call().map_err(|error| unreachable(&url, &error))?;
        read(&url, answer)
    }

    /// What it answers, as it comes, however long that takes.
    pub(super) fn stream(&self, path: &str) -> Result<Box<dyn Read + Send>, Failure> {
        self.stream_saying(path, []).map(|(_, body)| body)
    }

    /// The same, and what the answer has in these headers.
    pub(super) fn stream_saying<const N: usize>(&self, path: &str, headers: [&str; N]) -> Result<Said<N>, Failure> {
        let url = format!("{}{path}", self.url);
        let request = self.signed(self.agent.get(&url)).config().timeout_global(None);
        let request = request.timeout_recv_response(Some(PATIENCE)).build();
        let mut answer = request.call().map_err(|error| unreachable(&url, &error))?;
        if !answer.status().is_success() {
            return Err(refusal(&url, &mut answer)?);
        }
        let said = |header| answer.headers().get(header).and_then(|said| said.to_str().ok()).map(str::to_owned);
        let said = headers.map(said);
        Ok((said, Box::new(answer.into_body().into_reader())))
    }

    /// What it answers to a write under a key of its own.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.write(path, body, None)
    }

    /// The same, without waiting for what the write sets going.
    pub(super) fn post_at_once(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.write(path, body, Some("respond-async"))
    }

    /// What it answers where something is taken away, or called off.
    pub(super) fn delete(&self, path: &str) -> Result<Value, Failure> {
        let url = format!("{}{path}", self.url);
        let answer = self.signed(self.agent.delete(&url)).call().map_err(|error| unreachable(&url, &error))?;
        read(&url, answer)
    }

    fn write(&self, path: &str, body: &Value, prefer: Option<&str>) -> Result<Value, Failure> {
        let url = format!("{}{path}", self.url);
        let mut request = self.signed(self.agent.post(&url)).header("Idempotency-Key", Uuid::new_v4().to_string());
        if let Some(prefer) = prefer {
            request = request.header("Prefer", prefer);
        }
        let answer = request.send_json(body).map_err(|error| unreachable(&url, &error))?;
        read(&url, answer)
    }

    /// All rows of a list, page by page.
    pub(super) fn all<R: DeserializeOwned>(&self, path: &str) -> Result<Vec<R>, Failure> {
        let begin = if path.contains('?') { '&' } else { '?' };
        let (mut rows, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let after = cursor.map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
            let page: Page<R> = self.read(&format!("{path}{begin}limit=1000{after}"))?;
            rows.extend(page.data);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(rows);
            }
        }
    }
}

/// What one look at a server came to.
pub(super) enum Look<A> {
    /// It said something.
    Answer(A),
    /// It doesn't know what was asked about.
    Unknown(Failure),
    /// It isn't there, or not ready; why.
    Away(String),
}

fn read<A: DeserializeOwned>(url: &str, mut answer: ureq::http::Response<ureq::Body>) -> Result<A, Failure> {
    if answer.status().is_success() {
        // A page of records may be large: each is up to a mebibyte.
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        return body.read_json().map_err(|error| unreachable(url, &error));
    }
    Err(refusal(url, &mut answer)?)
}

/// What an answer that is a problem says.
fn refusal(url: &str, answer: &mut ureq::http::Response<ureq::Body>) -> Result<Failure, Failure> {
    let status = answer.status();
    let body: Value = answer.body_mut().read_json().map_err(|error| unreachable(url, &error))?;
    let detail = body.get("detail").and_then(Value::as_str).unwrap_or("the server gives no reason");
    Ok(Failure::failed(format!("{url} answers {}: {detail}", status.as_u16())))
}

fn unreachable(url: &str, error: &ureq::Error) -> Failure {
    let said = error.to_string();
    let what = if said.contains("certificate") {
        "name the authority that signed the server's certificate with --server-ca, or ask by a name that stands in it"
    } else {
        "start the server, or name it with --server"
    };
    Failure::failed(format!("{url} can't be asked: {said}; {what}"))
}
