//! Reads the fields of a JSON object. Errors start with the path of the field.

use serde_json::{Map, Value};

pub(super) struct ObjectReader<'a> {
    path: String,
    fields: &'a Map<String, Value>,
}

impl<'a> ObjectReader<'a> {
    pub(super) fn new(value: &'a Value, path: &str) -> Result<Self, String> {
        match value {
            Value::Object(fields) => Ok(Self {
                path: path.to_owned(),
                fields,
            }),
            _ => Err(format!("{path}: must be an object")),
        }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn field_error(&self, key: &str, what: &str) -> String {
        format!("{}.{key}: {what}", self.path)
    }

    pub(super) fn allow_only(&self, known: &[&str]) -> Result<(), String> {
        match self.fields.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(self.field_error(key, "unknown field")),
            None => Ok(()),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.fields.get(key)
    }

    pub(super) fn require(&self, key: &str) -> Result<&'a Value, String> {
        self.get(key).ok_or_else(|| self.field_error(key, "missing"))
    }

    pub(super) fn text(&self, key: &str) -> Result<&'a str, String> {
        match self.require(key)? {
            Value::String(text) if !text.is_empty() => Ok(text),
            _ => Err(self.field_error(key, "must be a string that is not empty")),
        }
    }

    pub(super) fn optional_text(&self, key: &str) -> Result<(), String> {
        self.get(key).map_or(Ok(()), |_| self.text(key).map(|_| ()))
    }

    pub(super) fn keyword(&self, key: &str, keywords: &[&str]) -> Result<&'a str, String> {
        let text = self.text(key)?;
        if keywords.contains(&text) {
            Ok(text)
        } else {
            Err(self.field_error(key, &format!("must be one of {keywords:?}")))
        }
    }

    /// A boolean, by default false.
    pub(super) fn optional_bool(&self, key: &str) -> Result<bool, String> {
        self.bool_or(key, false)
    }

    pub(super) fn bool_or(&self, key: &str, default: bool) -> Result<bool, String> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => Err(self.field_error(key, "must be a boolean")),
        }
    }

    pub(super) fn number(&self, key: &str) -> Result<f64, String> {
        self.require(key)?
            .as_f64()
            .ok_or_else(|| self.field_error(key, "must be a number"))
    }

    pub(super) fn count(&self, key: &str, minimum: u64) -> Result<u64, String> {
        match self.require(key)?.as_u64() {
            Some(count) if count >= minimum => Ok(count),
            _ => Err(self.field_error(key, &format!("must be a whole number of at least {minimum}"))),
        }
    }

    pub(super) fn check_each(
        &self,
        key: &str,
        check: impl Fn(&'a Value, &str) -> Result<(), String>,
    ) -> Result<(), String> {
        let Value::Array(items) = self.require(key)? else {
            return Err(self.field_error(key, "must be a list"));
        };
        for (index, item) in items.iter().enumerate() {
            check(item, &format!("{}.{key}[{index}]", self.path))?;
        }
        Ok(())
    }

    pub(super) fn check_list(
        &self,
        key: &str,
        what: &str,
        is_valid: impl Fn(&Value) -> bool,
    ) -> Result<(), String> {
        match self.require(key)? {
            Value::Array(items) if !items.is_empty() && items.iter().all(is_valid) => Ok(()),
            _ => Err(self.field_error(key, &format!("must be a list of {what}"))),
        }
    }

    /// Requires the second end of a range to be greater than the first.
    pub(super) fn check_order<N: PartialOrd>(&self, keys: [&str; 2], ends: [N; 2]) -> Result<(), String> {
        let ([first_key, second_key], [first, second]) = (keys, ends);
        if first < second {
            Ok(())
        } else {
            Err(self.field_error(second_key, &format!("must be more than {first_key}")))
        }
    }

    pub(super) fn check_range(&self) -> Result<(), String> {
        self.check_order(
            ["value", "value1"],
            [self.number("value")?, self.number("value1")?],
        )
    }

    pub(super) fn child(&self, key: &str) -> Result<Self, String> {
        Self::new(self.require(key)?, &format!("{}.{key}", self.path))
    }
}
