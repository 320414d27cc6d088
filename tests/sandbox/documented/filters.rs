//! Which filters the sandbox accepts, as the API documents them.

use super::{UNKNOWN_ID, require, with_fields, without_field};
use crate::{SEGMENTS, Sandbox, TestResponse, city_definition, options_with_data_file, reference_definition};
use serde_json::{Value, json};

fn group_of(filter: &Value) -> Value {
    json!({"filter_operator": "and", "filters": [filter]})
}

impl Sandbox {
    /// Creates a segment of `filter` with a name of its own.
    async fn create_filter(&self, number: usize, filter: &Value) -> TestResponse {
        let body = json!({"name": format!("F {number}"), "included_filters": group_of(filter)});
        self.send("POST", SEGMENTS, body).await
    }

    /// Each row is fields that are set in `base`, and the status of a create.
    async fn require_filters(&self, base: &Value, rows: &Value) {
        for (number, row) in rows.as_array().unwrap().iter().enumerate() {
            let filter = with_fields(base, &row[0]);
            let status = u16::try_from(row[1].as_u64().unwrap()).unwrap();
            let response = self.create_filter(number, &filter).await;
            require(&response, status, SEGMENTS, &filter.to_string());
        }
    }
}

#[tokio::test]
async fn groups_and_references_have_their_fields() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let city = city_definition("Pune")["filters"][0].clone();
    let other = sandbox.create_and_get_id("Other", "Leh").await;
    let rows = json!([
        [{}, 400],
        [{"filter_type": null}, 400],
        [{"filter_type": "sql"}, 400],
        [{"filter_operator": "and", "filters": [city]}, 400],
        [{"filter_type": "nested_filters", "filter_operator": "or", "filters": [city]}, 201],
        [{"filter_type": "nested_filters", "filter_operator": "not", "filters": [city]}, 400],
        [{"filter_type": "nested_filters", "filters": [city]}, 400],
        [{"filter_type": "nested_filters", "filter_operator": "or"}, 400],
        [{"filter_type": "nested_filters", "filter_operator": "or", "filters": [city], "negate": true}, 400],
        [{"filter_type": "custom_segments"}, 400],
        [{"filter_type": "custom_segments", "id": null}, 400],
        [{"filter_type": "custom_segments", "id": "Other"}, 400],
        [{"filter_type": "custom_segments", "id": UNKNOWN_ID}, 400],
        [{"filter_type": "custom_segments", "name": "Other"}, 400],
        [{"filter_type": "custom_segments", "id": other, "name": 7}, 400],
        [{"filter_type": "custom_segments", "id": other, "negate": true}, 400],
        [{"filter_type": "custom_segments", "id": other, "name": "Any label"}, 201],
        [{"filter_type": "custom_segments", "id": "moe_all_users"}, 201],
    ]);
    sandbox.require_filters(&json!({}), &rows).await;
}

