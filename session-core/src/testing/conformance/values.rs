//! Law 10 and the rest of a row: every value is returned as it was stored.

use super::kit::{Nodes, Outcome, at, end_one, ensure, ensure_eq, outbox, signed_in, stored};
use crate::session::{Authentication, DeviceLabel, EndReason, Origin, ProviderIdentity, Session};
use crate::store::{EndTarget, TokenWrite};
use crate::testing::sample::{self, Login};
use crate::token::{Sealed, SealedTokens, TokenSet};

cases! { 10:
    law_10_names_of_any_script_are_kept,
    law_10_the_longest_values_are_kept,
    law_10_absent_values_stay_absent,
    law_10_large_token_sets_are_kept,
    law_10_any_bytes_are_kept,
    law_10_values_are_never_statements,
    law_10_every_origin_is_kept,
}

/// Creates a name of the maximum length: 63 characters of four bytes, and three more bytes.
fn longest(mark: &str) -> String {
    format!("{}{mark}", "\u{1f511}".repeat(63))
}

fn identity(text: &str) -> ProviderIdentity {
    ProviderIdentity {
        issuer: Some(text.to_owned()),
        subject: Some(sample::subject(text)),
        sid: Some(text.to_owned()),
        account: Some(text.to_owned()),
    }
}

async fn ensure_kept(nodes: &Nodes, login: &Login) -> Outcome {
    let row = signed_in(nodes.first(), login).await?;
    ensure_eq(row.session, login.session.clone(), "the session is stored as it was given")?;
    let there = stored(nodes.other(), login.id()).await?;
    ensure_eq(there.session, login.session.clone(), "on every node")?;
    let listed = nodes.other().list(&login.session.user).await?;
    ensure(listed.contains(&login.session), "in the list too")
}

async fn law_10_names_of_any_script_are_kept(nodes: Nodes) -> Outcome {
    for text in
        ["\u{1f511}\u{1f468}\u{200d}\u{1f469}", "用户 一", "مستخدم", "n\u{303}", "'\"`\\;--"]
    {
        let mut login = Login::of(text, text).device(text);
        login.session.identity = identity(text);
        ensure_kept(&nodes, &login).await?;
    }
    Ok(())
}

async fn law_10_the_longest_values_are_kept(nodes: Nodes) -> Outcome {
    let (one, two) = (longest("abc"), longest("abd"));
    for text in [&one, &two] {
        let mut login = Login::of(text, text);
        login.session.identity = identity(text);
        login.session.authentication =
            Authentication { at: Some(at(3)), acr: Some(text.clone()), amr: vec![text.clone()] };
        login.session.device = DeviceLabel::new(&"\u{1f4f1}".repeat(500));
        ensure_kept(&nodes, &login).await?;
        end_one(nodes.first(), login.id(), EndReason::SignedOut, at(5)).await?;
        let events = nodes.first().events(login.id()).await?;
        ensure(events.iter().all(|e| e.user == login.session.user), "in the events too")?;
    }
    // Names that differ in their last byte only are two names.
    let listed = nodes.first().list(&sample::user(&one)).await?;
    ensure_eq(listed, Vec::<Session>::new(), "each user's session has ended")
}

async fn law_10_absent_values_stay_absent(nodes: Nodes) -> Outcome {
    let mut login = Login::of("ann", "okta").connection();
    login.session.identity = ProviderIdentity::default();
    login.session.authentication = Authentication::default();
    login.session.device = DeviceLabel::new("");
    let row = signed_in(nodes.first(), &login).await?;
    ensure_eq(row.session, login.session, "no value is invented")?;
    ensure_eq(row.digests, crate::store::Digests::default(), "there is no digest")?;
    ensure_eq(row.lease, None, "there is no lease")
}

async fn law_10_large_token_sets_are_kept(nodes: Nodes) -> Outcome {
    let login = Login::of("ann", "okta").with_tokens(sample::tokens_of(60_000));
    let new = login.new_session();
    let admit = |_: &[_]| crate::policy::Verdict::Admit(Vec::new());
    nodes.first().admit(new.clone(), &admit).await?;
    let row = stored(nodes.other(), login.id()).await?;
    ensure(row.tokens.as_ref() == Some(&new.tokens), "60 KB are kept byte for byte")?;
    let larger = sample::sealed(&sample::tokens_of(200_000), &login.session);
    let (id, revision) = (login.id(), login.session.revision);
    let write = TokenWrite { id, revision, tokens: larger.clone(), now: at(1), releases: None };
    nodes.first().write_tokens(write).await?;
    let row = stored(nodes.other(), id).await?;
    ensure(row.tokens == Some(larger), "200 KB are kept after a renewal")
}

async fn law_10_any_bytes_are_kept(nodes: Nodes) -> Outcome {
    // A store does not open what it keeps, so malformed bytes are kept too (F35).
    let every: Vec<u8> = (0..=u8::MAX).collect();
    let shapes = [Vec::new(), vec![0], vec![0; 64], every.clone(), vec![1, 200, 255, 254]];
    for bytes in shapes {
        let login = Login::of("ann", "okta");
        let read = signed_in(nodes.first(), &login).await?.session;
        let tokens = SealedTokens {
            tokens: Sealed::from_bytes(bytes.clone()),
            refresh_token: Some(Sealed::from_bytes([bytes, every.clone()].concat())),
        };
        let write =
            TokenWrite { id: read.id, revision: read.revision, tokens, now: at(1), releases: None };
        nodes.first().write_tokens(write.clone()).await?;
        let row = stored(nodes.other(), read.id).await?;
        ensure(row.tokens.as_ref() == Some(&write.tokens), "every byte is kept")?;
        let user = Some(read.user);
        let target = EndTarget::One { id: read.id, user };
        nodes.first().end(target, EndReason::SignedOut.into(), at(2)).await?;
        let out = outbox(nodes.other()).await?;
        let moved = out.iter().find(|revocation| revocation.session == read.id);
        let moved = moved.map(|revocation| &revocation.refresh_token);
        ensure(moved == write.tokens.refresh_token.as_ref(), "in the outbox too")?;
    }
    Ok(())
}

async fn law_10_values_are_never_statements(nodes: Nodes) -> Outcome {
    let names = ["x'; DELETE FROM login_session; --", "\") OR 1=1 --", "$1", "?", ":id", "NULL"];
    for name in names {
        let mut login = Login::of(name, name).device(name);
        login.session.identity = identity(name);
        ensure_kept(&nodes, &login).await?;
    }
    for name in names {
        let user = sample::user(name);
        let target = EndTarget::AllOf { user, provider: Some(sample::provider(name)) };
        let ended = nodes.first().end(target, EndReason::SignedOut.into(), at(5)).await?;
        ensure_eq(ended.len(), 1, "each name is one session")?;
    }
    Ok(())
}

async fn law_10_every_origin_is_kept(nodes: Nodes) -> Outcome {
    for origin in [Origin::Connection, Origin::Imported, Origin::Login] {
        let mut login = Login::of("ann", "okta");
        login.session.origin = origin;
        login.session.revision = 41;
        login.session.renewed_at = Some(at(7));
        login.tokens = TokenSet::new(sample::response(), at(7), std::time::Duration::from_secs(60));
        ensure_kept(&nodes, &login).await?;
    }
    Ok(())
}
