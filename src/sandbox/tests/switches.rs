//! Each switch at each of its values.

use super::{
    COHORT, FILE, SEGMENTS, TestService, and_group, authorized_request, city_definition, city_filter,
    reference_definition,
};
use serde_json::{Value, json};

fn check_switch_values(name: &str, cases: &[(Value, Value)], observe: impl Fn(&mut TestService) -> Value) {
    for (value, expected) in cases {
        let mut api = TestService::with_settings(&[(name, value.clone())]);
        assert_eq!(observe(&mut api), *expected, "{name}={value}");
    }
}

fn check_boolean_switch(name: &str, yes: Value, no: Value, observe: impl Fn(&mut TestService) -> Value) {
    check_switch_values(name, &[(json!(true), yes), (json!(false), no)], observe);
}

#[test]
fn list_includes_archived_lists_archived_segments() {
    check_boolean_switch("list_includes_archived", json!(["A"]), json!([]), |api| {
        api.create_and_get_id("A", &city_definition("Pune"));
        api.archive("A");
        json!(api.list_names())
    });
}

#[test]
fn list_shows_hides_kinds_of_segments() {
    let cases = [
        (json!("all"), json!(["C", "F", "S"])),
        (json!("filter"), json!(["S"])),
        (json!("filter_and_file"), json!(["F", "S"])),
    ];
    check_switch_values("list_shows", &cases, |api| {
        api.create_and_get_id("S", &city_definition("Pune"));
        let file = json!({"name": "F", "attribute_name": "uid", "attribute_type": "string", "expiry_time": 9,
                          "file_url": "file:///users.csv"});
        let created = api.send("POST", FILE, &file);
        let id = created.body["cs_id"].as_str().unwrap().to_owned();
        let parameters = json!({"cohort_name": "C", "cohort_id": "c", "members": [{"uid": "1"}]});
        let sync = json!({"action": "add_members", "partner": "p", "parameters": parameters});
        assert_eq!(api.send("POST", COHORT, &sync).status, 200);
        // Only the list hides it.
        assert_eq!(api.get(&format!("{SEGMENTS}/{id}")).status, 200);
        let mut names = api.list_names();
        names.sort();
        for name in ["S", "F", "C"] {
            let named = api.get(&format!("{SEGMENTS}?name={name}")).body["data"].clone();
            let is_listed = names.iter().any(|listed| listed == name);
            assert_eq!(named.as_array().unwrap().len(), usize::from(is_listed), "{name}");
        }
        json!(names)
    });
}

#[test]
fn file_request_content_type_is_demanded_of_file_requests_only() {
    let cases = [
        (json!("application/json"), json!([202, 400])),
        (json!("list"), json!([400, 202])),
    ];
    check_switch_values("file_request_content_type", &cases, |api| {
        api.create_and_get_id("S", &city_definition("Pune"));
        let mut status = |name: &str, content_type: &str| {
            let file = json!({"name": name, "attribute_name": "uid", "attribute_type": "string", "expiry_time": 9,
                              "file_url": "file:///users.csv"});
            let mut request = authorized_request("POST", FILE, &file);
            request
                .headers
                .insert("content-type".to_owned(), content_type.to_owned());
            let response = api.service.handle(api.now, &request);
            let is_named = response.body["description"]
                .as_str()
                .is_some_and(|text| text.contains("Content-Type"));
            assert_eq!(is_named, response.status == 400, "{}", response.body);
            response.status
        };
        assert_eq!(status("X", "text/html"), 400);
        json!([
            status("F", "application/json; charset=utf-8"),
            status("G", "text/csv"),
        ])
    });
}

#[test]
fn archived_definitions_conflict_blocks_reuse() {
    check_boolean_switch("archived_definitions_conflict", json!(409), json!(201), |api| {
        api.create_and_get_id("A", &city_definition("Pune"));
        api.archive("A");
        json!(api.create_status("B", &city_definition("Pune")))
    });
}

#[test]
fn equality_order_sensitive_compares_filter_order() {
    check_boolean_switch("equality_order_sensitive", json!(201), json!(409), |api| {
        api.create_and_get_id("A", &and_group(&[city_filter("Pune"), city_filter("Goa")]));
        json!(api.create_status("B", &and_group(&[city_filter("Goa"), city_filter("Pune")])))
    });
}

#[test]
fn unwraps_single_groups_removes_redundant_groups() {
    let wrapped = |group: &Value| {
        let mut inner = group.clone();
        inner["filter_type"] = json!("nested_filters");
        json!({"filter_operator": "or", "filters": [inner]})
    };
    let plain = and_group(&[city_filter("Pune"), city_filter("Goa")]);
    let once = wrapped(&plain);
    let sent = json!({"name": "A", "included_filters": wrapped(&once), "excluded_filters": once});
    let observe = |api: &mut TestService| {
        let created = api.send("POST", SEGMENTS, &sent).body["data"].clone();
        let id = created["id"].as_str().unwrap().to_owned();
        // Equality is checked before unwrapping, so the outer group makes a difference.
        api.create_and_get_id("B", &plain);
        let update =
            json!({"included_filters": once, "excluded_filters": {"filter_operator": "and", "filters": []}});
        let updated = api.update(&id, &update).body["data"]["included_filters"].clone();
        json!([created["included_filters"], created["excluded_filters"], updated])
    };
    check_boolean_switch(
        "unwraps_single_groups",
        json!([plain, plain, plain]),
        json!([wrapped(&once), once, once]),
        observe,
    );
}

