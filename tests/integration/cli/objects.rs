//! Verbs for what is declared. No engine is needed.

use super::transcript::Shell;
use super::{serving, without_engine};
use crate::support::portreeve::Portreeve;
use crate::support::wait;

const BILLING: &str = "\
apiVersion: portreeve/v1
kind: BillingService
metadata: {name: billing, labels: {tier: back}}
spec: {url: http://127.0.0.1:1, selector: {names: [\"web-*\"]}}
";

fn shell(portreeve: &Portreeve) -> Shell {
    Shell::of(portreeve).mask(&portreeve.config_dir().display().to_string(), "CONFIG")
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_applied_shown_compared_pruned_and_deleted() {
    let portreeve = without_engine().await;
    shell(&portreeve).assert_transcript("objects.txt");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_to_nothing_and_a_kind_without_effect_are_told_everywhere() {
    let portreeve = without_engine().await;
    shell(&portreeve).assert_transcript("references.txt");
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_answered_with_the_place_and_the_right_word() {
    let portreeve = without_engine().await;
    shell(&portreeve).assert_transcript("mistakes.txt");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_edited_and_nothing_that_was_typed_is_lost() {
    let portreeve = without_engine().await;
    shell(&portreeve).assert_transcript("edit.txt");
}

#[tokio::test(flavor = "multi_thread")]
async fn verbs_without_a_server_and_the_process_itself() {
    // Its address was free a moment ago; the transcript starts the program there.
    let portreeve = Portreeve::new(super::BINARY);
    Shell::before(&portreeve).assert_transcript("process.txt");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_a_directory_is_not_changed_by_others() {
    let portreeve = Portreeve::new(super::BINARY).docker_host("unix:///nowhere/docker.sock");
    portreeve.manifest("billing.yaml", BILLING);
    let portreeve = serving(portreeve).await;
    let shell = shell(&portreeve);
    shell.file("billing.yaml", &BILLING.replace("back", "front"));
    shell.assert_transcript("directory.txt");
}

#[tokio::test(flavor = "multi_thread")]
async fn annotations_keep_an_object_without_its_file_and_suspend_another() {
    let portreeve = Portreeve::new(super::BINARY).docker_host("unix:///nowhere/docker.sock");
    let annotated = |name: &str, annotation: &str| {
        let metadata = format!("{{name: {name}, annotations: {{{annotation}}}}}");
        BILLING.replace("{name: billing, labels: {tier: back}}", &metadata)
    };
    portreeve.manifest("kept.yaml", &annotated("kept", "portreeve/prune: disabled"));
    portreeve.manifest("suspended.yaml", &annotated("held", "portreeve/suspend: \"true\""));
    let portreeve = serving(portreeve).await;
    let shell = shell(&portreeve);
    std::fs::remove_file(portreeve.config_dir().join("kept.yaml")).expect("a file");
    wait::until("it belongs to the API", wait::SOON, || async {
        let said = shell.run("portreeve get bill kept -o wide; portreeve events --for bill/kept");
        wait::is(said.contains("  api  ") && said.contains("PruneDisabled"), said)
    })
    .await;
    shell.assert_transcript("annotations.txt");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_it_is_said_what_to_do() {
    // A port that was free a moment ago.
    let portreeve = Portreeve::new(super::BINARY);
    let shell = Shell::before(&portreeve);
    shell.file("billing.yaml", BILLING);
    shell.assert_transcript("offline.txt");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_for_and_taken() {
    let portreeve = Portreeve::new(super::BINARY)
        .docker_host("unix:///nowhere/docker.sock")
        .env("PORTREEVE_TOKEN", "s3cret");
    let portreeve = serving(portreeve).await;
    Shell::new(&portreeve.url("")).assert_transcript("token.txt");
    // Whoever may open the socket needs none.
    assert_eq!(shell(&portreeve).run("portreeve get heal -o name"), "AutohealPolicy/default\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_only_read_is_told_so_once_and_not_for_each_object() {
    let portreeve = without_engine().await;
    // By the address and not by the socket, whose user may do everything.
    let shell = Shell::new(&portreeve.url(""));
    let two = ["a", "b"].map(|name| BILLING.replace("name: billing", &format!("name: {name}"))).join("---\n");
    shell.file("two.yaml", &two);
    let refused = shell.run("portreeve apply -f two.yaml");
    assert_eq!(refused.matches("error: ").count(), 1, "{refused}");
    assert!(!refused.contains("-->"), "{refused}");
    let refused = shell.run("portreeve delete heal/default settings/portreeve");
    assert_eq!(refused.matches("error: ").count(), 1, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_objects_are_applied_in_one_go_and_again_without_a_change() {
    let portreeve = without_engine().await;
    let shell = shell(&portreeve);
    let object = |n: u32| BILLING.replace("name: billing", &format!("name: b{n:04}"));
    for (file, range) in [("a.yaml", 0..900), ("b.yaml", 900..1_800), ("c.yaml", 1_800..2_000)] {
        let documents: Vec<String> = range.map(object).collect();
        shell.file(file, &documents.join("---\n"));
    }
    let apply = "portreeve apply -f a.yaml b.yaml c.yaml";
    let begin = std::time::Instant::now();
    assert_eq!(shell.run(&format!("{apply} | grep -c created")), "2000\n");
    println!("2,000 objects applied in {:?}", begin.elapsed());
    assert_eq!(shell.run(&format!("{apply} | grep -c unchanged")), "2000\n");
    assert_eq!(shell.run("portreeve get bill -o name | wc -l").trim(), "2000");
    wait::until("it is decided on", wait::SOON, || async {
        let said = shell.run("portreeve status");
        wait::is(said.contains("2003 objects"), said)
    })
    .await;
}
