//! Certificates, proxies and endpoints that a retry does not improve. Each run ends after one connection.

use super::{CommandResult, Repository, event_segment};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// A server that counts its connections.
struct CountingServer {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl CountingServer {
    fn start(serve: impl Fn(TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        thread::spawn(move || {
            for stream in listener.incoming() {
                counter.fetch_add(1, Ordering::SeqCst);
                serve(stream.unwrap());
            }
        });
        Self { port, connections }
    }

    /// Reads a request over plain TCP and sends `response`.
    fn with_response(response: &'static str) -> Self {
        Self::start(move |mut stream| {
            read_head(&stream);
            // The client may have closed the connection.
            drop(stream.write_all(response.as_bytes()));
        })
    }

    /// Does not read, since a TLS handshake contains no line.
    fn without_tls() -> Self {
        Self::start(|mut stream| {
            drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n"));
        })
    }

    /// Answers every request over TLS with an empty list.
    fn with_certificate(file: &str) -> Self {
        let certificate = CertificateDer::from_pem_file(tls_file(file)).unwrap();
        let key = PrivateKeyDer::from_pem_file(tls_file("key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let config = Arc::new(config);
        Self::start(move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream);
            if read_head(&mut stream) {
                let body = r#"{"data": [], "response_id": "r", "type": "custom_segment"}"#;
                let head = format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all((head + body).as_bytes()).unwrap();
            }
        })
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// False if the connection ends or fails before.
fn read_head(stream: impl std::io::Read) -> bool {
    // A failed handshake is an error of every further read.
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.any(|line| line.is_empty())
}

fn tls_file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/cli/tls", name]
        .iter()
        .collect()
}

fn plan(endpoint: &str, variables: &[(&str, &str)]) -> CommandResult {
    run(&["plan"], endpoint, variables)
}

fn run(arguments: &[&str], endpoint: &str, variables: &[(&str, &str)]) -> CommandResult {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    repository.write(
        "segctl.yaml",
        format!(
            "segments: segments/\nworkspaces:\n  live: {{endpoint: \"{endpoint}\", workspace_id: shop, api_key: {{command: \
             [/bin/echo, key-1]}}, db_name: db}}\n"
        ),
    );
    // Machines without certificates run this test, too.
    let certificates = tls_file("valid.pem");
    let mut command = repository.command(arguments);
    command.env("SSL_CERT_FILE", certificates);
    command.envs(variables.iter().copied());
    CommandResult::from_output(&command.output().unwrap())
}

fn require_failure(run: &CommandResult, code: i32, expected: &[&str]) {
    assert_eq!(run.code, Some(code), "{}{}", run.stdout, run.stderr);
    for text in expected {
        assert!(run.stderr.contains(text), "{text}: {}", run.stderr);
    }
    for text in ["Retrying", "hunter2"] {
        assert!(!run.stderr.contains(text), "{text}: {}", run.stderr);
    }
}

// On other systems, the operating system verifies certificates.
#[cfg(target_os = "linux")]
#[test]
fn an_untrusted_certificate_ends_the_run_and_the_error_names_the_variable() {
    let other = tls_file("other.pem");
    let other = other.to_str().unwrap();
    let own = tls_file("valid.pem");
    let own = own.to_str().unwrap();
    let table = [
        ("valid.pem", "127.0.0.1", other, "UnknownIssuer"),
        ("valid.pem", "localhost", own, "not valid for name"),
        ("expired.pem", "127.0.0.1", own, "expired"),
    ];
    for (certificate, host, trusted, reason) in table {
        let server = CountingServer::with_certificate(certificate);
        let endpoint = format!("https://{host}:{}", server.port);
        let run = plan(&endpoint, &[("SSL_CERT_FILE", trusted)]);
        require_failure(&run, 1, &[reason, "`SSL_CERT_FILE`"]);
        assert_eq!(server.connections(), 1, "{certificate} {host}: {}", run.stderr);
    }
    let server = CountingServer::with_certificate("valid.pem");
    let run = plan(
        &format!("https://127.0.0.1:{}", server.port),
        &[("SSL_CERT_FILE", own)],
    );
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    let run = plan("https://127.0.0.1:1", &[("SSL_CERT_FILE", "/missing.pem")]);
    require_failure(&run, 1, &["`SSL_CERT_FILE`"]);
}

#[test]
fn a_proxy_that_requires_a_password_ends_the_run_and_the_error_names_the_variable() {
    let table = [
        ("HTTPS_PROXY", "", "requires a user and a password"),
        ("https_proxy", "ada@", "requires a user and a password"),
        (
            "ALL_PROXY",
            "corp%5Cada:hunter2%40@",
            "rejects the user and the password",
        ),
        ("all_proxy", "ada:hunter2@", "rejects the user and the password"),
    ];
    for (variable, user, expected) in table {
        let proxy = CountingServer::with_response(
            "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n",
        );
        let address = format!("127.0.0.1:{}", proxy.port);
        let value = format!("http://{user}{address}");
        let run = plan("https://api-01.moengage.com", &[(variable, &value)]);
        require_failure(
            &run,
            1,
            &[
                expected,
                &format!("{address}` of {variable}"),
                "(407)",
                "percent-encoded",
                "nothing was sent",
            ],
        );
        assert_eq!(proxy.connections(), 1, "{}", run.stderr);
    }
}

#[test]
fn a_server_or_proxy_without_tls_ends_the_run() {
    for command in [["plan"].as_slice(), &["import"], &["apply", "--auto-approve"]] {
        let server = CountingServer::without_tls();
        let run = run(command, &format!("https://127.0.0.1:{}", server.port), &[]);
        require_failure(&run, 1, &["`endpoint`", "HTTPS server"]);
        assert_eq!(server.connections(), 1, "{}", run.stderr);
    }

    let proxy = CountingServer::without_tls();
    let value = format!("https://127.0.0.1:{}", proxy.port);
    let run = plan("https://api-01.moengage.com", &[("HTTPS_PROXY", &value)]);
    require_failure(&run, 1, &["of HTTPS_PROXY", "set its URL to `http://HOST:PORT`"]);
    assert_eq!(proxy.connections(), 1, "{}", run.stderr);
}

#[test]
fn an_unusable_proxy_variable_is_an_error_that_hides_its_value() {
    let table = [
        ("ALL_PROXY", "socks5h://ada:hunter2@127.0.0.1:1", "`socks5h`"),
        ("all_proxy", "socks4://127.0.0.1:1", "`http` and `https`"),
        (
            "HTTPS_PROXY",
            r"http://corp\ada:hunter2@ss#1@host:3128",
            "percent-encode",
        ),
        ("https_proxy", "::::", "not the URL of a proxy"),
    ];
    for (variable, value, expected) in table {
        let run = plan("https://api-01.moengage.com", &[(variable, value)]);
        require_failure(
            &run,
            64,
            &[&format!("environment variable {variable} "), expected],
        );
    }
}

#[test]
fn an_endpoint_on_this_machine_or_in_no_proxy_needs_no_proxy() {
    let unusable = [("HTTPS_PROXY", "::::"), ("ALL_PROXY", "socks5h://127.0.0.1:1")];
    // 0.0.0.0 is this machine, and no loopback address.
    for (host, no_proxy) in [("127.0.0.1", ""), ("0.0.0.0", "10.0.0.0/8, 0.0.0.0")] {
        let server = CountingServer::without_tls();
        let variables = [unusable[0], unusable[1], ("NO_PROXY", no_proxy)];
        let run = plan(&format!("https://{host}:{}", server.port), &variables);
        require_failure(&run, 1, &["HTTPS server"]);
        assert_eq!(server.connections(), 1, "{host}: {}", run.stderr);
    }
}
