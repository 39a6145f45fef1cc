use proptest::prelude::*;

use super::*;

/// What a file says that somebody named itself.
fn parse(file: &str, content: &[u8]) -> Parsed {
    let mut parsed = super::parse(file, content);
    parsed.insist();
    parsed
}

const BILLING: &str = "\
apiVersion: portreeve/v1
kind: BillingService
metadata:
  name: billing
";

fn rendered(text: &str) -> String {
    let parsed = parse("shop.yaml", text.as_bytes());
    assert!(parsed.problems.iter().all(|problem| !problem.to_string().contains('\n')));
    parsed.problems.iter().map(|problem| problem.rendered.as_str()).collect::<Vec<_>>().join("\n\n")
}

fn messages(text: &str) -> Vec<String> {
    parse("f", text.as_bytes()).problems.iter().map(ToString::to_string).collect()
}

fn settings(spec: &str) -> String {
    format!("apiVersion: portreeve/v1\nkind: Settings\nmetadata: {{name: portreeve}}\nspec: {spec}\n")
}

#[test]
fn every_fault_of_a_document_is_shown_with_its_line() {
    let text = format!(
        "{BILLING}spec:
  urll: http://localhost:8001
  timeout: 5
  port: 12
  events: [started, stoped]
  retry: later
"
    );
    let expected = r#"error: spec: unknown field `urll`; did you mean `url`?
 --> shop.yaml:6:3
  |
6 |   urll: http://localhost:8001
  |   ^^^^

error: spec.timeout: "5" is not a duration: write a whole number and a unit (ms, s, m, h, d), such as "90s", "5m" or "1h30m"
 --> shop.yaml:7:12
  |
7 |   timeout: 5
  |            ^

error: spec: unknown field `port`; there is url, path, selector, events, timeout, retry, host, auth, signing
 --> shop.yaml:8:3
  |
8 |   port: 12
  |   ^^^^

error: spec.events[1]: `stoped` is not a valid value; did you mean `stopped`?
 --> shop.yaml:9:21
  |
9 |   events: [started, stoped]
  |                     ^^^^^^

error: spec.retry: expected a mapping, found text
  --> shop.yaml:10:10
   |
10 |   retry: later
   |          ^^^^^"#;
    assert_eq!(rendered(&text), expected);
}

#[test]
fn each_document_reports_for_itself_and_good_ones_are_read() {
    let text = format!(
        "# a shop\n{}---\napiVersion: portreeve/v1\nkind: BillingServic\nmetadata: {{name: b}}\nspec: {{}}\n---\n\
         apiVersion: portreeve/v2\nspec:\n  a: 1\n   b: 2\n---\n{}",
        settings("{resync: 5m}"),
        settings("{resync: 0s, criticalCpu: 101}")
    );
    let parsed = parse("shop.yaml", text.as_bytes());
    assert_eq!(parsed.objects.len(), 1);
    assert_eq!((parsed.objects[0].place.line, parsed.objects[0].place.column), (4, 18));
    let expected = "\
error: unknown kind `BillingServic`; did you mean `BillingService`?
 --> shop.yaml:8:7
  |
8 | kind: BillingServic
  |       ^^^^^^^^^^^^^

error: indented by 3 spaces, and the field above it by 2 spaces: fields of one mapping begin in the same column
  --> shop.yaml:15:4
   |
15 |    b: 2
   |    ^

error: spec.resync: must be longer than 0s
  --> shop.yaml:20:16
   |
20 | spec: {resync: 0s, criticalCpu: 101}
   |                ^^

error: spec.criticalCpu: 101 is out of range: 1 to 100
  --> shop.yaml:20:33
   |
20 | spec: {resync: 0s, criticalCpu: 101}
   |                                 ^^^";
    assert_eq!(rendered(&text), expected);
}

#[test]
fn types_values_and_meaning_are_told_at_once() {
    let text = "apiVersion: portreeve/v1\nkind: Settings\nmetadata: {name: other, labels: 3}\nspec: {resync: 0s, retryAttempts: many, \
                criticalCpu: 101, resinc: 1}\n";
    let found = messages(text);
    for says in [
        "f:3:33: metadata.labels: expected a mapping",
        "f:3:18: metadata.name: there is one Settings object",
        "f:4:16: spec.resync: must be longer than 0s",
        "f:4:35: spec.retryAttempts: expected a whole number",
        "f:4:54: spec.criticalCpu: 101 is out of range",
        "f:4:59: spec: unknown field `resinc`",
    ] {
        assert!(found.iter().any(|message| message.starts_with(says)), "{says}: {found:#?}");
    }
    assert_eq!(found.len(), 6, "{found:#?}");
}

