use super::*;

/// The golden text in `tests/golden/explain`; `UPDATE_GOLDEN=1` writes it anew.
fn golden(name: &str, found: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/explain").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        std::fs::write(&path, found).expect("a file");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "{}", path.display());
}

#[test]
fn a_kind_a_field_a_list_and_an_enum_are_explained() {
    for (name, kind, path) in [
        ("monitoredservice.txt", KindId::MonitoredService, &[][..]),
        ("monitoredservice.spec.txt", KindId::MonitoredService, &["spec"]),
        ("monitoredservice.spec.probes.txt", KindId::MonitoredService, &["spec", "probes"]),
        ("probe.spec.httpGet.expect.txt", KindId::Probe, &["spec", "httpGet", "expect"]),
        ("alertrule.spec.condition.op.txt", KindId::AlertRule, &["spec", "condition", "op"]),
        ("notificationsink.spec.events.txt", KindId::NotificationSink, &["spec", "events"]),
        ("workload.spec.resources.txt", KindId::Workload, &["spec", "resources"]),
        ("autohealpolicy.spec.backoff.txt", KindId::AutohealPolicy, &["spec", "backoff"]),
    ] {
        golden(name, &explain(kind, path).expect(name));
    }
}

#[test]
fn every_field_of_every_kind_is_explained() {
    fn walk(kind: KindId, schemas: Schemas<'_>, schema: &Value, path: &mut Vec<String>) {
        let steps: Vec<&str> = path.iter().map(String::as_str).collect();
        let text = explain(kind, &steps).expect("a field");
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH + 1), "{text}");
        assert!(!text.contains("No description."), "{kind} {path:?}\n{text}");
        assert!(
            !text.contains("<any>") || kind == KindId::Probe || path.len() < 3,
            "{kind} {path:?}\n{text}"
        );
        for (name, field) in schemas.fields(schema).into_iter().flatten() {
            path.push(name.clone());
            walk(kind, schemas, field, path);
            path.pop();
        }
    }
    for kind in KindId::ALL {
        let document = schema::schema(*kind);
        walk(*kind, Schemas { root: &document }, &document, &mut Vec::new());
    }
}

#[test]
fn a_slip_is_answered_with_the_nearest_field() {
    let error = |path: &[&str]| explain(KindId::MonitoredService, path).expect_err("a slip").to_string();
    assert_eq!(
        error(&["spec", "prbes"]),
        "MonitoredService.spec has no field `prbes`; did you mean `probes`?"
    );
    assert_eq!(
        error(&["spec", "probes", "tcpSockt"]),
        "MonitoredService.spec.probes has no field `tcpSockt`; did you mean `tcpSocket`?"
    );
    assert_eq!(error(&["probes"]), "MonitoredService has no field `probes`; did you mean `spec.probes`?");
    assert_eq!(
        error(&["spec", "target", "banana"]),
        "MonitoredService.spec.target has no field `banana`; there is host, port"
    );
    assert_eq!(
        error(&["spec", "target", "host", "x"]),
        "MonitoredService.spec.target.host has no field `x`; it has no fields"
    );
}
