//! Why the service rejects filter segments.

use super::{
    SEGMENTS, TestService, and_group, authorized_request, city_definition, city_filter, reference_definition,
    segment_id,
};
use serde_json::{Value, json};

#[test]
fn unknown_or_mistyped_body_fields_are_rejected() {
    let good = json!({"name": "A", "included_filters": city_definition("Pune")});
    let with = |key: &str, value: Value| {
        let mut body = good.clone();
        body[key] = value;
        body
    };
    for body in [
        json!("text"),
        json!({"included_filters": city_definition("Pune")}),
        json!({"name": "A"}),
        with("description", json!("mine")),
        with("name", json!(7)),
        with("included_filters", json!({"filters": []})),
        with("excluded_filters", json!([])),
    ] {
        let response = TestService::new().send("POST", SEGMENTS, &body);
        assert_eq!(response.status, 400, "{body}");
    }
    let mut api = TestService::new();
    let mut request = authorized_request("POST", SEGMENTS, &good);
    request.body.pop();
    assert_eq!(api.service.handle(api.now, &request).status, 400);
    let id = api.create_and_get_id("A", &city_definition("Pune"));
    for (path_id, body) in [
        ("xyz", &good),
        (id.as_str(), &json!({"name": "B"})),
        (id.as_str(), &with("updated_by", json!("me"))),
        (id.as_str(), &with("name", Value::Null)),
        (id.as_str(), &with("lifecycle", json!("active"))),
    ] {
        assert_eq!(api.update(path_id, body).status, 400, "{body}");
    }
}

#[test]
fn names_are_checked_against_the_documented_rules() {
    let longest = "x".repeat(200);
    for name in ["A", "a b", "Ä & ö", "a.b", "All users", longest.as_str()] {
        let status = TestService::new().create_status(name, &city_definition("Pune"));
        assert_eq!(status, 201, "{name}");
    }
    let longer = "ä".repeat(201);
    let forbidden_characters = ["a:b", "a|b", "a*", "a?", "a\\b", "<a", "a>", "a=b", "a$", "a\""];
    let others = ["", "  ", ".a", "All Users", &longer];
    for name in forbidden_characters.into_iter().chain(others) {
        let status = TestService::new().create_status(name, &city_definition("Pune"));
        assert_eq!(status, 400, "{name}");
    }
}

#[test]
fn a_name_conflict_covers_archived_segments_and_does_not_report_the_holder() {
    let mut api = TestService::new();
    let first = api.create_and_get_id("A", &city_definition("Pune"));
    api.archive("A");
    api.create_and_get_id("B", &city_definition("Goa"));
    let response = api.create("A", &city_definition("Delhi"));
    assert_eq!(response.status, 409);
    assert!(!response.body.to_string().contains(&first));
    api.unarchive("A");
    let renamed = json!({"name": "B", "included_filters": city_definition("Pune")});
    assert_eq!(api.update(&first, &renamed).status, 409);
}

#[test]
fn a_duplicate_definition_is_a_conflict_that_reports_the_holder() {
    let mut api = TestService::new();
    let id = api.create_and_get_id("A", &city_definition("Pune"));
    let mut in_defaults = city_definition("Pune");
    in_defaults["filters"][0]["case_sensitive"] = json!(false);
    let response = api.create("B", &in_defaults);
    assert_eq!(response.status, 409);
    let error = &response.body["error"];
    assert_eq!(
        (&error["existing_cs_name"], &error["existing_cs_id"]),
        (&json!("A"), &json!(id))
    );
    let other = api.create_and_get_id("C", &city_definition("Goa"));
    let response = api.set_filters(&other, &city_definition("Pune"));
    assert_eq!(response.body["error"]["existing_cs_id"], json!(id));
    let excluding = json!({"name": "D", "included_filters": city_definition("Pune"), "excluded_filters": city_definition("Goa")});
    assert_eq!(api.send("POST", SEGMENTS, &excluding).status, 201);
}

