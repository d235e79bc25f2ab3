//! Which trace a request or a record belongs to: W3C Trace Context's `traceparent`, read and written.
//!
//! `00-TRACE-SPAN-FLAGS` in lower-case hexadecimal digits: 16 bytes that name the trace, 8 that name the span in it, and 8 flags.

use std::fmt;
use std::hash::Hasher;
use std::num::NonZero;

use siphasher::sip::SipHasher24;

use crate::position::Position;

/// The header's name, in a request and in a record alike.
pub const TRACEPARENT: &str = "traceparent";
/// How long the header's value is, in the version that is written.
const LENGTH: usize = 55;
/// Whether the caller records the trace.
const SAMPLED: u8 = 1;
/// Whether the trace's id is random (Trace Context, level 2).
const RANDOM: u8 = 2;

/// The id of a trace; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId(pub NonZero<u128>);

/// The id of a span in its trace; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanId(pub NonZero<u64>);

/// A span as others are told of it: what its children have as their parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: TraceId,
    /// The span.
    pub span: SpanId,
    flags: u8,
}

impl TraceContext {
    /// The first span of a trace whose id is random; `is_sampled` if it is to be recorded.
    pub const fn begin(trace: TraceId, span: SpanId, is_sampled: bool) -> TraceContext {
        TraceContext { trace, span, flags: if is_sampled { RANDOM | SAMPLED } else { RANDOM } }
    }

    /// What a `traceparent` says; none if it isn't one. Of a version to come what is known of this one is read; flags that
    /// are not known are dropped.
    pub fn parse(text: &[u8]) -> Option<TraceContext> {
        let (known, beyond) = text.split_at_checked(LENGTH)?;
        let known = std::str::from_utf8(known).ok()?;
        let mut fields = known.split('-');
        let version = hexadecimal(fields.next()?, 2)?;
        let trace = TraceId(NonZero::new(hexadecimal(fields.next()?, 32)?)?);
        let span = SpanId(NonZero::new(u64::try_from(hexadecimal(fields.next()?, 16)?).ok()?)?);
        let flags = u8::try_from(hexadecimal(fields.next()?, 2)?).ok()?;
        let ends_well = beyond.is_empty() || (version > 0 && beyond.first() == Some(&b'-'));
        let is_whole = fields.next().is_none() && version != 0xff && ends_well;
        is_whole.then_some(TraceContext { trace, span, flags: flags & (SAMPLED | RANDOM) })
    }

    /// Whether the trace is to be recorded.
    pub const fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Another span of the same trace.
    #[must_use]
    pub const fn with_span(self, span: SpanId) -> TraceContext {
        TraceContext { span, ..self }
    }

    /// The span in which that worker handles the record at that position, whose header this is. It follows from these
    /// alone: handled again, after a restart or by another server, it is the same span.
    #[must_use]
    pub fn handled_by(self, worker: &str, at: Position) -> TraceContext {
        let mut hasher = SipHasher24::new();
        hasher.write(&self.trace.0.get().to_be_bytes());
        hasher.write(&self.span.0.get().to_be_bytes());
        hasher.write(&[at.topic.number()]);
        hasher.write(&at.partition.to_be_bytes());
        hasher.write(&at.offset.to_be_bytes());
        hasher.write(worker.as_bytes());
        self.with_span(SpanId(NonZero::new(hasher.finish()).unwrap_or(NonZero::<u64>::MIN)))
    }
}

/// A number of exactly so many lower-case digits.
fn hexadecimal(digits: &str, count: usize) -> Option<u128> {
    let is_digit = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
    let fits = digits.len() == count && digits.bytes().all(is_digit);
    if fits { u128::from_str_radix(digits, 16).ok() } else { None }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The `traceparent`.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace, self.span, self.flags)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::position::Topic;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_as_the_standard_says() {
        let check = |text: &str, expected: Option<&str>| {
            let read = TraceContext::parse(text.as_bytes()).map(|context| context.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        };
        let beginning = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
        check(GIVEN, Some(GIVEN));
        check(&format!("00-{beginning}-00"), Some(&format!("00-{beginning}-00")));
        check(&format!("00-{beginning}-ff"), Some(&format!("00-{beginning}-03")));
        // A version to come may say more.
        check(&format!("cc-{beginning}-01"), Some(GIVEN));
        check(&format!("cc-{beginning}-01-what-the-future-brings"), Some(GIVEN));
        for wrong in [
            "",
            "00",
            &GIVEN[..54],
            &format!("{GIVEN}-"),
            &format!("{GIVEN}-more"),
            &format!("cc-{beginning}-01.more"),
            &format!("ff-{beginning}-01"),
            &GIVEN.to_uppercase(),
            &GIVEN.replace('-', "_"),
            &GIVEN.replacen('4', "g", 1),
            &GIVEN.replacen("00-4", "00--", 1),
            &GIVEN.replacen("4b", "é", 1),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736+00f067aa0ba902b7-01",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn the_span_of_a_record_follows_from_worker_record_and_header_for_ever() {
        let given = TraceContext::parse(GIVEN.as_bytes()).unwrap();
        let at = Topic::Orders.at(3).offset(1842);
        let span = given.handled_by("intake", at);
        insta::assert_snapshot!(span, @"00-4bf92f3577b34da6a3ce929d0e0e4736-a34a259dce6a2c89-01");
        assert_eq!(given.handled_by("intake", at), span);
        let others = [
            given.handled_by("settlement", at),
            given.handled_by("intake", Topic::Books.at(3).offset(1842)),
            given.handled_by("intake", Topic::Orders.at(2).offset(1842)),
            given.handled_by("intake", Topic::Orders.at(3).offset(1843)),
            span.handled_by("intake", at),
        ];
        assert!(others.iter().all(|other| other.trace == span.trace && other.span != span.span), "{others:?}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_no_input_panics(trace: NonZero<u128>, span: NonZero<u64>, sampled: bool, noise: Vec<u8>, at: prop::sample::Index) {
            let context = TraceContext::begin(TraceId(trace), SpanId(span), sampled);
            let mut text = context.to_string().into_bytes();
            prop_assert_eq!(TraceContext::parse(&text), Some(context));
            prop_assert_eq!(context.is_sampled(), sampled);
            TraceContext::parse(&noise);
            let at = at.index(text.len());
            text[at] = noise.first().copied().unwrap_or_default();
            TraceContext::parse(&text);
        }
    }
}
