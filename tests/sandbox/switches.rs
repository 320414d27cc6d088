//! Each switch with each of its values. `rate_limits.rs` has the switches for rate limits.

use super::{SEGMENTS, Sandbox, city_definition, reference_definition, segment_id};
use segctl::sandbox::SandboxError;
use serde_json::{Value, json};

fn two_cities_definition(first: &str, second: &str) -> Value {
    let mut group = city_definition(first);
    let other = city_definition(second)["filters"][0].clone();
    group["filters"].as_array_mut().unwrap().push(other);
    group
}

async fn create_with_definition(sandbox: &Sandbox, name: &str, included: Value) -> u16 {
    let body = json!({"name": name, "included_filters": included});
    sandbox.send("POST", SEGMENTS, body).await.status
}

#[tokio::test]
async fn switches_for_archived_segments_in_lists_conflicts_and_references() {
    for (value, listed) in [("true", vec!["A"]), ("false", vec![])] {
        let sandbox = Sandbox::with_switches(&[("list_includes_archived", value)]).await;
        sandbox.create_and_get_id("A", "Pune").await;
        sandbox.archive("A").await;
        assert_eq!(sandbox.list_names().await, listed);
        let found = sandbox.get(&format!("{SEGMENTS}?name=A")).await;
        assert_eq!(found.body["data"].as_array().unwrap().len(), listed.len());
    }
    for (value, status) in [("true", 409), ("false", 201)] {
        let sandbox = Sandbox::with_switches(&[("archived_definitions_conflict", value)]).await;
        sandbox.create_and_get_id("A", "Pune").await;
        sandbox.archive("A").await;
        assert_eq!(sandbox.create("B", "Pune").await.status, status);
    }
    for (value, status) in [("true", 201), ("false", 400)] {
        let sandbox = Sandbox::with_switches(&[("reference_to_archived_allowed", value)]).await;
        let segment = sandbox.create_and_get_id("A", "Pune").await;
        sandbox.archive("A").await;
        assert_eq!(
            create_with_definition(&sandbox, "B", reference_definition(&[&segment])).await,
            status
        );
    }
}

#[tokio::test]
async fn switches_for_equality_of_definitions_and_names() {
    for (value, status) in [("true", 201), ("false", 409)] {
        let sandbox = Sandbox::with_switches(&[("equality_order_sensitive", value)]).await;
        assert_eq!(
            create_with_definition(&sandbox, "A", two_cities_definition("Pune", "Goa")).await,
            201
        );
        assert_eq!(
            create_with_definition(&sandbox, "B", two_cities_definition("Goa", "Pune")).await,
            status
        );
    }
    for (value, status) in [("true", 201), ("false", 409)] {
        let sandbox = Sandbox::with_switches(&[("names_case_sensitive", value)]).await;
        sandbox.create_and_get_id("Straße Ä", "Pune").await;
        assert_eq!(sandbox.create("straße ä", "Goa").await.status, status);
    }
    for (value, status) in [("true", 201), ("false", 409)] {
        let sandbox = Sandbox::with_switches(&[("rename_frees_old_name", value)]).await;
        let segment = sandbox.create_and_get_id("A", "Pune").await;
        let renamed = json!({"name": "B", "included_filters": city_definition("Pune")});
        let path = format!("{SEGMENTS}/{segment}");
        assert_eq!(sandbox.send("PATCH", &path, renamed).await.status, 200);
        assert_eq!(sandbox.create("A", "Goa").await.status, status);
        assert_eq!(sandbox.create("B", "Leh").await.status, 409);
    }
}

