//! The engine's clock beside ours.

use crate::observed::Nanos;

/// What the engine's clock showed while a question was on its way: something between two times, which may be one.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClockReading {
    /// Ours, before it was asked.
    pub asked: Nanos,
    /// Ours, after it answered.
    pub answered: Nanos,
    /// The engine's at least.
    pub least: Nanos,
    /// The engine's at most.
    pub most: Nanos,
}

impl ClockReading {
    /// The engine's time, and by how much it is ahead of ours, in nanoseconds: 0 when the two cannot be told apart.
    pub(super) fn time_and_lead(self) -> (Nanos, i64) {
        let Self { asked, answered, least, most } = self;
        if most < asked {
            (most, most.since(asked))
        } else if least > answered {
            (least, least.since(answered))
        } else {
            (answered.min(most).max(least), 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_be_the_time_between_question_and_answer_is_another_time() {
        let of = |least, most| {
            let (asked, answered) = (Nanos(100), Nanos(110));
            let reading = ClockReading { asked, answered, least: Nanos(least), most: Nanos(most) };
            let (time, lead) = reading.time_and_lead();
            (time.0, lead)
        };
        assert_eq!(of(105, 105), (105, 0));
        assert_eq!(of(90, 90), (90, -10));
        assert_eq!(of(500, 500), (500, 390));
        // To the second only.
        assert_eq!(of(50, 149), (110, 0));
        assert_eq!(of(10, 109), (109, 0));
        assert_eq!(of(0, 99), (99, -1));
        assert_eq!(of(200, 299), (200, 90));
    }
}
