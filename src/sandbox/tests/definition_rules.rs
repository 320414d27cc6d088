//! What filter segments are refused for.

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
        let reply = TestService::new().send("POST", SEGMENTS, &body);
        assert_eq!(reply.status, 400, "{body}");
    }
    let mut bench = TestService::new();
    let mut call = authorized_request("POST", SEGMENTS, &good);
    call.body.pop();
    assert_eq!(bench.service.handle(bench.now, &call).status, 400);
    let id = bench.create_and_get_id("A", &city_definition("Pune"));
    for (path_id, body) in [
        ("xyz", &good),
        (id.as_str(), &json!({"name": "B"})),
        (id.as_str(), &with("updated_by", json!("me"))),
        (id.as_str(), &with("name", Value::Null)),
        (id.as_str(), &with("lifecycle", json!("active"))),
    ] {
        assert_eq!(bench.update(path_id, body).status, 400, "{body}");
    }
}

#[test]
fn names_are_checked_against_the_documented_rules() {
    let longest = "x".repeat(200);
    for name in ["A", "a b", "Ä & ö", "a.b", "All users", longest.as_str()] {
        assert_eq!(
            TestService::new().create(name, &city_definition("Pune")).status,
            201,
            "{name}"
        );
    }
    let longer = "ä".repeat(201);
    for name in [
        "",
        "  ",
        "a:b",
        "a|b",
        "a*",
        "a?",
        "a\\b",
        "<a",
        "a>",
        "a=b",
        "a$",
        "a\"",
        ".a",
        "All Users",
        &longer,
    ] {
        assert_eq!(
            TestService::new().create(name, &city_definition("Pune")).status,
            400,
            "{name}"
        );
    }
}

#[test]
fn a_name_conflict_covers_archived_segments_and_does_not_report_the_holder() {
    let mut bench = TestService::new();
    let first = bench.create_and_get_id("A", &city_definition("Pune"));
    bench.archive("A");
    bench.create_and_get_id("B", &city_definition("Goa"));
    let reply = bench.create("A", &city_definition("Delhi"));
    assert_eq!(reply.status, 409);
    assert!(!reply.body.to_string().contains(&first));
    bench.unarchive("A");
    let renamed = bench.update(
        &first,
        &json!({"name": "B", "included_filters": city_definition("Pune")}),
    );
    assert_eq!(renamed.status, 409);
}

#[test]
fn a_duplicate_definition_is_a_conflict_that_reports_the_holder() {
    let mut bench = TestService::new();
    let id = bench.create_and_get_id("A", &city_definition("Pune"));
    let mut in_defaults = city_definition("Pune");
    in_defaults["filters"][0]["case_sensitive"] = json!(false);
    let reply = bench.create("B", &in_defaults);
    assert_eq!(reply.status, 409);
    let error = &reply.body["error"];
    assert_eq!(
        (&error["existing_cs_name"], &error["existing_cs_id"]),
        (&json!("A"), &json!(id))
    );
    let other = bench.create_and_get_id("C", &city_definition("Goa"));
    let reply = bench.update(&other, &json!({"included_filters": city_definition("Pune")}));
    assert_eq!(reply.body["error"]["existing_cs_id"], json!(id));
    let excluding = json!({"name": "D", "included_filters": city_definition("Pune"), "excluded_filters": city_definition("Goa")});
    assert_eq!(bench.send("POST", SEGMENTS, &excluding).status, 201);
}

#[test]
fn archived_file_and_imported_segments_cannot_be_updated() {
    let mut bench = TestService::new();
    let body = json!({"included_filters": city_definition("Goa")});
    let archived = bench.create_and_get_id("A", &city_definition("Pune"));
    bench.archive("A");
    let file = json!({"name": "F", "attribute_name": "uid", "attribute_type": "string", "expiry_time": 5,
                      "file_url": "file:///f"});
    let file = bench.send("POST", super::FILE, &file).body["cs_id"].clone();
    let imported = json!({"name": "I", "source": "ANALYTICS", "included_filters": city_definition("Agra")});
    let imported = segment_id(&bench.send("POST", "/_sandbox/segments", &imported));
    for id in [archived.as_str(), file.as_str().unwrap_or_default(), &imported] {
        assert_eq!(bench.update(id, &body).status, 403);
    }
    let nobody = "5e6cffffffffffffffffffff";
    assert_eq!(bench.update(nobody, &body).status, 404);
}

