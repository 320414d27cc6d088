//! What segctl may do in a workspace: `manages`, `adoption`, `guards`, `api_behavior`, `publish`.

use super::super::decode::codes;
use super::super::decode::contents::http_url;
use super::super::decode::decoder::{COUNT_LIMIT, Decoder, Fields};
use super::super::yaml::{Node, ScalarValue, Yaml};
use super::INVALID_STORAGE_URL;
use crate::model::{ApiBehavior, Guards, NamePattern, ObjectStoreUrl, Policy, PublishLocation};

/// `uses_data_center`: MoEngage itself cannot read a local folder, so `publish` needs a URL.
pub(super) fn policy(fields: &mut Fields<'_>, uses_data_center: bool) -> Option<Policy> {
    let defaults = Policy::default();
    let managed_patterns = fields.or_default("manages", Decoder::list_of(name_pattern));
    let adoption = fields.or("adoption", defaults.adoption, Decoder::keyword);
    let guards = fields.or_default("guards", guards);
    let api_behavior = fields.or_default("api_behavior", api_behavior);
    let publish = fields.optional("publish", |decoder, node| {
        publish_location(decoder, node, uses_data_center)
    });
    Some(Policy {
        managed_patterns: managed_patterns?,
        adoption: adoption?,
        guards: guards?,
        api_behavior: api_behavior?,
        publish: publish?,
    })
}

fn publish_location(decoder: &Decoder<'_>, node: &Node, uses_data_center: bool) -> Option<PublishLocation> {
    let mut fields = decoder.fields(node, "`publish`")?;
    if let Some(node) = fields.take("bucket") {
        fields.describe("`publish` with a bucket");
        let url = bucket_url(decoder, node);
        fields.finish();
        return url.map(PublishLocation::ObjectStore);
    }
    let directory = fields.required("directory", Decoder::path);
    let url = if uses_data_center {
        fields.required("url", folder_url).map(Some)
    } else {
        fields.optional("url", folder_url)
    };
    fields.finish();
    Some(PublishLocation::Folder {
        directory: directory?,
        url: url?,
    })
}

/// The names of files are appended to it.
fn folder_url(decoder: &Decoder<'_>, node: &Node) -> Option<String> {
    let url = http_url(decoder, node)?;
    if !url.contains(['?', '#']) {
        return Some(url);
    }
    let message = "the URL of published lists has a query or a fragment";
    decoder.error_with_help(
        codes::OUT_OF_RANGE,
        &node.span,
        message,
        "expected the URL of a folder",
        "segctl appends the name of each list: remove the part after `?` or `#`",
    )
}

/// The message does not repeat the value: URLs of other programs may contain a key.
fn bucket_url(decoder: &Decoder<'_>, node: &Node) -> Option<ObjectStoreUrl> {
    let text = decoder.non_empty_text(node)?;
    match ObjectStoreUrl::parse(&text) {
        Ok(url) => Some(url),
        Err(error) => decoder.error_with_help(
            INVALID_STORAGE_URL,
            &node.span,
            "invalid `bucket` URL",
            error,
            "use `s3://BUCKET/PREFIX`; credentials come from the environment",
        ),
    }
}

fn name_pattern(decoder: &Decoder<'_>, node: &Node) -> Option<NamePattern> {
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

fn guards(decoder: &Decoder<'_>, node: &Node) -> Option<Guards> {
    let mut fields = decoder.fields(node, "`guards`")?;
    let defaults = Guards::default();
    let archive = fields.or("archive", defaults.archive, percent);
    let update = fields.or("update", defaults.update, percent);
    let min_segments = fields.optional("min_segments", Decoder::count_in(0..=COUNT_LIMIT));
    let members = fields.or("members", defaults.members, percent);
    let min_members = fields.optional("min_members", Decoder::count_in(0..=COUNT_LIMIT));
    fields.finish();
    Some(Guards {
        archive: archive?,
        update: update?,
        min_segments: min_segments?.map_or(defaults.min_segments, |count| count as usize),
        members: members?,
        min_members: min_members?.map_or(defaults.min_members, u64::from),
    })
}

fn percent(decoder: &Decoder<'_>, node: &Node) -> Option<u32> {
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

fn api_behavior(decoder: &Decoder<'_>, node: &Node) -> Option<ApiBehavior> {
    let mut fields = decoder.fields(node, "`api_behavior`")?;
    let defaults = ApiBehavior::default();
    let list_shows = fields.optional("list_shows", Decoder::keyword);
    let content_type = defaults.file_request_content_type;
    let content_type = fields.or("file_request_content_type", content_type, Decoder::keyword);
    let mut flag = |key, default| fields.or(key, default, Decoder::boolean);
    let list_shows_archived = flag("list_shows_archived", defaults.list_shows_archived);
    let rename_frees_names = flag("rename_frees_names", defaults.rename_frees_names);
    let conflicts = defaults.archived_definitions_conflict;
    let archived_definitions_conflict = flag("archived_definitions_conflict", conflicts);
    let mut limit = |key| fields.optional(key, Decoder::count_in(1..=COUNT_LIMIT));
    let active_limit = limit("active_limit");
    let daily_user_limit = limit("daily_user_limit");
    fields.finish();
    Some(ApiBehavior {
        list_shows: list_shows?,
        file_request_content_type: content_type?,
        list_shows_archived: list_shows_archived?,
        rename_frees_names: rename_frees_names?,
        archived_definitions_conflict: archived_definitions_conflict?,
        active_limit: active_limit?.map_or(defaults.active_limit, |count| count as usize),
        daily_user_limit: daily_user_limit?.map_or(defaults.daily_user_limit, u64::from),
    })
}
