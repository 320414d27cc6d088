//! JSON to write, with its fields in the order that readers expect.

use serde_json::{Map, Value};

/// Other fields follow in alphabetical order.
const FIELD_ORDER: [&str; 45] = [
    "filter_type",
    "id",
    "name",
    "lifecycle",
    "protect",
    "included_filters",
    "excluded_filters",
    "action_name",
    "attribute",
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

/// In characters: shorter lists are on one line.
const LIST_WIDTH_LIMIT: usize = 80;
/// In characters: shorter maps of plain fields are on one line.
const MAP_WIDTH_LIMIT: usize = 96;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum OrderedValue {
    Scalar(Value),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

impl OrderedValue {
    pub(super) fn from_json(value: &Value) -> Self {
        match value {
            Value::Array(items) => Self::List(items.iter().map(Self::from_json).collect()),
            Value::Object(fields) => Self::from_fields(fields),
            scalar => Self::Scalar(scalar.clone()),
        }
    }

    pub(super) fn from_fields(fields: &Map<String, Value>) -> Self {
        let value = |(key, value): (&String, &Value)| (key.clone(), Self::from_json(value));
        Self::map(fields.iter().map(value))
    }

    pub(super) fn map(fields: impl IntoIterator<Item = (String, Self)>) -> Self {
        let mut fields: Vec<_> = fields.into_iter().collect();
        fields.sort_by(|(left, _), (right, _)| (field_rank(left), left).cmp(&(field_rank(right), right)));
        Self::Map(fields)
    }

    pub(super) fn text(text: &str) -> Self {
        Self::Scalar(text.into())
    }

    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let mut fields = self.fields().iter();
        fields.find(|(found, _)| found == key).map(|(_, value)| value)
    }

    pub(super) fn fields(&self) -> &[(String, Self)] {
        match self {
            Self::Map(fields) => fields,
            _ => &[],
        }
    }

    /// A scalar, a short list of scalars, or a short map of these.
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

    /// The approximate number of characters on one line.
    fn width(&self) -> usize {
        match self {
            Self::Scalar(Value::String(text)) => text.chars().count(),
            Self::Scalar(value) => value.to_string().len(),
            Self::List(items) => items.iter().map(|item| item.width() + 2).sum(),
            Self::Map(fields) => {
                let width = |(key, value): &(String, Self)| key.chars().count() + value.width() + 4;
                fields.iter().map(width).sum()
            }
        }
    }
}

fn field_rank(key: &str) -> usize {
    let rank = FIELD_ORDER.iter().position(|known| *known == key);
    rank.unwrap_or(FIELD_ORDER.len())
}
