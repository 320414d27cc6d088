//! Cycles in a graph of steps or of declared segments.

use petgraph::algo::tarjan_scc;
use petgraph::graphmap::{DiGraphMap, NodeTrait};

/// The groups of nodes that reach each other, sorted.
pub(super) fn cycles<N: NodeTrait>(edges: impl IntoIterator<Item = (N, N)>) -> Vec<Vec<N>> {
    let graph: DiGraphMap<N, ()> = edges.into_iter().collect();
    let mut cycles = tarjan_scc(&graph);
    cycles.retain(|cycle| cycle.len() > 1);
    cycles.iter_mut().for_each(|cycle| cycle.sort_unstable());
    cycles.sort_unstable();
    cycles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_are_found_among_chains() {
        let edges = [(0, 1), (1, 0), (2, 3), (3, 4), (5, 6), (6, 7), (7, 5), (7, 9)];
        assert_eq!(cycles(edges), [vec![0, 1], vec![5, 6, 7]]);
        assert_eq!(cycles::<u8>([]), Vec::<Vec<u8>>::new());
    }
}
