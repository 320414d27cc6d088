//! Every status of the contract's tables, family by family, with what tells one refusal from another.

use super::{
    ARCHIVE, Answer, COHORT, FILE, SEGMENTS, Sandbox, UNARCHIVE, answer, cohort_body, fields, file_body,
    lives_in, new_file, refers_to,
};
use serde_json::{Value, json};

const NOBODY: &str = "5e6cffffffffffffffffffff";

fn named(name: &str, included: Value) -> Value {
    json!({"name": name, "included_filters": included})
}

/// The same object with one field more or another.
fn with(mut object: Value, key: &str, value: Value) -> Value {
    object[key] = value;
    object
}

fn without(mut object: Value, key: &str) -> Value {
    object.as_object_mut().unwrap().remove(key);
    object
}

/// A refusal in the shape of v3, with these fields beside its code and message.
fn assert_v3(refused: &Answer, status: u16, more: &[&str]) {
    assert_eq!(refused.status, status, "{}", refused.body);
    assert_eq!(fields(&refused.body), ["error", "response_id", "type"]);
    assert_eq!(refused.body["type"], "custom_segment");
    let mut expected: Vec<&str> = ["code", "message"]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
    expected.sort_unstable();
    assert_eq!(fields(&refused.body["error"]), expected);
}

fn assert_v2(refused: &Answer, status: u16) {
    assert_eq!(refused.status, status, "{}", refused.body);
    assert_eq!(fields(&refused.body), ["description", "title"]);
}

fn assert_v1(refused: &Answer, status: u16) {
    assert_eq!(refused.status, status, "{}", refused.body);
    assert_eq!(fields(&refused.body), ["error", "status"]);
    assert_eq!(refused.body["status"], "fail");
    for key in ["message", "type", "request_id"] {
        assert!(refused.body["error"][key].is_string(), "{}", refused.body);
    }
}

#[tokio::test]
async fn each_rule_on_names_is_a_400_on_create_and_update() {
    let sandbox = Sandbox::with(&[]).await;
    let segment = sandbox.created("A", "Pune").await;
    let path = format!("{SEGMENTS}/{segment}");
    let long = "ä".repeat(201);
    for name in [
        "",
        "   ",
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
    ] {
        let body = named(name, lives_in("Goa"));
        assert_v3(&sandbox.call("POST", SEGMENTS, body.clone()).await, 400, &[]);
        assert_v3(&sandbox.call("PATCH", &path, body).await, 400, &[]);
    }
    let longest = "ä".repeat(200);
    for name in ["a.b", "a & b", "all users", &longest] {
        let body = named(name, lives_in(name));
        assert_eq!(sandbox.call("POST", SEGMENTS, body).await.status, 201, "{name}");
    }
}

