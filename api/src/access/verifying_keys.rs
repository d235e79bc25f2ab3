//! The public keys that tokens are verified with: a JWK set (RFC 7517) in a file or at an address, or one PEM.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use arc_swap::ArcSwap;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

use super::watched::Watched;

/// How often an address is asked again.
const FETCHED_EVERY: Duration = Duration::from_secs(300);
/// How long it is left alone at least, whatever tokens come.
const FETCHED_AT_MOST_EVERY: Duration = Duration::from_secs(10);
/// How long it may take to answer.
const FETCHED_WITHIN: Duration = Duration::from_secs(10);
/// The largest set.
const SET_BYTES_MAX: u64 = 1024 * 1024;

/// A key and the one algorithm that it is for.
pub(crate) struct VerifyingKey {
    pub(crate) id: Option<String>,
    pub(crate) algorithm: Algorithm,
    pub(crate) key: DecodingKey,
}

/// The keys as they are now.
pub(crate) struct VerifyingKeys {
    keys: Arc<ArcSwap<Vec<VerifyingKey>>>,
    /// Asks for a look at the address before its time.
    ask: Option<SyncSender<()>>,
}

impl VerifyingKeys {
    /// Reads them, and again when they change. A file must hold one now; an address may answer later.
    pub(crate) fn open(source: &str) -> Result<VerifyingKeys, String> {
        if VerifyingKeys::at_an_address(source) {
            return VerifyingKeys::fetched(source.to_owned());
        }
        let path = PathBuf::from(source);
        let watched = Watched::before_reading(vec![path.clone()]);
        let keys = Arc::new(ArcSwap::from_pointee(read_file(&path)?));
        let current = Arc::clone(&keys);
        let again = move || match read_file(&path) {
            Ok(read) => current.store(Arc::new(read)),
            Err(why) => tracing::error!("{why}; the keys read before stay"),
        };
        watched.at_changes("auth-keys", again).map_err(|error| error.to_string())?;
        Ok(VerifyingKeys { keys, ask: None })
    }

    /// Whether they are fetched, and not in a file.
    pub(crate) fn at_an_address(source: &str) -> bool {
        source.starts_with("https://") || source.starts_with("http://")
    }

    fn fetched(url: String) -> Result<VerifyingKeys, String> {
        let keys = Arc::new(ArcSwap::from_pointee(Vec::new()));
        let (ask, asked) = sync_channel(1);
        let fetching = Fetching { url, keys: Arc::clone(&keys), asked };
        let thread = std::thread::Builder::new().name("auth-jwks".to_owned());
        thread.spawn(move || fetching.run()).map_err(|error| error.to_string())?;
        Ok(VerifyingKeys { keys, ask: Some(ask) })
    }

    /// What `choose` finds among them; if nothing, an address is asked again soon: keys may have been rotated.
    pub(crate) fn find<T>(&self, choose: impl Fn(&[VerifyingKey]) -> Option<T>) -> Option<T> {
        let found = choose(&self.keys.load());
        if let (None, Some(ask)) = (&found, &self.ask) {
            // One question that waits is enough.
            let _ = ask.try_send(());
        }
        found
    }

    #[cfg(test)]
    pub(crate) fn of_text(text: &str) -> Result<VerifyingKeys, String> {
        Ok(VerifyingKeys { keys: Arc::new(ArcSwap::from_pointee(parse(text)?)), ask: None })
    }
}

/// Asking an address, again and again.
struct Fetching {
    url: String,
    keys: Arc<ArcSwap<Vec<VerifyingKey>>>,
    asked: Receiver<()>,
}

impl Fetching {
    fn run(self) {
        loop {
            let fetched = fetch(&self.url);
            if let Err(why) = &fetched {
                // The address may name who asks, and with what password.
                tracing::error!("the keys of tokens can't be fetched: {why}; those fetched before stay");
            }
            let next = if fetched.is_ok() { FETCHED_EVERY } else { FETCHED_AT_MOST_EVERY };
            if let Ok(keys) = fetched {
                self.keys.store(Arc::new(keys));
            }
            std::thread::sleep(FETCHED_AT_MOST_EVERY);
            let rest = next.saturating_sub(FETCHED_AT_MOST_EVERY);
            if self.asked.recv_timeout(rest) == Err(RecvTimeoutError::Disconnected) {
                return;
            }
        }
    }
}

fn fetch(url: &str) -> Result<Vec<VerifyingKey>, String> {
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(FETCHED_WITHIN)).build().into();
    let mut answer = agent.get(url).call().map_err(|error| error.to_string())?;
    let text =
        answer.body_mut().with_config().limit(SET_BYTES_MAX).read_to_string().map_err(|error| error.to_string())?;
    parse(&text)
}

fn read_file(path: &Path) -> Result<Vec<VerifyingKey>, String> {
    let said = |what: String| format!("{}: {what}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| said(format!("can't be read: {error}")))?;
    parse(&text).map_err(said)
}

/// A JWK set, or a public key in PEM.
fn parse(text: &str) -> Result<Vec<VerifyingKey>, String> {
    if text.trim_start().starts_with("-----BEGIN") {
        return pem(text).map(|key| vec![key]);
    }
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let set: Set = serde_json::from_str(text).map_err(|error| format!("neither a JWK set nor a PEM: {error}"))?;
    // Keys for other uses and of other kinds may be among them.
    let keys: Vec<VerifyingKey> =
        set.keys.into_iter().filter_map(|key| usable(&serde_json::from_value(key).ok()?)).collect();
    if keys.is_empty() { Err("it holds no key for RS256, ES256 or EdDSA".to_owned()) } else { Ok(keys) }
}

fn usable(jwk: &Jwk) -> Option<VerifyingKey> {
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    let for_signatures = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let for_that = jwk.common.key_algorithm.is_none_or(|algorithm| algorithm == named);
    let key = DecodingKey::from_jwk(jwk).ok().filter(|_| for_signatures && for_that)?;
    Some(VerifyingKey { id: jwk.common.key_id.clone(), algorithm, key })
}

/// The kind of the key says its algorithm.
fn pem(text: &str) -> Result<VerifyingKey, String> {
    let text = text.as_bytes();
    let rsa = DecodingKey::from_rsa_pem(text).map(|key| (Algorithm::RS256, key));
    let ec = || DecodingKey::from_ec_pem(text).map(|key| (Algorithm::ES256, key));
    let ed = || DecodingKey::from_ed_pem(text).map(|key| (Algorithm::EdDSA, key));
    let read = rsa.or_else(|_| ec()).or_else(|_| ed());
    let (algorithm, key) = read.map_err(|_| "the PEM is no public key of RSA, P-256 or Ed25519".to_owned())?;
    Ok(VerifyingKey { id: None, algorithm, key })
}
