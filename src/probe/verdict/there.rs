//! Rows of what is the target's and has no code in its protocol.

use super::Meaning::{Denied, NotYet, Unanswered, Unhealthy};
use super::{Row, Seen, There};

pub(super) const ROWS: &[Row] = &[
    Row {
        seen: Seen::There(&[There::NoSuchName]),
        means: Unhealthy,
        says: "the name does not exist",
        why: "a name server says so: whoever is there cannot be found",
        shown_by: &["probes::verdicts::resolver::a_name_that_does_not_exist_is_the_targets_trouble"],
    },
    Row {
        seen: Seen::There(&[There::Refused]),
        means: Unhealthy,
        says: "nobody listens there",
        why: "a restart listens again",
        shown_by: &[
            "probes::strangers::a_closed_port_is_told",
            "probes::dual_stack::what_one_address_says_is_not_undone_by_our_trouble_with_another",
        ],
    },
    Row {
        seen: Seen::There(&[There::Unreachable, There::Silent]),
        means: Unanswered,
        says: "nothing comes from there",
        why: "unless nobody answers any more: then it is our network (`NetworkLost`)",
        shown_by: &[
            "probes::network::when_nobody_outside_answers_any_more_it_is_our_network_that_is_blamed",
            "probes::dual_stack::what_one_address_says_is_not_undone_by_our_trouble_with_another",
        ],
    },
    Row {
        seen: Seen::There(&[There::Hangs]),
        means: Unhealthy,
        says: "it took the connection, or began with the command, and then nothing more came",
        why: "what hangs is what a restart is for",
        shown_by: &[
            "probes::strangers::a_server_that_says_nothing_is_told_with_the_step",
            "probes::strangers::a_server_that_repeats_what_it_hears_is_none",
            "probes::exec::a_command_that_does_not_end_is_the_containers_trouble",
        ],
    },
    Row {
        seen: Seen::There(&[There::HungUp, There::Broken]),
        means: Unhealthy,
        says: "it ended the connection",
        why: "it does so without a reason that the protocol knows",
        shown_by: &[
            "probes::http_get::answers::what_curl_refuses_is_refused",
            "probes::strangers::a_server_that_speaks_something_else_is_quoted",
        ],
    },
    Row {
        seen: Seen::There(&[There::Nonsense]),
        means: Unhealthy,
        says: "what came is not this protocol",
        why: "it is not the server that it should be",
        shown_by: &[
            "probes::http_get::answers::what_curl_refuses_is_refused",
            "probes::http_get::bodies::what_is_not_as_its_headers_say_is_no_http",
            "probes::strangers::a_server_that_speaks_something_else_is_quoted",
            "probes::strangers::a_server_that_repeats_what_it_hears_is_none",
        ],
    },
    Row {
        seen: Seen::There(&[There::Unexpected, There::Slow]),
        means: Unhealthy,
        says: "the answer is not what is declared",
        why: "what to expect is the user's word",
        shown_by: &[
            "probes::http_get::bodies::values_in_json_are_found_by_any_key_and_compared_by_value",
            "probes::http_get::an_answer_as_expected_is_healthy_and_another_says_what_came",
        ],
    },
    Row {
        seen: Seen::There(&[There::WantsLogin, There::LoginRefused]),
        means: Denied,
        says: "it wants a login that it accepts",
        why: "it keeps its users",
        shown_by: &["probes::verdicts::postgres::who_wants_a_password_and_gets_none_refuses_us"],
    },
    Row {
        seen: Seen::There(&[There::WantsCertificate]),
        means: Denied,
        says: "it wants a certificate of its clients",
        why: "it works for those who have one",
        shown_by: &["probes::http_get::a_site_that_wants_a_certificate_of_its_clients_refuses_us"],
    },
    Row {
        seen: Seen::There(&[There::HungUpOnLogin]),
        means: Denied,
        says: "it answers what needs no login, and hangs up on what does",
        why: "it keeps its users",
        shown_by: &[
            "probes::verdicts::kafka::a_listener_that_wants_a_login_refuses_us",
            "probes::verdicts::amqp::a_broker_that_hangs_up_on_a_login_refuses_it",
        ],
    },
    Row {
        seen: Seen::There(&[There::WantsTls]),
        means: Denied,
        says: "it speaks TLS there, and was asked in the clear",
        why: "it works for those who speak TLS",
        shown_by: &[
            "probes::http_get::sites::the_host_that_is_declared_is_the_site_that_is_asked",
            "probes::verdicts::encryption::a_port_with_nothing_but_tls_is_not_sick_when_asked_in_the_clear",
        ],
    },
    Row {
        seen: Seen::There(&[There::NoTls, There::NotTls]),
        means: Denied,
        says: "it was asked for TLS, and does not speak it there",
        why: "a restart makes no certificate",
        shown_by: &["probes::verdicts::encryption::a_server_without_the_tls_that_is_declared_refuses_us"],
    },
    Row {
        seen: Seen::There(&[There::TlsAlert]),
        means: Denied,
        says: "it ended the TLS handshake with an alert",
        why: "who refuses a handshake lives",
        shown_by: &[
            "probes::verdicts::encryption::whoever_ends_a_handshake_with_an_alert_lives",
            "probes::verdicts::encryption::a_server_that_wants_a_certificate_of_its_clients_refuses_us",
        ],
    },
    Row {
        seen: Seen::There(&[There::Certificate]),
        means: Unhealthy,
        says: "its certificate is not what `tls` asks for",
        why: "certificates are what this probe asks about; many servers read a new one at a restart only",
        shown_by: &[
            "trust::whose_certificates_are_good_and_until_when",
            "probes::tls::a_certificate_must_be_trusted_and_for_the_host_and_last_a_while",
        ],
    },
    Row {
        seen: Seen::There(&[There::ExitCode]),
        means: Unhealthy,
        says: "the command ended with another exit code than 0",
        why: "what the command checks is the user's word",
        shown_by: &["probes::exec::a_command_in_the_container_decides_by_its_exit_code"],
    },
    Row {
        seen: Seen::There(&[There::ExecRefused]),
        means: Unhealthy,
        says: "the engine refuses to run the command",
        why: "the container has just ended or is paused, or an earlier run of the command hangs",
        shown_by: &[
            "probes::exec::a_command_in_the_container_decides_by_its_exit_code",
            "probes::exec::a_container_that_takes_no_command_is_unhealthy",
        ],
    },
    Row {
        seen: Seen::There(&[There::DockerStarting]),
        means: NotYet,
        says: "Docker's health check has not spoken yet",
        why: "the check's own start period says how long that may last",
        shown_by: &["probes::docker_health::dockers_word_is_the_probes_word"],
    },
    Row {
        seen: Seen::There(&[There::DockerAwaited]),
        means: NotYet,
        says: "Docker's health check has not been run again yet",
        why: "its last word is of before a pause, or of before the engine was away",
        shown_by: &["probes::docker_health::dockers_word_is_the_probes_word"],
    },
    Row {
        seen: Seen::There(&[There::DockerUnhealthy]),
        means: Unhealthy,
        says: "Docker's health check says unhealthy",
        why: "what it checks is the image's word",
        shown_by: &["probes::docker_health::dockers_word_is_the_probes_word"],
    },
    LAST,
];

/// What is left.
pub(super) const LAST: Row = Row {
    seen: Seen::There(&[]),
    means: Unhealthy,
    says: "it does not run",
    why: "a restart starts it",
    shown_by: &["probes::verdicts::every_cause_without_a_code_has_a_row"],
};
