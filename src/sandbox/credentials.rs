//! Basic authentication, and the client headers of each endpoint family.

use super::SandboxCredentials;
use super::error_responses::EndpointFamily;
use super::http_message::HttpRequest;
use super::settings::{SandboxSettings, WrongDatabaseAnswer};

/// The status and the message of an answer to wrong credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rejection {
    pub(super) status: u16,
    pub(super) message: &'static str,
}

pub(super) fn check_credentials(
    credentials: &SandboxCredentials,
    settings: &SandboxSettings,
    family: EndpointFamily,
    request: &HttpRequest,
) -> Result<(), Rejection> {
    check_basic_credentials(credentials, request).map_err(|message| Rejection { status: 401, message })?;
    let key = request.header("moe-appkey");
    let database = request.header("moe-dbname");
    let has_key = key == Some(credentials.workspace_id.as_str());
    let has_database = database == Some(credentials.db_name.as_str());
    let reject = |status, message| Err(Rejection { status, message });
    match family {
        // The database is read only in place of the key.
        EndpointFamily::V3 if !(has_key || key.is_none() && has_database) => {
            reject(400, "MoEngage Client not found for the client header")
        }
        EndpointFamily::V2 if !has_database => {
            let status = match settings.wrong_database {
                WrongDatabaseAnswer::Unauthorized => 401,
                WrongDatabaseAnswer::BadRequest => 400,
            };
            reject(status, "MOE-DBNAME is missing or names another database")
        }
        EndpointFamily::V1 if key.is_none() => reject(400, "MOE-APPKEY is missing"),
        EndpointFamily::V1 if !has_key => reject(401, "MOE-APPKEY is not the key of the workspace"),
        _ if settings.one_client_header && key.is_some() && database.is_some() => {
            reject(400, "only one of MOE-APPKEY and MOE-DBNAME is accepted")
        }
        EndpointFamily::V3 | EndpointFamily::V2 | EndpointFamily::V1 => Ok(()),
    }
}

pub(super) fn check_basic_credentials(
    credentials: &SandboxCredentials,
    request: &HttpRequest,
) -> Result<(), &'static str> {
    let expected = format!("{}:{}", credentials.workspace_id, credentials.api_key);
    let encoded = request
        .header("authorization")
        .and_then(|header| header.strip_prefix("Basic "));
    if encoded == Some(base64(expected.as_bytes()).as_str()) {
        Ok(())
    } else {
        Err("the credentials are wrong")
    }
}

/// Standard base64 with padding. Encoding the expected value and comparing avoids a decoder of untrusted input.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .fold(0_u32, |group, byte| (group << 8) | u32::from(*byte));
        let group = group << (8 * (3 - chunk.len()));
        for position in 0..4 {
            let index = (group >> (18 - 6 * position)) & 63;
            let letter = ALPHABET.get(index as usize).copied().unwrap_or(b'=');
            text.push(if position <= chunk.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_matches_known_encodings() {
        for (text, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
    }
}
