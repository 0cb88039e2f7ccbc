//! Wrong sealing keys.

use session_core::Keyring;
use session_core::token::KeyringError;

use super::super::scenario::Scenario;
use super::super::step::StepResult;
use super::super::step_error::{StepError, same};
use crate::app::App;
use crate::keys::KeySource;
use crate::settings::Settings;

/// A copy starts neither with another key id, nor with another key of the same id.
pub(super) async fn wrong_key(scenario: &mut Scenario) -> StepResult {
    let copy = scenario.copy()?;
    let before = scenario.sessions("carol").await?;
    let rows = scenario.app()?.store().sample_per_key().await?;
    let tokens = rows.iter().find_map(|row| row.tokens.as_ref());
    let id = tokens.and_then(|tokens| tokens.tokens.key_id());
    let id = id.ok_or_else(|| StepError::new("no row is sealed"))?;
    for id in ["another-key", id] {
        let no_key = |error: KeyringError| StepError::new(error.to_string());
        let entry = Keyring::generate_entry(id).map_err(no_key)?;
        let keys = KeySource::Given(entry.to_string().into());
        match App::start(Settings { keys, ..scenario.settings.clone() }).await {
            Ok(app) => {
                app.shutdown().await;
                return Err(StepError::new("the copy started"));
            }
            Err(error) => {
                let message = error.with_causes();
                same(
                    "whether the message is clear",
                    message.contains("nothing was changed"),
                    true,
                )?;
            }
        }
    }
    same("the sessions in the database", scenario.sessions("carol").await?, before)?;
    scenario.device("phone")?.call_tool(&copy).await?;
    Ok("refused twice, and every session is still there".to_owned())
}
