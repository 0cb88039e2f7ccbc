//! Keys that are not the right ones.

use session_core::Keyring;
use session_core::token::KeyringError;

use super::super::problem::{Problem, same};
use super::super::step::Outcome;
use super::super::world::World;
use crate::app::App;
use crate::keys::KeySource;
use crate::settings::Settings;

/// Neither a key of another name, nor another key of the right name, starts a copy.
pub(super) async fn wrong_key(world: &mut World) -> Outcome {
    let copy = world.copy()?;
    let before = world.sessions("carol").await?;
    let rows = world.app()?.store().sample_per_key().await?;
    let tokens = rows.iter().find_map(|row| row.tokens.as_ref());
    let id = tokens.and_then(|tokens| tokens.tokens.key_id());
    let id = id.ok_or_else(|| Problem::new("nothing is sealed"))?;
    for id in ["another-key", id] {
        let no_key = |error: KeyringError| Problem::new(error.to_string());
        let entry = Keyring::generate_entry(id).map_err(no_key)?;
        let keys = KeySource::given(entry.to_string())?;
        match App::start(Settings { keys, ..world.settings.clone() }).await {
            Ok(app) => {
                app.shutdown().await;
                return Err(Problem::new("the copy starts"));
            }
            Err(failure) => {
                let says = failure.with_causes();
                same("whether it says what is wrong", says.contains("nothing was changed"), true)?;
            }
        }
    }
    same("the sessions in the database", world.sessions("carol").await?, before)?;
    world.device("phone")?.call_tool(&copy).await?;
    Ok("refused twice, and every session is still there".to_owned())
}
