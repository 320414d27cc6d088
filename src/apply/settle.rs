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
    }
}
