//! A row's key as the last tie-breaker of a rank.

use std::cmp::Ordering;

use crate::source::SourceKey;
use crate::sql::Cell;

/// A row's key, in a total order: of two rows with the same time, the one with the higher key counts
/// as the newer one.
///
/// Numbers compare as numbers, text and bytes byte by byte, and several values from left to right.
/// `NULL` sorts below numbers, numbers below text, and text below bytes.
///
/// ```
/// use session_migrate::cap::RankKey;
/// use session_migrate::source::Cell;
///
/// assert!(RankKey::new(&[Cell::Integer(9)]) < RankKey::new(&[Cell::Integer(10)]));
/// assert!(RankKey::new(&[Cell::Text("Z".into())]) < RankKey::new(&[Cell::Text("a".into())]));
/// ```
///
/// # Security
///
/// A key can be a cookie: `Debug` does not print it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RankKey(Vec<KeyPart>);

#[derive(Debug, Clone)]
struct KeyPart(Cell);

impl RankKey {
    /// Creates a key from its values, in the order of the key's columns.
    #[must_use]
    pub fn new(cells: &[Cell]) -> Self {
        Self(cells.iter().cloned().map(KeyPart).collect())
    }
}

impl From<&SourceKey> for RankKey {
    fn from(key: &SourceKey) -> Self {
        Self::new(key.cells())
    }
}

impl PartialEq for KeyPart {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for KeyPart {}

impl PartialOrd for KeyPart {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for KeyPart {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Cell::Integer(mine), Cell::Integer(theirs)) => mine.cmp(theirs),
            (Cell::Real(mine), Cell::Real(theirs)) => mine.total_cmp(theirs),
            (Cell::Integer(mine), Cell::Real(theirs)) => whole_with_real(*mine, *theirs),
            (Cell::Real(mine), Cell::Integer(theirs)) => whole_with_real(*theirs, *mine).reverse(),
            (mine, theirs) => {
                let ranks = class(mine).cmp(&class(theirs));
                ranks.then_with(|| mine.as_bytes().cmp(&theirs.as_bytes()))
            }
        }
    }
}

/// Returns the rank of a cell's storage class, in SQLite's order.
const fn class(cell: &Cell) -> u8 {
    match cell {
        Cell::Null => 0,
        Cell::Integer(_) | Cell::Real(_) => 1,
        Cell::Text(_) | Cell::MalformedText(_) => 2,
        Cell::Bytes(_) => 3,
    }
}

/// Compares exactly: as floating point, large integers would be equal to their neighbours.
#[expect(clippy::cast_possible_truncation, reason = "the number is within the bounds of i64")]
fn whole_with_real(whole: i64, real: f64) -> Ordering {
    const END: f64 = 9_223_372_036_854_775_808.0;
    if real.is_nan() || real >= END {
        return Ordering::Less;
    }
    if real < -END {
        return Ordering::Greater;
    }
    // Where the integer parts are equal, the fraction decides. A real without a fraction sorts above
    // the equal integer, so that the order stays total.
    let fraction = if real.fract() < 0.0 { Ordering::Greater } else { Ordering::Less };
    whole.cmp(&(real.trunc() as i64)).then(fraction)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::RankKey;
    use crate::sql::Cell;

    fn key(cell: Cell) -> RankKey {
        RankKey::new(&[cell])
    }

    #[test]
    fn keys_rise_as_numbers_and_bytes() {
        let rising = [
            Cell::Null,
            Cell::Real(-1e300),
            Cell::Integer(i64::MIN),
            Cell::Integer(-2),
            Cell::Real(-1.5),
            Cell::Integer(-1),
            Cell::Integer(9),
            Cell::Real(9.0),
            Cell::Real(9.5),
            Cell::Integer(10),
            Cell::Integer(9_007_199_254_740_993),
            Cell::Integer(9_007_199_254_740_994),
            Cell::Integer(i64::MAX),
            Cell::Real(1e300),
            Cell::Text(String::new()),
            Cell::Text("10".to_owned()),
            Cell::Text("9".to_owned()),
            Cell::Text("A".to_owned()),
            Cell::Text("a".to_owned()),
            Cell::Text("a ".to_owned()),
            Cell::Text("é".to_owned()),
            Cell::MalformedText(vec![0xff]),
            Cell::Bytes(vec![0]),
        ];
        for (at, one) in rising.iter().enumerate() {
            for (other_at, other) in rising.iter().enumerate() {
                let order = key(one.clone()).cmp(&key(other.clone()));
                assert_eq!(order, at.cmp(&other_at), "{at} {other_at}");
            }
        }
    }

    #[test]
    fn several_values_compare_from_left_to_right() {
        let pair = |one: &str, other| RankKey::new(&[Cell::Text(one.to_owned()), other]);
        assert!(pair("a", Cell::Integer(10)) < pair("b", Cell::Integer(9)));
        assert!(pair("a", Cell::Integer(9)) < pair("a", Cell::Integer(10)));
        assert!(pair("a", Cell::Null) < pair("a", Cell::Integer(i64::MIN)));
    }

    fn cells() -> impl Strategy<Value = Cell> {
        prop_oneof![
            Just(Cell::Null),
            (-3_i64..3).prop_map(Cell::Integer),
            any::<i64>().prop_map(Cell::Integer),
            (-6_i32..6).prop_map(|halves| Cell::Real(f64::from(halves) / 2.0)),
            any::<f64>().prop_map(Cell::Real),
            "[aAé ]{0,2}".prop_map(Cell::Text),
            proptest::collection::vec(any::<u8>(), 0..2).prop_map(Cell::Bytes),
        ]
    }

    proptest! {
        #[test]
        fn the_order_is_total(one in cells(), two in cells(), three in cells()) {
            let (one, two, three) = (key(one), key(two), key(three));
            prop_assert_eq!(one.cmp(&two), two.cmp(&one).reverse());
            if one <= two && two <= three {
                prop_assert!(one <= three);
            }
        }
    }
}
