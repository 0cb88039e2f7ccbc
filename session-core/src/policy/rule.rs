//! The rule of a policy for one provider, or for all providers that match a pattern.

use std::num::NonZeroU32;
use std::time::Duration;

use super::limit::{Limit, OnFull};
use crate::session::ProviderName;

/// The limit and timeouts of the providers whose name matches a pattern.
///
/// A pattern is a name, or a prefix followed by `*`. The longest matching pattern wins, and an exact
/// name wins over all patterns. Whatever a rule leaves unset is taken from the policy.
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
    pub(super) keep_alive: Option<Duration>,
}

/// A limit as it was set, not yet checked.
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
    /// Returns the limit, with unset parts taken from `fallback`; `None` for a cap of zero.
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
    /// Creates a rule for the provider of this name, or for all that match a pattern such as
    /// `mcp:*`.
    pub fn for_provider(pattern: impl Into<String>) -> Self {
        let limit = LimitSetting::default();
        Self { pattern: pattern.into(), limit, idle: None, absolute: None, keep_alive: None }
    }

    /// Sets the cap: how many sessions a user may have. Zero is refused when the policy is built.
    pub const fn max_sessions(mut self, max: u32) -> Self {
        self.limit.kind = Some(LimitKind::AtMost(max));
        self
    }

    /// Sets what a sign-in at the cap does.
    pub const fn on_full(mut self, on_full: OnFull) -> Self {
        self.limit.on_full = Some(on_full);
        self
    }

    /// Allows one session, which a new sign-in replaces.
    pub const fn replace(mut self) -> Self {
        self.limit.kind = Some(LimitKind::Replace);
        self
    }

    /// Removes the cap.
    pub const fn unlimited(mut self) -> Self {
        self.limit.kind = Some(LimitKind::Unlimited);
        self
    }

    /// Sets the longest time without use.
    pub const fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle = Some(Some(timeout));
        self
    }

    /// Removes the bound on the time without use.
    pub const fn without_idle_timeout(mut self) -> Self {
        self.idle = Some(None);
        self
    }

    /// Sets the longest time in all.
    pub const fn absolute_timeout(mut self, timeout: Duration) -> Self {
        self.absolute = Some(Some(timeout));
        self
    }

    /// Removes the bound on the time in all.
    pub const fn without_absolute_timeout(mut self) -> Self {
        self.absolute = Some(None);
        self
    }

    /// Sets how often connections of tool clients that are not used are renewed, by
    /// [maintenance](crate::SessionManager::maintain), so that their provider does not forget them
    /// (default: not at all). Up to an eighth earlier, which tells connections apart.
    ///
    /// A renewal is no use: the idle timeout must be longer, or removed. The absolute timeout ends it
    /// all.
    ///
    /// ```
    /// use session_core::policy::{Rule, SessionPolicy};
    /// use std::time::Duration;
    ///
    /// let day = Duration::from_secs(24 * 3600);
    /// let tools = Rule::for_provider("mcp:*").keep_alive(day * 7).absolute_timeout(day * 365);
    /// let policy = SessionPolicy::builder().rule(tools.without_idle_timeout()).build();
    /// assert!(policy.is_ok());
    /// ```
    pub const fn keep_alive(mut self, interval: Duration) -> Self {
        self.keep_alive = Some(interval);
        self
    }
}

/// Some of the providers: those that match a pattern, and none of some others.
///
/// ```
/// use session_core::ProviderName;
/// use session_core::policy::ProviderSelection;
///
/// let tools = ProviderSelection::matching("mcp:*").except(["mcp:files"]);
/// assert!(tools.contains(&ProviderName::new("mcp:mail").unwrap()));
/// assert!(!tools.contains(&ProviderName::new("mcp:files").unwrap()));
/// assert!(ProviderSelection::all().contains(&ProviderName::new("okta").unwrap()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProviderSelection {
    including: Option<String>,
    excluding: Vec<String>,
}

impl ProviderSelection {
    /// Returns the selection of all providers.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Returns the selection of the provider of this name, or of all that match a pattern such as
    /// `mcp:*`.
    pub fn matching(pattern: impl Into<String>) -> Self {
        Self { including: Some(pattern.into()), excluding: Vec::new() }
    }

    /// Removes the providers that match one of these patterns.
    #[must_use]
    pub fn except(mut self, patterns: impl IntoIterator<Item: Into<String>>) -> Self {
        self.excluding.extend(patterns.into_iter().map(Into::into));
        self
    }

    /// Returns whether a provider belongs to it.
    #[must_use]
    pub fn contains(&self, provider: &ProviderName) -> bool {
        let matches = |pattern: &String| matches_pattern(pattern, provider.as_str());
        self.including.as_ref().is_none_or(matches) && !self.excluding.iter().any(matches)
    }

    /// Returns the pattern that its providers match; `None` for all.
    #[must_use]
    pub fn including(&self) -> Option<&str> {
        self.including.as_deref()
    }

    /// Returns the patterns that its providers do not match.
    #[must_use]
    pub fn excluding(&self) -> &[String] {
        &self.excluding
    }
}

/// Returns whether a pattern matches a name: the same text, or its prefix if it ends with `*`.
pub(crate) fn matches_pattern(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    }
}

/// Returns how specific a pattern is: an exact name more than any prefix, a longer prefix more than
/// a shorter one.
pub(crate) fn specificity(pattern: &str) -> (bool, usize) {
    (!pattern.ends_with('*'), pattern.len())
}

/// Returns whether a text can be a pattern: not empty, and with `*` only at its end.
pub(crate) fn is_pattern(pattern: &str) -> bool {
    let prefix = pattern.strip_suffix('*').unwrap_or(pattern);
    !pattern.is_empty() && !prefix.contains('*')
}
