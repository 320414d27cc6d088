//! Decodes answers: strict on ids and names, which segctl needs, and lenient on other fields.
//!
//! Definitions stay raw JSON. Unknown fields are ignored. Each value is read by itself, so that one that cannot be read
//! affects only its segment.

use crate::model::{Payload, SegmentId, SegmentName, UnreadableRow, answer_text, json_from_answer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The segments of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub segments: Vec<RemoteSummary>,
    pub unreadable: Vec<UnreadableRow>,
}

impl Listing {
    /// Whether a row has the id, even one that cannot be read otherwise.
    #[must_use]
    pub fn contains(&self, id: &SegmentId) -> bool {
        let unreadable = self.unreadable.iter().filter_map(|row| row.id.as_ref());
        let mut ids = self.segments.iter().map(|segment| &segment.id).chain(unreadable);
        ids.any(|listed| listed == id)
    }
}

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
pub(super) enum MalformedBody {
    /// What the body should have contained: a phrase such as "`data` as a list". Another answer may contain it.
    Unexpected { expected: String },
    /// The segment in the answer cannot be read. The reason is a phrase such as "`name` is null".
    UnreadableSegment { reason: String },
}

impl MalformedBody {
    pub(super) fn unexpected(expected: impl Into<String>) -> Self {
        let expected = expected.into();
        Self::Unexpected { expected }
    }

    fn unreadable(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::UnreadableSegment { reason }
    }
}

pub(super) fn decode_list(body: &[u8]) -> Result<Listing, MalformedBody> {
    let text = answer_text(body);
    let answer = Fields::of_answer(&text)?;
    let rows = answer
        .get("data")
        .map(|data| serde_json::from_str::<Vec<&RawValue>>(data.get()));
    let Some(Ok(rows)) = rows else {
        return Err(MalformedBody::unexpected("`data` as a list"));
    };
    let mut listing = Listing::default();
    for (index, row) in rows.into_iter().enumerate() {
        match decode_row(row) {
            Ok(segment) => listing.segments.push(segment),
            Err(row) => listing.unreadable.push(UnreadableRow {
                position: index + 1,
                ..row
            }),
        }
    }
    Ok(listing)
}

fn decode_row(row: &RawValue) -> Result<RemoteSummary, UnreadableRow> {
    let unreadable = |reason| UnreadableRow {
        position: 0,
        id: None,
        name: None,
        reason,
    };
    let fields = Fields::of(row).ok_or_else(|| unreadable(format!("it is {}", describe(row))))?;
    let id = fields.required("id").map(SegmentId::new);
    let name = fields.required("name").map(SegmentName::new);
    match (id, name) {
        (Ok(id), Ok(name)) => Ok(RemoteSummary {
            id,
            name,
            kind: fields.optional("type").unwrap_or_default(),
            source: fields.optional("source"),
            created_time: fields.optional("created_time"),
        }),
        (Err(reason), Err(other)) => Err(unreadable(format!("{reason}, and {other}"))),
        (id, name) => {
            let (readable_id, readable_name) = (id.as_ref().ok().cloned(), name.as_ref().ok().cloned());
            Err(UnreadableRow {
                id: readable_id,
                name: readable_name,
                ..unreadable(id.err().or(name.err()).unwrap_or_default())
            })
        }
    }
}

/// Decodes the answer to a get, create or update request.
pub(super) fn decode_segment(body: &[u8]) -> Result<RemoteSegment, MalformedBody> {
    let text = answer_text(body);
    let answer = Fields::of_answer(&text)?;
    let Some(data) = answer.get("data").and_then(Fields::of) else {
        return Err(MalformedBody::unexpected("`data` as an object"));
    };
    let filters = |name: &str| match data.get(name).map(|raw| json_from_answer::<Value>(raw.get())) {
        None | Some(Ok(Value::Null)) => Ok(None),
        Some(Ok(value)) => Ok(Some(value)),
        Some(Err(error)) => Err(MalformedBody::unreadable(format!(
            "`{name}` cannot be read: {error}"
        ))),
    };
    let (included_filters, excluded_filters) = (filters("included_filters")?, filters("excluded_filters")?);
    let required = |field| data.required(field).map_err(MalformedBody::unreadable);
    Ok(RemoteSegment {
        id: SegmentId::new(required("id")?),
        name: SegmentName::new(required("name")?),
        kind: data.optional("type").unwrap_or_default(),
        source: data.optional("source"),
        created_time: data.optional("created_time"),
        updated_time: data.optional("updated_time"),
        included_filters,
        excluded_filters,
    })
}

pub(super) fn decode_acknowledgement(body: &[u8]) -> Result<Acknowledgement, MalformedBody> {
    Ok(acknowledgement(&Fields::of_answer(&answer_text(body))?))
}

