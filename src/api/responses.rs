//! Answers, decoded: strict on ids and names, without which nothing can be done, and lenient on the rest.
//!
//! Definitions stay raw JSON, whatever they hold; fields that nobody here knows are passed over.

use crate::model::{Payload, SegmentId, SegmentName};
use serde_json::{Map, Value};

/// A segment as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteSummary {
    /// Stable through renames.
    pub id: SegmentId,
    /// Unique in the workspace.
    pub name: SegmentName,
    /// The service's word for what it is, such as `ELASTIC_SEARCH` for filter segments; may be empty.
    pub kind: String,
    /// What made it, such as `API`.
    pub source: Option<String>,
    /// UTC without an offset, as the service prints it.
    pub created_time: Option<String>,
}

/// A segment with its definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteSegment {
    /// Stable through renames.
    pub id: SegmentId,
    /// Unique in the workspace.
    pub name: SegmentName,
    /// The service's word for what it is, such as `ELASTIC_SEARCH` for filter segments; may be empty.
    pub kind: String,
    /// What made it, such as `API`.
    pub source: Option<String>,
    /// UTC without an offset, as the service prints it.
    pub created_time: Option<String>,
    /// As above. It moves for reasons of the service's own, so it proves no edit.
    pub updated_time: Option<String>,
    /// Who is in it; file and cohort segments have none.
    pub included_filters: Option<Value>,
    /// Who is left out.
    pub excluded_filters: Option<Value>,
}

impl RemoteSegment {
    /// The definition, when the segment has one.
    #[must_use]
    pub fn payload(&self) -> Option<Payload> {
        Some(Payload {
            included_filters: self.included_filters.clone()?,
            excluded_filters: self.excluded_filters.clone(),
        })
    }
}

/// What archive and unarchive say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Acknowledgement {
    /// False when the service answers with success and means failure.
    pub(super) success: bool,
    /// Its words.
    pub(super) message: String,
}

/// What an answer should have held and did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MalformedBody {
    /// A phrase such as "`data[3].id` as text".
    pub(super) expected: String,
}

/// Decodes the answer to a list.
pub(super) fn decode_list(body: &[u8]) -> Result<Vec<RemoteSummary>, MalformedBody> {
    let answer = decode_object(body)?;
    let Some(Value::Array(entries)) = answer.get("data") else {
        return Err(expected("`data` as a list"));
    };
    let entries = entries.iter().enumerate();
    entries
        .map(|(index, entry)| {
            let place = format!("data[{index}]");
            let Value::Object(entry) = entry else {
                return Err(expected(&format!("`{place}` as an object")));
            };
            Ok(RemoteSummary {
                id: SegmentId::new(required(entry, "id", &place)?),
                name: SegmentName::new(required(entry, "name", &place)?),
                kind: optional(entry, "type").unwrap_or_default(),
                source: optional(entry, "source"),
                created_time: optional(entry, "created_time"),
            })
        })
        .collect()
}

/// Decodes the answer to a get, a create or an update.
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

/// Decodes the answer to an archive or unarchive.
pub(super) fn decode_acknowledgement(body: &[u8]) -> Result<Acknowledgement, MalformedBody> {
    let answer = decode_object(body)?;
    Ok(Acknowledgement {
        success: answer.get("success") != Some(&Value::Bool(false)),
        message: optional(&answer, "message").unwrap_or_default(),
    })
}

/// Decodes the answer to a call about the users of a file segment: they are processed later.
pub(super) fn decode_upload_response(body: &[u8]) -> Result<(SegmentId, Acknowledgement), MalformedBody> {
    let answer = decode_object(body)?;
    let id = SegmentId::new(required(&answer, "cs_id", "answer")?);
    Ok((id, decode_acknowledgement(body)?))
}

/// Decodes the answer to a sync of members.
pub(super) fn decode_sync_response(body: &[u8]) -> Result<Acknowledgement, MalformedBody> {
    let answer = decode_object(body)?;
    let status = required(&answer, "status", "answer")?;
    Ok(Acknowledgement {
        success: status == "success",
        message: optional(&answer, "message").unwrap_or_default(),
    })
}

/// The body as a JSON object. Nesting beyond the parser's limit of 128 levels is no object either.
fn decode_object(body: &[u8]) -> Result<Map<String, Value>, MalformedBody> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(expected("a JSON object")),
        Err(error) => Err(expected(&format!("a JSON object ({error})"))),
    }
}

fn required(entry: &Map<String, Value>, field: &str, place: &str) -> Result<String, MalformedBody> {
    match entry.get(field) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        _ => Err(expected(&format!("`{place}.{field}` as text"))),
    }
}

/// Text that may be absent or null; anything else is nothing that this client could use.
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
        assert_eq!(super::decode_list(br#"{"data":[]}"#).unwrap(), []);
    }

    #[test]
    fn definitions_are_kept_unchanged_and_null_is_absent() {
        let filters =
            json!({"filter_operator": "and", "filters": [{"filter_type": "of next year", "x": [null, 1.5]}]});
        let body =
            json!({"data": {"id": "a", "name": "A", "included_filters": filters, "excluded_filters": null}});
        let stored = decode_segment(body.to_string().as_bytes()).unwrap();
        assert_eq!(stored.included_filters, Some(filters));
        assert_eq!(stored.excluded_filters, None);
        let file = super::decode_segment(br#"{"data":{"id":"a","name":"A","type":"FILE"}}"#).unwrap();
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
