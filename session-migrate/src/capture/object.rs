use super::names::TableName;

/// A table, a function or a trigger of a watch, with the statements that make it and take it away.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) sort: Sort,
    pub(super) name: String,
    /// The schema that it lies in.
    pub(super) schema: Option<String>,
    /// Of a trigger, the table that must be still for a moment while it is made or dropped.
    pub(super) on: Option<TableName>,
    pub(super) create: String,
    pub(super) drop: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sort {
    Table,
    Function,
    Trigger,
}
