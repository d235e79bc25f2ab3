//! JSON Web Tokens (RFC 7519, with the care of RFC 8725): signed with RS256, ES256 or EdDSA by a key that is known here,
//! for this audience, and not expired.

use jsonwebtoken::{Validation, decode, decode_header};
use orderledger_domain::ids::UserId;
use serde::Deserialize;

use super::caller::Caller;
use super::roles::{Role, Roles};
use super::signatures;
use super::verifying_keys::VerifyingKeys;

/// How far the issuer's clock may be from ours, in seconds.
const LEEWAY_S: u64 = 30;
/// The longest name that the log gets of somebody who decides.
const ACTOR_CHARACTERS_MAX: usize = 64;

/// What is asked of a token.
pub(crate) struct Tokens {
    keys: VerifyingKeys,
    audience: String,
    issuer: Option<String>,
}

/// What a token says.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    #[serde(default)]
    iss: Option<String>,
    #[serde(default)]
    roles: Option<RolesClaim>,
    #[serde(default)]
    account: Option<String>,
}

/// `["trader"]`, or `"trader auditor"`.
#[derive(Deserialize)]
#[serde(untagged)]
enum RolesClaim {
    List(Vec<String>),
    Text(String),
}

impl RolesClaim {
    /// Names of other systems' roles may be among them.
    fn roles(&self) -> Roles {
        let known = |name: &str| name.parse::<Role>().ok();
        match self {
            RolesClaim::List(names) => names.iter().filter_map(|name| known(name)).collect(),
            RolesClaim::Text(names) => names.split_ascii_whitespace().filter_map(known).collect(),
        }
    }
}

impl Tokens {
    pub(crate) fn new(keys: VerifyingKeys, audience: String, issuer: Option<String>) -> Tokens {
        signatures::install();
        Tokens { keys, audience, issuer }
    }

    /// Whose token it is, if it is good.
    pub(crate) fn caller(&self, token: &str) -> Option<Caller> {
        let claims = self.verified(token)?;
        let roles = claims.roles.as_ref().map(RolesClaim::roles).unwrap_or_default();
        let account = claims.account.as_deref().unwrap_or(&claims.sub);
        let account = UserId::new(account).ok();
        let actor: String = claims.sub.chars().filter(|one| !one.is_control()).take(ACTOR_CHARACTERS_MAX).collect();
        let id = format!("jwt {} {}", claims.iss.unwrap_or_default(), claims.sub);
        Some(Caller::known(roles, account, id, actor))
    }

    fn verified(&self, token: &str) -> Option<Claims> {
        let header = decode_header(token).ok()?;
        // What is critical and not understood refuses the token (RFC 7515, 4.1.11).
        if header.crit.is_some() {
            return None;
        }
        let mut validation = Validation::new(header.alg);
        validation.leeway = LEEWAY_S;
        validation.validate_nbf = true;
        validation.set_audience(&[&self.audience]);
        let mut required = vec!["exp", "aud", "sub"];
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        validation.set_required_spec_claims(&required);
        // The algorithm is the key's: a token can only agree with it. Without `kid` there must be no choice.
        let verified = self.keys.find(|keys| {
            let fits = keys.iter().filter(|key| key.algorithm == header.alg);
            let named = fits.filter(|key| header.kid.is_none() || key.id.is_none() || key.id == header.kid);
            let mut named = named.take(2);
            let (key, other) = (named.next()?, named.next());
            other.is_none().then(|| decode::<Claims>(token, &key.key, &validation))
        })?;
        verified.map(|token| token.claims).map_err(|error| tracing::debug!(%error, "a token is refused")).ok()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use base64::Engine;
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
    use ring::rand::SystemRandom;
    use ring::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
        RsaPublicKeyComponents,
    };
    use serde_json::{Value, json};

    use super::*;

    /// An issuer with a key of each kind.
    struct Issuer {
        rsa: RsaKeyPair,
        ec: EcdsaKeyPair,
        ed: Ed25519KeyPair,
        random: SystemRandom,
    }

    fn encode(bytes: impl AsRef<[u8]>) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    fn now() -> i64 {
        i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
    }

