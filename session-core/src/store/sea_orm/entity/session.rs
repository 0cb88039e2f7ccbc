//! `login_session`: one row for each session.

use sea_orm::entity::prelude::*;

use super::Octets;

/// A row of `login_session`; times are milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "login_session")]
pub struct Model {
    /// The public id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The digest of the cookie's secret.
    #[sea_orm(unique)]
    pub digest: Option<Octets>,
    /// The digest of the previous secret.
    pub previous_digest: Option<Octets>,
    /// When the secret took the place of another one, or of none.
    pub rotated_at: Option<i64>,
    /// When the new secret was first presented.
    pub confirmed_at: Option<i64>,
    /// The user.
    #[sea_orm(column_type = "String(StringLen::N(255))")]
    pub user_id: String,
    /// The OAuth client registration.
    #[sea_orm(column_type = "String(StringLen::N(255))")]
    pub provider: String,
    /// The digest of user, provider and subject, over which a cap counts.
    pub partition_key: Octets,
    /// The order of its admission to its partition.
    pub admission: i64,
    /// The issuer.
    #[sea_orm(column_type = "String(StringLen::N(255))", nullable)]
    pub issuer: Option<String>,
    /// The subject.
    #[sea_orm(column_type = "String(StringLen::N(255))", nullable)]
    pub subject: Option<String>,
    /// The session at the provider.
    #[sea_orm(column_type = "String(StringLen::N(255))", nullable)]
    pub sid: Option<String>,
    /// The provider's account id where it is not the subject.
    #[sea_orm(column_type = "String(StringLen::N(255))", nullable)]
    pub account: Option<String>,
    /// When the user authenticated at the provider.
    pub auth_time: Option<i64>,
    /// The level at which the user authenticated.
    #[sea_orm(column_type = "String(StringLen::N(255))", nullable)]
    pub acr: Option<String>,
    /// The methods by which the user authenticated, separated by spaces.
    #[sea_orm(column_type = "String(StringLen::N(255))", nullable)]
    pub amr: Option<String>,
    /// The label by which the user recognises the device.
    #[sea_orm(column_type = "String(StringLen::N(255))")]
    pub device: String,
    /// How the session came to be.
    #[sea_orm(column_type = "String(StringLen::N(16))")]
    pub origin: String,
    /// When it was created.
    pub created_at: i64,
    /// When it was last used.
    pub last_seen_at: i64,
    /// The start of the absolute timeout.
    pub timeouts_from: i64,
    /// When its tokens were last renewed.
    pub renewed_at: Option<i64>,
    /// The same of a tool client's connection, or its creation; null for every other session.
    pub connection_renewed_at: Option<i64>,
    /// Raised by each write that changes what a request sees.
    pub revision: i64,
    /// When it ended; null while it is live.
    pub ended_at: Option<i64>,
    /// Why it ended.
    #[sea_orm(column_type = "String(StringLen::N(32))", nullable)]
    pub end_reason: Option<String>,
    /// Its sealed tokens without the refresh token; null once it has ended.
    #[sea_orm(column_type = "Blob", nullable)]
    pub sealed_tokens: Option<Octets>,
    /// Its sealed refresh token; null once it has ended.
    #[sea_orm(column_type = "Blob", nullable)]
    pub sealed_refresh_token: Option<Octets>,
    /// The id of the key that sealed them; null once it has ended.
    #[sea_orm(column_type = "String(StringLen::N(64))", nullable)]
    pub seal_key: Option<String>,
    /// The owner of the lease for its renewal.
    pub lease_owner: Option<Uuid>,
    /// The heartbeat of the lease.
    pub lease_heartbeat: Option<i64>,
    /// How long the heartbeat must stand still before another process may take over, in
    /// milliseconds.
    pub lease_term_ms: Option<i64>,
    /// The migration that brought it here.
    pub moved_by: Option<Uuid>,
    /// Raised with the revision by each write of that migration.
    pub moved_revision: Option<i64>,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
