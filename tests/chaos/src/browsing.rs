//! What browsers do: one thing after the other, chosen by the seed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::browser::Browser;
use crate::cookies::Login;
use crate::history::Action;
use crate::watched_end;

/// How many cookies of ended sessions are kept, to present them again.
const MAX_OLD: usize = 5;

/// For how many milliseconds a browser without a session stays away.
const MAX_AWAY: std::ops::Range<u64> = 200..3_000;

/// How long a final call for a token is repeated: a lease may have to run out, and a pause too.
const FINAL_PATIENCE: u32 = 60;

/// The pause between two tries of that call.
const FINAL_PAUSE: Duration = Duration::from_millis(500);

/// A browser that goes on until it is told to stop.
#[derive(Debug)]
pub(crate) struct Visit {
    browser: Browser,
    random: StdRng,
    login: Option<Login>,
    old: Vec<Login>,
    listed: Vec<String>,
}

impl Visit {
    pub(crate) fn new(browser: Browser, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        Self { browser, random, login: None, old: Vec::new(), listed: Vec::new() }
    }

    /// Goes on until it is told to stop.
    pub(crate) async fn run(mut self, stop: watch::Receiver<bool>) -> Self {
        while !*stop.borrow() {
            match self.login.clone() {
                None => {
                    let away = self.random.gen_range(MAX_AWAY);
                    sleep(Duration::from_millis(away)).await;
                    self.sign_in(None).await;
                }
                Some(login) => self.step(&login).await,
            }
            let pause = self.random.gen_range(100..700);
            sleep(Duration::from_millis(pause)).await;
        }
        self
    }

    fn process(&mut self) -> usize {
        self.browser.site.choose(&mut self.random)
    }

    async fn sign_in(&mut self, before: Option<Login>) {
        let process = self.process();
        if let Some(login) = self.browser.sign_in(process, before.as_ref()).await {
            self.old.extend(before);
            self.login = Some(login.clone());
            // At another process, which has to know the login too.
            self.call(Action::Me, &login).await;
        }
    }

    /// Signs in as another browser of the user would: the login that it had stays live, until its
    /// place is needed.
    async fn sign_in_anew(&mut self, before: Login) {
        self.sign_in(None).await;
        self.old.push(before);
    }

    async fn step(&mut self, login: &Login) {
        // Out of a thousand: ends are rare enough that most sessions live to be renewed.
        match self.random.gen_range(0..1_000) {
            0..350 => self.call(Action::Me, login).await,
            350..680 => self.call(Action::Tool, login).await,
            680..780 => self.call(Action::List, login).await,
            780..850 => self.at_once(login).await,
            850..866 => self.end_sibling(login).await,
            866..869 => self.call(Action::EndOthers, login).await,
            869..879 => self.call(Action::SignOut, login).await,
            879..889 => self.sign_in(Some(login.clone())).await,
            889..897 => self.sign_in_anew(login.clone()).await,
            _ => self.present_old().await,
        }
    }

    /// Calls, and leaves the login behind if it is over.
    async fn call(&mut self, action: Action, login: &Login) {
        let process = self.process();
        let answered = self.browser.call(action, process, login).await;
        if action == Action::List && answered.status == Some(200) {
            self.listed.clone_from(&answered.listed);
        }
        if let (Action::Me, Some(session)) = (action, &answered.session) {
            self.browser.site.remember(session, login);
        }
        let is_over = answered.status == Some(401)
            || action == Action::SignOut && answered.status == Some(204);
        if is_over && let Some(login) = self.login.take() {
            self.old.push(login);
        }
        if self.old.len() > MAX_OLD {
            self.old.remove(0);
        }
    }

    /// Three tabs of one browser, at different processes.
    async fn at_once(&mut self, login: &Login) {
        let (one, two, three) = (self.process(), self.process(), self.process());
        let browser = self.browser.clone();
        tokio::join!(
            browser.call(Action::Tool, one, login),
            browser.call(Action::Tool, two, login),
            browser.call(Action::Me, three, login),
        );
    }

    async fn end_sibling(&mut self, login: &Login) {
        let Some(session) = self.listed.choose(&mut self.random).cloned() else { return };
        let process = self.process();
        watched_end::end(&self.browser, process, login, &session).await;
    }

    /// An ended session stays ended, at every process.
    async fn present_old(&mut self) {
        let Some(login) = self.old.choose(&mut self.random).cloned() else { return };
        let action = *[Action::Me, Action::Tool].choose(&mut self.random).unwrap_or(&Action::Me);
        let process = self.process();
        self.browser.call(action, process, &login).await;
    }

    /// Checks every login of this browser at every process, when nothing is broken any more.
    pub(crate) async fn check_finally(mut self) {
        self.browser.is_final = true;
        let processes = self.browser.site.processes.len();
        if self.login.is_none() {
            self.sign_in(None).await;
        }
        for login in self.login.iter().chain(&self.old) {
            for process in 0..processes {
                self.browser.call(Action::Me, process, login).await;
            }
        }
        if let Some(login) = self.login.clone() {
            let process = self.process();
            self.browser.call(Action::List, process, &login).await;
            self.get_token(process, &login).await;
        }
    }

    async fn get_token(&self, process: usize, login: &Login) {
        let trying = Browser { is_final: false, ..self.browser.clone() };
        for _ in 0..FINAL_PATIENCE {
            let answered = trying.call(Action::Tool, process, login).await;
            if matches!(answered.status, Some(200 | 401)) {
                return;
            }
            sleep(FINAL_PAUSE).await;
        }
        self.browser.call(Action::Tool, process, login).await;
    }
}
