//! The cheapest assignment of rows to columns, and whether it is the only one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::{Add, Sub};

use super::sets::{Sets, circles};

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

    /// Whether it costs nothing, whatever the tag.
    fn is_nothing(self) -> bool {
        self.0.split_last().is_none_or(|(_, parts)| parts.iter().all(|part| *part == 0))
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
    /// They were weighed.
    Cheapest {
        /// The column of each row in the cheapest one; none for the rows of tangles.
        columns: Vec<Option<usize>>,
        /// What another one that is as cheap would assign otherwise.
        tangles: Vec<Tangle>,
    },
    /// They were not weighed to the end.
    TooMany,
}

/// Rows and columns that cheapest assignments bring together in more than one way.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tangle {
    pub(super) rows: Vec<usize>,
    pub(super) columns: Vec<usize>,
}

/// A number for a pair of classes of equals such that different sets of pairs have different sums, as far as chance
/// goes (2⁻⁶⁰). It depends on the classes alone, so that a swap of equals is no difference.
pub(super) fn tag(row: u64, column: u64) -> i128 {
    let mut x = (row << 32 | column).wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    i128::from((x ^ (x >> 31)) >> 4)
}

/// The cheapest assignment of every row to a column of its own, in at most `steps` looks at an edge, as far as there is
/// but one. Each row must have a column that no other needs.
///
/// It is solved twice, with the tags drawn to either end. Where the two disagree about the sum of tags, other assignments are as
/// cheap. All of them keep to edges that cost nothing beyond the potentials, and differ by circles of such edges, on which
/// rows pass their columns on: what is on no such circle is decided.
pub(super) fn only_cheapest<const N: usize>(
    mut edges: Vec<Vec<Edge<N>>>,
    columns: usize,
    mut steps: u64,
) -> Assignment {
    let Some(up) = cheapest(&edges, columns, &mut steps) else { return Assignment::TooMany };
    let up_costs = up.costs(&edges);
    for (_, cost) in edges.iter_mut().flatten() {
        *cost = cost.turned();
    }
    let Some(down) = cheapest(&edges, columns, &mut steps) else { return Assignment::TooMany };
    let down_costs: Vec<Cost<N>> = down.costs(&edges).into_iter().map(Cost::turned).collect();
    let sum = |costs: &[Cost<N>]| costs.iter().fold(Cost::ZERO, |sum, cost| sum + *cost);
    let tangles = if sum(&up_costs) == sum(&down_costs) {
        Vec::new()
    } else {
        down.tangles(&edges, &up_costs, &down_costs)
    };
    let mut columns: Vec<Option<usize>> = up.column_of.into_iter().map(Some).collect();
    for row in tangles.iter().flat_map(|tangle| &tangle.rows) {
        if let Some(column) = columns.get_mut(*row) {
            *column = None;
        }
    }
    Assignment::Cheapest { columns, tangles }
}

/// A cheapest assignment, and the potentials that prove it.
struct Solution<const N: usize> {
    column_of: Vec<usize>,
    row_of: Vec<usize>,
    /// Reduced by these, no edge costs less than nothing.
    row_potential: Vec<Cost<N>>,
    column_potential: Vec<Cost<N>>,
}

impl<const N: usize> Solution<N> {
    /// What each row's edge costs.
    fn costs(&self, edges: &[Vec<Edge<N>>]) -> Vec<Cost<N>> {
        let cost = |(column, row): (&usize, &Vec<Edge<N>>)| {
            row.iter().find(|(other, _)| other == column).map_or(Cost::ZERO, |(_, cost)| *cost)
        };
        self.column_of.iter().zip(edges).map(cost).collect()
    }

