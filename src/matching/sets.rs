//! What hangs together.

/// Numbers that are joined into sets.
pub(super) struct Sets(Vec<usize>);

impl Sets {
    /// So many numbers, each alone.
    pub(super) fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    /// The least number of the set.
    pub(super) fn root(&mut self, mut at: usize) -> usize {
        while let Some(&above) = self.0.get(at).filter(|&&above| above != at) {
            let higher = self.0.get(above).copied().unwrap_or(above);
            if let Some(slot) = self.0.get_mut(at) {
                *slot = higher;
            }
            at = above;
        }
        at
    }

    pub(super) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        // The smaller number is the root, so that the order of joining means nothing.
        if let Some(slot) = self.0.get_mut(a.max(b)) {
            *slot = a.min(b);
        }
    }
}

/// No number.
const NONE: usize = usize::MAX;

/// For each node of a graph a number that it shares with those, and only those, that it is on a circle with; by the
/// method of Tarjan (1972).
#[expect(clippy::indexing_slicing, reason = "all indices are numbers of nodes")]
pub(super) fn circles(next: &[Vec<usize>]) -> Vec<usize> {
    let (mut seen, mut low, mut circle) =
        (vec![NONE; next.len()], vec![NONE; next.len()], vec![NONE; next.len()]);
    let (mut open, mut count) = (Vec::new(), 0);
    for root in 0..next.len() {
        let mut calls = if seen[root] == NONE { vec![(root, 0)] } else { Vec::new() };
        while let Some((node, edge)) = calls.last_mut() {
            let node = *node;
            if seen[node] == NONE {
                (seen[node], low[node]) = (count, count);
                count += 1;
                open.push(node);
            }
            if let Some(&other) = next[node].get(*edge) {
                *edge += 1;
                if seen[other] == NONE {
                    calls.push((other, 0));
                } else if circle[other] == NONE {
                    low[node] = low[node].min(seen[other]);
                }
                continue;
            }
            calls.pop();
            if let Some(&(caller, _)) = calls.last() {
                low[caller] = low[caller].min(low[node]);
            }
            while low[node] == seen[node] && circle[node] == NONE {
                if let Some(member) = open.pop() {
                    circle[member] = node;
                }
            }
        }
    }
    circle
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nodes_are_on_a_circle_where_each_leads_to_the_other(
            edges in proptest::collection::vec((0_usize..7, 0_usize..7), 0..16),
        ) {
            let mut next = vec![Vec::new(); 7];
            let mut leads = [[false; 7]; 7];
            for &(from, to) in &edges {
                next[from].push(to);
                leads[from][to] = true;
            }
            for (via, from, to) in (0..7).flat_map(|a| (0..7).flat_map(move |b| (0..7).map(move |c| (a, b, c)))) {
                leads[from][to] |= leads[from][via] && leads[via][to];
            }
            let found = circles(&next);
            for (a, b) in (0..7).flat_map(|a| (0..7).map(move |b| (a, b))) {
                prop_assert_eq!(found[a] == found[b], a == b || (leads[a][b] && leads[b][a]));
            }
        }
    }
}
