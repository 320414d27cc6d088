//! An API whose answers contain segments that cannot be read: one of them stops nothing else.

use super::api_faults::settings_for_endpoint;
use super::{CommandResult, Repository, event_segment};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Rows of a list and bodies of gets, as bytes: no JSON library would write them.
#[derive(Default)]
struct Answers {
    rows: Vec<Vec<u8>>,
    segments: BTreeMap<String, Vec<u8>>,
    writes: Vec<String>,
}

impl Answers {
    fn list(&self) -> Vec<u8> {
        [br#"{"data":["#.as_slice(), &self.rows.join(&b','), b"]}"].concat()
    }

    /// Adds a segment that can be read.
    fn add(&mut self, id: &str, name: &str, filters: &Value) {
        let row = json!({"id": id, "name": name, "type": "ELASTIC_SEARCH", "source": "API"});
        self.rows.push(row.to_string().into_bytes());
        let mut segment = row;
        segment["included_filters"] = filters.clone();
        self.segments
            .insert(id.to_owned(), json!({"data": segment}).to_string().into_bytes());
    }

    fn create(&mut self, body: &[u8]) -> Vec<u8> {
        let body: Value = serde_json::from_slice(body).unwrap();
        let id = format!("new{}", self.rows.len());
        self.add(&id, body["name"].as_str().unwrap(), &body["included_filters"]);
        self.segments[&id].clone()
    }
}

struct OddApi {
    answers: Arc<Mutex<Answers>>,
    repository: Repository,
}

impl OddApi {
    /// With the segment `Good`.
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let answers = Arc::new(Mutex::new(Answers::default()));
        let served = Arc::clone(&answers);
        thread::spawn(move || {
            for stream in listener.incoming() {
                respond(stream.unwrap(), &served);
            }
        });
        let repository = Repository::new();
        repository.write("segctl.yaml", settings_for_endpoint(&address));
        let api = Self { answers, repository };
        api.answers
            .lock()
            .unwrap()
            .add("good", "Good", &event_filters("good"));
        api
    }

    fn add_row(&self, row: &[u8]) {
        self.answers.lock().unwrap().rows.push(row.to_vec());
    }

    /// A segment whose row can be read.
    fn add_segment(&self, id: &str, body: &[u8]) {
        let mut answers = self.answers.lock().unwrap();
        answers.add(id, &format!("Odd {id}"), &Value::Null);
        answers.segments.insert(id.to_owned(), body.to_vec());
    }

    fn run(&self, arguments: &[&str]) -> CommandResult {
        self.repository.run(arguments)
    }

    fn writes(&self) -> Vec<String> {
        std::mem::take(&mut self.answers.lock().unwrap().writes)
    }
}

fn respond(mut stream: TcpStream, answers: &Mutex<Answers>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let (mut header, mut length) = (String::new(), 0);
    while reader.read_line(&mut header).unwrap() > 2 {
        let lower = header.to_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        header.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut words = line.split(' ');
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return;
    };
    let mut answers = answers.lock().unwrap();
    if method != "GET" {
        answers.writes.push(format!("{method} {path}"));
    }
    let id = path.strip_prefix("/v3/custom-segments/");
    let answer = match (method, id) {
        ("GET", None) => Some(answers.list()),
        ("GET", Some(id)) => answers.segments.get(id).cloned(),
        ("POST", _) => Some(answers.create(&body)),
        _ => None,
    };
    let status = if answer.is_some() {
        "200 OK"
    } else {
        "404 Not Found"
    };
    let body = answer.unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    // segctl may have been stopped meanwhile.
    drop(stream.write_all(&[head.as_bytes(), &body].concat()));
}

fn event_filters(event: &str) -> Value {
    json!({"filter_operator": "and", "filters": [{
        "filter_type": "actions", "action_name": event, "executed": true,
        "execution": {"type": "atleast", "count": 1},
        "primary_time_range": {"type": "inTheLast", "value": 7, "value_type": "relative_past", "period_unit": "days"},
        "attributes": {"filter_operator": "and", "filters": []},
    }]})
}

fn segment_body(id: &str, name: &str, filters: &str) -> Vec<u8> {
    format!(
        r#"{{"data":{{"id":"{id}","name":"{name}","type":"ELASTIC_SEARCH","included_filters":{filters}}}}}"#
    )
    .into_bytes()
}

