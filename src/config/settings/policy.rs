//! What segctl may do in a workspace: `manages`, `adoption`, `guards`, `api_behavior`, `publish`.

use super::super::decode::codes;
use super::super::decode::contents::http_url;
use super::super::decode::decoder::{COUNT_LIMIT, Decoder, Fields};
use super::super::yaml::{Node, ScalarValue, Yaml};
use super::{INVALID_STORAGE_URL, optional, required};
use crate::model::{ApiBehavior, Guards, NamePattern, ObjectStoreUrl, Policy, PublishLocation};

/// `uses_data_center`: MoEngage itself cannot read a local folder, so `publish` needs a URL.
pub(super) fn policy(
    decoder: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    uses_data_center: bool,
) -> Option<Policy> {
    let defaults = Policy::default();
    let managed_patterns = optional(decoder, fields, "manages", |decoder, node| {
        decoder.list(node, name_pattern)
    });
    let adoption = optional(decoder, fields, "adoption", Decoder::keyword);
    let guards = optional(decoder, fields, "guards", guards);
    let api_behavior = optional(decoder, fields, "api_behavior", api_behavior);
    let publish = optional(decoder, fields, "publish", |decoder, node| {
        publish_location(decoder, node, uses_data_center)
    });
    Some(Policy {
        managed_patterns: managed_patterns?.unwrap_or_default(),
        adoption: adoption?.unwrap_or(defaults.adoption),
        guards: guards?.unwrap_or_default(),
        api_behavior: api_behavior?.unwrap_or_default(),
        publish: publish?,
    })
}

fn publish_location(
    decoder: &mut Decoder<'_>,
    node: &Node,
    uses_data_center: bool,
) -> Option<PublishLocation> {
    let mut fields = decoder.fields(node, "`publish`")?;
    if let Some(node) = fields.take("bucket") {
        fields.describe("`publish` with a bucket");
        let url = bucket_url(decoder, node);
        decoder.finish(&fields);
        return url.map(PublishLocation::ObjectStore);
    }
    let directory = required(decoder, &mut fields, "directory", Decoder::path);
    let url = if uses_data_center {
        required(decoder, &mut fields, "url", folder_url).map(Some)
    } else {
        optional(decoder, &mut fields, "url", folder_url)
    };
    decoder.finish(&fields);
    Some(PublishLocation::Folder {
        directory: directory?,
        url: url?,
    })
}

/// The names of files are appended to it.
fn folder_url(decoder: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let url = http_url(decoder, node)?;
    if !url.contains(['?', '#']) {
        return Some(url);
    }
    let message = "the URL of published lists has a query or a fragment";
    decoder.error::<()>(
        codes::OUT_OF_RANGE,
        &node.span,
        message,
        "expected the URL of a folder",
    );
    decoder.add_help("segctl appends the name of each list: remove the part after `?` or `#`");
    None
}

/// The message does not repeat the value: URLs of other programs may contain a key.
fn bucket_url(decoder: &mut Decoder<'_>, node: &Node) -> Option<ObjectStoreUrl> {
    let text = decoder.non_empty_text(node)?;
    match ObjectStoreUrl::parse(&text) {
        Ok(url) => Some(url),
        Err(error) => {
            decoder.error::<()>(INVALID_STORAGE_URL, &node.span, "invalid `bucket` URL", error);
            decoder.add_help("use `s3://BUCKET/PREFIX`; credentials come from the environment");
            None
        }
    }
}

fn name_pattern(decoder: &mut Decoder<'_>, node: &Node) -> Option<NamePattern> {
    let text = decoder.non_empty_text(node)?;
    match NamePattern::parse(&text) {
        Ok(pattern) => Some(pattern),
        Err(error) => decoder.error(
            codes::OUT_OF_RANGE,
            &node.span,
            error.to_string(),
            "invalid pattern",
        ),
    }
}

fn guards(decoder: &mut Decoder<'_>, node: &Node) -> Option<Guards> {
    let mut fields = decoder.fields(node, "`guards`")?;
    let defaults = Guards::default();
    let archive = optional(decoder, &mut fields, "archive", percent);
    let update = optional(decoder, &mut fields, "update", percent);
    let min_segments = optional(decoder, &mut fields, "min_segments", |decoder, node| {
        decoder.count(node, 0..=COUNT_LIMIT)
    });
    let members = optional(decoder, &mut fields, "members", percent);
    let min_members = optional(decoder, &mut fields, "min_members", |decoder, node| {
        decoder.count(node, 0..=COUNT_LIMIT)
    });
    decoder.finish(&fields);
    Some(Guards {
        archive: archive?.unwrap_or(defaults.archive),
        update: update?.unwrap_or(defaults.update),
        min_segments: min_segments?.map_or(defaults.min_segments, |count| count as usize),
        members: members?.unwrap_or(defaults.members),
        min_members: min_members?.map_or(defaults.min_members, u64::from),
    })
}

fn percent(decoder: &mut Decoder<'_>, node: &Node) -> Option<u32> {
    if let Yaml::Scalar(scalar) = &node.value
        && scalar.resolved != ScalarValue::Text
    {
        decoder.wrong_type::<()>(node, "a percentage such as `30%`");
        if scalar.text.bytes().all(|byte| byte.is_ascii_digit()) {
            decoder.add_help(format!("write `{}%`", scalar.text));
        }
        return None;
    }
    let text = decoder.non_empty_text(node)?;
    let is_number = |digits: &&str| digits.len() <= 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.strip_suffix('%').filter(is_number);
    let number = number
        .and_then(|digits| digits.parse().ok())
        .filter(|number| *number <= 100);
    number.or_else(|| {
        let message = format!("`{text}` must be a percentage from 0% to 100%");
        decoder.error(
            codes::OUT_OF_RANGE,
            &node.span,
            message,
            "expected a value such as `30%`",
        )
    })
}

fn api_behavior(decoder: &mut Decoder<'_>, node: &Node) -> Option<ApiBehavior> {
    let mut fields = decoder.fields(node, "`api_behavior`")?;
    let defaults = ApiBehavior::default();
    let list_shows = optional(decoder, &mut fields, "list_shows", Decoder::keyword);
    let file_request_content_type = optional(
        decoder,
        &mut fields,
        "file_request_content_type",
        Decoder::keyword,
    );
    let mut flag = |key, default| {
        let value = optional(decoder, &mut fields, key, Decoder::boolean);
        value.map(|value| value.unwrap_or(default))
    };
    let list_shows_archived = flag("list_shows_archived", defaults.list_shows_archived);
    let rename_frees_names = flag("rename_frees_names", defaults.rename_frees_names);
    let archived_definitions_conflict = flag(
        "archived_definitions_conflict",
        defaults.archived_definitions_conflict,
    );
    let mut limit = |key| {
        optional(decoder, &mut fields, key, |decoder, node| {
            decoder.count(node, 1..=COUNT_LIMIT)
        })
    };
    let active_limit = limit("active_limit");
    let daily_user_limit = limit("daily_user_limit");
    decoder.finish(&fields);
    Some(ApiBehavior {
        list_shows: list_shows?,
        file_request_content_type: file_request_content_type?.unwrap_or(defaults.file_request_content_type),
        list_shows_archived: list_shows_archived?,
        rename_frees_names: rename_frees_names?,
        archived_definitions_conflict: archived_definitions_conflict?,
        active_limit: active_limit?.map_or(defaults.active_limit, |count| count as usize),
        daily_user_limit: daily_user_limit?.map_or(defaults.daily_user_limit, u64::from),
    })
}