pub(super) fn decode_upload_response(body: &[u8]) -> Result<(SegmentId, Acknowledgement), MalformedBody> {
    let text = answer_text(body);
    let answer = Fields::of_answer(&text)?;
    Ok((
        SegmentId::new(answer.expected("cs_id")?),
        acknowledgement(&answer),
    ))
}

pub(super) fn decode_sync_response(body: &[u8]) -> Result<Acknowledgement, MalformedBody> {
    let text = answer_text(body);
    let answer = Fields::of_answer(&text)?;
    Ok(Acknowledgement {
        success: answer.expected("status")? == "success",
        message: answer.optional("message").unwrap_or_default(),
    })
}

fn acknowledgement(answer: &Fields<'_>) -> Acknowledgement {
    Acknowledgement {
        success: answer
            .get("success")
            .is_none_or(|success| success.get() != "false"),
        message: answer.optional("message").unwrap_or_default(),
    }
}

/// The fields of an object, unread. The last of several fields with one name counts.
struct Fields<'t>(BTreeMap<String, &'t RawValue>);

impl<'t> Fields<'t> {
    fn of_answer(text: &'t str) -> Result<Self, MalformedBody> {
        match serde_json::from_str::<&RawValue>(text) {
            Ok(answer) => Self::of(answer).ok_or_else(|| MalformedBody::unexpected("a JSON object")),
            Err(error) => Err(MalformedBody::unexpected(format!("a JSON object ({error})"))),
        }
    }

    /// `None` if it is not an object.
    fn of(value: &'t RawValue) -> Option<Self> {
        serde_json::from_str(value.get()).ok().map(Self)
    }

    fn get(&self, field: &str) -> Option<&'t RawValue> {
        self.0.get(field).copied()
    }

    /// The error is the reason.
    fn required(&self, field: &str) -> Result<String, String> {
        let Some(value) = self.get(field) else {
            return Err(format!("`{field}` is missing"));
        };
        match serde_json::from_str::<String>(value.get()) {
            Ok(text) if text.is_empty() => Err(format!("`{field}` is empty")),
            Ok(text) => Ok(text),
            Err(_) => Err(format!("`{field}` is {}", describe(value))),
        }
    }

    fn expected(&self, field: &str) -> Result<String, MalformedBody> {
        let text = self.required(field);
        text.map_err(|_| MalformedBody::unexpected(format!("`answer.{field}` as text")))
    }

    /// `None` if the field is absent, null or not text.
    fn optional(&self, field: &str) -> Option<String> {
        serde_json::from_str(self.get(field)?.get()).ok()
    }
}

