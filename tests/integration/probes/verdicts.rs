//! Each row of the table that says what an answer means, asked for by the probe itself: real servers where they do it on
//! command, and else a few strict lines that answer one thing.

mod amqp;
mod dns;
mod encryption;
mod grpc;
mod http;
mod kafka;
mod mqtt;
mod mysql;
mod nats;
mod ours;
mod postgres;
mod redis;
mod resolver;

use portreeve::probe::verdict::{meaning, row};
use portreeve::probe::{Cause, Meaning, There};

/// The check saw what the row of this test is about, and that means so much.
macro_rules! means {
    ($outcome:expr, $meaning:ident) => {{
        let outcome = &$outcome;
        $crate::integration::probes::shown!(outcome);
        let failure = $crate::integration::probes::failure(outcome);
        assert_eq!(failure.means(), portreeve::probe::Meaning::$meaning, "{failure:?}");
    }};
}
pub(crate) use means;

#[test]
fn every_cause_without_a_code_has_a_row() {
    let cause = Cause::There(There::NotRunning);
    assert_eq!(meaning(&cause), Meaning::Unhealthy);
    assert!(row(&cause).shown_by.contains(&&*super::this_test!()));
}