#[test]
fn unknown_references_and_cycles_are_rejected() {
    let mut bench = TestService::new();
    let unknown = reference_definition(&["5e6cffffffffffffffffffff"]);
    assert_eq!(bench.create("A", &unknown).status, 400);
    assert_eq!(
        bench
            .create("Everyone", &reference_definition(&["moe_all_users"]))
            .status,
        201
    );
    let first = bench.create_and_get_id("A", &city_definition("Pune"));
    let second = bench.create_and_get_id("B", &reference_definition(&[&first]));
    let third = bench.create_and_get_id("C", &reference_definition(&[&second]));
    for id in [&first, &second, &third] {
        let reply = bench.update(&first, &json!({"included_filters": reference_definition(&[id])}));
        assert_eq!(reply.status, 412);
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
    let mut bench = TestService::new();
    // A chain of references alone reaches level 6, and no further.
    let mut last = bench.create_and_get_id("1", &city_definition("Pune"));
    for level in 2..=6 {
        last = bench.create_and_get_id(&level.to_string(), &reference_definition(&[&last]));
    }
    assert_eq!(bench.create("7", &reference_definition(&[&last])).status, 413);
    // Nested groups count one more at each level with references: 1, 3, 5, and 7 is too much.
    let mut last = bench.create_and_get_id("a", &city_definition("Agra"));
    for name in ["b", "c"] {
        last = bench.create_and_get_id(name, &nested(&last));
    }
    assert_eq!(bench.create("d", &nested(&last)).status, 413);
    assert_eq!(bench.create("e", &reference_definition(&[&last])).status, 201);
    // Without references nested groups cost nothing.
    let deep = and_group(
        &[json!({"filter_type": "nested_filters", "filter_operator": "and",
                               "filters": [city_filter("Leh")]})],
    );
    let deep = bench.create_and_get_id("f", &deep);
    let second = bench.create_and_get_id("g", &reference_definition(&[&deep]));
    assert_eq!(bench.create("h", &nested(&second)).status, 201);
}

#[test]
fn references_and_expanded_length_are_limited() {
    let mut bench = TestService::new();
    let ids: Vec<String> = (0..11)
        .map(|number| bench.create_and_get_id(&number.to_string(), &city_definition(&number.to_string())))
        .collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert_eq!(bench.create("ten", &reference_definition(&ids[..10])).status, 201);
    assert_eq!(bench.create("eleven", &reference_definition(&ids)).status, 413);

    let long = bench.create_and_get_id("long", &city_definition(&"x".repeat(140_000)));
    let longer = bench.create_and_get_id("longer", &city_definition(&"y".repeat(140_000)));
    assert_eq!(bench.create("one", &reference_definition(&[&long])).status, 201);
    assert_eq!(
        bench
            .create("both", &reference_definition(&[&long, &longer]))
            .status,
        413
    );
    assert_eq!(
        bench
            .create("longest", &city_definition(&"z".repeat(262_144)))
            .status,
        413
    );
}

#[test]
fn creates_beyond_the_active_limit_are_rejected() {
    let mut bench = TestService::with_settings(&[("active_limit", json!(2))]);
    bench.create_and_get_id("A", &city_definition("Pune"));
    bench.create_and_get_id("B", &city_definition("Goa"));
    let reply = bench.create("C", &city_definition("Agra"));
    assert_eq!(reply.status, 429);
    let error = &reply.body["error"];
    assert_eq!((&error["actual_count"], &error["limit"]), (&json!(2), &json!(2)));
    bench.archive("A");
    assert_eq!(bench.create("C", &city_definition("Agra")).status, 201);
}
