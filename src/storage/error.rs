//! What an object store's refusal means to a person.
//!
//! Answers of object stores may repeat a token, and addresses may hold a signature: of both only what is known to be
//! harmless is printed.

use crate::model::ObjectStoreProvider;
use object_store::Error;

/// So much of what a store says is repeated.
const MAX_ERROR_CHARS: usize = 200;

/// A refused request in words, with what to do about it.
pub fn describe_error(service: ObjectStoreProvider, error: &Error) -> String {
    let said = safe_error_text(error);
    match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => format!(
            "the store refuses the credentials ({said}); they come from {}, and have to allow reading, writing, \
             deleting and listing there",
            setup_variables(service)
        ),
        Error::NotFound { .. } => {
            format!("there is no such bucket ({said}); make it, or correct its address in segctl.yaml")
        }
        _ if lacks_conditional_writes(error) => NO_CONDITIONAL_WRITES.to_owned(),
        _ => format!(
            "{said}; check the network, and the store's set-up in {}",
            setup_variables(service)
        ),
    }
}

/// A set-up that cannot be used, in words.
pub fn describe_setup_error(service: ObjectStoreProvider, error: &Error) -> String {
    format!(
        "{}; it is set up by {}",
        safe_error_text(error),
        setup_variables(service)
    )
}

/// Without conditions two runs overwrite each other's locks.
pub const NO_CONDITIONAL_WRITES: &str = "the store does not keep conditions of writes (If-Match, If-None-Match), \
                                        without which two runs cannot be kept apart; keep the ledger in a store \
                                        that does, or in a directory";

/// Whether the store does not know conditional writes, and says so.
pub fn lacks_conditional_writes(error: &Error) -> bool {
    matches!(error, Error::NotImplemented { .. } | Error::NotSupported { .. })
        || error_chain(error).any(|text| text.contains("status code: 501"))
}

/// Whether it is the bucket that is missing, not the object.
pub fn is_bucket_missing(error: &Error) -> bool {
    let names = ["NoSuchBucket", "ContainerNotFound"];
    error_chain(error).any(|text| names.iter().any(|name| text.contains(name)))
}

/// Where the store's set-up is read from.
fn setup_variables(service: ObjectStoreProvider) -> &'static str {
    match service {
        ObjectStoreProvider::S3 => {
            "the variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL"
        }
        ObjectStoreProvider::Gs => "the variable GOOGLE_APPLICATION_CREDENTIALS",
        ObjectStoreProvider::Az => "the variables AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    }
}

fn error_chain(error: &Error) -> impl Iterator<Item = String> {
    let first: &dyn std::error::Error = error;
    std::iter::successors(Some(first), |error| error.source()).map(ToString::to_string)
}

/// The innermost cause, which names no address; of an answer its status and code alone.
fn safe_error_text(error: &Error) -> String {
    let text = error_chain(error).last().unwrap_or_default();
    let words = match text.split_once("status code: ") {
        Some((_, answer)) => {
            let status = answer.split(':').next().unwrap_or_default();
            let code = answer
                .split_once("<Code>")
                .and_then(|(_, rest)| rest.split_once("</Code>"));
            code.map_or_else(|| status.to_owned(), |(code, _)| format!("{status}, {code}"))
        }
        None => text,
    };
    let printable = words
        .chars()
        .map(|next| if next.is_control() { ' ' } else { next });
    printable.take(MAX_ERROR_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic_error(text: &str) -> Error {
        Error::Generic {
            store: "S3",
            source: text.to_owned().into(),
        }
    }

    #[test]
    fn an_error_shows_status_and_code_but_never_the_response_body() {
        let text = "Server returned non-2xx status code: 400 Bad Request: <Error><Code>ExpiredToken</Code><Message>The \
                    token has expired.</Message><Token-0>s3cret</Token-0></Error>";
        let said = describe_error(ObjectStoreProvider::S3, &generic_error(text));
        assert!(said.starts_with("400 Bad Request, ExpiredToken; check"), "{said}");
        let plain = "Server returned non-2xx status code: 400 Bad Request: {\"assertion\": \"s3cret\"}";
        let said = describe_error(ObjectStoreProvider::Gs, &generic_error(plain));
        assert!(said.starts_with("400 Bad Request; check"), "{said}");
    }

    #[test]
    fn errors_say_how_to_fix_them() {
        let source = || "status code: 403 Forbidden: <Code>AccessDenied</Code>".into();
        let path = String::new;
        for (error, words) in [
            (
                Error::PermissionDenied {
                    path: path(),
                    source: source(),
                },
                "(403 Forbidden, AccessDenied); they come from the variables AZURE_",
            ),
            (
                Error::NotFound {
                    path: path(),
                    source: "status code: 404 Not Found: <Code>ContainerNotFound</Code>".into(),
                },
                "there is no such bucket (404 Not Found, ContainerNotFound)",
            ),
            (
                generic_error("status code: 501 Not Implemented: "),
                "If-None-Match",
            ),
        ] {
            let said = describe_error(ObjectStoreProvider::Az, &error);
            assert!(said.contains(words), "{said}");
        }
    }
}
