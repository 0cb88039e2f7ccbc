//! What both applications and their users do meanwhile.

use std::time::Duration;

use sea_orm_migration::sea_orm::ConnectionTrait as _;
use session_core::manager::{Resolution, SignIn};
use session_core::middleware::SessionManagerExt as _;
use session_core::session::SecretDigest;
use session_core::testing::sample::{provider, user};
use session_core::{EndReason, TokenResponse};

use super::{ROWS, Tokens, World, all_opened, tokens};
use crate::openwebui::token;
use crate::target::Target;

impl World {
    /// The old application renews a session, if the source takes it.
    pub(super) async fn old_application_writes(&mut self, at: usize) {
        self.tokens += 1;
        let (new, tokens) = (token(self.tokens), tokens(self.tokens));
        let key = format!("{}{}", self.sides[at].name, self.random.below(ROWS));
        // An application whose tokens are elsewhere finds them revoked, and does not renew; after a
        // sign-in was lost, the user signs in anew.
        let newest = self.sides[at].newest.get(&key);
        if newest.is_some() && all_opened(&self.sides[at].source).await.get(&key) != newest {
            return;
        }
        let write = format!("UPDATE oauth_session SET token = '{new}' WHERE id = '{key}'");
        let source = &self.sides[at].source.connection;
        let written = source.execute_unprepared(&write).await;
        let is_written = match written {
            // A failback has removed the row of a session that ended.
            Ok(done) if done.rows_affected() == 0 => {
                let row = format!("'{key}', 'u{key}', 'oidc', '{new}', 1760000000, 1000, 2000");
                let insert = format!("INSERT INTO oauth_session VALUES ({row})");
                source.execute_unprepared(&insert).await.is_ok()
            }
            done => done.is_ok(),
        };
        self.note(format!("the old application renews {key}: {is_written}"));
        if is_written {
            self.sides[at].newest.insert(key, tokens);
        }
    }

    /// The new application renews a session, if it may.
    pub(super) async fn new_application_renews(&mut self, at: usize) {
        let key = format!("{}{}", self.sides[at].name, self.random.below(ROWS));
        let known = self.in_target().await;
        let newest = self.sides[at].newest.get(&key);
        let is_known = newest.is_some_and(|newest| {
            known.get(&format!("u{key}")).is_some_and(|of| of.contains(newest))
        });
        if !is_known {
            return;
        }
        let known = newest.cloned().unwrap_or_default();
        let new = self.renewed(&SecretDigest::of(&key), &format!("u{key}"), known).await;
        self.note(format!("the new application has {new:?} for {key}"));
        self.sides[at].newest.insert(key, new);
    }

    /// Lets a request with this cookie renew the session of a user, and returns the tokens that it has
    /// then.
    pub(super) async fn renewed(&self, cookie: &SecretDigest, user: &str, known: Tokens) -> Tokens {
        let target = Target::with(&self.target.database, self.provider.clone()).await;
        let mut given = known;
        if let Ok(Resolution::Live(live)) = target.manager.resolve(cookie, None).await
            && let Ok(live) = target.manager.with_valid_token(&live).await
        {
            let tokens = live.tokens();
            given = [tokens.access_token(), tokens.refresh_token().unwrap()].map(str::to_owned);
        }
        // A renewal that began beside the request has ended by then.
        target.close().await;
        self.stored(user, given).await
    }

    /// Returns the tokens of a user's session: other ones than a request was given, if a renewal beside
    /// it has finished since.
    pub(super) async fn stored(&self, user: &str, given: Tokens) -> Tokens {
        let known = self.in_target().await;
        let others = known.get(user).filter(|of| of.len() == 1 && !of.contains(&given));
        others.and_then(|of| of.first().cloned()).unwrap_or(given)
    }

