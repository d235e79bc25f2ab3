//! How many calls a caller may make: a bucket for each credential, and for each address that has none.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use governor::clock::Clock;
use governor::middleware::{NoOpMiddleware, StateInformationMiddleware};
use governor::state::{InMemoryState, NotKeyed};
use governor::{InsufficientCapacity, Quota, RateLimiter};

use super::Access;
use super::caller::Caller;
use crate::http::problem::Problem;

/// How many buckets are kept at most; whoever comes then shares one.
const BUCKETS_MAX: usize = 100_000;

/// A rate: so many calls in so many seconds, on average.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    calls: NonZeroU32,
    seconds: u32,
}

impl Rate {
    pub(crate) const fn calls(self) -> NonZeroU32 {
        self.calls
    }
}

impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Rate, &'static str> {
        let wrong = "write a number of calls and s or m, as in 100/s or 600/m";
        let (calls, unit) = text.split_once('/').ok_or(wrong)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            _ => return Err(wrong),
        };
        let plain = calls.bytes().all(|byte| byte.is_ascii_digit());
        let calls: NonZeroU32 = calls.parse().map_err(|_| wrong)?;
        if plain && calls.get() <= 1_000_000 { Ok(Rate { calls, seconds }) } else { Err(wrong) }
    }
}

/// Time since the limits were made.
#[derive(Clone, Copy)]
struct SinceStart(Instant);

impl Clock for SinceStart {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

type Bucket = RateLimiter<NotKeyed, InMemoryState, SinceStart, StateInformationMiddleware>;

/// Whose bucket it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Whose {
    Credential(String),
    Address(IpAddr),
}

impl Whose {
    /// A caller's own; without a credential its address's. A network of IPv6 has one bucket: it has addresses without end.
    pub(crate) fn of(caller: Option<&Caller>, address: Option<IpAddr>) -> Whose {
        match (caller, address) {
            (Some(caller), _) if !caller.id().is_empty() => Whose::Credential(caller.id().to_owned()),
            (_, Some(IpAddr::V6(address))) => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                Whose::Address(IpAddr::V6(Ipv6Addr::from_bits(network)))
            }
            (_, Some(address)) => Whose::Address(address),
            (_, None) => Whose::Credential(String::new()),
        }
    }
}

/// All buckets, each with when it was last used.
pub(crate) struct Limits {
    quota: Quota,
    /// So long it takes until one call more may come.
    each: Duration,
    /// So many calls may come at once.
    burst: NonZeroU32,
    /// After this time a bucket is full again: forgetting it changes nothing.
    full_after: Duration,
    policy: HeaderValue,
    clock: SinceStart,
    buckets: Mutex<HashMap<Whose, (Arc<Bucket>, Instant)>>,
    overflow: Arc<Bucket>,
    buckets_max: usize,
}

/// What a call of many items takes of its caller's limit: the call itself was taken as one.
#[derive(Clone)]
pub(crate) struct Allowance {
    access: Arc<Access>,
    whose: Whose,
    /// How the limit stands since.
    standing: Arc<OnceLock<Standing>>,
}

impl Allowance {
    pub(crate) fn new(access: &Arc<Access>, whose: Whose) -> Allowance {
        Allowance { access: Arc::clone(access), whose, standing: Arc::default() }
    }

    /// Takes what so many items count beyond one; 429, and nothing taken, if that is too much.
    pub(crate) fn take_items(&self, items: usize) -> Result<(), Problem> {
        let more = u32::try_from(items.saturating_sub(1)).ok().and_then(NonZeroU32::new);
        let (Some(more), Some(limits)) = (more, &self.access.limits) else { return Ok(()) };
        let (taken, standing) = limits.take_more(self.whose.clone(), more);
        // Asked once a call.
        drop(self.standing.set(standing));
        taken
    }

    pub(crate) fn standing(&self) -> Option<&Standing> {
        self.standing.get()
    }
}

/// What is said of a limit in the answer (draft-ietf-httpapi-ratelimit-headers).
#[derive(Clone)]
pub(crate) struct Standing {
    policy: HeaderValue,
    left: HeaderValue,
}

