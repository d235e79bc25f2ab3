//! What signs: secrets are made from one key and stand in no record; signatures are those of the Standard Webhooks
//! specification (symmetric, `v1`).

use std::io::ErrorKind;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::notifications::rows::{EarlierRow, WebhookRow};
use orderledger_store::{Error, atomic_file};
use ring::hmac;
use uuid::Uuid;

/// At most so many secrets of a webhook sign a call: one rotation more within a day cuts off the oldest.
pub(crate) const SECRETS_MAX: usize = 8;

/// What the secrets are made from.
pub(crate) struct Key(hmac::Key);

/// The secret of one webhook.
#[derive(Clone)]
pub(crate) struct Secret([u8; 32]);

impl Key {
    /// The key of these bytes.
    pub(crate) fn new(bytes: &[u8; 32]) -> Key {
        Key(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The key that is kept in that file, made where there is none; nobody but its owner may read it.
    pub(crate) fn kept(path: &Path) -> Result<Key, Error> {
        let failed = |what: &'static str| move |error| Error::unavailable(path, what).with_source(error);
        let mut kept = std::fs::read_to_string(path);
        if kept.as_ref().is_ok_and(String::is_empty) {
            // Nothing was ever made from a key that was not written.
            tracing::warn!(file = %path.display(), "it is empty: a new webhooks key is made");
            kept = Err(ErrorKind::NotFound.into());
        }
        match kept {
            Ok(text) => match parse_key(&text) {
                Ok(bytes) => Ok(Key::new(&bytes)),
                Err(what) => Err(Error::refused(
                    path,
                    format!("{what}; restore it, or remove it and rotate every webhook's secret"),
                )),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let mut bytes = [0; 32];
                let unrandom = |_| Error::unavailable(path, "the system gives no random bytes for the webhooks' key");
                getrandom::fill(&mut bytes).map_err(unrandom)?;
                let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                let written = atomic_file::replace_secret(path, text.as_bytes());
                written.map_err(failed("can't write the webhooks' key"))?;
                Ok(Key::new(&bytes))
            }
            Err(error) => Err(failed("can't read the webhooks' key")(error)),
        }
    }

    /// Tells this key from others, and nothing else of it.
    pub(crate) fn fingerprint(&self) -> String {
        hmac::sign(&self.0, b"fingerprint").as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The secret of that version of a webhook.
    pub(crate) fn secret(&self, webhook: Uuid, version: u32) -> Secret {
        let tag = hmac::sign(&self.0, format!("secret {webhook} {version}").as_bytes());
        Secret(tag.as_ref().try_into().unwrap_or([0; 32]))
    }
}

impl Secret {
    /// As its receiver is given it: `whsec_` and base64.
    pub(crate) fn text(&self) -> String {
        format!("whsec_{}", STANDARD.encode(self.0))
    }

    /// The signature of a message: over its id, the time in seconds since 1970, and the body.
    pub(crate) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.0));
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

/// Which versions before the newest sign at that moment, and until when; the newest first.
pub(crate) fn earlier_in_force(
    row: &WebhookRow,
    earlier: &EarlierRow,
    now: Timestamp,
) -> impl Iterator<Item = (u32, Timestamp)> {
    let previous = row.previous_until.and_then(|until| Some((row.secret_version.checked_sub(1)?, until)));
    let all = previous.into_iter().chain(earlier.0.iter().copied());
    all.filter(move |(_, until)| *until > now).take(SECRETS_MAX.saturating_sub(1))
}

/// 64 hexadecimal digits; they are not repeated in what is said of them.
pub(crate) fn parse_key(text: &str) -> Result<[u8; 32], String> {
    let text = text.trim();
    let must = || "a webhooks key is 64 hexadecimal digits; make one with: openssl rand -hex 32".to_owned();
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(must());
    }
    let mut bytes = [0; 32];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).map_err(|_| must())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| must())?;
    }
    Ok(bytes)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use orderledger_domain::position::Topic;
    use orderledger_projections::notifications::calls::Calls;

    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn a_message_is_signed_as_the_specification_says() {
        let secret: [u8; 24] = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap().try_into().unwrap();
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &secret));
        let (id, timestamp, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        assert_eq!(STANDARD.encode(context.sign()), "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        // Ours does the same with its own secret.
        let own = Secret([7; 32]);
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]));
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        assert_eq!(own.sign(id, timestamp, body), format!("v1,{}", STANDARD.encode(context.sign())));
    }

    #[test]
    fn secrets_follow_from_key_webhook_and_version() {
        let (key, other) = (Key::new(&[1; 32]), Key::new(&[2; 32]));
        let text = |key: &Key, webhook, version| key.secret(Uuid::from_u128(webhook), version).text();
        assert_eq!(text(&key, 1, 1), text(&Key::new(&[1; 32]), 1, 1));
        for different in [text(&key, 2, 1), text(&key, 1, 2), text(&other, 1, 1)] {
            assert!(different.starts_with("whsec_") && different != text(&key, 1, 1));
        }
        assert_ne!(key.fingerprint(), other.fingerprint());
    }

    #[test]
    fn each_secret_signs_for_its_own_day_however_often_it_is_rotated() {
        let (start, hour) = (Timestamp::from_millis(1_700_000_000_000), 3600);
        let at = |hours: i64| start.plus_seconds(hours * hour);
        let row = WebhookRow {
            url: String::new(),
            user_id: None,
            event_types: None,
            secret_version: 3,
            previous_until: Some(at(25)),
            key_fingerprint: String::new(),
            from: Vec::new(),
            registered: Topic::Notifications.at(0).offset(0),
            calls: Calls::default(),
            dead_letters: 0,
            is_deleted: false,
        };
        let earlier = EarlierRow(vec![(1, at(24))]);
        let versions = |row: &WebhookRow, earlier: &EarlierRow, now| -> Vec<u32> {
            earlier_in_force(row, earlier, now).map(|(version, _)| version).collect()
        };
        for (hours, expected) in [(1, &[2, 1][..]), (23, &[2, 1]), (24, &[2]), (25, &[]), (48, &[])] {
            assert_eq!(versions(&row, &earlier, at(hours)), expected, "{hours} h after the first rotation");
        }
        assert!(
            versions(&WebhookRow { previous_until: None, ..row.clone() }, &EarlierRow::default(), at(0)).is_empty()
        );
        let many = EarlierRow((0..20).map(|version| (version, at(24))).collect());
        assert_eq!(versions(&row, &many, at(1)).len(), SECRETS_MAX - 1);
    }

    #[test]
    fn a_kept_key_is_made_once_and_a_damaged_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("webhooks.key");
        let made = Key::kept(&path).unwrap().fingerprint();
        assert_eq!(Key::kept(&path).unwrap().fingerprint(), made);
        std::fs::write(&path, "00").unwrap();
        assert!(Key::kept(&path).is_err());
        // A start that was killed, or had no room on the disk, may have left an empty one; half of a new one is none.
        std::fs::write(&path, "").unwrap();
        std::fs::write(dir.path().join("webhooks.key.tmp"), "00").unwrap();
        let anew = Key::kept(&path).unwrap().fingerprint();
        assert!(anew != made && Key::kept(&path).unwrap().fingerprint() == anew);
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
}
