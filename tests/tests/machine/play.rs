//! Runs each step on a node, and compares its result with the model's.

use std::time::Duration;

use proptest::sample::Index;
use session_core::manager::{Resolution, Rotation, SignIn, TokenErrorKind};
use session_core::middleware::SessionManagerExt as _;
use session_core::policy::Freshness;
use session_core::provider::{ProviderErrorKind, RevocationScope};
use session_core::session::SecretDigest;
use session_core::testing::{RenewalScript, ScriptedProvider, sample};
use session_core::{EndReason, SessionId, Timestamp, UserId};
use session_tests::manager::{DUE, LIFETIME, World, settle};

use super::model::{Known, Leads, Model, PROVIDERS, TOOL, USERS, policy};
use super::op::{Mood, Op, What};

pub(crate) struct Play {
    pub(crate) nodes: [World; 2],
    pub(crate) model: Model,
    pub(crate) mood: Mood,
    /// When a renewal last failed: the backoff is a minute at most.
    pub(crate) failed_at: Option<Timestamp>,
    /// The session whose tokens this step may change.
    pub(crate) may_renew: Option<usize>,
}

pub(crate) async fn play(ops: &[Op]) {
    let provider = ScriptedProvider::new().with_reuse_detection();
    let here = World::of(policy(), provider.with_revocation_scope(RevocationScope::Token)).await;
    let nodes = [here.clone(), here.another().await];
    let (model, mood) = (Model::default(), Mood::Rotating);
    let mut play = Play { nodes, model, mood, failed_at: None, may_renew: None };
    for op in ops {
        play.may_renew = None;
        play.step(op).await;
        settle().await;
        play.check().await;
    }
    play.check_revocations().await;
}

impl Play {
    pub(crate) fn now(&self) -> Timestamp {
        self.nodes[0].manager.now()
    }

    fn secret(&self, index: &Index) -> SecretDigest {
        let secrets = &self.model.secrets;
        recent(index, secrets.len()).map_or(SecretDigest::of("never issued"), |i| secrets[i])
    }

    fn session(&self, index: &Index) -> Option<usize> {
        recent(index, self.model.sessions.len())
    }

    fn id(&self, session: Option<usize>) -> SessionId {
        let unknown = || SessionId::generate(self.now());
        session.map_or_else(unknown, |session| self.model.sessions[session].id)
    }

    fn owner(&self, session: Option<usize>) -> UserId {
        sample::user(USERS[session.map_or(0, |session| self.model.sessions[session].user)])
    }

    async fn step(&mut self, op: &Op) {
        let manager = self.nodes[op.node].manager.clone();
        match &op.what {
            What::SignIn { user, provider, supersedes } => {
                let supersedes = supersedes.as_ref().map(|index| self.secret(index));
                self.sign_in(op.node, *user, *provider, supersedes).await;
            }
            What::Connect { user } => self.connect(op.node, *user).await,
            What::Resolve { secret, user } => {
                self.resolve(op.node, self.secret(secret), *user).await;
            }
            What::Request { secret } => self.request(op.node, self.secret(secret)).await,
            What::Token { session } => self.token(op.node, self.session(session)).await,
            What::Rotate { session } => self.rotate(op.node, self.session(session)).await,
            What::Provider(mood) => self.change_mood(*mood),
            What::Purge => {
                let purged = manager.purge().await.unwrap();
                let expected = self.model.purge(self.now());
                assert_eq!((purged.timed_out, purged.sessions), expected);
            }
            What::WorkOff => {
                manager.process_revocations(100).await.unwrap();
            }
            What::Advance { seconds } => {
                self.nodes[0].clock.advance(Duration::from_secs(*seconds));
            }
            ending => self.end(op.node, ending).await,
        }
    }

