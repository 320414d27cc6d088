//! A front end that closes each connection after its first response, without `Connection: close`.

use super::api_faults::settings_for_endpoint;
use super::proxy::{read_request, send_raw_request};
use super::{Repository, event_segment};
use segctl::sandbox::{SandboxCredentials, SandboxOptions, Server};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const SEGMENTS: usize = 20;

/// What happens to the second request of a connection.
#[derive(Clone, Copy, Debug)]
enum SecondRequest {
    /// It has no effect. The connection is reset, because only a part of the request is read.
    Dropped,
    /// It takes effect, and the connection ends without a response.
    Processed,
}

/// Forwards one request per connection to the sandbox. Returns the address and the number of second requests.
fn start_front_end(sandbox: SocketAddr, second_request: SecondRequest) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let lost = Arc::new(AtomicUsize::new(0));
    let lost_counter = Arc::clone(&lost);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let lost = Arc::clone(&lost_counter);
            thread::spawn(move || serve_connection(&stream.unwrap(), sandbox, (second_request, &lost)));
        }
    });
    (address, lost)
}

fn serve_connection(
    mut stream: &TcpStream,
    sandbox: SocketAddr,
    (second_request, lost): (SecondRequest, &AtomicUsize),
) {
    let Some(request) = read_request(stream) else {
        return;
    };
    let response = String::from_utf8(send_raw_request(sandbox, &request)).unwrap();
    let response = response.replacen("connection: close\r\n", "", 1);
    assert!(
        !response.to_lowercase().contains("connection: close"),
        "{response}"
    );
    stream.write_all(response.as_bytes()).unwrap();
    let was_requested = match second_request {
        SecondRequest::Dropped => stream.read(&mut [0]).is_ok_and(|count| count > 0),
        SecondRequest::Processed => {
            let request = read_request(stream);
            request.is_some_and(|request| !send_raw_request(sandbox, &request).is_empty())
        }
    };
    lost.fetch_add(usize::from(was_requested), Ordering::SeqCst);
}

#[test]
fn every_write_succeeds_although_each_connection_is_closed_after_its_first_response() {
    for second_request in [SecondRequest::Dropped, SecondRequest::Processed] {
        for parallelism in [1, 8] {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap();
            let mut options = SandboxOptions::standalone("127.0.0.1:0".parse().unwrap());
            options.credentials = Some(SandboxCredentials {
                workspace_id: "shop".to_owned(),
                api_key: "key-1".to_owned(),
                db_name: "db".to_owned(),
            });
            options.set_switch("rate_limits", "off").unwrap();
            let server = runtime.block_on(Server::start(options)).unwrap();
            let (address, lost) = start_front_end(server.address(), second_request);
            let repository = Repository::new();
            repository.write("segctl.yaml", settings_for_endpoint(&address.to_string()));
            for number in 1..=SEGMENTS {
                let text = event_segment(&format!("S{number}"), &format!("event {number}"));
                repository.write(&format!("segments/{number}.yaml"), text);
            }

            let run = repository.run(&[
                "apply",
                "--auto-approve",
                "--parallelism",
                &parallelism.to_string(),
            ]);
            let case = format!("{second_request:?}, {parallelism}: {}{}", run.stdout, run.stderr);
            assert_eq!(run.code, Some(0), "{case}");
            assert!(
                run.stdout.contains(&format!("{SEGMENTS} applied")) && !run.stdout.contains("unknown"),
                "{case}"
            );
            // Requests that are sent at the same time over used connections can all be lost, and no others.
            let lost = lost.load(Ordering::SeqCst);
            assert!((1..=parallelism).contains(&lost), "{lost} lost; {case}");
            let plan = repository.run(&["plan"]);
            assert_eq!(plan.plan_text(), "No changes.\n", "{case}");
            runtime.block_on(server.stop());
        }
    }
}