#[test]
fn rename_frees_old_name_allows_reuse() {
    check_boolean_switch("rename_frees_old_name", json!(201), json!(409), |api| {
        let id = api.create_and_get_id("A", &city_definition("Pune"));
        let renamed = json!({"name": "B", "included_filters": city_definition("Pune")});
        api.update(&id, &renamed);
        json!(api.create_status("A", &city_definition("Goa")))
    });
    // The segment itself can always use its old name again.
    let mut api = TestService::new();
    let id = api.create_and_get_id("A", &city_definition("Pune"));
    for name in ["B", "A"] {
        let renamed = json!({"name": name, "included_filters": city_definition("Pune")});
        assert_eq!(api.update(&id, &renamed).status, 200, "{name}");
    }
}

#[test]
fn names_case_sensitive_distinguishes_case() {
    check_boolean_switch("names_case_sensitive", json!(201), json!(409), |api| {
        api.create_and_get_id("A", &city_definition("Pune"));
        json!(api.create_status("a", &city_definition("Goa")))
    });
}

#[test]
fn patch_without_excluded_keeps_or_clears_excluded_filters() {
    let cases = [
        (json!("keep"), city_definition("Goa")),
        (json!("clear"), Value::Null),
    ];
    check_switch_values("patch_without_excluded", &cases, |api| {
        let body = json!({"name": "A", "included_filters": city_definition("Pune"), "excluded_filters": city_definition("Goa")});
        let id = super::segment_id(&api.send("POST", SEGMENTS, &body));
        let response = api.set_filters(&id, &city_definition("Agra"));
        response.body["data"]["excluded_filters"].clone()
    });
}

#[test]
fn patch_without_change_sets_the_response_to_a_no_op_update() {
    let cases = [
        (json!("accepted"), json!([200, null])),
        (json!("refused"), json!([400, null])),
        (json!("conflict"), json!([409, "A"])),
    ];
    check_switch_values("patch_without_change", &cases, |api| {
        let id = api.create_and_get_id("A", &city_definition("Pune"));
        let unchanged = json!({"name": "A", "included_filters": city_definition("Pune")});
        let response = api.update(&id, &unchanged);
        json!([response.status, response.body["error"]["existing_cs_name"]])
    });
}

#[test]
fn archive_idempotent_accepts_repeated_archiving() {
    let observe = |api: &mut TestService| {
        api.create_and_get_id("A", &city_definition("Pune"));
        let active = api.unarchive("A").status;
        api.archive("A");
        json!([active, api.archive("A").status])
    };
    check_boolean_switch(
        "archive_idempotent",
        json!([200, 200]),
        json!([400, 400]),
        observe,
    );
}

#[test]
fn unarchive_checks_active_limit_rejects_at_the_limit() {
    for (value, status) in [(true, 429), (false, 200)] {
        let switches = [
            ("unarchive_checks_active_limit", json!(value)),
            ("active_limit", json!(1)),
        ];
        let mut api = TestService::with_settings(&switches);
        api.create_and_get_id("A", &city_definition("Pune"));
        api.archive("A");
        api.create_and_get_id("B", &city_definition("Goa"));
        let response = api.unarchive("A");
        assert_eq!(response.status, status);
        assert_eq!(response.body.get("actual_count").is_some(), value);
    }
}

#[test]
fn reference_to_archived_allowed_accepts_archived_references() {
    check_boolean_switch("reference_to_archived_allowed", json!(201), json!(400), |api| {
        let id = api.create_and_get_id("A", &city_definition("Pune"));
        api.archive("A");
        json!(api.create_status("B", &reference_definition(&[&id])))
    });
}

#[test]
fn echo_changes_the_form_of_returned_definitions() {
    let sent = and_group(&[json!({
        "filter_type": "actions", "action_name": "buy", "executed": true,
        "execution": {"type": "atleast", "count": 1},
        "primary_time_range": {"type": "inTheLast", "value": 7, "value_type": "relative_past", "period_unit": "days"},
        "attributes": {"filter_operator": "and", "filters": [
            {"name": "kind", "data_type": "string", "category": "default", "operator": "in", "value": ["a"]}]}
    })]);
    let cases = [
        (json!("as_sent"), json!([null, "default", 7, null])),
        (json!("defaults_filled"), json!([false, null, 7, null])),
        (json!("defaults_dropped"), json!([null, null, 7, null])),
        (json!("dashboard_days"), json!([null, "default", null, 7])),
    ];
    check_switch_values("echo", &cases, |api| {
        let id = api.create_and_get_id("A", &sent);
        let filter = &api.get(&format!("{SEGMENTS}/{id}")).body["data"]["included_filters"]["filters"][0];
        let attribute = &filter["attributes"]["filters"][0];
        let range = &filter["primary_time_range"];
        json!([
            attribute["negate"],
            attribute["category"],
            range["value"],
            range["days"]
        ])
    });
}
