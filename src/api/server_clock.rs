//! Estimates the offset of MoEngage's clock from the `Date` headers of its answers.
//!
//! Pure: it receives the times and stores only the offset.

use crate::rate_limit::later;
use jiff::{SignedDuration, Timestamp};

/// The `Date` header contains whole seconds, rounded down.
const DATE_RESOLUTION: SignedDuration = SignedDuration::from_secs(1);

/// How far MoEngage's clock is ahead of the local clock. Zero until an answer shows an offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerClock {
    offset: SignedDuration,
}

impl ServerClock {
    /// Updates the offset from an answer dated `date`, whose request ran from `sent` to `answered` by the local clock. The
    /// old offset stays if it is still possible: a changing offset would convert one moment to several.
    pub(super) fn update(&mut self, date: Timestamp, sent: Timestamp, answered: Timestamp) {
        let min = answered.duration_until(date);
        let max = sent.duration_until(date).saturating_add(DATE_RESOLUTION);
        if !(min..=max).contains(&self.offset) {
            // With the minimum, a reset that segctl waited for has certainly passed.
            self.offset = min;
        }
    }

    pub(super) fn to_server_time(self, local: Timestamp) -> Timestamp {
        later(local, self.offset)
    }

    pub(super) fn to_local_time(self, server: Timestamp) -> Timestamp {
        later(server, -self.offset)
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

    /// The local time at second 100 of the server, after these answers.
    fn local_second(answers: &[DatedResponse]) -> i64 {
        let mut clock = ServerClock::default();
        for (sent, answered, date) in answers {
            clock.update(at(*date), at(*sent), at(*answered));
        }
        assert_eq!(clock.to_server_time(clock.to_local_time(at(100))), at(100));
        at(0).duration_until(clock.to_local_time(at(100))).as_secs()
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
