//! Rows of HTTP, gRPC and DNS.
//!
//! Sources: RFC 9110, 15, RFC 6585 and RFC 8470; RFC 9113, 7; gRPC's "Status codes and their use in gRPC" and "gRPC Health Checking
//! Protocol"; RFC 1035, 4.1.1, and RFC 2136.

use super::meaning::Meaning::{Denied, Fault, NotYet, Unhealthy};
use super::pattern::Pattern;
use super::row::Row;

pub(super) const ROWS: &[Row] = &[
    Row {
        seen: Pattern::HttpRetryAfter(&[(503, 503)]),
        means: NotYet,
        says: "it says when to try again",
        why: "`Retry-After` means that the server is not ready yet",
        shown_by: &["probes::verdicts::http::a_server_that_says_when_to_ask_again_is_asked_too_early"],
    },
    Row {
        seen: Pattern::Http(&[(425, 425)]),
        means: NotYet,
        says: "it is too early",
        why: "the status says so",
        shown_by: &["probes::verdicts::http::a_server_that_says_that_it_is_too_early_is_believed"],
    },
    Row {
        seen: Pattern::Http(&[(401, 403), (407, 407), (451, 451), (511, 511)]),
        means: Denied,
        says: "it requires a login, or more permissions",
        why: "a restart does not change its users",
        shown_by: &["probes::verdicts::http::a_refused_login_is_no_illness"],
    },
    Row {
        seen: Pattern::Http(&[(429, 429)]),
        means: Denied,
        says: "it gets too many requests",
        why: "it counts requests, so it works",
        shown_by: &["probes::verdicts::http::a_server_that_is_asked_too_often_refuses_us"],
    },
    Row {
        seen: Pattern::Http(&[(507, 507)]),
        means: Denied,
        says: "it is full",
        why: "a restart frees no space",
        shown_by: &["probes::verdicts::http::a_server_that_is_full_refuses_us"],
    },
    Row {
        seen: Pattern::Http(&[(495, 497)]),
        means: Denied,
        says: "it requires a client certificate, or TLS",
        why: "these are nginx's own statuses; it works for clients that have one",
        shown_by: &["probes::verdicts::http::a_server_that_wants_a_certificate_refuses_us"],
    },
    Row {
        seen: Pattern::Http(&[
            (400, 400),
            (405, 406),
            (411, 417),
            (421, 422),
            (426, 426),
            (428, 428),
            (431, 431),
            (494, 494),
            (501, 501),
            (505, 505),
            (510, 510),
        ]),
        means: Fault,
        says: "it does not accept this request",
        why: "the probe's method, path, headers or body do not suit this server: Django, for example, refuses an \
            unknown `Host` with 400; if the status is expected, list it in `expect.status`, which decides first",
        shown_by: &[
            "probes::verdicts::http::a_request_that_the_server_does_not_take_is_the_probes_fault",
            "probes::verdicts::grpc::a_request_that_the_server_does_not_take_is_the_probes_fault",
        ],
    },
    Row {
        seen: Pattern::Http(&[]),
        means: Unhealthy,
        says: "it answers with a status that is not expected",
        why: "the user decides what to expect, as in Kubernetes",
        shown_by: &[
            "probes::http_get::an_answer_as_expected_is_healthy_and_another_says_what_came",
            "probes::verdicts::http::any_other_status_is_unhealthy",
            "probes::verdicts::grpc::any_other_status_is_unhealthy",
        ],
    },
    Row {
        seen: Pattern::Http2(&[0, 7]),
        means: NotYet,
        says: "it closes the connection in good order, or asks to try again",
        why: "a server does this when it is being restarted",
        shown_by: &[
            "probes::verdicts::http::a_request_that_is_refused_unseen_came_too_early",
            "probes::verdicts::grpc::a_server_that_says_goodbye_is_asked_too_early",
        ],
    },
    Row {
        seen: Pattern::Http2(&[11, 12]),
        means: Denied,
        says: "it gets too many requests, or requires better TLS",
        why: "it answers",
        shown_by: &[
            "probes::verdicts::http::a_server_that_wants_less_of_us_refuses_us",
            "probes::verdicts::grpc::a_server_that_wants_less_of_us_refuses_us",
        ],
    },
    Row {
        seen: Pattern::Http2(&[13]),
        means: Fault,
        says: "it does not accept HTTP/2",
        why: "it works for clients that use HTTP/1.1",
        shown_by: &["probes::verdicts::grpc::a_server_that_does_not_take_http_2_is_beyond_the_probe"],
    },
    Row {
        seen: Pattern::Http2(&[]),
        means: Unhealthy,
        says: "it closes the connection with an error",
        why: "a health check should never fail",
        shown_by: &[
            "probes::verdicts::http::any_other_error_of_http2_is_unhealthy",
            "probes::verdicts::grpc::any_other_end_of_http_2_is_unhealthy",
        ],
    },
    Row {
        seen: Pattern::Grpc(&[14]),
        means: NotYet,
        says: "it is unavailable at the moment",
        why: "in gRPC this is a temporary condition to try again; proxies say it about servers behind them",
        shown_by: &["probes::verdicts::grpc::a_server_that_is_unavailable_for_now_is_asked_too_early"],
    },
    Row {
        seen: Pattern::Grpc(&[7, 16]),
        means: Denied,
        says: "it requires a login, or more permissions",
        why: "a restart does not change its users",
        shown_by: &["probes::verdicts::grpc::a_refused_login_is_no_illness"],
    },
    Row {
        seen: Pattern::Grpc(&[8]),
        means: Denied,
        says: "it is full",
        why: "a restart would disconnect all its clients",
        shown_by: &["probes::verdicts::grpc::a_server_that_is_full_refuses_us"],
    },
    Row {
        seen: Pattern::Grpc(&[5, 12]),
        means: Denied,
        says: "it has no such service, or no health service",
        why: "a restart adds no service",
        shown_by: &[
            "probes::grpc::a_server_that_serves_is_healthy_and_a_service_it_does_not_know_is_not",
            "probes::verdicts::grpc::a_server_without_the_service_refuses_us",
        ],
    },
    Row {
        seen: Pattern::Grpc(&[3]),
        means: Fault,
        says: "it does not accept this request",
        why: "this server does not support the request",
        shown_by: &["probes::verdicts::grpc::a_request_that_the_server_does_not_take_is_the_probes_fault"],
    },
    Row {
        seen: Pattern::Grpc(&[]),
        means: Unhealthy,
        says: "it answers with an error",
        why: "a health check should never fail",
        shown_by: &["probes::verdicts::grpc::any_other_status_is_unhealthy"],
    },
    Row {
        seen: Pattern::GrpcHealth(&[3]),
        means: Denied,
        says: "it has no such service",
        why: "a restart adds no service",
        shown_by: &["probes::verdicts::grpc::a_server_without_the_service_refuses_us"],
    },
    Row {
        seen: Pattern::GrpcHealth(&[0]),
        means: NotYet,
        says: "it does not know its state yet",
        why: "the state has not been set yet",
        shown_by: &["probes::verdicts::grpc::a_server_that_does_not_know_yet_is_asked_too_early"],
    },
    Row {
        seen: Pattern::GrpcHealth(&[]),
        means: Unhealthy,
        says: "it is not serving",
        why: "it says so itself",
        shown_by: &["probes::verdicts::grpc::a_server_that_does_not_serve_is_unhealthy"],
    },
    Row {
        seen: Pattern::Dns(&[5, 9]),
        means: Denied,
        says: "it refuses to answer us",
        why: "its policy decides which clients it answers",
        shown_by: &[
            "probes::dns::a_server_that_answers_with_such_records_is_healthy_and_others_say_what_they_answer",
            "probes::verdicts::dns::a_server_that_refuses_to_answer_us_lives",
        ],
    },
    Row {
        seen: Pattern::Dns(&[1, 4]),
        means: Fault,
        says: "it does not accept this request",
        why: "this server does not support the query",
        shown_by: &["probes::verdicts::dns::a_question_that_the_server_does_not_take_is_the_probes_fault"],
    },
    Row {
        seen: Pattern::Dns(&[]),
        means: Unhealthy,
        says: "it has no such record",
        why: "the user decides which records must exist; SERVFAIL means that the server itself fails",
        shown_by: &["probes::verdicts::dns::any_other_code_is_unhealthy"],
    },
];
