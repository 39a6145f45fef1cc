//! Who may ask for what.

use portreeve::api::Access;
use portreeve::config::tokens::{self, Role};
use secrecy::ExposeSecret;

use super::{Server, V1, registry, temporary};

#[tokio::test]
async fn a_viewer_reads_an_editor_writes_and_nobody_else_does_anything() {
    let directory = temporary();
    let path = tokens::path(directory.path());
    let access = Access::new(Some("own".into()), false).with_tokens(path.clone());
    let server = Server::with(directory.path(), access, Vec::new()).await;
    let (_, view) = tokens::create(&path, Role::View, None).expect("a token");
    let (_, edit) = tokens::create(&path, Role::Edit, Some("ci")).expect("a token");
    let body = || registry("main", "http://a").to_string().into_bytes();
    let object = format!("{V1}/reg/main");
    let ask = async |method: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        server.send(method, &object, &[("authorization", &bearer)], body()).await
    };
    assert_eq!(ask("PUT", edit.expose_secret()).await.code, 201);
    assert_eq!(ask("GET", view.expose_secret()).await.code, 200);
    assert_eq!(ask("HEAD", view.expose_secret()).await.code, 200);
    for method in ["PUT", "PATCH", "DELETE", "POST"] {
        ask(method, view.expose_secret()).await.is_refused(403, "Forbidden", "may only read");
    }
    assert_eq!(ask("GET", "own").await.code, 200);
    for token in ["", "wrong", "portreeve_"] {
        ask("GET", token).await.is_refused(401, "Unauthorized", "portreeve token create");
    }
    let answer = server.send("GET", "/api/events", &[], Vec::new()).await;
    assert_eq!((answer.code.as_u16(), &answer.body["error"]), (401, &"Invalid API key".into()));
    let answer = server.send("GET", "/docs", &[("x-api-key", view.expose_secret())], Vec::new()).await;
    assert_eq!(answer.code, 200);
    assert_eq!(server.send("GET", "/livez", &[], Vec::new()).await.code, 200);

    tokens::delete(&path, "ci").expect("deleted");
    ask("GET", edit.expose_secret()).await.is_refused(401, "Unauthorized", "token");
    assert_eq!(ask("DELETE", "own").await.code, 200);
}

#[tokio::test]
async fn everything_is_open_until_the_first_token_is_made() {
    let directory = temporary();
    let path = tokens::path(directory.path());
    let server =
        Server::with(directory.path(), Access::default().with_tokens(path.clone()), Vec::new()).await;
    assert_eq!(server.get("reg").await.code, 200);
    let (_, _) = tokens::create(&path, Role::View, None).expect("a token");
    assert_eq!(server.get("reg").await.code, 401);
    // A file that says nothing readable opens nothing.
    std::fs::write(&path, "{").expect("a file");
    assert_eq!(server.get("reg").await.code, 401);
    std::fs::remove_file(&path).expect("gone");
    assert_eq!(server.get("reg").await.code, 200);
}

#[tokio::test]
async fn a_server_that_can_be_reached_from_elsewhere_is_never_open() {
    let directory = temporary();
    let server = Server::with(directory.path(), Access::default().closed(true), Vec::new()).await;
    assert_eq!(server.get("reg").await.code, 401);
}
