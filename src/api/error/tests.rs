use super::*;
use crate::api::responses::MalformedBody;
use crate::api::retry::Retryability;
use serde_json::json;

const ADDRESS: &str = "https://api.example/moe/v3/custom-segments";

fn from_response(operation: &Operation, status: u16, body: &str, reset: Option<Timestamp>) -> ApiError {
    let response = ErrorResponse {
        status,
        body,
        reset,
        address: ADDRESS,
        location: Some("https://login.example/".to_owned()),
    };
    super::from_response(operation, &response)
}

fn create() -> Operation {
    Operation::Create(SegmentName::new("Lapsed"))
}

fn update() -> Operation {
    Operation::Update(SegmentId::new("a1"))
}

fn archive() -> Operation {
    Operation::Archive(SegmentName::new("Lapsed"))
}

#[test]
fn http_statuses_map_to_errors() {
    let get = || Operation::Get(SegmentId::new("a1"));
    let v3 = json!({"response_id": "r", "type": "custom_segment", "error": {"code": "X", "message": "no"}});
    let message = || "no".to_owned();
    let credentials = |status| ApiError::InvalidCredentials {
        status: Some(status),
        message: message(),
    };
    let refused = |status| ApiError::Refused {
        status,
        message: message(),
    };
    let server = |status| ApiError::Server {
        status,
        message: message(),
    };
    let table = [
        (create(), 400, refused(400)),
        (create(), 401, credentials(401)),
        (get(), 403, credentials(403)),
        (archive(), 403, credentials(403)),
        (update(), 401, credentials(401)),
        (update(), 403, ApiError::NotUpdatable { message: message() }),
        (get(), 404, ApiError::NotFound { message: message() }),
        (create(), 409, ApiError::NameTaken { message: message() }),
        (update(), 409, ApiError::NameTaken { message: message() }),
        (archive(), 409, refused(409)),
        (update(), 412, refused(412)),
        (update(), 413, refused(413)),
        (
            create(),
            302,
            ApiError::Redirected {
                status: 302,
                address: ADDRESS.to_owned(),
                location: Some("https://login.example/".to_owned()),
            },
        ),
        (
            Operation::List,
            404,
            ApiError::AddressNotFound {
                address: ADDRESS.to_owned(),
                message: message(),
            },
        ),
        (archive(), 404, ApiError::NotFound { message: message() }),
        (create(), 408, server(408)),
        (create(), 500, server(500)),
        (create(), 599, server(599)),
    ];
    for (operation, status, expected) in table {
        assert_eq!(
            from_response(&operation, status, &v3.to_string(), None),
            expected,
            "{status}"
        );
    }
}

#[test]
fn a_400_about_a_client_header_is_a_rejection_of_the_credentials() {
    let list = || Operation::List;
    let sync = || Operation::SyncMembers(SegmentName::new("Old database"), crate::model::MemberChange::Add);
    let upload = || Operation::Upload(SegmentName::new("Invalid database"));
    let v3 = |message: &str| json!({"error": {"code": "Invalid request", "message": message}});
    let v2 = |message: &str| json!({"title": "Invalid request", "description": message});
    // The operation, the answer, whether it is about the credentials, and the key that the help names first.
    let table = [
        (
            list(),
            v3("MoEngage Client not found for shop"),
            Some("`workspace_id`"),
        ),
        (create(), v3("MoEngage client not found"), Some("`workspace_id`")),
        (create(), v3("name: must not be empty"), None),
        (archive(), v2("Invalid DB name"), Some("`db_name`")),
        (archive(), v2("MOE-DBNAME header is missing"), Some("`db_name`")),
        (upload(), v2("Wrong database: other"), Some("`db_name`")),
        (upload(), v2("attribute_name: must not be empty"), None),
        // A name may be part of every word.
        (
            Operation::Archive(SegmentName::new("A")),
            v2("MOE-DBNAME is missing or names another database"),
            Some("`db_name`"),
        ),
        // The name of the segment does not count.
        (upload(), v2("the name `Invalid database` is in use"), None),
        (sync(), v3("MOE-APPKEY is missing"), Some("`workspace_id`")),
        (
            sync(),
            json!({"status": "fail", "error": {"message": "missing", "attribute": "moe_appkey"}}),
            Some("`workspace_id`"),
        ),
        (sync(), v3("members: must be a list"), None),
    ];
    for (operation, body, key) in table {
        let kind = from_response(&operation, 400, &body.to_string(), None);
        let is_about_credentials = matches!(kind, ApiError::InvalidCredentials { .. });
        assert_eq!(is_about_credentials, key.is_some(), "{body}");
        let text = RequestError { operation, kind }.to_string();
        if let Some(key) = key {
            assert!(text.contains(&format!("check {key}")), "{text}");
        }
    }
    let unauthorized = from_response(&archive(), 401, "{}", None);
    let text = RequestError {
        operation: archive(),
        kind: unauthorized,
    };
    assert!(text.to_string().contains("check `db_name`"), "{text}");
}