    async fn end(&mut self, node: usize, what: &What) {
        let (manager, now) = (self.nodes[node].manager.clone(), self.now());
        match what {
            What::SignOut { session } => {
                let session = self.session(session);
                let (owner, id) = (self.owner(session), self.id(session));
                let expected = self.model.end_if(EndReason::SignedOut, now, |s| s.id == id);
                assert_eq!(manager.sign_out(&owner, id).await.unwrap(), expected == 1);
            }
            What::EndOne { user, session } => {
                let id = self.id(self.session(session));
                let mine = |s: &Known| s.id == id && s.user == *user;
                let expected = self.model.end_if(EndReason::RevokedByUser, now, mine);
                let ended = manager.end_one(&sample::user(USERS[*user]), id).await;
                assert_eq!(ended.is_ok(), expected == 1, "{ended:?}");
            }
            What::EndOthers { user, session } => {
                let id = self.id(self.session(session));
                let others = |s: &Known| s.id != id && s.user == *user && s.provider != TOOL;
                let expected = self.model.end_if(EndReason::RevokedByUser, now, others);
                let ended = manager.end_others(&sample::user(USERS[*user]), id).await;
                assert_eq!(ended.unwrap(), expected);
            }
            What::EndAll { user, provider } => {
                let all = |s: &Known| {
                    s.user == *user && provider.is_none_or(|provider| provider == s.provider)
                };
                let expected = self.model.end_if(EndReason::RevokedByAdmin, now, all);
                let name = provider.map(|provider| sample::provider(PROVIDERS[provider]));
                let owner = sample::user(USERS[*user]);
                let ended = manager.end_all(&owner, name.as_ref(), EndReason::RevokedByAdmin).await;
                assert_eq!(ended.unwrap(), expected);
            }
            other => panic!("ends nothing: {other:?}"),
        }
    }

    async fn sign_in(
        &mut self,
        node: usize,
        user: usize,
        provider: usize,
        supersedes: Option<SecretDigest>,
    ) {
        let (manager, now) = (self.nodes[node].manager.clone(), self.now());
        let tokens = self.nodes[0].provider.sign_in();
        let (owner, name) = (sample::user(USERS[user]), sample::provider(PROVIDERS[provider]));
        let sign_in = SignIn::new(&owner, &name, tokens).supersedes(supersedes);
        let signed_in = manager.sign_in(sign_in).await.unwrap();
        let digest = Some(signed_in.secret.digest());
        let ended = signed_in.ended.iter().map(|ended| (ended.id, ended.reason));
        same_ends(ended.collect(), self.model.admit(user, provider, supersedes, now));
        self.model.secrets.extend(digest);
        self.learn(signed_in.session.id, user, provider, digest).await;
    }

    async fn connect(&mut self, node: usize, user: usize) {
        let (manager, now) = (self.nodes[node].manager.clone(), self.now());
        let tokens = self.nodes[0].provider.sign_in();
        let (owner, name) = (sample::user(USERS[user]), sample::provider(PROVIDERS[TOOL]));
        let connected = manager.connect(&owner, &name, tokens).await.unwrap();
        let ended = connected.ended.iter().map(|ended| (ended.id, ended.reason));
        same_ends(ended.collect(), self.model.admit(user, TOOL, None, now));
        self.learn(connected.session.id, user, TOOL, None).await;
        let found = manager.find_connection(&owner, &name).await.unwrap().unwrap();
        assert_eq!(found.id, connected.session.id);
    }

    fn change_mood(&mut self, mood: Mood) {
        self.mood = mood;
        self.nodes[0].provider.otherwise(match mood {
            Mood::Away => RenewalScript::Fail(ProviderErrorKind::Unavailable, None),
            Mood::Keeping => RenewalScript::KeepRefreshToken,
            Mood::Refusing => RenewalScript::Fail(ProviderErrorKind::Refused, None),
            Mood::Rotating => RenewalScript::Rotate,
        });
    }

    /// Takes a new session into the model, with the tokens that lie in its row.
    async fn learn(
        &mut self,
        id: SessionId,
        user: usize,
        provider: usize,
        current: Option<SecretDigest>,
    ) {
        let (now, tokens) = (self.now(), self.stored(id).await);
        self.model.sessions.push(Known {
            id,
            user,
            provider,
            current,
            previous: None,
            created_at: now,
            last_seen_at: now,
            ended: None,
            is_purged: false,
            access_token: tokens.access_token().to_owned(),
            refresh_token: tokens.refresh_token().unwrap().to_owned(),
            received_at: now,
        });
    }

    async fn resolve(&mut self, node: usize, digest: SecretDigest, user: Option<usize>) {
        let owner = user.map(|user| sample::user(USERS[user]));
        let resolution = self.nodes[node].manager.resolve(&digest, owner.as_ref()).await.unwrap();
        let leads = self.leads(&resolution);
        assert_eq!(leads, self.model.resolve(digest, user, self.now()));
        if let Leads::Live(session) = leads {
            self.may_renew = Some(session).filter(|_| self.freshness(session) == Freshness::Due);
        }
    }

