//! Rounds of maintenance: rows of `admission_lock` whose key is the number of a round.
//!
//! The key of a partition is a digest, which does not begin with so many zeros.

use async_trait::async_trait;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set, SqlErr};

use super::attempt_error::AttemptError;
use super::entity::Octets;
use super::entity::admission_lock::{self, Column};
use super::store::SeaOrmStore;
use crate::clock::Timestamp;
use crate::store::{KEPT_ROUNDS, MaintenanceRounds, Round, StoreError};

const ZEROS: [u8; 24] = [0; 24];

#[async_trait]
impl MaintenanceRounds for SeaOrmStore {
    async fn list_rounds(&self, limit: u64) -> Result<Vec<Round>, StoreError> {
        self.repeat(|_| async {
            let rows = admission_lock::Entity::find()
                .filter(Column::PartitionKey.gte(key(0)))
                .filter(Column::PartitionKey.lte(key(u64::MAX)))
                .order_by_desc(Column::PartitionKey)
                .limit(limit)
                .all(&self.pool)
                .await;
            rows.map_err(|error| self.failed(error))?.into_iter().map(round).collect()
        })
        .await
    }

    async fn claim_round(&self, round: Round) -> Result<bool, StoreError> {
        let is_claimed = self.repeat(|_| self.try_to_claim_round(round)).await?;
        if is_claimed {
            self.repeat(|_| self.forget_rounds(round.number.saturating_sub(KEPT_ROUNDS))).await?;
        }
        Ok(is_claimed)
    }
}

impl SeaOrmStore {
    async fn try_to_claim_round(&self, round: Round) -> Result<bool, AttemptError> {
        let row = admission_lock::ActiveModel {
            partition_key: Set(key(round.number)),
            admissions: Set(round.at.as_millis()),
        };
        // What "do nothing" did cannot be told on MySQL.
        let insert = admission_lock::Entity::insert(row);
        match insert.exec_without_returning(&self.pool).await {
            Ok(_) => Ok(true),
            Err(error) => match error.sql_err() {
                Some(SqlErr::UniqueConstraintViolation(_)) => Ok(false),
                _ => Err(self.write_failed(error)),
            },
        }
    }

    async fn forget_rounds(&self, until: u64) -> Result<(), AttemptError> {
        let deleted = admission_lock::Entity::delete_many()
            .filter(Column::PartitionKey.gte(key(0)))
            .filter(Column::PartitionKey.lte(key(until)))
            .exec(&self.pool)
            .await;
        deleted.map(drop).map_err(|error| self.write_failed(error))
    }
}

fn key(number: u64) -> Octets {
    Octets([&ZEROS[..], &number.to_be_bytes()].concat())
}

fn round(row: admission_lock::Model) -> Result<Round, AttemptError> {
    let number = row.partition_key.0.last_chunk().map(|bytes| u64::from_be_bytes(*bytes));
    let number = number.ok_or_else(|| AttemptError::corrupt("the number of a round"))?;
    Ok(Round { number, at: Timestamp::from_millis(row.admissions) })
}
