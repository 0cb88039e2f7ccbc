//! Leases: each change is a compare-and-swap on owner and heartbeat (store law 4).

use async_trait::async_trait;
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, DbBackend, EntityTrait, FromQueryResult, IdenStatic, Iterable,
    QueryFilter, QuerySelect,
};

use super::attempt_error::AttemptError;
use super::convert::{signed, term_ms};
use super::entity::session::{self, Column};
use super::live_update::update_live;
use super::retry::Attempt;
use super::row::StoredRow;
use super::store::SeaOrmStore;
use super::text;
use crate::session::SessionId;
use crate::store::{Lease, LeaseOwner, RenewalLeases, StoreError, StoredSession};

#[async_trait]
impl RenewalLeases for SeaOrmStore {
    async fn claim_lease(
        &self,
        id: SessionId,
        seen: Option<&Lease>,
        lease: &Lease,
    ) -> Result<Option<StoredSession>, StoreError> {
        self.repeat(|attempt| self.try_to_claim_lease(id, seen, lease, attempt)).await
    }

    async fn heartbeat(&self, id: SessionId, lease: &Lease) -> Result<bool, StoreError> {
        self.repeat(|attempt| self.try_to_raise(id, lease, attempt)).await
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
    /// Claims the lease and reads the row in one message. MySQL has no `RETURNING`, and reads the
    /// row behind the update: then another owner may have it by now.
    async fn try_to_claim_lease(
        &self,
        id: SessionId,
        seen: Option<&Lease>,
        lease: &Lease,
        attempt: Attempt,
    ) -> Result<Option<StoredSession>, AttemptError> {
        let rows = self.pool.query_text(&claim_sql(self.backend, id, seen, lease)).await;
        let rows = rows.map_err(|error| self.write_failed(error))?;
        let claimed = match rows.first() {
            Some(row) => {
                let row = StoredRow::from_query_result(row, "");
                Some(StoredSession::try_from(row.map_err(|error| self.failed(error))?)?)
            }
            None if attempt.is_uncertain => self.try_to_find(id).await?,
            None => None,
        };
        Ok(claimed.filter(|row| row.session.is_live() && row.lease.as_ref() == Some(lease)))
    }

    async fn try_to_raise(
        &self,
        id: SessionId,
        lease: &Lease,
        attempt: Attempt,
    ) -> Result<bool, AttemptError> {
        let update = update_live(id)
            .col_expr(Column::LeaseHeartbeat, Expr::val(signed(lease.raised().heartbeat)))
            .filter(has_lease(lease));
        if self.update(update).await? {
            return Ok(true);
        }
        // Only the owner of a lease writes its heartbeats.
        Ok(attempt.is_uncertain && self.has_stored(id, &lease.raised()).await?)
    }

    async fn has_stored(&self, id: SessionId, lease: &Lease) -> Result<bool, AttemptError> {
        let found = session::Entity::find_by_id(id.as_uuid())
            .select_only()
            .column(Column::Id)
            .filter(Column::EndedAt.is_null())
            .filter(has_lease(lease))
            .into_tuple::<Uuid>()
            .one(&self.pool)
            .await;
        Ok(found.map_err(|error| self.failed(error))?.is_some())
    }
}

fn has_lease(lease: &Lease) -> Condition {
    Condition::all()
        .add(Column::LeaseOwner.eq(lease.owner.as_uuid()))
        .add(Column::LeaseHeartbeat.eq(signed(lease.heartbeat)))
}

fn claim_sql(backend: DbBackend, id: SessionId, seen: Option<&Lease>, lease: &Lease) -> String {
    let uuid = |uuid| text::uuid(backend, uuid);
    let id = uuid(id.as_uuid());
    let has_seen = match seen {
        None => "lease_owner IS NULL".to_owned(),
        Some(Lease { owner, heartbeat, .. }) => {
            let owner = uuid(owner.as_uuid());
            format!("lease_owner = {owner} AND lease_heartbeat = {}", signed(*heartbeat))
        }
    };
    let update = format!(
        "UPDATE login_session SET lease_owner = {}, lease_heartbeat = {}, lease_term_ms = {} \
         WHERE id = {id} AND ended_at IS NULL AND {has_seen}",
        uuid(lease.owner.as_uuid()),
        signed(lease.heartbeat),
        term_ms(lease.term)
    );
    let columns = Column::iter().map(|column| column.as_str().to_owned());
    let columns = columns.collect::<Vec<_>>().join(", ");
    match backend {
        DbBackend::MySql => {
            format!(
                "{update}; SELECT {columns} FROM login_session WHERE id = {id} AND ROW_COUNT() > 0"
            )
        }
        _ => format!("{update} RETURNING {columns}"),
    }
}
