//! Cohort sync: members are added and removed, and invalid names are silently ignored.

use super::{COHORT, FILE, Sandbox, cohort_body, new_file_body};
use serde_json::{Value, json};

async fn members_of(sandbox: &Sandbox, name: &str) -> Value {
    sandbox.contents_of(name).await["cohort"]["members"].clone()
}

#[tokio::test]
async fn members_are_added_and_removed() {
    let sandbox = Sandbox::with_switches(&[]).await;
    for (action, uids, expected) in [
        ("add_members", ["a", "b"].as_slice(), json!(["a", "b"])),
        ("add_members", &["b", "c"], json!(["a", "b", "c"])),
        ("remove_members", &["a", "unknown"], json!(["b", "c"])),
        ("remove_members", &["b", "c"], json!([])),
        ("add_members", &[], json!([])),
    ] {
        // The partner and the id identify a cohort. Its name is that of the first request.
        let body = cohort_body(action, "C", uids);
        let synced = sandbox.send("POST", COHORT, body).await;
        assert_eq!(synced.status, 200);
        assert_eq!(members_of(&sandbox, "C").await, expected, "{action} {uids:?}");
    }
    let renamed = cohort_body("add_members", "Another name", &["d"]);
    assert_eq!(sandbox.send("POST", COHORT, renamed).await.status, 200);
    assert_eq!(members_of(&sandbox, "C").await, json!(["d"]));
    let mut other = cohort_body("add_members", "Of another partner", &["e"]);
    other["partner"] = json!("q");
    sandbox.send("POST", COHORT, other).await;
    assert_eq!(sandbox.list_names().await, ["C", "Of another partner"]);
}

#[tokio::test]
async fn invalid_names_are_accepted_and_ignored() {
    let sandbox = Sandbox::with_switches(&[]).await;
    sandbox.create_and_get_id("Existing", "Pune").await;
    let long = "x".repeat(201);
    for name in [
        " ",
        "a:b",
        "a|b",
        "a*b",
        "a?b",
        "a\\b",
        "a<b",
        "a>b",
        "a=b",
        "a$b",
        "a\"b",
        ".a",
        "All Users",
        &long,
        "Existing",
    ] {
        let body = cohort_body("add_members", name, &["a"]);
        let synced = sandbox.send("POST", COHORT, body).await;
        assert_eq!((synced.status, &synced.body["status"]), (200, &json!("success")));
        if name == "Existing" {
            continue;
        }
        let created = sandbox
            .send("POST", FILE, new_file_body(name, "file:///x", 3))
            .await;
        assert_eq!((created.status, &created.body["cs_name"]), (202, &json!(name)));
    }
    assert_eq!(sandbox.list_names().await, ["Existing"]);
    sandbox.wait_for_queue().await;
}

#[tokio::test]
async fn a_body_is_limited_to_128_kilobytes() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let empty = cohort_body("add_members", "C", &[""]).to_string().len();
    for (length, status) in [(128 * 1024, 200), (128 * 1024 + 1, 413)] {
        let uid = "u".repeat(length - empty);
        let body = cohort_body("add_members", "C", &[&uid]);
        assert_eq!(body.to_string().len(), length);
        assert_eq!(sandbox.send("POST", COHORT, body).await.status, status);
    }
}
