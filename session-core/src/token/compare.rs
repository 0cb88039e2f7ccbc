//! Comparing secrets in constant time.

use subtle::ConstantTimeEq;

pub(super) fn same_secret(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}
