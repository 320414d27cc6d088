//! Which texts are absolute URIs and e-mail addresses.

/// An absolute URI with one of `schemes`. All but `file` need a host.
pub(super) fn is_absolute_uri(text: &str, schemes: &[&str]) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let is_local = scheme.eq_ignore_ascii_case("file") && rest.starts_with('/');
    schemes.iter().any(|known| scheme.eq_ignore_ascii_case(known))
        && (is_local || is_host_with_port(host))
        && rest.chars().all(is_uri_character)
        && rest.split('%').skip(1).all(is_percent_encoding)
}

fn is_host_with_port(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (text, ""),
    };
    !host.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_uri_character(character: char) -> bool {
    let is_forbidden = |character| matches!(character, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}');
    !character.is_whitespace() && !character.is_control() && !is_forbidden(character)
}

/// `after` is the text after a percent sign.
fn is_percent_encoding(after: &str) -> bool {
    let digits = after.as_bytes().get(..2);
    digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

pub(super) fn is_email_address(text: &str) -> bool {
    let Some((user, domain)) = text.split_once('@') else {
        return false;
    };
    let is_label = |label: &str| !label.starts_with('-') && !label.ends_with('-') && !label.contains('_');
    user.split('.').all(is_address_part)
        && domain
            .split('.')
            .all(|label| is_address_part(label) && is_label(label))
}

fn is_address_part(part: &str) -> bool {
    const SPECIAL: [char; 12] = ['@', ',', ';', ':', '<', '>', '(', ')', '[', ']', '\\', '"'];
    let is_allowed = |character: char| !character.is_whitespace() && !character.is_control();
    !part.is_empty() && !part.contains(SPECIAL) && part.chars().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::{is_absolute_uri, is_email_address};

    #[test]
    fn uris_need_a_scheme_and_a_host() {
        for uri in [
            "https://files.example.com/a.csv",
            "HTTP://127.0.0.1:8080",
            "http://[::1]:80/?a=b#c",
            "http://[::1]",
            "https://user:secret@example.com/a%20b",
        ] {
            assert!(is_absolute_uri(uri, &["http", "https"]), "{uri}");
        }
        for text in [
            "",
            "example.com/a.csv",
            "//example.com/a.csv",
            "/a.csv",
            "https:example.com",
            "https://",
            "https:///a.csv",
            "https://?a",
            "https://:80/a",
            "https://user@/a",
            "https://example.com:eighty/a",
            "https://example.com/a b",
            "https://example.com/a\n",
            "https://example.com/%zz",
            "https://example.com/%2",
            "https://example.com/<a>",
            "ftp://example.com/a.csv",
            "file:///a.csv",
            "mailto:a@example.com",
        ] {
            assert!(!is_absolute_uri(text, &["http", "https"]), "{text}");
        }
        assert!(is_absolute_uri("file:///a.csv", &["file"]));
        assert!(!is_absolute_uri("file:a.csv", &["file"]));
    }

    #[test]
    fn email_addresses_have_a_user_and_a_domain() {
        for address in [
            "a@b",
            "first.last+tag@mail.example.com",
            "ü@example.com",
            "o'neil@a-b.example",
        ] {
            assert!(is_email_address(address), "{address}");
        }
        for text in [
            "", "a", "@", "@b", "a@", "a@b@c", "a b@c", "a@b c", "a@b.", "a@.b", "a@b..c", ".a@b", "a.@b",
            "a..b@c", "a@-b", "a@b-.c", "a@b_c", "A <a@b>", "a,b@c", "a@b,c@d", "a@b\n", "a\t@b", "\"a\"@b",
        ] {
            assert!(!is_email_address(text), "{text}");
        }
    }
}