    fn leads(&self, resolution: &Resolution) -> Leads {
        let index = |id| self.model.sessions.iter().position(|session| session.id == id).unwrap();
        match resolution {
            Resolution::Ended { id, ended } => Leads::Ended(index(*id), ended.reason),
            Resolution::Live(live) => Leads::Live(index(live.session().id)),
            Resolution::Superseded => Leads::Superseded,
            _ => Leads::Unknown,
        }
    }

    /// A request that needs a token.
    async fn request(&mut self, node: usize, digest: SecretDigest) {
        let manager = self.nodes[node].manager.clone();
        let resolution = manager.resolve(&digest, None).await.unwrap();
        let leads = self.leads(&resolution);
        assert_eq!(leads, self.model.resolve(digest, None, self.now()));
        let (Resolution::Live(live), Leads::Live(session)) = (resolution, leads) else { return };
        let valid = manager.with_valid_token(&live).await;
        let token = valid.map(|live| live.tokens().access_token().to_owned());
        self.served(session, token.map_err(|error| error.kind()));
    }

    /// A job that needs a token.
    async fn token(&mut self, node: usize, session: Option<usize>) {
        let asked =
            self.nodes[node].manager.access_token(&self.owner(session), self.id(session)).await;
        let token = asked.map(|tokens| tokens.access_token().to_owned());
        let token = token.map_err(|error| error.kind());
        let Some(session) = session.filter(|session| !self.model.sessions[*session].is_purged)
        else {
            assert_eq!(token.unwrap_err(), TokenErrorKind::NotFound);
            return;
        };
        let known = &self.model.sessions[session];
        let ended = known.ended.map(|(_, reason)| reason).or_else(|| known.timed_out(self.now()));
        match ended {
            Some(reason) => assert_eq!(token.unwrap_err(), TokenErrorKind::Ended(reason)),
            None => {
                self.model.use_by_token(session, self.now());
                self.served(session, token);
            }
        }
    }

    /// Whether a live session's request may have got this.
    fn served(&mut self, session: usize, token: Result<String, TokenErrorKind>) {
        let freshness = self.freshness(session);
        self.may_renew = Some(session).filter(|_| freshness != Freshness::Fresh);
        let known = &self.model.sessions[session].access_token;
        if freshness != Freshness::Expired {
            assert_eq!(token.as_ref(), Ok(known), "a valid token is served as it is");
            return;
        }
        match token {
            Ok(token) => assert_ne!(&token, known, "an expired token was served"),
            Err(TokenErrorKind::Ended(EndReason::RenewalRefused)) => {
                assert_eq!(self.mood, Mood::Refusing);
            }
            Err(TokenErrorKind::Unavailable { .. }) => {
                assert!(self.mood == Mood::Away || self.is_left_alone(), "for no reason");
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    pub(crate) fn is_left_alone(&self) -> bool {
        let a_minute = Duration::from_secs(60);
        self.failed_at.is_some_and(|failed_at| self.now() < failed_at + a_minute)
    }

    pub(crate) fn freshness(&self, session: usize) -> Freshness {
        let age = self.now().since(self.model.sessions[session].received_at);
        match age {
            age if age >= LIFETIME => Freshness::Expired,
            age if age >= DUE => Freshness::Due,
            _ => Freshness::Fresh,
        }
    }

    async fn rotate(&mut self, node: usize, session: Option<usize>) {
        let rotated =
            self.nodes[node].manager.rotate_secret(&self.owner(session), self.id(session)).await;
        let now = self.now();
        let live = session.filter(|session| self.model.sessions[*session].is_live());
        let Some(live) = live else {
            assert!(rotated.is_err());
            return;
        };
        let to = match rotated.unwrap() {
            Rotation::Rotated { secret, .. } => Some(secret.digest()),
            Rotation::InProgress => None,
            other => panic!("an unknown outcome of a rotation: {other:?}"),
        };
        assert_eq!(self.model.sessions[live].rotate(to, now), to.is_some());
        self.model.secrets.extend(to);
    }
}

/// One of so many: any, or often one of the last three, so that things happen to the same session.
fn recent(index: &Index, count: usize) -> Option<usize> {
    let last = count.min(3);
    let picked = (count > 0).then(|| index.index(count + last * count.max(6)))?;
    Some(if picked < count { picked } else { count - 1 - picked % last })
}

fn same_ends(mut ended: Vec<(SessionId, EndReason)>, mut expected: Vec<(SessionId, EndReason)>) {
    ended.sort_by_key(|(id, _)| *id);
    expected.sort_by_key(|(id, _)| *id);
    assert_eq!(ended, expected);
}
