//! What a policy says of one provider, or of all whose names begin alike.

use std::num::NonZeroU32;
use std::time::Duration;

use super::limit::{Limit, OnFull};

/// What a policy says of the providers whose name fits a pattern.
///
/// A pattern is a name, or the beginning of names with a `*` behind it. The longest pattern that
/// fits wins, and a whole name wins over all patterns. What a rule leaves out, the policy's own
/// settings decide.
///
/// ```
/// use session_core::policy::{Rule, SessionPolicy};
///
/// let policy = SessionPolicy::builder()
///     .max_sessions(5)
///     .rule(Rule::for_provider("mcp:*").replace().without_idle_timeout())
///     .build()
///     .unwrap();
/// # let _ = policy;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Rule {
    pub(super) pattern: String,
    pub(super) limit: LimitSetting,
    pub(super) idle: Option<Option<Duration>>,
    pub(super) absolute: Option<Option<Duration>>,
}

/// A limit as it was written, not yet checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct LimitSetting {
    pub(super) kind: Option<LimitKind>,
    pub(super) on_full: Option<OnFull>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LimitKind {
    AtMost(u32),
    Replace,
    Unlimited,
}

impl LimitSetting {
    /// The limit, with what is not set taken from `fallback`; `None` for a cap of zero.
    pub(super) fn checked(self, fallback: Limit) -> Option<Limit> {
        let (fallback_max, fallback_on_full) = match fallback {
            Limit::AtMost { max, on_full } => (Some(max), on_full),
            Limit::Replace | Limit::Unlimited => (None, OnFull::default()),
        };
        let on_full = self.on_full.unwrap_or(fallback_on_full);
        match (self.kind, fallback_max) {
            (Some(LimitKind::AtMost(max)), _) => {
                NonZeroU32::new(max).map(|max| Limit::AtMost { max, on_full })
            }
            (Some(LimitKind::Replace), _) => Some(Limit::Replace),
            (Some(LimitKind::Unlimited), _) => Some(Limit::Unlimited),
            (None, Some(max)) => Some(Limit::AtMost { max, on_full }),
            (None, None) => Some(fallback),
        }
    }
}

impl Rule {
    /// A rule for the provider of this name, or for all that a pattern such as `mcp:*` fits.
    pub fn for_provider(pattern: impl Into<String>) -> Self {
        let limit = LimitSetting::default();
        Self { pattern: pattern.into(), limit, idle: None, absolute: None }
    }

    /// At most so many sessions of one user; zero is refused at build time.
    pub const fn max_sessions(mut self, max: u32) -> Self {
        self.limit.kind = Some(LimitKind::AtMost(max));
        self
    }

    /// What a login at the cap does.
    pub const fn on_full(mut self, on_full: OnFull) -> Self {
        self.limit.on_full = Some(on_full);
        self
    }

    /// One session, and a new login takes its place.
    pub const fn replace(mut self) -> Self {
        self.limit.kind = Some(LimitKind::Replace);
        self
    }

    /// As many sessions as there are logins.
    pub const fn unlimited(mut self) -> Self {
        self.limit.kind = Some(LimitKind::Unlimited);
        self
    }

    /// The longest time without use.
    pub const fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle = Some(Some(timeout));
        self
    }

    /// No bound on the time without use.
    pub const fn without_idle_timeout(mut self) -> Self {
        self.idle = Some(None);
        self
    }

    /// The longest time in all.
    pub const fn absolute_timeout(mut self, timeout: Duration) -> Self {
        self.absolute = Some(Some(timeout));
        self
    }

    /// No bound on the time in all.
    pub const fn without_absolute_timeout(mut self) -> Self {
        self.absolute = Some(None);
        self
    }
}

/// Whether a pattern fits a name: the same, or its beginning if the pattern ends with `*`.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => pattern == name,
    }
}

/// How narrow a pattern is: a whole name is narrower than any pattern, a longer one than a shorter.
pub(crate) fn narrowness(pattern: &str) -> (bool, usize) {
    (!pattern.ends_with('*'), pattern.len())
}

/// Whether a text can be a pattern: not empty, and `*` only at its end.
pub(crate) fn is_pattern(pattern: &str) -> bool {
    let beginning = pattern.strip_suffix('*').unwrap_or(pattern);
    !pattern.is_empty() && !beginning.contains('*')
}
