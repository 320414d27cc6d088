//! Where a workspace's service says what became of lists: `callbacks`.

use super::super::decode::codes;
use super::super::decode::decoder::{Decoder, Fields};
use super::super::yaml::Node;
use super::{ValueSource, optional, secret_source};
use crate::model::is_loopback_http;
use std::net::SocketAddr;

/// Where the service says what became of lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackSettings {
    /// The address that the service calls, from outside; what is behind it passes everything below it on.
    pub url: String,
    /// Where to listen for what is passed on.
    pub listen: Option<SocketAddr>,
    /// The secret in the addresses that the service is told.
    pub token: ValueSource,
}

/// Takes the field out of a workspace; `None` when it has a fault.
pub(super) fn callbacks(
    reader: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
) -> Option<Option<CallbackSettings>> {
    let read = fields
        .take("callbacks")
        .map(|node| callback_settings(reader, node));
    optional(read)
}

fn callback_settings(reader: &mut Decoder<'_>, node: &Node) -> Option<CallbackSettings> {
    let mut fields = reader.fields(node, "where the service calls back")?;
    let url = reader
        .require(&mut fields, "url")
        .and_then(|node| callback_url(reader, node));
    let token = reader
        .require(&mut fields, "token")
        .and_then(|node| secret_source(reader, node));
    let listen = fields.take("listen").map(|node| listen_address(reader, node));
    reader.finish(&fields);
    Some(CallbackSettings {
        url: url?,
        listen: optional(listen)?,
        token: token?,
    })
}

/// Its addresses have a secret in them, so that nobody may read them on the way.
fn callback_url(reader: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let text = reader.non_empty_text(node)?;
    let is_https = text
        .strip_prefix("https://")
        .is_some_and(|rest| rest.starts_with(|first| first != '/'));
    if (is_https || is_loopback_http(&text)) && !text.contains(['?', '#']) {
        return Some(text.trim_end_matches('/').to_owned());
    }
    let message = "the service cannot call back there";
    reader.error::<()>(
        codes::OUT_OF_RANGE,
        &node.span,
        message,
        "expected https and a path at most",
    );
    reader.add_help("http is for loopback only: the addresses hold a secret");
    None
}

fn listen_address(reader: &mut Decoder<'_>, node: &Node) -> Option<SocketAddr> {
    let text = reader.non_empty_text(node)?;
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let message = format!("`{text}` is no address to listen on");
    reader.error(
        codes::OUT_OF_RANGE,
        &node.span,
        message,
        "expected such as `0.0.0.0:8080`",
    )
}
