//! schema placeholder
/// x
#[must_use]
pub fn segment() -> serde_json::Value {
    serde_json::Value::Null
}
/// x
#[must_use]
pub fn workspace() -> serde_json::Value {
    serde_json::Value::Null
}
/// x
#[must_use]
pub fn pretty(value: &serde_json::Value) -> String {
    value.to_string()
}
