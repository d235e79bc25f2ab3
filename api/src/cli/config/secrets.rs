//! What nothing shows, and files with secrets that others may read.

use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::file::{File, KAFKA};
use crate::cli::Failure;

/// Options whose value is a secret.
const SECRET: [&str; 1] = ["api-key"];
/// What a property of librdkafka that may hold a secret has in its name.
const SECRET_PARTS: [&str; 6] = ["password", "secret", "token", ".pem", "assertion", "oauthbearer.config"];

/// Whether the option's value is a secret.
fn is_secret(option: &str) -> bool {
    SECRET.contains(&option)
}

/// Whether the value of this property of librdkafka may be a secret. The place of one is none.
fn is_secret_property(name: &str) -> bool {
    SECRET_PARTS.iter().any(|part| name.contains(part)) && !name.ends_with(".location") && !name.ends_with(".file")
}

/// Ends of properties of librdkafka that are numbers.
const NUMBERS: [&str; 7] = [".ms", ".bytes", ".kbytes", ".messages", ".max", ".min", ".size"];
/// Properties of librdkafka whose values tell nothing that anybody may not know. Names that are not here may be mistyped ones of
/// secrets.
const SHOWN: [&str; 64] = [
    "acks",
    "allow.auto.create.topics",
    "api.version.request",
    "auto.offset.reset",
    "bootstrap.servers",
    "broker.address.family",
    "broker.address.ttl",
    "broker.version.fallback",
    "check.crcs",
    "client.dns.lookup",
    "client.id",
    "client.rack",
    "compression.codec",
    "compression.level",
    "compression.type",
    "debug",
    "enable.auto.commit",
    "enable.idempotence",
    "enable.metrics.push",
    "enable.partition.eof",
    "enable.random.seed",
    "enable.ssl.certificate.verification",
    "group.id",
    "group.instance.id",
    "https.ca.location",
    "isolation.level",
    "log.connection.close",
    "log_level",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "metadata.broker.list",
    "metadata.recovery.strategy",
    "partition.assignment.strategy",
    "partitioner",
    "queuing.strategy",
    "request.required.acks",
    "retries",
    "sasl.kerberos.keytab",
    "sasl.kerberos.min.time.before.relogin",
    "sasl.kerberos.principal",
    "sasl.kerberos.service.name",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.oauthbearer.assertion.file",
    "sasl.oauthbearer.assertion.jwt.template.file",
    "sasl.oauthbearer.assertion.private.key.file",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.scope",
    "sasl.username",
    "security.protocol",
    "socket.keepalive.enable",
    "socket.max.fails",
    "socket.nagle.disable",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.cipher.suites",
    "ssl.crl.location",
    "ssl.curves.list",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.keystore.location",
    "ssl.sigalgs.list",
    "topic.metadata.refresh.sparse",
];

/// Properties of librdkafka that name a file with a secret.
const SECRET_FILES: [&str; 5] = [
    "sasl.kerberos.keytab",
    "sasl.oauthbearer.assertion.file",
    "sasl.oauthbearer.assertion.private.key.file",
    "ssl.key.location",
    "ssl.keystore.location",
];

/// Whether the value of this property of librdkafka is known to be none.
fn is_shown_property(name: &str) -> bool {
    !is_secret_property(name) && (SHOWN.contains(&name) || NUMBERS.iter().any(|end| name.ends_with(end)))
}

/// Whether a value may name who asks, and with what: `https://ann:hunter2@host`, written right or not.
fn may_name_a_user(value: &str) -> bool {
    let value = value.split_once("://").map_or(value, |(_, rest)| rest);
    value.rsplit_once('@').is_some_and(|(before, _)| before.contains(':'))
}

/// What may be shown of an option's value; none of a secret.
pub(super) fn shown(option: &str, value: &str) -> Option<String> {
    if is_secret(option) { None } else { shown_address(value) }
}

/// Whether something of an option's value is not shown.
pub(super) fn hides(option: &str, value: &str) -> bool {
    shown(option, value).as_deref() != Some(value)
}

/// What may be shown of the value of a property of librdkafka.
pub(super) fn shown_property(name: &str, value: &str) -> Option<String> {
    if is_shown_property(name) { shown_address(value) } else { None }
}

/// The value, without who asks if it is an address; none where a password may stand in it that can't be told from the rest.
fn shown_address(value: &str) -> Option<String> {
    let shown = without_user(value);
    (shown != value || !may_name_a_user(value)).then_some(shown)
}

