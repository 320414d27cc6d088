//! The vocabulary: names, ids, filters, values, windows, references, segment kinds.
//!
//! No I/O, no YAML and no API JSON; the stages that use it import it and it imports none of them. The filter
//! vocabulary is the API's own, as closed enums: what the API refuses by form cannot be built. What depends on
//! other fields or other segments is checked by the rules of `config`.

mod attribute;
mod contents;
mod datetime;
mod endpoint_class;
mod escape;
mod event;
mod filter;
mod hexadecimal;
mod identity;
mod keyword;
mod member_list;
mod number;
mod pattern;
mod policy;
mod segment;
mod storage_url;
mod upload_result;

pub use attribute::{
    ArrayMatching, ArrayStringTest, ArrayTextOperator, AttributeFilter, AttributeGroup, BoolTest, Condition,
    DataType, DoubleTest, Operand, StringTest, TextListOperator, TextOperator,
};
pub use contents::{Cohort, Contents, FileSegment, Identifier, IdentifierType, MemberSource, UserListSource};
pub use datetime::{
    DateComparison, DateValue, DatetimeOperator, DatetimeTest, ExtractType, Moment, MomentRange, ValueType,
};
pub use endpoint_class::{EndpointClass, RequestRecord};
pub use escape::{escape_unprintable, is_unprintable, redact_query_strings};
pub use event::{
    Affinity, AffinityAttribute, AffinityFilter, AffinityTest, AffinityTextOperator, AffinityType,
    Aggregation, AggregationTest, AggregationType, BaseTimeRange, Comparator, EventFilter, Execution,
    ExecutionType, PeriodComparison, PeriodUnit, TimeRange, TimeRangeType,
};
pub use filter::{Definition, Filter, FilterType, Group, GroupOperator, Reference};
pub use hexadecimal::{hexadecimal, is_hexadecimal};
pub use identity::{ALL_USERS_ID, SegmentId, SegmentName};
pub use keyword::Keyword;
pub(crate) use keyword::keywords;
pub use member_list::{CohortKey, ListDigest, ListSummary, MemberChange, UserChange, UserListFingerprint};
pub use number::Number;
pub use pattern::{NamePattern, PatternError};
pub use policy::{Adoption, ApiBehavior, Guards, Policy};
pub use segment::{
    DeclaredSegment, Lifecycle, ObservedSegment, ObservedWorkspace, Origin, Payload, RemoteKind, SegmentKind,
};
pub use storage_url::{
    ObjectStoreProvider, ObjectStoreUrl, PublishLocation, StateLocation, is_loopback_http,
};
pub use upload_result::{UploadCounts, UploadId, UploadResult};
