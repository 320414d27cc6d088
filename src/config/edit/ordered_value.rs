//! What is to be written: JSON whose fields stand in the order that a reader expects.

use serde_json::Value;

/// The order of fields; others follow in the order of the alphabet.
const FIELD_ORDER: [&str; 44] = [
    "filter_type",
    "id",
    "name",
    "lifecycle",
    "protect",
    "included_filters",
    "excluded_filters",
    "action_name",
    "attribute_name",
    "project_name",
    "category",
    "data_type",
    "executed",
    "execution",
    "aggregation_type",
    "operator_type",
    "percent_of_times",
    "percent_of_users",
    "operator",
    "type",
    "extract_type",
    "value_type",
    "value",
    "value1",
    "radius",
    "days",
    "days1",
    "from",
    "to",
    "count",
    "period_unit",
    "case_sensitive",
    "negate",
    "array_filter_type",
    "is_dynamic_value",
    "comparator",
    "base_time_range",
    "primary_time_range",
    "psychographic_attributes",
    "attributes",
    "aggregation_attributes",
    "filter_operator",
    "filters",
    "raw",
];

/// Lists of values up to this many characters stand on one line.
const LIST_WIDTH_LIMIT: usize = 80;
/// Maps of plain fields likewise.
const MAP_WIDTH_LIMIT: usize = 96;

/// A value to be written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum OrderedValue {
    /// Text, number, boolean or null.
    Scalar(Value),
    /// A list.
    List(Vec<Self>),
    /// Fields in the order in which they are written.
    Map(Vec<(String, Self)>),
}

impl OrderedValue {
    /// JSON as it stands, its fields put in order.
    pub(super) fn from_json(value: &Value) -> Self {
        match value {
            Value::Array(items) => Self::List(items.iter().map(Self::from_json).collect()),
            Value::Object(fields) => Self::map(
                fields
                    .iter()
                    .map(|(key, value)| (key.clone(), Self::from_json(value))),
            ),
            scalar => Self::Scalar(scalar.clone()),
        }
    }

    /// A map with its fields put in order.
    pub(super) fn map(fields: impl IntoIterator<Item = (String, Self)>) -> Self {
        let mut fields: Vec<_> = fields.into_iter().collect();
        fields.sort_by(|(left, _), (right, _)| (field_rank(left), left).cmp(&(field_rank(right), right)));
        Self::Map(fields)
    }

    /// A text.
    pub(super) fn text(text: &str) -> Self {
        Self::Scalar(text.into())
    }

    /// The value of a field.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.fields()
            .iter()
            .find(|(found, _)| found == key)
            .map(|(_, value)| value)
    }

    /// The fields; none of what is no map.
    pub(super) fn fields(&self) -> &[(String, Self)] {
        match self {
            Self::Map(fields) => fields,
            _ => &[],
        }
    }

    /// The items; none of what is no list.
    pub(super) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// Whether it reads well on one line: values, short lists of values, and short maps of these.
    pub(super) fn fits_on_one_line(&self) -> bool {
        match self {
            Self::Scalar(_) => true,
            Self::List(items) => {
                items.iter().all(|item| matches!(item, Self::Scalar(_))) && self.width() <= LIST_WIDTH_LIMIT
            }
            Self::Map(fields) => {
                let is_plain = |(_, value): &(String, Self)| match value {
                    Self::Scalar(_) => true,
                    Self::List(_) => value.fits_on_one_line(),
                    Self::Map(fields) => fields.is_empty(),
                };
                fields.iter().all(is_plain) && self.width() <= MAP_WIDTH_LIMIT
            }
        }
    }

    /// Characters on one line, about.
    fn width(&self) -> usize {
        match self {
            Self::Scalar(Value::String(text)) => text.chars().count(),
            Self::Scalar(value) => value.to_string().len(),
            Self::List(items) => items.iter().map(|item| item.width() + 2).sum(),
            Self::Map(fields) => fields
                .iter()
                .map(|(key, value)| key.chars().count() + value.width() + 4)
                .sum(),
        }
    }
}

fn field_rank(key: &str) -> usize {
    FIELD_ORDER
        .iter()
        .position(|known| *known == key)
        .unwrap_or(FIELD_ORDER.len())
}