impl Limits {
    /// Limits of that rate; so many calls may come at once.
    pub(crate) fn new(rate: Rate, burst: NonZeroU32) -> Limits {
        let each = Duration::from_secs(rate.seconds.into()) / rate.calls.get();
        let quota = Quota::with_period(each.max(Duration::from_nanos(1)));
        let quota = quota.unwrap_or_else(|| Quota::per_second(rate.calls)).allow_burst(burst);
        let full_after = each.saturating_mul(burst.get());
        let window = full_after.as_secs_f64().ceil().max(1.0);
        let policy = HeaderValue::try_from(format!("\"caller\";q={burst};w={window}"));
        let clock = SinceStart(Instant::now());
        Limits {
            quota,
            each,
            burst,
            full_after,
            policy: policy.unwrap_or_else(|_| HeaderValue::from_static("\"caller\"")),
            clock,
            buckets: Mutex::default(),
            overflow: Arc::new(bucket(quota, clock)),
            buckets_max: BUCKETS_MAX,
        }
    }

    /// Takes one call of the bucket, 429 if there is none; how it stands then.
    pub(crate) fn take(&self, whose: Whose) -> (Result<(), Problem>, Standing) {
        self.take_of(whose, NonZeroU32::MIN, Duration::ZERO)
    }

    /// Takes so many more of a call that was taken as one, or none of them.
    fn take_more(&self, whose: Whose, more: NonZeroU32) -> (Result<(), Problem>, Standing) {
        if more >= self.burst {
            let (whole, burst) = (more.saturating_add(1), self.burst);
            let detail = format!("this call counts as {whole}, and at most {burst} are taken at once; send fewer");
            return (Err(Problem::rate_limited(detail)), self.standing(0, 1));
        }
        // When it comes again it is taken as one before, anew.
        self.take_of(whose, more, self.each)
    }

    /// Takes so many at once, or none of them; then they are there, and what is to be taken before, after the wait that is told.
    fn take_of(&self, whose: Whose, calls: NonZeroU32, before: Duration) -> (Result<(), Problem>, Standing) {
        match self.bucket(whose).check_n(calls) {
            Err(InsufficientCapacity(burst)) => {
                let detail = format!("this call counts as {calls}, and at most {burst} are taken at once; send fewer");
                (Err(Problem::rate_limited(detail)), self.standing(0, 1))
            }
            Ok(Ok(snapshot)) => (Ok(()), self.standing(snapshot.remaining_burst_capacity(), 1)),
            Ok(Err(not_until)) => {
                let wait = not_until.wait_time_from(self.clock.now()).saturating_add(before);
                let seconds = u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1);
                let detail = format!("too many calls with this credential; the next is taken in {seconds} s");
                (Err(Problem::rate_limited(detail).retry_after(seconds)), self.standing(0, seconds))
            }
        }
    }

    fn standing(&self, left: u32, seconds: u32) -> Standing {
        let left = HeaderValue::try_from(format!("\"caller\";r={left};t={seconds}"));
        Standing { policy: self.policy.clone(), left: left.unwrap_or_else(|_| HeaderValue::from_static("\"caller\"")) }
    }

    fn bucket(&self, whose: Whose) -> Arc<Bucket> {
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((bucket, used)) = buckets.get_mut(&whose) {
            *used = now;
            return Arc::clone(bucket);
        }
        if buckets.len() >= self.buckets_max {
            buckets.retain(|_, (_, used)| now.duration_since(*used) < self.full_after);
        }
        if buckets.len() >= self.buckets_max {
            return Arc::clone(&self.overflow);
        }
        let made = Arc::new(bucket(self.quota, self.clock));
        buckets.insert(whose, (Arc::clone(&made), now));
        made
    }
}

fn bucket(quota: Quota, clock: SinceStart) -> Bucket {
    let plain: RateLimiter<_, _, _, NoOpMiddleware<Duration>> =
        RateLimiter::new(quota, InMemoryState::default(), clock);
    plain.with_middleware()
}

