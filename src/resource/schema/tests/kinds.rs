//! Each kind with good specs, specs that schema and reader refuse alike, and specs that only the reader can refuse.

use super::*;

fn spec(kind: &str, spec: &str) -> Value {
    let spec: Value = serde_json::from_str(spec).unwrap_or_else(|error| panic!("{error}: {spec}"));
    document(kind, "x", spec)
}

fn good(kind: &str, specs: &[&str]) {
    for text in specs {
        let document = spec(kind, text);
        let problems = crate::manifest::parse("f", document.to_string().as_bytes()).problems;
        assert!(problems.is_empty(), "{text}: {problems:?}");
        assert!(takes(&document), "{text}: the schema refuses it");
    }
}

fn bad(kind: &str, specs: &[&str]) {
    for text in specs {
        let document = spec(kind, text);
        assert!(!reads(&document), "{text}: the reader takes it");
        assert!(!takes(&document), "{text}: the schema takes it");
    }
}

/// Specs that no schema can refuse, with what the reader says.
fn refused(kind: &str, specs: &[(&str, &str)]) {
    for (text, expected) in specs {
        let document = spec(kind, text);
        let problems = crate::manifest::parse("f", document.to_string().as_bytes()).problems;
        let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
        assert!(messages.contains(expected), "{text}: {messages:?}");
    }
}

