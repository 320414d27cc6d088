//! Time, the dashboard, and archiving.

use super::{ARCHIVE, SEGMENTS, TestService, city_definition, segment_id};
use serde_json::json;

const CLOCK: &str = "/_sandbox/clock";
const DASHBOARD: &str = "/_sandbox/segments";

#[test]
fn a_segment_that_is_not_run_for_sixty_days_is_archived() {
    let mut bench = TestService::new();
    let id = bench.create_and_get_id("A", &city_definition("Pune"));
    let advance = |bench: &mut TestService, days: u32| {
        let body = json!({"advance_seconds": days * 86_400});
        assert_eq!(bench.send("POST", CLOCK, &body).status, 200);
    };
    advance(&mut bench, 59);
    assert_eq!(bench.list_names(), ["A"]);
    bench.send("POST", "/_sandbox/run", &json!({"id": id}));
    advance(&mut bench, 59);
    assert_eq!(bench.list_names(), ["A"]);
    advance(&mut bench, 1);
    assert!(bench.list_names().is_empty());
    // It is still there, under its name and its id.
    assert_eq!(bench.get(&format!("{SEGMENTS}/{id}")).status, 200);
    assert_eq!(bench.create("A", &city_definition("Goa")).status, 409);
    assert_eq!(bench.unarchive("A").status, 200);
    advance(&mut bench, 59);
    assert_eq!(bench.list_names(), ["A"]);
}

#[test]
fn the_clock_only_moves_forward() {
    let mut bench = TestService::new();
    for body in [json!({"advance_seconds": -1}), json!({"advance": 1}), json!([])] {
        assert_eq!(bench.send("POST", CLOCK, &body).status, 400);
    }
    bench.send("POST", CLOCK, &json!({"advance_seconds": 90}));
    assert_eq!(bench.get(CLOCK).body["now"], "2026-01-01T00:01:30Z");
}

#[test]
fn lifecycle_requests_find_a_segment_by_id_before_name() {
    let mut bench = TestService::new();
    let first = bench.create_and_get_id("A", &city_definition("Pune"));
    bench.create_and_get_id("B", &city_definition("Goa"));
    let reply = bench.send("PATCH", ARCHIVE, &json!({"name": "B", "cs_id": first}));
    assert_eq!((reply.status, &reply.body["cs_name"]), (200, &json!("A")));
    assert_eq!(bench.list_names(), ["B"]);
    for (body, status) in [
        (json!({"name": "C"}), 404),
        (json!({"name": "B", "cs_id": "5e6cffffffffffffffffffff"}), 404),
        (json!({"cs_id": first}), 400),
        (json!({"name": "B", "cs_id": 1}), 400),
        (json!({"name": "B", "reason": "old"}), 400),
        (json!([]), 400),
    ] {
        assert_eq!(bench.send("PATCH", ARCHIVE, &body).status, status, "{body}");
    }
}

#[test]
fn dashboard_users_are_limited_only_by_name_rules() {
    let mut bench = TestService::with_settings(&[("active_limit", json!(1))]);
    bench.create_and_get_id("A", &city_definition("Pune"));
    // A second segment over the limit, with the same filters, and one that the API does not know.
    let unknown =
        json!({"filter_operator": "and", "filters": [{"filter_type": "predictions", "name": "churn"}]});
    for (name, included) in [("B", &city_definition("Pune")), ("C", &unknown)] {
        let reply = bench.send(
            "POST",
            DASHBOARD,
            &json!({"name": name, "included_filters": included}),
        );
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_eq!(reply.body["data"]["source"], "Segmentation");
        assert_eq!(&reply.body["data"]["included_filters"], included);
    }
    for body in [
        json!({"name": "A", "included_filters": city_definition("Goa")}),
        json!({"name": ".x", "included_filters": city_definition("Goa")}),
        json!({"name": "D"}),
        json!({"included_filters": city_definition("Goa")}),
        json!({"id": "5e6cffffffffffffffffffff", "name": "D"}),
        json!({"name": "D", "owner": "me"}),
    ] {
        assert_eq!(bench.send("POST", DASHBOARD, &body).status, 400, "{body}");
    }
}

#[test]
fn dashboard_users_can_rename_edit_and_archive() {
    let mut bench = TestService::new();
    let segment = bench.create_and_get_id("A", &city_definition("Pune"));
    bench.advance_seconds(1);
    let body = json!({"id": segment, "name": "B", "included_filters": city_definition("Goa"), "excluded_filters": city_definition("Leh")});
    let edited = bench.send("POST", DASHBOARD, &body);
    let data = &edited.body["data"];
    assert_eq!(
        (segment_id(&edited), &data["name"]),
        (segment.clone(), &json!("B"))
    );
    assert_eq!(data["excluded_filters"], city_definition("Leh"));
    assert_eq!(data["updated_time"], "2026-01-01T00:00:01");
    // What was there before the edit is free, what came with it is not.
    assert_eq!(bench.create("C", &city_definition("Pune")).status, 201);
    assert_eq!(bench.create("B", &city_definition("Agra")).status, 409);
    for (archived, listed) in [(true, 1), (false, 2)] {
        bench.send("POST", DASHBOARD, &json!({"id": segment, "archived": archived}));
        assert_eq!(bench.list_names().len(), listed);
    }
}

#[test]
fn a_setting_is_distinguished_by_a_response_or_by_stored_data() {
    let mut bench = TestService::new();
    let others = [
        "list_includes_archived",
        "rename_frees_old_name",
        "names_case_sensitive",
    ]
    .map(|name| (name.to_owned(), (name != "names_case_sensitive").to_string()));
    bench.service.start_shadows(&others).unwrap();
    let told_apart = |bench: &mut TestService| {
        let switches = bench.get("/_sandbox/told-apart").body;
        let switches = switches.as_array().unwrap().clone();
        switches
            .iter()
            .map(|switch| switch["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    bench.create_and_get_id("A", &city_definition("Pune"));
    let id = bench.create_and_get_id("B", &city_definition("Goa"));
    assert_eq!(bench.list_names(), ["A", "B"]);
    assert!(told_apart(&mut bench).is_empty());
    // Nobody has asked for the former name yet, but it is kept.
    bench.send("POST", DASHBOARD, &json!({"id": id, "name": "C"}));
    assert_eq!(told_apart(&mut bench), ["rename_frees_old_name"]);
    bench.send("PATCH", ARCHIVE, &json!({"name": "A"}));
    assert_eq!(told_apart(&mut bench), ["rename_frees_old_name"]);
    assert_eq!(bench.list_names(), ["C"]);
    assert_eq!(
        told_apart(&mut bench),
        ["list_includes_archived", "rename_frees_old_name"]
    );
    // What was told apart once stays so.
    bench.send("POST", DASHBOARD, &json!({"id": id, "name": "B"}));
    assert_eq!(
        told_apart(&mut bench),
        ["list_includes_archived", "rename_frees_old_name"]
    );
}