    impl Issuer {
        fn new() -> Issuer {
            let random = SystemRandom::new();
            let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
            let ed = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
            Issuer {
                // Nothing but this test knows it.
                rsa: RsaKeyPair::from_pkcs8(include_bytes!("fixtures/rsa_2048.pk8")).unwrap(),
                ec: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref(), &random).unwrap(),
                ed: Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap(),
                random,
            }
        }

        fn rsa_public(&self) -> RsaPublicKeyComponents<Vec<u8>> {
            self.rsa.public().into()
        }

        fn set(&self) -> String {
            let RsaPublicKeyComponents { n, e } = self.rsa_public();
            let (x, y) = self.ec.public_key().as_ref()[1..].split_at(32);
            let ed = self.ed.public_key();
            json!({"keys": [
                {"kty": "RSA", "kid": "r", "alg": "RS256", "use": "sig", "n": encode(&n), "e": encode(&e)},
                {"kty": "EC", "kid": "e", "crv": "P-256", "x": encode(x), "y": encode(y)},
                {"kty": "OKP", "kid": "d", "crv": "Ed25519", "x": encode(ed)},
                {"kty": "oct", "kid": "s", "k": encode("shared"), "alg": "HS256"},
                {"kty": "RSA", "kid": "x", "use": "enc", "n": encode(n), "e": encode(e)},
                {"kty": "of tomorrow"},
            ]})
            .to_string()
        }

        fn sign(&self, header: &Value, claims: &Value, with: &str) -> String {
            let message = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
            let signature = match with {
                "RS256" => {
                    let mut signature = vec![0; self.rsa.public().modulus_len()];
                    self.rsa.sign(&RSA_PKCS1_SHA256, &self.random, message.as_bytes(), &mut signature).unwrap();
                    signature
                }
                "ES256" => self.ec.sign(&self.random, message.as_bytes()).unwrap().as_ref().to_vec(),
                "EdDSA" => self.ed.sign(message.as_bytes()).as_ref().to_vec(),
                secret => {
                    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
                    ring::hmac::sign(&key, message.as_bytes()).as_ref().to_vec()
                }
            };
            format!("{message}.{}", encode(signature))
        }

