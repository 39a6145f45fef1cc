//! `kafka`: the cluster's metadata from its bootstrap server, and where asked a topic whose partitions all have leaders.
//!
//! The first question is for the server's versions, which is answered before any login: a server that answers it and hangs up
//! on the next wants one.
//!
//! Asking for a topic by its name may create it. Servers from version 0.11 on can be asked not to; what is older is asked
//! for all topics.

use async_trait::async_trait;

use super::steps::count;
use super::wire::{Fields, Wire};
use super::{Cause, Failure, Protocol, Steps, Subject, There};
use crate::resource::probe::handler::KafkaProbe;

/// Error codes.
const UNKNOWN_TOPIC: i16 = 3;
const LEADER_NOT_AVAILABLE: i16 = 5;
const BROKER_NOT_AVAILABLE: i16 = 8;
/// Questions.
const METADATA: u16 = 3;
const API_VERSIONS: u16 = 18;
/// The first version of a metadata request that can say "do not create it".
const HARMLESS: u16 = 4;
/// What an answer repeats of its request.
const CORRELATION: u32 = 0x7072_6f62;

#[async_trait]
impl Protocol for KafkaProbe {
    fn port(&self) -> Option<u16> {
        Some(self.port.unwrap_or(9092))
    }

    fn is_clear(&self) -> bool {
        self.tls.is_none()
    }

    async fn attempt(&self, subject: &Subject<'_>, steps: &mut Steps) -> Result<(), Failure> {
        let mut wire = Wire::declared(subject.place()?, self.tls.as_ref(), false, steps).await?;
        steps.begin("greet");
        let answer = ask(&mut wire, API_VERSIONS, 0, &[]).await?;
        let (error, newest) = newest(&answer, METADATA).ok_or_else(malformed)?;
        if error != 0 {
            return Err(Failure::got(Cause::Kafka(error), "the versions it knows"));
        }
        steps.end(format!("knows metadata up to version {newest}"));
        steps.begin("query");
        let (version, topics) = match &self.topic {
            // None at all.
            None => (1, 0_u32.to_be_bytes().to_vec()),
            Some(topic) => {
                if newest >= HARMLESS {
                    let name = u16::try_from(topic.len()).map_err(|_| malformed())?.to_be_bytes();
                    let create = [0];
                    let one = 1_u32.to_be_bytes();
                    (HARMLESS, [&one[..], &name, topic.as_bytes(), &create].concat())
                } else {
                    (1, (-1_i32).to_be_bytes().to_vec())
                }
            }
        };
        let answer =
            ask(&mut wire, METADATA, version, &topics).await.map_err(|failure| match failure.cause {
                Cause::There(There::HungUp | There::Broken) => {
                    let why =
                        "expected the cluster's metadata, the server closed the connection: it requires a login (SASL) \
                        first";
                    Failure::new(There::HungUpOnLogin, why)
                }
                _ => failure,
            })?;
        let cluster = cluster(&answer, version).ok_or_else(malformed)?;
        steps.end(count(cluster.brokers, "broker"));
        steps.begin("expect");
        if cluster.brokers == 0 {
            // As brokers answer that have not heard of their cluster yet.
            return Err(Failure::got(Cause::Kafka(BROKER_NOT_AVAILABLE), "a cluster with brokers"));
        }
        if let Some(topic) = &self.topic {
            let partitions = judge(topic, &cluster.topics)?;
            steps.end(format!("{topic} has {}, each with a leader", count(partitions, "partition")));
        }
        Ok(())
    }
}

fn malformed() -> Failure {
    Failure::new(There::Nonsense, "expected a Kafka server's answer, got one that ends too early")
}

/// Sends a request and gives the answer to it.
async fn ask(wire: &mut Wire, api: u16, version: u16, body: &[u8]) -> Result<Vec<u8>, Failure> {
    let client = b"\0\x0fportreeve-probe";
    let head = [&api.to_be_bytes()[..], &version.to_be_bytes(), &CORRELATION.to_be_bytes(), client].concat();
    #[expect(clippy::cast_possible_truncation, reason = "a name of 249 bytes at most")]
    let length = (head.len() + body.len()) as u32;
    wire.send(&[&length.to_be_bytes()[..], &head, body].concat()).await?;
    let what = "a Kafka server's answer";
    let start = wire.exactly(8, what).await?;
    let mut fields = Fields(&start);
    let (length, correlation) = (fields.u32().unwrap_or_default(), fields.u32());
    let rest = (length as usize).checked_sub(4);
    match rest.filter(|_| correlation == Some(CORRELATION)) {
        Some(rest) => wire.exactly(rest, what).await,
        None => Err(wire.unexpected(what, &start)),
    }
}

/// An error code, and the newest version that the server knows of a request: 0 for one that it does not name.
fn newest(versions: &[u8], api: u16) -> Option<(i16, u16)> {
    let mut fields = Fields(versions);
    let error = fields.array().map(i16::from_be_bytes)?;
    let mut found = 0;
    for _ in 0..fields.u32()? {
        let (key, _oldest, newest) = (fields.u16()?, fields.u16()?, fields.u16()?);
        if key == api {
            found = newest;
        }
    }
    Some((error, found))
}

/// What a cluster says of itself.
#[derive(Debug, PartialEq, Eq)]
struct Cluster<'a> {
    brokers: u32,
    topics: Vec<Topic<'a>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Topic<'a> {
    name: &'a [u8],
    error: i16,
    partitions: u32,
    /// Partitions without a leader.
    orphans: Vec<u32>,
}

