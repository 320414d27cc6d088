//! MoEngage's clock, as the `Date` headers of its answers show it.
//!
//! Between two answers it goes on with a clock that cannot be set, so it is right even if this machine's clock is not.
//! Pure: it receives the times.

use crate::rate_limit::later;
use jiff::{SignedDuration, Timestamp};

/// The `Date` header contains whole seconds, rounded down.
const DATE_RESOLUTION: SignedDuration = SignedDuration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ServerClock {
    /// The time by MoEngage's clock when `elapsed` was zero.
    start: Timestamp,
}

impl ServerClock {
    /// Until an answer shows another time, MoEngage's clock agrees with the local one.
    pub(super) fn new(now: Timestamp, elapsed: SignedDuration) -> Self {
        let start = later(now, -elapsed);
        Self { start }
    }

    /// Updates the clock from an answer dated `date` that was complete after `elapsed`, to a request that took at most
    /// `latency`. A time that is still possible stays: a changing clock would convert one moment to several.
    pub(super) fn update(&mut self, date: Timestamp, elapsed: SignedDuration, latency: SignedDuration) {
        let min = later(date, -elapsed);
        let max = later(min, latency.saturating_add(DATE_RESOLUTION));
        if !(min..=max).contains(&self.start) {
            // With the minimum, a reset that segctl waited for has certainly passed.
            self.start = min;
        }
    }

    pub(super) fn time(self, elapsed: SignedDuration) -> Timestamp {
        later(self.start, elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    /// The seconds at which a request was sent and answered by the local clock, and the `Date` of the answer.
    type DatedResponse = (i64, i64, i64);

    /// The local second at which MoEngage's clock shows second 100, after these answers.
    fn local_second(answers: &[DatedResponse]) -> i64 {
        let seconds = SignedDuration::from_secs;
        let mut clock = ServerClock::new(at(0), SignedDuration::ZERO);
        for (sent, answered, date) in answers {
            clock.update(at(*date), seconds(*answered), seconds(answered - sent));
        }
        clock.time(SignedDuration::ZERO).duration_until(at(100)).as_secs()
    }

    #[test]
    fn the_clock_offset_comes_from_date_headers_and_no_reset_is_reached_early() {
        const HOURS: i64 = 7200;
        let table: [(&str, &[DatedResponse], i64); 10] = [
            ("no answer", &[], 100),
            ("no offset", &[(0, 0, 0)], 100),
            ("a slow answer", &[(0, 50, 3)], 100),
            ("seconds are rounded down", &[(1, 1, 0)], 100),
            ("ahead", &[(0, 0, HOURS)], 100 - HOURS),
            ("behind", &[(0, 0, -HOURS)], 100 + HOURS),
            ("a little behind", &[(0, 0, -20)], 120),
            ("behind, in a slow answer", &[(0, 30, -20)], 150),
            (
                "a possible offset stays",
                &[(0, 0, HOURS), (5, 9, HOURS + 6)],
                100 - HOURS,
            ),
            (
                "an impossible offset is replaced",
                &[(0, 0, HOURS), (5, 5, 5)],
                100,
            ),
        ];
        for (what, answers, expected) in table {
            assert_eq!(local_second(answers), expected, "{what}");
        }
    }
}
