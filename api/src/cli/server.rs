//! Asking a running server.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use uuid::Uuid;

use super::Failure;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which server.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ServerArgs {
    /// The server.
    #[arg(long, env = "ORDERLEDGER_SERVER", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    server: String,
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

/// A page of a list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<R> {
    data: Vec<R>,
    next_cursor: Option<String>,
}

impl ServerArgs {
    /// The server that these options name; it is not asked yet.
    pub(super) fn open(&self) -> Result<Server, Failure> {
        Server::at(&self.server, &self.client)
    }
}

impl Server {
    /// The server at that address; it is not asked yet.
    pub(super) fn at(url: &str, client: &ClientArgs) -> Result<Server, Failure> {
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

    fn read<A: DeserializeOwned>(&self, path: &str) -> Result<A, Failure> {
        let url = format!("{}{path}", self.url);
        let answer = self.signed(self.agent.get(&url)).call().map_err(|error| unreachable(&url, &error))?;
        read(&url, answer)
    }

    /// What it answers to a write under a key of its own.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.write(path, body, None)
    }

    /// The same, without waiting for what the write sets going.
    pub(super) fn post_at_once(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.write(path, body, Some("respond-async"))
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

fn read<A: DeserializeOwned>(url: &str, mut answer: ureq::http::Response<ureq::Body>) -> Result<A, Failure> {
    let status = answer.status();
    if status.is_success() {
        return answer.body_mut().read_json().map_err(|error| unreachable(url, &error));
    }
    let body: Value = answer.body_mut().read_json().map_err(|error| unreachable(url, &error))?;
    let detail = body.get("detail").and_then(Value::as_str).unwrap_or("the server gives no reason");
    Err(Failure::failed(format!("{url} answers {}: {detail}", status.as_u16())))
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