#[tokio::test]
async fn user_attributes_have_the_operators_of_their_type() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let base = json!({"filter_type": "user_attributes", "name": "a", "category": "Tracked Custom Attribute"});
    let rows = json!([
        [{"data_type": "string", "operator": "in", "value": ["a"], "negate": true, "case_sensitive": true}, 201],
        [{"data_type": "string", "operator": "startsWithInTheFollowing", "value": ["a"]}, 201],
        [{"data_type": "string", "operator": "contains", "value": " "}, 201],
        [{"data_type": "string", "operator": "is", "value": ""}, 201],
        [{"data_type": "string", "operator": "exists"}, 201],
        [{"data_type": "string", "operator": "in", "value": "a"}, 400],
        [{"data_type": "string", "operator": "in", "value": ["a", 1]}, 400],
        [{"data_type": "string", "operator": "is", "value": ["a"]}, 400],
        [{"data_type": "string", "operator": "exists", "value": "a"}, 400],
        [{"data_type": "string", "operator": "greaterThan", "value": "a"}, 400],
        [{"data_type": "string", "operator": "is", "value": "a", "value1": "b"}, 400],
        [{"data_type": "string", "operator": "is", "value": "a", "negate": "false"}, 400],
        [{"data_type": "string", "operator": "is", "value": "a", "case_sensitive": 0}, 400],
        [{"data_type": "double", "operator": "in", "value": [1]}, 201],
        [{"data_type": "double", "operator": "between", "value": 1, "value1": 2}, 201],
        [{"data_type": "double", "operator": "between", "value": 1}, 400],
        [{"data_type": "double", "operator": "is", "value": 1}, 400],
        [{"data_type": "double", "operator": "in", "value": ["1"]}, 400],
        [{"data_type": "bool", "operator": "is", "value": true}, 201],
        [{"data_type": "bool", "operator": "is", "value": 1}, 400],
        [{"data_type": "geopoint", "value": 18.5, "value1": 73.8, "radius": 10, "negate": true}, 201],
        [{"data_type": "geopoint", "value": 18.5, "value1": 73.8}, 400],
        [{"data_type": "geopoint", "operator": "in", "value": 18.5, "value1": 73.8, "radius": 10}, 400],
        [{"data_type": "array_string", "operator": "in", "value": ["b"]}, 201],
        [{"data_type": "array_string", "operator": "in", "value": ["c"], "array_filter_type": "all_of"}, 201],
        [{"data_type": "array_string", "operator": "contains", "value": "d"}, 201],
        [{"data_type": "array_string", "operator": "endsWith", "value": ["e", "f"]}, 201],
        [{"data_type": "array_string", "operator": "in", "value": ["b"], "negate": true, "array_filter_type": "any_of"}, 400],
        [{"data_type": "array_string", "operator": "in", "value": ["b"], "array_filter_type": "most_of"}, 400],
        [{"data_type": "array_double", "operator": "lessThan", "value": 1}, 201],
        [{"data_type": "array_double", "operator": "contains", "value": [1]}, 400],
    ]);
    sandbox.require_filters(&base, &rows).await;
}

#[tokio::test]
async fn dates_objects_and_dynamic_values_have_their_rules() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let base = json!({"filter_type": "user_attributes", "name": "a", "category": "Tracked Custom Attribute"});
    let template = "{{MoeUserAttribute['b']}}";
    let rows = json!([
        [{"data_type": "datetime", "operator": "today", "value_type": "absolute"}, 201],
        [{"data_type": "datetime", "operator": "exists"}, 201],
        [{"data_type": "datetime", "operator": "on", "value": "2026-01-05T10:30:00.000Z", "value_type": "absolute"}, 201],
        [{"data_type": "datetime", "operator": "after", "value": 3, "value_type": "relative_future"}, 201],
        [{"data_type": "datetime", "operator": "between", "value": 3, "value1": 9, "value_type": "relative_past"}, 201],
        [{"data_type": "datetime", "operator": "between", "value": 9, "value1": 3, "value_type": "relative_past"}, 400],
        [{"data_type": "datetime", "operator": "in", "extract_type": "month_of_the_year", "value": [1, 12]}, 201],
        [{"data_type": "datetime", "operator": "in", "extract_type": "month_of_the_year", "value": [0]}, 400],
        [{"data_type": "datetime", "operator": "on", "value": "2026-01-05"}, 400],
        [{"data_type": "object", "filter_operator": "and", "filters": [
            {"name": "b", "data_type": "double", "operator": "exists"}]}, 201],
        [{"data_type": "array_object", "filter_operator": "or", "filters": [
            {"name": "o", "data_type": "object", "filter_operator": "and", "filters": [
                {"name": "b", "data_type": "double", "operator": "exists"}]}]}, 201],
        [{"data_type": "object", "filter_operator": "and", "filters": [], "negate": false}, 400],
        [{"data_type": "object", "filter_operator": "and", "filters": [
            {"filter_type": "user_attributes", "name": "b", "data_type": "double", "operator": "exists"}]}, 400],
        [{"data_type": "text", "operator": "is", "value": "a"}, 400],
        [{"data_type": "string", "operator": "in", "value": template, "is_dynamic_value": true,
          "dynamic_attribute_type": "string"}, 201],
        [{"data_type": "double", "operator": "between", "value": template, "value1": template,
          "is_dynamic_value": true, "dynamic_attribute_type": "double"}, 400],
        [{"data_type": "double", "operator": "lessThan", "value": template, "is_dynamic_value": true,
          "dynamic_attribute_type": "string"}, 400],
        [{"data_type": "datetime", "operator": "on", "value": template, "is_dynamic_value": true,
          "dynamic_attribute_type": "datetime", "value_type": "relative_past"}, 400],
        [{"data_type": "array_double", "operator": "in", "value": [template], "is_dynamic_value": true,
          "dynamic_attribute_type": "double"}, 201],
        [{"data_type": "double", "operator": "lessThan", "value": template}, 400],
        [{"name": "", "data_type": "string", "operator": "exists"}, 400],
        [{"name": 7, "data_type": "string", "operator": "exists"}, 400],
        [{"data_type": "string", "operator": "exists", "category": 7}, 400],
        [{"data_type": "string", "operator": "exists", "colour": "red"}, 400],
    ]);
    sandbox.require_filters(&base, &rows).await;
}

