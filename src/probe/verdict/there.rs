//! Rows of what is the target's and has no code in its protocol.

use super::cause::There;
use super::meaning::Meaning::{Denied, NotYet, Unanswered, Unhealthy};
use super::pattern::Pattern;
use super::row::Row;

pub(super) const ROWS: &[Row] = &[
    Row {
        seen: Pattern::There(&[There::NoSuchName]),
        means: Unhealthy,
        says: "the name does not exist",
        why: "a DNS server says so, so the target cannot be found",
        shown_by: &["probes::verdicts::resolver::a_name_that_does_not_exist_is_the_targets_trouble"],
    },
    Row {
        seen: Pattern::There(&[There::Refused]),
        means: Unhealthy,
        says: "nothing listens there",
        why: "after a restart it listens again",
        shown_by: &[
            "probes::strangers::a_closed_port_is_told",
            "probes::dual_stack::what_one_address_says_is_not_undone_by_our_trouble_with_another",
        ],
    },
    Row {
        seen: Pattern::There(&[There::Unreachable, There::Silent]),
        means: Unanswered,
        says: "no answer comes from there",
        why: "if no target answers any more, it is our network (`NetworkLost`)",
        shown_by: &[
            "probes::network::when_nobody_outside_answers_any_more_it_is_our_network_that_is_blamed",
            "probes::dual_stack::what_one_address_says_is_not_undone_by_our_trouble_with_another",
        ],
    },
    Row {
        seen: Pattern::There(&[There::Hangs]),
        means: Unhealthy,
        says: "it accepted the connection, or began with the command, and then sent nothing more",
        why: "it hangs, and a restart helps",
        shown_by: &[
            "probes::strangers::a_server_that_says_nothing_is_told_with_the_step",
            "probes::strangers::a_server_that_repeats_what_it_hears_is_none",
            "probes::exec::a_command_that_does_not_end_is_the_containers_trouble",
        ],
    },
    Row {
        seen: Pattern::There(&[There::HungUp, There::Broken]),
        means: Unhealthy,
        says: "it closed the connection",
        why: "it gives no reason that the protocol defines",
        shown_by: &[
            "probes::http_get::answers::what_curl_refuses_is_refused",
            "probes::strangers::a_server_that_speaks_something_else_is_quoted",
        ],
    },
    Row {
        seen: Pattern::There(&[There::Nonsense]),
        means: Unhealthy,
        says: "the answer is not in this protocol",
        why: "it is not the expected server",
        shown_by: &[
            "probes::http_get::answers::what_curl_refuses_is_refused",
            "probes::http_get::bodies::what_is_not_as_its_headers_say_is_no_http",
            "probes::strangers::a_server_that_speaks_something_else_is_quoted",
            "probes::strangers::a_server_that_repeats_what_it_hears_is_none",
        ],
    },
    Row {
        seen: Pattern::There(&[There::Unexpected, There::Slow]),
        means: Unhealthy,
        says: "the answer is not what is expected",
        why: "the user decides what to expect",
        shown_by: &[
            "probes::http_get::bodies::values_in_json_are_found_by_any_key_and_compared_by_value",
            "probes::http_get::an_answer_as_expected_is_healthy_and_another_says_what_came",
        ],
    },
    Row {
        seen: Pattern::There(&[There::WantsLogin, There::LoginRefused]),
        means: Denied,
        says: "it requires a valid login",
        why: "a restart does not change its users",
        shown_by: &["probes::verdicts::postgres::who_wants_a_password_and_gets_none_refuses_us"],
    },
    Row {
        seen: Pattern::There(&[There::WantsCertificate]),
        means: Denied,
        says: "it requires a client certificate",
        why: "it works for clients that have one",
        shown_by: &["probes::http_get::a_site_that_wants_a_certificate_of_its_clients_refuses_us"],
    },
    Row {
        seen: Pattern::There(&[There::HungUpOnLogin]),
        means: Denied,
        says: "it answers requests without a login, and closes the connection at a login",
        why: "a restart does not change its users",
        shown_by: &[
            "probes::verdicts::kafka::a_listener_that_wants_a_login_refuses_us",
            "probes::verdicts::amqp::a_broker_that_hangs_up_on_a_login_refuses_it",
        ],
    },
    Row {
        seen: Pattern::There(&[There::WantsTls]),
        means: Denied,
        says: "it expects TLS there, and the probe does not use TLS",
        why: "it works for clients that use TLS",
        shown_by: &[
            "probes::http_get::sites::the_host_that_is_declared_is_the_site_that_is_asked",
            "probes::verdicts::encryption::a_port_with_nothing_but_tls_is_not_sick_when_asked_in_the_clear",
        ],
    },
    Row {
        seen: Pattern::There(&[There::NoTls, There::NotTls]),
        means: Denied,
        says: "the probe uses TLS, and it does not support TLS there",
        why: "a restart creates no certificate",
        shown_by: &["probes::verdicts::encryption::a_server_without_the_tls_that_is_declared_refuses_us"],
    },
    Row {
        seen: Pattern::There(&[There::TlsAlert]),
        means: Denied,
        says: "it ended the TLS handshake with an alert",
        why: "a server that refuses a handshake is running",
        shown_by: &[
            "probes::verdicts::encryption::whoever_ends_a_handshake_with_an_alert_lives",
            "probes::verdicts::encryption::a_server_that_wants_a_certificate_of_its_clients_refuses_us",
        ],
    },
    Row {
        seen: Pattern::There(&[There::Certificate]),
        means: Unhealthy,
        says: "its certificate does not meet the probe's `tls`",
        why: "this probe checks the certificate; many servers read a new one only at a restart",
        shown_by: &[
            "trust::whose_certificates_are_good_and_until_when",
            "probes::tls::a_certificate_must_be_trusted_and_for_the_host_and_last_a_while",
        ],
    },
    Row {
        seen: Pattern::There(&[There::ExitCode]),
        means: Unhealthy,
        says: "the command exited with a code other than 0",
        why: "the user decides what the command checks",
        shown_by: &["probes::exec::a_command_in_the_container_decides_by_its_exit_code"],
    },
    Row {
        seen: Pattern::There(&[There::ExecRefused]),
        means: Unhealthy,
        says: "the engine refuses to run the command",
        why: "the container has just exited or is paused, or an earlier run of the command hangs",
        shown_by: &[
            "probes::exec::a_command_in_the_container_decides_by_its_exit_code",
            "probes::exec::a_container_that_takes_no_command_is_unhealthy",
        ],
    },
    Row {
        seen: Pattern::There(&[There::DockerStarting]),
        means: NotYet,
        says: "Docker's health check has no result yet",
        why: "the check's start period limits how long this lasts",
        shown_by: &["probes::docker_health::dockers_word_is_the_probes_word"],
    },
    Row {
        seen: Pattern::There(&[There::DockerAwaited]),
        means: NotYet,
        says: "Docker's health check has not been run again yet",
        why: "its last result is from before a pause, or from before the engine was unreachable",
        shown_by: &["probes::docker_health::dockers_word_is_the_probes_word"],
    },
    Row {
        seen: Pattern::There(&[There::DockerUnhealthy]),
        means: Unhealthy,
        says: "Docker's health check says unhealthy",
        why: "the image decides what it checks",
        shown_by: &["probes::docker_health::dockers_word_is_the_probes_word"],
    },
    LAST,
];

/// What is left.
pub(super) const LAST: Row = Row {
    seen: Pattern::There(&[]),
    means: Unhealthy,
    says: "it is not running",
    why: "a restart starts it",
    shown_by: &["probes::verdicts::every_cause_without_a_code_has_a_row"],
};
