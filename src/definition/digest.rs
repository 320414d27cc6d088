//! Digests of definitions: equal digests mean equal audiences, as far as the form shows.
//!
//! A digest is the lowercase hexadecimal SHA-256 of the RFC 8785 canonical JSON of a definition in canonical form:
//! `sha256(canonical({"included_filters": …, "excluded_filters": …}))`. The literals in the tests are part of the
//! format: the state and saved plans contain digests, so a change of the canonical form is a change of the format.

use super::canonical::{self, Identities};
use crate::model::{Digest, Digests, Payload};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

impl Digest {
    #[must_use]
    pub fn exact(payload: &Payload, identities: &Identities) -> Self {
        Self::of_canonical(&canonical::exact(payload, identities))
    }

    #[must_use]
    pub fn of_canonical(form: &Value) -> Self {
        Self::new(Sha256::digest(canonical_json(form).as_bytes()).into())
    }
}

impl Digests {
    #[must_use]
    pub fn of(payload: &Payload, identities: &Identities) -> Self {
        let form = canonical::exact(payload, identities);
        Self {
            exact: Digest::of_canonical(&form),
            unordered: Digest::of_canonical(&canonical::unordered(form)),
        }
    }
}

/// RFC 8785.
pub(super) fn canonical_json(value: &Value) -> String {
    let text = if is_plain_json_canonical(value) {
        serde_json::to_string(value)
    } else {
        serde_json_canonicalizer::to_string(value)
    };
    // Canonicalization fails only for numbers that are not finite, and a JSON value has none.
    text.unwrap_or_else(|_| value.to_string())
}

