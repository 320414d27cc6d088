//! Each switch under each of its settings; those on calls per minute are among the windows.

use super::{SEGMENTS, Sandbox, id, lives_in, refers_to};
use segctl::sandbox::SandboxError;
use serde_json::{Value, json};

fn both_cities(first: &str, second: &str) -> Value {
    let mut group = lives_in(first);
    let other = lives_in(second)["filters"][0].clone();
    group["filters"].as_array_mut().unwrap().push(other);
    group
}

async fn create(sandbox: &Sandbox, name: &str, included: Value) -> u16 {
    let body = json!({"name": name, "included_filters": included});
    sandbox.call("POST", SEGMENTS, body).await.status
}

#[tokio::test]
async fn what_is_archived_is_listed_counted_and_referred_to() {
    for (value, listed) in [("true", vec!["A"]), ("false", vec![])] {
        let sandbox = Sandbox::with(&[("list_includes_archived", value)]).await;
        sandbox.created("A", "Pune").await;
        sandbox.archive("A").await;
        assert_eq!(sandbox.listed().await, listed);
        let found = sandbox.get(&format!("{SEGMENTS}?name=A")).await;
        assert_eq!(found.body["data"].as_array().unwrap().len(), listed.len());
    }
    for (value, status) in [("true", 409), ("false", 201)] {
        let sandbox = Sandbox::with(&[("archived_definitions_conflict", value)]).await;
        sandbox.created("A", "Pune").await;
        sandbox.archive("A").await;
        assert_eq!(sandbox.create("B", "Pune").await.status, status);
    }
    for (value, status) in [("true", 201), ("false", 400)] {
        let sandbox = Sandbox::with(&[("reference_to_archived_allowed", value)]).await;
        let segment = sandbox.created("A", "Pune").await;
        sandbox.archive("A").await;
        assert_eq!(create(&sandbox, "B", refers_to(&[&segment])).await, status);
    }
}

#[tokio::test]
async fn when_two_definitions_or_names_are_one() {
    for (value, status) in [("true", 201), ("false", 409)] {
        let sandbox = Sandbox::with(&[("equality_order_sensitive", value)]).await;
        assert_eq!(create(&sandbox, "A", both_cities("Pune", "Goa")).await, 201);
        assert_eq!(create(&sandbox, "B", both_cities("Goa", "Pune")).await, status);
    }
    for (value, status) in [("true", 201), ("false", 409)] {
        let sandbox = Sandbox::with(&[("names_case_sensitive", value)]).await;
        sandbox.created("Straße Ä", "Pune").await;
        assert_eq!(sandbox.create("straße ä", "Goa").await.status, status);
    }
    for (value, status) in [("true", 201), ("false", 409)] {
        let sandbox = Sandbox::with(&[("rename_frees_old_name", value)]).await;
        let segment = sandbox.created("A", "Pune").await;
        let renamed = json!({"name": "B", "included_filters": lives_in("Pune")});
        let path = format!("{SEGMENTS}/{segment}");
        assert_eq!(sandbox.call("PATCH", &path, renamed).await.status, 200);
        assert_eq!(sandbox.create("A", "Goa").await.status, status);
        assert_eq!(sandbox.create("B", "Leh").await.status, 409);
    }
}

#[tokio::test]
async fn what_an_update_makes_of_what_it_leaves_out() {
    for (value, kept) in [("keep", true), ("clear", false)] {
        let sandbox = Sandbox::with(&[("patch_without_excluded", value)]).await;
        let body =
            json!({"name": "A", "included_filters": lives_in("Pune"), "excluded_filters": lives_in("Goa")});
        let segment = id(&sandbox.call("POST", SEGMENTS, body).await);
        let path = format!("{SEGMENTS}/{segment}");
        let without = json!({"included_filters": lives_in("Leh")});
        sandbox.call("PATCH", &path, without).await;
        let stored = sandbox.get(&path).await.body["data"]["excluded_filters"].clone();
        assert_eq!(stored == lives_in("Goa"), kept, "{value}: {stored}");
        // An empty group says it under either setting.
        let nobody = json!({"filter_operator": "and", "filters": []});
        let body = json!({"included_filters": lives_in("Leh"), "excluded_filters": nobody});
        assert_eq!(sandbox.call("PATCH", &path, body).await.status, 200);
        let stored = sandbox.get(&path).await.body["data"]["excluded_filters"].clone();
        assert_ne!(stored, lives_in("Goa"));
    }
    for (value, status) in [("accepted", 200), ("refused", 400), ("conflict", 409)] {
        let sandbox = Sandbox::with(&[("patch_without_change", value)]).await;
        let segment = sandbox.created("A", "Pune").await;
        let path = format!("{SEGMENTS}/{segment}");
        let same = json!({"included_filters": lives_in("Pune")});
        let answer = sandbox.call("PATCH", &path, same).await;
        assert_eq!(answer.status, status);
        let holder = &answer.body["error"]["existing_cs_id"];
        assert_eq!(holder.is_string(), value == "conflict");
        let other = json!({"name": "B", "included_filters": lives_in("Pune")});
        assert_eq!(
            sandbox.call("PATCH", &path, other).await.status,
            200,
            "{value}: a rename"
        );
    }
}

