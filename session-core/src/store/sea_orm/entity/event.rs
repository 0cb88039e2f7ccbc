//! `login_session_event`: the audit trail, appended and purged by age.

use sea_orm::entity::prelude::*;

/// A row of `login_session_event`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "login_session_event")]
pub struct Model {
    /// A UUID of version 7, which orders events of the same millisecond.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The session; its row may be purged already.
    pub session_id: Uuid,
    /// The user.
    pub user_id: String,
    /// Its provider.
    pub provider: String,
    /// What happened.
    pub kind: String,
    /// The reason, for kinds that have one.
    pub detail: Option<String>,
    /// Who did it, where that was given.
    pub actor: Option<String>,
    /// When, in milliseconds since the Unix epoch.
    pub at: i64,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
