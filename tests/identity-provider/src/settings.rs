//! Settings that can change while the provider runs.

use std::time::Duration;

use serde_json::{Map, Value};

/// The settings that can change while the provider runs. See
/// [`Control::configure`](crate::Control::configure).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// How long an access token issued from now on is valid. Default: 5 minutes.
    pub access_token_lifetime: Duration,
    /// How long ago users seem to have authenticated, whatever the `max_age` of the request: that of a
    /// provider that ignores it. Default: zero.
    pub authentication_age: Duration,
    /// Whether the user named by `login_hint` is signed in without a form. Default: off.
    pub auto_login: bool,
    /// Whether reuse of a rotated refresh token revokes its family. Default: on.
    pub detect_reuse: bool,
    /// Additional fields of every token response. They replace no standard field. Default: none.
    pub extra_token_fields: Map<String, Value>,
    /// Whether the ID token has the first of the `acr_values` that were asked for. Default: on.
    pub honours_acr_values: bool,
    /// Whether a renewal also returns an ID token. Default: on.
    pub id_token_on_renewal: bool,
    /// Whether a sign-in also returns a refresh token. Default: on.
    pub issue_refresh_tokens: bool,
    /// Whether each renewal is recorded, see [`Control::take_renewals`](crate::Control::take_renewals).
    /// Default: off.
    pub record_renewals: bool,
    /// How long a rotated refresh token is accepted after its first use. Default: zero.
    pub reuse_grace: Duration,
    /// Whether a renewal rotates the refresh token; if not, it returns none. Default: on.
    pub rotate_refresh_tokens: bool,
    /// Whether token responses include `expires_in`, which RFC 6749 recommends. Default: on.
    pub send_expires_in: bool,
    /// Whether token responses name the scope, which RFC 6749 leaves open where all was granted.
    /// Default: on.
    pub send_scope: bool,
    /// How long the token endpoint waits before it processes a request. Default: zero.
    pub token_latency: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            access_token_lifetime: Duration::from_secs(300),
            auto_login: false,
            authentication_age: Duration::ZERO,
            detect_reuse: true,
            extra_token_fields: Map::new(),
            honours_acr_values: true,
            id_token_on_renewal: true,
            issue_refresh_tokens: true,
            record_renewals: false,
            reuse_grace: Duration::ZERO,
            rotate_refresh_tokens: true,
            send_expires_in: true,
            send_scope: true,
            token_latency: Duration::ZERO,
        }
    }
}
