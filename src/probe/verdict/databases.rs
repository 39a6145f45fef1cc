//! Rows of Redis, PostgreSQL and MySQL.
//!
//! Sources: the errors of Redis' `server.c`, `networking.c` and `replication.c`; PostgreSQL's Appendix A, "PostgreSQL Error
//! Codes", and the poolers that speak for it; MySQL's and MariaDB's "Server Error Message Reference".

use super::Meaning::{Denied, Fault, NotYet, Unhealthy};
use super::{Row, Seen};

pub(super) const ROWS: &[Row] = &[
    Row {
        seen: Seen::Redis(&["LOADING"]),
        means: NotYet,
        says: "it reads its data into memory",
        why: "a restart would make it begin anew",
        shown_by: &["probes::verdicts::redis::a_server_that_reads_its_data_is_asked_too_early"],
    },
    Row {
        seen: Seen::Redis(&["MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "INPROG"]),
        means: NotYet,
        says: "it waits for others of its cluster",
        why: "a restart would not bring those back, and a replica would copy everything anew",
        shown_by: &["probes::verdicts::redis::a_server_that_waits_for_others_is_asked_too_early"],
    },
    Row {
        seen: Seen::Redis(&[
            "NOAUTH",
            "WRONGPASS",
            "NOPERM",
            "DENIED",
            "ERR invalid password",
            "ERR AUTH",
            "ERR Client sent AUTH",
            "ERR operation not permitted",
            "ERR invalid username-password",
        ]),
        means: Denied,
        says: "the login is refused, or lacks a right",
        why: "it keeps its users",
        shown_by: &[
            "probes::redis::a_server_that_answers_ping_is_healthy_and_its_errors_are_told",
            "probes::verdicts::redis::a_refused_login_is_no_illness",
        ],
    },
    Row {
        seen: Seen::Redis(&["ERR max number of clients", "OOM"]),
        means: Denied,
        says: "it is full",
        why: "a restart would throw out everybody who has a place",
        shown_by: &["probes::verdicts::redis::a_server_that_is_full_refuses_us"],
    },
    Row {
        seen: Seen::Redis(&["MISCONF", "NOREPLICAS", "READONLY", "NOMASTERLINK", "MOVED", "ASK"]),
        means: Denied,
        says: "it takes no writes, or not here",
        why: "a restart mends no disk and no replica, and what could not be saved would be lost",
        shown_by: &["probes::verdicts::redis::a_server_that_takes_no_writes_refuses_us"],
    },
    Row {
        seen: Seen::Redis(&["NOPROTO", "ERR unknown command", "ERR wrong number of arguments"]),
        means: Fault,
        says: "it does not know the command",
        why: "it was renamed, or is too new for this server",
        shown_by: &["probes::verdicts::redis::a_command_that_the_server_does_not_know_is_our_limit"],
    },
    Row {
        seen: Seen::Redis(&["BUSY", "UNKILLABLE"]),
        means: Unhealthy,
        says: "a script has been running for too long",
        why: "nobody is served until it ends",
        shown_by: &["probes::verdicts::redis::a_server_held_by_a_script_is_unhealthy"],
    },
    Row {
        seen: Seen::Redis(&[]),
        means: Unhealthy,
        says: "it answers an error",
        why: "PING has no business to fail",
        shown_by: &["probes::verdicts::redis::any_other_error_is_unhealthy"],
    },
    Row {
        seen: Seen::Postgres(&["57P03", "57P01", "57P02"]),
        means: NotYet,
        says: "it is starting up, recovering or shutting down",
        why: "a restart would make recovery begin anew",
        shown_by: &[
            "probes::verdicts::postgres::a_server_that_starts_recovers_or_ends_is_asked_too_early",
            "probes::postgres::a_standby_that_takes_no_connections_is_asked_too_early",
        ],
    },
    Row {
        seen: Seen::Postgres(&["40"]),
        means: NotYet,
        says: "another transaction was in the way",
        why: "the protocol's advice is to ask again",
        shown_by: &["probes::verdicts::postgres::a_transaction_in_the_way_is_asked_again"],
    },
    Row {
        seen: Seen::Postgres(&["28", "42501", "57P04", "3D000", "3F000"]),
        means: Denied,
        says: "the login is refused, lacks a right, or there is no such database",
        why: "a restart makes no user, right or database",
        shown_by: &["probes::verdicts::postgres::a_refused_login_is_no_illness"],
    },
    Row {
        seen: Seen::Postgres(&["53", "54"]),
        means: Denied,
        says: "it is full: connections, memory, disk or another limit",
        why: "a restart would throw out everybody who has a place, and frees no disk",
        shown_by: &["probes::verdicts::postgres::a_server_that_is_full_refuses_us"],
    },
    Row {
        seen: Seen::Postgres(&["08", "55", "25"]),
        means: Denied,
        says: "it, or a pooler in front of it, does not take this now",
        why: "it answers; what is behind it, or what holds a lock, is not mended by a restart",
        shown_by: &["probes::verdicts::postgres::what_a_server_does_not_take_now_is_no_illness"],
    },
    Row {
        seen: Seen::Postgres(&["0A", "42601"]),
        means: Fault,
        says: "it does not know what it was asked",
        why: "the query, or this probe's version of the protocol, is not for this server",
        shown_by: &["probes::verdicts::postgres::a_question_that_is_no_sql_is_the_probes_fault"],
    },
    Row {
        seen: Seen::Postgres(&["42"]),
        means: Denied,
        says: "there is nothing of that name",
        why: "a restart makes no table, column or function",
        shown_by: &["probes::verdicts::postgres::a_table_that_is_not_there_is_not_made_by_a_restart"],
    },
    Row {
        seen: Seen::Postgres(&[]),
        means: Unhealthy,
        says: "it answers an error",
        why: "a query that must succeed failed: time-outs, I/O errors, damaged data",
        shown_by: &["probes::verdicts::postgres::any_other_error_is_unhealthy"],
    },
    Row {
        // Shutting down; a Galera node that is not ready (WSREP); no longer available; killed; a lock or a deadlock.
        seen: Seen::Mysql(&[1047, 1053, 1077, 1079, 1205, 1213, 1317, 1927, 3168, 3169]),
        means: NotYet,
        says: "it is starting up, joining its cluster, shutting down, or another transaction was in the way",
        why: "a restart would make it begin anew",
        shown_by: &["probes::verdicts::mysql::a_server_that_is_not_ready_is_asked_too_early"],
    },
    Row {
        seen: Seen::Mysql(&[1129, 1130, 1042]),
        means: Denied,
        says: "it takes no connections from our address",
        why: "it works for others; a blocked address is let in again by `FLUSH HOSTS`",
        shown_by: &["probes::verdicts::mysql::a_server_that_blocks_our_address_refuses_us"],
    },
    Row {
        seen: Seen::Mysql(&[1021, 1037, 1038, 1040, 1041, 1114, 1135, 1203, 1226]),
        means: Denied,
        says: "it is full: connections, memory, disk or another limit",
        why: "a restart would throw out everybody who has a place, and frees no disk",
        shown_by: &["probes::verdicts::mysql::a_server_that_is_full_refuses_us"],
    },
    Row {
        // Login, rights, databases; passwords that ran out (1820, 1862), locked accounts (3118, 3955; MariaDB: 4151).
        seen: Seen::Mysql(&[
            1044, 1045, 1049, 1131, 1132, 1133, 1142, 1143, 1227, 1275, 1370, 1524, 1698, 1820, 1862, 1873,
            3032, 3118, 3878, 3955, 4151,
        ]),
        means: Denied,
        says: "the login is refused, lacks a right, or there is no such database",
        why: "a restart makes no user, right or database",
        shown_by: &["probes::verdicts::mysql::a_refused_login_is_no_illness"],
    },
    Row {
        seen: Seen::Mysql(&[3159]),
        means: Denied,
        says: "it takes nobody without TLS",
        why: "it works for those who speak TLS",
        shown_by: &["probes::verdicts::mysql::a_server_that_wants_tls_refuses_us"],
    },
    Row {
        seen: Seen::Mysql(&[1290, 1792, 1836]),
        means: Denied,
        says: "it takes no writes",
        why: "somebody wants it so",
        shown_by: &["probes::verdicts::mysql::a_server_that_takes_no_writes_refuses_us"],
    },
    Row {
        seen: Seen::Mysql(&[1043, 1064, 1149, 1153, 1156, 1251]),
        means: Fault,
        says: "it does not know what it was asked, or a login as this probe does it",
        why: "the query, or this probe's version of the protocol, is not for this server",
        shown_by: &["probes::verdicts::mysql::a_question_that_is_no_sql_is_the_probes_fault"],
    },
    Row {
        seen: Seen::Mysql(&[1046, 1051, 1054, 1091, 1109, 1146, 1305, 1356]),
        means: Denied,
        says: "there is nothing of that name",
        why: "a restart makes no table, column or function",
        shown_by: &["probes::verdicts::mysql::a_table_that_is_not_there_is_not_made_by_a_restart"],
    },
    Row {
        seen: Seen::Mysql(&[]),
        means: Unhealthy,
        says: "it answers an error",
        why: "a query that must succeed failed",
        shown_by: &["probes::verdicts::mysql::any_other_error_is_unhealthy"],
    },
];