#[test]
fn a_secret_written_out_is_refused_and_never_shown() {
    for auth in [
        "{bearer: hunter2}",
        "hunter2",
        "{basic: {username: ada, password: hunter2}}",
        "{basic: {username: ada, password: {value: hunter2}}}",
        "{bearer: {env: A, file: b}, basic: {username: a, password: hunter2}}",
    ] {
        let text = rendered(&format!("{BILLING}spec:\n  url: http://a\n  auth: {auth}\n"));
        assert!(!text.is_empty() && !text.contains("hunter2"), "{text}");
    }
    let text = rendered(&format!("{BILLING}spec: {{url: 'http://ada:hunter2@host'}}\n"));
    assert!(text.contains("contains a user, a password or a token") && !text.contains("hunter2"), "{text}");
    let text = rendered(&format!("{BILLING}spec:\n  url: http://a\n  signing: {{secret: hunter2}}\n"));
    let expected = "\
error: spec.signing.secret: a secret is never written in a manifest: use {env: NAME} or {file: path}
 --> shop.yaml:7:21
  |
7 |   signing: {secret: *******}
  |                     ^^^^^^^";
    assert_eq!(text, expected);
}

#[test]
fn what_breaks_the_rules_of_a_kind_is_named_by_path() {
    let billing = |spec: &str| messages(&format!("{BILLING}spec: {spec}\n"));
    assert_eq!(
        billing("{url: 'localhost:8001', retry: {max: 500ms}}"),
        [
            "f:5:13: spec.url: must start with http:// or https://",
            "f:5:31: spec.retry.initial: must not be longer than max, which is 500ms",
        ]
    );
    assert_eq!(billing("{url: 'http://a', auth: {}}"), ["f:5:25: spec.auth: give one of bearer and basic"]);
    let policy = |spec: &str| {
        messages(&format!(
            "apiVersion: portreeve/v1\nkind: AutohealPolicy\nmetadata: {{name: p}}\nspec:\n  {spec}\n"
        ))
    };
    assert_eq!(
        policy("backoff: {multiplier: 0.5, jitter: 2}"),
        [
            "f:5:25: spec.backoff.multiplier: 0.5 is out of range: 1 to 100",
            "f:5:38: spec.backoff.jitter: 2 is out of range: 0 to 1",
        ]
    );
    assert_eq!(
        policy("selector: {labels: {autoheal: true}}"),
        ["f:5:33: spec.selector.labels.autoheal: expected text, found true or false: put it in quotes"]
    );
    assert_eq!(
        policy("budget: {restarts: -1}"),
        [
            "f:5:22: spec.budget.restarts: expected a whole number from 0 to 4294967295, found a negative number"
        ]
    );
    assert_eq!(
        messages("apiVersion: portreeve/v1\nkind: Settings\nmetadata: {name: other}\nspec: {}\n"),
        ["f:3:18: metadata.name: there is one Settings object, named `portreeve`"]
    );
    assert_eq!(
        messages(
            "apiVersion: portreeve/v1\nkind: Silence\nmetadata: {name: a}\n\
             spec: {selector: {all: true}, endsAt: tomorrow}\n"
        ),
        ["f:4:39: spec.endsAt: \"tomorrow\" is not a time such as 2026-11-22T15:00:00Z"]
    );
    assert_eq!(
        messages("kind: DockerHost\nmetadata: {name: 'a b', labels: {x: [1]}}\n"),
        [
            "f:1:1: the field `apiVersion` is missing",
            "f:1:1: the field `spec` is missing",
            "f:2:34: metadata.labels.x: expected text, found a list",
        ]
    );
}

