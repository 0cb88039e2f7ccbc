//! Sessions that `session-migrate` brought here, and the state of their migration.

use async_trait::async_trait;
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, Condition, DeriveIden, EntityTrait, QueryFilter, QuerySelect};

use super::entity::session::{self, Column};
use super::store::SeaOrmStore;
use crate::session::{Origin, ProviderName, Session, SessionId, UserId};
use crate::store::{MigratedSessions, StoreError};

/// The columns of `session_move`, a table of `session-migrate`, that are read here.
#[derive(DeriveIden)]
enum SessionMove {
    Table,
    Id,
    State,
}

/// The state of a migration before its cutover: only the old system renews.
const HELD: &str = "held";

/// The state of a migration that is complete: its sessions are sessions like any other.
const FINAL: &str = "final";

#[async_trait]
impl MigratedSessions for SeaOrmStore {
    async fn list_unclaimed(
        &self,
        user: &UserId,
        provider: &ProviderName,
    ) -> Result<Vec<Session>, StoreError> {
        let no_cookie =
            Condition::all().add(Column::Digest.is_null()).add(Column::PreviousDigest.is_null());
        self.list_live(imported(user, provider).add(no_cookie)).await
    }

    async fn list_migrated(
        &self,
        user: &UserId,
        provider: &ProviderName,
    ) -> Result<Vec<Session>, StoreError> {
        let open =
            Condition::any().add(migration_state().is_null()).add(migration_state().ne(FINAL));
        self.list_live(imported(user, provider).add(open)).await
    }

    async fn is_held(&self, id: SessionId) -> Result<bool, StoreError> {
        self.repeat(|_| async move {
            let held = session::Entity::find_by_id(id.as_uuid())
                .select_only()
                .column(Column::Id)
                .filter(migration_state().eq(HELD))
                .into_tuple::<Uuid>()
                .one(&self.pool)
                .await;
            Ok(held.map_err(|error| self.failed(error))?.is_some())
        })
        .await
    }
}

/// Selects the migrated sessions of a user and provider.
fn imported(user: &UserId, provider: &ProviderName) -> Condition {
    Condition::all()
        .add(Column::UserId.eq(user.as_str()))
        .add(Column::Provider.eq(provider.as_str()))
        .add(Column::Origin.eq(Origin::Imported.as_str()))
}

/// Selects the sessions that no migration brought, or one that is complete. Until then a rollback has to
/// know which sessions have ended.
pub(super) fn is_of_no_open_migration() -> Condition {
    Condition::any()
        .add(Column::MovedBy.is_null())
        .add(migration_state().is_null())
        .add(migration_state().eq(FINAL))
}

/// The state of the migration that brought a row; null if none did or it is unknown. Evaluated for
/// each row: a user has few, and each costs one index lookup.
fn migration_state() -> Expr {
    let of_row =
        Expr::col((SessionMove::Table, SessionMove::Id)).equals((session::Entity, Column::MovedBy));
    let state = Query::select()
        .column(SessionMove::State)
        .from(SessionMove::Table)
        .and_where(of_row)
        .take();
    Expr::from(state)
}