    /// A user signs in to the new application, where there is one.
    pub(super) async fn user_signs_in(&mut self) {
        if self.target.connection.execute_unprepared("SELECT 1 FROM login_session").await.is_err() {
            return;
        }
        self.tokens += 1;
        let id = format!("n{}", self.tokens);
        let target = Target::with(&self.target.database, self.provider.clone()).await;
        let tokens = tokens(self.tokens);
        // They are due soon, so that they can be renewed.
        let response = TokenResponse::bearer(&tokens[0]).with_refresh_token(&tokens[1]);
        let response = response.with_expires_in(Duration::from_secs(1));
        let sign_in = SignIn::new(&user(&id), &provider("oidc"), response);
        let signed_in = target.manager.sign_in(sign_in).await;
        target.close().await;
        self.note(format!("{id} signs in to the new application: {}", signed_in.is_ok()));
        if let Ok(signed_in) = signed_in {
            self.cookies.insert(id.clone(), signed_in.secret.digest());
            self.begun.insert(id, tokens);
        }
    }

    /// The new application renews a session that began there.
    pub(super) async fn new_application_renews_begun(&mut self) {
        let users: Vec<String> = self.begun.keys().cloned().collect();
        let Some(id) = users.get(self.random.below(users.len().max(1))).cloned() else { return };
        let (Some(cookie), known) = (self.cookies.get(&id).copied(), self.in_target().await) else {
            return;
        };
        if !known.get(&id).is_some_and(|of| of.contains(&self.begun[&id])) {
            return;
        }
        let new = self.renewed(&cookie, &id, self.begun[&id].clone()).await;
        self.note(format!("the new application has {new:?} for {id}"));
        self.begun.insert(id, new);
    }

    /// Moves one side while the other is not on record.
    pub(super) async fn alone(&mut self, at: usize) {
        self.call(1 - at, "abort", &[]).await;
        self.call(at, "abort", &[]).await;
        self.call(at, "apply", &["--yes"]).await;
    }

    /// The source is current, and its block is lifted: then the old application renews what the target
    /// holds too, and no failback may overwrite it.
    pub(super) async fn lifted_while_current(&mut self, at: usize) {
        self.alone(at).await;
        self.new_application_renews(at).await;
        self.call(at, "failback", &["--once"]).await;
        self.unblocked(at).await;
        for _ in 0..6 {
            self.old_application_writes(at).await;
        }
        self.call(at, "failback", &["--once"]).await;
    }

    /// Sessions that began in the target are rows of the source, and are renewed before a rollback.
    pub(super) async fn renewed_after_a_failback(&mut self, at: usize) {
        self.alone(at).await;
        for _ in 0..3 {
            self.user_signs_in().await;
        }
        self.call(at, "failback", &["--once"]).await;
        self.call(at, "verify", &[]).await;
        self.call(at, "plan", &[]).await;
        for _ in 0..4 {
            self.new_application_renews_begun().await;
        }
        self.call(at, "rollback", &[]).await;
    }

    /// A user signs out of the new application.
    pub(super) async fn user_signs_out(&mut self, at: usize) {
        let side = &self.sides[at];
        let ids = side.newest.keys().map(|key| format!("u{key}")).chain(self.begun.keys().cloned());
        let ids: Vec<String> = ids.collect();
        let Some(id) = ids.get(self.random.below(ids.len().max(1))).cloned() else { return };
        let known = self.in_target().await;
        let newest = self.sides[at].newest.get(id.trim_start_matches('u')).or(self.begun.get(&id));
        if !newest.is_some_and(|newest| known.get(&id).is_some_and(|of| of.contains(newest))) {
            return;
        }
        let target = Target::with(&self.target.database, self.provider.clone()).await;
        let ended = target.manager.end_all(&user(&id), None, EndReason::SignedOut).await;
        target.close().await;
        self.note(format!("{id} signs out of the new application: {}", ended.is_ok()));
        if ended.is_ok() {
            self.begun.remove(&id);
            for side in &mut self.sides {
                side.newest.remove(id.trim_start_matches('u'));
            }
        }
    }
}
