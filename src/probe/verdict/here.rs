//! Rows of what is ours. Each is a fault: no restart of the target mends it.

use super::cause::Here;
use super::meaning::Meaning::Fault;
use super::pattern::Pattern;
use super::row::Row;

pub(super) const ROWS: &[Row] = &[
    Row {
        seen: Pattern::Here(&[Here::NothingToAsk]),
        means: Fault,
        says: "there is no address, container or engine to ask",
        why: "nothing was asked",
        shown_by: &["probes::exec::without_an_engine_nothing_is_said_of_the_container"],
    },
    Row {
        seen: Pattern::Here(&[Here::Secret]),
        means: Fault,
        says: "a secret cannot be read",
        why: "nothing was asked",
        shown_by: &["probes::mqtt::a_broker_that_takes_the_login_and_the_subscription_is_healthy"],
    },
    Row {
        seen: Pattern::Here(&[Here::Unsendable]),
        means: Fault,
        says: "what is declared cannot be sent in this protocol",
        why: "nothing was asked",
        shown_by: &[
            "probes::dns::a_server_that_answers_with_such_records_is_healthy_and_others_say_what_they_answer",
        ],
    },
    Row {
        seen: Pattern::Here(&[Here::Unsupported]),
        means: Fault,
        says: "the server needs something that this probe does not support",
        why: "it works for others",
        shown_by: &[
            "probes::http_get::answers::what_begins_like_http_and_is_beyond_our_library_is_our_limit",
            "probes::http_get::bodies::what_cannot_be_read_is_said_in_words",
            "probes::verdicts::grpc::an_answer_that_is_compressed_is_read_or_our_limit",
            "probes::verdicts::ours::a_login_that_the_probe_cannot_do_is_its_own_limit",
            "probes::verdicts::amqp::a_broker_of_another_version_is_beyond_the_probe",
            "probes::verdicts::encryption::a_server_whose_tls_our_library_does_not_take_is_beyond_the_probe",
        ],
    },
    Row {
        seen: Pattern::Here(&[Here::Forbidden]),
        means: Fault,
        says: "probes must not connect to this address",
        why: "nothing was asked",
        shown_by: &[
            "probes::tcp_socket::what_refuses_or_never_ends_is_unhealthy_and_what_cannot_be_asked_is_a_fault",
        ],
    },
    Row {
        seen: Pattern::Here(&[Here::Resolver]),
        means: Fault,
        says: "our DNS resolver fails, or does not answer",
        why: "the target was not asked; for a name that does not exist see NoSuchName",
        shown_by: &[
            "probes::verdicts::resolver::a_resolver_in_trouble_says_nothing_of_the_target_and_is_no_answer",
        ],
    },
    Row {
        seen: Pattern::Here(&[Here::NoRoute]),
        means: Fault,
        says: "this machine has no route there, or no address or port left to connect from",
        why: "the target was not reached",
        shown_by: &[
            "probes::verdicts::ours::errors_of_this_machine_are_its_own",
            "probes::dual_stack::what_one_address_says_is_not_undone_by_our_trouble_with_another",
        ],
    },
    Row {
        seen: Pattern::Here(&[Here::NoRoom]),
        means: Fault,
        says: "this process has no file descriptors or memory left",
        why: "the target was not reached",
        shown_by: &["probes::verdicts::ours::errors_of_this_machine_are_its_own"],
    },
    Row {
        seen: Pattern::Here(&[Here::NotPermitted]),
        means: Fault,
        says: "this machine refuses to send it: its firewall, or a missing privilege",
        why: "the target was not reached",
        shown_by: &["probes::verdicts::ours::errors_of_this_machine_are_its_own"],
    },
    Row {
        seen: Pattern::Here(&[Here::Guess]),
        means: Fault,
        says: "the address is only assumed, and no check has passed there yet",
        why: "the assumption may be wrong, and something else may answer there",
        shown_by: &[
            "e2e::network_position::a_bridge_is_asked_before_a_macvlan_network_that_sorts_first_and_one_alone_there_is_left_alone",
            "e2e::network_position::a_foreign_network_namespace_is_asked_where_it_publishes_and_no_stranger_is",
        ],
    },
    Row {
        seen: Pattern::Here(&[Here::Engine]),
        means: Fault,
        says: "the engine does not answer, or cannot run the check",
        why: "the container was not asked",
        shown_by: &[
            "probes::verdicts::ours::an_engine_that_is_away_says_nothing_of_its_containers",
            "probes::exec::the_engines_own_trouble_says_nothing_of_the_container",
        ],
    },
    Row {
        seen: Pattern::Here(&[Here::NoSuchCommand]),
        means: Fault,
        says: "the command is not in the container, or cannot be run there",
        why: "a restart installs no program",
        shown_by: &["probes::exec::a_command_in_the_container_decides_by_its_exit_code"],
    },
    Row {
        seen: Pattern::Here(&[Here::DockerSilent]),
        means: Fault,
        says: "Docker has not run its health check although it is due",
        why: "its last result says nothing about now",
        shown_by: &[
            "probes::docker_health::dockers_word_is_the_probes_word",
            "e2e::silent_health::a_health_word_of_before_the_engines_restart_is_no_verdict_and_one_that_comes_again_is",
        ],
    },
    Row {
        seen: Pattern::Here(&[Here::Trust]),
        means: Fault,
        says: "the certificate authorities to trust cannot be read",
        why: "it is our configuration",
        shown_by: &["probes::verdicts::encryption::authorities_that_cannot_be_read_are_our_trouble"],
    },
    Row {
        seen: Pattern::Here(&[Here::Unverified]),
        means: Fault,
        says: "the server's certificate cannot be verified",
        why: "no secret was sent, so nothing was asked",
        shown_by: &["probes::verdicts::encryption::a_secret_is_not_sent_to_a_server_that_is_not_verified"],
    },
    Row {
        seen: Pattern::Here(&[Here::UnreadableCertificate]),
        means: Fault,
        says: "our library cannot read the server's certificate",
        why: "other clients can",
        shown_by: &["probes::verdicts::encryption::a_certificate_that_our_library_cannot_read_is_our_limit"],
    },
    Row {
        seen: Pattern::Here(&[Here::NoCommonTls]),
        means: Fault,
        says: "the server supports no TLS version or no cipher that this probe supports",
        why: "it works for clients that support them",
        shown_by: &["probes::verdicts::encryption::a_server_with_nothing_but_old_tls_is_not_sick"],
    },
];