#[tokio::test]
async fn events_need_their_execution_attributes_and_time_range() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let base = json!({
        "filter_type": "actions", "action_name": "buy", "executed": true, "execution": {"type": "atleast", "count": 1},
        "attributes": {"filter_operator": "and", "filters": []},
        "primary_time_range": {"type": "inTheLast", "value": 7, "period_unit": "days", "value_type": "relative_past"}});
    for field in ["action_name", "executed", "execution", "attributes"] {
        let response = sandbox.create_filter(0, &without_field(&base, field)).await;
        require(&response, 400, SEGMENTS, field);
    }
    let attribute = |fields: Value| {
        let condition =
            json!({"name": "price", "data_type": "double", "operator": "greaterThan", "value": 5});
        json!({"attributes": {"filter_operator": "or", "filters": [with_fields(&condition, &fields)]}})
    };
    let rows = json!([
        [{}, 201],
        [{"execution": {"type": "firstTime"}}, 201],
        [{"execution": {"type": "firstTime", "count": 1}}, 400],
        [{"execution": {"type": "atmost", "count": 0}}, 400],
        [{"execution": {"type": "atmost", "count": -1}}, 400],
        [{"execution": {"type": "atmost", "count": "1"}}, 400],
        [{"execution": {"type": "atmost"}}, 400],
        [{"execution": {"count": 1}}, 400],
        [{"executed": false, "execution": {"type": "exactly", "count": 0}}, 201],
        [{"executed": false}, 400],
        [{"executed": "true"}, 400],
        [{"action_name": ""}, 400],
        [{"project_name": "moe_portfolio"}, 201],
        [{"project_name": 1}, 400],
        [attribute(json!({"category": "default"})), 201],
        [attribute(json!({"category": "Tracked Custom Attribute"})), 400],
        [attribute(json!({"is_dynamic_value": true, "dynamic_attribute_type": "double",
                          "value": "{{MoeUserAttribute['b']}}"})), 400],
        [{"attributes": null}, 400],
        [{"attributes": {"filters": []}}, 400],
        [{"filters": []}, 400],
    ]);
    sandbox.require_filters(&base, &rows).await;
    let day = "2026-01-05T00:00:00.000Z";
    let end = "2026-01-05T23:59:59.999Z";
    let ranges = json!([
        [{"type": "inTheLast", "value": 8, "period_unit": "hours", "value_type": "relative_past"}, 201],
        [{"type": "inTheLast", "value": 7, "period_unit": "days"}, 400],
        [{"value": 7, "period_unit": "days", "value_type": "relative_past"}, 400],
        [{"type": "inTheLast", "value": 7, "value_type": "relative_past"}, 400],
        [{"type": "inTheLast", "value": 0, "period_unit": "days", "value_type": "relative_past"}, 400],
        [{"type": "inTheLast", "value": 7, "period_unit": "days", "value_type": "absolute"}, 400],
        [{"type": "inTheLast", "value": 7, "period_unit": "years", "value_type": "relative_past"}, 400],
        [{"type": "inTheNext", "value": 7, "period_unit": "days", "value_type": "relative_future"}, 400],
        [{"type": "between", "value": 3, "value1": 9, "value_type": "relative_past"}, 201],
        [{"type": "between", "value": 9, "value1": 3, "value_type": "relative_past"}, 400],
        [{"type": "between", "value": 3, "value_type": "relative_past"}, 400],
        [{"type": "between", "value": day, "value1": end, "value_type": "absolute"}, 201],
        [{"type": "between", "value": day, "value1": day, "value_type": "absolute"}, 400],
        [{"type": "between", "value": end, "value1": day, "value_type": "absolute"}, 400],
        [{"type": "on", "value": 1, "period_unit": "weeks", "value_type": "relative_past"}, 201],
        [{"type": "on", "value": day, "value_type": "absolute", "period_unit": "days"}, 201],
        [{"type": "on", "value": "2026-01-05T10:00:00.000Z", "value_type": "absolute"}, 400],
        [{"type": "on", "value": "2026-01-05", "value_type": "absolute"}, 400],
        [{"type": "before", "value": 3, "value_type": "relative_past"}, 201],
        [{"type": "before", "value": day, "value_type": "absolute"}, 201],
        [{"type": "after", "value": day, "value_type": "absolute"}, 201],
        [{"type": "after", "value": 3, "value_type": "relative_past"}, 400],
        [{"type": "on", "from": day, "value_type": "absolute"}, 400],
    ]);
    for (number, row) in ranges.as_array().unwrap().iter().enumerate() {
        let filter = with_fields(&base, &json!({"primary_time_range": row[0]}));
        let response = sandbox.create_filter(100 + number, &filter).await;
        let status = u16::try_from(row[1].as_u64().unwrap()).unwrap();
        require(&response, status, SEGMENTS, &filter.to_string());
    }
}

