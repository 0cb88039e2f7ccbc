//! `provider_revocation`: the outbox of refresh tokens that are to be revoked.

use sea_orm::entity::prelude::*;

use super::Octets;

/// A row of `provider_revocation`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "provider_revocation")]
pub struct Model {
    /// The id of the entry.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The session that held the token.
    pub session_id: Uuid,
    /// Its user.
    pub user_id: String,
    /// Its provider.
    pub provider: String,
    /// Its partition.
    pub partition_key: Octets,
    /// The refresh token.
    pub sealed_refresh_token: Octets,
    /// The id of the key that sealed it.
    pub seal_key: Option<String>,
    /// When the entry was added, in milliseconds since the Unix epoch.
    pub created_at: i64,
    /// When it is to be tried next.
    pub due_at: i64,
    /// How often it was claimed.
    pub attempts: i64,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
