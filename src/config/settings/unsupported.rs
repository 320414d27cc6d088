//! Settings that this build of segctl cannot use. They are errors of their workspace only: another build may use it.

use super::super::decode::decoder::Decoder;
use super::super::yaml::{Node, Yaml};
use super::INVALID_STORAGE_URL;
use crate::diagnostic::Diagnostic;
use crate::model::{Policy, PublishLocation, StateLocation};

pub(super) fn unsupported_settings(
    decoder: &Decoder<'_>,
    workspace: &Node,
    state: Option<&StateLocation>,
    policy: &Policy,
) -> Vec<Diagnostic> {
    if cfg!(feature = "object-store") {
        return Vec::new();
    }
    let mut found = Vec::new();
    if matches!(state, Some(StateLocation::ObjectStore(_))) {
        found.extend(field(workspace, "state").map(|node| needs_object_store(decoder, node, "state")));
    }
    if matches!(policy.publish, Some(PublishLocation::ObjectStore(_))) {
        let bucket = field(workspace, "publish").and_then(|publish| field(publish, "bucket"));
        found.extend(bucket.map(|node| needs_object_store(decoder, node, "publish")));
    }
    found
}

fn needs_object_store(decoder: &Decoder<'_>, node: &Node, key: &str) -> Diagnostic {
    let message = format!("`{key}` is an object store, and this segctl was built without object stores");
    let location = decoder.location(&node.span);
    Diagnostic::error(
        INVALID_STORAGE_URL,
        message,
        location,
        "not supported by this build",
    )
    .with_help(format!(
        "build segctl with `--features object-store`, or set `{key}` to a directory"
    ))
}

fn field<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    let Yaml::Map(entries) = &node.value else {
        return None;
    };
    let mut entries = entries.iter();
    entries.find_map(|(key, value)| (key.text == name).then_some(value))
}