#[tokio::test]
async fn aggregations_and_affinities_have_their_fields() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let event = json!({
        "filter_type": "actions", "action_name": "buy", "executed": true, "execution": {"type": "atleast", "count": 1},
        "attributes": {"filter_operator": "and", "filters": []},
        "primary_time_range": {"type": "inTheLast", "value": 7, "period_unit": "days", "value_type": "relative_past"}});
    let sum = json!({"attribute_name": "price", "data_type": "double", "aggregation_type": "sum", "operator": "is",
                     "value": 5, "negate": false, "is_dynamic_value": false});
    let aggregation = |operator: &str, fields: Value| json!({"aggregation_attributes": {"filter_operator": operator, "filters": [with_fields(&sum, &fields)]}});
    let base_range =
        |range: Value| aggregation("and", json!({"comparator": "change", "base_time_range": range}));
    let rows = json!([
        [aggregation("and", json!({})), 201],
        [aggregation("or", json!({"value": 6})), 201],
        [aggregation("xor", json!({})), 400],
        [aggregation("and", json!({"data_type": "string"})), 400],
        [aggregation("and", json!({"aggregation_type": "count"})), 400],
        [aggregation("and", json!({"operator": "between", "value1": 9})), 201],
        [aggregation("and", json!({"operator": "between"})), 400],
        [aggregation("and", json!({"value1": 9})), 400],
        [aggregation("and", json!({"is_dynamic_value": true})), 400],
        [aggregation("and", json!({"comparator": "change"})), 400],
        [base_range(json!({"type": "previousPeriod"})), 201],
        [base_range(json!({"type": "inTheLast", "value": 3})), 400],
        [base_range(json!({"type": "between", "value": 3, "value1": 9})), 400],
        [base_range(json!({"type": "between", "value": "2026-01-05T00:00:00.000Z", "value1": "2026-01-06T10:30:00Z"})), 201],
        [base_range(json!({"type": "between", "value": "2026-01-06T10:30:00Z", "value1": "2026-01-05T00:00:00.000Z"})), 400],
        [{"aggregation_attributes": {"filter_operator": "and", "filters": [sum, sum]}}, 400],
        [{"aggregation_attributes": {"filter_operator": "and", "filters": []}}, 400],
    ]);
    sandbox.require_filters(&event, &rows).await;

    let brand = json!({"name": "brand", "data_type": "string", "operator": "is", "value": "A"});
    let preferred = |fields: Value| json!({"psychographic_attributes": {"filter_operator": "and", "filters": [with_fields(&brand, &fields)]}});
    let exists = |fields: Value| {
        let attribute = with_fields(&without_field(&brand, "value"), &json!({"operator": "exists"}));
        json!({"psychographic_attributes": {"filter_operator": "and", "filters": [with_fields(&attribute, &fields)]}})
    };
    let affinity = json!({
        "filter_type": "psychographic_event", "action_name": "view", "execution": {"type": "atleast", "count": 1},
        "operator_type": "predominant",
        "psychographic_attributes": {"filter_operator": "and", "filters": [brand]},
        "primary_time_range": {"type": "inTheLast", "days": 30, "value_type": "relative_past"}});
    let range = |range: Value| json!({"primary_time_range": range});
    let rows = json!([
        [{}, 201],
        [{"executed": true, "operator_type": "minimum", "percent_of_times": 50}, 201],
        [{"executed": false, "execution": {"type": "exactly", "count": 0}}, 201],
        [{"executed": false}, 400],
        [{"executed": 1}, 400],
        [{"project_name": "moe_portfolio"}, 400],
        [{"operator_type": "minimum"}, 400],
        [{"operator_type": "minimum", "percent_of_times": 0}, 400],
        [{"operator_type": "minimum", "percent_of_times": 101}, 400],
        [{"operator_type": "top", "percent_of_users": 10}, 201],
        [{"operator_type": "top", "percent_of_times": 10}, 400],
        [{"psychographic_attributes": {"filter_operator": "and", "filters": []}}, 400],
        [{"psychographic_attributes": null}, 400],
        [preferred(json!({"operator": "startsWith", "value": ["A"]})), 400],
        [preferred(json!({"operator": "in", "value": ["A", "B"]})), 201],
        [preferred(json!({"data_type": "bool", "value": true})), 400],
        [exists(json!({"case_sensitive": false})), 201],
        [exists(json!({"value": "A"})), 400],
        [range(json!({"type": "between", "days": 3, "days1": 9, "value_type": "relative_past"})), 201],
        [range(json!({"type": "between", "days": 9, "days1": 3, "value_type": "relative_past"})), 400],
        [range(json!({"type": "between", "from": "2026-01-05T10:30:00Z", "to": "2026-01-05T11:30:00Z",
                      "value_type": "absolute"})), 201],
        [range(json!({"type": "between", "from": "2026-01-05T11:30:00Z", "to": "2026-01-05T10:30:00Z",
                      "value_type": "absolute"})), 400],
        [range(json!({"type": "after", "from": "2026-01-05", "value_type": "absolute"})), 400],
        [range(json!({"type": "inTheLast", "value": 3, "period_unit": "days", "value_type": "relative_past"})), 400],
        [range(json!({"type": "inTheLast", "days": 3})), 400],
    ]);
    for (number, row) in rows.as_array().unwrap().iter().enumerate() {
        let filter = with_fields(&affinity, &row[0]);
        let response = sandbox.create_filter(200 + number, &filter).await;
        let status = u16::try_from(row[1].as_u64().unwrap()).unwrap();
        require(&response, status, SEGMENTS, &filter.to_string());
    }
}