#[test]
fn autoheal_policies() {
    good("AutohealPolicy", &[r#"{"triggers": {"notYet": "never"}}"#, r#"{"triggers": {"notYet": "1h30m"}}"#]);
    bad("AutohealPolicy", &[r#"{"triggers": {"notYet": true}}"#, r#"{"triggers": {"notYet": ""}}"#]);
    let zero = [(r#"{"triggers": {"notYet": "0s"}}"#, "spec.triggers.notYet: must be longer than 0s")];
    refused("AutohealPolicy", &zero);
}

#[test]
fn monitored_services() {
    good(
        "MonitoredService",
        &[
            r#"{"selector": {"names": ["kafka"]}}"#,
            r#"{"selector": {"all": true}, "target": null}"#,
            r#"{"target": {"host": "db.internal", "port": 5432}, "minHealthy": "50%"}"#,
            r#"{"selector": {"names": ["a"]}, "probes": [{"probeRef": "p"}, {"name": "port", "tcpSocket": {"port": 1}},
                {"name": "http", "httpGet": {"path": "/"}, "periodSeconds": 5}], "minHealthy": 2,
                "dependsOn": ["b"], "autoheal": {"enabled": false}, "discovery": {"registryRef": "d", "port": 1},
                "notify": [{"sinkRef": "ops", "events": ["ServiceDown"]}, {"sinkRef": "all", "events": "*"}]}"#,
        ],
    );
    bad(
        "MonitoredService",
        &[
            "{}",
            r#"{"selector": {}, "target": {"host": "a"}}"#,
            r#"{"selector": {}, "probes": [{"tcpSocket": {"port": 1}}]}"#,
            r#"{"selector": {}, "probes": [{"name": "a"}]}"#,
            r#"{"selector": {}, "probes": [{"name": "a", "icmp": {}, "redis": {}}]}"#,
            r#"{"selector": {}, "probes": [{"probeRef": "a", "periodSeconds": 10}]}"#,
            r#"{"selector": {}, "probes": [{"probeRef": "a", "name": "b"}]}"#,
            r#"{"selector": {}, "probes": [{"name": "a", "tcpSockt": {"port": 1}}]}"#,
            r#"{"selector": {}, "probes": [{"name": "a", "tcpSocket": {"port": "1"}}]}"#,
            r#"{"selector": {}, "minHealthy": "101%"}"#,
            r#"{"selector": {}, "minHealthy": -1}"#,
            r#"{"selector": {}, "autoheal": {}}"#,
            r#"{"selector": {}, "autoheal": {"policyRef": "a", "enabled": true}}"#,
            r#"{"selector": {}, "discovery": {"port": 1}}"#,
            r#"{"selector": {}, "notify": [{"sinkRef": "a", "events": ["ServiceDwn"]}]}"#,
            r#"{"selector": {}, "notify": [{"sinkRef": "a", "events": []}]}"#,
        ],
    );
    refused(
        "MonitoredService",
        &[
            (
                r#"{"target": {"host": "http://a", "port": 1}}"#,
                "spec.target.host: is not a host name or an address; a port has its own field",
            ),
            (
                r#"{"target": {"host": "a"}, "probes": [{"name": "x", "exec": {"command": ["a"]}}]}"#,
                "spec.probes[0].exec: needs a container, and a target outside Docker has none",
            ),
            (
                r#"{"target": {"host": "a"}}"#,
                "spec: a target needs a probe or a port, otherwise its health cannot be checked",
            ),
            (
                r#"{"target": {"host": "a", "port": 1}, "autoheal": {"policyRef": "default"}}"#,
                "spec.autoheal: a target outside Docker has no container to heal",
            ),
            (
                r#"{"selector": {}, "probes": [{"name": "a", "icmp": {}}, {"probeRef": "a"}]}"#,
                "spec.probes[1].probeRef: two probes of a service cannot share a name",
            ),
            (
                r#"{"selector": {}, "probes": [{"nme": "a", "icmp": {}}]}"#,
                "spec.probes[0]: unknown field `nme`; did you mean `name`?",
            ),
            (
                r#"{"selector": {}, "probes": [{"name": "a", "tcpSocket": {"prt": 1}}]}"#,
                "spec.probes[0].tcpSocket: unknown field `prt`; did you mean `port`?",
            ),
            (r#"{"selector": {}, "dependsOn": ["a", "a"]}"#, "spec.dependsOn[1]: `a` is given twice"),
        ],
    );
}

#[test]
fn probes() {
    good(
        "Probe",
        &[
            r#"{"httpGet": {}}"#,
            r#"{"httpGet": {"path": "/health", "port": 8080, "scheme": "https", "host": "a", "method": "POST", "body": "x",
                "httpHeaders": [{"name": "X-A", "value": ""}, {"name": "Authorization", "valueFrom": {"env": "T"}}],
                "expect": {"status": ["200-299", 304], "bodyContains": "ok", "bodyMatches": "^ok$",
                "json": [{"path": "$.a.b[0]", "equals": "up"}, {"path": "$", "equals": null}], "maxLatency": "500ms"}}}"#,
            r#"{"tcpSocket": {"port": 25, "send": "QUIT\r\n", "expect": "220"}, "httpGet": null}"#,
            r#"{"exec": {"command": ["pg_isready"]}}"#,
            r#"{"dockerHealth": {}, "startup": {}}"#,
            r#"{"mqtt": {"topic": "a", "auth": {"username": "u", "password": {"file": "/p"}}}}"#,
            r#"{"kafka": {"port": 9092, "topic": "demo"}}"#,
            r#"{"kafka": {"tls": {}}}"#,
            r#"{"redis": {"tls": {"verify": true, "ca": "/etc/ssl/own.pem", "serverName": "cache.shop"}}}"#,
            r#"{"grpc": {"port": 1, "tls": {"verify": false}}}"#,
            r#"{"postgres": {"database": "shop", "query": "SELECT 1"}}"#,
            r#"{"mysql": {}}"#,
            r#"{"redis": {"auth": {"password": {"env": "P"}}}}"#,
            r#"{"grpc": {"port": 1, "service": "a.B"}}"#,
            r#"{"amqp": {}, "failurePeriodSeconds": 2, "attempts": 3}"#,
            r#"{"nats": {}}"#,
            r#"{"dns": {"name": "example.org", "type": "AAAA"}}"#,
            r#"{"tls": {"port": 443, "minValidDays": 14}}"#,
            r#"{"udp": {"port": 53, "send": "x", "expect": "y"}}"#,
            r#"{"icmp": {}, "initialDelaySeconds": 0, "successThreshold": 2, "failureThreshold": 5}"#,
        ],
    );
    bad(
        "Probe",
        &[
            "{}",
            r#"{"icmp": {}, "redis": {}}"#,
            r#"{"icmp": {"port": 1}}"#,
            r#"{"redis": {"tls": true}}"#,
            r#"{"redis": {"tls": {"ca": ""}}}"#,
            r#"{"redis": {"tls": {"cert": "/a"}}}"#,
            r#"{"tcpSocket": {"port": 1, "tls": {}}}"#,
            r#"{"tcpSocket": {}}"#,
            r#"{"tcpSocket": {"port": 0}}"#,
            r#"{"tcpSocket": {"port": 1, "send": ""}}"#,
            r#"{"exec": {"command": []}}"#,
            r#"{"exec": {"command": "ls -l"}}"#,
            r#"{"httpGet": {"path": "health"}}"#,
            r#"{"httpGet": {"scheme": "ftp"}}"#,
            r#"{"httpGet": {"expect": {"status": ["2xx"]}}}"#,
            r#"{"httpGet": {"expect": {"status": [600]}}}"#,
            r#"{"httpGet": {"expect": {"json": [{"path": "status", "equals": 1}]}}}"#,
            r#"{"httpGet": {"expect": {"json": [{"path": "$.a", "equals": {"b": 1}}]}}}"#,
            r#"{"httpGet": {"httpHeaders": [{"name": "a b", "value": "c"}]}}"#,
            r#"{"httpGet": {"httpHeaders": [{"name": "a"}]}}"#,
            r#"{"mqtt": {"auth": {"username": "u", "password": "hunter2"}}}"#,
            r#"{"dns": {"name": "a", "type": "X"}}"#,
            r#"{"icmp": {}, "periodSeconds": 0}"#,
            r#"{"icmp": {}, "interval": "10s"}"#,
            r#"{"icmp": {}, "startup": {"failureThreshold": 0}}"#,
        ],
    );
    refused(
        "Probe",
        &[
            (
                r#"{"httpGet": {"expect": {"bodyMatches": "(up"}}}"#,
                "spec.httpGet.expect.bodyMatches: is not a regular expression: unclosed group",
            ),
            (
                r#"{"redis": {"tls": {"verify": false, "ca": "/a"}}}"#,
                "spec.redis.tls.ca: contradicts `verify: false`, which accepts any certificate: give one of them",
            ),
            (
                r#"{"nats": {"tls": {"serverName": "a:1"}}}"#,
                "spec.nats.tls.serverName: is not a host name or an address; a port has its own field",
            ),
            (
                r#"{"httpGet": {"expect": {"bodyMatches": "(a{1000}){1000}"}}}"#,
                "spec.httpGet.expect.bodyMatches: takes too much memory: use smaller repetitions",
            ),
            (
                r#"{"httpGet": {"httpHeaders": [{"name": "Authorization", "value": "hunter2"}]}}"#,
                "spec.httpGet.httpHeaders[0].value: a secret is never written in a manifest: use {env: NAME} or {file: path}",
            ),
            (r#"{"httpGet": {"body": "x"}}"#, "spec.httpGet.body: only POST and PUT send a body"),
            (r#"{"icmp": {}, "nats": {}}"#, "spec: give exactly one handler, not nats and icmp"),
        ],
    );
}

#[test]
fn notification_sinks() {
    let mut channels = Vec::new();
    for channel in [
        r#""webhook": {"url": {"env": "U"}, "headers": [{"name": "A", "value": "b"}], "template": "x", "signing": {"secret": {"env": "K"}}}"#,
        r#""slack": {"url": {"env": "U"}}"#,
        r#""discord": {"url": {"file": "/u"}}"#,
        r#""email": {"url": "smtp://mail:587", "from": "a@b", "to": ["c@d"], "tls": "startTls",
            "auth": {"username": "u", "password": {"env": "P"}}}"#,
        r#""ntfy": {"topic": "ops"}"#,
        r#""gotify": {"url": "https://g", "token": {"env": "T"}}"#,
        r#""telegram": {"token": {"env": "T"}, "chatId": "-100"}"#,
        r#""pushover": {"token": {"env": "T"}, "user": {"env": "U"}}"#,
        r#""pagerduty": {"routingKey": {"env": "K"}}"#,
        r#""apprise": {"url": {"env": "U"}}"#,
        r#""alertmanager": {"url": "http://a:9093", "auth": {"bearer": {"env": "T"}}}"#,
        r#""log": {"level": "warn"}"#,
    ] {
        channels.push(format!("{{{channel}}}"));
    }
    good("NotificationSink", &channels.iter().map(String::as_str).collect::<Vec<_>>());
    good(
        "NotificationSink",
        &[r#"{"log": {}, "events": "*", "selector": {"all": true}, "minSeverity": "warning",
            "grouping": {"by": ["service", "event"], "wait": "30s", "interval": "5m"}, "reminder": "4h",
            "rateLimit": {"messages": 20, "per": "1m"}}"#],
    );
    bad(
        "NotificationSink",
        &[
            "{}",
            r#"{"log": {}, "ntfy": {"topic": "a"}}"#,
            r#"{"slack": {"url": "https://hooks.slack.com/hunter2"}}"#,
            r#"{"webhook": {"url": "https://a"}}"#,
            r#"{"pagerduty": {"routingKey": "hunter2"}}"#,
            r#"{"telegram": {"token": {"env": "T"}, "chatId": 100}}"#,
            r#"{"email": {"url": "mail:25", "from": "a@b", "to": ["c@d"]}}"#,
            r#"{"email": {"url": "smtp://mail", "from": "a", "to": ["c@d"]}}"#,
            r#"{"email": {"url": "smtp://mail", "from": "a@b", "to": []}}"#,
            r#"{"ntfy": {"topic": "a b"}}"#,
            r#"{"log": {"level": "loud"}}"#,
            r#"{"log": {}, "events": "ServiceDown"}"#,
            r#"{"log": {}, "events": ["*"]}"#,
            r#"{"log": {}, "minSeverity": "high"}"#,
            r#"{"log": {}, "grouping": {"by": []}}"#,
            r#"{"log": {}, "rateLimit": {"messages": 0}}"#,
        ],
    );
    refused(
        "NotificationSink",
        &[
            (
                r#"{"email": {"url": "smtp://u:hunter2@mail", "from": "a@b", "to": ["c@d"]}}"#,
                "spec.email.url: contains a user or password; give them as auth: {username: …, password: {env: NAME}}",
            ),
            (
                r#"{"log": {}, "grouping": {"wait": "10m"}}"#,
                "spec.grouping.wait: must not be longer than interval, which is 5m",
            ),
            (r#"{"log": {}, "reminder": "0s"}"#, "spec.reminder: must be longer than 0s"),
            (r#"{"log": {}, "ntfy": {"topic": "a"}}"#, "spec: give exactly one channel, not ntfy and log"),
        ],
    );
}

#[test]
fn a_webhook_written_out_is_refused_and_never_shown() {
    for spec in [
        r#"{"slack": {"url": "https://hooks.slack.com/hunter2"}}"#,
        r#"{"webhook": {"url": {"value": "hunter2"}}}"#,
        r#"{"webhook": {"url": ["hunter2"]}}"#,
        r#"{"pagerduty": {"routingKey": "hunter2"}}"#,
        r#"{"email": {"url": "smtp://u:hunter2@mail", "from": "a@b", "to": ["c@d"]}}"#,
        r#"{"webhook": {"url": {"env": "U"}, "headers": [{"name": "X-Api-Key", "value": "hunter2"}]}}"#,
        r#"{"webhook": {"url": {"env": "U"}, "headers": [{"name": "PRIVATE-TOKEN", "value": "hunter2"}]}}"#,
        r#"{"webhook": {"url": {"env": "U"}, "headers": [{"name": "X-Vault-Token", "value": "hunter2"}]}}"#,
        r#"{"webhook": {"url": {"env": "U"}, "headers": [{"name": "Cookie", "value": "hunter2"}]}}"#,
        r#"{"webhook": {"url": {"env": "U"}, "headers": [{"name": "X", "valueFrom": "hunter2"}]}}"#,
    ] {
        let text =
            super::document("NotificationSink", "x", serde_json::from_str(spec).expect("JSON")).to_string();
        let problems = crate::manifest::parse("f", text.as_bytes()).problems;
        assert!(!problems.is_empty(), "{spec}");
        for problem in problems {
            assert!(!problem.rendered.contains("hunter2"), "{}", problem.rendered);
        }
    }
}

#[test]
fn a_secret_in_the_wrong_place_of_a_probe_is_refused_and_never_shown() {
    for spec in [
        r#"{"httpGet": {"path": "/x?token=hunter2"}}"#,
        r#"{"httpGet": {"path": "/x#access_token=hunter2"}}"#,
        r#"{"httpGet": {"host": "user:hunter2@web"}}"#,
        r#"{"tcpSocket": {"port": 1, "host": "hunter2@web"}}"#,
    ] {
        let text = super::document("Probe", "x", serde_json::from_str(spec).expect("JSON")).to_string();
        let problems = crate::manifest::parse("f", text.as_bytes()).problems;
        assert!(!problems.is_empty(), "{spec}");
        for problem in problems {
            assert!(!problem.rendered.contains("hunter2"), "{}", problem.rendered);
        }
    }
}

#[test]
fn alert_rules() {
    good(
        "AlertRule",
        &[
            r#"{"subject": {"system": {}}, "condition": {"metric": "cpu_percent", "op": ">", "value": 90, "clearBelow": 80},
                "for": "1m", "severity": "critical", "notify": [{"sinkRef": "ops"}]}"#,
            r#"{"subject": {"containers": {"selector": {"all": true}}}, "condition": {"metric": "restarts", "op": ">=", "value": 3}}"#,
            r#"{"subject": {"services": {"names": ["shop-*"]}}, "condition": {"metric": "status", "op": "!=", "value": "healthy"}}"#,
            r#"{"subject": {"services": {"names": ["*"]}}, "condition": {"metric": "success_rate", "op": "<", "value": 99.5, "clearAbove": 99.9}}"#,
        ],
    );
    let system = |condition: &str| format!(r#"{{"subject": {{"system": {{}}}}, "condition": {condition}}}"#);
    bad(
        "AlertRule",
        &[
            r#"{"condition": {"metric": "load1", "op": ">", "value": 9}}"#,
            r#"{"subject": {}, "condition": {"metric": "load1", "op": ">", "value": 9}}"#,
            r#"{"subject": {"system": {}, "services": {"names": ["a"]}}, "condition": {"metric": "cpu_percent", "op": ">", "value": 9}}"#,
            r#"{"subject": {"services": {"names": []}}, "condition": {"metric": "status", "op": "==", "value": "error"}}"#,
            &system(r#"{"metric": "cpu", "op": ">", "value": 9}"#),
            &system(r#"{"metric": "load1", "op": "=", "value": 9}"#),
            &system(r#"{"metric": "load1", "op": ">"}"#),
            &system(r#"{"metric": "load1", "op": ">", "value": true}"#),
        ],
    );
    for (condition, expected) in [
        (
            r#"{"metric": "restarts", "op": ">", "value": 1}"#,
            "spec.condition.metric: the system has no restarts; there is cpu_percent, memory_percent, disk_percent, load1",
        ),
        (r#"{"metric": "load1", "op": ">", "value": "high"}"#, "spec.condition.value: must be a number"),
        (
            r#"{"metric": "disk_percent", "op": ">", "value": 101}"#,
            "spec.condition.value: 101 is out of range: 0 to 100",
        ),
        (
            r#"{"metric": "load1", "op": ">", "value": 8, "clearBelow": 9}"#,
            "spec.condition.clearBelow: must not be greater than value, which is 8",
        ),
        (
            r#"{"metric": "load1", "op": "<", "value": 8, "clearBelow": 7}"#,
            "spec.condition.clearBelow: is used with > and >=; with < and <= use clearAbove",
        ),
    ] {
        refused("AlertRule", &[(&system(condition), expected)]);
    }
    let status = r#"{"subject": {"services": {"names": ["a"]}}, "condition": {"metric": "status", "op": ">", "value": "unhealty"}}"#;
    refused(
        "AlertRule",
        &[
            (status, "spec.condition.value: did you mean `unhealthy`?"),
            (status, "spec.condition.op: a status is compared with == or !="),
        ],
    );
}

#[test]
fn silences() {
    good(
        "Silence",
        &[
            r#"{"selector": {"all": true}, "endsAt": "2030-01-01T00:00:00Z"}"#,
            r#"{"selector": {"all": true}, "startsAt": "2030-01-01T00:00:00Z", "endsAt": "2030-01-01T01:00:00+00:00",
                "suppress": ["healing"], "reason": "move"}"#,
            r#"{"selector": {"all": true}, "schedule": {"days": ["sat"], "start": "02:00", "duration": "2h",
                "timezone": "Europe/Berlin"}, "suppress": ["notifications", "healing"]}"#,
            r#"{"selector": {"all": true}, "schedule": {"start": "02:00", "duration": "2h"}}"#,
        ],
    );
    let schedule = |fields: &str| format!(r#"{{"selector": {{"all": true}}, "schedule": {{{fields}}}}}"#);
    bad(
        "Silence",
        &[
            r#"{"endsAt": "2030-01-01T00:00:00Z"}"#,
            r#"{"selector": {}}"#,
            r#"{"selector": {}, "endsAt": "2030-01-01T00:00:00Z", "suppress": []}"#,
            r#"{"selector": {}, "endsAt": "2030-01-01T00:00:00Z", "suppress": ["healing", "healing"]}"#,
            r#"{"selector": {}, "endsAt": "2030-01-01T00:00:00Z", "suppress": ["all"]}"#,
            r#"{"selector": {}, "endsAt": "2030-01-01T00:00:00Z", "schedule": {"start": "02:00", "duration": "2h"}}"#,
            &schedule(r#""duration": "2h""#),
            &schedule(r#""start": "2:00", "duration": "2h""#),
            &schedule(r#""start": "24:00", "duration": "2h""#),
            &schedule(r#""start": "02:00", "duration": "2h", "days": []"#),
            &schedule(r#""start": "02:00", "duration": "2h", "days": ["saturday"]"#),
            &schedule(r#""start": "02:00", "duration": "2h", "cron": "* * * * *""#),
        ],
    );
    refused(
        "Silence",
        &[
            (
                r#"{"selector": {"all": true}, "startsAt": "2030-01-01T00:00:00Z", "endsAt": "2030-01-01T00:00:00Z"}"#,
                "spec.endsAt: must be later than startsAt, which is 2030-01-01T00:00:00Z",
            ),
            (
                &schedule(r#""start": "02:00", "duration": "2h", "timezone": "Europe/Berln""#),
                "spec.schedule.timezone: there is no such time zone; did you mean `Europe/Berlin`?",
            ),
            (
                &schedule(r#""start": "02:00", "duration": "8d""#),
                "spec.schedule.duration: must not be longer than 7d",
            ),
            (
                &schedule(r#""start": "02:00", "duration": "0s""#),
                "spec.schedule.duration: must be longer than 0s",
            ),
        ],
    );
}

#[test]
fn workloads() {
    good(
        "Workload",
        &[
            r#"{"image": "nginx:alpine"}"#,
            r#"{"image": "nginx:alpine", "replicas": 2, "command": ["nginx"], "env": [{"name": "A", "value": ""},
                {"name": "B", "valueFrom": {"env": "C"}}], "ports": [{"container": 80}, {"container": 53, "host": 0, "protocol": "udp"}],
                "resources": {"cpu": "500m", "memory": "512m"}, "labels": {"tier": "web"}, "networks": ["front"],
                "volumes": ["data:/data", "/etc/x:/x:ro"], "healthcheck": {"test": ["CMD", "true"], "interval": "5s",
                "timeout": "3s", "retries": 2, "startPeriod": "0s"}, "restartPolicy": "on-failure",
                "update": {"maxUnavailable": "25%", "maxSurge": 0}, "scale": {"min": 1, "max": 5, "cpuPercent": 70, "cooldown": "3m"},
                "pullPolicy": "Always"}"#,
            r#"{"image": "a", "resources": {"cpu": 0.5, "memory": "256Mi"}, "replicas": 1, "ports": [{"container": 80, "host": 8080}]}"#,
            r#"{"image": "a", "resources": {"cpu": "2", "memory": "1g"}, "replicas": 0, "healthcheck": {"test": ["NONE"]}}"#,
        ],
    );
    bad(
        "Workload",
        &[
            "{}",
            r#"{"image": ""}"#,
            r#"{"image": "a b"}"#,
            r#"{"image": "a", "replicas": -1}"#,
            r#"{"image": "a", "replicas": 1001}"#,
            r#"{"image": "a", "command": "nginx -g x"}"#,
            r#"{"image": "a", "env": [{"name": "A"}]}"#,
            r#"{"image": "a", "env": [{"name": "A=B", "value": "c"}]}"#,
            r#"{"image": "a", "env": [{"name": "A", "valueFrom": "hunter2"}]}"#,
            r#"{"image": "a", "env": {"A": "b"}}"#,
            r#"{"image": "a", "ports": [{"container": 0}]}"#,
            r#"{"image": "a", "ports": ["80:80"]}"#,
            r#"{"image": "a", "resources": {"cpu": "half"}}"#,
            r#"{"image": "a", "resources": {"memory": "256"}}"#,
            r#"{"image": "a", "resources": {"memory": "256M"}}"#,
            r#"{"image": "a", "resources": {"memory": 256}}"#,
            r#"{"image": "a", "volumes": ["/data"]}"#,
            r#"{"image": "a", "healthcheck": {"test": []}}"#,
            r#"{"image": "a", "restartPolicy": "Always"}"#,
            r#"{"image": "a", "pullPolicy": "always"}"#,
            r#"{"image": "a", "scale": {"min": 1}}"#,
            r#"{"image": "a", "scale": {"max": 2, "cpuPercent": 101}}"#,
        ],
    );
    refused(
        "Workload",
        &[
            (
                r#"{"image": "a", "resources": {"memory": "256M"}}"#,
                "spec.resources.memory: \"256M\" is unclear: Docker and Kubernetes mean different things by it; write \"256m\"",
            ),
            (
                r#"{"image": "a", "resources": {"memory": "1m"}}"#,
                "spec.resources.memory: the engine's minimum is 6m",
            ),
            (
                r#"{"image": "a", "replicas": 2, "ports": [{"container": 80, "host": 8080}]}"#,
                "spec.ports[0].host: only one of 2 containers can have a fixed port: use 0 for free ports",
            ),
            (
                r#"{"image": "a", "update": {"maxUnavailable": 0, "maxSurge": "0%"}}"#,
                "spec.update: if both maxUnavailable and maxSurge are 0, no container can be replaced",
            ),
            (
                r#"{"image": "a", "scale": {"min": 3, "max": 2}}"#,
                "spec.scale.min: must not be greater than max, which is 2",
            ),
            (
                r#"{"image": "a", "labels": {"managed-by": "me"}}"#,
                "spec.labels.managed-by: is set by Portreeve itself",
            ),
            (
                r#"{"image": "a", "healthcheck": {"test": ["curl", "x"]}}"#,
                "spec.healthcheck.test: must start with CMD, CMD-SHELL or NONE",
            ),
            (
                r#"{"image": "a", "volumes": ["a:/x", "b:/x"]}"#,
                "spec.volumes[1]: something else is mounted at /x already",
            ),
            (
                r#"{"image": "a", "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}"#,
                "spec.env[1].name: `A` is given twice",
            ),
        ],
    );
}