#[tokio::test]
async fn bodies_and_ids_of_v3_are_read_strictly() {
    let sandbox = Sandbox::with(&[]).await;
    let path = format!("{SEGMENTS}/{}", sandbox.created("A", "Pune").await);
    let good = named("B", lives_in("Goa"));
    let mut unknown_in_filter = good.clone();
    unknown_in_filter["included_filters"]["filters"][0]["colour"] = json!("red");
    let mut unknown_kind = good.clone();
    unknown_kind["included_filters"]["filters"][0]["filter_type"] = json!("horoscope");
    for body in [
        json!([]),
        json!("text"),
        with(good.clone(), "description", json!("mine")),
        with(good.clone(), "name", json!(1)),
        with(good.clone(), "included_filters", json!([])),
        with(good.clone(), "excluded_filters", json!("nobody")),
        with(good.clone(), "included_filters", refers_to(&[NOBODY])),
        without(good.clone(), "included_filters"),
        unknown_in_filter,
        unknown_kind,
    ] {
        for (method, path) in [("POST", SEGMENTS), ("PATCH", &path)] {
            let refused = sandbox.call(method, path, body.clone()).await;
            assert_v3(&refused, 400, &[]);
        }
    }
    assert_v3(
        &sandbox
            .call("POST", SEGMENTS, without(good.clone(), "name"))
            .await,
        400,
        &[],
    );
    let by = with(good.clone(), "updated_by", json!("nobody"));
    assert_v3(&sandbox.call("PATCH", &path, by.clone()).await, 400, &[]);
    assert_v3(&sandbox.call("POST", SEGMENTS, by).await, 400, &[]);
    for text in ["", "{", "{\"name\": \"B\"", "\u{feff}{}"] {
        let request = sandbox.request("POST", SEGMENTS, &Value::Null);
        assert_v3(&answer(request.body(text)).await, 400, &[]);
    }
    let (long, not_hexadecimal) = (format!("{NOBODY}0"), NOBODY.replace('f', "g"));
    for id in ["short", &long, &not_hexadecimal, "%20", "5e6c%2Fffff"] {
        let path = format!("{SEGMENTS}/{id}");
        assert_v3(&sandbox.get(&path).await, 400, &[]);
        assert_v3(&sandbox.call("PATCH", &path, good.clone()).await, 400, &[]);
    }
    let path = format!("{SEGMENTS}/{NOBODY}");
    assert_v3(&sandbox.get(&path).await, 404, &[]);
    assert_v3(&sandbox.call("PATCH", &path, good).await, 404, &[]);
    assert_eq!(sandbox.listed().await, ["A"]);
}

#[tokio::test]
async fn archived_segments_files_cohorts_and_imports_cannot_be_updated() {
    let sandbox = Sandbox::with(&[]).await;
    sandbox.created("Archived", "Pune").await;
    sandbox.call("POST", FILE, new_file("File", "file:///x", 3)).await;
    sandbox
        .call("POST", COHORT, cohort_body("add_members", "Cohort", &["a"]))
        .await;
    let imported = json!({"name": "Imported", "source": "ANALYTICS", "included_filters": lives_in("Goa")});
    sandbox.call("POST", "/_sandbox/segments", imported).await;
    let made = json!({"name": "Made by hand", "included_filters": lives_in("Agra")});
    sandbox.call("POST", "/_sandbox/segments", made).await;
    let rows = sandbox.get(SEGMENTS).await.body["data"].clone();
    sandbox.archive("Archived").await;
    for row in rows.as_array().unwrap() {
        let path = format!("{SEGMENTS}/{}", row["id"].as_str().unwrap());
        let body = json!({"included_filters": lives_in("Leh")});
        let updated = sandbox.call("PATCH", &path, body).await;
        if row["name"] == "Made by hand" {
            assert_eq!(updated.status, 200);
        } else {
            assert_v3(&updated, 403, &[]);
        }
    }
}

#[tokio::test]
async fn a_name_conflict_never_says_whose_and_a_definition_conflict_always() {
    let sandbox = Sandbox::with(&[]).await;
    let active = sandbox.created("Active", "Pune").await;
    let archived = sandbox.created("Archived", "Goa").await;
    let mine = format!("{SEGMENTS}/{}", sandbox.created("Mine", "Leh").await);
    sandbox.archive("Archived").await;
    for (name, holder) in [("Active", &active), ("Archived", &archived)] {
        for (method, path) in [("POST", SEGMENTS), ("PATCH", &mine)] {
            let refused = sandbox.call(method, path, named(name, lives_in("Agra"))).await;
            assert_v3(&refused, 409, &[]);
            assert!(!refused.body.to_string().contains(holder.as_str()));
        }
        let refused = sandbox.call("POST", FILE, new_file(name, "file:///x", 3)).await;
        assert_v2(&refused, 409);
    }
    for (method, path) in [("POST", SEGMENTS), ("PATCH", &mine)] {
        let refused = sandbox.call(method, path, named("New", lives_in("Pune"))).await;
        assert_v3(&refused, 409, &["existing_cs_id", "existing_cs_name"]);
        let error = &refused.body["error"];
        assert_eq!(
            (&error["existing_cs_id"], &error["existing_cs_name"]),
            (&json!(active), &json!("Active"))
        );
    }
}

