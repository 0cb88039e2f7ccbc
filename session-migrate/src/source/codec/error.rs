/// A stored value could not be opened, or a plaintext not sealed.
///
/// It names the reason and nothing of the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The value is encrypted, and no key was given.
    #[error("no key was given")]
    NoKey,
    /// No given key opens the value.
    #[error("no key opens it")]
    WrongKey,
    /// The value has not the form that the codec writes.
    #[error("it has not the form of an encrypted value")]
    Malformed,
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    RandomnessError,
}

impl CodecError {
    /// A word for reports: `no_key`, `wrong_key`, `malformed`, `no_randomness`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoKey => "no_key",
            Self::WrongKey => "wrong_key",
            Self::Malformed => "malformed",
            Self::RandomnessError => "no_randomness",
        }
    }
}
