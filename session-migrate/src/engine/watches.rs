//! The watches of a move's tables: what others write is noted, and at the end refused.

use crate::capture::ChangeCapture;
use crate::engine::Ground;
use crate::error::MigrateError;

/// The watches, with the numbers of their mappings.
#[derive(Debug)]
pub(crate) struct Watches(pub(super) Vec<(usize, ChangeCapture)>);

impl Watches {
    /// Those of all mapped tables. Offline, a table that cannot be watched has none.
    pub(crate) fn of(ground: &Ground) -> Result<Self, MigrateError> {
        let mut watches = Vec::new();
        for (number, table) in ground.tables.iter().enumerate() {
            match ChangeCapture::new(table, number) {
                Ok(watch) => watches.push((number, watch)),
                Err(error) if ground.options.is_online => return Err(error.into()),
                Err(_) => {}
            }
        }
        Ok(Self(watches))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(usize, ChangeCapture)> {
        self.0.iter()
    }

    /// Begins to note what others write.
    pub(crate) async fn start(&self, ground: &Ground) -> Result<(), MigrateError> {
        for (_, watch) in &self.0 {
            watch.start(&ground.source, &ground.patience()).await?;
        }
        Ok(())
    }

    /// Refuses writes, having waited for those under way.
    pub(crate) async fn bar(&self, ground: &Ground) -> Result<(), MigrateError> {
        for (_, watch) in &self.0 {
            watch.block(&ground.source, &ground.patience()).await?;
        }
        Ok(())
    }

    /// Lets others write again.
    pub(crate) async fn unbar(&self, ground: &Ground) -> Result<(), MigrateError> {
        for (_, watch) in &self.0 {
            watch.unblock(&ground.source, &ground.patience()).await?;
        }
        Ok(())
    }

    /// Takes triggers and logs away.
    pub(crate) async fn stop(&self, ground: &Ground) -> Result<(), MigrateError> {
        for (_, watch) in &self.0 {
            watch.stop(&ground.source, &ground.patience()).await?;
        }
        Ok(())
    }
}
