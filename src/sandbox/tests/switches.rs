//! Each switch under both settings.

use super::{Bench, SEGMENTS, all_of, city, lives_in, refers_to};
use serde_json::{Value, json};

/// What `observe` sees with the switch `name` at each value.
fn check(name: &str, cases: &[(Value, Value)], observe: impl Fn(&mut Bench) -> Value) {
    for (value, seen) in cases {
        let mut bench = Bench::with(&[(name, value.clone())]);
        assert_eq!(observe(&mut bench), *seen, "{name}={value}");
    }
}

fn yes_no(name: &str, yes: Value, no: Value, observe: impl Fn(&mut Bench) -> Value) {
    check(name, &[(json!(true), yes), (json!(false), no)], observe);
}

#[test]
fn archived_segments_in_lists() {
    yes_no("list_includes_archived", json!(["A"]), json!([]), |bench| {
        bench.created("A", &city("Pune"));
        bench.archive("A");
        json!(bench.listed())
    });
}

#[test]
fn definitions_of_archived_segments() {
    yes_no("archived_definitions_conflict", json!(409), json!(201), |bench| {
        bench.created("A", &city("Pune"));
        bench.archive("A");
        json!(bench.create("B", &city("Pune")).status)
    });
}

#[test]
fn order_of_filters() {
    yes_no("equality_order_sensitive", json!(201), json!(409), |bench| {
        bench.created("A", &all_of(&[lives_in("Pune"), lives_in("Goa")]));
        json!(
            bench
                .create("B", &all_of(&[lives_in("Goa"), lives_in("Pune")]))
                .status
        )
    });
}

#[test]
fn groups_that_hold_only_a_group() {
    let wrapped = |group: &Value| {
        let mut inner = group.clone();
        inner["filter_type"] = json!("nested_filters");
        json!({"filter_operator": "or", "filters": [inner]})
    };
    let plain = all_of(&[lives_in("Pune"), lives_in("Goa")]);
    let once = wrapped(&plain);
    let sent = json!({"name": "A", "included_filters": wrapped(&once), "excluded_filters": once});
    let seen = |bench: &mut Bench| {
        let made = bench.call("POST", SEGMENTS, &sent);
        let id = made.body["data"]["id"].as_str().unwrap().to_owned();
        let created = made.body["data"].clone();
        // It is compared as it is sent: the outer group makes it another one.
        bench.created("B", &plain);
        let update =
            json!({"included_filters": once, "excluded_filters": {"filter_operator": "and", "filters": []}});
        let updated = bench.update(&id, &update).body["data"]["included_filters"].clone();
        json!([created["included_filters"], created["excluded_filters"], updated])
    };
    yes_no(
        "unwraps_single_groups",
        json!([plain, plain, plain]),
        json!([wrapped(&once), once, once]),
        seen,
    );
}

#[test]
fn names_after_a_rename() {
    yes_no("rename_frees_old_name", json!(201), json!(409), |bench| {
        let id = bench.created("A", &city("Pune"));
        bench.update(&id, &json!({"name": "B", "included_filters": city("Pune")}));
        json!(bench.create("A", &city("Goa")).status)
    });
    // The segment itself may always have it back.
    let mut bench = Bench::new();
    let id = bench.created("A", &city("Pune"));
    for name in ["B", "A"] {
        let reply = bench.update(&id, &json!({"name": name, "included_filters": city("Pune")}));
        assert_eq!(reply.status, 200, "{name}");
    }
}

#[test]
fn case_of_names() {
    yes_no("names_case_sensitive", json!(201), json!(409), |bench| {
        bench.created("A", &city("Pune"));
        json!(bench.create("a", &city("Goa")).status)
    });
}

#[test]
fn updates_without_excluded_filters() {
    let cases = [(json!("keep"), city("Goa")), (json!("clear"), Value::Null)];
    check("patch_without_excluded", &cases, |bench| {
        let body = json!({"name": "A", "included_filters": city("Pune"), "excluded_filters": city("Goa")});
        let id = super::id(&bench.call("POST", SEGMENTS, &body));
        let reply = bench.update(&id, &json!({"included_filters": city("Agra")}));
        reply.body["data"]["excluded_filters"].clone()
    });
}

#[test]
fn updates_without_change() {
    let cases = [
        (json!("accepted"), json!([200, null])),
        (json!("refused"), json!([400, null])),
        (json!("conflict"), json!([409, "A"])),
    ];
    check("patch_without_change", &cases, |bench| {
        let id = bench.created("A", &city("Pune"));
        let reply = bench.update(&id, &json!({"name": "A", "included_filters": city("Pune")}));
        json!([reply.status, reply.body["error"]["existing_cs_name"]])
    });
}

#[test]
fn archiving_twice() {
    let observe = |bench: &mut Bench| {
        bench.created("A", &city("Pune"));
        let active = bench.unarchive("A").status;
        bench.archive("A");
        json!([active, bench.archive("A").status])
    };
    yes_no(
        "archive_idempotent",
        json!([200, 200]),
        json!([400, 400]),
        observe,
    );
}

#[test]
fn unarchiving_at_the_limit() {
    for (value, status) in [(true, 429), (false, 200)] {
        let switches = [
            ("unarchive_checks_active_limit", json!(value)),
            ("active_limit", json!(1)),
        ];
        let mut bench = Bench::with(&switches);
        bench.created("A", &city("Pune"));
        bench.archive("A");
        bench.created("B", &city("Goa"));
        let reply = bench.unarchive("A");
        assert_eq!(reply.status, status);
        assert_eq!(reply.body.get("actual_count").is_some(), value);
    }
}

#[test]
fn references_to_archived_segments() {
    yes_no("reference_to_archived_allowed", json!(201), json!(400), |bench| {
        let id = bench.created("A", &city("Pune"));
        bench.archive("A");
        json!(bench.create("B", &refers_to(&[&id])).status)
    });
}

#[test]
fn forms_of_definitions_that_come_back() {
    let sent = all_of(&[json!({
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
    check("echo", &cases, |bench| {
        let id = bench.created("A", &sent);
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