#[test]
fn a_document_read_from_the_api_can_be_written_back() {
    let text = "apiVersion: portreeve/v1\nkind: Settings\nmetadata: {name: portreeve, uid: x, generation: 4, \
                origin: api, creationTimestamp: 2026-01-01T00:00:00Z}\nspec: {resync: 5m}\nstatus: {a: [1]}\n";
    let parsed = parse("f", text.as_bytes());
    assert_eq!(parsed.problems, []);
    let object = &parsed.objects[0].object;
    assert_eq!((object.metadata.generation, object.metadata.uid.as_deref()), (0, None));
    assert_eq!(object.origin().to_string(), "directory:f");
    assert_eq!(object.given.iter().collect::<Vec<_>>(), ["resync"]);
    let written = crate::manifest::write([object, object]).expect("YAML");
    let again = parse("f", written.as_bytes());
    assert_eq!((again.problems, again.objects.len()), (vec![], 2));
    assert_eq!(again.objects[1].object.spec, object.spec);
}

#[test]
fn json_is_read_like_yaml() {
    let good = r#"{"apiVersion": "portreeve/v1", "kind": "Settings",
	"metadata": {"name": "portreeve"}, "spec": {"resync": "5m", "retryAttempts": 2}}"#;
    assert_eq!(messages(good), Vec::<String>::new());
    let bad = good.replace("retryAttempts", "retryAttempt");
    assert_eq!(messages(&bad), ["f:2:62: spec: unknown field `retryAttempt`; did you mean `retryAttempts`?"]);
}

#[test]
fn yaml_that_says_something_unclear_is_refused() {
    for (text, expected) in [
        ("a: 1\na: 2\n", "f:2:1: `a` is given twice"),
        ("a: {b: {c: 1, c: 2}}\n", "f:1:15: `c` is given twice"),
        ("a: !x 1\n", "f:1:4: tags (`!name`) are not supported"),
        ("1: a\n", "f:1:1: a key must be text: put it in quotes"),
        ("[a]: a\n", "f:1:1: a key must be text: put it in quotes"),
        ("a: &x {b: 1}\nc: {<<: *x}\n", "f:2:5: merge keys (`<<`) are not supported: write the fields out"),
        ("a: *x\n", "f:1:4: unknown anchor"),
        ("a:\n\tb: 1\n", "f:2:1: a tab; YAML indents with spaces"),
        ("a:\n  b:\n  \tc: 1\n", "f:3:3: a tab; YAML indents with spaces"),
        ("a:\n  b: @c\n", "f:2:6: a value that begins with `@` must stand in quotes"),
        ("a: .inf\n", "f:1:4: the number is not finite"),
        ("a: 99999999999999999999\n", "f:1:4: the number is too large"),
        ("just text\n", "f:1:1: a document is a mapping of apiVersion, kind, metadata, spec, status"),
        ("a: 1\nb: \"x\n", "f:2:4: a quote is opened here and never closed"),
        ("a: b\u{7}\n", "f:1:5: the character U+0007 is not allowed in YAML"),
        ("---\na: 1\n---\nb: \"x\n", "f:4:4: a quote is opened here and never closed"),
    ] {
        let found = messages(text);
        assert!(found.iter().any(|message| message == expected), "{text:?}: {found:?}");
    }
    let bytes = parse("f", b"a: b\nc: \xff\n").problems;
    assert_eq!(bytes[0].to_string(), "f:2:4: is not UTF-8 from here on");
    assert_eq!(parse("f", b"\xef\xbb\xbf# only a mark\n"), Parsed::default());
}

#[test]
fn common_slips_are_told_with_what_would_be_right() {
    for (text, expected) in [
        (
            "a: 1\n b: 2\n",
            "f:2:2: indented by 1 space, and the field above it by 0 spaces: fields of one mapping begin in the same column",
        ),
        (
            "l:\n  - a: 1\n      b: 2\n",
            "f:3:7: indented by 6 spaces, and the field above it by 4 spaces: fields of one mapping begin in the same column",
        ),
        (
            "s:\n    a: 1\n  b: 2\n",
            "f:3:3: indented by 2 spaces, where nothing above it begins: the field above it is indented by 4 spaces",
        ),
        ("a:\n  url:http://x\n  b: 1\n", "f:2:6: a space is missing after `url:`"),
        ("a: 1\nb:2\nc: 3\n", "f:2:2: a space is missing after `b:`"),
        (
            "kind Probe\nb: 1\n",
            "f:1:1: this is neither `name: value` nor `- item`: a colon or a dash is missing",
        ),
        (
            "a:\n  - x\n  y\n  - z\n",
            "f:3:3: this is neither `name: value` nor `- item`: a colon or a dash is missing",
        ),
        (
            "l:\n  - name: x\n  value: y\n",
            "f:3:3: the list above goes on with `- `: here a dash is missing, or the indentation of the item above",
        ),
        ("a: - x\n", "f:1:4: a list begins on a line of its own: put each `- item` on a line below"),
        ("a: b: c\n", "f:1:5: a value that holds `: ` must stand in quotes"),
        ("a: {b: 1\nc: 2\n", "f:2:2: a comma, or the closing `}`, is missing before this"),
        ("a: [1, 2\nb: 3\n", "f:2:2: a comma, or the closing `]`, is missing before this"),
        ("b: 'it's'\n", "f:1:8: a value that holds a quote must stand in quotes of the other kind"),
    ] {
        assert_eq!(messages(text), [expected], "{text:?}");
    }
}

