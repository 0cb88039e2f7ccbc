//! A progress bar on a terminal; lines where there is none.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use session_migrate::{Phase, Progress};
use tokio::sync::watch;

/// What is shown while a move is under way; it goes with this value.
#[derive(Debug)]
pub(crate) struct Bar(tokio::task::JoinHandle<()>);

impl Bar {
    /// Shows what is told, on the error output.
    pub(crate) fn show(progress: watch::Receiver<Progress>) -> Self {
        Self(tokio::spawn(async move {
            match std::io::stderr().is_terminal() {
                true => drawn(progress).await,
                false => told(progress).await,
            }
        }))
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn drawn(mut progress: watch::Receiver<Progress>) {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    let template = "{prefix:9} {wide_bar} {pos}/{len} {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    while progress.changed().await.is_ok() {
        let now = *progress.borrow_and_update();
        bar.set_length(now.counts.expected.max(now.counts.read));
        bar.set_position(now.counts.read);
        bar.set_prefix(now.phase.to_string());
        bar.set_message(message(&now));
    }
    bar.finish_and_clear();
}

/// One line for each phase, and for each pause and its end.
async fn told(mut progress: watch::Receiver<Progress>) {
    let mut last: Option<(Phase, bool)> = None;
    while progress.changed().await.is_ok() {
        let now = *progress.borrow_and_update();
        if last.replace((now.phase, now.is_paused)) != Some((now.phase, now.is_paused)) {
            let (read, expected) = (now.counts.read, now.counts.expected);
            eprintln!("{}: {read} of {expected} rows, {}", now.phase, message(&now));
        }
    }
}

/// Rate and rest, from which pauses are left out.
fn message(now: &Progress) -> String {
    if now.is_paused {
        return "paused; resume goes on".to_owned();
    }
    let millis = u64::try_from(now.worked.as_millis()).unwrap_or(u64::MAX).max(1);
    let rate = now.counts.read.saturating_mul(1000) / millis;
    match now.remaining().filter(|_| matches!(now.phase, Phase::Load | Phase::Rank)) {
        Some(rest) => format!("{rate} rows/s, {} left", span(rest)),
        None => format!("{rate} rows/s"),
    }
}

fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}
