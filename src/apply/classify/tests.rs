use super::*;
use crate::api::Operation;

const OWN_ID: &str = "a1";

fn error(operation: Operation, kind: &ApiError) -> RequestError {
    RequestError {
        operation,
        kind: kind.clone(),
    }
}

fn name() -> SegmentName {
    SegmentName::new("A")
}

fn own_id() -> SegmentId {
    SegmentId::new(OWN_ID)
}

fn no_response() -> ApiError {
    ApiError::NoResponse {
        message: String::new(),
    }
}

fn refused(status: u16) -> ApiError {
    ApiError::Refused {
        status,
        message: String::new(),
    }
}

fn definition_taken_by(id: &str, name: &str) -> ApiError {
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
    ApiError::NotUpdatable {
        message: String::new(),
    }
}

fn rate_limited() -> ApiError {
    ApiError::RateLimited {
        message: String::new(),
        reset: None,
    }
}

fn ambiguous_errors() -> [ApiError; 3] {
    [
        no_response(),
        ApiError::Server {
            status: 503,
            message: String::new(),
        },
        ApiError::MalformedResponse {
            expected: String::new(),
            received: String::new(),
        },
    ]
}

#[test]
fn the_effect_follows_from_the_remote_definition() {
    let definitions = [
        ((true, false), Effect::Applied),
        ((true, true), Effect::Applied),
        ((false, true), Effect::NotApplied),
        ((false, false), Effect::Conflicting),
    ];
    for ((is_desired, is_unchanged), effect) in definitions {
        assert_eq!(definition_effect(is_desired, is_unchanged), effect);
    }
}

#[test]
fn a_create_without_success_is_verified_or_fails() {
    // The error, the next action without an earlier lost response, and the next action after one.
    let table = [
        (name_taken(), NextAction::Verify, NextAction::Verify),
        (
            definition_taken_by("b2", "A"),
            NextAction::Verify,
            NextAction::Verify,
        ),
        (definition_taken_by("b2", "B"), NextAction::Fail, NextAction::Fail),
        (refused(400), NextAction::Fail, NextAction::Fail),
        (refused(413), NextAction::Fail, NextAction::Fail),
        (rate_limited(), NextAction::Fail, NextAction::Unknown),
        (ApiError::Cancelled, NextAction::Fail, NextAction::Unknown),
        (ApiError::PermitExpired, NextAction::Fail, NextAction::Unknown),
    ];
    let error_for = |kind: &ApiError| error(Operation::Create(name()), kind);
    for (kind, first, after_ambiguous) in table {
        let next = |is_retry| next_after_create(&error_for(&kind), &name(), is_retry);
        assert_eq!((next(false), next(true)), (first, after_ambiguous), "{kind:?}");
    }
    for kind in ambiguous_errors() {
        for is_retry in [false, true] {
            let next = next_after_create(&error_for(&kind), &name(), is_retry);
            assert_eq!(next, NextAction::Verify);
        }
        let resolutions =
            [Some(true), Some(false), None].map(|found| resolve_create(&error_for(&kind), found));
        assert_eq!(
            resolutions,
            [
                Resolution::Applied,
                Resolution::OtherNameHolder,
                Resolution::Retry
            ],
            "{kind:?}"
        );
    }
    let found = |kind: &ApiError| {
        [Some(true), Some(false), None].map(|found| resolve_create(&error_for(kind), found))
    };
    assert_eq!(
        found(&name_taken()),
        [
            Resolution::AlreadyApplied,
            Resolution::OtherNameHolder,
            Resolution::HiddenNameHolder
        ]
    );
    assert_eq!(
        found(&definition_taken_by("b2", "A")),
        [
            Resolution::AlreadyApplied,
            Resolution::OtherNameHolder,
            Resolution::Retry
        ]
    );
}

