//! Decodes answers: strict on ids and names, which segctl needs, and lenient on other fields.
//!
//! Definitions stay raw JSON. Unknown fields are ignored.

use crate::model::{Payload, SegmentId, SegmentName, json_from_answer};
use serde_json::{Map, Value};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteSummary {
    pub id: SegmentId,
    pub name: SegmentName,
    /// The API's type, such as `ELASTIC_SEARCH` for filter segments. It may be empty.
    pub kind: String,
    /// What created it, such as `API`.
    pub source: Option<String>,
    /// UTC without an offset, as MoEngage prints it.
    pub created_time: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteSegment {
    pub id: SegmentId,
    pub name: SegmentName,
    /// The API's type, such as `ELASTIC_SEARCH` for filter segments. It may be empty.
    pub kind: String,
    pub source: Option<String>,
    pub created_time: Option<String>,
    /// MoEngage also changes it for internal reasons, so it does not prove an edit.
    pub updated_time: Option<String>,
    /// `None` for file segments and cohorts.
    pub included_filters: Option<Value>,
    pub excluded_filters: Option<Value>,
}

impl RemoteSegment {
    #[must_use]
    pub fn payload(&self) -> Option<Payload> {
        Some(Payload {
            included_filters: self.included_filters.clone()?,
            excluded_filters: self.excluded_filters.clone(),
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Acknowledgement {
    /// False if MoEngage answers with HTTP success and reports a failure.
    pub(super) success: bool,
    pub(super) message: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MalformedBody {
    /// What the body should have contained: a phrase such as "`data[3].id` as text".
    pub(super) expected: String,
}

pub(super) fn decode_list(body: &[u8]) -> Result<Vec<RemoteSummary>, MalformedBody> {
    let answer = decode_object(body)?;
    let Some(Value::Array(entries)) = answer.get("data") else {
        return Err(expected("`data` as a list"));
    };
    let decode = |(index, entry): (usize, &Value)| {
        let path = format!("data[{index}]");
        let Value::Object(entry) = entry else {
            return Err(expected(&format!("`{path}` as an object")));
        };
        Ok(RemoteSummary {
            id: SegmentId::new(required(entry, "id", &path)?),
            name: SegmentName::new(required(entry, "name", &path)?),
            kind: optional(entry, "type").unwrap_or_default(),
            source: optional(entry, "source"),
            created_time: optional(entry, "created_time"),
        })
    };
    entries.iter().enumerate().map(decode).collect()
}

/// Decodes the answer to a get, create or update request.
pub(super) fn decode_segment(body: &[u8]) -> Result<RemoteSegment, MalformedBody> {
    let mut answer = decode_object(body)?;
    let Some(Value::Object(mut data)) = answer.remove("data") else {
        return Err(expected("`data` as an object"));
    };
    let mut filters = |name: &str| data.remove(name).filter(|value| !value.is_null());
    let (included_filters, excluded_filters) = (filters("included_filters"), filters("excluded_filters"));
    Ok(RemoteSegment {
        id: SegmentId::new(required(&data, "id", "data")?),
        name: SegmentName::new(required(&data, "name", "data")?),
        kind: optional(&data, "type").unwrap_or_default(),
        source: optional(&data, "source"),
        created_time: optional(&data, "created_time"),
        updated_time: optional(&data, "updated_time"),
        included_filters,
        excluded_filters,
    })
}

pub(super) fn decode_acknowledgement(body: &[u8]) -> Result<Acknowledgement, MalformedBody> {
    let answer = decode_object(body)?;
    Ok(Acknowledgement {
        success: answer.get("success") != Some(&Value::Bool(false)),
        message: optional(&answer, "message").unwrap_or_default(),
    })
}

pub(super) fn decode_upload_response(body: &[u8]) -> Result<(SegmentId, Acknowledgement), MalformedBody> {
    let answer = decode_object(body)?;
    let id = SegmentId::new(required(&answer, "cs_id", "answer")?);
    Ok((id, decode_acknowledgement(body)?))
}

pub(super) fn decode_sync_response(body: &[u8]) -> Result<Acknowledgement, MalformedBody> {
    let answer = decode_object(body)?;
    let status = required(&answer, "status", "answer")?;
    Ok(Acknowledgement {
        success: status == "success",
        message: optional(&answer, "message").unwrap_or_default(),
    })
}

fn decode_object(body: &[u8]) -> Result<Map<String, Value>, MalformedBody> {
    match json_from_answer(body) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(expected("a JSON object")),
        Err(error) => Err(expected(&format!("a JSON object ({error})"))),
    }
}

fn required(entry: &Map<String, Value>, field: &str, path: &str) -> Result<String, MalformedBody> {
    match entry.get(field) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        _ => Err(expected(&format!("`{path}.{field}` as text"))),
    }
}

/// `None` if the field is absent, null or not text.
fn optional(entry: &Map<String, Value>, field: &str) -> Option<String> {
    entry.get(field)?.as_str().map(str::to_owned)
}

fn expected(what: &str) -> MalformedBody {
    MalformedBody {
        expected: what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_tolerate_unknown_and_missing_fields() {
        let body = json!({"response_id": "r", "type": "custom_segment", "data": [
            {"id": "a1", "name": "A", "type": "ELASTIC_SEARCH", "source": "API", "created_time": "2026-01-01T00:00:00"},
            {"id": "a2", "name": "B", "type": null, "source": null, "created_time": 5, "new_field": [1]},
        ]});
        let listed = decode_list(body.to_string().as_bytes()).unwrap();
        assert_eq!(listed[0].source.as_deref(), Some("API"));
        let sparse = RemoteSummary {
            id: SegmentId::new("a2"),
            name: SegmentName::new("B"),
            kind: String::new(),
            source: None,
            created_time: None,
        };
        assert_eq!(listed[1], sparse);
        assert_eq!(decode_list(br#"{"data":[]}"#).unwrap(), []);
    }

    #[test]
    fn definitions_are_kept_unchanged_and_null_is_absent() {
        let filters =
            json!({"filter_operator": "and", "filters": [{"filter_type": "of next year", "x": [null, 1.5]}]});
        let body =
            json!({"data": {"id": "a", "name": "A", "included_filters": filters, "excluded_filters": null}});
        let segment = decode_segment(body.to_string().as_bytes()).unwrap();
        assert_eq!(segment.included_filters, Some(filters));
        assert_eq!(segment.excluded_filters, None);
        let file = decode_segment(br#"{"data":{"id":"a","name":"A","type":"FILE"}}"#).unwrap();
        assert_eq!(file.payload(), None);
    }

    #[test]
    fn malformed_responses_name_the_missing_field() {
        let deep = format!(r#"{{"data":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        let table: [(&[u8], &str); 9] = [
            (b"", "a JSON object (EOF"),
            (b"<html>", "a JSON object (expected value"),
            (b"[]", "a JSON object"),
            (b"\xff\xfe{}", "a JSON object ("),
            (deep.as_bytes(), "a JSON object (recursion limit"),
            (b"{}", "`data` as a list"),
            (br#"{"data":null}"#, "`data` as a list"),
            (br#"{"data":[7]}"#, "`data[0]` as an object"),
            (
                br#"{"data":[{"id":"a","name":"A"},{"id":7,"name":"B"}]}"#,
                "`data[1].id` as text",
            ),
        ];
        for (body, start) in table {
            let mismatch = decode_list(body).unwrap_err();
            assert!(mismatch.expected.starts_with(start), "{mismatch:?}");
        }
        let table: [(&[u8], &str); 3] = [
            (br#"{"data":[]}"#, "`data` as an object"),
            (br#"{"data":{"id":"a","name":null}}"#, "`data.name` as text"),
            (br#"{"data":{"id":"","name":"A"}}"#, "`data.id` as text"),
        ];
        for (body, text) in table {
            assert_eq!(decode_segment(body).unwrap_err().expected, text);
        }
    }

    #[test]
    fn an_acknowledgement_may_report_failure() {
        assert!(
            decode_acknowledgement(br#"{"message":"archived","success":true}"#)
                .unwrap()
                .success
        );
        assert!(decode_acknowledgement(b"{}").unwrap().success);
        assert!(!decode_acknowledgement(br#"{"success":false}"#).unwrap().success);
        assert!(decode_acknowledgement(b"ok").is_err());
    }
}
