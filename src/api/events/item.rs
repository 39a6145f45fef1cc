//! What the API shows of an event.

use schemars::JsonSchema;
use serde::Serialize;

use crate::api::page::{Item, ItemMeta};
use crate::catalogue::Outputs;
use crate::resource::event::Severity;
use crate::store::EventRow;

/// Document R4's event, and what else is known.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Event {
    timestamp: String,
    container_id: String,
    container_name: String,
    event_type: String,
    restart_count: u32,
    status: String,
    message: String,
    reason: String,
    severity: Severity,
    engine: String,
    image: String,
    host: String,
    /// The caller that requested it: `token ci`, `user alice (uid 1000)`, `anonymous at 127.0.0.1`; empty without a
    /// caller.
    caller: String,
    /// What the failed health check printed; shown only to callers with the role `edit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
}

impl Event {
    pub(super) fn of(row: EventRow, outputs: Outputs) -> Self {
        let event = row.event;
        Self {
            timestamp: event.at.rfc3339_millis(),
            container_id: event.container_id,
            container_name: event.container_name,
            event_type: event.event_type,
            restart_count: event.restart_count,
            status: event.status,
            message: event.message,
            reason: event.reason,
            severity: event.severity,
            engine: event.engine,
            image: event.image,
            host: event.host,
            caller: event.caller,
            output: Some(event.output).filter(|text| outputs == Outputs::Shown && !text.is_empty()),
        }
    }
}

/// It as an item of a list, and in a watch; its name is its number.
pub(super) fn item(row: EventRow, outputs: Outputs) -> Item<Event> {
    let creation_timestamp = Some(row.event.at.rfc3339_millis());
    let metadata = ItemMeta { name: row.id.to_string(), creation_timestamp, ..ItemMeta::default() };
    Item { metadata, item: Event::of(row, outputs) }
}