    /// What can be assigned otherwise at the same cost, where that makes a difference between `up` and `down`.
    #[expect(clippy::indexing_slicing, reason = "all indices are numbers of rows and columns")]
    fn tangles(&self, edges: &[Vec<Edge<N>>], up: &[Cost<N>], down: &[Cost<N>]) -> Vec<Tangle> {
        // A row leads to the row that would have to pass its column on. Columns that are free, and those that may
        // become so, are passed on by nobody: they all meet in one node behind the rows.
        let (rows, nobody) = (edges.len(), edges.len());
        let is_free = |column: usize| self.row_of[column] == NONE;
        let tight = |row: usize| {
            edges[row].iter().filter(move |&&(column, cost)| {
                column != self.column_of[row]
                    && (cost - self.row_potential[row] - self.column_potential[column]).is_nothing()
            })
        };
        let mut next: Vec<Vec<usize>> = (0..rows)
            .map(|row| {
                tight(row)
                    .map(|&(column, _)| if is_free(column) { nobody } else { self.row_of[column] })
                    .collect()
            })
            .collect();
        next.push((0..rows).filter(|&row| self.column_potential[self.column_of[row]].is_nothing()).collect());
        let circle = circles(&next);
        // The circles through nobody have nothing to do with each other, unless they want the same column.
        let mut sets = Sets::new(rows + self.row_of.len());
        for row in 0..rows {
            sets.join(row, rows + self.column_of[row]);
            for &(column, _) in tight(row) {
                let behind = if is_free(column) { nobody } else { self.row_of[column] };
                if circle[row] == circle[behind] {
                    sets.join(row, rows + column);
                }
            }
        }
        let mut tangles: BTreeMap<usize, (Tangle, Cost<N>)> = BTreeMap::new();
        for row in 0..rows {
            let (tangle, apart) = tangles.entry(sets.root(row)).or_insert((Tangle::default(), Cost::ZERO));
            tangle.rows.push(row);
            *apart = *apart + (up[row] - down[row]);
        }
        for column in 0..self.row_of.len() {
            if let Some((tangle, _)) = tangles.get_mut(&sets.root(rows + column)) {
                tangle.columns.push(column);
            }
        }
        tangles.into_values().filter(|(_, apart)| *apart != Cost::ZERO).map(|(tangle, _)| tangle).collect()
    }
}

/// No row, or no column yet.
const NONE: usize = usize::MAX;

/// The cheapest assignment of all rows: the Hungarian method by shortest augmenting paths
/// (Kuhn 1955, Munkres 1957), looking only at the edges there are. `None` where `steps` do not suffice.
#[expect(clippy::indexing_slicing, reason = "all indices run within the lengths set at the top")]
fn cheapest<const N: usize>(edges: &[Vec<Edge<N>>], columns: usize, steps: &mut u64) -> Option<Solution<N>> {
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
    Some(Solution { column_of, row_of, row_potential, column_potential })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    type Way = (Cost<3>, Vec<usize>);

    /// All assignments, each row with one of its edges.
    fn all(edges: &[Vec<Edge<3>>], taken: &mut Vec<bool>, row: usize, so_far: Way, found: &mut Vec<Way>) {
        let Some(this) = edges.get(row) else { return found.push(so_far) };
        for &(column, cost) in this {
            if !std::mem::replace(&mut taken[column], true) {
                let mut way = (so_far.0 + cost, so_far.1.clone());
                way.1.push(column);
                all(edges, taken, row + 1, way, found);
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
            all(&edges, &mut vec![false; columns + rows], 0, (Cost::ZERO, Vec::new()), &mut every);
            let untagged = |cost: &Cost<3>| [cost.0[0], cost.0[1]];
            let least = every.iter().map(|(cost, _)| untagged(cost)).min();
            every.retain(|(cost, _)| Some(untagged(cost)) == least);
            let Assignment::Cheapest { columns: found, tangles } =
                only_cheapest(edges.clone(), columns + rows, u64::MAX)
            else {
                return Err(TestCaseError::fail("too many"));
            };
            // What is decided is so in every cheapest assignment, and what is not is otherwise in some.
            for row in 0..rows {
                let ways: BTreeSet<usize> = every.iter().map(|(_, assignment)| assignment[row]).collect();
                let sole = if ways.len() == 1 { ways.into_iter().next() } else { None };
                prop_assert_eq!(found[row], sole);
                prop_assert_eq!(tangles.iter().filter(|tangle| tangle.rows.contains(&row)).count(), usize::from(sole.is_none()));
            }
            for tangle in &tangles {
                let taken: BTreeSet<usize> =
                    every.iter().flat_map(|(_, assignment)| tangle.rows.iter().map(|&row| assignment[row])).collect();
                prop_assert_eq!(taken.into_iter().collect::<Vec<_>>(), tangle.columns.clone());
            }
            prop_assert_eq!(only_cheapest(edges, columns + rows, 0), Assignment::TooMany);
        }
    }
}
