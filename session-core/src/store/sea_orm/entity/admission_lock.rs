//! `admission_lock`: the row at which the logins of one partition wait for each other; and the rounds
//! of maintenance, which wait for each other in the same way.

use sea_orm::entity::prelude::*;

use super::Octets;

/// A row of `admission_lock`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "admission_lock")]
pub struct Model {
    /// The partition; or the number of a round, after zeros.
    #[sea_orm(primary_key, auto_increment = false)]
    pub partition_key: Octets,
    /// How many sessions were admitted, which orders admissions; or when the round was claimed.
    pub admissions: i64,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
