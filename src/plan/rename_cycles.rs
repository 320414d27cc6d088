//! Renames by `previous_names` in which each segment takes the name of another one: swaps and longer cycles.
//!
//! Every segment of such a cycle matches by state or name as well, so both readings of the files are complete: the ids move
//! with the names, or the definitions move and the names stay. The evidence decides.

/// What is known of one segment in a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Evidence {
    /// The segment that has the declared name also has the declared definition.
    pub(super) keeps_definition: bool,
    /// The segment that has the previous name has the declared definition.
    pub(super) moves_definition: bool,
    pub(super) previous_name: PreviousNameUse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PreviousNameUse {
    /// An earlier run applied the declaration with this previous name.
    UsedUp,
    /// The last run applied the declaration without it.
    New,
    /// The state does not contain the segment.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// The ids move with the names.
    Move,
    /// The names stay.
    Stay,
    Undecided,
}

pub(super) fn decide(segments: &[Evidence]) -> Decision {
    let is_used = |is: PreviousNameUse| segments.iter().any(|segment| segment.previous_name == is);
    // The definitions are unique, so after the renames the declared definitions are found under the declared names.
    if segments.iter().any(|segment| segment.keeps_definition) {
        Decision::Stay
    } else if segments.iter().all(|segment| segment.moves_definition) {
        Decision::Move
    } else if is_used(PreviousNameUse::UsedUp) {
        Decision::Stay
    } else if is_used(PreviousNameUse::New) {
        Decision::Move
    } else {
        Decision::Undecided
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_evidence_decides_in_its_order() {
        use Decision::{Move, Stay, Undecided};
        use PreviousNameUse::{New, Unknown, UsedUp};
        let evidence = |keeps_definition, moves_definition, previous_name| Evidence {
            keeps_definition,
            moves_definition,
            previous_name,
        };
        // The names were swapped, and nothing else changed.
        let swapped = |previous_name| evidence(false, true, previous_name);
        // The definition was edited, too.
        let edited = |previous_name| evidence(false, false, previous_name);
        let in_sync = |previous_name| evidence(true, false, previous_name);
        let table = [
            ([swapped(New), swapped(New)], Move),
            ([swapped(Unknown), swapped(Unknown)], Move),
            // The names were swapped back.
            ([swapped(UsedUp), swapped(UsedUp)], Move),
            ([edited(New), swapped(New)], Move),
            ([edited(New), edited(Unknown)], Move),
            ([edited(UsedUp), edited(UsedUp)], Stay),
            ([edited(UsedUp), swapped(New)], Stay),
            ([edited(Unknown), swapped(Unknown)], Undecided),
            ([edited(Unknown), edited(Unknown)], Undecided),
            ([in_sync(UsedUp), in_sync(UsedUp)], Stay),
            ([in_sync(Unknown), edited(Unknown)], Stay),
            ([in_sync(New), edited(New)], Stay),
        ];
        for (segments, expected) in table {
            assert_eq!(decide(&segments), expected, "{segments:?}");
        }
    }
}
