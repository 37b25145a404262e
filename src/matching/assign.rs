//! The cheapest assignment of rows to columns, and whether it is the only one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::{Add, Sub};

/// Costs, the first component first; they add and subtract like numbers. The last component is a [`tag`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cost<const N: usize>(pub(super) [i128; N]);

impl<const N: usize> Cost<N> {
    const ZERO: Self = Self([0; N]);

    /// The same with the tag drawn to the other end.
    fn turned(self) -> Self {
        let mut parts = self.0;
        if let Some(tag) = parts.last_mut() {
            *tag = -*tag;
        }
        Self(parts)
    }

    fn with(self, other: Self, join: fn(i128, i128) -> i128) -> Self {
        let mut parts = self.0;
        for (part, other) in parts.iter_mut().zip(other.0) {
            *part = join(*part, other);
        }
        Self(parts)
    }
}

impl<const N: usize> Add for Cost<N> {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.with(other, i128::saturating_add)
    }
}

impl<const N: usize> Sub for Cost<N> {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.with(other, i128::saturating_sub)
    }
}

/// A column that a row can have, and what that costs.
pub(super) type Edge<const N: usize> = (usize, Cost<N>);

/// What came of weighing the assignments.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Assignment {
    /// The column of each row in the cheapest one.
    Columns(Vec<usize>),
    /// More than one is the cheapest.
    Undecidable,
    /// They were not weighed to the end.
    TooMany,
}

/// A number for a pair of classes of equals such that different sets of pairs have different sums, as far as chance
/// goes (2⁻⁶⁰). It depends on the classes alone, so that a swap of equals is no difference.
pub(super) fn tag(row: u64, column: u64) -> i128 {
    let mut x = (row << 32 | column).wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    i128::from((x ^ (x >> 31)) >> 4)
}

/// The cheapest assignment of every row to a column of its own, in at most `steps` looks at an edge. Each row must have
/// a column that no other needs. Solved twice, with the tags drawn to either end: the two agree only if no other
/// assignment is as cheap.
pub(super) fn only_cheapest<const N: usize>(
    mut edges: Vec<Vec<Edge<N>>>,
    columns: usize,
    mut steps: u64,
) -> Assignment {
    let total = |assignment: &[usize], edges: &[Vec<Edge<N>>]| {
        let cost = |(column, row): (&usize, &Vec<Edge<N>>)| {
            row.iter().find(|(other, _)| other == column).map(|(_, cost)| *cost)
        };
        assignment.iter().zip(edges).filter_map(cost).fold(Cost::ZERO, Add::add)
    };
    let Some(up) = cheapest(&edges, columns, &mut steps) else { return Assignment::TooMany };
    let most = total(&up, &edges);
    for (_, cost) in edges.iter_mut().flatten() {
        *cost = cost.turned();
    }
    let Some(down) = cheapest(&edges, columns, &mut steps) else { return Assignment::TooMany };
    if most == total(&down, &edges).turned() { Assignment::Columns(up) } else { Assignment::Undecidable }
}

/// No row, or no column yet.
const NONE: usize = usize::MAX;