#[tokio::test]
async fn archiving_twice_and_unarchiving_into_a_full_workspace() {
    for (value, status) in [("true", 200), ("false", 400)] {
        let sandbox = Sandbox::with(&[("archive_idempotent", value)]).await;
        sandbox.created("A", "Pune").await;
        assert_eq!(sandbox.unarchive("A").await.status, status);
        assert_eq!(sandbox.archive("A").await.status, 200);
        assert_eq!(sandbox.archive("A").await.status, status);
    }
    for (value, status) in [("true", 429), ("false", 200)] {
        let switches = [("unarchive_checks_active_limit", value), ("active_limit", "1")];
        let sandbox = Sandbox::with(&switches).await;
        sandbox.created("A", "Pune").await;
        sandbox.archive("A").await;
        sandbox.created("B", "Goa").await;
        let answer = sandbox.unarchive("A").await;
        assert_eq!(answer.status, status);
        if status == 429 {
            assert_eq!(
                (&answer.body["actual_count"], &answer.body["limit"]),
                (&json!(1), &json!(1))
            );
        }
        assert_eq!(sandbox.create("C", "Leh").await.status, 429);
    }
}

#[tokio::test]
async fn definitions_come_back_in_other_forms() {
    let sent = json!({"filter_operator": "and", "filters": [
        {"filter_type": "user_attributes", "name": "city", "data_type": "string", "category": "Tracked",
         "operator": "in", "value": ["Pune"], "negate": false},
        {"filter_type": "actions", "action_name": "buy", "executed": true,
         "execution": {"type": "atleast", "count": 1},
         "primary_time_range": {"type": "inTheLast", "value": 7, "value_type": "relative_past", "period_unit": "days"},
         "attributes": {"filter_operator": "and", "filters": []}}]});
    let without = |mut form: Value, keys: [&[&str]; 2]| {
        for (place, keys) in keys.into_iter().enumerate() {
            let filter = form["filters"][place].as_object_mut().unwrap();
            for key in keys {
                filter.remove(*key);
            }
        }
        form
    };
    let mut filled = without(sent.clone(), [&["category"], &[]]);
    filled["filters"][0]["case_sensitive"] = json!(false);
    let mut days = sent.clone();
    days["filters"][1]["primary_time_range"] =
        json!({"type": "inTheLast", "days": 7, "value_type": "relative_past"});
    let mut dropped = without(
        sent.clone(),
        [&["category", "negate"], &["attributes", "execution"]],
    );
    dropped["filters"][1]["primary_time_range"] =
        json!({"type": "inTheLast", "value": 7, "period_unit": "days"});
    for (value, expected) in [
        ("as_sent", sent.clone()),
        ("defaults_filled", filled),
        ("defaults_dropped", dropped),
        ("dashboard_days", days),
    ] {
        let sandbox = Sandbox::with(&[("echo", value)]).await;
        let body = json!({"name": "A", "included_filters": sent});
        let created = sandbox.call("POST", SEGMENTS, body).await;
        assert_eq!(created.body["data"]["included_filters"], expected, "{value}");
        let read = sandbox.get(&format!("{SEGMENTS}/{}", id(&created))).await;
        assert_eq!(read.body["data"]["included_filters"], expected, "{value}");
        // Whatever it looks like, it is the same definition.
        assert_eq!(create(&sandbox, "B", sent.clone()).await, 409, "{value}");
    }
}

#[tokio::test]
async fn a_switch_that_does_not_exist_is_refused() {
    for (name, value) in [
        ("no_such_switch", "true"),
        ("rate_limits", "sometimes"),
        ("rate_headers", "maybe"),
        ("active_limit", "-1"),
        ("echo", "loud"),
        ("users", "[]"),
        ("", ""),
    ] {
        let refused = super::options().set(name, value).unwrap_err();
        assert!(matches!(refused, SandboxError::Switch { .. }), "{refused:?}");
        assert!(refused.to_string().contains(&format!("`{name}`")), "{refused}");
    }
}
