//! The vocabulary of all stages: names, ids, filters, values, time ranges, references and segment kinds.
//!
//! It contains no I/O, no YAML and no API JSON, and imports no other stage. The filter vocabulary is the API's own, as
//! closed enums, so that a filter of invalid form cannot be built. The rules of `config` check what depends on other
//! fields or segments.

mod answer_text;
mod attribute;
mod contents;
mod credential;
mod datetime;
mod digest;
mod endpoint_class;
mod endpoint_url;
mod escape;
mod event;
mod filter;
mod freshness;
mod group_operator;
mod hexadecimal;
mod home_path;
mod identity;
mod invisible;
mod keyword;
mod look_alike;
mod member_list;
mod nested_json;
mod number;
mod operand;
mod pattern;
mod payload;
mod policy;
mod reference_summary;
mod segment;
mod segment_kind;
mod shared_text;
mod storage_url;
mod stored_definition;
mod suggest;
mod upload_result;

pub use answer_text::answer_text;
pub use attribute::{
    ArrayMatching, ArrayStringTest, ArrayTextOperator, AttributeFilter, AttributeGroup, BoolTest, Condition,
    DataType, DoubleTest, StringTest, TextListOperator, TextOperator,
};
pub use contents::{
    Cohort, Contents, DeclaredDefinition, FileSegment, Identifier, IdentifierType, MemberSource,
    UserListSource,
};
pub use credential::credential_problem;
pub use datetime::{
    DateComparison, DateValue, DatetimeOperator, DatetimeTest, ExtractType, Moment, MomentRange, ValueType,
};
pub use digest::{Digest, Digests};
pub use endpoint_class::{EndpointClass, RequestRecord};
pub use endpoint_url::{EndpointError, EndpointUrl, is_loopback_http};
pub use escape::{escape_unprintable, is_unprintable, redact_query_strings};
pub use event::{
    Affinity, AffinityAttribute, AffinityFilter, AffinityTest, AffinityTextOperator, AffinityType,
    Aggregation, AggregationTest, AggregationType, BaseTimeRange, Comparator, EventFilter, Execution,
    ExecutionType, PeriodComparison, PeriodUnit, TimeRange, TimeRangeType,
};
pub use filter::{Definition, Filter, FilterType, Group, Reference};
pub use freshness::{Freshness, ManagedFreshness};
pub use group_operator::GroupOperator;
pub use hexadecimal::{hexadecimal, is_hexadecimal};
pub use home_path::{below_home, is_home_of_other};
pub use identity::{ALL_USERS_ID, SegmentId, SegmentName};
pub use invisible::{invisible_characters, is_blank, trim_invisible};
pub use keyword::Keyword;
pub(crate) use keyword::keywords;
pub use look_alike::LookAlikeKey;
pub use member_list::{CohortKey, ListDigest, ListSummary, MemberChange, UserChange, UserListFingerprint};
pub use nested_json::{is_whole_object, json_from_answer, json_from_file};
pub use number::Number;
pub use operand::Operand;
pub use pattern::{NamePattern, PatternError};
pub use payload::Payload;
pub use policy::{Adoption, ApiBehavior, Guards, ListedKinds, Policy, RequestContentType};
pub use reference_summary::{ReferenceSummary, ReferenceUsage};
pub use segment::{
    DeclaredSegment, Lifecycle, ObservedSegment, ObservedWorkspace, Origin, RemoteKind, ShownKinds,
    UnreadableRow,
};
pub use segment_kind::SegmentKind;
pub use shared_text::decode_shared;
pub use storage_url::{ObjectStoreProvider, ObjectStoreUrl, PublishLocation, StateLocation};
pub use stored_definition::{DefinitionFacts, ResolvedDigests, StoredDefinition};
pub use suggest::did_you_mean;
pub use upload_result::{UploadCounts, UploadId, UploadResult};
