//! The vocabulary: names, ids, filters, values, windows, references, segment kinds.
//!
//! No I/O, no YAML and no API JSON; the stages that use it import it and it imports none of them. The filter
//! vocabulary is the API's own, as closed enums: what the API refuses by form cannot be built. What depends on
//! other fields or other segments is checked by the rules of `config`.

mod attribute;
mod callback;
mod contents;
mod datetime;
mod endpoint;
mod event;
mod filter;
mod hexadecimal;
mod identity;
mod keyword;
mod members;
mod number;
mod pattern;
mod place;
mod policy;
mod printable;
mod segment;

pub use attribute::{
    ArrayMatching, ArrayStringTest, ArrayTextOperator, AttributeFilter, AttributeGroup, BoolTest, Condition,
    DataType, DoubleTest, Operand, StringTest, TextListOperator, TextOperator,
};
pub use callback::{Callback, Processed, UploadId};
pub use contents::{Cohort, Contents, Identifier, IdentifierType, Members, Upload, Users};
pub use datetime::{
    DateComparison, DateValue, DatetimeOperator, DatetimeTest, ExtractType, Moment, Moments, ValueType,
};
pub use endpoint::{CallRecord, EndpointClass};
pub use event::{
    Affinity, AffinityAttribute, AffinityFilter, AffinityTest, AffinityTextOperator, AffinityType,
    Aggregation, AggregationTest, AggregationType, BaseWindow, Comparator, Comparison, EventFilter,
    Execution, ExecutionType, PeriodUnit, Window, WindowType,
};
pub use filter::{Definition, Filter, FilterType, Group, GroupOperator, Reference};
pub use hexadecimal::{hexadecimal, is_hexadecimal};
pub use identity::{ALL_USERS_ID, SegmentId, SegmentName};
pub use keyword::Keyword;
pub(crate) use keyword::keywords;
pub use members::{CohortKey, ListDigest, Listing, MemberChange, UserChange, UserList};
pub use number::Number;
pub use pattern::{NamePattern, PatternError};
pub use place::{LedgerPlace, ObjectPlace, ObjectService, PublishPlace, is_http_on_this_machine};
pub use policy::{Adoption, Behaviour, Guards, Policy};
pub use printable::{is_hidden, printable, without_queries};
pub use segment::{
    DeclaredSegment, Lifecycle, LiveKind, LiveSegment, Observed, Origin, Payload, SegmentKind,
};
