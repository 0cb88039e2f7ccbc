//! What happened to the sessions of a user, for operators.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::convert;
use super::entity::event::{self, Column};
use super::store::SeaOrmStore;
use crate::clock::Timestamp;
use crate::event::{Event, EventName};
use crate::session::UserId;
use crate::store::StoreError;

impl SeaOrmStore {
    /// Returns what happened to the sessions of a user since a moment, newest first, and not more than
    /// `limit` events. Reads the events of all users since then: for operators, not for requests.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the database cannot answer, or if a row is corrupt.
    pub async fn events_of_user(
        &self,
        user: &UserId,
        since: Timestamp,
        limit: u64,
    ) -> Result<Vec<Event>, StoreError> {
        // The names of all kinds lead to the index of kinds and times.
        let select = event::Entity::find()
            .filter(Column::Kind.is_in(EventName::ALL.map(EventName::as_str)))
            .filter(Column::At.gte(since.as_millis()))
            .filter(Column::UserId.eq(user.as_str()))
            .order_by_desc(Column::At)
            .order_by_desc(Column::Id)
            .limit(limit);
        self.repeat(|_| async {
            let rows = select.clone().all(&self.pool).await;
            let rows = rows.map_err(|error| self.failed(error))?;
            rows.into_iter().map(convert::event).collect()
        })
        .await
    }
}
