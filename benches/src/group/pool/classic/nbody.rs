//! Gravity: every body attracts every other.

use super::{Program, check_sum, numbers};
use crate::group::pool::join::{Join, for_pieces};

type Vector = [f64; 3];

/// The places of the bodies, which all have the same mass.
pub(crate) struct Bodies {
    places: Vec<Vector>,
}

impl Bodies {
    pub(crate) fn new(count: usize) -> Self {
        let flat: Vec<f64> = numbers(3 * count).map(|n| f64::from(n) / f64::from(u32::MAX)).collect();
        Self { places: flat.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect() }
    }

    /// The attraction of all bodies at one place.
    fn pull(&self, at: Vector) -> Vector {
        let mut sum = [0.0; 3];
        for place in &self.places {
            let d = [place[0] - at[0], place[1] - at[1], place[2] - at[2]];
            let square = d[0] * d[0] + d[1] * d[1] + d[2] * d[2] + 1e-9;
            let strength = 1.0 / (square * square.sqrt());
            for axis in 0..3 {
                sum[axis] += d[axis] * strength;
            }
        }
        sum
    }
}

impl Program for Bodies {
    fn run<J: Join>(&self) -> u64 {
        let mut pulls = vec![[0.0; 3]; self.places.len()];
        for_pieces::<J, _>(&mut pulls, 0, 16, &|offset, piece| {
            for (index, pull) in piece.iter_mut().enumerate() {
                *pull = self.pull(self.places[offset + index]);
            }
        });
        check_sum(pulls.iter().flatten().map(|value| value.to_bits()))
    }
}
