//! How the filters of a group combine.

super::keyword::keywords! {
    pub enum GroupOperator("group operator") {
        And = "and",
        Or = "or",
    }
}
