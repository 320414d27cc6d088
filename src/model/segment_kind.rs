//! What a segment's members come from.

super::keyword::keywords! {
    pub enum SegmentKind("kind") {
        Filter = "filter",
        File = "file",
        Cohort = "cohort",
    }
}
