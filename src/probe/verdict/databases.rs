//! Rows of Redis, PostgreSQL and MySQL.
//!
//! Sources: the errors of Redis' `server.c`, `networking.c` and `replication.c`; PostgreSQL's Appendix A, "PostgreSQL Error
//! Codes", and the poolers that speak for it; MySQL's and MariaDB's "Server Error Message Reference", MySQL's "Client Error
//! Message Reference" for what MySQL Router and MaxScale pass on, and ProxySQL's `MySQL_Session.cpp`. A MySQL error that is in no list
//! means what the class of its SQLSTATE means with PostgreSQL; but many have none (HY000).

use super::meaning::Meaning::{Denied, Fault, NotYet, Unhealthy};
use super::pattern::Pattern;
use super::row::Row;

pub(super) const ROWS: &[Row] = &[
    Row {
        seen: Pattern::Redis(&["LOADING"]),
        means: NotYet,
        says: "it is loading its data into memory",
        why: "a restart would make it start over",
        shown_by: &["probes::verdicts::redis::a_server_that_reads_its_data_is_asked_too_early"],
    },
    Row {
        seen: Pattern::Redis(&["MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "INPROG"]),
        means: NotYet,
        says: "it waits for other members of its cluster",
        why: "a restart does not bring them back, and a replica would copy all its data again",
        shown_by: &["probes::verdicts::redis::a_server_that_waits_for_others_is_asked_too_early"],
    },
    Row {
        seen: Pattern::Redis(&[
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
        says: "the login is refused, or has no permission",
        why: "a restart does not change its users",
        shown_by: &[
            "probes::redis::a_server_that_answers_ping_is_healthy_and_its_errors_are_told",
            "probes::verdicts::redis::a_refused_login_is_no_illness",
        ],
    },
    Row {
        seen: Pattern::Redis(&["ERR max number of clients", "OOM"]),
        means: Denied,
        says: "it is full",
        why: "a restart would disconnect all its clients",
        shown_by: &["probes::verdicts::redis::a_server_that_is_full_refuses_us"],
    },
    Row {
        seen: Pattern::Redis(&["MISCONF", "NOREPLICAS", "READONLY", "NOMASTERLINK", "MOVED", "ASK"]),
        means: Denied,
        says: "it accepts no writes, or not on this node",
        why: "a restart fixes no disk and no replica, and unsaved data would be lost",
        shown_by: &["probes::verdicts::redis::a_server_that_takes_no_writes_refuses_us"],
    },
    Row {
        seen: Pattern::Redis(&["NOPROTO", "ERR unknown command", "ERR wrong number of arguments"]),
        means: Fault,
        says: "it does not know the command",
        why: "the command was renamed, or is too new for this server",
        shown_by: &["probes::verdicts::redis::a_command_that_the_server_does_not_know_is_our_limit"],
    },
    Row {
        seen: Pattern::Redis(&["BUSY", "UNKILLABLE"]),
        means: Unhealthy,
        says: "a script has been running for too long",
        why: "no client is served until it ends",
        shown_by: &["probes::verdicts::redis::a_server_held_by_a_script_is_unhealthy"],
    },
    Row {
        seen: Pattern::Redis(&[]),
        means: Unhealthy,
        says: "it answers with an error",
        why: "PING should never fail",
        shown_by: &["probes::verdicts::redis::any_other_error_is_unhealthy"],
    },
    Row {
        seen: Pattern::Postgres(&["57P03", "57P01", "57P02"]),
        means: NotYet,
        says: "it is starting up, recovering or shutting down",
        why: "a restart would make recovery start over",
        shown_by: &[
            "probes::verdicts::postgres::a_server_that_starts_recovers_or_ends_is_asked_too_early",
            "probes::postgres::a_standby_that_takes_no_connections_is_asked_too_early",
        ],
    },
    Row {
        seen: Pattern::Postgres(&["40"]),
        means: NotYet,
        says: "another transaction blocked the query",
        why: "the protocol says to try again",
        shown_by: &["probes::verdicts::postgres::a_transaction_in_the_way_is_asked_again"],
    },
    Row {
        seen: Pattern::Postgres(&["28", "42501", "57P04", "3D000", "3F000"]),
        means: Denied,
        says: "the login is refused or has no permission, or the database does not exist",
        why: "a restart creates no user, permission or database",
        shown_by: &["probes::verdicts::postgres::a_refused_login_is_no_illness"],
    },
    Row {
        seen: Pattern::Postgres(&["53", "54"]),
        means: Denied,
        says: "it is full: connections, memory, disk or another limit",
        why: "a restart would disconnect all its clients and frees no disk",
        shown_by: &["probes::verdicts::postgres::a_server_that_is_full_refuses_us"],
    },
    Row {
        seen: Pattern::Postgres(&["08", "55", "25"]),
        means: Denied,
        says: "it, or a pooler in front of it, refuses this at the moment",
        why: "it answers; a restart does not fix what is behind it or what holds a lock",
        shown_by: &["probes::verdicts::postgres::what_a_server_does_not_take_now_is_no_illness"],
    },
    Row {
        seen: Pattern::Postgres(&["0A", "42601"]),
        means: Fault,
        says: "it does not understand the request",
        why: "this server does not support the query or this probe's version of the protocol",
        shown_by: &["probes::verdicts::postgres::a_question_that_is_no_sql_is_the_probes_fault"],
    },
    Row {
        seen: Pattern::Postgres(&["42"]),
        means: Denied,
        says: "the query is wrong, or names something that does not exist",
        why: "a restart creates no table, column or function, and corrects no query",
        shown_by: &["probes::verdicts::postgres::a_table_that_is_not_there_is_not_made_by_a_restart"],
    },
    Row {
        seen: Pattern::Postgres(&[]),
        means: Unhealthy,
        says: "it answers with an error",
        why: "a query that must succeed failed: time-outs, I/O errors, damaged data",
        shown_by: &["probes::verdicts::postgres::any_other_error_is_unhealthy"],
    },
    Row {
        // Shutting down; a Galera node that is not ready (WSREP); no longer available; killed; a lock or a deadlock, what was
        // changed meanwhile.
        seen: Pattern::Mysql(&[
            1020, 1047, 1053, 1077, 1079, 1205, 1213, 1317, 1412, 1613, 1614, 1927, 3101, 3168, 3169, 3572,
        ]),
        means: NotYet,
        says: "it is starting up, joining its cluster or shutting down, or another transaction blocked the query",
        why: "a restart would make it start over",
        shown_by: &["probes::verdicts::mysql::a_server_that_is_not_ready_is_asked_too_early"],
    },
    Row {
        seen: Pattern::Mysql(&[1129, 1130, 1042]),
        means: Denied,
        says: "it accepts no connections from our address",
        why: "it works for others; `FLUSH HOSTS` unblocks an address",
        shown_by: &["probes::verdicts::mysql::a_server_that_blocks_our_address_refuses_us"],
    },
    Row {
        seen: Pattern::Mysql(&[1021, 1037, 1038, 1040, 1041, 1114, 1135, 1203, 1226]),
        means: Denied,
        says: "it is full: connections, memory, disk or another limit",
        why: "a restart would disconnect all its clients and frees no disk",
        shown_by: &["probes::verdicts::mysql::a_server_that_is_full_refuses_us"],
    },
    Row {
        // Login, rights, databases; passwords that ran out (1820, 1862), locked accounts (3118, 3955; MariaDB: 4151).
        seen: Pattern::Mysql(&[
            1044, 1045, 1049, 1131, 1132, 1133, 1142, 1143, 1227, 1275, 1370, 1524, 1698, 1820, 1862, 1873,
            3032, 3118, 3878, 3955, 4151,
        ]),
        means: Denied,
        says: "the login is refused or has no permission, or the database does not exist",
        why: "a restart creates no user, permission or database",
        shown_by: &["probes::verdicts::mysql::a_refused_login_is_no_illness"],
    },
    Row {
        seen: Pattern::Mysql(&[3159]),
        means: Denied,
        says: "it accepts only connections with TLS",
        why: "it works for clients that use TLS",
        shown_by: &["probes::verdicts::mysql::a_server_that_wants_tls_refuses_us"],
    },
    Row {
        seen: Pattern::Mysql(&[1290, 1792, 1836]),
        means: Denied,
        says: "it accepts no writes",
        why: "it is configured so",
        shown_by: &["probes::verdicts::mysql::a_server_that_takes_no_writes_refuses_us"],
    },
    Row {
        seen: Pattern::Mysql(&[1043, 1064, 1065, 1148, 1149, 1153, 1156, 1157, 1178, 1235, 1251, 1289, 1295]),
        means: Fault,
        says: "it does not understand the request, or this probe's way to log in",
        why: "this server does not support the query or this probe's version of the protocol",
        shown_by: &["probes::verdicts::mysql::a_question_that_is_no_sql_is_the_probes_fault"],
    },
    Row {
        // Names that are not there or are there twice, what cannot be grouped, counted or compared so, variables and functions.
        seen: Pattern::Mysql(&[
            1046, 1050, 1051, 1052, 1054, 1055, 1056, 1058, 1060, 1066, 1082, 1091, 1106, 1107, 1109, 1110,
            1111, 1115, 1136, 1140, 1146, 1176, 1193, 1210, 1221, 1222, 1228, 1229, 1231, 1232, 1233, 1234,
            1238, 1241, 1243, 1247, 1248, 1250, 1253, 1267, 1270, 1271, 1273, 1286, 1298, 1305, 1318, 1347,
            1348, 1356, 1360, 1364, 1463, 1477, 1539, 1582, 1583, 1584, 1585, 1630, 1735, 3065, 3568, 3579,
            3593,
        ]),
        means: Denied,
        says: "the query is wrong, or names something that does not exist",
        why: "a restart creates no table, column or function, and corrects no query",
        shown_by: &[
            "probes::verdicts::mysql::a_table_that_is_not_there_is_not_made_by_a_restart",
            "probes::verdicts::mysql::a_query_that_is_wrong_is_not_mended_by_a_restart",
        ],
    },
    Row {
        // No server, no such host, no connection any more (MySQL Router, MaxScale); nobody in the group of servers, or not in the
        // one that this session is bound to (ProxySQL); networks and sources of other servers; locks.
        seen: Pattern::Mysql(&[
            1015, 1080, 1081, 1099, 1100, 1152, 1154, 1155, 1158, 1159, 1160, 1161, 1184, 1189, 1190, 1192,
            1218, 1223, 1429, 1430, 2002, 2003, 2005, 2006, 2013, 2055, 9001, 9006,
        ]),
        means: Denied,
        says: "it, or a proxy in front of it, refuses this at the moment",
        why: "it answers; a restart does not fix what is behind it or what holds a lock",
        shown_by: &["probes::verdicts::mysql::what_a_server_does_not_take_now_is_no_illness"],
    },
    Row {
        seen: Pattern::MysqlState(&["40"]),
        means: NotYet,
        says: "another transaction blocked the query",
        why: "the protocol says to try again",
        shown_by: &["probes::verdicts::mysql::an_error_that_is_in_no_list_means_what_its_state_does"],
    },
    Row {
        seen: Pattern::MysqlState(&["0A"]),
        means: Fault,
        says: "it does not understand the request",
        why: "this server does not support the query",
        shown_by: &["probes::verdicts::mysql::an_error_that_is_in_no_list_means_what_its_state_does"],
    },
    Row {
        seen: Pattern::MysqlState(&["08", "21S", "25", "28", "3D", "3F", "42", "53", "54", "55"]),
        means: Denied,
        says: "the login or the query is wrong, or it refuses this at the moment",
        why: "it answers, and a restart creates no user, permission or table and corrects no query",
        shown_by: &["probes::verdicts::mysql::an_error_that_is_in_no_list_means_what_its_state_does"],
    },
    Row {
        seen: Pattern::Mysql(&[]),
        means: Unhealthy,
        says: "it answers with an error",
        why: "a query that must succeed failed",
        shown_by: &["probes::verdicts::mysql::any_other_error_is_unhealthy"],
    },
];