/// An address without who asks there: `https://ann:hunter2@host` is `https://…@host`.
fn without_user(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let host = rest.split('/').next().unwrap_or_default();
    match host.rsplit_once('@') {
        Some((user, _)) => format!("{scheme}://…{}", rest.get(user.len()..).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Refuses a configuration file that every user of the machine may use, where a value in it may not be shown as it is.
pub(super) fn check_file(file: &File) -> Result<(), Failure> {
    let options = file.values.iter().filter(|value| value.option != KAFKA);
    let options = options.filter(|value| hides(&value.option, &value.joined())).map(|value| value.key.clone());
    let properties = file.properties().iter().filter_map(|pair| pair.split_once('='));
    let properties = properties.filter(|(name, value)| shown_property(name, value).as_deref() != Some(value));
    let secrets: Vec<String> = options.chain(properties.map(|(name, _)| format!("[kafka] {name}"))).collect();
    let mode = std::fs::metadata(&file.path).map_or(0, |found| mode_of(&found));
    if secrets.is_empty() || mode & OTHERS == 0 {
        return Ok(());
    }
    let (path, names) = (file.path.display(), secrets.join(" and "));
    Err(Failure::usage(format!(
        "{path}: it holds {names}, which may be secret, and every user of this machine may use it (mode {mode:03o}): chmod 600 \
         {path}, or say that by environment variables"
    )))
}

/// Refuses a file with a secret that a property of librdkafka names and every user of the machine may use.
pub(in crate::cli) fn check_property(name: &str, value: &str, from: &str) -> Result<(), String> {
    if value.is_empty() || !SECRET_FILES.contains(&name) {
        return Ok(());
    }
    check_private(Path::new(value), &format!("{from} {name}"))
}

/// What others than owner and group may do with a file.
const OTHERS: u32 = 0o007;
const GROUP: u32 = 0o070;

/// Refuses a file with a secret that every user of the machine may use; one that its group may use is only warned of. `named` says
/// what the file is to somebody who reads the message: `--tls-key`.
pub(in crate::cli) fn check_private(path: &Path, named: &str) -> Result<(), String> {
    let found = std::fs::metadata(path).map_err(|error| format!("{}: can't be read: {error}", path.display()))?;
    let (mode, path) = (mode_of(&found), path.display());
    if mode & OTHERS != 0 {
        return Err(format!(
            "{path}: every user of this machine may use the secret that {named} names (mode {mode:03o}): chmod 600 {path}, \
             and make a new secret if somebody may have read it"
        ));
    }
    if mode & GROUP != 0 {
        tracing::warn!("{path}: its group may use the secret that {named} names (mode {mode:03o}): chmod 600 {path}");
    }
    Ok(())
}

fn mode_of(found: &Metadata) -> u32 {
    found.permissions().mode() & 0o777
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        for name in ["sasl.password", "ssl.key.password", "ssl.key.pem", "sasl.oauthbearer.client.secret"] {
            assert!(is_secret_property(name), "{name}");
        }
        for name in ["sasl.username", "ssl.key.location", "ssl.ca.location", "linger.ms", "security.protocol"] {
            assert!(!is_secret_property(name), "{name}");
        }
    }

    #[test]
    fn only_properties_that_are_known_are_shown() {
        for name in ["sasl.username", "ssl.key.location", "linger.ms", "message.max.bytes", "bootstrap.servers", "acks"]
        {
            assert!(is_shown_property(name), "{name}");
        }
        for name in ["sasl.password", "sasl.pasword", "ssl.key.pasphrase", "plugin.library.paths", "secret.ms", ""] {
            assert!(!is_shown_property(name), "{name}");
        }
    }

    #[test]
    fn an_address_is_shown_without_who_asks() {
        for (value, expected) in [
            ("https://ann:hunter2@host:1/a@b", Some("https://…@host:1/a@b")),
            ("https://host/a@b", Some("https://host/a@b")),
            ("127.0.0.1:8080", Some("127.0.0.1:8080")),
            ("a@b", Some("a@b")),
            ("", Some("")),
            // Where the password ends is anybody's guess.
            ("https://ann:hunter/2@host", None),
            ("ann:hunter2@host", None),
        ] {
            assert_eq!(shown("auth-jwks", value).as_deref(), expected, "{value}");
        }
        assert_eq!(shown("api-key", "x"), None);
        assert_eq!(shown_property("client.id", "ann:hunter2@host"), None);
    }
}
