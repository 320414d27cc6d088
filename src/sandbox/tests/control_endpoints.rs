//! The control endpoints, and archiving.

use super::{ARCHIVE, SEGMENTS, TestService, city_definition, segment_id};
use serde_json::{Value, json};

const CLOCK: &str = "/_sandbox/clock";
const DASHBOARD: &str = "/_sandbox/segments";

#[test]
fn a_segment_that_is_not_run_for_sixty_days_is_archived() {
    let mut api = TestService::new();
    let id = api.create_and_get_id("A", &city_definition("Pune"));
    let advance = |api: &mut TestService, days: u32| {
        let body = json!({"advance_seconds": days * 86_400});
        assert_eq!(api.send("POST", CLOCK, &body).status, 200);
    };
    advance(&mut api, 59);
    assert_eq!(api.list_names(), ["A"]);
    api.send("POST", "/_sandbox/run", &json!({"id": id}));
    advance(&mut api, 59);
    assert_eq!(api.list_names(), ["A"]);
    advance(&mut api, 1);
    assert!(api.list_names().is_empty());
    // Its id can be read, and its name stays reserved.
    assert_eq!(api.get(&format!("{SEGMENTS}/{id}")).status, 200);
    assert_eq!(api.create_status("A", &city_definition("Goa")), 409);
    assert_eq!(api.unarchive("A").status, 200);
    advance(&mut api, 59);
    assert_eq!(api.list_names(), ["A"]);
}

#[test]
fn the_clock_only_moves_forward() {
    let mut api = TestService::new();
    for body in [json!({"advance_seconds": -1}), json!({"advance": 1}), json!([])] {
        assert_eq!(api.send("POST", CLOCK, &body).status, 400);
    }
    api.send("POST", CLOCK, &json!({"advance_seconds": 90}));
    assert_eq!(api.get(CLOCK).body["now"], "2026-01-01T00:01:30Z");
}

#[test]
fn lifecycle_requests_find_a_segment_by_id_before_name() {
    let mut api = TestService::new();
    let first = api.create_and_get_id("A", &city_definition("Pune"));
    api.create_and_get_id("B", &city_definition("Goa"));
    let response = api.send("PATCH", ARCHIVE, &json!({"name": "B", "cs_id": first}));
    assert_eq!((response.status, &response.body["cs_name"]), (200, &json!("A")));
    assert_eq!(api.list_names(), ["B"]);
    for (body, status) in [
        (json!({"name": "C"}), 404),
        (json!({"name": "B", "cs_id": "5e6cffffffffffffffffffff"}), 404),
        (json!({"cs_id": first}), 400),
        (json!({"name": "B", "cs_id": 1}), 400),
        (json!({"name": "B", "reason": "old"}), 400),
        (json!([]), 400),
    ] {
        assert_eq!(api.send("PATCH", ARCHIVE, &body).status, status, "{body}");
    }
}

#[test]
fn dashboard_users_are_limited_only_by_name_rules() {
    let mut api = TestService::with_settings(&[("active_limit", json!(1))]);
    api.create_and_get_id("A", &city_definition("Pune"));
    // Two segments over the limit: one with equal filters, and one with filters that the API does not know.
    let unknown =
        json!({"filter_operator": "and", "filters": [{"filter_type": "predictions", "name": "churn"}]});
    for (name, included) in [("B", &city_definition("Pune")), ("C", &unknown)] {
        let body = json!({"name": name, "included_filters": included});
        let response = api.send("POST", DASHBOARD, &body);
        assert_eq!(response.status, 200, "{}", response.body);
        assert_eq!(response.body["data"]["source"], "Segmentation");
        assert_eq!(&response.body["data"]["included_filters"], included);
    }
    for body in [
        json!({"name": "A", "included_filters": city_definition("Goa")}),
        json!({"name": ".x", "included_filters": city_definition("Goa")}),
        json!({"name": "D"}),
        json!({"included_filters": city_definition("Goa")}),
        json!({"id": "5e6cffffffffffffffffffff", "name": "D"}),
        json!({"name": "D", "owner": "me"}),
    ] {
        assert_eq!(api.send("POST", DASHBOARD, &body).status, 400, "{body}");
    }
}

#[test]
fn dashboard_users_can_rename_edit_and_archive() {
    let mut api = TestService::new();
    let segment = api.create_and_get_id("A", &city_definition("Pune"));
    api.advance_seconds(1);
    let body = json!({"id": segment, "name": "B", "included_filters": city_definition("Goa"), "excluded_filters": city_definition("Leh")});
    let edited = api.send("POST", DASHBOARD, &body);
    let data = &edited.body["data"];
    assert_eq!((&segment_id(&edited), &data["name"]), (&segment, &json!("B")));
    assert_eq!(data["excluded_filters"], city_definition("Leh"));
    assert_eq!(data["updated_time"], "2026-01-01T00:00:01");
    // The old definition is free, and the new name is reserved.
    assert_eq!(api.create_status("C", &city_definition("Pune")), 201);
    assert_eq!(api.create_status("B", &city_definition("Agra")), 409);
    for (archived, listed) in [(true, 1), (false, 2)] {
        api.send("POST", DASHBOARD, &json!({"id": segment, "archived": archived}));
        assert_eq!(api.list_names().len(), listed);
    }
}

#[test]
fn a_setting_is_distinguished_by_a_response_or_by_stored_data() {
    let mut api = TestService::new();
    let others = [
        "list_includes_archived",
        "rename_frees_old_name",
        "names_case_sensitive",
    ]
    .map(|name| (name.to_owned(), (name != "names_case_sensitive").to_string()));
    api.service.start_shadows(&others).unwrap();
    let distinguished = |api: &mut TestService| -> Vec<String> {
        let switches = api.get("/_sandbox/distinguished-switches").body;
        let name = |switch: &Value| switch["name"].as_str().unwrap().to_owned();
        switches.as_array().unwrap().iter().map(name).collect()
    };
    api.create_and_get_id("A", &city_definition("Pune"));
    let id = api.create_and_get_id("B", &city_definition("Goa"));
    assert_eq!(api.list_names(), ["A", "B"]);
    assert!(distinguished(&mut api).is_empty());
    // No response has differed yet, but the stored former names do.
    api.send("POST", DASHBOARD, &json!({"id": id, "name": "C"}));
    assert_eq!(distinguished(&mut api), ["rename_frees_old_name"]);
    api.send("PATCH", ARCHIVE, &json!({"name": "A"}));
    assert_eq!(distinguished(&mut api), ["rename_frees_old_name"]);
    assert_eq!(api.list_names(), ["C"]);
    let both = ["list_includes_archived", "rename_frees_old_name"];
    assert_eq!(distinguished(&mut api), both);
    // A switch that was distinguished once stays distinguished.
    api.send("POST", DASHBOARD, &json!({"id": id, "name": "B"}));
    assert_eq!(distinguished(&mut api), both);
}
