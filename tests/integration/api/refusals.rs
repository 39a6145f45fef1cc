//! Whatever is asked, the answer is clear and never a failure of the server's own.

use serde_json::json;

use super::{Server, V1, registry, temporary};

#[tokio::test]
async fn an_invalid_object_is_refused_with_every_faulty_field() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let mut object = registry("main", "http://a");
    object["spec"]["timout"] = json!("5s");
    object["spec"]["port"] = json!("many");
    let answer = server.put("reg/main", &object).await;
    answer.is_refused(422, "Invalid", "did you mean `timeout`?");
    let details = &answer.body["details"];
    assert_eq!((&details["name"], &details["kind"]), (&json!("main"), &json!("DiscoveryRegistry")));
    let fields: Vec<_> =
        details["causes"].as_array().expect("causes").iter().map(|cause| &cause["field"]).collect();
    assert!(fields.contains(&&json!("spec.timout")) && fields.contains(&&json!("spec.port")), "{fields:?}");
    // Checks beyond types too.
    server.put("reg/main", &registry("main", "ftp://a")).await.is_refused(
        422,
        "Invalid",
        "must start with http",
    );
    server.put("reg/-x", &registry("-x", "http://a")).await.is_refused(
        422,
        "Invalid",
        "starts with a letter",
    );
    assert_eq!(server.get("reg/main").await.code, 404);
}

#[tokio::test]
async fn a_document_about_something_else_is_refused() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    server.put("bill/main", &registry("main", "http://a")).await.is_refused(
        400,
        "BadRequest",
        "is a DiscoveryRegistry",
    );
    server.put("reg/other", &registry("main", "http://a")).await.is_refused(
        400,
        "BadRequest",
        "the URL says other",
    );
    for (body, says) in [
        ("", "is empty"),
        ("{", "line 1, column"),
        ("{\"a\":1,\"a\":2}", "given twice"),
        ("[1]", "a document is a mapping"),
        ("\"x\"", "a document is a mapping"),
    ] {
        let answer = server.send("PUT", &format!("{V1}/reg/main"), &[], body.into()).await;
        assert!(answer.refusal().2.contains(says), "{body}: {}", answer.body);
        assert!(answer.code.is_client_error());
    }
    let yaml = [("content-type", "application/yaml")];
    let answer = server.send("PUT", &format!("{V1}/reg/main"), &yaml, b"a: 1".to_vec()).await;
    answer.is_refused(415, "UnsupportedMediaType", "send application/json");
}

#[tokio::test]
async fn a_mistyped_kind_or_name_suggests_the_right_one() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    server.get("bilingservices").await.is_refused(404, "NotFound", "did you mean `billingservices`?");
    server.get("BillingServce/x").await.is_refused(404, "NotFound", "did you mean `billingservices`?");
    server.get("contaners").await.is_refused(404, "NotFound", "did you mean `containers`?");
    server.get("pods").await.is_refused(404, "NotFound", "lists what there is");
    server.get("heal/defualt").await.is_refused(404, "NotFound", "did you mean `default`?");
}

#[tokio::test]
async fn unknown_routes_and_methods_are_refused_in_the_shape_of_their_route() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    server.send("GET", "/apis/x", &[], Vec::new()).await.is_refused(404, "NotFound", "/openapi.json");
    let answer = server.send("PATCH", &format!("{V1}/reg"), &[], Vec::new()).await;
    answer.is_refused(405, "MethodNotAllowed", "it supports GET");
    assert!(answer.headers["allow"].to_str().expect("text").contains("GET"));
    server.send("PUT", &format!("{V1}/containers/x"), &[], Vec::new()).await.is_refused(
        405,
        "MethodNotAllowed",
        "PUT",
    );
    server.send("PUT", &format!("{V1}/c/x"), &[], b"{}".to_vec()).await.is_refused(
        405,
        "MethodNotAllowed",
        "only be read",
    );
    server.post("reg/x/release").await.is_refused(404, "NotFound", "no such route");
    let answer = server.send("GET", "/nowhere", &[], Vec::new()).await;
    assert_eq!((answer.code.as_u16(), &answer.body["status"]), (404, &json!("error")));
    let answer = server.send("POST", "/api/events", &[], Vec::new()).await;
    assert_eq!((answer.code.as_u16(), &answer.body["status"]), (405, &json!("error")));
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let answer = server.send("PUT", &format!("{V1}/reg/main"), &[], vec![b' '; (1 << 20) + 1]).await;
    answer.is_refused(413, "RequestEntityTooLarge", "larger than 1048576 bytes");
}

