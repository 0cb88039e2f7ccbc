//! Builds updates of live rows.

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, UpdateMany};

use super::convert::{digest_octets, seal_key, sealed_octets, signed};
use super::entity::session::{self, Column};
use super::row::is_live_by_id;
use crate::clock::Timestamp;
use crate::session::{Authentication, Origin, SecretDigest, SessionId};
use crate::store::{PreviousDigest, Reseal, StepUpWrite, TokenWrite};
use crate::token::SealedTokens;

/// Begins an update of a live session.
pub(super) fn update_live(id: SessionId) -> UpdateMany<session::Entity> {
    session::Entity::update_many()
        .filter(Column::Id.eq(id.as_uuid()))
        .filter(Column::EndedAt.is_null())
}

/// Adds the columns of sealed tokens to an update.
pub(super) fn set_tokens(
    update: UpdateMany<session::Entity>,
    tokens: &SealedTokens,
) -> UpdateMany<session::Entity> {
    let refresh_token = tokens.refresh_token.as_ref().map(sealed_octets);
    update
        .col_expr(Column::SealedTokens, Expr::val(Some(sealed_octets(&tokens.tokens))))
        .col_expr(Column::SealedRefreshToken, Expr::val(refresh_token))
        .col_expr(Column::SealKey, Expr::val(Some(seal_key(&tokens.tokens))))
}

/// Returns the update that writes tokens that were sealed anew: one statement for all, which holds
/// its locks for no round trip.
pub(super) fn resealing(sessions: &[Reseal]) -> UpdateMany<session::Entity> {
    let of_each = |column: Column, value: &dyn Fn(&SealedTokens) -> Expr| -> Expr {
        let begin = CaseStatement::new();
        let case = sessions.iter().fold(begin, |case, session| {
            case.case(Expr::col(Column::Id).eq(session.id.as_uuid()), value(&session.tokens))
        });
        case.finally(Expr::col(column)).into()
    };
    let as_read = sessions.iter().fold(Condition::any(), |any, session| {
        let is_same = Column::Revision.eq(signed(session.revision));
        any.add(Column::Id.eq(session.id.as_uuid()).and(is_same))
    });
    let tokens = |sealed: &SealedTokens| Expr::val(Some(sealed_octets(&sealed.tokens)));
    let refresh_token =
        |sealed: &SealedTokens| Expr::val(sealed.refresh_token.as_ref().map(sealed_octets));
    let key = |sealed: &SealedTokens| Expr::val(Some(seal_key(&sealed.tokens)));
    session::Entity::update_many()
        .col_expr(Column::SealedTokens, of_each(Column::SealedTokens, &tokens))
        .col_expr(Column::SealedRefreshToken, of_each(Column::SealedRefreshToken, &refresh_token))
        .col_expr(Column::SealKey, of_each(Column::SealKey, &key))
        .filter(is_live_by_id())
        .filter(as_read)
}

/// Returns the update that writes renewed tokens, and releases the lease of their owner.
///
/// MySQL assigns one column after the other, so that the owner is compared before it is cleared.
pub(super) fn renewal(write: &TokenWrite) -> UpdateMany<session::Entity> {
    let update = set_tokens(update_live(write.id), &write.tokens)
        .col_expr(Column::RenewedAt, Expr::val(write.now.as_millis()))
        .col_expr(Column::ConnectionRenewedAt, of_connection(write.now))
        .col_expr(Column::Revision, raised_revision())
        .filter(Column::Revision.eq(signed(write.revision)));
    let Some(owner) = write.releases else { return update };
    let is_owner = || Expr::col(Column::LeaseOwner).eq(owner.as_uuid());
    let kept = |column: Column, none: Expr| -> Expr {
        Expr::case(is_owner(), none).finally(Expr::col(column)).into()
    };
    update
        .col_expr(Column::LeaseHeartbeat, kept(Column::LeaseHeartbeat, Expr::val(None::<i64>)))
        .col_expr(Column::LeaseTermMs, kept(Column::LeaseTermMs, Expr::val(None::<i64>)))
        .col_expr(Column::LeaseOwner, kept(Column::LeaseOwner, Expr::val(None::<Uuid>)))
}

/// Returns the update that writes a step-up.
pub(super) fn step_up(write: &StepUpWrite) -> UpdateMany<session::Entity> {
    let update = renewal(&write.tokens);
    let update = set_digests(update, &write.to, write.previous, write.tokens.now);
    set_authentication(update, &write.authentication)
        .col_expr(Column::Sid, Expr::val(write.sid.clone()))
}

/// Adds the columns of a rotated secret to an update.
pub(super) fn set_digests(
    update: UpdateMany<session::Entity>,
    to: &SecretDigest,
    previous: Option<PreviousDigest>,
    now: Timestamp,
) -> UpdateMany<session::Entity> {
    let rotated_at = previous.map_or(now, |previous| previous.rotated_at);
    let confirmed_at = previous.and_then(|previous| previous.confirmed_at);
    let digest = previous.map(|previous| digest_octets(&previous.digest));
    update
        .col_expr(Column::Digest, Expr::val(digest_octets(to)))
        .col_expr(Column::PreviousDigest, Expr::val(digest))
        .col_expr(Column::RotatedAt, Expr::val(rotated_at.as_millis()))
        .col_expr(Column::ConfirmedAt, Expr::val(confirmed_at.map(Timestamp::as_millis)))
}

/// Adds the columns of an authentication to an update.
pub(super) fn set_authentication(
    update: UpdateMany<session::Entity>,
    authentication: &Authentication,
) -> UpdateMany<session::Entity> {
    update
        .col_expr(Column::AuthTime, Expr::val(authentication.at.map(Timestamp::as_millis)))
        .col_expr(Column::Acr, Expr::val(authentication.acr.clone()))
        .col_expr(Column::Amr, Expr::val(authentication.methods_text()))
}

/// Returns a time for a tool client's connection; null for every other session, so that a renewal
/// changes no index.
fn of_connection(at: Timestamp) -> Expr {
    let is_connection = Expr::col(Column::Origin).eq(Origin::Connection.as_str());
    Expr::case(is_connection, at.as_millis()).finally(Expr::val(None::<i64>)).into()
}

pub(super) fn raised_revision() -> Expr {
    Expr::col(Column::Revision).add(1_i64)
}
