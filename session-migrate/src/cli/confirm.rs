//! Asks before a command destroys something.

use std::io::{BufRead, IsTerminal as _, Write as _};

use super::error::CliError;

/// Returns once the command may go on: `--yes` was given, or the answer at the terminal is yes.
///
/// # Errors
///
/// Returns an error without a terminal to ask, or if the answer is another one.
pub(crate) fn confirm(consequence: &str, is_confirmed: bool) -> Result<(), CliError> {
    if is_confirmed {
        return Ok(());
    }
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(CliError::usage(format!("{consequence}: confirm with --yes")));
    }
    eprint!("This {consequence}. Go on? [y/N] ");
    let _ = std::io::stderr().flush();
    match is_yes(input.lock()) {
        true => Ok(()),
        false => Err(CliError::usage("nothing was changed")),
    }
}

fn is_yes(mut input: impl BufRead) -> bool {
    let mut answer = String::new();
    let is_read = input.read_line(&mut answer).is_ok();
    is_read && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn only_a_clear_answer_is_a_yes() {
        for yes in ["y\n", "Yes\n", "yes"] {
            assert!(is_yes(yes.as_bytes()), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "yesterday\n", "ok\n"] {
            assert!(!is_yes(no.as_bytes()), "{no:?}");
        }
    }
}
