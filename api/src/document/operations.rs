//! The OpenAPI 3.1 document: every call of the routes with what it takes, gives and says when something is wrong.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItem, PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ComponentsBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Content, Header, InfoBuilder, OpenApi, OpenApiBuilder, Ref, Required, Response, ResponseBuilder, ResponsesBuilder,
};

use super::{kinds, names, schemas};
use crate::access::class::Class;
use crate::access::roles::Role;
use crate::http::calls::calls;
use crate::http::codes::{CODES, Code};
use crate::http::export;
use crate::http::form::Form;
use crate::http::routes::{Call, Method};

const TAGS: &[(&str, &str)] = &[
    ("accounts", "Deposits, withdrawals, orders, and what an account has."),
    ("orders", "One order, wherever it lives."),
    ("markets", "Prices, books, the tape, candles."),
    ("audit", "The log itself."),
    ("webhooks", "Who is told of what happens, and of what not yet."),
    ("operating", "Health, projections, what is parked, fees, sessions."),
    ("documents", "This document and its pages."),
];

/// Parameters of queries that can't be left out, by call.
const MUST_BE_GIVEN: &[(&str, &str)] = &[
    ("stream", "channels"),
    ("auditConsistency", "topic"),
    ("auditConsistency", "partition"),
    ("auditConsistency", "from"),
    ("analyticsExport", "day"),
];

/// The document of all calls.
pub(crate) fn document() -> Value {
    let mut document = serde_json::to_value(skeleton()).unwrap_or_default();
    // Shapes are JSON schemas of their own: unions of types and patterns go in as they are.
    if let Some(components) = document.pointer_mut("/components").and_then(Value::as_object_mut) {
        components.insert("schemas".to_owned(), Value::Object(schemas::all()));
    }
    document
}

fn skeleton() -> OpenApi {
    let info = InfoBuilder::new()
        .title("orderledger")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("An event-sourced ledger: orders in, balances, prices and a complete audit trail out."))
        .build();
    let mut paths = PathsBuilder::new();
    for call in calls() {
        paths = paths.path(call.path, PathItem::new(method(call.method), operation(call)));
    }
    let bearer = |format: &str, said: &str| {
        let http = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format(format).description(Some(said));
        SecurityScheme::Http(http.build())
    };
    let components = ComponentsBuilder::new()
        .security_scheme("apiKey", bearer("olk_…", "An API key, as `Authorization: Bearer olk_…`."))
        .security_scheme("jwt", bearer("JWT", "A JSON Web Token of the configured issuer."));
    let tags = TAGS.iter().map(|(name, said)| TagBuilder::new().name(*name).description(Some(*said)).build());
    OpenApiBuilder::new().info(info).paths(paths.build()).components(Some(components.build())).tags(Some(tags)).build()
}

const fn method(method: Method) -> HttpMethod {
    match method {
        Method::Get => HttpMethod::Get,
        Method::Post => HttpMethod::Post,
        Method::Put => HttpMethod::Put,
        Method::Patch => HttpMethod::Patch,
        Method::Delete => HttpMethod::Delete,
    }
}

fn tag(call: &Call) -> &'static str {
    let first = call.path.trim_start_matches("/v1/").split('/').next().unwrap_or_default();
    let own = TAGS.iter().find(|(name, _)| *name == first).map(|(name, _)| *name);
    let is_document = call.path.starts_with("/docs") || call.path == "/openapi.json";
    own.unwrap_or(if is_document { "documents" } else { "operating" })
}

fn operation(call: &Call) -> Operation {
    let mut operation = OperationBuilder::new()
        .operation_id(Some(call.name))
        .summary(Some(call.summary))
        .description(Some(who_may(call)))
        .securities(Some(credentials(call)))
        .tag(tag(call))
        .responses(responses(call).build());
    for parameter in parameters(call) {
        operation = operation.parameter(parameter);
    }
    if !call.body.is_empty() {
        let body = RequestBodyBuilder::new().content("application/json", content(&schemas::body(call)));
        // What has no field that must be there may be left out.
        let required = if call.name == "rebuild" { Required::False } else { Required::True };
        operation = operation.request_body(Some(body.required(Some(required)).build()));
    }
    operation.build()
}