#[test]
fn an_update_refused_because_of_its_own_segment_is_verified() {
    let table = [
        (definition_taken_by(OWN_ID, "A"), NextAction::Verify),
        (definition_taken_by("b2", "A"), NextAction::Fail),
        (refused(400), NextAction::Verify),
        (refused(412), NextAction::Fail),
        (refused(413), NextAction::Fail),
        (name_taken(), NextAction::Fail),
        (forbidden(), NextAction::UnarchiveFirst),
        (rate_limited(), NextAction::Fail),
        (ApiError::Cancelled, NextAction::Fail),
    ];
    let error_for = |kind: &ApiError| error(Operation::Update(own_id()), kind);
    for (kind, next) in table {
        assert_eq!(
            next_after_update(&error_for(&kind), &own_id(), true, false),
            next,
            "{kind:?}"
        );
    }
    assert_eq!(
        next_after_update(&error_for(&name_taken()), &own_id(), true, true),
        NextAction::Verify
    );
    assert_eq!(
        next_after_update(&error_for(&forbidden()), &own_id(), false, false),
        NextAction::Fail
    );
    // Such a refusal does not show the effect of the lost request.
    assert_eq!(
        next_after_update(&error_for(&rate_limited()), &own_id(), true, true),
        NextAction::Unknown
    );
    for kind in ambiguous_errors() {
        assert_eq!(
            next_after_update(&error_for(&kind), &own_id(), true, false),
            NextAction::Verify,
            "{kind:?}"
        );
    }
}

#[test]
fn a_verified_update_is_resolved_by_what_the_segment_has() {
    let resolutions = |kind: &ApiError| {
        let error = error(Operation::Update(own_id()), kind);
        [Effect::Applied, Effect::NotApplied, Effect::Conflicting].map(|found| resolve_update(&error, found))
    };
    for kind in ambiguous_errors() {
        assert_eq!(
            resolutions(&kind),
            [Resolution::Applied, Resolution::Retry, Resolution::Unknown],
            "{kind:?}"
        );
    }
    for kind in [definition_taken_by(OWN_ID, "A"), refused(400)] {
        assert_eq!(
            resolutions(&kind),
            [
                Resolution::AlreadyApplied,
                Resolution::Rejected,
                Resolution::Unknown
            ],
            "{kind:?}"
        );
    }
}

#[test]
fn a_lost_archive_or_unarchive_is_retried_and_a_refused_one_is_verified() {
    let table = [
        (refused(400), NextAction::Verify, NextAction::Verify),
        (refused(200), NextAction::Fail, NextAction::Unknown),
        (rate_limited(), NextAction::Fail, NextAction::Unknown),
        (ApiError::Cancelled, NextAction::Fail, NextAction::Unknown),
    ];
    let error_for = |kind: &ApiError| error(Operation::Archive(name()), kind);
    for (kind, first, after_ambiguous) in table {
        let next = |is_retry| next_after_lifecycle(&error_for(&kind), is_retry);
        assert_eq!((next(false), next(true)), (first, after_ambiguous), "{kind:?}");
    }
    for kind in ambiguous_errors() {
        for is_retry in [false, true] {
            let next = next_after_lifecycle(&error_for(&kind), is_retry);
            assert_eq!(next, NextAction::Retry, "{kind:?}");
        }
    }
    let resolutions = [(true, true), (true, false), (false, true), (false, false)]
        .map(|(is_in_lifecycle, is_retry)| resolve_lifecycle(is_in_lifecycle, is_retry));
    assert_eq!(
        resolutions,
        [
            Resolution::Applied,
            Resolution::AlreadyApplied,
            Resolution::Unknown,
            Resolution::Rejected
        ]
    );
}

#[test]
fn a_request_with_a_list_is_sent_again_until_it_is_answered() {
    let error_for = |kind: &ApiError| error(Operation::Upload(name()), kind);
    for kind in ambiguous_errors() {
        for had_ambiguous in [false, true] {
            let next = [false, true]
                .map(|may_verify| next_after_list_request(&error_for(&kind), may_verify, had_ambiguous));
            assert_eq!(next, [NextAction::Retry, NextAction::Verify], "{kind:?}");
        }
    }
    // The error, whether a read can show the segment, and the next action without and after a lost response.
    let table = [
        (name_taken(), true, [NextAction::Verify, NextAction::Verify]),
        (name_taken(), false, [NextAction::Fail, NextAction::Unknown]),
        (refused(400), true, [NextAction::Fail, NextAction::Unknown]),
        (rate_limited(), false, [NextAction::Fail, NextAction::Unknown]),
    ];
    for (kind, may_verify, expected) in table {
        let next = [false, true].map(|had| next_after_list_request(&error_for(&kind), may_verify, had));
        assert_eq!(next, expected, "{kind:?}");
    }
}
