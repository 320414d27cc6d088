//! Digests of definitions: equal digests mean equal audiences, as far as form can tell.
//!
//! A digest is the lower-case hexadecimal SHA-256 of the RFC 8785 canonical JSON of a definition in normal
//! form. `sha256(canonical({"included_filters": …, "excluded_filters": …}))` is all there is to it, so
//! anybody can compute one from the normal form's specification. The literals in the tests are part of the
//! format: ledgers and saved plans hold digests, so a change of the normal form is a change of format.

use super::normal::{self, Identities};
use crate::model::Payload;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The SHA-256 of a definition's normal form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(String);

impl Digest {
    /// 64 lower-case hexadecimal characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of(form: &Value) -> Self {
        Self(
            Sha256::digest(canonical(form).as_bytes())
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        )
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Both digests of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests {
    /// Of the exact normal form: equal means that the service certainly sees a duplicate.
    pub exact: Digest,
    /// Of the unordered normal form: equal means that it likely does.
    pub unordered: Digest,
}

impl Digests {
    /// The digests of `payload`.
    #[must_use]
    pub fn of(payload: &Payload, identities: &Identities) -> Self {
        Self::of_exact_form(&normal::exact(payload, identities))
    }

    /// The digests of a definition in exact normal form.
    #[must_use]
    pub fn of_exact_form(form: &Value) -> Self {
        Self {
            exact: Digest::of(form),
            unordered: Digest::of(&normal::unordered(form)),
        }
    }
}

/// RFC 8785 canonical JSON.
pub(super) fn canonical(value: &Value) -> String {
    // Canonicalisation refuses only numbers that are not finite, which a JSON value cannot hold; should it
    // ever fail, plain JSON is a text as stable as the value itself.
    serde_json_canonicalizer::to_string(value).unwrap_or_else(|_| value.to_string())
}
