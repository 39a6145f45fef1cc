//! What holds of the table as a whole; that each row is right is shown by the tests that it names.

use std::path::Path;

use super::*;

fn mysql(code: u16, state: &str) -> Cause {
    Cause::Mysql { code, state: state.to_owned() }
}

/// A cause for each answer that a row names.
fn causes(seen: &Pattern) -> Vec<Cause> {
    match *seen {
        Pattern::Here(list) => list.iter().map(|one| Cause::Here(*one)).collect(),
        Pattern::There(list) => list.iter().map(|one| Cause::There(*one)).collect(),
        Pattern::Http(list) | Pattern::HttpRetryAfter(list) => {
            let retry_after = matches!(seen, Pattern::HttpRetryAfter(_));
            list.iter()
                .flat_map(|(from, to)| *from..=*to)
                .map(|status| Cause::Http { status, retry_after })
                .collect()
        }
        Pattern::Redis(list) => list.iter().map(|begin| Cause::Redis(format!("{begin} and more"))).collect(),
        Pattern::Postgres(list) => list.iter().map(|begin| Cause::Postgres(format!("{begin:0<5}"))).collect(),
        Pattern::Mysql(list) => list.iter().map(|code| mysql(*code, "HY000")).collect(),
        Pattern::MysqlState(list) => list.iter().map(|begin| mysql(0, &format!("{begin:0<5}"))).collect(),
        Pattern::Kafka(list) => list.iter().map(|code| Cause::Kafka(*code)).collect(),
        Pattern::Amqp(list) => list.iter().map(|code| Cause::Amqp(*code)).collect(),
        Pattern::Nats(list) => list.iter().map(|begin| Cause::Nats(begin.to_lowercase())).collect(),
        Pattern::Mqtt(list) => list.iter().map(|code| Cause::Mqtt(*code)).collect(),
        Pattern::Http2(list) => list.iter().map(|code| Cause::Http2(*code)).collect(),
        Pattern::Grpc(list) => list.iter().map(|code| Cause::Grpc(*code)).collect(),
        Pattern::GrpcHealth(list) => list.iter().map(|code| Cause::GrpcHealth(*code)).collect(),
        Pattern::Dns(list) => list.iter().map(|code| Cause::Dns(*code)).collect(),
    }
}

#[test]
fn no_row_is_hidden_behind_another() {
    for row in rows() {
        for cause in causes(&row.seen) {
            let found = super::row(&cause);
            assert_eq!((found.seen, found.means), (row.seen, row.means), "{cause:?}");
        }
    }
}

#[test]
fn what_nobody_has_thought_of_is_unhealthy() {
    let unknown = [
        Cause::Http { status: 599, retry_after: false },
        Cause::Redis("WHATEVER".to_owned()),
        Cause::Redis(String::new()),
        Cause::Redis("LOADINGS".to_owned()),
        Cause::Postgres("ZZZZZ".to_owned()),
        Cause::Postgres(String::new()),
        mysql(u16::MAX, "HY000"),
        mysql(u16::MAX, ""),
        Cause::Kafka(-1),
        Cause::Amqp(999),
        Cause::Nats("whatever".to_owned()),
        Cause::Mqtt(0x7f),
        Cause::Http2(99),
        Cause::Grpc(99),
        Cause::GrpcHealth(99),
        Cause::Dns(15),
    ];
    for cause in unknown {
        assert_eq!(meaning(&cause), Meaning::Unhealthy, "{cause:?}");
    }
}

#[test]
fn a_reason_repeats_a_code_and_nothing_else_of_what_a_server_sent() {
    for (cause, text) in [
        (Cause::Redis("LOADING s3cret".to_owned()), "LOADING: it is loading its data into memory"),
        (Cause::Redis("s3cret \u{1b}[2J".to_owned()), "an error"),
        (
            Cause::Postgres("57P03".to_owned()),
            "SQLSTATE 57P03: it is starting up, recovering or shutting down",
        ),
        (Cause::Postgres("s3cret; DROP".to_owned()), "an error"),
        (
            Cause::Nats("authorization violation s3cret".to_owned()),
            "'Authorization Violation': the login is refused, or has no permission",
        ),
        (Cause::Nats("s3cret".to_owned()), "an error"),
        (mysql(1129, "s3cret"), "error 1129: it accepts no connections from our address"),
        (Cause::Grpc(14), "the gRPC status UNAVAILABLE: it is unavailable at the moment"),
        (Cause::Here(Here::Resolver), "our DNS resolver fails, or does not answer"),
    ] {
        assert_eq!(cause.to_string(), text);
    }
}

#[test]
fn a_server_that_answers_was_reached_and_what_a_resolver_says_is_no_answer() {
    for row in rows() {
        for cause in causes(&row.seen) {
            let reached = cause.reached();
            match row.means {
                Meaning::Denied | Meaning::NotYet => assert_eq!(reached, Some(true), "{cause:?}"),
                Meaning::Unanswered => assert_eq!(reached, Some(false), "{cause:?}"),
                Meaning::Unhealthy | Meaning::Fault => assert_ne!(reached, Some(false), "{cause:?}"),
            }
        }
    }
    for silent in [Cause::Here(Here::Resolver), Cause::There(There::NoSuchName)] {
        assert_eq!(silent.reached(), None, "{silent:?}");
    }
}

/// The file that a test of a row is in, and its name.
fn source_of(test: &str) -> (String, String) {
    let (module, name) = test.rsplit_once("::").expect("a path");
    let module = module.replace("::", "/");
    let file = match module.starts_with("e2e/") {
        true => format!("tests/{module}.rs"),
        false => format!("tests/integration/{module}.rs"),
    };
    (file, name.to_owned())
}

#[test]
fn each_row_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut missing = Vec::new();
    for row in rows() {
        if row.shown_by.is_empty() {
            missing.push(format!("{} {}: no test", row.seen.of(), row.seen));
        }
        for test in row.shown_by {
            let (file, name) = source_of(test);
            let text = std::fs::read_to_string(root.join(&file)).unwrap_or_default();
            if !text.contains(&format!("fn {name}(")) {
                missing.push(format!("{} {}: no test {test} in {file}", row.seen.of(), row.seen));
            }
        }
    }
    assert!(missing.is_empty(), "\n{}\n", missing.join("\n"));
}

/// `PORTREEVE_BLESS=1` writes it anew.
#[test]
fn the_table_in_the_documentation_is_this_one() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/probe/verdict/table.md");
    if std::env::var_os("PORTREEVE_BLESS").is_some() {
        std::fs::write(&file, markdown()).expect("the table is written");
    }
    let documented = std::fs::read_to_string(&file).expect("the table");
    assert_eq!(documented, markdown(), "write it anew with PORTREEVE_BLESS=1");
}