/// Plain JSON is several times faster to write. It is canonical if the keys are sorted and the numbers are integers
/// that a double holds; both escape strings alike.
fn is_plain_json_canonical(value: &Value) -> bool {
    const EXACT_INTEGER: u64 = 1 << 53;
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => true,
        Value::Number(number) => number
            .as_i64()
            .is_some_and(|integer| integer.unsigned_abs() <= EXACT_INTEGER),
        Value::Array(items) => items.iter().all(is_plain_json_canonical),
        Value::Object(fields) => {
            // RFC 8785 sorts by UTF-16, which differs from the order of bytes beyond ASCII.
            let in_order = fields.keys().is_sorted() && fields.keys().all(|key| key.is_ascii());
            in_order && fields.values().all(is_plain_json_canonical)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn payload(included: Value, excluded: Option<Value>) -> Payload {
        Payload {
            included_filters: included,
            excluded_filters: excluded,
        }
    }

    fn simple() -> Payload {
        let filter = json!({"filter_type": "user_attributes", "name": "city", "data_type": "string", "operator": "in",
                            "value": ["Pune"]});
        payload(json!({"filter_operator": "and", "filters": [filter]}), None)
    }

    fn with_references() -> Payload {
        let event = json!({"filter_type": "actions", "action_name": "purchase", "executed": true,
                           "primary_time_range": {"type": "inTheLast", "days": 30}});
        let group = json!({"filter_type": "nested_filters", "filter_operator": "or", "filters": [
            {"filter_type": "custom_segments", "name": "Gold members"},
            {"filter_type": "custom_segments", "id": "0123456789abcdef01234567", "name": "a label"},
        ]});
        payload(
            json!({"filter_operator": "and", "filters": [event, group]}),
            Some(
                json!({"filter_operator": "or", "filters": [{"filter_type": "custom_segments", "id": "moe_all_users"}]}),
            ),
        )
    }

    fn with_many_types() -> Payload {
        payload(
            json!({"filter_operator": "or", "filters": [
                {"filter_type": "user_attributes", "name": "spend", "data_type": "double", "operator": "between",
                 "value": 1.5, "value1": 20.0, "negate": true, "category": "Tracked"},
                {"filter_type": "user_attributes", "name": "dob", "data_type": "datetime", "operator": "inTheNext", "value": 7,
                 "extract_type": "date_month_of_the_year"},
                {"filter_type": "user_attributes", "name": "home", "data_type": "geopoint", "value": 12.97, "value1": 77.59,
                 "radius": 500},
                {"filter_type": "user_attributes", "name": "pets", "data_type": "array_object", "filter_operator": "and",
                 "filters": [{"name": "kind", "data_type": "string", "operator": "exists"}]},
                {"filter_type": "psychographic_event", "action_name": "view", "operator_type": "top", "percent_of_users": 10,
                 "psychographic_attributes": {"filter_operator": "and", "filters": [
                     {"name": "brand", "data_type": "string", "operator": "is", "value": "Nimbus"}]},
                 "primary_time_range": {"type": "between", "from": "2026-01-01T00:00:00.000Z",
                                        "to": "2026-01-31T23:59:59.999Z"}},
            ]}),
            None,
        )
    }

    /// The data types that the others lack, and an aggregation over dates.
    fn with_other_types() -> Payload {
        payload(
            json!({"filter_operator": "and", "filters": [
                {"filter_type": "user_attributes", "name": "opted_in", "data_type": "bool", "operator": "is", "value": true},
                {"filter_type": "user_attributes", "name": "tags", "data_type": "array_string", "operator": "contains",
                 "value": ["vip", "Gold"], "array_filter_type": "all_of", "case_sensitive": true},
                {"filter_type": "user_attributes", "name": "scores", "data_type": "array_double", "operator": "greaterThan",
                 "value": "{{MoeUserAttribute['best']}}", "is_dynamic_value": true, "dynamic_attribute_type": "double",
                 "negate": true},
                {"filter_type": "user_attributes", "name": "address", "data_type": "object", "filter_operator": "or",
                 "filters": [{"name": "city", "data_type": "string", "operator": "is", "value": "Pune"},
                             {"name": "moved", "data_type": "datetime", "operator": "on", "value": 0,
                              "value_type": "relative_past"}]},
                {"filter_type": "actions", "action_name": "purchase", "executed": true,
                 "execution": {"type": "atmost", "count": 3},
                 "primary_time_range": {"type": "between", "value": "2026-01-01T00:00:00.000Z",
                                        "value1": "2026-01-31T23:59:59.999Z", "value_type": "absolute"},
                 "aggregation_attributes": {"filters": [
                     {"attribute_name": "amount", "aggregation_type": "sum", "operator": "greaterThan", "value": 99.5,
                      "comparator": "percentageChange", "base_time_range": {"type": "previousPeriod"}}]}},
            ]}),
            None,
        )
    }

    #[test]
    fn digests_do_not_change() {
        let pinned = [
            (
                simple(),
                "0e3dfe3bb02888d025191de030264a26ed59e920e52162636891fed7549895ed",
                "0e3dfe3bb02888d025191de030264a26ed59e920e52162636891fed7549895ed",
            ),
            (
                with_references(),
                "06da3c81253a080f558c84ca4a821b8a3a4f61cd5b7e75f5c3616db37e386b36",
                "2496fc34bd0f069561e21c3452a2a14eac971e0ae3999d43aeb9b4eae341b5b9",
            ),
            (
                with_many_types(),
                "7e2c1faaa0c4d56c27b2826e195e463c4ea1ece3089b80c0ac1a0eb611f81538",
                "e6000c1ccdd4b227afd8e0c95acc01fb1516af122a655486d7ba9ca856121446",
            ),
            (
                with_other_types(),
                "5d959986bcab36a442abd23bc1f633644269b1ef95febb33a127aa0a0212f452",
                "90274d6c7db4f2594814a8f973a971dbdd5082d1470f0740da02d946db501821",
            ),
        ];
        for (payload, exact, unordered) in pinned {
            let digests = Digests::of(&payload, &Identities::default());
            let digests = [digests.exact.to_string(), digests.unordered.to_string()];
            assert_eq!(digests, [exact, unordered], "{payload:?}");
        }
    }

    #[test]
    fn plain_json_is_used_only_when_it_is_canonical() {
        let controls: String = (0_u8..=0x7f).map(char::from).collect();
        let plain = [
            json!({"b": [1, -2, 0, 9_007_199_254_740_992_i64], "a": null, "c": true}),
            json!([controls, "\u{2028}\u{feff}é\u{1f600}"]),
            json!({"": {"nested": {}}, "A": [], "a": ""}),
        ];
        for value in plain {
            assert!(is_plain_json_canonical(&value), "{value}");
            assert_eq!(
                serde_json::to_string(&value).unwrap(),
                serde_json_canonicalizer::to_string(&value).unwrap()
            );
        }
        let too_large = json!(9_007_199_254_740_993_i64);
        for value in [
            json!(1.5),
            json!(1e21),
            too_large,
            json!(u64::MAX),
            json!({"é": 1}),
        ] {
            assert!(!is_plain_json_canonical(&value), "{value}");
        }
    }

    #[test]
    fn a_digest_follows_its_specification() {
        let form = json!({"included_filters": {"filter_operator": "and", "filters": [
            {"filter_type": "user_attributes", "name": "city", "data_type": "string", "operator": "in", "value": ["Pune"],
             "negate": false, "case_sensitive": false}]}});
        let text = "{\"included_filters\":{\"filter_operator\":\"and\",\"filters\":[{\"case_sensitive\":false,\"data_type\":\
                    \"string\",\"filter_type\":\"user_attributes\",\"name\":\"city\",\"negate\":false,\"operator\":\"in\",\
                    \"value\":[\"Pune\"]}]}}";
        assert_eq!(canonical_json(&form), text);
        let bytes = Sha256::digest(text.as_bytes());
        let digest: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let exact = Digests::of(&simple(), &Identities::default()).exact;
        assert_eq!(exact.to_string(), digest);
    }
}
