use std::fmt;

use crate::source::codec::CodecError;

/// Why a row's tokens did not open, and which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Unreadable {
    /// The place in the mapping, such as `tokens.access`.
    pub place: &'static str,
    /// Why.
    pub reason: UnreadableReason,
}

/// Why a token did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum UnreadableReason {
    /// The codec did not open it.
    Codec(CodecError),
    /// It opened, and is not UTF-8.
    NotText,
    /// It opened, and is not a JSON object; or the column is not JSON.
    NotJson,
    /// It is JSON, and a token in it is no text (an OAuth 1 token is an object).
    NotAToken,
}

impl UnreadableReason {
    /// A word for reports, such as `wrong_key`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Codec(error) => error.code(),
            Self::NotText => "not_text",
            Self::NotJson => "not_json",
            Self::NotAToken => "not_a_token",
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        match self.reason {
            UnreadableReason::Codec(error) => write!(f, "{error}"),
            UnreadableReason::NotText => f.write_str("it is not UTF-8"),
            UnreadableReason::NotJson => f.write_str("it is not a JSON object"),
            UnreadableReason::NotAToken => f.write_str("a token in it is not a text"),
        }
    }
}