/// Which roles make the call, for people.
fn who_may(call: &Call) -> String {
    if call.class == Class::Open {
        return "Open to everybody.".to_owned();
    }
    let own = |role: Role| match (role, call.class) {
        (Role::Trader, Class::Account | Class::Orders | Class::Streams) => "trader (its own account)",
        _ => role.as_str(),
    };
    format!("Roles: {}.", call.class.roles(call.method).map(own).collect::<Vec<_>>().join(", "))
}

/// A credential of either kind; none is asked for where none are configured, or where the call is open.
fn credentials(call: &Call) -> Vec<SecurityRequirement> {
    let none: [&str; 0] = [];
    let kinds: &[&str] = if call.class == Class::Open { &[] } else { &["apiKey", "jwt"] };
    let asked = kinds.iter().map(|kind| SecurityRequirement::new(*kind, none));
    std::iter::once(SecurityRequirement::default()).chain(asked).collect()
}

fn content(shape: &str) -> Content {
    ContentBuilder::new().schema(Some(Ref::from_schema_name(shape))).build()
}

fn responses(call: &Call) -> ResponsesBuilder {
    let mut responses = ResponsesBuilder::new();
    for status in call.statuses {
        responses = responses.response(*status, success(call, status));
    }
    if rests_on_a_view(call) {
        let same = ResponseBuilder::new().description("What `If-None-Match` names is still so.");
        responses = responses.response("304", same.header("ETag", header("EntityTag", "The rows' tag.")).build());
    }
    let mut problems: BTreeMap<u16, Vec<&Code>> = BTreeMap::new();
    for code in CODES.iter().filter(|code| code.at.can_come_from(call)) {
        for status in code.statuses {
            problems.entry(*status).or_default().push(code);
        }
    }
    for (status, codes) in problems {
        let said: Vec<String> = codes.iter().map(|code| format!("`{}`: {}", code.code, code.meaning)).collect();
        let mut problem = ResponseBuilder::new()
            .description(said.join("\n\n"))
            .content("application/problem+json", content("Problem"));
        if matches!(status, 409 | 503) {
            problem = problem.header("Retry-After", header("Count", "Seconds after which to try again."));
        }
        responses = responses.response(status.to_string(), problem.build());
    }
    responses
}

/// Whether the answer has `asOf` and so a tag.
fn rests_on_a_view(call: &Call) -> bool {
    call.method == Method::Get && call.answer.contains(&"asOf") && call.name != "generations"
}

fn success(call: &Call, status: &str) -> Response {
    let mut done = ResponseBuilder::new().description(call.summary);
    done = match call.answer {
        [] if call.path == "/docs/assets/{file}" => done.content("*/*", text()),
        [] if call.path == "/metrics" => done.content("text/plain", text()),
        [] if call.path == "/v1/log/export" => done.content(Form::Lines.media_type(), text()),
        [] if export::CALLS.contains(&call.name) => done,
        [] if call.path == "/v1/stream" => done.content("text/event-stream", text()),
        [] => done.content("text/html", text()),
        _ => done.content("application/json", content(&schemas::answer(call, status))),
    };
    if export::CALLS.contains(&call.name) {
        done = done.content(Form::Lines.media_type(), text()).content(Form::Table.media_type(), text());
    }
    if rests_on_a_view(call) {
        done = done.header("ETag", header("EntityTag", "Weak: of the rows, not of `asOf`."));
    }
    if call.method != Method::Get {
        done = done
            .header("Ledger-Position", header("Positions", "The position of the answer, for `minPosition`."))
            .header("Location", header("Text", "Where to look at what was made."))
            .header("Idempotency-Replayed", header("Text", "`true` if this key was answered before."));
    }
    if call.waits {
        done = done.header("Preference-Applied", header("Text", "`wait` if the decision was waited for."));
    }
    done.build()
}

