//! What an attempt to acquire a lock ends with.

/// The outcome of acquiring a lock: the lock, or the process that has it.
#[derive(Debug)]
pub(crate) enum Acquisition<T> {
    Acquired(T),
    HeldBy(String),
}

impl<T> Acquisition<T> {
    /// Converts the acquired lock.
    pub(super) fn map<U>(self, ours: impl FnOnce(T) -> U) -> Acquisition<U> {
        match self {
            Self::Acquired(lock) => Acquisition::Acquired(ours(lock)),
            Self::HeldBy(holder) => Acquisition::HeldBy(holder),
        }
    }
}
