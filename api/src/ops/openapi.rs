//! `GET /openapi.json`: OpenAPI 3.1, made from the very table of routes that answers.

use axum::http::StatusCode;
use axum::response::Response;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItem, PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{InfoBuilder, OpenApiBuilder, Required, ResponseBuilder, ResponsesBuilder};

use crate::http::answer;
use crate::http::problem::Problem;
use crate::http::routes::{CALLS, Call, Method};

pub(crate) async fn get() -> Result<Response, Problem> {
    Ok(answer::json(StatusCode::OK, answer::to_json(&document())?))
}

/// The document of all calls.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    let info = InfoBuilder::new()
        .title("orderledger")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("An event-sourced ledger: orders in, balances, prices and a complete audit trail out."))
        .build();
    let mut paths = PathsBuilder::new();
    for call in CALLS {
        paths = paths.path(call.path, PathItem::new(method(call.method), operation(call)));
    }
    OpenApiBuilder::new().info(info).paths(paths.build()).build()
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

fn operation(call: &Call) -> Operation {
    let problem = content("application/problem+json", &["type", "title", "status", "detail", "instance"]);
    let answer = content("application/json", call.answer);
    let mut responses = ResponsesBuilder::new();
    for status in call.statuses {
        let done = ResponseBuilder::new().description("done").content("application/json", answer.1.clone()).build();
        responses = responses.response(*status, done);
    }
    let wrong = ResponseBuilder::new()
        .description("a problem (RFC 9457): its `type` ends in a stable code")
        .content(problem.0, problem.1)
        .build();
    responses = responses.response("default", wrong);
    let mut operation =
        OperationBuilder::new().operation_id(Some(call.name)).summary(Some(call.summary)).responses(responses.build());
    for parameter in parameters(call) {
        operation = operation.parameter(parameter);
    }
    if !call.body.is_empty() {
        let (kind, body) = content("application/json", call.body);
        operation = operation
            .request_body(Some(RequestBodyBuilder::new().content(kind, body).required(Some(Required::True)).build()));
    }
    operation.build()
}

fn parameters(call: &Call) -> Vec<Parameter> {
    let text = || Schema::Object(ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).build());
    let parameter = |name: &str, place: ParameterIn, required: Required| {
        ParameterBuilder::new().name(name).parameter_in(place).required(required).schema(Some(text())).build()
    };
    let in_path = call.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut all: Vec<Parameter> = in_path.map(|name| parameter(name, ParameterIn::Path, Required::True)).collect();
    all.extend(call.query.iter().map(|name| parameter(name, ParameterIn::Query, Required::False)));
    if call.method != Method::Get {
        all.push(parameter("Idempotency-Key", ParameterIn::Header, Required::True));
    }
    if call.waits {
        all.push(parameter("Prefer", ParameterIn::Header, Required::False));
    }
    all
}

/// An object with these properties.
fn content(kind: &'static str, properties: &[&str]) -> (&'static str, utoipa::openapi::Content) {
    let mut object = ObjectBuilder::new();
    for property in properties {
        object = object.property(*property, Schema::default());
    }
    (kind, ContentBuilder::new().schema(Some(Schema::Object(object.build()))).build())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_in_the_document() {
        let document = serde_json::to_value(document()).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        for call in CALLS {
            let operation = &document["paths"][call.path][format!("{:?}", call.method).to_lowercase()];
            assert_eq!(operation["operationId"], call.name, "{} {:?}", call.path, call.method);
        }
    }
}
