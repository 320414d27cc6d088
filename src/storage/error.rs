//! Describes errors of object stores, with fixes.
//!
//! Responses of object stores may contain a token, and URLs may contain a signature. segctl prints only the harmless parts.

use super::NO_CONDITIONAL_WRITES;
use crate::model::ObjectStoreProvider;
use object_store::Error;

const MAX_ERROR_CHARS: usize = 200;

pub(super) fn describe_error(provider: ObjectStoreProvider, error: &Error) -> String {
    let text = safe_error_text(error);
    match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => format!(
            "the object store rejects the credentials ({text}); check {}, and that they allow reading, writing, deleting \
             and listing",
            setup_variables(provider)
        ),
        Error::NotFound { .. } => {
            format!("the bucket does not exist ({text}); create it, or correct its URL in segctl.yaml")
        }
        _ if lacks_conditional_writes(error) => NO_CONDITIONAL_WRITES.to_owned(),
        _ => format!("{text}; check the network and {}", setup_variables(provider)),
    }
}

pub(super) fn describe_setup_error(provider: ObjectStoreProvider, error: &Error) -> String {
    format!("{}; check {}", safe_error_text(error), setup_variables(provider))
}

pub(super) fn lacks_conditional_writes(error: &Error) -> bool {
    matches!(error, Error::NotImplemented { .. } | Error::NotSupported { .. })
        || error_chain(error).any(|text| text.contains("status code: 501"))
}

/// Whether the bucket is missing, not only the object.
pub(super) fn is_bucket_missing(error: &Error) -> bool {
    let names = ["NoSuchBucket", "ContainerNotFound"];
    error_chain(error).any(|text| names.iter().any(|name| text.contains(name)))
}

fn setup_variables(provider: ObjectStoreProvider) -> &'static str {
    match provider {
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

/// The innermost cause, which contains no URL; of a response only its status and code.
fn safe_error_text(error: &Error) -> String {
    let text = error_chain(error).last().unwrap_or_default();
    let text = match text.split_once("status code: ") {
        Some((_, answer)) => {
            let status = answer.split(':').next().unwrap_or_default();
            let code = answer
                .split_once("<Code>")
                .and_then(|(_, rest)| rest.split_once("</Code>"));
            code.map_or_else(|| status.to_owned(), |(code, _)| format!("{status}, {code}"))
        }
        None => text,
    };
    let printable = text
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
        let message = describe_error(ObjectStoreProvider::S3, &generic_error(text));
        assert!(
            message.starts_with("400 Bad Request, ExpiredToken; check"),
            "{message}"
        );
        let plain = "Server returned non-2xx status code: 400 Bad Request: {\"assertion\": \"s3cret\"}";
        let message = describe_error(ObjectStoreProvider::Gs, &generic_error(plain));
        assert!(message.starts_with("400 Bad Request; check"), "{message}");
    }

    #[test]
    fn errors_say_how_to_fix_them() {
        let source = || "status code: 403 Forbidden: <Code>AccessDenied</Code>".into();
        let path = String::new;
        for (error, part) in [
            (
                Error::PermissionDenied {
                    path: path(),
                    source: source(),
                },
                "(403 Forbidden, AccessDenied); check the variables AZURE_",
            ),
            (
                Error::NotFound {
                    path: path(),
                    source: "status code: 404 Not Found: <Code>ContainerNotFound</Code>".into(),
                },
                "the bucket does not exist (404 Not Found, ContainerNotFound)",
            ),
            (
                generic_error("status code: 501 Not Implemented: "),
                "If-None-Match",
            ),
        ] {
            let message = describe_error(ObjectStoreProvider::Az, &error);
            assert!(message.contains(part), "{message}");
        }
    }
}
