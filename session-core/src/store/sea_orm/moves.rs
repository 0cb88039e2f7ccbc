//! What was moved here from another system's table, and how far its move is.

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, Condition, DeriveIden, EntityTrait, QueryFilter, QuerySelect};

use super::SeaOrmStore;
use super::entity::session::{self, Column};
use crate::session::{Origin, ProviderName, Session, SessionId, UserId};
use crate::store::StoreError;

/// `session_move`, which `session-migrate` writes: no more of it than is asked here.
#[derive(DeriveIden)]
enum SessionMove {
    Table,
    Id,
    State,
}

/// The state of a move until its switch: only the old system renews.
const HELD: &str = "held";

/// The state of a move that is over: what it brought is a session as any other.
const FINAL: &str = "final";

impl SeaOrmStore {
    pub(super) async fn unclaimed_of(
        &self,
        user: &UserId,
        provider: &ProviderName,
    ) -> Result<Vec<Session>, StoreError> {
        let no_cookie =
            Condition::all().add(Column::Digest.is_null()).add(Column::PreviousDigest.is_null());
        self.live_where(imported(user, provider).add(no_cookie)).await
    }

    pub(super) async fn legacy_of(
        &self,
        user: &UserId,
        provider: &ProviderName,
    ) -> Result<Vec<Session>, StoreError> {
        let open = Condition::any().add(state_of_move().is_null()).add(state_of_move().ne(FINAL));
        self.live_where(imported(user, provider).add(open)).await
    }

    pub(super) async fn is_held_back(&self, id: SessionId) -> Result<bool, StoreError> {
        self.repeat(|_| async move {
            let held = session::Entity::find_by_id(id.as_uuid())
                .select_only()
                .column(Column::Id)
                .filter(state_of_move().eq(HELD))
                .into_tuple::<Uuid>()
                .one(&self.connection)
                .await;
            Ok(held.map_err(|error| self.failed(error))?.is_some())
        })
        .await
    }
}

/// A user's sessions of a provider that were moved here.
fn imported(user: &UserId, provider: &ProviderName) -> Condition {
    Condition::all()
        .add(Column::UserId.eq(user.as_str()))
        .add(Column::Provider.eq(provider.as_str()))
        .add(Column::Origin.eq(Origin::Imported.as_str()))
}

/// The state of the move that brought a row; null where none did, or it is not known. Asked for
/// each row: a user has few, and each is one step into an index.
fn state_of_move() -> Expr {
    let of_row =
        Expr::col((SessionMove::Table, SessionMove::Id)).equals((session::Entity, Column::MovedBy));
    let state = Query::select()
        .column(SessionMove::State)
        .from(SessionMove::Table)
        .and_where(of_row)
        .take();
    Expr::from(state)
}
