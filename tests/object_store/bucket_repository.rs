//! Runs the `segctl` program in a repository whose state is in a bucket.

use segctl::sandbox::{self, SandboxCredentials, SandboxOptions};
use std::fs;
use std::process::{Command, Output, Stdio};
use tokio::runtime::Runtime;

pub(crate) const APPLY: [&str; 2] = ["apply", "--auto-approve"];

/// A location for a state in a bucket.
pub(crate) trait BucketFixture {
    /// The secret access key, which no output may contain.
    const SECRET: &'static str;
    fn state_url(&self) -> String;
    /// The environment variables that give access to the bucket.
    fn environment(&self) -> Vec<(String, String)>;
}

/// A repository whose sandbox and bucket run on this machine.
pub(crate) struct BucketRepository<B: BucketFixture> {
    directory: tempfile::TempDir,
    pub(crate) bucket: B,
    runtime: Runtime,
    sandbox: Option<sandbox::Server>,
}

#[derive(Debug)]
pub(crate) struct CommandResult {
    pub(crate) code: Option<i32>,
    /// Standard output, then standard error.
    pub(crate) output: String,
}

impl CommandResult {
    pub(crate) fn from_output<B: BucketFixture>(output: &Output) -> Self {
        let code = output.status.code();
        let output = [output.stdout.as_slice(), &output.stderr].concat();
        let output = String::from_utf8(output).unwrap();
        assert!(
            !output.contains("panicked") && !output.contains(B::SECRET),
            "{output}"
        );
        Self { code, output }
    }
}

impl<B: BucketFixture> BucketRepository<B> {
    /// Declares a filter segment for each name.
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
        let server = runtime.block_on(sandbox::Server::start(options)).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let unlimited = "[100000/s]";
        let settings = format!(
            "segments: segments/\nworkspaces:\n  shop:\n    endpoint: \"http://{}\"\n    workspace_id: shop\n    api_key: \
             {{command: [/bin/echo, key-1]}}\n    db_name: db\n    state: {}\n    publish: {{bucket: {}-files}}\n    rate_limits: \
             {{list: {unlimited}, create: {unlimited}, get: {unlimited}, update: {unlimited}, lifecycle: {unlimited}}}\n",
            server.address(),
            bucket.state_url(),
            bucket.state_url()
        );
        fs::write(directory.path().join("segctl.yaml"), settings).unwrap();
        fs::create_dir(directory.path().join("segments")).unwrap();
        let repository = Self {
            directory,
            bucket,
            runtime,
            sandbox: Some(server),
        };
        for name in names {
            repository.declare_segment(name, name);
        }
        repository
    }

    pub(crate) fn declare_segment(&self, name: &str, attribute: &str) {
        let text = format!(
            "name: {name}\nincluded_filters:\n  filter_operator: and\n  filters:\n    - {{filter_type: user_attributes, \
             name: {attribute}, data_type: bool, operator: exists}}\n"
        );
        fs::write(self.directory.path().join(format!("segments/{name}.yaml")), text).unwrap();
    }

    /// Declares a file segment with `count` users.
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

    /// Publishes a list of `count` users, and waits until the sandbox has processed it.
    pub(crate) fn assert_list_is_uploaded(&self, count: usize) {
        self.declare_file_segment("Users", count);
        let run = self.run(&["apply", "--auto-approve", "--wait"]);
        let expected = format!("{count} values found, {count} processed, {count} users added");
        assert!(
            run.code == Some(0) && run.output.contains(&expected),
            "{}",
            run.output
        );
        let plan = self.run(&["plan"]);
        assert_eq!(plan.output, self.no_changes_text());
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

    /// The number of segments in the sandbox.
    pub(crate) fn segment_count(&self) -> usize {
        let url = format!("{}/_sandbox/state", self.sandbox_url());
        // Fails if another test has installed a provider.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.get(url).basic_auth("shop", Some("key-1"));
        let text = self
            .runtime
            .block_on(async { request.send().await.unwrap().text().await.unwrap() });
        let state: serde_json::Value = serde_json::from_str(&text).unwrap();
        state["segments"].as_object().unwrap().len()
    }

    fn sandbox_url(&self) -> String {
        format!("http://{}", self.sandbox.as_ref().unwrap().address())
    }

    /// The text of a plan without changes.
    pub(crate) fn no_changes_text(&self) -> String {
        format!("Workspace: shop ({})\n\nNo changes.\n", self.sandbox_url())
    }

    pub(crate) fn assert_converges(&self, context: &str) {
        let run = self.run(&APPLY);
        assert_eq!(run.code, Some(0), "{context}: {}", run.output);
        let run = self.run(&["plan", "--detailed-exitcode"]);
        assert_eq!(run.code, Some(0), "{context}: {}", run.output);
    }

    /// Runs several commands in turn. Each needs what the previous ones stored in the bucket.
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
            (Some(0), self.no_changes_text().as_str())
        );
        assert!(!self.directory.path().join(".segctl").exists());
        self.declare_segment("A", "other");
        let run = self.run(&["plan", "--offline"]);
        assert!(run.output.contains("matched by state"), "{}", run.output);
        let run = self.run(&["plan", "--out", "plan.json"]);
        assert_eq!(run.code, Some(0), "{}", run.output);
        assert_eq!(self.run(&["apply", "plan.json"]).code, Some(0));
        assert_eq!(self.run(&["apply", "plan.json"]).code, Some(5));
        let run = self.run(&["state", "history", "A"]);
        assert!(
            run.code == Some(0) && run.output.contains("other"),
            "{}",
            run.output
        );
        assert_eq!(self.run(&["state", "rm", "B"]).code, Some(0));
        let run = self.run(&["state", "rebuild"]);
        assert!(
            run.code == Some(0) && run.output.contains("State rebuilt: 2 segments"),
            "{}",
            run.output
        );
    }
}

impl<B: BucketFixture> Drop for BucketRepository<B> {
    fn drop(&mut self) {
        if let Some(server) = self.sandbox.take() {
            self.runtime.block_on(server.stop());
        }
    }
}
