use super::*;
use crate::api::transport::SetupProblem;
use crate::model::RequestContentType;
use serde_json::json;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::thread::JoinHandle;

const KEY: &str = "hunter2-data-key";
const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(20);

fn credentials() -> Credentials {
    Credentials {
        workspace_id: "W1".to_owned(),
        api_key: KEY.into(),
        db_name: Some("db".to_owned()),
    }
}

fn transport(port: u16) -> HttpTransport {
    let endpoint = Endpoint::parse(&format!("http://127.0.0.1:{port}")).unwrap();
    HttpTransport::new(endpoint, credentials()).unwrap()
}

fn request(version: ApiVersion) -> Request {
    Request {
        method: Method::Patch,
        path: "/v3/custom-segments/a1".to_owned(),
        query: vec![("name".to_owned(), "a b".to_owned())],
        api_version: version,
        content_type: RequestContentType::Json,
        body: Some(json!({"x": "é"})),
    }
}

async fn send_error(port: u16, deadline: Duration) -> TransportError {
    let sent = transport(port).send(request(ApiVersion::V3), deadline).await;
    sent.unwrap_err()
}

// With its own worker, the runtime closes connections while a test waits for the server thread to end.

/// Accepts one connection, reads the request, and calls `answer`. Joining the thread returns the request as text.
fn serve(answer: impl FnOnce(TcpStream) + Send + 'static) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut part = [0; 4096];
        while !request.ends_with(b"}") {
            let count = stream.read(&mut part).unwrap();
            request.extend_from_slice(&part[..count]);
        }
        answer(stream);
        String::from_utf8(request).unwrap()
    });
    (port, server)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_request_has_the_headers_of_its_api_version_and_returns_the_full_response() {
    let head = "HTTP/1.1 201 Created\r\nx-ratelimit-limit: 50\r\nX-RateLimit-Remaining: 0\r\nx-ratelimit-reset: 1800000000\r\n";
    let answer = format!("{head}content-length: 2\r\n\r\n{{}}");
    let (app_key, database) = ("moe-appkey: W1\r\n", "moe-dbname: db\r\n");
    for (version, header, other_header) in [
        (ApiVersion::V3, app_key, "moe-dbname"),
        (ApiVersion::V2, database, "moe-appkey"),
        (ApiVersion::V1, app_key, "moe-dbname"),
    ] {
        let answer = answer.clone();
        let (port, server) = serve(move |mut stream| stream.write_all(answer.as_bytes()).unwrap());
        let response = transport(port).send(request(version), LONG).await.unwrap();
        let expected = RateLimitHeaders {
            limit: Some(50),
            remaining: Some(0),
            reset: Some(1_800_000_000),
        };
        assert_eq!(
            (response.status, response.headers, response.body.as_slice()),
            (201, expected, &b"{}"[..])
        );
        let request = server.join().unwrap();
        assert!(
            request.starts_with("PATCH /v3/custom-segments/a1?name=a%20b HTTP/1.1\r\n"),
            "{request}"
        );
        // "W1:hunter2-data-key"
        assert!(
            request.contains("authorization: Basic VzE6aHVudGVyMi1kYXRhLWtleQ==\r\n"),
            "{request}"
        );
        assert!(
            request.contains("content-type: application/json\r\n"),
            "{request}"
        );
        assert!(
            request.contains(concat!("user-agent: segctl/", env!("CARGO_PKG_VERSION"), "\r\n")),
            "{request}"
        );
        assert!(
            request.contains(header) && !request.contains(other_header),
            "{request}"
        );
        assert!(request.ends_with("\r\n\r\n{\"x\":\"é\"}"), "{request}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn incomplete_responses_are_no_response() {
    let truncated = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"data\":";
    let answers: [(&str, &'static str); 4] = [
        ("closed before the response", ""),
        ("closed inside the head", "HTTP/1.1 200"),
        ("closed inside the body", truncated),
        ("not HTTP", "\u{1}\u{2}\u{3} hello\r\n\r\n"),
    ];
    for (what, answer) in answers {
        let (port, server) = serve(move |mut stream| stream.write_all(answer.as_bytes()).unwrap());
        let error = send_error(port, LONG).await;
        assert!(
            matches!(error, TransportError::NoResponse { .. }),
            "{what}: {error:?}"
        );
        server.join().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_response_after_the_deadline_is_no_response_even_if_partly_received() {
    for begun in ["", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"data\":"] {
        let (port, server) = serve(move |mut stream| {
            stream.write_all(begun.as_bytes()).unwrap();
            // Keeps the connection open until the client gives up.
            while stream.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
        });
        let error = send_error(port, SHORT).await;
        let message = "no complete response within 0.3 s".to_owned();
        assert_eq!(error, TransportError::NoResponse { message });
        server.join().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_refused_connection_is_not_sent() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let error = send_error(port, LONG).await;
    assert!(matches!(error, TransportError::NotSent { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_without_tls_is_a_setup_problem() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let endpoint = Endpoint::parse(&format!("https://127.0.0.1:{port}")).unwrap();
    let transport = HttpTransport::new(endpoint, credentials()).unwrap();
    let error = transport.send(request(ApiVersion::V3), LONG).await.unwrap_err();
    let problem = SetupProblem::Tls;
    assert!(
        matches!(&error, TransportError::Misconfigured { problem: found, .. } if *found == problem),
        "{error:?}"
    );
    server.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn redirects_are_returned_and_not_followed() {
    let answer =
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let (port, server) = serve(move |mut stream| stream.write_all(answer.as_bytes()).unwrap());
    let response = transport(port).send(request(ApiVersion::V3), LONG).await.unwrap();
    assert_eq!(
        (response.status, response.location.as_deref()),
        (307, Some("http://127.0.0.1:1/"))
    );
    server.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_endless_response_is_cut_off() {
    let (port, server) = serve(|mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        while stream.write_all(&[b' '; 65_536]).is_ok() {}
    });
    let error = send_error(port, LONG).await;
    let limit = MAX_RESPONSE_BYTES;
    assert_eq!(error, TransportError::ResponseTooLarge { limit });
    server.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_missing_database_name_is_reported_before_anything_is_sent() {
    let endpoint = Endpoint::parse("http://127.0.0.1:1").unwrap();
    let credentials = Credentials {
        db_name: None,
        ..credentials()
    };
    let transport = HttpTransport::new(endpoint, credentials).unwrap();
    let error = transport.send(request(ApiVersion::V2), LONG).await.unwrap_err();
    assert_eq!(error, TransportError::MissingDatabaseName);
}

#[test]
fn secrets_are_hidden_in_debug_output_and_redacted_in_quotes() {
    let transport = transport(1);
    for shown in [format!("{transport:?}"), format!("{:?}", credentials())] {
        assert!(!shown.contains("hunter2") && !shown.contains("VzE6"), "{shown}");
    }
    assert_eq!(
        transport.redact("key hunter2-data-key, Basic VzE6aHVudGVyMi1kYXRhLWtleQ==, W1"),
        "key [redacted], Basic [redacted], W1"
    );
    let transport = transport.with_redacted_secret(Arc::new(OnceLock::from(SecretString::from(
        "s3cret-of-callbacks",
    ))));
    assert_eq!(
        transport.redact("callback_url: https://hooks.example/s3cret-of-callbacks/5a, hunter2-data-key"),
        "callback_url: https://hooks.example/[redacted]/5a, [redacted]"
    );
}

#[test]
fn invalid_credentials_are_rejected_and_not_shown() {
    let endpoint = || Endpoint::data_center("01").unwrap();
    let table = [
        ("W1", "", Some("db"), "`api_key` is empty"),
        ("W1", "hunter2\n", Some("db"), "`api_key` contains a line break"),
        ("W1", " hunter2", None, "`api_key` begins or ends with a space"),
        ("", "hunter2", None, "`workspace_id` is empty"),
        ("W:1", "hunter2", None, "`workspace_id` contains a colon"),
        ("W1", "hunter2", Some(""), "`db_name` is empty"),
        ("W1", "hunter2", Some("d\r\nb"), "`db_name` contains a line break"),
    ];
    for (workspace_id, key, db_name, start) in table {
        let credentials = Credentials {
            workspace_id: workspace_id.to_owned(),
            api_key: key.into(),
            db_name: db_name.map(str::to_owned),
        };
        let error = HttpTransport::new(endpoint(), credentials).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.starts_with(start) && !shown.contains("hunter2"), "{shown}");
    }
}

/// Reads one request with a body from an open connection.
fn read_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    let mut part = [0; 4096];
    while !request.ends_with(b"}") {
        let count = stream.read(&mut part).unwrap();
        assert_ne!(count, 0, "the client closed the connection");
        request.extend_from_slice(&part[..count]);
    }
}

fn answer(stream: &mut TcpStream) {
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        .unwrap();
}

/// Answers every request but the second, whose connection it closes after its first byte or after all of it. Returns the
/// port, and the number of the connection of each request.
fn serve_closing_second(reads_all: bool) -> (u16, Arc<Mutex<Vec<usize>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (mut stream, seen) = (stream.unwrap(), Arc::clone(&seen));
            // The client may open a connection that it does not use.
            std::thread::spawn(move || {
                while stream.read(&mut [0]).unwrap_or(0) == 1 {
                    let count = {
                        let mut seen = seen.lock().unwrap();
                        seen.push(number);
                        seen.len()
                    };
                    if count == 2 && !reads_all {
                        return;
                    }
                    read_request(&mut stream);
                    if count == 2 {
                        return;
                    }
                    answer(&mut stream);
                }
            });
        }
    });
    (port, requests)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn after_a_closed_connection_each_request_has_a_connection_of_its_own() {
    // Closed after a part of the request is read, the connection is reset. Closed after all of it, it ends.
    for reads_all in [false, true] {
        let (port, requests) = serve_closing_second(reads_all);
        let transport = transport(port);
        let send = || transport.send(request(ApiVersion::V3), LONG);
        send().await.unwrap();
        let error = send().await.unwrap_err();
        assert!(
            matches!(error, TransportError::ConnectionClosed { .. }),
            "{reads_all}: {error:?}"
        );
        send().await.unwrap();
        send().await.unwrap();
        let connections = requests.lock().unwrap().clone();
        let [first, second, third, fourth] = connections[..] else {
            panic!("{connections:?}")
        };
        assert!(third != fourth && ![third, fourth].iter().any(|own| [first, second].contains(own)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_incomplete_response_on_a_used_connection_is_no_response() {
    let truncated = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"data\":";
    for bytes in [truncated, "\u{1}\u{2}\u{3} hello\r\n\r\n"] {
        let (port, server) = serve(move |mut stream| {
            answer(&mut stream);
            read_request(&mut stream);
            stream.write_all(bytes.as_bytes()).unwrap();
        });
        let transport = transport(port);
        transport.send(request(ApiVersion::V3), LONG).await.unwrap();
        let error = transport.send(request(ApiVersion::V3), LONG).await.unwrap_err();
        assert!(
            matches!(error, TransportError::NoResponse { .. }),
            "{bytes}: {error:?}"
        );
        server.join().unwrap();
    }
}
