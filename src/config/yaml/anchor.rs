//! What the tree builder keeps about anchors and about the cost of expanding their aliases.

use super::{Node, Yaml};

pub(super) enum AnchorTarget {
    /// The child indexes from the root of the document. A path costs less than a copy of the value.
    Path(Box<[usize]>),
    /// The value is, or is part of, something that was rejected.
    Invalid,
    /// Keys are not nodes of the tree.
    Key,
}

#[derive(Clone, Copy, Default)]
pub(super) struct ExpansionCost {
    pub(super) nodes: usize,
    /// Bytes.
    pub(super) text: usize,
    pub(super) depth: usize,
}

impl ExpansionCost {
    /// The recursion ends at `NESTING_LIMIT`, which every tree respects.
    pub(super) fn of(node: &Node) -> Self {
        let add = |cost: Self, child: &Node| cost.plus(Self::of(child));
        let mut cost = match &node.value {
            Yaml::Scalar(scalar) => {
                return Self {
                    nodes: 1,
                    text: scalar.text.len(),
                    depth: 0,
                };
            }
            Yaml::List(items) => items.iter().fold(Self::default(), add),
            Yaml::Map(entries) => {
                let mut cost = entries.iter().map(|(_, child)| child).fold(Self::default(), add);
                cost.text += entries.iter().map(|(key, _)| key.text.len()).sum::<usize>();
                cost
            }
            Yaml::Invalid => Self::default(),
        };
        cost.nodes += 1;
        cost.depth += 1;
        cost
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            nodes: self.nodes + other.nodes,
            text: self.text + other.text,
            depth: self.depth.max(other.depth),
        }
    }
}