/// Reads an answer to a metadata request of version 1 or 4.
fn cluster(answer: &[u8], version: u16) -> Option<Cluster<'_>> {
    let mut fields = Fields(answer);
    if version >= HARMLESS {
        let _throttled = fields.u32()?;
    }
    let brokers = fields.u32()?;
    for _ in 0..brokers {
        let _id = fields.u32()?;
        let _host = text(&mut fields)?;
        let _port = fields.u32()?;
        let _rack = text(&mut fields)?;
    }
    if version >= HARMLESS {
        let _cluster = text(&mut fields)?;
    }
    let _controller = fields.u32()?;
    let mut topics = Vec::new();
    for _ in 0..fields.u32()? {
        topics.push(topic(&mut fields)?);
    }
    Some(Cluster { brokers, topics })
}

fn topic<'a>(fields: &mut Fields<'a>) -> Option<Topic<'a>> {
    let error = fields.array().map(i16::from_be_bytes)?;
    let name = text(fields)?;
    let _internal = fields.u8()?;
    let (mut partitions, mut orphans) = (0, Vec::new());
    for _ in 0..fields.u32()? {
        let _error = fields.u16()?;
        let id = fields.u32()?;
        let leader = fields.array().map(i32::from_be_bytes)?;
        let _replicas = fields.u32().and_then(|count| fields.take((count as usize).checked_mul(4)?))?;
        let _in_sync = fields.u32().and_then(|count| fields.take((count as usize).checked_mul(4)?))?;
        partitions += 1;
        if leader < 0 {
            orphans.push(id);
        }
    }
    Some(Topic { name, error, partitions, orphans })
}

/// A text, perhaps none.
fn text<'a>(fields: &mut Fields<'a>) -> Option<&'a [u8]> {
    let length = fields.array().map(i16::from_be_bytes)?;
    fields.take(usize::try_from(length).unwrap_or(0))
}

/// How many partitions the topic has, if it is as it should be.
fn judge(topic: &str, topics: &[Topic<'_>]) -> Result<u32, Failure> {
    let expected = format!("the topic {topic}");
    let found = topics.iter().find(|found| found.name == topic.as_bytes());
    let error = found.map_or(UNKNOWN_TOPIC, |found| found.error);
    let Some(found) = found.filter(|_| matches!(error, 0 | LEADER_NOT_AVAILABLE)) else {
        return Err(Failure::got(Cause::Kafka(error), &expected));
    };
    match found.orphans[..] {
        // The partitions say which.
        [first, ..] => {
            let all = found.partitions;
            let expected = format!(
                "a leader for each of the {all} partitions of {topic}, {} have none, such as {first}",
                found.orphans.len()
            );
            Err(Failure::got(Cause::Kafka(LEADER_NOT_AVAILABLE), &expected))
        }
        [] if error != 0 => Err(Failure::got(Cause::Kafka(error), &expected)),
        [] if found.partitions == 0 => {
            Err(Failure::new(There::Unexpected, format!("expected {topic} to have partitions, it has none")))
        }
        [] => Ok(found.partitions),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn four(numbers: &[i32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    fn named(name: &str) -> Vec<u8> {
        [&u16::try_from(name.len()).unwrap().to_be_bytes()[..], name.as_bytes()].concat()
    }

    /// A partition with its leader.
    fn partition(id: i32, leader: i32) -> Vec<u8> {
        [&[0, 0][..], &four(&[id, leader, 1, 1, 0])].concat()
    }

    /// As Kafka's protocol guide has version 4.
    fn answer(error: u8, partitions: &[Vec<u8>]) -> Vec<u8> {
        let count = four(&[i32::try_from(partitions.len()).unwrap()]);
        [
            four(&[0, 1, 1]),
            named("kafka-1"),
            four(&[9092]),
            vec![0xff, 0xff],
            named("cluster"),
            four(&[1, 1]),
            vec![0, error],
            named("orders"),
            vec![0],
            count,
            partitions.concat(),
        ]
        .concat()
    }

    #[test]
    fn a_topic_is_well_when_each_of_its_partitions_has_a_leader() {
        let judged = |answer: &[u8]| judge("orders", &cluster(answer, HARMLESS).unwrap().topics);
        assert_eq!(judged(&answer(0, &[partition(0, 1), partition(1, 2)])), Ok(2));
        for (answer, text) in [
            (answer(5, &[partition(0, 1), partition(7, -1)]), "have none, such as 7"),
            (answer(0, &[]), "it has none"),
            (answer(3, &[]), "the topic does not exist"),
            (answer(29, &[]), "it requires a login"),
            (answer(87, &[]), "error code 87"),
        ] {
            let said = judged(&answer).unwrap_err().reason;
            assert!(said.contains(text), "{said}");
        }
    }

    #[test]
    fn an_answer_cut_anywhere_or_with_absurd_counts_is_refused() {
        let whole = answer(0, &[partition(0, 1)]);
        for end in 0..whole.len() {
            assert_eq!(cluster(&whole[..end], HARMLESS), None, "{end}");
        }
        assert_eq!(cluster(&[0xff; 64], 1), None);
        assert_eq!(newest(&[0, 0, 0xff, 0xff, 0xff, 0xff], METADATA), None);
    }
}
