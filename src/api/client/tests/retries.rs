//! What is sent again after an error, and what never is.

use super::*;

async fn every_write(answers: impl Fn() -> Vec<ScriptedAnswer>) -> Vec<(RequestError, usize)> {
    let mut outcomes = Vec::new();
    for write in 0..7 {
        let test = TestClient::with_answers(answers());
        let client = &test.client;
        let update_permit = acquire(&test, Operation::Update(id())).await;
        let lifecycle = acquire(&test, Operation::Archive(name())).await;
        let error = match write {
            0 => create(&test, &payload()).await.unwrap_err(),
            1 => update(&test, update_permit).await.unwrap_err(),
            2 => client.archive(lifecycle, &name(), Some(&id())).await.unwrap_err(),
            3 => client.unarchive(lifecycle, &name(), None).await.unwrap_err(),
            other => super::membership::tests::nth_write_error(&test, other - 4).await,
        };
        outcomes.push((error, test.request_seconds().len()));
    }
    outcomes
}

#[tokio::test]
async fn an_ambiguous_write_is_never_sent_again() {
    let answers: [fn() -> ScriptedAnswer; 6] = [
        no_response,
        connection_closed,
        || answer(500, ""),
        || answer(504, "<html>gateway timeout</html>"),
        || answer(201, r#"{"data":{"id":"a1","na"#),
        || Err(TransportError::ResponseTooLarge { limit: 1 }),
    ];
    for lost in answers {
        for (error, sent) in every_write(|| vec![lost(), segment_response()]).await {
            assert!(error.is_ambiguous_write(), "{error}");
            assert_eq!(sent, 1, "{error}");
        }
    }
}

#[tokio::test]
async fn refusals_are_final_and_not_ambiguous() {
    for status in [400, 401, 403, 404, 409, 412, 413, 415] {
        for (error, sent) in every_write(|| vec![answer(status, "no"), segment_response()]).await {
            assert!(!error.is_ambiguous_write(), "{error}");
            assert_eq!(sent, 1, "{error}");
        }
    }
    let full = || {
        vec![
            answer(429, json!({"error": {"actual_count": 1000, "limit": 1000}})),
            segment_response(),
        ]
    };
    for (error, sent) in every_write(full).await {
        assert!(matches!(error.kind, ApiError::ActiveLimit { .. }), "{error}");
        assert_eq!(sent, 1);
    }
}

#[tokio::test]
async fn a_write_that_was_certainly_not_processed_is_retried() {
    let test = TestClient::with_answers([not_sent(), rate_limited(None), segment_response()]);
    create(&test, &payload()).await.unwrap();
    assert_eq!(test.request_seconds().len(), 3);
    assert_eq!(
        test.client.request_counts(),
        BTreeMap::from([(EndpointClass::Create, 3)])
    );
    assert_eq!(test.request(0), test.request(2));

    // An ambiguous attempt ends the retries.
    let test = TestClient::with_answers([not_sent(), no_response(), segment_response()]);
    let error = create(&test, &payload()).await.unwrap_err();
    assert!(error.is_ambiguous_write());
    assert_eq!(test.request_seconds().len(), 2);
}

#[tokio::test]
async fn reads_are_retried_until_they_succeed() {
    let test = TestClient::with_answers([
        no_response(),
        answer(503, ""),
        answer(200, r#"{"data":{"id":"a1","#),
        not_sent(),
        segment_response(),
    ]);
    assert_eq!(
        test.client.get(&id()).await.unwrap().included_filters,
        Some(group())
    );
    assert_eq!(test.request_seconds().len(), 5);

    let test = TestClient::with_answers((0..10).map(|_| no_response()));
    let error = test.client.list().await.unwrap_err();
    assert!(matches!(error.kind, ApiError::NoResponse { .. }) && !error.is_ambiguous_write());
    assert_eq!(test.request_seconds().len(), 6);
}

#[tokio::test]
async fn a_read_that_a_closed_connection_lost_is_retried_at_once() {
    let test = TestClient::with_answers([connection_closed(), connection_closed(), segment_response()]);
    test.client.get(&id()).await.unwrap();
    assert_eq!(test.request_seconds().len(), 3);
    assert_eq!(test.observed_waits.lock().unwrap().len(), 0);
    assert_eq!(
        test.client.request_counts(),
        BTreeMap::from([(EndpointClass::Get, 3)])
    );

    let test = TestClient::with_answers([connection_closed(), segment_response()]);
    assert!(test.client.get_without_waiting(&id()).await.unwrap().is_some());

    let test = TestClient::with_answers((0..10).map(|_| connection_closed()));
    let error = test.client.list().await.unwrap_err();
    assert!(matches!(error.kind, ApiError::ConnectionClosed { .. }), "{error}");
    assert_eq!(test.request_seconds().len(), 6);
}

#[tokio::test]
async fn a_setup_problem_is_final() {
    let misconfigured = || {
        Err(TransportError::Misconfigured {
            problem: SetupProblem::Certificate,
            message: "UnknownIssuer".to_owned(),
        })
    };
    let test = TestClient::with_answers([misconfigured(), segment_response()]);
    let error = test.client.get(&id()).await.unwrap_err();
    assert!(error.to_string().contains("`SSL_CERT_FILE`"), "{error}");
    assert_eq!(test.request_seconds().len(), 1);
    for (error, sent) in every_write(|| vec![misconfigured(), segment_response()]).await {
        assert!(!error.is_ambiguous_write(), "{error}");
        assert_eq!(sent, 1, "{error}");
    }
}
