//! The issued codes and tokens. Synchronous and without a clock; each call is atomic.

mod code;
mod digest;
mod record;
mod refresh;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use openidconnect::AccessToken;

use self::digest::TokenDigest;
pub(crate) use self::digest::random_token;
use self::record::{Access, Code, Refresh};
pub(crate) use self::record::{CodeGrant, GrantError, Issued, Login, Redemption, Revoked};
use crate::renewal_record::{RenewalOutcome, RenewalRecord};
use crate::settings::Settings;
use crate::stats::Stats;

/// The number of entries below which nothing is swept.
const SWEEP_FLOOR: usize = 1024;

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    access: HashMap<TokenDigest, Access>,
    codes: HashMap<TokenDigest, Code>,
    /// The valid families. A token without its family here is invalid.
    families: HashMap<String, Arc<Login>>,
    refresh: HashMap<TokenDigest, Refresh>,
    renewals: Vec<RenewalRecord>,
    stats: Stats,
    sweep_at: usize,
}

impl Ledger {
    pub(crate) fn stats(&self) -> Stats {
        Stats {
            families_alive: u64::try_from(self.families.len()).unwrap_or(u64::MAX),
            ..self.stats
        }
    }

    pub(crate) fn count(&mut self, change: impl FnOnce(&mut Stats)) {
        change(&mut self.stats);
    }

    pub(crate) fn record_renewal(
        &mut self,
        (sid, subject): (&str, &str),
        at: i64,
        outcome: RenewalOutcome,
    ) {
        let (sid, subject) = (sid.to_owned(), subject.to_owned());
        self.renewals.push(RenewalRecord { at, sid, subject, outcome });
    }

    pub(crate) fn take_renewals(&mut self) -> Vec<RenewalRecord> {
        std::mem::take(&mut self.renewals)
    }

    pub(crate) fn families(&self) -> impl Iterator<Item = &Arc<Login>> {
        self.families.values()
    }

    /// Returns the login of an access token, if the token is valid now.
    pub(crate) fn login_of(&self, access_token: &str, now: i64) -> Option<&Arc<Login>> {
        let access = self.access.get(&TokenDigest::of(access_token))?;
        if now >= access.expires_at {
            return None;
        }
        self.families.get(&access.sid)
    }

    /// Returns what an access token is for and when it expires (epoch milliseconds), with its login, if
    /// the token is valid now.
    pub(crate) fn introspect(
        &self,
        access_token: &str,
        now: i64,
    ) -> Option<(Arc<Login>, Option<String>, i64)> {
        let login = Arc::clone(self.login_of(access_token, now)?);
        let access = self.access.get(&TokenDigest::of(access_token))?;
        Some((login, access.audience.clone(), access.expires_at))
    }

    /// Ends a login with all its tokens. Returns false if there was none.
    pub(crate) fn end_family(&mut self, sid: &str) -> bool {
        self.families.remove(sid).is_some()
    }

    /// Removes the access tokens of a login; its refresh token stays valid. Returns false if there were
    /// none.
    pub(crate) fn revoke_access_tokens(&mut self, sid: &str) -> bool {
        let before = self.access.len();
        self.access.retain(|_, access| access.sid != sid);
        self.access.len() < before
    }

    /// Revokes a token of either kind for the client that presents it (RFC 7009, 2.1).
    pub(crate) fn revoke(&mut self, token: &str, client_id: &str) -> Revoked {
        let digest = TokenDigest::of(token);
        let refresh = self.refresh.get(&digest).map(|refresh| refresh.sid.clone());
        let is_refresh = refresh.is_some();
        let sid = refresh.or_else(|| Some(self.access.get(&digest)?.sid.clone()));
        let Some(login) = sid.and_then(|sid| self.families.get(&sid)).cloned() else {
            return Revoked::Unknown;
        };
        if login.client_id != client_id {
            return Revoked::AnotherClients;
        }
        if is_refresh {
            self.end_family(&login.sid);
        } else {
            self.access.remove(&digest);
        }
        self.stats.revocations += 1;
        Revoked::Done
    }

    fn issue_access_token(
        &mut self,
        login: &Login,
        audience: Option<String>,
        now: i64,
        settings: &Settings,
    ) -> AccessToken {
        self.sweep(now);
        let token = random_token();
        let expires_at = now.saturating_add(millis(settings.access_token_lifetime));
        let access = Access { audience, expires_at, sid: login.sid.clone() };
        self.access.insert(TokenDigest::of(&token), access);
        AccessToken::new(token)
    }

    /// Removes entries that can never be valid again, each time the ledger has doubled.
    fn sweep(&mut self, now: i64) {
        if self.access.len() + self.refresh.len() + self.codes.len()
            < self.sweep_at.max(SWEEP_FLOOR)
        {
            return;
        }
        let families = &self.families;
        self.access
            .retain(|_, access| now < access.expires_at && families.contains_key(&access.sid));
        self.refresh.retain(|_, refresh| families.contains_key(&refresh.sid));
        self.codes.retain(|_, code| !code.is_forgotten(now));
        self.sweep_at = 2 * (self.access.len() + self.refresh.len() + self.codes.len());
    }
}

pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{CodeGrant, Ledger, Login, Redemption, random_token};
    use crate::settings::Settings;
    use crate::user::User;

    fn sign_in(ledger: &mut Ledger, now: i64) -> super::Issued {
        let login = Login {
            acr: None,
            auth_time: now,
            client_id: "app".to_owned(),
            nonce: None,
            resource: None,
            scope: Vec::new(),
            sid: random_token(),
            user: User::new("alice"),
        };
        let redirect_uri = "http://127.0.0.1/".to_owned();
        let code =
            ledger.issue_code(CodeGrant { challenge: None, issued_at: now, login, redirect_uri });
        let presented = Redemption {
            client_id: "app",
            code: &code,
            redirect_uri: Some("http://127.0.0.1/"),
            resource: None,
            verifier: None,
        };
        ledger.redeem(&presented, now, &Settings::default()).unwrap()
    }

    #[test]
    fn sweeping_removes_invalid_entries_only() {
        let mut ledger = Ledger::default();
        let valid = sign_in(&mut ledger, 0);
        for login in 0..10_000 {
            let issued = sign_in(&mut ledger, login * 1_000);
            assert!(ledger.end_family(&issued.login.sid));
        }
        assert!(
            ledger.refresh.len() < 2_000
                && ledger.access.len() < 2_000
                && ledger.codes.len() < 2_000
        );
        let token = valid.refresh_token.unwrap();
        let now = 10_000_000;
        let renewed =
            ledger.renew(token.secret(), "app", None, None, now, &Settings::default()).unwrap();
        assert!(ledger.login_of(renewed.access_token.secret(), now).is_some());
    }
}
