//! `--check`: runs a scenario against real listeners, with a separate cookie jar for each device.

mod browser;
mod directory;
mod scenario;
mod step;
mod step_error;
mod steps;
mod stream;

use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::cli::Arguments;
use crate::startup_error::StartupError;
use scenario::Scenario;
use step::{Step, StepReport};

/// Runs every step in order, and stops at the first that fails, because later ones build on it.
pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode, StartupError> {
    let mut scenario = Scenario::start(arguments.database()?).await?;
    let unwritable = |error| StartupError::caused_by("cannot write to stdout", error);
    let mut held = 0;
    let mut failed = false;
    for step in steps::STEPS {
        let report = if failed { StepReport::NotRun } else { step.run(&mut scenario).await };
        held += usize::from(matches!(report, StepReport::Held { .. }));
        failed |= matches!(report, StepReport::Failed { .. });
        print(step, &report).map_err(unwritable)?;
    }
    let steps = steps::STEPS.len();
    writeln!(io::stdout(), "{held} of {steps} steps held").map_err(unwritable)?;
    scenario.shutdown().await;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(step: &Step, report: &StepReport) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match report {
        StepReport::Held { millis, seen } => {
            writeln!(out, "ok      {millis:>6} ms  {}: {seen}", step.name)?;
        }
        StepReport::Failed { millis, error } => {
            writeln!(out, "FAILED  {millis:>6} ms  {}: {error}", step.name)?;
        }
        StepReport::NotRun => writeln!(out, "not run            {}", step.name)?,
    }
    out.flush()
}
