//! A definition that is parsed when it is needed: JSON text of the state and the cache, or a segment file.
//!
//! Most definitions of a workspace are unchanged, and for those a plan needs their digests and references alone.

use super::digest::Digests;
use super::filter::Reference;
use super::nested_json::{json_from_file, require_file_nesting};
use super::payload::Payload;
use super::reference_summary::{ReferenceSummary, pairs};
use super::shared_text::SharedText;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::{fmt, mem};

/// Clones share what was parsed and computed.
#[derive(Clone)]
pub struct StoredDefinition(Arc<Forms>);

/// `text`, `payload` or `decode` is always set.
#[derive(Default)]
struct Forms {
    decode: Option<Box<dyn Fn() -> Option<Payload> + Send + Sync>>,
    text: OnceLock<DefinitionText>,
    payload: OnceLock<Payload>,
    facts: OnceLock<DefinitionFacts>,
    resolved: OnceLock<ResolvedDigests>,
}

/// The filters as JSON. The shape of a text that was read is checked.
#[derive(Clone, PartialEq)]
struct DefinitionText {
    included_filters: SharedText,
    excluded_filters: Option<SharedText>,
}

/// What a plan needs of every definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefinitionFacts {
    /// With names of declared segments and ids of others.
    pub digests: Digests,
    pub references: ReferenceSummary,
}

/// The digests while the references have these identities, so that few definitions with references are parsed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolvedDigests {
    /// As the canonical form contains them.
    #[serde(with = "pairs")]
    pub identities: BTreeMap<Reference, String>,
    pub digests: Digests,
}

impl StoredDefinition {
    /// The definition of a segment file, which `decode` reads again. `None` counts as a definition without filters.
    pub fn of_file(decode: impl Fn() -> Option<Payload> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Forms {
            decode: Some(Box::new(decode)),
            ..Forms::default()
        }))
    }

    /// A definition whose facts are known.
    #[must_use]
    pub fn with_facts(self, facts: DefinitionFacts) -> Self {
        self.0.facts.get_or_init(|| facts);
        self
    }

    /// The facts, which `compute` computes unless they are known.
    pub fn facts_or(&self, compute: impl FnOnce(&Payload) -> DefinitionFacts) -> &DefinitionFacts {
        self.0.facts.get_or_init(|| compute(self.payload()))
    }

    #[must_use]
    pub fn with_resolved_digests(self, resolved: ResolvedDigests) -> Self {
        self.0.resolved.get_or_init(|| resolved);
        self
    }

    /// The first digests that were computed for this definition.
    pub fn resolved_digests_or(&self, compute: impl FnOnce() -> ResolvedDigests) -> &ResolvedDigests {
        self.0.resolved.get_or_init(compute)
    }

    #[must_use]
    pub fn known_resolved_digests(&self) -> Option<&ResolvedDigests> {
        self.0.resolved.get()
    }

    /// Becomes a clone of a definition with the same text, which gets the facts of this one.
    pub fn share(&mut self, other: &Self) {
        let texts = self.0.text.get().zip(other.0.text.get());
        if !texts.is_some_and(|(own, other)| own == other) {
            return;
        }
        let own = mem::replace(self, other.clone());
        if let Some(forms) = Arc::into_inner(own.0) {
            if let Some(facts) = forms.facts.into_inner() {
                other.0.facts.get_or_init(|| facts);
            }
            if let Some(resolved) = forms.resolved.into_inner() {
                other.0.resolved.get_or_init(|| resolved);
            }
        }
    }

    #[must_use]
    pub fn payload(&self) -> &Payload {
        self.0.payload.get_or_init(|| {
            let text = self.0.text.get().map(DefinitionText::parse);
            let decode = || self.0.decode.as_ref().and_then(|decode| decode());
            text.or_else(decode).unwrap_or(Payload {
                included_filters: Value::Null,
                excluded_filters: None,
            })
        })
    }

    /// The same as text alone, which needs a tenth of the memory.
    #[must_use]
    pub fn as_text(&self) -> Self {
        let text = self.0.text.get().cloned();
        text.unwrap_or_else(|| DefinitionText::of(self.payload())).into()
    }
}