/// What a value is, for messages.
fn describe(value: &RawValue) -> &'static str {
    match value.get().bytes().next() {
        Some(b'n') => "null",
        Some(b't' | b'f') => "a boolean",
        Some(b'"') => "text",
        Some(b'[') => "a list",
        Some(b'{') => "an object",
        _ => "a number",
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
        let listed = decode_list(body.to_string().as_bytes()).unwrap().segments;
        assert_eq!(listed[0].source.as_deref(), Some("API"));
        let sparse = RemoteSummary {
            id: SegmentId::new("a2"),
            name: SegmentName::new("B"),
            kind: String::new(),
            source: None,
            created_time: None,
        };
        assert_eq!(listed[1], sparse);
        assert_eq!(decode_list(br#"{"data":[]}"#).unwrap(), Listing::default());
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
        let deep = format!(
            r#"{{"data":{{"x":{}1{}}}}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        let table: [(&[u8], &str); 10] = [
            (b"", "a JSON object (EOF"),
            (b"<html>", "a JSON object (expected value"),
            (b"[]", "a JSON object"),
            (b"null", "a JSON object"),
            (b"\xff\xfe{}", "a JSON object ("),
            (br#"{"data":[{"id":"a","name":"A"}"#, "a JSON object (EOF"),
            (deep.as_bytes(), "`data` as a list"),
            (b"{}", "`data` as a list"),
            (br#"{"data":null}"#, "`data` as a list"),
            (br#"{"data":"[]"}"#, "`data` as a list"),
        ];
        for (body, start) in table {
            let MalformedBody::Unexpected { expected } = decode_list(body).unwrap_err() else {
                panic!("{body:?}");
            };
            assert!(expected.starts_with(start), "{expected}");
        }
    }

    #[test]
    fn a_row_that_cannot_be_read_affects_no_other_row() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        let table: [(&str, Option<&str>, Option<&str>, &str); 20] = [
            ("null", None, None, "it is null"),
            ("7", None, None, "it is a number"),
            ("-1e999", None, None, "it is a number"),
            ("NaN", None, None, "it is a number"),
            (r#""text""#, None, None, "it is text"),
            ("[[]]", None, None, "it is a list"),
            (&deep, None, None, "it is a list"),
            ("false", None, None, "it is a boolean"),
            ("{}", None, None, "`id` is missing, and `name` is missing"),
            (r#"{"id":"b","name":null}"#, Some("b"), None, "`name` is null"),
            (r#"{"id":"b","name":5}"#, Some("b"), None, "`name` is a number"),
            (r#"{"id":"b","name":NaN}"#, Some("b"), None, "`name` is a number"),
            (
                r#"{"id":"b","name":true}"#,
                Some("b"),
                None,
                "`name` is a boolean",
            ),
            (r#"{"id":"b","name":""}"#, Some("b"), None, "`name` is empty"),
            (r#"{"id":"b"}"#, Some("b"), None, "`name` is missing"),
            (r#"{"id":"b","name":["B"]}"#, Some("b"), None, "`name` is a list"),
            (r#"{"id":null,"name":"B"}"#, None, Some("B"), "`id` is null"),
            (r#"{"id":7,"name":"B"}"#, None, Some("B"), "`id` is a number"),
            (r#"{"id":"","name":"B"}"#, None, Some("B"), "`id` is empty"),
            (r#"{"name":"B"}"#, None, Some("B"), "`id` is missing"),
        ];
        for (row, id, name, reason) in table {
            let body = format!(r#"{{"data":[{{"id":"a","name":"A"}},{row},{{"id":"c","name":"C"}}]}}"#);
            let listing = decode_list(body.as_bytes()).unwrap();
            let names: Vec<_> = listing
                .segments
                .iter()
                .map(|segment| segment.name.as_str())
                .collect();
            assert_eq!(names, ["A", "C"], "{row}");
            let unreadable = UnreadableRow {
                position: 2,
                id: id.map(SegmentId::new),
                name: name.map(SegmentName::new),
                reason: reason.to_owned(),
            };
            assert_eq!(listing.unreadable, [unreadable], "{row}");
            assert_eq!(listing.contains(&SegmentId::new("b")), id.is_some(), "{row}");
        }
    }

    #[test]
    fn odd_values_of_rows_and_segments_are_read() {
        let deep = "[".repeat(1_000) + &"]".repeat(1_000);
        let table: [(&[u8], &str); 8] = [
            (br#""name":"A \ud83d""#, "A \u{fffd}"),
            (b"\"name\":\"A \xff\"", "A \u{fffd}"),
            (b"\"name\":\"A\tB\"", "A\tB"),
            (br#""name":"A","name":"B""#, "B"),
            (br#""name":"A","type":7,"source":[],"created_time":NaN"#, "A"),
            (br#""name":"A","name_length":1e999"#, "A"),
            (br#""name":"A","other":"\udc00","\ud83d":1"#, "A"),
            (deep.as_bytes(), "A"),
        ];
        for (fields, name) in table {
            let fields = match fields {
                [b'[', ..] => [br#""name":"A","x":"#, fields].concat(),
                _ => fields.to_vec(),
            };
            let row = [br#"{"id":"a","#.as_slice(), &fields, b"}"].concat();
            let listed = decode_list(&[br#"{"data":["#.as_slice(), &row, b"]}"].concat()).unwrap();
            assert_eq!(listed.segments[0].name.as_str(), name, "{listed:?}");
            let segment = decode_segment(&[br#"{"data":"#.as_slice(), &row, b"}"].concat()).unwrap();
            assert_eq!(segment.name.as_str(), name);
        }
    }

    #[test]
    fn a_segment_that_cannot_be_read_differs_from_a_malformed_answer() {
        let nested = |groups: usize| {
            let open = r#"{"filter_operator":"and","filters":["#.repeat(groups);
            let filters = open + &"]}".repeat(groups);
            format!(r#"{{"data":{{"id":"a","name":"A","included_filters":{filters}}}}}"#)
        };
        assert!(decode_segment(nested(100).as_bytes()).is_ok());
        let unreadable = [
            (r#"{"data":{"id":"a","name":null}}"#, "`name` is null"),
            (r#"{"data":{"id":"","name":"A"}}"#, "`id` is empty"),
            (&nested(200), "`included_filters` cannot be read: recursion limit"),
            (
                r#"{"data":{"id":"a","name":"A","included_filters":[1e999]}}"#,
                "`included_filters` cannot be read: number out of range",
            ),
            (
                r#"{"data":{"id":"a","name":"A","excluded_filters":{"value":-Infinity}}}"#,
                "`excluded_filters` cannot be read: number out of range",
            ),
        ];
        for (body, start) in unreadable {
            let MalformedBody::UnreadableSegment { reason } = decode_segment(body.as_bytes()).unwrap_err()
            else {
                panic!("{body}");
            };
            assert!(reason.starts_with(start), "{reason}");
        }
        for (body, start) in [
            (r#"{"data":[]}"#, "`data` as an object"),
            (r#"{"data":{"id":"a","name":"A""#, "a JSON object (EOF"),
            ("<html>", "a JSON object (expected value"),
            ("", "a JSON object (EOF"),
        ] {
            let MalformedBody::Unexpected { expected } = decode_segment(body.as_bytes()).unwrap_err() else {
                panic!("{body}");
            };
            assert!(expected.starts_with(start), "{expected}");
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
