//! Maps give the memory of a peak back.

use std::collections::HashMap;
use std::hash::Hash;

/// The capacity up to which giving memory back is not worth the work.
const MIN_CAPACITY: usize = 1024;

/// Gives back the memory of a map that has become much emptier, after an entry was removed. A map
/// never does this by itself.
pub(super) fn shrink_after_peak<K: Eq + Hash, V>(map: &mut HashMap<K, V>) {
    if map.capacity() > MIN_CAPACITY && map.len() < map.capacity() / 8 {
        map.shrink_to(map.len() * 2);
    }
}
