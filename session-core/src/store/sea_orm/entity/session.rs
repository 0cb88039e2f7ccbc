//! `login_session`: one row a session.

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
    /// The digest that was rotated away.
    pub previous_digest: Option<Octets>,
    /// When it was rotated away.
    pub rotated_at: Option<i64>,
    /// When the secret that took its place was first presented.
    pub confirmed_at: Option<i64>,
    /// Whose session it is.
    #[sea_orm(column_type = "String(StringLen::N(255))")]
    pub user_id: String,
    /// Which client registration it was made with.
    #[sea_orm(column_type = "String(StringLen::N(255))")]
    pub provider: String,
    /// The digest of user, provider and subject, which a cap counts over.
    pub partition_key: Octets,
    /// Its place in the order of admission to its partition.
    pub admission: i64,
    /// The issuer.
    #[sea_orm(column_type = "String(StringLen::N(255))", nullable)]
    pub issuer: Option<String>,
    /// The subject.
    #[sea_orm(column_type = "String(StringLen::N(255))", nullable)]
    pub subject: Option<String>,
    /// The provider's own session.
    #[sea_orm(column_type = "String(StringLen::N(255))", nullable)]
    pub sid: Option<String>,
    /// The provider's account id where it is not the subject.
    #[sea_orm(column_type = "String(StringLen::N(255))", nullable)]
    pub account: Option<String>,
    /// What the person recognises the device by.
    #[sea_orm(column_type = "String(StringLen::N(255))")]
    pub device: String,
    /// How the session came to be.
    #[sea_orm(column_type = "String(StringLen::N(16))")]
    pub origin: String,
    /// When it was created.
    pub created_at: i64,
    /// When it was last used.
    pub last_seen_at: i64,
    /// From when the absolute timeout counts.
    pub timeouts_from: i64,
    /// When its tokens were last renewed.
    pub renewed_at: Option<i64>,
    /// Raised by each write that changes what a request sees.
    pub revision: i64,
    /// When it ended; none while it lives.
    pub ended_at: Option<i64>,
    /// Why it ended.
    #[sea_orm(column_type = "String(StringLen::N(32))", nullable)]
    pub end_reason: Option<String>,
    /// Its tokens but the refresh token; none once it has ended.
    #[sea_orm(column_type = "Blob", nullable)]
    pub sealed_tokens: Option<Octets>,
    /// Its refresh token; none once it has ended.
    #[sea_orm(column_type = "Blob", nullable)]
    pub sealed_refresh_token: Option<Octets>,
    /// The id of the key that sealed them; none once it has ended.
    #[sea_orm(column_type = "String(StringLen::N(64))", nullable)]
    pub seal_key: Option<String>,
    /// Who renews it.
    pub lease_owner: Option<Uuid>,
    /// How often he has shown that he lives.
    pub lease_heartbeat: Option<i64>,
    /// For how long that must stand still before somebody else may take over.
    pub lease_term_ms: Option<i64>,
    /// The move that brought it here from another system's table.
    pub moved_by: Option<Uuid>,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
