//! Rows of Kafka, AMQP, NATS and MQTT.
//!
//! Sources: Kafka's protocol guide, "Error Codes"; AMQP 0-9-1, "Reply Codes", and RabbitMQ's use of them; "NATS Client
//! Protocol", `-ERR`, and nats-server's `errors.go`; MQTT 3.1.1, 3.2.2.3, and MQTT 5.0, 3.2.2.2.

use super::meaning::Meaning::{Denied, Fault, NotYet, Unhealthy};
use super::pattern::Pattern;
use super::row::Row;

pub(super) const ROWS: &[Row] = &[
    Row {
        // Those that the guide calls retriable and that metadata may hold: no leader, no replica, no coordinator yet.
        seen: Pattern::Kafka(&[5, 6, 7, 8, 9, 13, 14, 15, 16, 41, 72, 74, 75, 89]),
        means: NotYet,
        says: "its cluster is not ready",
        why: "the cluster elects leaders; a restart would take one more member away",
        shown_by: &["probes::verdicts::kafka::a_cluster_without_leaders_is_asked_too_early"],
    },
    Row {
        seen: Pattern::Kafka(&[29, 30, 31, 33, 34, 53, 54, 58]),
        means: Denied,
        says: "it requires a login, or more permissions",
        why: "a restart does not change its users",
        shown_by: &["probes::verdicts::kafka::a_topic_that_needs_a_login_is_no_illness"],
    },
    Row {
        seen: Pattern::Kafka(&[3]),
        means: Denied,
        says: "the topic does not exist",
        why: "a restart creates no topic",
        shown_by: &["probes::kafka::a_cluster_with_the_topic_is_healthy_and_no_topic_is_made_by_asking"],
    },
    Row {
        seen: Pattern::Kafka(&[17, 35, 42]),
        means: Fault,
        says: "it does not accept this request",
        why: "this server does not support the topic's name or this probe's version of the protocol",
        shown_by: &["probes::verdicts::kafka::a_question_that_the_broker_does_not_take_is_the_probes_fault"],
    },
    Row {
        seen: Pattern::Kafka(&[]),
        means: Unhealthy,
        says: "it answers with an error",
        why: "it cannot tell the state of its cluster",
        shown_by: &["probes::verdicts::kafka::any_other_error_is_unhealthy"],
    },
    Row {
        seen: Pattern::Amqp(&[320]),
        means: NotYet,
        says: "it closes all connections: it is shutting down, or this one was closed by hand",
        why: "it is being restarted, or nothing is wrong with it",
        shown_by: &["probes::verdicts::amqp::a_broker_that_closes_all_connections_is_asked_too_early"],
    },
    Row {
        seen: Pattern::Amqp(&[402, 403, 404, 405, 530]),
        means: Denied,
        says: "the login is refused or has no permission, or a limit of connections is reached",
        why: "a restart creates no user and no virtual host, and would disconnect all its clients",
        shown_by: &["probes::verdicts::amqp::a_refused_login_is_no_illness"],
    },
    Row {
        seen: Pattern::Amqp(&[311, 406, 506]),
        means: Denied,
        says: "it is full",
        why: "a restart frees no disk and would disconnect all its clients",
        shown_by: &["probes::verdicts::amqp::a_broker_that_is_full_refuses_us"],
    },
    Row {
        seen: Pattern::Amqp(&[501, 502, 503, 504, 505, 540]),
        means: Fault,
        says: "it does not accept what this probe sends",
        why: "this broker does not support this probe's version of the protocol",
        shown_by: &["probes::verdicts::amqp::a_broker_that_does_not_take_our_frames_shows_our_limit"],
    },
    Row {
        seen: Pattern::Amqp(&[]),
        means: Unhealthy,
        says: "it closes the connection because of an internal error",
        why: "such as a virtual host that is down",
        shown_by: &["probes::verdicts::amqp::any_other_reply_code_is_unhealthy"],
    },
    Row {
        seen: Pattern::Nats(&[
            "Authorization Violation",
            "Authorization Timeout",
            "Authentication Timeout",
            "Authentication Expired",
            "Authentication Revoked",
            "User Authentication Expired",
            "User Authentication Revoked",
            "Account Authentication Expired",
            "Permissions Violation",
        ]),
        means: Denied,
        says: "the login is refused, or has no permission",
        why: "a restart does not change its users",
        shown_by: &[
            "probes::nats::a_server_that_takes_the_login_and_answers_ping_is_healthy",
            "probes::verdicts::nats::a_refused_login_is_no_illness",
        ],
    },
    Row {
        seen: Pattern::Nats(&["Secure Connection - TLS Required"]),
        means: Denied,
        says: "it accepts only connections with TLS",
        why: "it works for clients that use TLS",
        shown_by: &["probes::verdicts::nats::a_server_that_wants_tls_refuses_us"],
    },
    Row {
        seen: Pattern::Nats(&[
            "Maximum Connections Exceeded",
            "Maximum Account Active Connections Exceeded",
            "Maximum Subscriptions Exceeded",
            "Connection Throttling Is Active",
        ]),
        means: Denied,
        says: "it is full",
        why: "a restart would disconnect all its clients",
        shown_by: &["probes::verdicts::nats::a_server_that_is_full_refuses_us"],
    },
    Row {
        seen: Pattern::Nats(&["Server Shutdown"]),
        means: NotYet,
        says: "it is shutting down",
        why: "it is being restarted",
        shown_by: &["probes::verdicts::nats::a_server_that_ends_is_asked_too_early"],
    },
    Row {
        seen: Pattern::Nats(&[
            "Unknown Protocol Operation",
            "Parser Error",
            "Invalid Client Protocol",
            "Maximum Control Line Exceeded",
            "Maximum Payload Violation",
            "Invalid Subject",
            "Attempted To Connect To Route Port",
            "Attempted To Connect To Leaf Node Port",
            "Attempted To Connect To Gateway Port",
        ]),
        means: Fault,
        says: "it does not accept what this probe sends, or this port is not for clients",
        why: "it works for its clients",
        shown_by: &["probes::verdicts::nats::a_port_that_is_not_for_clients_is_the_probes_fault"],
    },
    Row {
        seen: Pattern::Nats(&[]),
        means: Unhealthy,
        says: "it answers with an error",
        why: "PING should never fail",
        shown_by: &["probes::verdicts::nats::any_other_error_is_unhealthy"],
    },
    Row {
        // 3: MQTT 3.1.1, "Server unavailable"; 0x88, 0x89: MQTT 5, "Server unavailable", "Server busy".
        seen: Pattern::Mqtt(&[3, 0x88, 0x89]),
        means: NotYet,
        says: "it says that it is not available yet",
        why: "brokers say this while they start or join their cluster",
        shown_by: &["probes::verdicts::mqtt::a_broker_that_is_not_available_yet_is_asked_too_early"],
    },
    Row {
        // 2, 0x85: the client's name; 4, 0x86: name or password; 5, 0x87: not authorised; 0x8a: banned; 0x8c: the way to
        // log in; 0x80: MQTT 3.1.1's refused subscription, MQTT 5's "unspecified".
        seen: Pattern::Mqtt(&[2, 4, 5, 0x80, 0x85, 0x86, 0x87, 0x8a, 0x8c]),
        means: Denied,
        says: "it refuses this client",
        why: "a restart does not change its users",
        shown_by: &["probes::verdicts::mqtt::a_refused_login_is_no_illness"],
    },
    Row {
        // Quota, rate, another server: for now or for good.
        seen: Pattern::Mqtt(&[0x97, 0x9c, 0x9d, 0x9f]),
        means: Denied,
        says: "it is full, or sends its clients elsewhere",
        why: "a restart would disconnect all its clients",
        shown_by: &["probes::verdicts::mqtt::a_broker_that_is_full_refuses_us"],
    },
    Row {
        // 1, 0x84: the version; 0x81, 0x82: malformed, against the protocol; 0x8f, 0x90, 0xa1, 0xa2: the subscription.
        seen: Pattern::Mqtt(&[1, 0x81, 0x82, 0x84, 0x8f, 0x90, 0x95, 0x99, 0x9a, 0x9b, 0x9e, 0xa1, 0xa2]),
        means: Fault,
        says: "it does not accept MQTT 3.1.1, or what this probe asks for",
        why: "this broker does not support this probe's version of the protocol",
        shown_by: &["probes::verdicts::mqtt::a_broker_that_speaks_another_version_is_beyond_the_probe"],
    },
    Row {
        seen: Pattern::Mqtt(&[]),
        means: Unhealthy,
        says: "it refuses the connection because of an internal error",
        why: "no other cause is known",
        shown_by: &["probes::verdicts::mqtt::any_other_code_is_unhealthy"],
    },
];
