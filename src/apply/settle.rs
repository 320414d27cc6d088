//! What a look-up says about a write whose answer was lost. Pure: the look-up is made elsewhere.

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It took effect.
    Done,
    /// It did not, so it may be tried again.
    NotDone,
    /// Something else is there than before the write or after it.
    Neither,
}

/// A definition was to be stored; `is_wanted` and `is_as_before` compare what is there now.
pub(super) fn definition(is_wanted: bool, is_as_before: bool) -> Verdict {
    match (is_wanted, is_as_before) {
        (true, _) => Verdict::Done,
        (false, true) => Verdict::NotDone,
        (false, false) => Verdict::Neither,
    }
}

/// A segment was to be put away or taken out: whether the list shows it is all there is to see. `None` where the
/// list shows archived segments too, and so tells nothing: both writes may be repeated without harm.
pub(super) fn lifecycle(should_be_listed: bool, is_listed: Option<bool>) -> Verdict {
    match is_listed {
        Some(is_listed) if is_listed == should_be_listed => Verdict::Done,
        Some(_) | None => Verdict::NotDone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_decides() {
        let definitions = [
            ((true, false), Verdict::Done),
            ((true, true), Verdict::Done),
            ((false, true), Verdict::NotDone),
            ((false, false), Verdict::Neither),
        ];
        for ((is_wanted, is_as_before), verdict) in definitions {
            assert_eq!(definition(is_wanted, is_as_before), verdict);
        }
        let lifecycles = [
            ((true, Some(true)), Verdict::Done),
            ((true, Some(false)), Verdict::NotDone),
            ((false, Some(false)), Verdict::Done),
            ((false, Some(true)), Verdict::NotDone),
            ((true, None), Verdict::NotDone),
            ((false, None), Verdict::NotDone),
        ];
        for ((should_be_listed, is_listed), verdict) in lifecycles {
            assert_eq!(lifecycle(should_be_listed, is_listed), verdict);
        }
    }
}
