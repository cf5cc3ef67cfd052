//! The moving part of the picture: what a stage passes on shows as dots that travel to the next.

use std::collections::VecDeque;

use super::figures::Sample;

/// Cells of the longest lane that is drawn.
const CELLS_MAX: usize = 64;
/// What came at once leaves over about this many steps, so that a figure asked for once a second flows too.
const STEPS: u64 = 16;

/// One stretch between two stages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lane {
    cells: VecDeque<u64>,
    waiting: u64,
    seen: Option<u64>,
}

impl Lane {
    /// Time goes on by one step, the count upstream of the lane is now `count`.
    fn step(&mut self, count: u64) {
        self.waiting += count.saturating_sub(self.seen.replace(count).unwrap_or(count));
        let leaves = self.waiting.div_ceil(STEPS);
        self.waiting -= leaves;
        self.cells.push_front(leaves);
        self.cells.truncate(CELLS_MAX);
    }

    /// As it looks on `len` cells: the more in one place, the larger the dot.
    pub(crate) fn picture(&self, len: usize) -> String {
        let cell = |at: usize| match self.cells.get(at).copied().unwrap_or(0) {
            0 => '─',
            1 => '•',
            2..=9 => '●',
            _ => '█',
        };
        (0..len).map(cell).collect()
    }
}

/// The lanes between the stages, in flow order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flow(pub(crate) [Lane; 4]);

impl Flow {
    /// One step of the animation.
    pub(crate) fn step(&mut self, sample: &Sample) {
        let counts = [sample.publishes, sample.records, sample.folded_records, sample.halos + sample.readings];
        self.0.iter_mut().zip(counts).for_each(|(lane, count)| lane.step(count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_travels_down_its_lane() {
        let mut lane = Lane::default();
        lane.step(5);
        assert_eq!(lane.picture(4), "────", "what came before the view began does not flow");
        lane.step(6);
        assert_eq!(lane.picture(4), "•───");
        lane.step(6);
        lane.step(6);
        assert_eq!(lane.picture(4), "──•─");
    }

    #[test]
    fn what_comes_at_once_leaves_one_after_the_other_and_none_is_forgotten() {
        let mut lane = Lane::default();
        lane.step(0);
        lane.step(40);
        assert_eq!(lane.picture(1), "●");
        (0..CELLS_MAX - 1).for_each(|_| lane.step(40));
        assert_eq!((lane.waiting, lane.cells.iter().sum::<u64>()), (0, 40));
    }
}
