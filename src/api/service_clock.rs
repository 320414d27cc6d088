//! The service's clock, as far as its answers tell: the one place that turns its moments into ours and back.
//!
//! Pure: it is told the times and holds only the difference.

use super::clock::later;
use jiff::{SignedDuration, Timestamp};

/// The `Date` header holds whole seconds, the begun one left out.
const GRAIN: SignedDuration = SignedDuration::from_secs(1);

/// How far the service's clock is ahead of ours; not at all until an answer says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ServiceClock {
    ahead: SignedDuration,
}

impl ServiceClock {
    /// Learns from an answer that was dated `date` by the service's clock while the call took from `sent` to
    /// `answered` by ours. What was known stays where that may be so, since a difference that changes with every
    /// answer would have the same moment come out as many.
    pub(super) fn learn(&mut self, date: Timestamp, (sent, answered): (Timestamp, Timestamp)) {
        let least = answered.duration_until(date);
        let most = sent.duration_until(date).saturating_add(GRAIN);
        if !(least..=most).contains(&self.ahead) {
            // The least, so that what is waited for is rather past than yet to come.
            self.ahead = least;
        }
    }

    /// What the service's clock shows at `moment` of ours.
    pub(super) fn of_service(self, moment: Timestamp) -> Timestamp {
        later(moment, self.ahead)
    }

    /// What our clock shows at `moment` of the service's.
    pub(super) fn of_ours(self, moment: Timestamp) -> Timestamp {
        later(moment, -self.ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    /// The seconds at which an answer was asked for, came and was dated.
    type Seen = (i64, i64, i64);

    /// What our clock shows at the service's second 100, after these answers.
    fn ours(answers: &[Seen]) -> i64 {
        let mut clock = ServiceClock::default();
        for (sent, answered, date) in answers {
            clock.learn(at(*date), (at(*sent), at(*answered)));
        }
        assert_eq!(clock.of_service(clock.of_ours(at(100))), at(100));
        at(0).duration_until(clock.of_ours(at(100))).as_secs()
    }

    #[test]
    fn a_difference_is_taken_from_the_dates_and_never_makes_a_moment_come_early() {
        const HOURS: i64 = 7200;
        let table: [(&str, &[Seen], i64); 10] = [
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
            assert_eq!(ours(answers), expected, "{what}");
        }
    }
}
