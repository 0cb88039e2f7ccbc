use std::fmt;

use zeroize::Zeroizing;

/// The source's own keys as its configuration has them: the current one, and older ones that
/// still open rows.
///
/// # Security
///
/// Wiped on drop, never printed.
///
/// ```
/// use session_migrate::source::SourceKeys;
///
/// let keys = SourceKeys::new("current").with_old("last year's");
/// assert_eq!(format!("{keys:?}"), "SourceKeys(2 keys)");
/// ```
#[derive(Clone, Default)]
pub struct SourceKeys(Vec<Zeroizing<String>>);

impl SourceKeys {
    /// No key, for sources that store tokens as they are.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// The current key.
    #[must_use]
    pub fn new(current: impl Into<String>) -> Self {
        Self(vec![Zeroizing::new(current.into())])
    }

    /// These keys and an older one.
    #[must_use]
    pub fn with_old(mut self, key: impl Into<String>) -> Self {
        self.0.push(Zeroizing::new(key.into()));
        self
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| key.as_str())
    }
}

impl fmt::Debug for SourceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceKeys({} keys)", self.0.len())
    }
}
