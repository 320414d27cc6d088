//! `callbacks`: where MoEngage sends the results of uploads.

use super::super::decode::codes;
use super::super::decode::contents::is_host_and_path;
use super::super::decode::decoder::Decoder;
use super::super::yaml::Node;
use super::ValueSource;
use super::value_sources::secret_source;
use crate::model::is_loopback_http;
use std::net::SocketAddr;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackSettings {
    /// The public URL. A proxy forwards every path below it to `listen`.
    pub url: String,
    pub listen: Option<SocketAddr>,
    /// The secret part of each callback URL.
    pub token: ValueSource,
}

pub(super) fn callback_settings(decoder: &Decoder<'_>, node: &Node) -> Option<CallbackSettings> {
    let mut fields = decoder.fields(node, "`callbacks`")?;
    let url = fields.required("url", callback_url);
    let token = fields.required("token", secret_source);
    let listen = fields.optional("listen", listen_address);
    fields.finish();
    Some(CallbackSettings {
        url: url?,
        listen: listen?,
        token: token?,
    })
}

/// Callback URLs contain a secret, so plain http is refused except on loopback.
fn callback_url(decoder: &Decoder<'_>, node: &Node) -> Option<String> {
    let text = decoder.non_empty_text(node)?;
    let host = text.strip_prefix("https://");
    let is_https = host.is_some_and(is_host_and_path);
    if (is_https || is_loopback_http(&text)) && !text.contains(['?', '#']) {
        return Some(text.trim_end_matches('/').to_owned());
    }
    let label = "expected an https URL without query or fragment";
    decoder.error_with_help(
        codes::OUT_OF_RANGE,
        &node.span,
        "invalid callback URL",
        label,
        "http is allowed only for loopback addresses: callback URLs contain a secret",
    )
}

fn listen_address(decoder: &Decoder<'_>, node: &Node) -> Option<SocketAddr> {
    let text = decoder.non_empty_text(node)?;
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let message = format!("`{text}` is not a valid listen address");
    let label = "expected IP:PORT such as `0.0.0.0:8080`";
    decoder.error(codes::OUT_OF_RANGE, &node.span, message, label)
}