fn nested(groups: usize) -> String {
    let open = r#"{"filter_type":"nested_filters","filter_operator":"or","filters":["#.repeat(groups);
    let leaf = event_filters("deep")["filters"][0].to_string();
    let filters = open + &leaf + &"]}".repeat(groups);
    format!(r#"{{"filter_operator":"and","filters":[{filters}]}}"#)
}

fn assert_contains(run: &CommandResult, expected: &[&str], context: &str) {
    let text = format!("{}{}", run.stdout, run.stderr);
    for part in expected {
        assert!(text.contains(part), "{context}: `{part}` in {text}");
    }
}

#[test]
fn a_row_that_cannot_be_read_is_reported_and_the_others_are_planned() {
    let table: [(&[u8], &str); 8] = [
        (b"null", "row 2: it is null"),
        (br#"{"id":"odd","name":null}"#, "row 2 (id odd): `name` is null"),
        (br#"{"id":"odd","name":5}"#, "row 2 (id odd): `name` is a number"),
        (br#"{"id":"odd","name":""}"#, "row 2 (id odd): `name` is empty"),
        (br#"{"id":"odd"}"#, "row 2 (id odd): `name` is missing"),
        (br#"{"id":null,"name":"Odd"}"#, "row 2 (`Odd`): `id` is null"),
        (br#"{"id":7,"name":"Odd"}"#, "row 2 (`Odd`): `id` is a number"),
        (
            br#"{"id":NaN,"name":-Infinity}"#,
            "row 2: `id` is a number, and `name` is a number",
        ),
    ];
    for (row, described) in table {
        let api = OddApi::new();
        api.add_row(row);
        api.repository
            .write("segments/new.yaml", event_segment("New", "buy"));
        let plan = api.run(&["plan"]);
        assert_eq!(plan.code, Some(0), "{described}: {}{}", plan.stdout, plan.stderr);
        assert_contains(
            &plan,
            &[
                "+ create \"New\"",
                "warning: cannot read 1 row of the segment list",
                described,
            ],
            described,
        );
        let apply = api.run(&["apply", "--auto-approve"]);
        assert_eq!(
            apply.code,
            Some(0),
            "{described}: {}{}",
            apply.stdout,
            apply.stderr
        );
        assert_eq!(api.writes(), ["POST /v3/custom-segments"], "{described}");
        let again = api.run(&["plan", "--detailed-exitcode"]);
        assert_eq!(again.code, Some(0), "{described}: {}", again.stdout);
        let drift = api.run(&["drift", "--detailed-exitcode"]);
        assert_eq!(drift.code, Some(0), "{described}: {}", drift.stdout);
        assert_contains(&drift, &[described, "No drift"], described);
        let import = api.run(&["import", "--all"]);
        assert_eq!(
            import.code,
            Some(8),
            "{described}: {}{}",
            import.stdout,
            import.stderr
        );
        assert_contains(
            &import,
            &["skipped row 2 of the segment list", "1 file written, 1 skipped"],
            described,
        );
        assert!(
            api.repository.read("segments/good.yaml").contains("name: Good"),
            "{described}"
        );
    }
}

#[test]
fn a_segment_that_cannot_be_read_is_reported_and_the_others_are_planned() {
    let table: [(Vec<u8>, &str); 9] = [
        (
            segment_body("odd", "Odd", &nested(200)),
            "`included_filters` cannot be read: recursion limit exceeded",
        ),
        (
            segment_body("odd", "Odd", r#"{"value":1e999}"#),
            "`included_filters` cannot be read: number out of range",
        ),
        (
            segment_body("odd", "Odd", r#"{"value":NaN}"#),
            "`included_filters` cannot be read: number out of range",
        ),
        (br#"{"data":{"id":"odd","name":null}}"#.to_vec(), "`name` is null"),
        (br#"{"data":{"id":null,"name":"Odd"}}"#.to_vec(), "`id` is null"),
        (
            br#"{"data":{"id":"other","name":"Odd"}}"#.to_vec(),
            "expected `data.id` to be `odd`",
        ),
        (br#"{"data":null}"#.to_vec(), "expected `data` as an object"),
        (br#"{"data":[]}"#.to_vec(), "expected `data` as an object"),
        (
            br#"{'data':{}}"#.to_vec(),
            "expected a JSON object (key must be a string",
        ),
    ];
    for (body, reason) in table {
        let api = OddApi::new();
        api.add_segment("odd", &body);
        api.repository
            .write("segments/new.yaml", event_segment("New", "buy"));
        let plan = api.run(&["plan"]);
        assert_eq!(plan.code, Some(0), "{reason}: {}{}", plan.stdout, plan.stderr);
        assert_contains(
            &plan,
            &["+ create \"New\"", "cannot read 1 unmanaged segment", reason],
            reason,
        );
        let plan = api.run(&["plan", "--json", "--target", "New"]);
        let document: Value = serde_json::from_str(&plan.stdout).unwrap();
        assert_eq!(
            document["warnings"][0]["code"], "unreadable_segments",
            "{document}"
        );
        let apply = api.run(&["apply", "--auto-approve"]);
        assert_eq!(apply.code, Some(0), "{reason}: {}{}", apply.stdout, apply.stderr);
        assert_eq!(api.run(&["drift"]).code, Some(0), "{reason}");
        let import = api.run(&["import", "--all"]);
        assert_eq!(
            import.code,
            Some(8),
            "{reason}: {}{}",
            import.stdout,
            import.stderr
        );
        assert_contains(
            &import,
            &[
                "skipped \"Odd odd\" (id odd)",
                reason,
                "1 file written, 1 skipped",
            ],
            reason,
        );
        assert!(
            api.repository.read("segments/good.yaml").contains("name: Good"),
            "{reason}"
        );
    }
}

#[test]
fn odd_values_of_another_segment_are_kept_as_they_are() {
    let half =
        r#"{"filter_operator":"and","filters":[{"filter_type":"user_attributes","value":"\uDE00 \ud83d"}]}"#;
    let table: [(Vec<u8>, bool); 9] = [
        (segment_body("odd", "Odd odd", half), true),
        (segment_body("odd", "Odd odd", &nested(62)), true),
        (segment_body("odd", "Odd odd", r#""text""#), false),
        (segment_body("odd", "Odd odd", "null"), false),
        (segment_body("odd", "Odd odd", "[1]"), false),
        (segment_body("odd", "Odd odd", r#"{"filters":{"a":1}}"#), false),
        (
            br#"{"data":{"id":"odd","name":"Odd odd","type":7,"source":[],"created_time":5,"included_filters":{}}}"#.to_vec(),
            false,
        ),
        (
            [br#"{"data":{"id":"odd","name":"A","name":"Odd odd","type":"ELASTIC_SEARCH","included_filters":{"value":""#.as_slice(), b"\xff\x01", br#""}}}"#].concat(),
            false,
        ),
        (
            [b"\xef\xbb\xbf".as_slice(), &segment_body("odd", "Odd odd", half)].concat(),
            true,
        ),
    ];
    for (body, is_imported) in table {
        let context = String::from_utf8_lossy(&body).into_owned();
        let api = OddApi::new();
        api.add_segment("odd", &body);
        api.repository
            .write("segments/new.yaml", event_segment("New", "buy"));
        let apply = api.run(&["apply", "--auto-approve"]);
        assert_eq!(apply.code, Some(0), "{context}: {}{}", apply.stdout, apply.stderr);
        let import = api.run(&["import", "--all"]);
        assert_contains(&import, &["wrote segments/good.yaml"], &context);
        let is_written = import.stderr.contains("wrote segments/odd-odd.yaml");
        assert_eq!(
            is_written, is_imported,
            "{context}: {}{}",
            import.stdout, import.stderr
        );
    }
}

#[test]
fn a_name_with_half_a_character_is_listed_and_not_imported() {
    let names: [&[u8]; 4] = [
        br"Weekend \ud83d",
        br"\uDE00 Weekend",
        br"Weekend \ud83d\ud83d",
        b"Weekend \xf0\x9f",
    ];
    for name in names {
        let api = OddApi::new();
        let row = [
            br#"{"id":"odd","name":""#.as_slice(),
            name,
            br#"","type":"ELASTIC_SEARCH"}"#,
        ]
        .concat();
        api.add_row(&row);
        let filters = format!(r#","included_filters":{}}}}}"#, event_filters("odd"));
        let body = [
            br#"{"data":"#.as_slice(),
            &row[..row.len() - 1],
            filters.as_bytes(),
        ]
        .concat();
        api.answers
            .lock()
            .unwrap()
            .segments
            .insert("odd".to_owned(), body);
        api.repository
            .write("segments/new.yaml", event_segment("New", "buy"));
        let plan = api.run(&["plan"]);
        assert_eq!(plan.code, Some(0), "{}{}", plan.stdout, plan.stderr);
        assert_contains(
            &plan,
            &["+ create \"New\"", "2 unmanaged segments (ignored)"],
            "plan",
        );
        let list = api.run(&["import"]);
        assert_contains(&list, &["Weekend", "\u{fffd}", "2 unmanaged segments"], "list");
        let import = api.run(&["import", "--all"]);
        assert_eq!(import.code, Some(8), "{}{}", import.stdout, import.stderr);
        assert_contains(
            &import,
            &[
                "shown as U+FFFD",
                "wrote segments/good.yaml",
                "1 file written, 1 skipped",
            ],
            "import",
        );
    }
}

/// A repository whose segment `A` was applied; MoEngage has the id `new1`.
fn applied() -> OddApi {
    let api = OddApi::new();
    api.repository.write("segments/a.yaml", event_segment("A", "buy"));
    let apply = api.run(&["apply", "--auto-approve"]);
    assert_eq!(apply.code, Some(0), "{}{}", apply.stdout, apply.stderr);
    api.writes();
    api.repository
        .write("segments/new.yaml", event_segment("New", "sell"));
    api
}

#[test]
fn a_managed_segment_whose_row_cannot_be_read_is_read_by_its_id() {
    for row in [
        r#"{"id":"new1","name":null}"#,
        r#"{"id":"new1","name":7}"#,
        r#"{"id":"new1"}"#,
        r#"{"id":null,"name":"A"}"#,
        r#"{"name":"A"}"#,
    ] {
        let api = applied();
        api.answers.lock().unwrap().rows[1] = row.as_bytes().to_vec();
        let plan = api.run(&["plan"]);
        assert_eq!(plan.code, Some(0), "{row}: {}{}", plan.stdout, plan.stderr);
        assert_contains(&plan, &["Plan: 1 to create."], row);
        let apply = api.run(&["apply", "--auto-approve"]);
        assert_eq!(apply.code, Some(0), "{row}: {}{}", apply.stdout, apply.stderr);
        assert_eq!(api.writes(), ["POST /v3/custom-segments"], "{row}");
    }
}

#[test]
fn a_managed_segment_that_cannot_be_read_is_an_error_of_that_segment() {
    let table: [(Option<&str>, Vec<u8>, &str); 3] = [
        (
            Some(r#"{"id":"new1","name":null}"#),
            br#"{"data":{"id":"new1","name":null}}"#.to_vec(),
            "`name` is null",
        ),
        (
            Some(r#"{"name":"A"}"#),
            br#"{"data":{"id":"new1"}}"#.to_vec(),
            "`name` is missing",
        ),
        (
            None,
            segment_body("new1", "A", &nested(200)),
            "`included_filters` cannot be read",
        ),
    ];
    for (row, body, reason) in table {
        let api = applied();
        if let Some(row) = row {
            api.answers.lock().unwrap().rows[1] = row.as_bytes().to_vec();
        }
        api.answers
            .lock()
            .unwrap()
            .segments
            .insert("new1".to_owned(), body);
        let plan = api.run(&["plan"]);
        assert_eq!(plan.code, Some(4), "{reason}: {}{}", plan.stdout, plan.stderr);
        assert_contains(
            &plan,
            &[
                "conflict: cannot read `A` (id new1) in MoEngage",
                reason,
                "+ create \"New\"",
                "--exclude='A'",
            ],
            reason,
        );
        assert!(!plan.stdout.contains("unarchive"), "{}", plan.stdout);
        let drift = api.run(&["drift"]);
        assert_eq!(drift.code, Some(1), "{reason}: {}{}", drift.stdout, drift.stderr);
        assert_contains(&drift, &[reason, "the drift of 1 segment is unknown"], reason);
        let before = api.run(&["state", "show", "A"]).stdout;
        let rebuild = api.run(&["state", "rebuild"]);
        assert_contains(&rebuild, &[reason, "its state entry is unchanged"], reason);
        assert_eq!(api.run(&["state", "show", "A"]).stdout, before, "{reason}");
        std::fs::remove_file(api.repository.path().join("segments/a.yaml")).unwrap();
        let deleted = api.run(&["plan"]);
        assert_eq!(deleted.code, Some(4), "{reason}: {}", deleted.stdout);
        assert!(!deleted.stdout.contains("archive \"A\""), "{}", deleted.stdout);
        let apply = api.run(&["apply", "--auto-approve", "--exclude=A"]);
        assert_eq!(apply.code, Some(0), "{reason}: {}{}", apply.stdout, apply.stderr);
        assert_eq!(api.writes(), ["POST /v3/custom-segments"], "{reason}");
    }
}

#[test]
fn a_declared_segment_whose_row_has_no_id_is_not_created_again() {
    for name in ["New", "Old"] {
        let api = OddApi::new();
        api.add_row(format!(r#"{{"id":null,"name":"{name}"}}"#).as_bytes());
        let text = format!("previous_names: [Old]\n{}", event_segment("New", "buy"));
        api.repository.write("segments/new.yaml", text);
        let plan = api.run(&["plan"]);
        assert_eq!(plan.code, Some(4), "{name}: {}{}", plan.stdout, plan.stderr);
        assert_contains(
            &plan,
            &[
                "cannot read `New` (id unknown)",
                "in row 2 of the segment list, `id` is null",
            ],
            name,
        );
        assert!(!plan.stdout.contains("+ create"), "{}", plan.stdout);
    }
}
