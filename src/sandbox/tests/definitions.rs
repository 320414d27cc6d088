//! What filter segments are refused for.

use super::{Bench, SEGMENTS, all_of, call, city, id, lives_in, refers_to};
use serde_json::{Value, json};

#[test]
fn bodies_are_read_strictly() {
    let good = json!({"name": "A", "included_filters": city("Pune")});
    let with = |key: &str, value: Value| {
        let mut body = good.clone();
        body[key] = value;
        body
    };
    for body in [
        json!("text"),
        json!({"included_filters": city("Pune")}),
        json!({"name": "A"}),
        with("description", json!("mine")),
        with("name", json!(7)),
        with("included_filters", json!({"filters": []})),
        with("excluded_filters", json!([])),
    ] {
        let reply = Bench::new().call("POST", SEGMENTS, &body);
        assert_eq!(reply.status, 400, "{body}");
    }
    let mut bench = Bench::new();
    let mut call = call("POST", SEGMENTS, &good);
    call.body.pop();
    assert_eq!(bench.service.handle(bench.now, &call).status, 400);
    let id = bench.created("A", &city("Pune"));
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
fn names_follow_the_rules() {
    let longest = "x".repeat(200);
    for name in ["A", "a b", "Ä & ö", "a.b", "All users", longest.as_str()] {
        assert_eq!(Bench::new().create(name, &city("Pune")).status, 201, "{name}");
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
        assert_eq!(Bench::new().create(name, &city("Pune")).status, 400, "{name}");
    }
}

#[test]
fn a_name_stays_taken_and_says_not_by_whom() {
    let mut bench = Bench::new();
    let first = bench.created("A", &city("Pune"));
    bench.archive("A");
    bench.created("B", &city("Goa"));
    let reply = bench.create("A", &city("Delhi"));
    assert_eq!(reply.status, 409);
    assert!(!reply.body.to_string().contains(&first));
    bench.unarchive("A");
    let renamed = bench.update(&first, &json!({"name": "B", "included_filters": city("Pune")}));
    assert_eq!(renamed.status, 409);
}

#[test]
fn a_definition_is_there_once() {
    let mut bench = Bench::new();
    let id = bench.created("A", &city("Pune"));
    let mut in_defaults = city("Pune");
    in_defaults["filters"][0]["case_sensitive"] = json!(false);
    let reply = bench.create("B", &in_defaults);
    assert_eq!(reply.status, 409);
    let error = &reply.body["error"];
    assert_eq!(
        (&error["existing_cs_name"], &error["existing_cs_id"]),
        (&json!("A"), &json!(id))
    );
    let other = bench.created("C", &city("Goa"));
    let reply = bench.update(&other, &json!({"included_filters": city("Pune")}));
    assert_eq!(reply.body["error"]["existing_cs_id"], json!(id));
    let excluding = json!({"name": "D", "included_filters": city("Pune"), "excluded_filters": city("Goa")});
    assert_eq!(bench.call("POST", SEGMENTS, &excluding).status, 201);
}

#[test]
fn some_segments_cannot_be_updated() {
    let mut bench = Bench::new();
    let body = json!({"included_filters": city("Goa")});
    let archived = bench.created("A", &city("Pune"));
    bench.archive("A");
    let file = json!({"name": "F", "attribute_name": "uid", "attribute_type": "string", "expiry_time": 5,
                      "file_url": "file:///f"});
    let file = bench.call("POST", super::FILE, &file).body["cs_id"].clone();
    let imported = json!({"name": "I", "source": "ANALYTICS", "included_filters": city("Agra")});
    let imported = id(&bench.call("POST", "/_sandbox/segments", &imported));
    for id in [archived.as_str(), file.as_str().unwrap_or_default(), &imported] {
        assert_eq!(bench.update(id, &body).status, 403);
    }
    let nobody = "5e6cffffffffffffffffffff";
    assert_eq!(bench.update(nobody, &body).status, 404);
}

#[test]
fn references_resolve_and_never_form_a_circle() {
    let mut bench = Bench::new();
    let unknown = refers_to(&["5e6cffffffffffffffffffff"]);
    assert_eq!(bench.create("A", &unknown).status, 400);
    assert_eq!(
        bench.create("Everyone", &refers_to(&["moe_all_users"])).status,
        201
    );
    let first = bench.created("A", &city("Pune"));
    let second = bench.created("B", &refers_to(&[&first]));
    let third = bench.created("C", &refers_to(&[&second]));
    for id in [&first, &second, &third] {
        let reply = bench.update(&first, &json!({"included_filters": refers_to(&[id])}));
        assert_eq!(reply.status, 412);
    }
}

#[test]
fn levels_are_counted_as_documented() {
    let nested = |id: &str| {
        let mut definition = refers_to(&[id]);
        let inner = json!({"filter_type": "nested_filters", "filter_operator": "or",
                           "filters": [lives_in("Pune"), lives_in("Goa")]});
        definition["filters"].as_array_mut().unwrap().push(inner);
        definition
    };
    let mut bench = Bench::new();
    // A chain of references alone reaches level 6, and no further.
    let mut last = bench.created("1", &city("Pune"));
    for level in 2..=6 {
        last = bench.created(&level.to_string(), &refers_to(&[&last]));
    }
    assert_eq!(bench.create("7", &refers_to(&[&last])).status, 413);
    // Nested groups count one more at each level with references: 1, 3, 5, and 7 is too much.
    let mut last = bench.created("a", &city("Agra"));
    for name in ["b", "c"] {
        last = bench.created(name, &nested(&last));
    }
    assert_eq!(bench.create("d", &nested(&last)).status, 413);
    assert_eq!(bench.create("e", &refers_to(&[&last])).status, 201);
    // Without references nested groups cost nothing.
    let deep = all_of(
        &[json!({"filter_type": "nested_filters", "filter_operator": "and",
                               "filters": [lives_in("Leh")]})],
    );
    let deep = bench.created("f", &deep);
    let second = bench.created("g", &refers_to(&[&deep]));
    assert_eq!(bench.create("h", &nested(&second)).status, 201);
}

#[test]
fn references_and_length_are_limited() {
    let mut bench = Bench::new();
    let ids: Vec<String> = (0..11)
        .map(|number| bench.created(&number.to_string(), &city(&number.to_string())))
        .collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert_eq!(bench.create("ten", &refers_to(&ids[..10])).status, 201);
    assert_eq!(bench.create("eleven", &refers_to(&ids)).status, 413);

    let long = bench.created("long", &city(&"x".repeat(140_000)));
    let longer = bench.created("longer", &city(&"y".repeat(140_000)));
    assert_eq!(bench.create("one", &refers_to(&[&long])).status, 201);
    assert_eq!(bench.create("both", &refers_to(&[&long, &longer])).status, 413);
    assert_eq!(bench.create("longest", &city(&"z".repeat(262_144))).status, 413);
}

#[test]
fn the_workspace_holds_so_many_active_segments() {
    let mut bench = Bench::with(&[("active_limit", json!(2))]);
    bench.created("A", &city("Pune"));
    bench.created("B", &city("Goa"));
    let reply = bench.create("C", &city("Agra"));
    assert_eq!(reply.status, 429);
    let error = &reply.body["error"];
    assert_eq!((&error["actual_count"], &error["limit"]), (&json!(2), &json!(2)));
    bench.archive("A");
    assert_eq!(bench.create("C", &city("Agra")).status, 201);
}
