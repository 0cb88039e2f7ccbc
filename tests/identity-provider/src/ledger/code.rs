//! Authorization codes.

use std::sync::Arc;

use super::Ledger;
use super::digest::{TokenDigest, random_token};
use super::record::{Code, CodeGrant, GrantError, Issued, Redemption};
use crate::settings::Settings;

impl Ledger {
    /// Records a login and returns its code.
    pub(crate) fn issue_code(&mut self, grant: CodeGrant) -> String {
        let code = random_token();
        let record = Code {
            challenge: grant.challenge,
            issued_at: grant.issued_at,
            login: Arc::new(grant.login),
            redirect_uri: grant.redirect_uri,
            spent: false,
        };
        self.codes.insert(TokenDigest::of(&code), record);
        self.stats.logins += 1;
        code
    }

    /// Exchanges a code, once. The first attempt uses it up, successful or not; a later attempt revokes
    /// the tokens of the first (RFC 6749, 4.1.2).
    pub(crate) fn redeem(
        &mut self,
        presented: &Redemption<'_>,
        now: i64,
        settings: &Settings,
    ) -> Result<Issued, GrantError> {
        let code = self.codes.get_mut(&TokenDigest::of(presented.code));
        let code = code.filter(|code| code.login.client_id == presented.client_id);
        let code = code.ok_or(GrantError::Grant("the code is unknown"))?;
        let login = Arc::clone(&code.login);
        if code.spent {
            self.end_family(&login.sid);
            self.stats.code_reuse_detected += 1;
            return Err(GrantError::Grant("the code was used before"));
        }
        code.spent = true;
        code.check(presented, now)?;
        let audience = login.audience(presented.resource)?;
        self.families.insert(login.sid.clone(), Arc::clone(&login));
        Ok(Issued {
            access_token: self.issue_access_token(&login, audience, now, settings),
            refresh_token: settings.issue_refresh_tokens.then(|| self.issue_refresh_token(&login)),
            scope: login.scope.clone(),
            login,
        })
    }
}