impl DefinitionText {
    fn of(payload: &Payload) -> Self {
        Self {
            included_filters: payload.included_filters.to_string().into(),
            excluded_filters: payload
                .excluded_filters
                .as_ref()
                .map(|filters| filters.to_string().into()),
        }
    }

    fn parse(&self) -> Payload {
        // What is left to go wrong is a number out of range, which segctl never writes.
        let parse = |text: &SharedText| json_from_file(text).unwrap_or(Value::Null);
        Payload {
            included_filters: parse(&self.included_filters),
            excluded_filters: self.excluded_filters.as_ref().map(parse),
        }
    }
}

impl From<DefinitionText> for StoredDefinition {
    fn from(text: DefinitionText) -> Self {
        let forms = Forms::default();
        forms.text.get_or_init(|| text);
        Self(Arc::new(forms))
    }
}

impl From<Payload> for StoredDefinition {
    fn from(payload: Payload) -> Self {
        let forms = Forms::default();
        forms.payload.get_or_init(|| payload);
        Self(Arc::new(forms))
    }
}

impl Deref for StoredDefinition {
    type Target = Payload;

    fn deref(&self) -> &Payload {
        self.payload()
    }
}

impl PartialEq for StoredDefinition {
    fn eq(&self, other: &Self) -> bool {
        let texts = self.0.text.get().zip(other.0.text.get());
        Arc::ptr_eq(&self.0, &other.0)
            || texts.is_some_and(|(one, other)| one == other)
            || self.payload() == other.payload()
    }
}

impl Eq for StoredDefinition {}

impl PartialEq<Payload> for StoredDefinition {
    fn eq(&self, other: &Payload) -> bool {
        self.payload() == other
    }
}

impl fmt::Debug for StoredDefinition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.payload().fmt(formatter)
    }
}

impl Serialize for StoredDefinition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(text) = self.0.text.get() else {
            return self.payload().serialize(serializer);
        };
        let raw = |text| serde_json::from_str(text).map_err(S::Error::custom);
        let excluded_filters = text.excluded_filters.as_deref().map(raw).transpose()?;
        let raw = RawPayload {
            included_filters: raw(&text.included_filters)?,
            excluded_filters,
        };
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StoredDefinition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawPayload::deserialize(deserializer)?;
        let text = |raw: &RawValue| {
            require_file_nesting(raw.get()).map_err(D::Error::custom)?;
            Ok(SharedText::of(raw.get()))
        };
        Ok(Self::from(DefinitionText {
            included_filters: text(raw.included_filters)?,
            excluded_filters: raw.excluded_filters.map(text).transpose()?,
        }))
    }
}

/// A [`Payload`] as text. A text of another shape must not become a definition without filters.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPayload<'a> {
    #[serde(borrow)]
    included_filters: &'a RawValue,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    excluded_filters: Option<&'a RawValue>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_share_one_definition_and_its_facts() {
        let read = |amount: u32| {
            let text = format!(r#"{{"included_filters": {{"value": {amount}}}}}"#);
            json_from_file::<StoredDefinition>(&text).unwrap()
        };
        let (written, mut other, mut same) = (read(1), read(2), read(1));
        let facts = same.facts().clone();
        other.share(&written);
        assert!(!Arc::ptr_eq(&other.0, &written.0));
        assert!(written.0.facts.get().is_none());
        same.share(&written);
        assert!(Arc::ptr_eq(&same.0, &written.0));
        assert_eq!(written.0.facts.get(), Some(&facts));
    }

    #[test]
    fn a_text_of_another_shape_is_an_error_when_it_is_read() {
        let nested = |levels: usize| {
            let (open, close) = ("[".repeat(levels), "]".repeat(levels));
            format!(r#"{{"included_filters": {open}{close}}}"#)
        };
        let table = [
            (r#"{"included_filters": {}}"#.to_owned(), true),
            (
                r#"{"included_filters": {}, "excluded_filters": null}"#.to_owned(),
                true,
            ),
            (nested(200), true),
            (nested(400), false),
            ("{}".to_owned(), false),
            ("[]".to_owned(), false),
            ("null".to_owned(), false),
            (r#"{"included_filters": {}, "filters": []}"#.to_owned(), false),
        ];
        for (text, is_definition) in table {
            let read = json_from_file::<StoredDefinition>(&text);
            assert_eq!(read.is_ok(), is_definition, "{text}");
        }
    }
}
