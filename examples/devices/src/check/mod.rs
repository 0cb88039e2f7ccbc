//! `--check`: the whole story, played by itself against real listeners, with a cookie jar for each
//! device.

mod browser;
mod directory;
mod problem;
mod step;
mod story;
mod stream;
mod world;

use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::cli::Arguments;
use crate::failure::Failure;
use step::{Played, Step};
use world::World;

/// Plays every step in order, and stops at the first that fails: the later ones build on it.
pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let mut world = World::begin(arguments.database()?).await?;
    let unheard = |error| Failure::caused_by("nobody can be told what held", error);
    let mut held = 0;
    let mut failed = false;
    for step in story::STEPS {
        let played = if failed { Played::NotRun } else { step.play(&mut world).await };
        held += usize::from(matches!(played, Played::Held { .. }));
        failed |= matches!(played, Played::Failed { .. });
        tell(step, &played).map_err(unheard)?;
    }
    let steps = story::STEPS.len();
    writeln!(io::stdout(), "{held} of {steps} steps held").map_err(unheard)?;
    world.end().await;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn tell(step: &Step, played: &Played) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match played {
        Played::Held { millis, seen } => {
            writeln!(out, "ok      {millis:>6} ms  {}: {seen}", step.name)?;
        }
        Played::Failed { millis, problem } => {
            writeln!(out, "FAILED  {millis:>6} ms  {}: {problem}", step.name)?;
        }
        Played::NotRun => writeln!(out, "not run            {}", step.name)?,
    }
    out.flush()
}
