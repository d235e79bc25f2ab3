//! In which form a list goes out: what the caller takes of what there is (RFC 9110, `Accept`).

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::problem::Problem;

/// The forms of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A page, as every list has it.
    Json,
    /// Every row as JSON on a line of its own.
    Lines,
    /// Every row of a table for spreadsheets, under a line of names.
    Table,
}

impl Form {
    /// All forms; where a caller takes several alike, the first.
    pub(crate) const ALL: [Form; 3] = [Form::Json, Form::Lines, Form::Table];

    /// Its media type.
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Form::Json => "application/json",
            Form::Lines => "application/x-ndjson",
            Form::Table => "text/csv",
        }
    }

    /// The form that the headers ask for; without `Accept`, JSON.
    fn of(headers: &HeaderMap) -> Result<Form, Problem> {
        let named: Vec<&str> =
            headers.get_all(header::ACCEPT).iter().map(|value| value.to_str().unwrap_or_default()).collect();
        let ranges: Vec<Range<'_>> = named.iter().flat_map(|value| value.split(',')).filter_map(Range::read).collect();
        if named.iter().all(|value| value.trim().is_empty()) {
            return Ok(Form::Json);
        }
        // The last of the best is found: from behind that is the first.
        let best = Form::ALL.into_iter().rev().max_by_key(|form| quality(&ranges, form.media_type()));
        best.filter(|form| quality(&ranges, form.media_type()) > 0).ok_or_else(|| {
            let all: Vec<&str> = Form::ALL.into_iter().map(Form::media_type).collect();
            Problem::not_acceptable(&all.join(", "))
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Form {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Form, Problem> {
        Form::of(&parts.headers)
    }
}

/// What the caller thinks of a media type, in thousandths; the most exact range decides, 0 is a refusal.
fn quality(ranges: &[Range<'_>], media_type: &str) -> u32 {
    let fitting = ranges.iter().filter_map(|range| Some((range.exactness(media_type)?, range.quality)));
    fitting.max().map_or(0, |(_, quality)| quality)
}

/// One range of an `Accept`.
struct Range<'a> {
    main: &'a str,
    sub: &'a str,
    quality: u32,
}

impl<'a> Range<'a> {
    /// A range that can't be read is none.
    fn read(text: &'a str) -> Option<Range<'a>> {
        let mut parts = text.split(';').map(str::trim);
        let (main, sub) = parts.next()?.split_once('/')?;
        let mut quality = 1000;
        for parameter in parts {
            if let Some((name, value)) = parameter.split_once('=')
                && name.trim().eq_ignore_ascii_case("q")
            {
                quality = thousandths(value.trim())?;
            }
        }
        Some(Range { main, sub, quality })
    }

    /// How exactly it means that type, if it does.
    fn exactness(&self, media_type: &str) -> Option<u8> {
        let (main, sub) = media_type.split_once('/')?;
        match (self.main, self.sub) {
            ("*", "*") => Some(0),
            (of, "*") if of.eq_ignore_ascii_case(main) => Some(1),
            (of, one) if of.eq_ignore_ascii_case(main) && one.eq_ignore_ascii_case(sub) => Some(2),
            _ => None,
        }
    }
}

/// `0`, `0.5`, `1.000`: as in RFC 9110, 12.4.2.
fn thousandths(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 3 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part: u32 = format!("{part:0<3}").parse().ok()?;
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_the_one_that_the_caller_likes_best() {
        let cases = [
            ("application/x-ndjson", Some(Form::Lines)),
            ("Text/CSV; header=present", Some(Form::Table)),
            ("*/*", Some(Form::Json)),
            ("", Some(Form::Json)),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Some(Form::Json)),
            ("text/*", Some(Form::Table)),
            ("application/*", Some(Form::Json)),
            ("application/json;q=0.5, text/csv;q=0.9", Some(Form::Table)),
            ("application/x-ndjson;q=0.5, text/csv;q=0.05", Some(Form::Lines)),
            ("*/*, application/json;q=0", Some(Form::Lines)),
            ("text/csv, application/json", Some(Form::Json)),
            ("application/xml", None),
            ("application/json;q=0", None),
            ("text/csv;q=0.1234", None),
            ("nonsense", None),
            ("application/json;q=2", None),
        ];
        for (accept, expected) in cases {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(Form::of(&headers).ok(), expected, "{accept}");
        }
        assert_eq!(Form::of(&HeaderMap::new()).unwrap(), Form::Json);
    }

    #[test]
    fn several_accepts_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append(header::ACCEPT, "application/xml".parse().unwrap());
        headers.append(header::ACCEPT, "text/csv;q=0.1".parse().unwrap());
        assert_eq!(Form::of(&headers).unwrap(), Form::Table);
        headers.remove(header::ACCEPT);
        headers.append(header::ACCEPT, "application/xml".parse().unwrap());
        let refused = Form::of(&headers).unwrap_err();
        assert_eq!((refused.status.as_u16(), refused.code), (406, "not-acceptable"));
        assert!(refused.detail.contains("application/json, application/x-ndjson, text/csv"), "{refused:?}");
    }
}
