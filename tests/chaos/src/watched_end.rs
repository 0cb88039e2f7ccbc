//! Ends a session of the same user, and watches until every other process rejects it.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::browser::Browser;
use crate::cookies::Login;
use crate::history::Action;

/// The pause between two looks, and how often is looked: for longer than the bound.
const PAUSE: Duration = Duration::from_millis(20);
const MAX_LOOKS: usize = 75;

/// Ends a session. Each other process has it in its cache then, if its cookie is known.
pub(crate) async fn end(browser: &Browser, process: usize, login: &Login, session: &str) {
    let target = browser.site.login_of(session);
    let others = (0..browser.site.processes.len()).filter(|other| *other != process);
    let others: Vec<usize> = others.collect();
    if let Some(target) = &target {
        for other in &others {
            browser.call(Action::Me, *other, target).await;
        }
    }
    let ended = browser.end(process, login, session).await;
    let (Some(204), Some(target)) = (ended.status, target) else { return };
    let mut watching: JoinSet<()> =
        others.into_iter().map(|other| watch(browser.clone(), other, target.clone())).collect();
    while watching.join_next().await.is_some() {}
}

async fn watch(browser: Browser, process: usize, target: Login) {
    for _ in 0..MAX_LOOKS {
        if browser.call(Action::Me, process, &target).await.status != Some(200) {
            return;
        }
        sleep(PAUSE).await;
    }
}
