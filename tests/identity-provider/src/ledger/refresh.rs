//! Renewals, rotation and reuse detection.

use std::sync::Arc;

use openidconnect::RefreshToken;

use super::digest::{TokenDigest, random_token};
use super::record::{GrantError, Issued, Login, Refresh};
use super::{Ledger, millis};
use crate::renewal_record::RenewalOutcome;
use crate::settings::Settings;

impl Ledger {
    /// Renews with a refresh token and rotates it. Reuse of a rotated one ends its family (RFC 9700,
    /// 4.14.2).
    pub(crate) fn renew(
        &mut self,
        refresh_token: &str,
        client_id: &str,
        scope: Option<Vec<String>>,
        resource: Option<&str>,
        now: i64,
        settings: &Settings,
    ) -> Result<Issued, GrantError> {
        let digest = TokenDigest::of(refresh_token);
        let (login, used_at) = self.refreshable(&digest, client_id)?;
        if used_at.is_some_and(|used_at| !is_within_grace(used_at, now, settings)) {
            self.end_reused(&login, now, settings);
            return Err(GrantError::Grant("the refresh token was used before"));
        }
        let scope = narrowed(&login, scope)?;
        let audience = login.audience(resource)?;
        if settings.rotate_refresh_tokens
            && let Some(refresh) = self.refresh.get_mut(&digest)
        {
            refresh.used_at.get_or_insert(now);
        }
        self.stats.renewals += 1;
        self.record(&login, now, RenewalOutcome::Renewed, settings);
        Ok(Issued {
            access_token: self.issue_access_token(&login, audience, now, settings),
            refresh_token: settings.rotate_refresh_tokens.then(|| self.issue_refresh_token(&login)),
            scope,
            login,
        })
    }

    pub(super) fn issue_refresh_token(&mut self, login: &Login) -> RefreshToken {
        let token = random_token();
        self.refresh
            .insert(TokenDigest::of(&token), Refresh { sid: login.sid.clone(), used_at: None });
        RefreshToken::new(token)
    }

    fn refreshable(
        &self,
        digest: &TokenDigest,
        client_id: &str,
    ) -> Result<(Arc<Login>, Option<i64>), GrantError> {
        let refresh =
            self.refresh.get(digest).ok_or(GrantError::Grant("the refresh token is unknown"))?;
        let login = self
            .families
            .get(&refresh.sid)
            .ok_or(GrantError::Grant("the refresh token was revoked"))?;
        if login.client_id != client_id {
            return Err(GrantError::Grant("the refresh token was issued to another client"));
        }
        Ok((Arc::clone(login), refresh.used_at))
    }

    fn end_reused(&mut self, login: &Login, now: i64, settings: &Settings) {
        if settings.detect_reuse {
            tracing::warn!(
                sid = login.sid,
                "a rotated refresh token was reused: the family is revoked"
            );
            self.end_family(&login.sid);
            self.stats.reuse_detected += 1;
            self.record(login, now, RenewalOutcome::Reused, settings);
        }
    }

    fn record(&mut self, login: &Login, now: i64, outcome: RenewalOutcome, settings: &Settings) {
        if settings.record_renewals {
            self.record_renewal((&login.sid, &login.user.subject), now, outcome);
        }
    }
}

fn is_within_grace(used_at: i64, now: i64, settings: &Settings) -> bool {
    now < used_at.saturating_add(millis(settings.reuse_grace))
}

/// A renewal may request less than was granted, never more (RFC 6749, 6).
fn narrowed(login: &Login, requested: Option<Vec<String>>) -> Result<Vec<String>, GrantError> {
    let Some(requested) = requested else {
        return Ok(login.scope.clone());
    };
    if requested.iter().all(|scope| login.scope.contains(scope)) {
        return Ok(requested);
    }
    Err(GrantError::Scope("scope exceeds what was granted"))
}