#[tokio::test]
async fn deeply_nested_groups_are_stored_returned_and_referenced() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sandbox.json");
    let mut group = city_definition("Pune");
    for _ in 0..64 {
        group["filter_type"] = json!("nested_filters");
        group = group_of(&group);
    }
    let sandbox = Sandbox::start(options_with_data_file(&file)).await;
    // serde_json, as other clients use it, does not read these responses.
    let body = json!({"name": "Deep", "included_filters": group});
    let created = sandbox.request("POST", SEGMENTS, &body).send().await.unwrap();
    assert_eq!(created.status(), 201);
    let listed = sandbox.get(SEGMENTS).await;
    let id = listed.body["data"][0]["id"].as_str().unwrap().to_owned();
    let mut both = reference_definition(&[&id]);
    both["filters"]
        .as_array_mut()
        .unwrap()
        .push(group["filters"][0].clone());
    let body = json!({"name": "Top", "included_filters": both});
    let referring = sandbox.request("POST", SEGMENTS, &body).send().await.unwrap();
    assert_eq!(referring.status(), 201);
    sandbox.server.stop().await;
    let sandbox = Sandbox::start(options_with_data_file(&file)).await;
    let path = format!("{SEGMENTS}/{id}");
    let request = sandbox.request("GET", &path, &Value::Null);
    let text = request.send().await.unwrap().text().await.unwrap();
    assert!(text.contains(&group.to_string()));
    sandbox.server.stop().await;
}