#[tokio::test]
async fn circles_are_412_and_what_is_too_large_413() {
    let sandbox = Sandbox::with(&[]).await;
    let first = sandbox.created("1", "Pune").await;
    let mut chain = vec![first.clone()];
    for level in 2..=6 {
        let body = named(&level.to_string(), refers_to(&[chain.last().unwrap()]));
        chain.push(super::id(&sandbox.call("POST", SEGMENTS, body).await));
    }
    for reached in &chain {
        let body = json!({"included_filters": lives_in("Goa"), "excluded_filters": refers_to(&[reached])});
        let path = format!("{SEGMENTS}/{first}");
        assert_v3(&sandbox.call("PATCH", &path, body).await, 412, &[]);
    }
    let other = sandbox.created("Other", "Agra").await;
    let path = format!("{SEGMENTS}/{other}");
    let mut eleven = Vec::new();
    for number in 0..11 {
        eleven.push(sandbox.created(&format!("n{number}"), &number.to_string()).await);
    }
    let eleven: Vec<&str> = eleven.iter().map(String::as_str).collect();
    let kinds = [
        refers_to(&[&chain[5]]),
        refers_to(&eleven),
        lives_in(&"x".repeat(262_144)),
    ];
    let mut messages = std::collections::BTreeSet::new();
    for included in kinds {
        for (method, path) in [("POST", SEGMENTS), ("PATCH", &path)] {
            let refused = sandbox.call(method, path, named("Large", included.clone())).await;
            assert_v3(&refused, 413, &[]);
            messages.insert(refused.body["error"]["message"].to_string());
        }
    }
    assert_eq!(messages.len(), 3, "{messages:?}");
    let allowed = named("Ten", refers_to(&eleven[..10]));
    assert_eq!(sandbox.call("POST", SEGMENTS, allowed).await.status, 201);
}

#[tokio::test]
async fn a_full_workspace_refuses_every_kind_with_its_numbers() {
    let sandbox = Sandbox::with(&[("active_limit", "2")]).await;
    sandbox.created("A", "Pune").await;
    sandbox.created("B", "Goa").await;
    let refused = sandbox.create("C", "Leh").await;
    assert_v3(&refused, 429, &["actual_count", "limit"]);
    let error = &refused.body["error"];
    assert_eq!((&error["actual_count"], &error["limit"]), (&json!(2), &json!(2)));
    let file = sandbox.call("POST", FILE, new_file("F", "file:///x", 3)).await;
    assert_eq!(
        (file.status, &file.body["actual_count"], &file.body["limit"]),
        (429, &json!(2), &json!(2))
    );
    let cohort = sandbox
        .call("POST", COHORT, cohort_body("add_members", "C", &["a"]))
        .await;
    assert_v1(&cohort, 429);
    assert_eq!(cohort.body["error"]["limit"], 2);
    // What is there can still be changed, and room can be made.
    let path = format!("{SEGMENTS}/{}", super::id(&by_name(&sandbox, "A").await));
    let update = json!({"included_filters": lives_in("Agra")});
    assert_eq!(sandbox.call("PATCH", &path, update).await.status, 200);
    sandbox.archive("B").await;
    assert_eq!(sandbox.create("C", "Leh").await.status, 201);
}

async fn by_name(sandbox: &Sandbox, name: &str) -> Answer {
    let mut listed = sandbox.get(&format!("{SEGMENTS}?name={name}")).await;
    listed.body["data"] = listed.body["data"][0].clone();
    listed
}