/// The column of each row in the cheapest assignment of all rows: the Hungarian method by shortest augmenting paths
/// (Kuhn 1955, Munkres 1957), looking only at the edges there are. `None` where `steps` do not suffice.
#[expect(clippy::indexing_slicing, reason = "all indices run within the lengths set at the top")]
fn cheapest<const N: usize>(edges: &[Vec<Edge<N>>], columns: usize, steps: &mut u64) -> Option<Vec<usize>> {
    // Potentials keep all reduced costs ≥ 0.
    let mut row_potential = vec![Cost::<N>::ZERO; edges.len()];
    let mut column_potential = vec![Cost::<N>::ZERO; columns];
    let mut row_of = vec![NONE; columns];
    let mut column_of = vec![NONE; edges.len()];
    // By column: the shortest path to it from the row that is assigned, with the row before it.
    let mut reached: Vec<Option<(Cost<N>, usize)>> = vec![None; columns];
    let (mut touched, mut heap) = (Vec::new(), BinaryHeap::new());
    for row in 0..edges.len() {
        let least = edges[row].iter().map(|&(column, cost)| cost - column_potential[column]).min();
        row_potential[row] = least.unwrap_or(Cost::ZERO);
        let (mut from, mut so_far) = (row, Cost::ZERO);
        let mut done = Vec::new();
        let (length, mut column) = loop {
            *steps = steps.checked_sub(edges[from].len() as u64)?;
            for &(column, cost) in &edges[from] {
                let through = so_far + (cost - row_potential[from] - column_potential[column]);
                match &mut reached[column] {
                    Some((known, _)) if *known <= through => continue,
                    Some(known) => *known = (through, from),
                    new => {
                        *new = Some((through, from));
                        touched.push(column);
                    }
                }
                heap.push(Reverse((through, column)));
            }
            let (cost, column) = loop {
                let Reverse((cost, column)) = heap.pop()?;
                // Else a shorter way was found since.
                if reached[column].is_some_and(|(known, _)| known == cost) {
                    break (cost, column);
                }
            };
            if row_of[column] == NONE {
                break (cost, column);
            }
            done.push((cost, column));
            (from, so_far) = (row_of[column], cost);
        };
        row_potential[row] = row_potential[row] + length;
        for (cost, column) in done {
            row_potential[row_of[column]] = row_potential[row_of[column]] + (length - cost);
            column_potential[column] = column_potential[column] - (length - cost);
        }
        while let Some((_, before)) = reached[column] {
            let previous = std::mem::replace(&mut column_of[before], column);
            row_of[column] = before;
            if before == row {
                break;
            }
            column = previous;
        }
        touched.drain(..).for_each(|column| reached[column] = None);
        heap.clear();
    }
    Some(column_of)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]
    use proptest::prelude::*;

    use super::*;

    /// The costs of all assignments, each row with one of its edges.
    fn all(
        edges: &[Vec<Edge<3>>],
        taken: &mut Vec<bool>,
        row: usize,
        so_far: Cost<3>,
        found: &mut Vec<Cost<3>>,
    ) {
        let Some(this) = edges.get(row) else { return found.push(so_far) };
        for &(column, cost) in this {
            if !std::mem::replace(&mut taken[column], true) {
                all(edges, taken, row + 1, so_far + cost, found);
                taken[column] = false;
            }
        }
    }

    proptest! {
        #[test]
        fn the_assignment_is_the_cheapest_and_the_only_one(
            rows in 1_usize..5,
            extra in 0_usize..3,
            numbers in proptest::collection::vec((0_i128..3, 0_i128..8, proptest::bool::weighted(0.7)), 40),
        ) {
            let columns = rows + extra;
            // The last columns are each row's own, at a price that is paid only if need be.
            let edges: Vec<Vec<Edge<3>>> = (0..rows)
                .map(|row| {
                    let cost = |column: usize| {
                        let (a, b, is_there) = numbers[row * columns + column];
                        is_there.then_some((column, Cost([a, b, tag(row as u64, column as u64)])))
                    };
                    let own = (columns + row, Cost([9, 0, tag(row as u64, u64::MAX)]));
                    (0..columns).filter_map(cost).chain([own]).collect()
                })
                .collect();
            let mut every = Vec::new();
            all(&edges, &mut vec![false; columns + rows], 0, Cost::ZERO, &mut every);
            let untagged = |cost: &Cost<3>| [cost.0[0], cost.0[1]];
            let least = every.iter().map(untagged).min();
            let ways = every.iter().filter(|cost| Some(untagged(cost)) == least).count();
            match only_cheapest(edges.clone(), columns + rows, u64::MAX) {
                Assignment::Columns(found) => {
                    let cost = |(row, column): (usize, &usize)| {
                        edges[row].iter().find(|edge| edge.0 == *column).map_or(Cost::ZERO, |edge| edge.1)
                    };
                    let total = found.iter().enumerate().map(cost).fold(Cost::ZERO, Add::add);
                    prop_assert_eq!((Some(untagged(&total)), ways), (least, 1));
                    let mut distinct = found.clone();
                    distinct.sort_unstable();
                    distinct.dedup();
                    prop_assert_eq!(distinct.len(), rows);
                }
                other => prop_assert!(other == Assignment::Undecidable && ways > 1, "{:?} {}", other, ways),
            }
            prop_assert_eq!(only_cheapest(edges, columns + rows, 0), Assignment::TooMany);
        }
    }
}