#[test]
fn archived_file_and_imported_segments_cannot_be_updated() {
    let mut api = TestService::new();
    let body = json!({"included_filters": city_definition("Goa")});
    let archived = api.create_and_get_id("A", &city_definition("Pune"));
    api.archive("A");
    let file = json!({"name": "F", "attribute_name": "uid", "attribute_type": "string", "expiry_time": 5,
                      "file_url": "file:///f"});
    let file = api.send("POST", super::FILE, &file).body["cs_id"].clone();
    let imported = json!({"name": "I", "source": "ANALYTICS", "included_filters": city_definition("Agra")});
    let imported = segment_id(&api.send("POST", "/_sandbox/segments", &imported));
    for id in [archived.as_str(), file.as_str().unwrap_or_default(), &imported] {
        assert_eq!(api.update(id, &body).status, 403);
    }
    let unknown = "5e6cffffffffffffffffffff";
    assert_eq!(api.update(unknown, &body).status, 404);
}

#[test]
fn unknown_references_and_cycles_are_rejected() {
    let mut api = TestService::new();
    let unknown = reference_definition(&["5e6cffffffffffffffffffff"]);
    assert_eq!(api.create_status("A", &unknown), 400);
    assert_eq!(
        api.create_status("Everyone", &reference_definition(&["moe_all_users"])),
        201
    );
    let first = api.create_and_get_id("A", &city_definition("Pune"));
    let second = api.create_and_get_id("B", &reference_definition(&[&first]));
    let third = api.create_and_get_id("C", &reference_definition(&[&second]));
    for id in [&first, &second, &third] {
        assert_eq!(api.set_filters(&first, &reference_definition(&[id])).status, 412);
    }
}

#[test]
fn nesting_levels_are_counted_as_documented() {
    let nested = |id: &str| {
        let mut definition = reference_definition(&[id]);
        let inner = json!({"filter_type": "nested_filters", "filter_operator": "or",
                           "filters": [city_filter("Pune"), city_filter("Goa")]});
        definition["filters"].as_array_mut().unwrap().push(inner);
        definition
    };
    let mut api = TestService::new();
    // A chain of references reaches level 6 at most.
    let mut last = api.create_and_get_id("1", &city_definition("Pune"));
    for level in 2..=6 {
        last = api.create_and_get_id(&level.to_string(), &reference_definition(&[&last]));
    }
    assert_eq!(api.create_status("7", &reference_definition(&[&last])), 413);
    // A nested group adds one to each level with references: 1, 3, 5; 7 is too high.
    let mut last = api.create_and_get_id("a", &city_definition("Agra"));
    for name in ["b", "c"] {
        last = api.create_and_get_id(name, &nested(&last));
    }
    assert_eq!(api.create_status("d", &nested(&last)), 413);
    assert_eq!(api.create_status("e", &reference_definition(&[&last])), 201);
    // Without references, nested groups do not count.
    let inner =
        json!({"filter_type": "nested_filters", "filter_operator": "and", "filters": [city_filter("Leh")]});
    let deep = api.create_and_get_id("f", &and_group(&[inner]));
    let second = api.create_and_get_id("g", &reference_definition(&[&deep]));
    assert_eq!(api.create_status("h", &nested(&second)), 201);
}

#[test]
fn references_and_expanded_length_are_limited() {
    let mut api = TestService::new();
    let ids: Vec<String> = (0..11)
        .map(|number| api.create_and_get_id(&number.to_string(), &city_definition(&number.to_string())))
        .collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert_eq!(api.create_status("ten", &reference_definition(&ids[..10])), 201);
    assert_eq!(api.create_status("eleven", &reference_definition(&ids)), 413);

    let long = api.create_and_get_id("long", &city_definition(&"x".repeat(140_000)));
    let longer = api.create_and_get_id("longer", &city_definition(&"y".repeat(140_000)));
    assert_eq!(api.create_status("one", &reference_definition(&[&long])), 201);
    assert_eq!(
        api.create_status("both", &reference_definition(&[&long, &longer])),
        413
    );
    assert_eq!(
        api.create_status("longest", &city_definition(&"z".repeat(262_144))),
        413
    );
}

#[test]
fn creates_beyond_the_active_limit_are_rejected() {
    let mut api = TestService::with_settings(&[("active_limit", json!(2))]);
    api.create_and_get_id("A", &city_definition("Pune"));
    api.create_and_get_id("B", &city_definition("Goa"));
    let response = api.create("C", &city_definition("Agra"));
    assert_eq!(response.status, 429);
    let error = &response.body["error"];
    assert_eq!((&error["actual_count"], &error["limit"]), (&json!(2), &json!(2)));
    api.archive("A");
    assert_eq!(api.create_status("C", &city_definition("Agra")), 201);
}
