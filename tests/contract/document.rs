//! The OpenAPI document, the pages made from it, and the clients that read it.

mod examples;
mod python;

pub(crate) use python::python;

use orderledger_tests::server::Home;
use serde_json::Value;

/// Method, address with something in place of each parameter.
fn calls(document: &Value) -> Vec<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let filled = |path: &str| {
        let part = |part: &str| match part {
            "{symbol}" => "AAPL".to_owned(),
            "{entity}" => "user:nobody".to_owned(),
            "{topic}" => "orders".to_owned(),
            "{partition}" | "{offset}" => "0".to_owned(),
            "{code}" => "not-found".to_owned(),
            "{file}" => "swagger-ui.css".to_owned(),
            part if part.starts_with('{') => "nobody".to_owned(),
            part => part.to_owned(),
        };
        path.split('/').map(part).collect::<Vec<_>>().join("/")
    };
    let methods = |(path, of): (&String, &Value)| {
        let path = filled(path);
        of.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(methods).collect()
}

#[test]
fn every_documented_call_is_there_and_every_other_method_is_refused() {
    let home = Home::embedded();
    let server = home.serve();
    let document = server.client.get("/openapi.json").expect(200);
    let calls = calls(&document);
    assert!(calls.len() > 40, "{}", calls.len());
    for (method, path) in &calls {
        let method: &'static str = ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter().find(|m| m == method).unwrap();
        let answer = server.client.request(method, path).send();
        let is_not_found = answer.status == 404 && answer.body.contains("\"/docs/errors/not-found\"");
        let is_routers = is_not_found || answer.status == 405;
        assert!(!is_routers, "{method} {path}: the document has it and the router doesn't: {answer:?}");
        assert!(answer.status < 500, "{method} {path}: {answer:?}");
        let other = server.client.request("TRACE", path).send();
        other.expect_problem(405, "method-not-allowed");
        assert!(other.headers["allow"].contains(method), "{method} {path}: {other:?}");
    }
    server.client.get("/v1/nothing").expect_problem(404, "not-found");
}

#[test]
fn the_pages_load_nothing_from_elsewhere_and_every_type_leads_to_one() {
    let home = Home::embedded();
    let server = home.serve();
    let page = server.client.get("/docs");
    assert_eq!((page.status, page.headers["content-type"].as_str()), (200, "text/html; charset=utf-8"));
    assert!(!page.body.contains("http://") && !page.body.contains("https://"), "{}", page.body);
    let mut loaded = 0;
    for part in page.body.split(['"']).filter(|part| part.starts_with("/docs/assets/")) {
        assert_eq!(server.client.get(part).status, 200, "{part}");
        loaded += 1;
    }
    assert_eq!(loaded, 4);
    assert!(server.client.get("/docs/assets/swagger-initializer.js").body.contains("/openapi.json"));
    let document = server.client.get("/openapi.json").expect(200);
    let types = document["components"]["schemas"]["Problem"]["properties"]["type"]["examples"].clone();
    for kind in types.as_array().unwrap() {
        let page = server.client.get(kind.as_str().unwrap());
        assert!(page.status == 200 && page.body.contains("What to do"), "{kind}: {page:?}");
    }
    let unknown = server.client.get("/v1/accounts/nobody/balances").expect_problem(404, "unknown-account");
    assert!(types.as_array().unwrap().contains(&unknown["type"]));
    server.client.get("/docs/errors/nothing").expect_problem(404, "not-found");
    server.client.get("/docs/assets/../x").expect_problem(404, "not-found");
}
