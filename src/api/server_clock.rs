//! The service's clock, as far as its answers tell: the one place that turns its moments into ours and back.
//!
//! Pure: it is told the times and holds only the difference.

use crate::rate_limit::later;
use jiff::{SignedDuration, Timestamp};

/// The `Date` header holds whole seconds, the begun one left out.
const DATE_RESOLUTION: SignedDuration = SignedDuration::from_secs(1);

/// How far the service's clock is ahead of ours; not at all until an answer says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerClock {
    offset: SignedDuration,
}

impl ServerClock {
    /// Learns from an answer that was dated `date` by the service's clock while the call took from `sent` to
    /// `answered` by ours. What was known stays where that may be so, since a difference that changes with every
    /// answer would have the same moment come out as many.
    pub(super) fn update(&mut self, date: Timestamp, (sent, answered): (Timestamp, Timestamp)) {
        let least = answered.duration_until(date);
        let most = sent.duration_until(date).saturating_add(DATE_RESOLUTION);
        if !(least..=most).contains(&self.offset) {
            // The least, so that what is waited for is rather past than yet to come.
            self.offset = least;
        }
    }

    /// What the service's clock shows at `moment` of ours.
    pub(super) fn to_server_time(self, moment: Timestamp) -> Timestamp {
        later(moment, self.offset)
    }

    /// What our clock shows at `moment` of the service's.
    pub(super) fn to_local_time(self, moment: Timestamp) -> Timestamp {
        later(moment, -self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    /// The seconds at which an answer was asked for, came and was dated.
    type DatedResponse = (i64, i64, i64);

    /// What our clock shows at the service's second 100, after these answers.
    fn local_second(answers: &[DatedResponse]) -> i64 {
        let mut clock = ServerClock::default();
        for (sent, answered, date) in answers {
            clock.update(at(*date), (at(*sent), at(*answered)));
        }
        assert_eq!(clock.to_server_time(clock.to_local_time(at(100))), at(100));
        at(0).duration_until(clock.to_local_time(at(100))).as_secs()
    }

    #[test]
    fn the_clock_offset_comes_from_date_headers_and_no_reset_is_reached_early() {
        const HOURS: i64 = 7200;
        let table: [(&str, &[DatedResponse], i64); 10] = [
            ("nothing said", &[], 100),
            ("no difference", &[(0, 0, 0)], 100),
            ("a slow answer", &[(0, 50, 3)], 100),
            ("the begun second is left out", &[(1, 1, 0)], 100),
            ("ahead", &[(0, 0, HOURS)], 100 - HOURS),
            ("behind", &[(0, 0, -HOURS)], 100 + HOURS),
            ("a little behind", &[(0, 0, -20)], 120),
            ("behind, in a slow answer", &[(0, 30, -20)], 150),
            (
                "the first answer stands",
                &[(0, 0, HOURS), (5, 9, HOURS + 6)],
                100 - HOURS,
            ),
            ("unless it cannot any more", &[(0, 0, HOURS), (5, 5, 5)], 100),
        ];
        for (what, answers, expected) in table {
            assert_eq!(local_second(answers), expected, "{what}");
        }
    }
}