fn text() -> Content {
    ContentBuilder::new().schema(Some(kind("Text"))).build()
}

fn header(name: &str, said: &str) -> Header {
    HeaderBuilder::new().schema(Some(kind(name))).description(Some(said)).build()
}

fn kind(name: &str) -> Schema {
    let made = kinds::schema(name).and_then(|schema| serde_json::from_value(schema).ok());
    made.unwrap_or_else(|| Schema::Object(ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).build()))
}

fn parameters(call: &Call) -> Vec<Parameter> {
    let made = |name: &str, place: ParameterIn, of: &str, said: &str| {
        let required = matches!(place, ParameterIn::Path)
            || name == "Idempotency-Key"
            || MUST_BE_GIVEN.contains(&(call.name, name));
        ParameterBuilder::new()
            .name(name)
            .parameter_in(place)
            .required(if required { Required::True } else { Required::False })
            .schema(Some(kind(of)))
            .description(Some(said))
            .build()
    };
    let named = |name: &str, place: ParameterIn| {
        let (of, said) = names::parameter(call.name, name).unwrap_or(("Text", ""));
        made(name, place, of, said)
    };
    let mut all: Vec<Parameter> = in_path(call).map(|name| named(name, ParameterIn::Path)).collect();
    all.extend(call.query.iter().map(|name| named(name, ParameterIn::Query)));
    // To call a rebuild off twice is to call it off once.
    if call.method != Method::Get && call.name != "cancelRebuild" {
        let said = "The client's name of this wish, for ever; the same for a retry, a new one for a new wish.";
        all.push(made("Idempotency-Key", ParameterIn::Header, "IdempotencyKey", said));
        let said =
            "What the call belongs to, 1 to 128 visible ASCII characters; all that follows from it carries that.";
        all.push(made("X-Correlation-Id", ParameterIn::Header, "Text", said));
    }
    if call.waits {
        let said = "`wait=2` holds the answer for so many seconds until it is decided (RFC 7240).";
        all.push(made("Prefer", ParameterIn::Header, "Prefer", said));
    }
    if call.path == "/v1/stream" {
        let said = "The id of the last message that came: the stream goes on behind it.";
        all.push(made("Last-Event-ID", ParameterIn::Header, "Text", said));
    }
    if rests_on_a_view(call) {
        let said = "An ETag of before: 304 if the rows are still the same.";
        all.push(made("If-None-Match", ParameterIn::Header, "EntityTag", said));
    }
    all
}

fn in_path(call: &Call) -> impl Iterator<Item = &'static str> {
    call.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_in_the_document() {
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        let mut operations = 0;
        for call in calls() {
            let operation = &document["paths"][call.path][format!("{:?}", call.method).to_lowercase()];
            assert_eq!(operation["operationId"], call.name, "{} {:?}", call.path, call.method);
            operations += 1;
        }
        let there = document["paths"].as_object().into_iter().flat_map(|paths| paths.values());
        assert_eq!(there.filter_map(Value::as_object).map(serde_json::Map::len).sum::<usize>(), operations);
    }

    #[test]
    fn every_parameter_of_the_routes_has_a_meaning_and_keeps_its_kind() {
        let mut missing = Vec::new();
        for call in calls() {
            for name in in_path(call).chain(call.query.iter().copied()) {
                let known = names::parameter(call.name, name);
                if known.is_none() {
                    missing.push(format!("{name} of {}", call.name));
                    continue;
                }
                let of = known.map_or("", |(of, _)| of);
                let kept = serde_json::to_value(kind(of)).ok();
                assert_eq!(kept, kinds::schema(of), "{of} of {name}");
            }
        }
        assert!(missing.is_empty(), "add to document/names.rs: {missing:?}");
    }
}