#[test]
fn a_hostile_file_costs_little_and_is_refused() {
    let bomb = (0..40).fold("a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, level| {
        let alias = format!("*a{level},").repeat(9);
        format!("{text}a{}: &a{} [{alias}]\n", level + 1, level + 1)
    });
    let large = format!("a: &a {}\n", "x".repeat(500_000))
        + &(0..90).map(|i| format!("b{i}: *a\n")).collect::<String>();
    let unknown = (0..30_000).map(|i| format!("  k{i}: 1\n")).collect::<String>();
    for (name, text, expected) in [
        ("alias bomb", bomb, "more than 100000 values"),
        ("large alias", large, "bytes of text"),
        ("flow nest", "[".repeat(1_000_000), "brackets"),
        ("flow map nest", "{a: ".repeat(200_000), "brackets"),
        ("shallow nest", "[".repeat(1_000), "64 levels"),
        ("block nest", "- ".repeat(500_000), "64 levels"),
        ("complex keys", "? ".repeat(500_000), "a key must be text"),
        ("indented nest", (0..1_000).map(|i| format!("{}a:\n", " ".repeat(i))).collect(), "64 levels"),
        ("too large", "#".repeat(LARGEST_FILE + 1), "larger than"),
        ("documents", "---\na\n".repeat(2_000), "documents"),
        ("unknown fields", settings(&format!("\n{unknown}")), "unknown field"),
        ("long key", settings(&format!("{{\"{}\": 1}}", "k".repeat(900))), "unknown field"),
        ("long line", settings(&format!("{{resync: \"{}\"}}", "9".repeat(500_000))), "is not a duration"),
    ] {
        let problems = parse("f", text.as_bytes()).problems;
        let found = problems.iter().any(|problem| problem.message.contains(expected));
        assert!(found, "{name}: {:?}", problems.first().map(|problem| &problem.message));
        assert!(
            problems.iter().all(|problem| problem.message.len() + problem.rendered.len() < 4_000),
            "{name}"
        );
        assert!(problems.len() <= MOST_PROBLEMS + 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        parse("f", &bytes);
    }

    #[test]
    fn no_yaml_like_text_makes_reading_panic(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                "apiVersion: portreeve/v1", "kind: Settings", "kind: BillingService", "metadata:", "name: a", "spec:",
                "auth:", "bearer:", "url: http://a:b@c", "\n", "\n  ", "\n    ", "- ", "? ", ": ", "{", "}", "[", "]", ",",
                "&a ", "*a", "!t ", "|", ">", "\"", "'", "#", "---", "...", "%YAML 1.2", "é", "\u{2028}", "\t", "1", "~",
            ]),
            0..60,
        )
    ) {
        let text: String = words.concat();
        for problem in parse("f", text.as_bytes()).problems {
            prop_assert!(!problem.rendered.is_empty());
            prop_assert!(problem.line.is_none_or(|line| line <= super::super::split::lines(&text).count() + 1));
        }
    }

    #[test]
    fn a_cut_or_changed_document_never_panics(at in 0usize..300, with in any::<char>()) {
        let text = format!("{BILLING}spec:\n  url: http://a\n  auth: {{basic: {{username: a, password: {{env: B}}}}}}\n");
        let cut: String = text.chars().take(at).chain([with]).chain(text.chars().skip(at + 1)).collect();
        parse("f", cut.as_bytes());
    }
}
