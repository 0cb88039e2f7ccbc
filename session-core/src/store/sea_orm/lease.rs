//! Leases: each change is a compare-and-swap on owner and heartbeat (store law 4).

use async_trait::async_trait;
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect};

use super::attempt_error::AttemptError;
use super::convert::{signed, term_ms};
use super::entity::session::{self, Column};
use super::retry::Attempt;
use super::store::SeaOrmStore;
use super::update::update_live;
use crate::session::SessionId;
use crate::store::{Lease, LeaseOwner, RenewalLeases, StoreError};

#[async_trait]
impl RenewalLeases for SeaOrmStore {
    async fn claim_lease(
        &self,
        id: SessionId,
        seen: Option<&Lease>,
        lease: &Lease,
    ) -> Result<bool, StoreError> {
        self.repeat(|attempt| self.try_to_swap(id, seen, lease, attempt)).await
    }

    async fn heartbeat(&self, id: SessionId, lease: &Lease) -> Result<bool, StoreError> {
        self.claim_lease(id, Some(lease), &lease.raised()).await
    }

    async fn release_lease(&self, id: SessionId, owner: LeaseOwner) -> Result<(), StoreError> {
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

impl SeaOrmStore {
    async fn try_to_swap(
        &self,
        id: SessionId,
        seen: Option<&Lease>,
        lease: &Lease,
        attempt: Attempt,
    ) -> Result<bool, AttemptError> {
        let update = update_live(id)
            .col_expr(Column::LeaseOwner, Expr::val(lease.owner.as_uuid()))
            .col_expr(Column::LeaseHeartbeat, Expr::val(signed(lease.heartbeat)))
            .col_expr(Column::LeaseTermMs, Expr::val(term_ms(lease.term)))
            .filter(has_lease(seen));
        if self.update(update).await? {
            return Ok(true);
        }
        // Only the owner of a lease writes its owner and its heartbeats.
        Ok(attempt.is_uncertain && self.was_swapped(id, lease).await?)
    }

    async fn was_swapped(&self, id: SessionId, lease: &Lease) -> Result<bool, AttemptError> {
        let found = session::Entity::find_by_id(id.as_uuid())
            .select_only()
            .column(Column::Id)
            .filter(Column::EndedAt.is_null())
            .filter(has_lease(Some(lease)))
            .into_tuple::<Uuid>()
            .one(&self.connection)
            .await;
        Ok(found.map_err(|error| self.failed(error))?.is_some())
    }
}

fn has_lease(lease: Option<&Lease>) -> Condition {
    match lease {
        None => Condition::all().add(Column::LeaseOwner.is_null()),
        Some(lease) => Condition::all()
            .add(Column::LeaseOwner.eq(lease.owner.as_uuid()))
            .add(Column::LeaseHeartbeat.eq(signed(lease.heartbeat))),
    }
}
