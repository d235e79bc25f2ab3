//! Where calls may go: nowhere but into the public internet, unless private addresses are allowed. A name is looked up for
//! each connection and what it leads to is looked at then: a name that leads elsewhere by then leads nowhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// A resolver that gives public addresses alone, of those that another one gives.
#[derive(Debug, Default)]
pub(super) struct Guard<R = DefaultResolver> {
    pub(super) allow_private: bool,
    pub(super) names: R,
}

impl<R: Resolver> Resolver for Guard<R> {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.names.resolve(uri, config, timeout)?;
        if self.allow_private {
            return Ok(found);
        }
        let mut allowed = self.empty();
        found.iter().filter(|address| is_public(address.ip())).for_each(|address| allowed.push(*address));
        if allowed.is_empty() {
            let what = "the address is private: calls go to public ones alone, unless --webhooks-allow-private is set";
            return Err(ureq::Error::Io(std::io::Error::new(std::io::ErrorKind::PermissionDenied, what)));
        }
        Ok(allowed)
    }
}

/// Whether a webhook may be there, as far as its address says it.
pub(crate) fn check_url(url: &str, allow_private: bool) -> Result<(), String> {
    const MAX: usize = 2048;
    let must = || "must be an address such as https://example.com/hook".to_owned();
    let uri: Uri = url.parse().map_err(|_| must())?;
    let authority = uri.authority().ok_or_else(must)?;
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if allow_private => {}
        Some("http") => return Err("must begin with https: what is told is nobody else's".to_owned()),
        _ => return Err(must()),
    }
    if url.len() > MAX || url.contains('#') || !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("must have at most {MAX} visible ASCII characters and no fragment"));
    }
    if authority.as_str().contains('@') {
        return Err("must hold no user and no password: they would stand in the log".to_owned());
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let is_private =
        host.parse::<IpAddr>().is_ok_and(|address| !is_public(address)) || host.eq_ignore_ascii_case("localhost");
    if is_private && !allow_private {
        return Err("must be a public address: private ones are allowed with --webhooks-allow-private alone".to_owned());
    }
    Ok(())
}

/// Whether anybody on the internet has that address.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// RFC 6890 and its registry: what isn't globally reachable.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19));
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let last = || {
        let ([g1, g2], [h1, h2]) = (g.to_be_bytes(), h.to_be_bytes());
        is_public_v4(Ipv4Addr::new(g1, g2, h1, h2))
    };
    match (a, b) {
        // Of IPv4, mapped or translated: it is as public as that is.
        (0, 0) if (c, d, e, f) == (0, 0, 0, 0xffff) => last(),
        (0x64, 0xff9b) if (c, d, e, f) == (0, 0, 0, 0) => last(),
        // Tunnels lead anywhere; the rest of 2001::/23 and documentation are nobody's.
        (0x2002, _) | (0x2001, 0x0db8 | 0..=0x01ff) | (0x3fff, 0..=0x0fff) => false,
        // Global unicast is 2000::/3.
        _ => (0x2000..0x4000).contains(&a),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn only_what_anybody_can_reach_is_public() {
        for (text, expected) in [
            ("1.1.1.1", true),
            ("127.0.0.1", false),
            ("127.8.8.8", false),
            ("10.0.0.1", false),
            ("172.16.0.1", false),
            ("172.32.0.1", true),
            ("192.168.1.1", false),
            ("169.254.169.254", false),
            ("100.64.0.1", false),
            ("100.128.0.1", true),
            ("0.0.0.0", false),
            ("198.18.0.1", false),
            ("192.0.0.8", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("203.0.113.7", false),
            ("2606:4700:4700::1111", true),
            ("::1", false),
            ("::", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:1.1.1.1", true),
            ("::127.0.0.1", false),
            ("64:ff9b::10.0.0.1", false),
            ("64:ff9b::1.1.1.1", true),
            ("64:ff9b:1::1", false),
            ("2002:7f00:1::", false),
            ("2001::1", false),
            ("2001:db8::1", false),
            ("fc00::1", false),
            ("fd12::1", false),
            ("fe80::1", false),
            ("fec0::1", false),
            ("ff02::1", false),
        ] {
            assert_eq!(is_public(text.parse().unwrap()), expected, "{text}");
        }
    }

    /// Names that lead elsewhere each time, to the last for ever.
    #[derive(Debug)]
    struct Leads(&'static [&'static [&'static str]], AtomicUsize);

    impl Resolver for Leads {
        fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
            let (Leads(all, asked), mut found) = (self, self.empty());
            let now = all.get(asked.fetch_add(1, Ordering::Relaxed)).or(all.last()).unwrap();
            now.iter().for_each(|address| found.push(address.parse().unwrap()));
            Ok(found)
        }
    }

    #[test]
    fn what_a_name_leads_to_is_looked_at_each_time_it_is_resolved() {
        const ALL: &[&[&str]] = &[&["1.1.1.1:443"], &["10.0.0.1:443", "1.0.0.1:443"], &["10.0.0.1:443", "[::1]:443"]];
        let url: Uri = "https://example.com/hook".parse().unwrap();
        assert!(check_url(&url.to_string(), false).is_ok());
        let found = |guard: &Guard<Leads>| -> Result<Vec<String>, String> {
            let found = guard.resolve(&url, &Config::default(), NextTimeout::default());
            found.map(|found| found.iter().map(ToString::to_string).collect()).map_err(|error| error.to_string())
        };
        let guard = Guard { allow_private: false, names: Leads(ALL, AtomicUsize::new(0)) };
        assert_eq!(found(&guard).unwrap(), ["1.1.1.1:443"]);
        assert_eq!(found(&guard).unwrap(), ["1.0.0.1:443"], "nothing but what is public");
        assert!(found(&guard).unwrap_err().contains("the address is private"));
        let guard = Guard { allow_private: true, names: Leads(ALL, AtomicUsize::new(2)) };
        assert_eq!(found(&guard).unwrap().len(), 2);
    }

    #[test]
    fn an_address_is_looked_at_before_it_is_taken() {
        for (url, public, private) in [
            ("https://example.com/hook", true, true),
            ("https://example.com:8443/a?b=c", true, true),
            ("http://example.com/hook", false, true),
            ("https://127.0.0.1/hook", false, true),
            ("https://[::1]/hook", false, true),
            ("https://localhost/hook", false, true),
            ("https://169.254.169.254/latest/meta-data", false, true),
            ("https://ann:secret@example.com/", false, false),
            ("https://example.com/#a", false, false),
            ("ftp://example.com/", false, false),
            ("/hook", false, false),
            ("example.com", false, false),
            ("", false, false),
        ] {
            assert_eq!(check_url(url, false).is_ok(), public, "{url}");
            assert_eq!(check_url(url, true).is_ok(), private, "{url}");
        }
    }
}
