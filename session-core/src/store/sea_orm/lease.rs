//! Leases: each change is a compare-and-swap on owner and beat (store law 4).

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect};

use super::SeaOrmStore;
use super::convert::{signed, term_ms};
use super::entity::session::{self, Column};
use super::failure::Failure;
use super::retry::Attempt;
use super::update::update_live;
use crate::session::SessionId;
use crate::store::{Lease, LeaseOwner, StoreError};

impl SeaOrmStore {
    /// Puts `lease` where `seen` is.
    pub(super) async fn swap_lease(
        &self,
        id: SessionId,
        seen: Option<&Lease>,
        lease: &Lease,
    ) -> Result<bool, StoreError> {
        self.repeat(|attempt| self.try_to_swap(id, seen, lease, attempt)).await
    }

    async fn try_to_swap(
        &self,
        id: SessionId,
        seen: Option<&Lease>,
        lease: &Lease,
        attempt: Attempt,
    ) -> Result<bool, Failure> {
        let update = update_live(id)
            .col_expr(Column::LeaseOwner, Expr::val(lease.owner.as_uuid()))
            .col_expr(Column::LeaseHeartbeat, Expr::val(signed(lease.heartbeat)))
            .col_expr(Column::LeaseTermMs, Expr::val(term_ms(lease.term)))
            .filter(stands(seen));
        if self.update(update).await? {
            return Ok(true);
        }
        // Only its owner writes an owner and his beats.
        Ok(attempt.is_uncertain && self.is_held(id, lease).await?)
    }

    async fn is_held(&self, id: SessionId, lease: &Lease) -> Result<bool, Failure> {
        let found = session::Entity::find_by_id(id.as_uuid())
            .select_only()
            .column(Column::Id)
            .filter(Column::EndedAt.is_null())
            .filter(stands(Some(lease)))
            .into_tuple::<Uuid>()
            .one(&self.connection)
            .await;
        Ok(found.map_err(|error| self.failed(error))?.is_some())
    }

    pub(super) async fn drop_lease(
        &self,
        id: SessionId,
        owner: LeaseOwner,
    ) -> Result<(), StoreError> {
        self.repeat(|_| {
            let update = update_live(id)
                .col_expr(Column::LeaseOwner, Expr::val(None::<Uuid>))
                .col_expr(Column::LeaseHeartbeat, Expr::val(None::<i64>))
                .col_expr(Column::LeaseTermMs, Expr::val(None::<i64>))
                .filter(Column::LeaseOwner.eq(owner.as_uuid()));
            self.update(update)
        })
        .await
        .map(drop)
    }
}

fn stands(seen: Option<&Lease>) -> Condition {
    match seen {
        None => Condition::all().add(Column::LeaseOwner.is_null()),
        Some(lease) => Condition::all()
            .add(Column::LeaseOwner.eq(lease.owner.as_uuid()))
            .add(Column::LeaseHeartbeat.eq(signed(lease.heartbeat))),
    }
}