#[tokio::test]
async fn bodies_of_v2_are_read_strictly() {
    let sandbox = Sandbox::with(&[]).await;
    sandbox.call("POST", FILE, new_file("F", "file:///x", 3)).await;
    sandbox.created("Filters", "Pune").await;
    let good = file_body("F", "file:///x");
    let add = format!("{FILE}/add-users");
    let mut bad = vec![
        json!([]),
        with(good.clone(), "attribute_type", json!("bool")),
        with(good.clone(), "callback_url", json!(1)),
        with(good.clone(), "emails", json!("a@example.com")),
        with(good.clone(), "emails", json!([1])),
        with(good.clone(), "colour", json!("red")),
    ];
    for key in ["name", "attribute_name", "attribute_type", "file_url"] {
        bad.push(without(good.clone(), key));
        bad.push(with(good.clone(), key, json!("")));
        bad.push(with(good.clone(), key, json!(7)));
    }
    for body in bad {
        assert_v2(&sandbox.call("PUT", &add, body.clone()).await, 400);
        if body.is_object() {
            let body = with(body, "expiry_time", json!(3));
            assert_v2(&sandbox.call("POST", FILE, body).await, 400);
        }
    }
    let new = file_body("New", "file:///x");
    for days in [json!(0), json!(-1), json!("3"), json!(1.5), Value::Null] {
        let body = with(new.clone(), "expiry_time", days);
        assert_v2(&sandbox.call("POST", FILE, body).await, 400);
    }
    assert_v2(&sandbox.call("POST", FILE, new.clone()).await, 400);
    let with_id = with(new_file("New", "file:///x", 3), "cs_id", json!(NOBODY));
    assert_v2(&sandbox.call("POST", FILE, with_id).await, 400);
    for change in ["add-users", "remove-users", "replace"] {
        let path = format!("{FILE}/{change}");
        let expiring = with(good.clone(), "expiry_time", json!(3));
        assert_v2(&sandbox.call("PUT", &path, expiring).await, 400);
        for name in ["Nobody", "Filters"] {
            let body = file_body(name, "file:///x");
            assert_v2(&sandbox.call("PUT", &path, body).await, 404);
        }
        let unknown = with(good.clone(), "cs_id", json!(NOBODY));
        assert_v2(&sandbox.call("PUT", &path, unknown).await, 404);
    }
    for path in [ARCHIVE, UNARCHIVE] {
        for (body, status) in [
            (json!([]), 400),
            (json!({}), 400),
            (json!({"cs_id": NOBODY}), 400),
            (json!({"name": 1}), 400),
            (json!({"name": "F", "why": "old"}), 400),
            (json!({"name": "F", "cs_id": 1}), 400),
            (json!({"name": "Nobody"}), 404),
            (json!({"name": "F", "cs_id": NOBODY}), 404),
        ] {
            assert_v2(&sandbox.call("PATCH", path, body).await, status);
        }
    }
}

#[tokio::test]
async fn cohort_refusals_name_the_attribute() {
    let sandbox = Sandbox::with(&[]).await;
    let good = || cohort_body("add_members", "C", &["a"]);
    let inner = |key: &str, value: Value| {
        let mut body = good();
        body["parameters"][key] = value;
        body
    };
    for (body, attribute) in [
        (json!([]), "body"),
        (with(good(), "why", json!(1)), "body"),
        (with(good(), "action", json!("clear")), "action"),
        (without(good(), "partner"), "partner"),
        (with(good(), "parameters", json!([])), "parameters"),
        (inner("colour", json!(1)), "parameters"),
        (inner("cohort_name", json!("")), "cohort_name"),
        (inner("cohort_id", json!(1)), "cohort_id"),
        (inner("cohort_description", json!(1)), "cohort_description"),
        (inner("members", json!({})), "members"),
        (inner("members", json!(["a"])), "members"),
        (inner("members", json!([{"uid": 1}])), "members"),
        (inner("members", json!([{"uid": "a", "email": "b"}])), "members"),
    ] {
        let refused = sandbox.call("POST", COHORT, body).await;
        assert_v1(&refused, 400);
        assert_eq!(refused.body["error"]["attribute"], attribute, "{}", refused.body);
    }
    let untyped = sandbox
        .bare("POST", COHORT)
        .basic_auth("workspace", Some("key"))
        .header("MOE-APPKEY", "workspace");
    assert_v1(&answer(untyped.body(good().to_string())).await, 415);
    assert_eq!(sandbox.contents("C").await, Value::Null);
}
