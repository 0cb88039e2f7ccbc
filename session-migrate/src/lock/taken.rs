/// The outcome of trying to take a lock: ours, or who has it.
#[derive(Debug)]
pub(crate) enum Taken<T> {
    Ours(T),
    Theirs(String),
}

impl<T> Taken<T> {
    /// Ours as something else.
    pub(super) fn map<U>(self, ours: impl FnOnce(T) -> U) -> Taken<U> {
        match self {
            Self::Ours(lock) => Taken::Ours(ours(lock)),
            Self::Theirs(holder) => Taken::Theirs(holder),
        }
    }
}