#[tokio::test]
async fn switches_for_updates_that_omit_or_change_nothing() {
    for (value, is_kept) in [("keep", true), ("clear", false)] {
        let sandbox = Sandbox::with_switches(&[("patch_without_excluded", value)]).await;
        let body = json!({"name": "A", "included_filters": city_definition("Pune"), "excluded_filters": city_definition("Goa")});
        let segment = segment_id(&sandbox.send("POST", SEGMENTS, body).await);
        let path = format!("{SEGMENTS}/{segment}");
        let without = json!({"included_filters": city_definition("Leh")});
        sandbox.send("PATCH", &path, without).await;
        let stored = sandbox.get(&path).await.body["data"]["excluded_filters"].clone();
        assert_eq!(stored == city_definition("Goa"), is_kept, "{value}: {stored}");
        // An empty group clears the excluded filters with either value.
        let empty_group = json!({"filter_operator": "and", "filters": []});
        let body = json!({"included_filters": city_definition("Leh"), "excluded_filters": empty_group});
        assert_eq!(sandbox.send("PATCH", &path, body).await.status, 200);
        let stored = sandbox.get(&path).await.body["data"]["excluded_filters"].clone();
        assert_ne!(stored, city_definition("Goa"));
    }
    for (value, status) in [("accepted", 200), ("refused", 400), ("conflict", 409)] {
        let sandbox = Sandbox::with_switches(&[("patch_without_change", value)]).await;
        let segment = sandbox.create_and_get_id("A", "Pune").await;
        let path = format!("{SEGMENTS}/{segment}");
        let same = json!({"included_filters": city_definition("Pune")});
        let response = sandbox.send("PATCH", &path, same).await;
        assert_eq!(response.status, status);
        let holder = &response.body["error"]["existing_cs_id"];
        assert_eq!(holder.is_string(), value == "conflict");
        let other = json!({"name": "B", "included_filters": city_definition("Pune")});
        assert_eq!(
            sandbox.send("PATCH", &path, other).await.status,
            200,
            "{value}: a rename"
        );
    }
}

#[tokio::test]
async fn switches_for_repeated_archiving_and_unarchiving_at_the_limit() {
    for (value, status) in [("true", 200), ("false", 400)] {
        let sandbox = Sandbox::with_switches(&[("archive_idempotent", value)]).await;
        sandbox.create_and_get_id("A", "Pune").await;
        assert_eq!(sandbox.unarchive("A").await.status, status);
        assert_eq!(sandbox.archive("A").await.status, 200);
        assert_eq!(sandbox.archive("A").await.status, status);
    }
    for (value, status) in [("true", 429), ("false", 200)] {
        let switches = [("unarchive_checks_active_limit", value), ("active_limit", "1")];
        let sandbox = Sandbox::with_switches(&switches).await;
        sandbox.create_and_get_id("A", "Pune").await;
        sandbox.archive("A").await;
        sandbox.create_and_get_id("B", "Goa").await;
        let response = sandbox.unarchive("A").await;
        assert_eq!(response.status, status);
        if status == 429 {
            assert_eq!(
                (&response.body["actual_count"], &response.body["limit"]),
                (&json!(1), &json!(1))
            );
        }
        assert_eq!(sandbox.create("C", "Leh").await.status, 429);
    }
}

#[tokio::test]
async fn the_echo_switch_changes_the_form_of_returned_definitions() {
    let sent = json!({"filter_operator": "and", "filters": [
        {"filter_type": "user_attributes", "name": "city", "data_type": "string", "category": "Tracked",
         "operator": "in", "value": ["Pune"], "negate": false},
        {"filter_type": "actions", "action_name": "buy", "executed": true,
         "execution": {"type": "atleast", "count": 1},
         "primary_time_range": {"type": "inTheLast", "value": 7, "value_type": "relative_past", "period_unit": "days"},
         "attributes": {"filter_operator": "and", "filters": []}}]});
    let without = |mut form: Value, keys: [&[&str]; 2]| {
        for (position, keys) in keys.into_iter().enumerate() {
            let filter = form["filters"][position].as_object_mut().unwrap();
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
        let sandbox = Sandbox::with_switches(&[("echo", value)]).await;
        let body = json!({"name": "A", "included_filters": sent});
        let created = sandbox.send("POST", SEGMENTS, body).await;
        assert_eq!(created.body["data"]["included_filters"], expected, "{value}");
        let read = sandbox.get(&format!("{SEGMENTS}/{}", segment_id(&created))).await;
        assert_eq!(read.body["data"]["included_filters"], expected, "{value}");
        // The returned form differs, and the definition is the same.
        assert_eq!(
            create_with_definition(&sandbox, "B", sent.clone()).await,
            409,
            "{value}"
        );
    }
}

#[tokio::test]
async fn unknown_switches_and_values_are_rejected() {
    for (name, value) in [
        ("no_such_switch", "true"),
        ("rate_limits", "sometimes"),
        ("rate_headers", "maybe"),
        ("active_limit", "-1"),
        ("echo", "loud"),
        ("users", "[]"),
        ("", ""),
    ] {
        let error = super::options().set_switch(name, value).unwrap_err();
        assert!(matches!(error, SandboxError::Switch { .. }), "{error:?}");
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
    }
}
