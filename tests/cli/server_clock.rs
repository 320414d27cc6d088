//! A server whose clock differs from the local clock.

use super::{Repository, event_segment};
use jiff::Timestamp;
use segctl::api::{Clock as _, SystemClock};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn rate_limit_waits_use_the_server_clock() {
    for ahead in [7200, -7200] {
        let repository = Repository::new();
        repository.write(
            ".segctl/box.json",
            format!(
                r#"{{"format_version": 1, "clock_ahead_seconds": {ahead}, "settings": {{"rate_limits": {{"custom":
                {{"create": [{{"calls": 1, "seconds": 20}}]}}}}}}}}"#
            ),
        );
        for name in ["A", "B"] {
            repository.write(&format!("segments/{name}.yaml"), event_segment(name, name));
        }
        let began = SystemClock.now();
        let mut child = repository
            .command(&["apply", "--auto-approve"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let (_, reset) = line.split_once("retry after ").unwrap();
        let reset: Timestamp = reset.split(';').next().unwrap().parse().unwrap();
        let wait = began.duration_until(reset).as_secs();
        assert!((18..=40).contains(&wait), "{ahead}: {line}");
    }
}
