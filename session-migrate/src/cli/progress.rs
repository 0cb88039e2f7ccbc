//! The progress of a move: a bar on a terminal, otherwise a line for each phase.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use session_migrate::{Phase, Progress};
use tokio::sync::watch;

/// How long an activity lasts before a line is printed for it: most take less.
const ACTIVITY_DELAY: Duration = Duration::from_secs(2);

/// Shows the progress of a move on standard error until it is dropped.
#[derive(Debug)]
pub(crate) struct ProgressDisplay(tokio::task::JoinHandle<()>);

impl ProgressDisplay {
    /// Starts to show the progress.
    pub(crate) fn start(progress: watch::Receiver<Progress>) -> Self {
        Self(tokio::spawn(async move {
            match std::io::stderr().is_terminal() {
                true => draw(progress).await,
                false => print(progress).await,
            }
        }))
    }
}

impl Drop for ProgressDisplay {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn draw(mut progress: watch::Receiver<Progress>) {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    let template = "{prefix:12} {wide_bar} {pos}/{len} {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    while progress.changed().await.is_ok() {
        let now = *progress.borrow_and_update();
        bar.set_length(now.counts.expected.max(now.counts.read));
        bar.set_position(now.counts.read);
        bar.set_prefix(label(&now));
        bar.set_message(message(&now));
    }
    bar.finish_and_clear();
}

/// Returns the activity or, where there is none, the phase.
fn label(now: &Progress) -> String {
    now.activity.map_or_else(|| now.phase.to_string(), |activity| activity.as_str().to_owned())
}

/// Prints one line for each phase or activity, and one when a pause or a wait begins or ends.
async fn print(mut progress: watch::Receiver<Progress>) {
    let mut last = None;
    while progress.changed().await.is_ok() {
        let now = *progress.borrow_and_update();
        let state = (now.phase, now.activity, now.is_paused, now.waits_for);
        if last.replace(state) != Some(state) {
            if now.activity.is_some() {
                let is_over = progress.wait_for(|next| next.activity != now.activity);
                if tokio::time::timeout(ACTIVITY_DELAY, is_over).await.is_ok() {
                    progress.mark_changed();
                    continue;
                }
            }
            let (read, expected) = (now.counts.read, now.counts.expected);
            match now.activity {
                Some(_) => eprintln!("{}: {expected} rows", label(&now)),
                None => eprintln!("{}: {read} of {expected} rows, {}", label(&now), message(&now)),
            }
        }
    }
}

/// The rate and the remaining time, both without pauses.
fn message(now: &Progress) -> String {
    if now.activity.is_some() {
        return String::new();
    }
    if let Some(of) = now.failback {
        let (renewed, added, ended) = (of.written_back, of.added, of.ended);
        return format!("failback: {renewed} renewals, {added} new sessions, {ended} ends");
    }
    if now.is_paused {
        return "paused: continue with `session-migrate resume`".to_owned();
    }
    if let Some(wait) = now.waits_for {
        return format!("waits {}", wait.as_str());
    }
    if let (Phase::Cutover, Some(blocked)) = (now.phase, now.blocked_for) {
        return format!("writes blocked for {:.1} s", blocked.as_secs_f64());
    }
    let millis = u64::try_from(now.worked.as_millis()).unwrap_or(u64::MAX).max(1);
    let rate = now.counts.read.saturating_mul(1000) / millis;
    match now.remaining().filter(|_| now.phase == Phase::Load) {
        Some(rest) => format!("{rate} rows/s, {} left", duration(rest)),
        None => format!("{rate} rows/s"),
    }
}

fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}