        fn tokens(&self) -> Tokens {
            let keys = VerifyingKeys::of_text(&self.set()).unwrap();
            Tokens::new(keys, "orderledger".to_owned(), Some("https://login".to_owned()))
        }
    }

    fn claims() -> Value {
        json!({"sub": "u1", "aud": "orderledger", "iss": "https://login", "exp": now() + 300, "roles": ["trader"]})
    }

    fn with(field: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[field] = value;
        claims
    }

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    #[test]
    fn a_token_of_each_algorithm_says_who_calls() {
        let issuer = Issuer::new();
        let tokens = issuer.tokens();
        for (algorithm, kid) in [("RS256", "r"), ("ES256", "e"), ("EdDSA", "d")] {
            let header = json!({"alg": algorithm, "kid": kid, "typ": "JWT"});
            let caller = tokens.caller(&issuer.sign(&header, &claims(), algorithm)).unwrap();
            assert!(caller.may_write_account(&user("u1")) && !caller.may_read_account(&user("u2")), "{algorithm}");
            assert_eq!(caller.actor(), Some("u1"));
        }
    }

    #[test]
    fn roles_and_account_are_claims() {
        let issuer = Issuer::new();
        let tokens = issuer.tokens();
        let caller = |claims: &Value| tokens.caller(&issuer.sign(&json!({"alg": "EdDSA"}), claims, "EdDSA")).unwrap();
        let other = caller(&with("account", json!("u7")));
        assert!(other.may_read_account(&user("u7")) && !other.may_read_account(&user("u1")));
        let several = caller(&with("roles", json!("auditor admin operator")));
        assert_eq!(several.roles(), [Role::Auditor, Role::Operator].into_iter().collect());
        assert_eq!(caller(&with("roles", Value::Null)).roles(), Roles::NONE);
    }

    #[test]
    fn what_is_expired_or_early_or_for_others_is_refused() {
        let issuer = Issuer::new();
        let tokens = issuer.tokens();
        let good = |claims: &Value| tokens.caller(&issuer.sign(&json!({"alg": "EdDSA"}), claims, "EdDSA")).is_some();
        assert!(good(&claims()) && good(&with("exp", json!(now() - 5))) && good(&with("nbf", json!(now() + 5))));
        assert!(good(&with("aud", json!(["other", "orderledger"]))));
        for (field, value) in [
            ("exp", json!(now() - 60)),
            ("exp", Value::Null),
            ("exp", json!("tomorrow")),
            ("nbf", json!(now() + 60)),
            ("aud", json!("other")),
            ("aud", Value::Null),
            ("iss", json!("https://elsewhere")),
            ("iss", Value::Null),
            ("sub", Value::Null),
        ] {
            let mut claims = with(field, value.clone());
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(field);
            }
            assert!(!good(&claims), "{field} {value}");
        }
    }

    #[test]
    fn no_token_chooses_how_it_is_verified() {
        let issuer = Issuer::new();
        let tokens = issuer.tokens();
        let good = |header: Value, with: &str| tokens.caller(&issuer.sign(&header, &claims(), with)).is_some();
        assert!(good(json!({"alg": "RS256", "kid": "r"}), "RS256"));
        // Without a signature, and with a secret that everybody knows: the public key as it stands in the set or in a PEM.
        let none = format!("{}.{}.", encode(json!({"alg": "none"}).to_string()), encode(claims().to_string()));
        assert!(tokens.caller(&none).is_none());
        let n = encode(issuer.rsa_public().n);
        for secret in ["shared", n.as_str(), issuer.set().as_str()] {
            for kid in ["r", "e", "d", "s"] {
                assert!(!good(json!({"alg": "HS256", "kid": kid}), secret), "{kid}");
            }
        }
        // Another kind of key than the named one's, no key at all, one for other uses, and what must be understood.
        for header in [
            json!({"alg": "ES256", "kid": "r"}),
            json!({"alg": "RS256", "kid": "e"}),
            json!({"alg": "RS256", "kid": "x"}),
            json!({"alg": "RS256", "kid": "nobody's"}),
            json!({"alg": "RS384", "kid": "r"}),
            json!({"alg": "PS256", "kid": "r"}),
            json!({"alg": "RS256", "kid": "r", "crit": ["exp"]}),
            json!({"kid": "r"}),
        ] {
            assert!(!good(header.clone(), "RS256"), "{header}");
        }
    }

    #[test]
    fn one_changed_byte_is_seen_wherever_it_is() {
        let issuer = Issuer::new();
        let tokens = issuer.tokens();
        let token = issuer.sign(&json!({"alg": "EdDSA", "kid": "d"}), &claims(), "EdDSA");
        assert!(tokens.caller(&token).is_some());
        for at in 0..token.len() - 1 {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(tokens.caller(&String::from_utf8(changed).unwrap()).is_none(), "{at}");
        }
        for broken in ["", ".", "..", "...", "a.b.c", "a.b", token.rsplit_once('.').unwrap().0] {
            assert!(tokens.caller(broken).is_none(), "{broken}");
        }
    }

    #[test]
    fn one_public_key_in_pem_is_enough() {
        let issuer = Issuer::new();
        let prefix = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        let der = [&prefix[..], issuer.ed.public_key().as_ref()].concat();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64_STANDARD.encode(der));
        let tokens = Tokens::new(VerifyingKeys::of_text(&pem).unwrap(), "orderledger".to_owned(), None);
        for kid in [Value::Null, json!("any")] {
            assert!(tokens.caller(&issuer.sign(&json!({"alg": "EdDSA", "kid": kid}), &claims(), "EdDSA")).is_some());
        }
        let as_secret = issuer.sign(&json!({"alg": "HS256"}), &claims(), &pem);
        assert!(tokens.caller(&as_secret).is_none());
        for bad in ["", "{}", "{\"keys\":[]}", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----", "[1]"] {
            assert!(VerifyingKeys::of_text(bad).is_err(), "{bad}");
        }
    }
}
