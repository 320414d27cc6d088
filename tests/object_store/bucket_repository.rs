//! A repository whose ledger is in a bucket, and the program run in it.

use segctl::sandbox::{self, SandboxCredentials, SandboxOptions};
use std::fs;
use std::process::{Command, Output, Stdio};
use tokio::runtime::Runtime;

pub(crate) const APPLY: [&str; 2] = ["apply", "--auto-approve"];

/// A place for a ledger in a bucket.
pub(crate) trait BucketFixture {
    /// The secret of whoever may use it; nobody ever sees it.
    const SECRET: &'static str;
    /// The address of the ledger in it.
    fn state_url(&self) -> String;
    /// The environment of a program that uses it.
    fn environment(&self) -> Vec<(String, String)>;
}

/// A repository whose service and bucket are on this machine.
pub(crate) struct BucketRepository<B: BucketFixture> {
    directory: tempfile::TempDir,
    pub(crate) bucket: B,
    runtime: Runtime,
    sandbox: Option<sandbox::Server>,
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct CommandResult {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
}

impl CommandResult {
    pub(crate) fn from_output<B: BucketFixture>(output: &Output) -> Self {
        let said = [output.stdout.as_slice(), &output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(!said.contains("panicked") && !said.contains(B::SECRET), "{said}");
        let code = output.status.code();
        Self { code, output: said }
    }
}

impl<B: BucketFixture> BucketRepository<B> {
    /// Declares these segments.
    pub(crate) fn new(bucket: B, names: &[&str]) -> Self {
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
        let service = runtime.block_on(sandbox::Server::start(options)).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let any = "[100000/s]";
        let settings = format!(
            "segments: segments/\nworkspaces:\n  shop:\n    endpoint: \"http://{}\"\n    workspace_id: shop\n    api_key: \
             {{command: [/bin/echo, key-1]}}\n    db_name: db\n    ledger: {}\n    publish: {{bucket: {}-files}}\n    rate_limits: \
             {{list: {any}, create: {any}, get: {any}, update: {any}, lifecycle: {any}}}\n",
            service.address(),
            bucket.state_url(),
            bucket.state_url()
        );
        fs::write(directory.path().join("segctl.yaml"), settings).unwrap();
        fs::create_dir(directory.path().join("segments")).unwrap();
        let shop = Self {
            directory,
            bucket,
            runtime,
            sandbox: Some(service),
        };
        for name in names {
            shop.declare_segment(name, name);
        }
        shop
    }

    pub(crate) fn declare_segment(&self, name: &str, attribute: &str) {
        let text = format!(
            "name: {name}\nincluded_filters:\n  filter_operator: and\n  filters:\n    - {{filter_type: user_attributes, \
             name: {attribute}, data_type: bool, operator: exists}}\n"
        );
        fs::write(self.directory.path().join(format!("segments/{name}.yaml")), text).unwrap();
    }

    /// Declares a file segment with so many users.
    pub(crate) fn declare_file_segment(&self, name: &str, count: usize) {
        let text = format!(
            "kind: file\nname: {name}\nidentifier: {{attribute: email, type: string}}\nusers: {{path: {name}.csv}}\n\
             expires_in_days: 30\n"
        );
        let list: String = (0..count)
            .map(|user| format!("{user:016}@example.com\n"))
            .collect();
        let segments = self.directory.path().join("segments");
        fs::write(segments.join(format!("{name}.yaml")), text).unwrap();
        fs::write(segments.join(format!("{name}.csv")), list).unwrap();
    }

    /// Has the service read a list of so many users from the bucket, and hears that it did.
    pub(crate) fn assert_list_is_uploaded(&self, count: usize) {
        self.declare_file_segment("Users", count);
        let run = self.run(&["apply", "--auto-approve", "--wait"]);
        let said = format!("{count} values found, {count} processed, {count} users in the segment");
        assert!(
            run.code == Some(0) && run.output.contains(&said),
            "{}",
            run.output
        );
        let plan = self.run(&["plan"]);
        assert_eq!(plan.output, "No changes.\n");
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_segctl"));
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env_clear()
            .envs(self.bucket.environment())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> CommandResult {
        CommandResult::from_output::<B>(&self.command(arguments).output().unwrap())
    }

    /// How many segments the service has.
    pub(crate) fn segment_count(&self) -> usize {
        let url = format!(
            "http://{}/_sandbox/state",
            self.sandbox.as_ref().unwrap().address()
        );
        // Refused when another test was first.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.get(url).basic_auth("shop", Some("key-1"));
        let text = self
            .runtime
            .block_on(async { request.send().await.unwrap().text().await.unwrap() });
        let state: serde_json::Value = serde_json::from_str(&text).unwrap();
        state["segments"].as_object().unwrap().len()
    }

    pub(crate) fn assert_converges(&self, what: &str) {
        let run = self.run(&APPLY);
        assert_eq!(run.code, Some(0), "{what}: {}", run.output);
        let run = self.run(&["plan", "--detailed-exitcode"]);
        assert_eq!(run.code, Some(0), "{what}: {}", run.output);
    }

    /// Runs one command after the other, each of which goes on from what the others left in the bucket.
    pub(crate) fn assert_every_command_works(&self) {
        let run = self.run(&["plan"]);
        assert!(
            run.code == Some(0) && run.output.contains("2 to create"),
            "{}",
            run.output
        );
        let run = self.run(&APPLY);
        assert_eq!(run.code, Some(0), "{}", run.output);
        let run = self.run(&APPLY);
        assert_eq!(
            (run.code, run.output.as_str()),
            (Some(0), "No changes.\nReceipt: nothing to do.\n")
        );
        assert!(!self.directory.path().join(".segctl").exists());
        self.declare_segment("A", "other");
        let run = self.run(&["plan", "--offline"]);
        assert!(
            run.output.contains("applied before under this name"),
            "{}",
            run.output
        );
        let run = self.run(&["plan", "--out", "plan.json"]);
        assert_eq!(run.code, Some(0), "{}", run.output);
        assert_eq!(self.run(&["apply", "plan.json"]).code, Some(0));
        assert_eq!(self.run(&["apply", "plan.json"]).code, Some(5));
        let run = self.run(&["ledger", "history", "A"]);
        assert!(
            run.code == Some(0) && run.output.contains("other"),
            "{}",
            run.output
        );
        assert_eq!(self.run(&["ledger", "forget", "B"]).code, Some(0));
        let run = self.run(&["ledger", "rebuild"]);
        assert!(
            run.code == Some(0) && run.output.contains("knows 2 segments"),
            "{}",
            run.output
        );
    }
}

impl<B: BucketFixture> Drop for BucketRepository<B> {
    fn drop(&mut self) {
        if let Some(service) = self.sandbox.take() {
            self.runtime.block_on(service.stop());
        }
    }
}
