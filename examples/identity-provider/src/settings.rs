use std::time::Duration;

use serde_json::{Map, Value};

/// What may be switched while the provider runs. See [`Control::configure`](crate::Control::configure).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// How long an access token issued from now on is valid. Default: 5 minutes.
    pub access_token_lifetime: Duration,
    /// Signs in whoever `login_hint` names, without a form. Default: off.
    pub auto_login: bool,
    /// Whether a used refresh token that comes back revokes its family. Default: on.
    pub detect_reuse: bool,
    /// Further fields of every token response. A standard field is never replaced. Default: none.
    pub extra_token_fields: Map<String, Value>,
    /// Whether a renewal also answers with an ID token. Default: on.
    pub id_token_on_renewal: bool,
    /// Whether a code is exchanged for a refresh token as well. Default: on.
    pub issue_refresh_tokens: bool,
    /// How long a rotated refresh token still renews after its first use. Default: zero.
    pub reuse_grace: Duration,
    /// Whether a renewal replaces the refresh token; if not, it answers with none. Default: on.
    pub rotate_refresh_tokens: bool,
    /// Whether token responses say `expires_in`, which RFC 6749 only recommends. Default: on.
    pub send_expires_in: bool,
    /// How long the token endpoint waits before it does its work. Default: zero.
    pub token_latency: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            access_token_lifetime: Duration::from_secs(300),
            auto_login: false,
            detect_reuse: true,
            extra_token_fields: Map::new(),
            id_token_on_renewal: true,
            issue_refresh_tokens: true,
            reuse_grace: Duration::ZERO,
            rotate_refresh_tokens: true,
            send_expires_in: true,
            token_latency: Duration::ZERO,
        }
    }
}