#[tokio::test]
async fn a_body_of_another_type_is_refused_with_the_types_that_are_not() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let path = format!("{V1}/reg/main");
    let body = || registry("main", "http://a").to_string().into_bytes();
    for (method, kind, code) in [
        ("PUT", "application/json", 201),
        ("PUT", "application/json; charset=utf-8", 200),
        ("PUT", "APPLICATION/JSON", 200),
        ("PUT", "text/plain", 200),
        ("PUT", "application/x-www-form-urlencoded", 200),
        ("PATCH", "application/merge-patch+json", 200),
        ("PATCH", "application/json", 200),
        ("PUT", "application/merge-patch+json", 415),
        ("PUT", "application/yaml", 415),
        ("PUT", "multipart/form-data; boundary=x", 415),
        ("PUT", "application/jsonp", 415),
        ("PUT", "caf\u{e9}", 415),
        ("PATCH", "application/json-patch+json", 415),
        ("PATCH", "application/strategic-merge-patch+json", 415),
    ] {
        let answer = server.send(method, &path, &[("content-type", kind)], body()).await;
        assert_eq!(answer.code.as_u16(), code, "{method} {kind}: {}", answer.body);
        if code == 415 {
            let also = if method == "PATCH" { "application/merge-patch+json or " } else { "" };
            let says = format!("is not supported here; send {also}application/json");
            answer.is_refused(415, "UnsupportedMediaType", &says);
        }
    }
    let twice = [("content-type", "application/json"), ("content-type", "application/yaml")];
    let answer = server.send("PUT", &path, &twice, body()).await;
    answer.is_refused(400, "BadRequest", "the header content-type is sent more than once");
}

#[tokio::test]
async fn a_test_of_a_probe_that_makes_no_sense_is_refused_with_what_would() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let path = format!("{V1}/test/probe");
    let json = "application/json";
    for (kind, body, code, reason, says) in [
        ("application/yaml", "{}", 415, "UnsupportedMediaType", "send application/json"),
        (json, "{", 400, "BadRequest", "not a JSON document"),
        (json, "{}", 422, "Invalid", "missing field `probe`"),
        (json, r#"{"probe": {"icmp": {}}}"#, 422, "Invalid", "give one of container and target"),
        (json, r#"{"probe": {}, "target": {"host": "h"}}"#, 422, "Invalid", "handler"),
        (json, r#"{"probe": {"icmp": {}}, "container": "web"}"#, 404, "NotFound", "no container named `web`"),
    ] {
        let answer = server.send("POST", &path, &[("content-type", kind)], body.as_bytes().to_vec()).await;
        answer.is_refused(code, reason, says);
    }
}

#[tokio::test]
async fn a_parameter_that_is_not_known_or_given_twice_is_refused_on_every_route() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let document = server.send("GET", "/openapi.json", &[], Vec::new()).await.body;
    let mut refused = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (verb, operation) in item.as_object().expect("operations") {
            let gives_json =
                |code: &&str| operation["responses"][code]["content"]["application/json"].is_object();
            let is_json = ["200", "201"].iter().any(gives_json);
            let path = path.replace("{name}", "main");
            for (query, says) in
                [("nonsense=1", "\"nonsense\" is not a parameter"), ("a=1&a=2", "\"a\" is given twice")]
            {
                let asked = format!("{path}?{query}");
                let answer = server.send(&verb.to_uppercase(), &asked, &[], b"{}".to_vec()).await;
                if !is_json {
                    // Probes and scrapers add their own.
                    assert_ne!(answer.code, 400, "{asked}");
                    continue;
                }
                assert_eq!(answer.code, 400, "{verb} {asked}: {}", answer.body);
                let why = answer.body["message"].as_str().or(answer.body["reason"].as_str());
                assert!(why.expect("a reason").contains(says), "{verb} {asked}: {}", answer.body);
                refused += 1;
            }
        }
    }
    assert!(refused > 150, "{refused}");
    // By the short names too.
    server.get("c/main?x=1").await.is_refused(400, "BadRequest", "this route takes none");
    server.get("dlv?limit=1&limit=2").await.is_refused(400, "BadRequest", "\"limit\" is given twice");
    server.get("reg?watch=true&limit=x").await.is_refused(400, "BadRequest", "limit must be a whole number");
    server.get("reg?watch=maybe").await.is_refused(400, "BadRequest", "watch must be true or false");
}

