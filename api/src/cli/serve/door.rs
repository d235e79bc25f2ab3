//! Who may come in, and how: the options of keys, tokens, limits and TLS.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use super::Looked;
use crate::access::Access;
use crate::access::key_ring::KeyRing;
use crate::access::limits::{Limits, Rate};
use crate::access::tokens::Tokens;
use crate::access::verifying_keys::VerifyingKeys;
use crate::cli::Failure;
use crate::cli::config::secrets::check_private;
use crate::http::tls::Tls;

/// Who may come in, and how.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub(super) struct DoorArgs {
    /// The file of the API keys, which `orderledger keys` writes; with it, every call needs a credential
    #[arg(long, env = "ORDERLEDGER_AUTH_KEYS", value_name = "FILE")]
    auth_keys: Option<PathBuf>,
    /// The public keys of JSON Web Tokens: a JWK set, or one PEM; with it, every call needs a credential
    #[arg(long, env = "ORDERLEDGER_AUTH_JWKS", value_name = "FILE|URL")]
    auth_jwks: Option<String>,
    /// Whom a token must be for (its `aud`); needed with --auth-jwks
    #[arg(long, env = "ORDERLEDGER_AUTH_AUDIENCE", value_name = "NAME")]
    auth_audience: Option<String>,
    /// Who must have issued a token (its `iss`) [default: whoever has the keys]
    #[arg(long, env = "ORDERLEDGER_AUTH_ISSUER", value_name = "NAME")]
    auth_issuer: Option<String>,
    /// How many calls each credential may make, as in 100/s or 600/m [default: no limit]
    #[arg(long, env = "ORDERLEDGER_RATE_LIMIT", value_name = "N/s|N/m")]
    rate_limit: Option<Rate>,
    /// How many of these may come at once [default: the number of the rate limit]
    #[arg(long, env = "ORDERLEDGER_RATE_BURST", value_name = "N")]
    rate_burst: Option<NonZeroU32>,
    /// The certificate chain of TLS (PEM); read again when it changes
    #[arg(long, env = "ORDERLEDGER_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The certificate's key (PEM)
    #[arg(long, env = "ORDERLEDGER_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
}

/// More at once is no limit; and the time in which they come again must be a number of nanoseconds.
const BURST_MAX: u32 = 1_000_000;

/// Who may come in, and how, as it was configured.
#[derive(Default)]
pub(in crate::cli) struct Door {
    pub(super) access: Access,
    pub(super) tls: Option<Tls>,
}

impl DoorArgs {
    /// Whether a credential is asked for.
    pub(super) const fn asks(&self) -> bool {
        self.auth_keys.is_some() || self.auth_jwks.is_some()
    }

    /// Others than this machine may reach the server only where it asks who calls; in the clear their credentials can be read.
    pub(super) fn check_address(&self, address: SocketAddr) -> Result<(), Failure> {
        if !self.asks() {
            return super::check_address(address);
        }
        if !address.ip().is_loopback() && self.tls_cert.is_none() {
            tracing::warn!(
                "{address} is no loopback address and there is no TLS: credentials can be read on their way; name \
                 --tls-cert and --tls-key, or let a proxy encrypt"
            );
        }
        Ok(())
    }

    /// Reads all files that the options name.
    pub(super) fn open(&self) -> Result<Door, Failure> {
        let access = Access { keys: self.keys()?, tokens: self.tokens()?, limits: self.limits()? };
        Ok(Door { access, tls: self.tls()? })
    }

    /// What `open` would say of each part that is configured, but for keys at an address: they may answer later.
    pub(super) fn look(&self) -> Vec<Looked> {
        let mut parts = Vec::new();
        if let Some(path) = &self.auth_keys {
            parts.push(("API keys", self.keys().map(|_| format!("{} can be read", path.display()))));
        }
        if self.auth_jwks.is_some() || self.auth_audience.is_some() || self.auth_issuer.is_some() {
            let tokens = match &self.auth_jwks {
                Some(source) if VerifyingKeys::at_an_address(source) => {
                    self.audience().map(|_| "their keys are fetched at the start")
                }
                _ => self.tokens().map(|_| "their keys can be read"),
            };
            parts.push(("tokens", tokens.map(str::to_owned)));
        }
        if self.rate_limit.is_some() || self.rate_burst.is_some() {
            parts.push(("limits", self.limits().map(|_| "they go together".to_owned())));
        }
        if self.tls_cert.is_some() || self.tls_key.is_some() {
            parts.push(("TLS", self.tls().map(|_| "certificate and key can be read, and go together".to_owned())));
        }
        parts
    }

    fn keys(&self) -> Result<Option<KeyRing>, Failure> {
        self.auth_keys.clone().map(KeyRing::open).transpose().map_err(|why| {
            Failure::usage(format!(
                "{why}; `orderledger keys create --auth-keys FILE --role ROLE` makes a key and the file"
            ))
        })
    }

    fn tls(&self) -> Result<Option<Tls>, Failure> {
        match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => {
                check_private(key, "--tls-key").map_err(Failure::usage)?;
                Ok(Some(Tls::open(certificate, key).map_err(Failure::usage)?))
            }
            (None, None) => Ok(None),
            _ => Err(Failure::usage("--tls-cert and --tls-key belong together; name both")),
        }
    }

    fn tokens(&self) -> Result<Option<Tokens>, Failure> {
        let Some(source) = &self.auth_jwks else {
            let alone = self.auth_audience.is_some() || self.auth_issuer.is_some();
            return if alone { Err(Failure::usage("name the keys of the tokens with --auth-jwks")) } else { Ok(None) };
        };
        let audience = self.audience()?;
        let keys = VerifyingKeys::open(source).map_err(Failure::usage)?;
        Ok(Some(Tokens::new(keys, audience, self.auth_issuer.clone())))
    }

    fn audience(&self) -> Result<String, Failure> {
        self.auth_audience.clone().filter(|audience| !audience.is_empty()).ok_or_else(|| {
            Failure::usage("--auth-jwks needs --auth-audience: a token for another service must not be good here")
        })
    }

    fn limits(&self) -> Result<Option<Limits>, Failure> {
        match (self.rate_limit, self.rate_burst) {
            (Some(_), Some(burst)) if burst.get() > BURST_MAX => {
                Err(Failure::usage(format!("--rate-burst can be at most {BURST_MAX}")))
            }
            (Some(rate), burst) => Ok(Some(Limits::new(rate, burst.unwrap_or_else(|| rate.calls())))),
            (None, None) => Ok(None),
            (None, Some(_)) => Err(Failure::usage("--rate-burst needs --rate-limit")),
        }
    }
}
