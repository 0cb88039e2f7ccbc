//! The statements of an apply, in the words of its databases.

use crate::engine::Ground;
use crate::engine::Watches;
use crate::error::MigrateError;
use crate::migrations;
use crate::target::{creating, dropping, insert_template};

/// Every statement that changes something, in the order in which an apply runs them. Where rows
/// are written, one stands for all.
pub(crate) fn statements(ground: &Ground) -> Result<Vec<String>, MigrateError> {
    let watches = Watches::of(ground)?;
    let mut statements = vec![format!("-- tables, in the target ({})", ground.dialect().name())];
    statements.extend(migrations::statements(ground.target.get_database_backend()));
    if ground.options.is_online {
        statements.push("-- capture, in the source".to_owned());
        for (_, watch) in watches.iter() {
            statements.extend(watch.statements().start);
        }
    }
    let is_bare = !ground.options.is_online;
    if is_bare {
        statements.push("-- indexes, in the target, if it has no sessions".to_owned());
        statements.extend(dropping(ground.dialect()));
    }
    statements.push("-- rows, in the target, batch by batch with the journal".to_owned());
    statements.extend(insert_template(ground.dialect(), ground.id.as_uuid()));
    if is_bare {
        statements.extend(creating(ground.dialect()));
    }
    statements.push("-- the bar, in the source".to_owned());
    for (_, watch) in watches.iter() {
        statements.extend(watch.statements().block);
    }
    statements.push("-- finalize or rollback, in the source".to_owned());
    for (_, watch) in watches.iter() {
        statements.extend(watch.statements().unblock);
        statements.extend(watch.statements().stop);
    }
    Ok(statements)
}