impl Standing {
    pub(crate) fn tell(self, response: &mut Response) {
        let headers = response.headers_mut();
        headers.insert(HeaderName::from_static("ratelimit-policy"), self.policy);
        headers.insert(HeaderName::from_static("ratelimit"), self.left);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn limits(rate: &str, burst: u32) -> Limits {
        Limits::new(rate.parse().unwrap(), NonZeroU32::new(burst).unwrap())
    }

    fn whose(name: &str) -> Whose {
        Whose::Credential(name.to_owned())
    }

    #[test]
    fn a_rate_is_calls_by_time() {
        assert_eq!("100/s".parse::<Rate>().unwrap(), Rate { calls: NonZeroU32::new(100).unwrap(), seconds: 1 });
        assert_eq!("6/m".parse::<Rate>().unwrap().seconds, 60);
        for bad in ["", "100", "0/s", "-1/s", "+1/s", "1/h", "x/s", "1000001/s"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_caller_beyond_its_burst_waits_and_others_do_not() {
        let limits = limits("1/m", 2);
        let (taken, first) = limits.take(whose("a"));
        assert!(taken.is_ok());
        assert_eq!(
            (first.policy.to_str().unwrap(), first.left.to_str().unwrap()),
            ("\"caller\";q=2;w=120", "\"caller\";r=1;t=1")
        );
        assert!(limits.take(whose("a")).0.is_ok());
        let problem = limits.take(whose("a")).0.unwrap_err();
        assert_eq!((problem.status.as_u16(), problem.code), (429, "rate-limited"));
        assert!((1..=60).contains(&problem.retry_after.unwrap()));
        assert!(limits.take(whose("b")).0.is_ok());
    }

    #[test]
    fn items_are_taken_all_or_none_and_more_than_fit_are_refused_for_ever() {
        let access = Arc::new(Access { limits: Some(limits("1/m", 10)), ..Access::default() });
        let limits = access.limits.as_ref().unwrap();
        let allowance = |of| Allowance::new(&access, whose(of));
        assert!(limits.take(whose("a")).0.is_ok() && allowance("a").take_items(7).is_ok());
        let later = allowance("a").take_items(5).unwrap_err();
        assert!((later.code, later.retry_after.is_some()) == ("rate-limited", true), "{}", later.detail);
        let once = allowance("a");
        assert!(once.take_items(4).is_ok());
        assert_eq!(once.standing().unwrap().left.to_str().unwrap(), "\"caller\";r=0;t=1");
        for never in [11, 12, 1_000] {
            let never = allowance("b").take_items(never).unwrap_err();
            assert!((never.code, never.retry_after) == ("rate-limited", None) && never.detail.contains("at most 10"));
        }
        assert!(limits.take(whose("b")).0.is_ok() && allowance("b").take_items(10).is_ok());
        assert!(limits.take(whose("c")).0.is_ok() && allowance("c").take_items(10).is_ok());
        let (one, ten) = (limits.take(whose("c")).0.unwrap_err(), allowance("c").take_items(10).unwrap_err());
        // Of ten one is taken before: all are there once ten are.
        assert_eq!((one.retry_after, ten.retry_after), (Some(60), Some(600)));
    }

    #[test]
    fn memory_is_bounded_and_who_comes_too_late_shares_a_bucket() {
        let limits = Limits { buckets_max: 2, ..limits("1/m", 1) };
        assert!(limits.take(whose("a")).0.is_ok() && limits.take(whose("b")).0.is_ok());
        assert!(limits.take(whose("c")).0.is_ok());
        assert!(limits.take(whose("d")).0.is_err());
        assert_eq!(limits.buckets.lock().unwrap().len(), 2);
    }

    #[test]
    fn who_has_no_credential_is_told_by_its_address() {
        let at = |text: &str| Whose::of(None, Some(text.parse().unwrap()));
        assert_ne!(at("127.0.0.1"), at("127.0.0.2"));
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:2"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
    }
}
