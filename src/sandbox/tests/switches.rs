//! Each switch under both settings.

use super::{SEGMENTS, TestService, and_group, city_definition, city_filter, reference_definition};
use serde_json::{Value, json};

/// What `observe` sees with the switch `name` at each value.
fn check_switch_values(name: &str, cases: &[(Value, Value)], observe: impl Fn(&mut TestService) -> Value) {
    for (value, seen) in cases {
        let mut bench = TestService::with_settings(&[(name, value.clone())]);
        assert_eq!(observe(&mut bench), *seen, "{name}={value}");
    }
}

fn check_boolean_switch(name: &str, yes: Value, no: Value, observe: impl Fn(&mut TestService) -> Value) {
    check_switch_values(name, &[(json!(true), yes), (json!(false), no)], observe);
}

#[test]
fn list_includes_archived_lists_archived_segments() {
    check_boolean_switch("list_includes_archived", json!(["A"]), json!([]), |bench| {
        bench.create_and_get_id("A", &city_definition("Pune"));
        bench.archive("A");
        json!(bench.list_names())
    });
}

#[test]
fn archived_definitions_conflict_blocks_reuse() {
    check_boolean_switch("archived_definitions_conflict", json!(409), json!(201), |bench| {
        bench.create_and_get_id("A", &city_definition("Pune"));
        bench.archive("A");
        json!(bench.create("B", &city_definition("Pune")).status)
    });
}

#[test]
fn equality_order_sensitive_compares_filter_order() {
    check_boolean_switch("equality_order_sensitive", json!(201), json!(409), |bench| {
        bench.create_and_get_id("A", &and_group(&[city_filter("Pune"), city_filter("Goa")]));
        json!(
            bench
                .create("B", &and_group(&[city_filter("Goa"), city_filter("Pune")]))
                .status
        )
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
    let seen = |bench: &mut TestService| {
        let made = bench.send("POST", SEGMENTS, &sent);
        let id = made.body["data"]["id"].as_str().unwrap().to_owned();
        let created = made.body["data"].clone();
        // It is compared as it is sent: the outer group makes it another one.
        bench.create_and_get_id("B", &plain);
        let update =
            json!({"included_filters": once, "excluded_filters": {"filter_operator": "and", "filters": []}});
        let updated = bench.update(&id, &update).body["data"]["included_filters"].clone();
        json!([created["included_filters"], created["excluded_filters"], updated])
    };
    check_boolean_switch(
        "unwraps_single_groups",
        json!([plain, plain, plain]),
        json!([wrapped(&once), once, once]),
        seen,
    );
}

#[test]
fn rename_frees_old_name_allows_reuse() {
    check_boolean_switch("rename_frees_old_name", json!(201), json!(409), |bench| {
        let id = bench.create_and_get_id("A", &city_definition("Pune"));
        bench.update(
            &id,
            &json!({"name": "B", "included_filters": city_definition("Pune")}),
        );
        json!(bench.create("A", &city_definition("Goa")).status)
    });
    // The segment itself may always have it back.
    let mut bench = TestService::new();
    let id = bench.create_and_get_id("A", &city_definition("Pune"));
    for name in ["B", "A"] {
        let reply = bench.update(
            &id,
            &json!({"name": name, "included_filters": city_definition("Pune")}),
        );
        assert_eq!(reply.status, 200, "{name}");
    }
}

#[test]
fn names_case_sensitive_distinguishes_case() {
    check_boolean_switch("names_case_sensitive", json!(201), json!(409), |bench| {
        bench.create_and_get_id("A", &city_definition("Pune"));
        json!(bench.create("a", &city_definition("Goa")).status)
    });
}

#[test]
fn patch_without_excluded_keeps_or_clears_excluded_filters() {
    let cases = [
        (json!("keep"), city_definition("Goa")),
        (json!("clear"), Value::Null),
    ];
    check_switch_values("patch_without_excluded", &cases, |bench| {
        let body = json!({"name": "A", "included_filters": city_definition("Pune"), "excluded_filters": city_definition("Goa")});
        let id = super::segment_id(&bench.send("POST", SEGMENTS, &body));
        let reply = bench.update(&id, &json!({"included_filters": city_definition("Agra")}));
        reply.body["data"]["excluded_filters"].clone()
    });
}

#[test]
fn patch_without_change_sets_the_response_to_a_no_op_update() {
    let cases = [
        (json!("accepted"), json!([200, null])),
        (json!("refused"), json!([400, null])),
        (json!("conflict"), json!([409, "A"])),
    ];
    check_switch_values("patch_without_change", &cases, |bench| {
        let id = bench.create_and_get_id("A", &city_definition("Pune"));
        let reply = bench.update(
            &id,
            &json!({"name": "A", "included_filters": city_definition("Pune")}),
        );
        json!([reply.status, reply.body["error"]["existing_cs_name"]])
    });
}

#[test]
fn archive_idempotent_accepts_repeated_archiving() {
    let observe = |bench: &mut TestService| {
        bench.create_and_get_id("A", &city_definition("Pune"));
        let active = bench.unarchive("A").status;
        bench.archive("A");
        json!([active, bench.archive("A").status])
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
        let mut bench = TestService::with_settings(&switches);
        bench.create_and_get_id("A", &city_definition("Pune"));
        bench.archive("A");
        bench.create_and_get_id("B", &city_definition("Goa"));
        let reply = bench.unarchive("A");
        assert_eq!(reply.status, status);
        assert_eq!(reply.body.get("actual_count").is_some(), value);
    }
}

#[test]
fn reference_to_archived_allowed_accepts_archived_references() {
    check_boolean_switch("reference_to_archived_allowed", json!(201), json!(400), |bench| {
        let id = bench.create_and_get_id("A", &city_definition("Pune"));
        bench.archive("A");
        json!(bench.create("B", &reference_definition(&[&id])).status)
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
    check_switch_values("echo", &cases, |bench| {
        let id = bench.create_and_get_id("A", &sent);
        let filter = &bench.get(&format!("{SEGMENTS}/{id}")).body["data"]["included_filters"]["filters"][0];
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
