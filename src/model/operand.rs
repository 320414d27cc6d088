//! Values that conditions compare with.

#[derive(Clone, Debug, PartialEq)]
pub enum Operand<T> {
    Fixed(T),
    /// `{{MoeUserAttribute['…']}}`: the name of another attribute of the same type. User attributes only.
    Dynamic(String),
}