#[tokio::test]
async fn a_condition_that_is_not_understood_is_refused() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let path = format!("{V1}/reg/main");
    let body = || registry("main", "http://a").to_string().into_bytes();
    let answer = server.send("PUT", &path, &[("if-none-match", "\"5\"")], body()).await;
    answer.is_refused(400, "BadRequest", "If-None-Match must be * or left out");
    let written = server.send("PUT", &path, &[("if-none-match", "*")], body()).await;
    assert_eq!(written.code, 201);
    // A list in several headers is one list.
    let tag = format!("\"{}\"", written.version());
    let answer = server.send("DELETE", &path, &[("if-match", "\"1\""), ("if-match", &tag)], Vec::new()).await;
    assert_eq!(answer.code, 200, "{}", answer.body);
}

#[tokio::test]
async fn no_input_is_a_failure_of_the_server() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let bodies = [
        "",
        "null",
        "{}",
        "[]",
        "1e999",
        "\u{0}",
        "{\"spec\":{}}",
        "{\"metadata\":[]}",
        &deep,
        "{\"kind\":7,\"apiVersion\":null,\"metadata\":{\"name\":[]},\"spec\":\"\"}",
    ];
    let long = "x".repeat(5_000);
    let names = ["main", "%00", "%2e%2e", "%ff", "%F0%9F%98%80", "a%2Fb", &long];
    let queries = [
        "",
        "?limit=99999999999",
        "?watch=maybe",
        "?continue=ff",
        "?dryRun=",
        "?%ff=%ff",
        "?labelSelector=((",
        "?since=x&type=%00",
        "?target=%00&state=x",
    ];
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "POST", "OPTIONS", "BREW"] {
        for plural in ["reg", "settings", "containers", "events", "deliveries", "%00", "nothing"] {
            for name in names {
                for (index, query) in queries.iter().enumerate() {
                    let body = bodies[index % bodies.len()];
                    let tails = ["", "/status", "/release", "/replay"];
                    for tail in [tails[index % 4], tails[(index + 1) % 4]] {
                        let path = format!("{V1}/{plural}/{name}{tail}{query}");
                        let answer =
                            server.send(method, &path, &[("if-match", "a, W/\"")], body.into()).await;
                        assert!(!answer.code.is_server_error(), "{method} {path}: {}", answer.body);
                    }
                }
            }
            for body in bodies {
                let path = format!("{V1}/{plural}/main");
                let answer = server.send(method, &path, &[], body.into()).await;
                assert!(!answer.code.is_server_error(), "{method} {path} {body}: {}", answer.body);
            }
        }
    }
}

#[tokio::test]
async fn a_reference_to_nothing_is_a_condition_and_a_warning_until_it_leads_somewhere() {
    let directory = temporary();
    let mut server = Server::new(directory.path()).await;
    let mut object = registry("main", "http://a");
    object["spec"]["selector"] = json!({"hosts": ["lokal"]});
    let answer = server.put("reg/main", &object).await;
    assert_eq!(answer.code, 201, "{}", answer.body);
    let warning = answer.headers["warning"].to_str().expect("text");
    assert!(warning.starts_with("299 portreeve") && warning.contains("no DockerHost named"), "{warning}");
    let condition = &answer.body["status"]["conditions"][1];
    assert_eq!((&condition["type"], &condition["status"]), (&json!("ReferencesResolved"), &json!("False")));
    assert!(condition["message"].as_str().expect("text").ends_with("did you mean `local`?"));
    server.desired.changed().await.expect("a change");
    assert_eq!(server.get("reg/main").await.body, answer.body);

    let host = json!({
        "apiVersion": "portreeve/v1", "kind": "DockerHost", "metadata": {"name": "lokal"},
        "spec": {"endpoint": "unix:///nowhere/other.sock"},
    });
    server.desired.borrow_and_update();
    assert_eq!(server.put("host/lokal", &host).await.code, 201);
    server.desired.changed().await.expect("a change");
    let body = server.get("reg/main").await.body;
    assert_eq!(body["status"]["conditions"][1]["status"], "True", "{body}");
    assert_eq!(body["metadata"]["generation"], 1);
}
