//! PageRank of a weighted graph without directions, by power iteration (Page, Brin, Motwani, Winograd: The PageRank
//! Citation Ranking, 1998). petgraph's takes |V|²·|E| steps an iteration and knows no weights; this takes |V| + |E|.

/// How often the walker goes on along an edge instead of beginning anew anywhere.
const DAMPING: f64 = 0.85;
/// It ends when all shares together change by less than this …
const TOLERANCE: f64 = 1e-9;
/// … or after so many rounds: 0.85^128 is below 1e-9.
const ROUNDS_MAX: usize = 128;

/// Shares that add up to 1, in the order of the vertices; for each of these its neighbours and the weights of the edges,
/// each edge at both of its ends.
pub(super) fn shares(edges: &[Vec<(u32, f64)>]) -> Vec<f64> {
    if edges.is_empty() {
        return Vec::new();
    }
    let n = edges.len() as f64;
    let strengths: Vec<f64> = edges.iter().map(|of| of.iter().map(|(_, weight)| weight).sum()).collect();
    let mut shares = vec![1.0 / n; edges.len()];
    for _ in 0..ROUNDS_MAX {
        // Who knows nobody goes on anywhere.
        let alone: f64 = shares.iter().zip(&strengths).filter(|(_, of)| **of <= 0.0).map(|(share, _)| share).sum();
        let anywhere = (1.0 - DAMPING + DAMPING * alone) / n;
        let onward = |at: u32| {
            let (share, of) = (shares.get(at as usize).copied(), strengths.get(at as usize).copied());
            share.unwrap_or_default() / of.filter(|of| *of > 0.0).unwrap_or(1.0)
        };
        let next: Vec<f64> = edges
            .iter()
            .map(|of| anywhere + DAMPING * of.iter().map(|(at, weight)| onward(*at) * weight).sum::<f64>())
            .collect();
        let moved: f64 = next.iter().zip(&shares).map(|(now, before)| (now - before).abs()).sum();
        shares = next;
        if moved < TOLERANCE {
            break;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};

    use super::*;

    fn graph(n: usize, edges: &[(u32, u32, f64)]) -> Vec<Vec<(u32, f64)>> {
        let mut of = vec![Vec::new(); n];
        for (a, b, weight) in edges {
            of[*a as usize].push((*b, *weight));
            of[*b as usize].push((*a, *weight));
        }
        of
    }

    /// The same from its definition: a linear system, by elimination.
    fn solved(edges: &[Vec<(u32, f64)>]) -> Vec<f64> {
        let n = edges.len();
        let mut rows = vec![vec![0.0; n + 1]; n];
        for (at, row) in rows.iter_mut().enumerate() {
            row[at] = 1.0;
            row[n] = (1.0 - DAMPING) / n as f64;
        }
        for (from, of) in edges.iter().enumerate() {
            let strength: f64 = of.iter().map(|(_, weight)| weight).sum();
            for (to, weight) in of {
                rows[*to as usize][from] -= DAMPING * weight / strength;
            }
            if of.is_empty() {
                rows.iter_mut().for_each(|row| row[from] -= DAMPING / n as f64);
            }
        }
        for at in 0..n {
            let pivot = rows[at].clone();
            for (other, row) in rows.iter_mut().enumerate() {
                let by = if other == at { 0.0 } else { row[at] / pivot[at] };
                row.iter_mut().zip(&pivot).for_each(|(cell, of)| *cell -= by * of);
            }
        }
        rows.iter().enumerate().map(|(at, row)| row[n] / row[at]).collect()
    }

    #[test]
    fn shares_are_what_the_definition_says_whatever_the_graph() {
        for seed in 0..50 {
            let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
            let n = random.random_range(1..40_u32);
            let pairs = (0..n).flat_map(|a| (0..a).map(move |b| (a, b)));
            let chosen: Vec<(u32, u32)> = pairs.filter(|_| random.random_bool(0.15)).collect();
            let edges: Vec<_> = chosen.into_iter().map(|(a, b)| (a, b, random.random_range(1..9).into())).collect();
            let graph = graph(n as usize, &edges);
            let (got, wanted) = (shares(&graph), solved(&graph));
            assert!((got.iter().sum::<f64>() - 1.0).abs() < 1e-6, "seed {seed}");
            for (got, wanted) in got.iter().zip(&wanted) {
                assert!((got - wanted).abs() < 1e-8, "seed {seed}: {got}, {wanted}");
            }
        }
    }

    #[test]
    fn who_is_with_many_or_often_has_more_and_nobody_has_nothing() {
        assert!(shares(&[]).is_empty());
        assert_eq!(shares(&graph(3, &[])), [1.0 / 3.0; 3]);
        let star = shares(&graph(4, &[(0, 1, 1.0), (0, 2, 1.0), (0, 3, 1.0)]));
        assert!(star[0] > 2.0 * star[1] && (star[1] - star[3]).abs() < 1e-9);
        let line = shares(&graph(3, &[(0, 1, 1.0), (1, 2, 5.0)]));
        assert!(line[1] > line[2] && line[2] > line[0], "{line:?}");
    }
}