#[test]
fn a_definition_conflict_names_its_holder_at_any_depth() {
    let holder = json!({"existing_cs_id": "b2", "existing_cs_name": "Other"});
    let inside =
        json!({"error": {"code": "RESOURCE_EXISTS", "existing_cs_id": "b2", "existing_cs_name": "Other"}});
    let deeper = json!({"error": {"details": [holder]}});
    for body in [&holder, &inside, &deeper] {
        let expected = ApiError::DefinitionTaken {
            existing_id: Some(SegmentId::new("b2")),
            existing_name: Some(SegmentName::new("Other")),
        };
        assert_eq!(
            from_response(&create(), 409, &body.to_string(), None),
            expected,
            "{body}"
        );
    }
    let half = json!({"error": {"existing_cs_name": "Other", "existing_cs_id": null}});
    let expected = ApiError::DefinitionTaken {
        existing_id: None,
        existing_name: Some(SegmentName::new("Other")),
    };
    assert_eq!(from_response(&update(), 409, &half.to_string(), None), expected);
}

#[test]
fn a_429_with_actual_count_is_the_active_limit_and_any_other_a_rate_limit() {
    let reset = Timestamp::from_second(1_800_000_000).ok();
    let rate = |body: &str| {
        matches!(
            from_response(&create(), 429, body, reset),
            ApiError::RateLimited { reset: Some(_), .. }
        )
    };
    assert!(rate(
        r#"{"error":{"message":"API rate limit breached. Current limit: 50/1 mins"}}"#
    ));
    assert!(rate(r#"{"error":{"message":"slow down","limit":50}}"#));
    assert!(rate("<html>Too Many Requests</html>"));
    assert!(rate(""));
    let table = [
        (
            json!({"error": {"actual_count": 1000, "limit": 1000}}),
            Some(1000),
        ),
        (json!({"actual_count": "1000", "limit": "1000"}), Some(1000)),
        (json!({"error": {"actual_count": "many", "limit": null}}), None),
    ];
    for (body, number) in table {
        let expected = ApiError::ActiveLimit {
            actual_count: number,
            limit: number,
        };
        assert_eq!(
            from_response(&create(), 429, &body.to_string(), reset),
            expected,
            "{body}"
        );
    }
}

#[test]
fn messages_of_every_api_version_are_found_truncated_and_escaped() {
    let table = [
        (r#"{"error":{"message":"v3"}}"#.to_owned(), "v3".to_owned()),
        (
            r#"{"title":"Bad","description":"v2"}"#.to_owned(),
            "Bad: v2".to_owned(),
        ),
        (r#"{"title":"Bad"}"#.to_owned(), "Bad".to_owned()),
        (r#"{"status":"fail","error":"v1"}"#.to_owned(), "v1".to_owned()),
        (r#"{"message":"plain"}"#.to_owned(), "plain".to_owned()),
        ("<html>\n".to_owned(), "<html>".to_owned()),
        ("  ".to_owned(), "no message".to_owned()),
        (
            "\u{1b}[31mred\u{202e}".to_owned(),
            "\\u{1b}[31mred\\u{202e}".to_owned(),
        ),
        ("é".repeat(5000), format!("{}…", "é".repeat(200))),
        (
            format!(r#"{{"error":{}"#, "[".repeat(3000)),
            format!(r#"{{"error":{}…"#, "[".repeat(191)),
        ),
    ];
    for (body, expected) in table {
        let error = from_response(&create(), 400, &body, None);
        assert_eq!(
            error,
            ApiError::Refused {
                status: 400,
                message: expected
            }
        );
    }
}

#[test]
fn errors_name_the_request_the_cause_and_the_next_step() {
    let server = || ApiError::Server {
        status: 503,
        message: "busy".to_owned(),
    };
    let no_response = ApiError::NoResponse {
        message: "no complete response within 60 s".to_owned(),
    };
    let table = [
        (
            create(),
            server(),
            "cannot create segment `Lapsed`: server error (503: busy); the write may have had an effect: check the \
             segment before you retry",
        ),
        (
            Operation::List,
            server(),
            "cannot list the segments: server error (503: busy); run again later",
        ),
        (
            update(),
            no_response,
            "cannot update the segment with id `a1`: no response (no complete response within 60 s); the write may have \
             had an effect: check the segment before you retry",
        ),
        (
            create(),
            ApiError::DefinitionTaken {
                existing_id: Some(SegmentId::new("b2")),
                existing_name: Some(SegmentName::new("Other")),
            },
            "cannot create segment `Lapsed`: segment `Other` (id `b2`) already has this definition",
        ),
        (
            create(),
            ApiError::ConnectionClosed {
                message: "connection reset".to_owned(),
            },
            "cannot create segment `Lapsed`: no response (connection reset); the write may have had an effect: check the \
             segment before you retry",
        ),
        (
            Operation::List,
            ApiError::Misconfigured {
                problem: SetupProblem::ProxyAuthentication,
                message:
                    "the proxy `http://proxy.example` of HTTPS_PROXY requires a user and a password (407)"
                        .to_owned(),
            },
            "cannot list the segments: cannot connect to the API (the proxy `http://proxy.example` of HTTPS_PROXY requires \
             a user and a password (407)); nothing was sent: set the user and the password in the URL of the proxy, \
             percent-encoded: `http://USER:PASSWORD@HOST:PORT`",
        ),
        (
            archive(),
            from_transport_error(crate::api::TransportError::MissingDatabaseName),
            "cannot archive segment `Lapsed`: `db_name` (the name of the workspace's database) is not set; nothing was \
             sent: set it for the workspace in segctl.yaml",
        ),
    ];
    for (operation, kind, expected) in table {
        assert_eq!(RequestError { operation, kind }.to_string(), expected);
    }
}

#[test]
fn half_a_character_in_an_error_does_not_hide_its_fields() {
    let body = r#"{"error": {"code": "x", "message": "same filters as Weekend \ud83d", "existing_cs_id": "b2", "existing_cs_name": "Weekend \ud83d"}}"#;
    let taken = ApiError::DefinitionTaken {
        existing_id: Some(SegmentId::new("b2")),
        existing_name: Some(SegmentName::new("Weekend \u{fffd}")),
    };
    assert_eq!(from_response(&create(), 409, body, None), taken);
    let refused = ApiError::Refused {
        status: 400,
        message: "same filters as Weekend \u{fffd}".to_owned(),
    };
    assert_eq!(from_response(&create(), 400, body, None), refused);
    let full = r#"{"error": {"message": "\ude00", "actual_count": 1000, "limit": 1000}}"#;
    assert!(!is_rate_limit(429, full.as_bytes()));
}

#[test]
fn a_get_of_an_unreadable_segment_is_not_retried_and_a_page_is() {
    let get = Operation::Get(SegmentId::new("a1"));
    let mismatch = || MalformedBody::unexpected("`data` as an object");
    let unreadable = ApiError::UnreadableSegment {
        reason: "expected `data` as an object".to_owned(),
    };
    let is_retried = |kind| {
        let operation = get.clone();
        Retryability::of_error(&RequestError { operation, kind }) == Retryability::Retryable
    };
    let whole = malformed_response(&get, mismatch(), r#"{"data": null}"#);
    assert_eq!(whole, unreadable);
    assert!(!is_retried(whole));
    for body in ["<html>", r#"{"data": {"id""#, "[]", ""] {
        assert!(is_retried(malformed_response(&get, mismatch(), body)), "{body}");
    }
    let write = malformed_response(&update(), mismatch(), r#"{"data": null}"#);
    assert!(write.may_have_been_processed());
}
