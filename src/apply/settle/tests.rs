use super::*;
use crate::api::Operation;

const OWN: &str = "a1";

fn error(operation: Operation, kind: &ApiError) -> CallError {
    CallError {
        operation,
        kind: kind.clone(),
    }
}

fn name() -> SegmentName {
    SegmentName::new("A")
}

fn own() -> SegmentId {
    SegmentId::new(OWN)
}

fn lost() -> ApiError {
    ApiError::Lost {
        message: String::new(),
    }
}

fn refused(status: u16) -> ApiError {
    ApiError::Refused {
        status,
        message: String::new(),
    }
}

fn taken_by(id: &str, name: &str) -> ApiError {
    ApiError::DefinitionTaken {
        existing_id: Some(SegmentId::new(id)),
        existing_name: Some(SegmentName::new(name)),
    }
}

fn name_taken() -> ApiError {
    ApiError::NameTaken {
        message: String::new(),
    }
}

fn forbidden() -> ApiError {
    ApiError::Forbidden {
        message: String::new(),
    }
}

fn limited() -> ApiError {
    ApiError::RateLimited {
        message: String::new(),
        reset: None,
    }
}

fn silences() -> [ApiError; 3] {
    let (expected, came) = (String::new(), String::new());
    [
        lost(),
        ApiError::Server {
            status: 503,
            message: String::new(),
        },
        ApiError::Garbage { expected, came },
    ]
}

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

#[test]
fn a_create_that_was_not_answered_with_success_is_looked_at_or_has_failed() {
    // What was heard, and what follows without a lost answer before and after one.
    let table = [
        (name_taken(), Next::Look, Next::Look),
        (taken_by("b2", "A"), Next::Look, Next::Look),
        (taken_by("b2", "B"), Next::Failed, Next::Failed),
        (refused(400), Next::Failed, Next::Failed),
        (refused(413), Next::Failed, Next::Failed),
        (limited(), Next::Failed, Next::Unknown),
        (ApiError::Stopped, Next::Failed, Next::Unknown),
        (ApiError::TurnOver, Next::Failed, Next::Unknown),
    ];
    let heard = |kind: &ApiError| error(Operation::Create(name()), kind);
    for (kind, at_first, after_lost) in table {
        let next = |was_lost| after_create(&heard(&kind), &name(), was_lost);
        assert_eq!((next(false), next(true)), (at_first, after_lost), "{kind:?}");
    }
    for kind in silences() {
        for was_lost in [false, true] {
            assert_eq!(after_create(&heard(&kind), &name(), was_lost), Next::Look);
        }
        let came = [Some(true), Some(false), None].map(|found| create(&heard(&kind), found));
        assert_eq!(came, [Came::Done, Came::Other, Came::Again], "{kind:?}");
    }
    let found = |kind: &ApiError| [Some(true), Some(false), None].map(|found| create(&heard(kind), found));
    assert_eq!(
        found(&name_taken()),
        [Came::DoneAlready, Came::Other, Came::Hidden]
    );
    assert_eq!(
        found(&taken_by("b2", "A")),
        [Came::DoneAlready, Came::Other, Came::Again]
    );
}

#[test]
fn an_update_whose_refusal_names_itself_may_be_the_echo_of_one_that_was_done() {
    let table = [
        (taken_by(OWN, "A"), Next::Look),
        (taken_by("b2", "A"), Next::Failed),
        (refused(400), Next::Look),
        (refused(412), Next::Failed),
        (refused(413), Next::Failed),
        (name_taken(), Next::Failed),
        (forbidden(), Next::TakeOut),
        (limited(), Next::Failed),
        (ApiError::Stopped, Next::Failed),
    ];
    let heard = |kind: &ApiError| error(Operation::Update(own()), kind);
    for (kind, next) in table {
        assert_eq!(
            after_update(&heard(&kind), &own(), (true, false)),
            next,
            "{kind:?}"
        );
    }
    assert_eq!(
        after_update(&heard(&name_taken()), &own(), (true, true)),
        Next::Look
    );
    assert_eq!(
        after_update(&heard(&forbidden()), &own(), (false, false)),
        Next::Failed
    );
    let came = |kind: &ApiError| {
        [Verdict::Done, Verdict::NotDone, Verdict::Neither].map(|found| update(&heard(kind), found))
    };
    for kind in silences() {
        assert_eq!(
            after_update(&heard(&kind), &own(), (true, false)),
            Next::Look,
            "{kind:?}"
        );
        assert_eq!(came(&kind), [Came::Done, Came::Again, Came::Unknown], "{kind:?}");
    }
    for kind in [taken_by(OWN, "A"), refused(400)] {
        assert_eq!(
            came(&kind),
            [Came::DoneAlready, Came::Failed, Came::Unknown],
            "{kind:?}"
        );
    }
}

#[test]
fn what_is_put_away_or_taken_out_is_asked_for_again_and_not_guessed() {
    let table = [
        (refused(400), Next::Look, Next::Look),
        (refused(200), Next::Failed, Next::Unknown),
        (limited(), Next::Failed, Next::Unknown),
        (ApiError::Stopped, Next::Failed, Next::Unknown),
    ];
    let heard = |kind: &ApiError| error(Operation::Archive(name()), kind);
    for (kind, at_first, after_lost) in table {
        let next = |was_lost| after_lifecycle(&heard(&kind), was_lost);
        assert_eq!((next(false), next(true)), (at_first, after_lost), "{kind:?}");
    }
    for kind in silences() {
        assert_eq!(after_lifecycle(&heard(&kind), false), Next::Again, "{kind:?}");
        assert_eq!(after_lifecycle(&heard(&kind), true), Next::Again, "{kind:?}");
    }
    let came = [(true, true), (true, false), (false, true), (false, false)]
        .map(|(is_so, was_lost)| lifecycle(is_so, was_lost));
    assert_eq!(came, [Came::Done, Came::DoneAlready, Came::Unknown, Came::Failed]);
}
