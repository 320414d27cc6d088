//! Basic authentication, and the client headers of each endpoint family.

use super::SandboxCredentials;
use super::error_responses::EndpointFamily;
use super::http_message::HttpRequest;

pub(super) fn check_credentials(
    credentials: &SandboxCredentials,
    family: EndpointFamily,
    request: &HttpRequest,
) -> Result<(), &'static str> {
    check_basic_credentials(credentials, request)?;
    let has_key = request.header("moe-appkey") == Some(credentials.workspace_id.as_str());
    let has_database = request.header("moe-dbname") == Some(credentials.db_name.as_str());
    match family {
        EndpointFamily::V3 if has_key || has_database => Ok(()),
        EndpointFamily::V3 => Err("MOE-APPKEY is missing or wrong"),
        EndpointFamily::V2 if has_database => Ok(()),
        EndpointFamily::V2 => Err("MOE-DBNAME is missing or wrong"),
        EndpointFamily::V1 if has_key => Ok(()),
        EndpointFamily::V1 => Err("MOE-APPKEY is missing or wrong"),
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
