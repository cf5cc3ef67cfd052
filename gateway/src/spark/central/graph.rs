//! Who was together with whom, how often, and what follows from it.

use std::collections::BTreeMap;

use super::pagerank::shares;
use crate::record::Name;

/// Most subjects in the graph; who comes later is not in it.
pub(super) const PEOPLE_MAX: usize = 100_000;
/// Most edges.
pub(super) const EDGES_MAX: usize = 1_000_000;
/// Most edges of one subject.
pub(super) const EDGES_OF_ONE_MAX: usize = 256;
/// Of so many others of one party or ride it is told that somebody was with them.
pub(super) const TOGETHER_MAX: usize = 64;
/// Below so many there are no ranks: the first of three would be known to the others.
const RANKED_MIN: usize = 10;

/// From 1, the most central first, and the share of all importance.
pub(super) type Standing = (u32, f64);

/// A graph by name: its order is that of names, so that sums are the same whatever came first.
#[derive(Debug, Default)]
pub(super) struct Graph {
    people: BTreeMap<Name, Vertex>,
    edges: usize,
}

#[derive(Debug, Default)]
struct Vertex {
    with: BTreeMap<Name, u32>,
    standing: Option<Standing>,
}

impl Graph {
    /// Takes somebody in; whether that is new.
    pub(super) fn enter(&mut self, name: &Name) -> bool {
        let is_new = !self.people.contains_key(name) && self.people.len() < PEOPLE_MAX;
        if is_new {
            self.people.insert(name.clone(), Vertex::default());
        }
        is_new
    }

    /// Takes somebody out, with all edges; whether anybody was there.
    pub(super) fn leave(&mut self, name: &str) -> bool {
        let Some(gone) = self.people.remove(name) else { return false };
        self.edges -= gone.with.len();
        for other in gone.with.keys() {
            self.people.get_mut(other).map(|other| other.with.remove(name));
        }
        true
    }

    /// People and edges.
    pub(super) fn size(&self) -> usize {
        self.people.len() + self.edges
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.people.contains_key(name)
    }

    /// Two were together once more; whether that is noted.
    pub(super) fn link(&mut self, a: &Name, b: &Name) -> bool {
        let is_known = |from: &Name, to: &Name| self.people.get(from).map(|it| it.with.contains_key(to));
        let (Some(known), Some(_), true) = (is_known(a, b), is_known(b, a), a != b) else { return false };
        let is_full = |name: &Name| self.people.get(name).is_none_or(|it| it.with.len() >= EDGES_OF_ONE_MAX);
        if !known && (self.edges >= EDGES_MAX || is_full(a) || is_full(b)) {
            return false;
        }
        self.edges += usize::from(!known);
        for (from, to) in [(a, b), (b, a)] {
            if let Some(vertex) = self.people.get_mut(from) {
                let weight = vertex.with.entry(to.clone()).or_default();
                *weight = weight.saturating_add(1);
            }
        }
        true
    }

    pub(super) fn standing(&self, name: &str) -> Option<Standing> {
        self.people.get(name)?.standing
    }

    /// Ranks everybody anew; whose standing is another now, in order of name.
    pub(super) fn rank(&mut self) -> Vec<Name> {
        let standings = self.standings();
        let mut changed = Vec::new();
        for ((name, vertex), standing) in self.people.iter_mut().zip(standings) {
            if vertex.standing != standing {
                vertex.standing = standing;
                changed.push(name.clone());
            }
        }
        changed
    }

    fn standings(&self) -> Vec<Option<Standing>> {
        if self.people.len() < RANKED_MIN {
            return vec![None; self.people.len()];
        }
        let numbers: BTreeMap<&Name, u32> = self.people.keys().zip(0..).collect();
        let neighbours = |vertex: &Vertex| {
            let with = vertex.with.iter();
            with.filter_map(|(name, weight)| Some((*numbers.get(name)?, f64::from(*weight)))).collect()
        };
        let shares = shares(&self.people.values().map(neighbours).collect::<Vec<_>>());
        let mut order: Vec<(f64, usize)> = shares.iter().copied().zip(0..).collect();
        // Of equals the first by name is the more central one: an order there has to be.
        order.sort_by(|(a, first), (b, second)| b.total_cmp(a).then(first.cmp(second)));
        let mut standings = vec![None; shares.len()];
        for ((share, at), rank) in order.into_iter().zip(1..) {
            if let Some(standing) = standings.get_mut(at) {
                *standing = Some((rank, share));
            }
        }
        standings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(n: usize) -> Vec<Name> {
        (0..n).map(|number| format!("s{number:04}").into()).collect()
    }

    fn full(n: usize) -> (Graph, Vec<Name>) {
        let (mut graph, names) = (Graph::default(), names(n));
        for name in &names {
            graph.enter(name);
        }
        (graph, names)
    }

    #[test]
    fn fewer_than_ten_have_no_ranks() {
        let (mut graph, names) = full(9);
        graph.link(&names[0], &names[1]);
        assert!(graph.rank().is_empty() && graph.standing(&names[0]).is_none());
        graph.enter(&"s9999".into());
        assert_eq!(graph.rank().len(), 10);
        assert_eq!(graph.standing(&names[0]).map(|(rank, _)| rank), Some(1), "the first by name of two equals");
        graph.leave("s9999");
        assert_eq!((graph.rank().len(), graph.standing(&names[0])), (9, None));
    }

    #[test]
    fn who_leaves_takes_all_edges_along() {
        let (mut graph, names) = full(12);
        names[1..].iter().for_each(|other| assert!(graph.link(&names[0], other)));
        assert!(graph.link(&names[0], &names[1]), "once more");
        assert_eq!(graph.edges, 11);
        graph.rank();
        assert_eq!(graph.standing(&names[0]).map(|(rank, _)| rank), Some(1));
        assert!(graph.leave(&names[0]) && !graph.leave(&names[0]));
        assert_eq!(graph.edges, 0);
        assert!(graph.people.values().all(|vertex| vertex.with.is_empty()));
        assert!(!graph.link(&names[0], &names[1]) && !graph.link(&names[1], &names[1]));
    }

    #[test]
    fn one_subject_has_only_so_many_edges() {
        let (mut graph, names) = full(300);
        let linked = names[1..].iter().filter(|other| graph.link(&names[0], other)).count();
        assert_eq!((linked, graph.edges), (EDGES_OF_ONE_MAX, EDGES_OF_ONE_MAX));
        assert!(graph.link(&names[0], &names[1]), "those it has grow heavier");
    }
}
