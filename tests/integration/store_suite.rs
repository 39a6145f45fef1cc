//! What every store guarantees, one function a guarantee, against `dyn Store`. A further store adds a [`Bench`] and a
//! line; it adds no test.

use async_trait::async_trait;
use portreeve::store::Store;

mod by_name;
mod cells;
mod commit;
mod due;
mod events;
mod killed;
mod lanes;
mod memory;
mod objects;
mod of_5551a0c;
mod prune;
mod readers;
mod room;
mod schema;

/// A store of a test's own, and what only its kind knows how to do to it.
#[async_trait]
pub trait Bench: Send + Sync + Sized {
    /// An empty store.
    async fn new() -> Self;
    /// The store, as the program sees it.
    fn store(&self) -> &dyn Store;
    /// Closes and opens it again.
    async fn reopen(&mut self);
    /// From now on the database itself refuses events with the message `poison`.
    async fn refuse_poison(&self);
    /// It takes them again.
    async fn relent(&self);
    /// From now on it fails, for a reason of its own, at every commit of a healing memory.
    async fn fail(&self);
}

/// One test per guarantee, each on a store of its own.
macro_rules! conformance {
    ($bench:ty: $($part:ident { $($guarantee:ident)+ })+) => {
        $(mod $part {
            $(#[tokio::test]
            async fn $guarantee() {
                let mut bench = <$bench as crate::integration::store_suite::Bench>::new().await;
                crate::integration::store_suite::$part::$guarantee(&mut bench).await;
            })+
        })+
    };
}

/// All guarantees.
macro_rules! all_guarantees {
    ($bench:ty) => {
        conformance!($bench:
            commit {
                a_change_set_that_fails_half_way_leaves_nothing
                one_intent_is_open_for_a_container_until_it_is_closed
                the_times_of_a_run_freeze_once_committed
                a_bill_is_taken_once_per_target_and_its_first_bytes_stay
                a_delivered_bill_that_comes_again_is_not_sent_again
                what_is_refused_is_told_from_what_fails_and_leaves_nothing
                a_set_is_of_one_shard_and_of_the_epoch_in_which_the_shard_is_owned
                only_runs_that_are_named_are_written
                bytes_are_sent_as_they_were_enqueued
            }
            lanes {
                bills_of_a_lane_are_due_in_the_order_of_their_commits
                a_lane_vanishes_when_it_is_drained
                a_waiting_lane_is_due_when_its_time_has_come
                a_success_wakes_waiting_lanes_but_none_that_is_parked
                a_time_that_the_service_named_holds_every_lane_of_it
                what_waits_is_tried_at_once_if_somebody_wishes_it
                a_parked_bill_is_passed_over_with_a_reason_and_what_follows_goes_on
                what_waits_for_a_target_is_dropped_whole_and_told_of
                what_comes_while_the_rest_is_dropped_stays_with_its_lane
                deliveries_are_listed_page_by_page_and_none_twice
                a_parked_lane_waits_for_a_replay_with_all_that_is_behind_it
                busy_lanes_are_left_out_and_the_longest_waiting_come_first
                a_delivery_ends_the_failures_of_its_lane
                targets_do_not_touch_each_other
                a_sink_and_a_billing_service_of_one_name_do_not_meet
            }
            due {
                lanes_are_due_in_the_order_in_which_they_fell_due
                only_lanes_and_cells_of_owned_shards_are_worked_on
                what_was_never_tried_does_not_wait_for_a_clock_that_was_set_back
            }
            cells {
                only_the_latest_state_is_due
                the_answer_to_an_old_generation_leaves_the_cell_due
                absent_once_acknowledged_is_forgotten
                a_start_counts_every_cell_as_attempted
                a_failed_attempt_counts_as_attempted
                waiting_cells_are_woken
                no_cell_is_sent_before_the_time_the_service_named
                an_acknowledged_state_is_not_trusted_once_another_may_have_been_taken
                everything_acknowledged_can_be_sent_again
                depths_tell_what_differs
                what_is_wanted_now_does_not_wait_for_what_failed_before_it
            }
            events {
                events_come_newest_first_and_no_more_than_asked_for
                events_are_filtered_by_type_container_and_time
                events_come_back_as_they_were
                events_are_numbered_without_a_hole_within_their_shard
                events_are_read_on_by_their_numbers_and_it_is_known_if_one_is_missing
                a_filter_lets_the_same_events_through_in_memory_and_in_the_store
            }
            readers {
                a_reader_begins_at_the_end_and_reads_in_order
                a_shard_that_comes_later_is_read_from_its_beginning
                what_a_reader_did_is_committed_with_its_cursor_or_not_at_all
                a_cursor_never_goes_back_and_none_is_kept_of_what_was_not_opened
                an_event_is_kept_until_every_declared_reader_has_passed_it
                a_reader_that_is_no_longer_declared_holds_nothing_back_and_begins_anew
                a_declared_reader_without_a_cursor_holds_nothing_back
                shards_do_not_wait_for_each_other
                a_number_is_given_once_even_if_all_events_are_pruned
            }
            memory {
                a_full_record_comes_back_as_it_was
                a_removed_container_is_not_loaded_but_found
                cursors_and_memories_are_replaced
                everything_survives_a_reopening
                runs_come_back_oldest_first
                each_shard_is_loaded_for_itself
            }
            objects {
                a_write_is_made_only_on_what_it_expects
                revisions_rise_in_the_order_of_the_writes
                a_write_and_its_event_are_stored_together_or_not_at_all
                changes_are_followed_and_it_is_known_if_one_is_missing
            }
            prune {
                what_is_pending_is_never_pruned
                the_newest_runs_of_a_living_container_are_kept
                old_events_and_removed_containers_are_forgotten
                many_old_events_are_all_forgotten
            }
        );
    };
}

mod sqlite;
