//! Builds updates of one live row.

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, UpdateMany};

use super::convert::{seal_key, sealed_octets, signed};
use super::entity::session::{self, Column};
use crate::session::SessionId;
use crate::store::TokenWrite;
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

/// Returns the update that writes renewed tokens, and releases the lease of their owner.
///
/// MySQL assigns one column after the other, so that the owner is compared before it is cleared.
pub(super) fn renewal(write: &TokenWrite) -> UpdateMany<session::Entity> {
    let update = set_tokens(update_live(write.id), &write.tokens)
        .col_expr(Column::RenewedAt, Expr::val(write.now.as_millis()))
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

pub(super) fn raised_revision() -> Expr {
    Expr::col(Column::Revision).add(1_i64)
}
