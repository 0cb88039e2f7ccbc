//! `session-migrate man`: the manual pages.

use std::path::Path;

use super::CommandOutput;
use super::error::CliError;

/// Prints the page of the command, or of one of its tasks.
pub(crate) fn page(
    mut command: clap::Command,
    task: Option<&str>,
) -> Result<CommandOutput, CliError> {
    // Gives each task its whole name and the options that all share.
    command.build();
    let shown = match task {
        None => &command,
        Some(task) => command
            .find_subcommand(task)
            .ok_or_else(|| CliError::usage(format!("there is no command {task}")))?,
    };
    let mut out = Vec::new();
    clap_mangen::Man::new(shown.clone())
        .render(&mut out)
        .map_err(|error| CliError::failure(error.to_string()))?;
    Ok(CommandOutput::success(String::from_utf8_lossy(&out).into_owned()))
}

/// Writes the page of the command and those of all tasks into a directory.
pub(crate) fn pages(command: clap::Command, into: &Path) -> Result<CommandOutput, CliError> {
    clap_mangen::generate_to(command, into)
        .map_err(|error| CliError::failure(format!("{}: {error}", into.display())))?;
    Ok(CommandOutput::success(format!("written into {}", into.display())))
}
