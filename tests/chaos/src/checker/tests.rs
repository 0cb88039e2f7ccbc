//! Hand-written histories: one that holds, with much that is uncertain, and each law broken once.

use super::{Law, check, millis};
use crate::history::{Action, Fault, FaultKind, Operation, Record, Renewal, RenewalOutcome, Run};

/// A history of one user, `ann`, with a cap of two. Times are milliseconds.
struct History(Vec<Record>);

impl History {
    fn new() -> Self {
        let run = Run {
            seed: 0,
            database: "none".to_owned(),
            cap: 2,
            max_staleness_ms: 1_000,
            replication_ms: 0,
            lease_ms: 16_000,
            store_timeout_ms: 2_000,
        };
        Self(vec![Record::Run(run)])
    }

    fn operation(&mut self, at: u64, action: Action, login: Option<u32>) -> &mut Operation {
        self.0.push(Record::Operation(Operation {
            start: millis(at),
            end: millis(at + 10),
            action,
            browser: 0,
            user: "ann".to_owned(),
            process: 0,
            login,
            callback: None,
            status: Some(200),
            reason: None,
            session: None,
            answered_user: None,
            sid: None,
            listed: Vec::new(),
            is_final: false,
        }));
        match self.0.last_mut() {
            Some(Record::Operation(operation)) => operation,
            _ => unreachable!(),
        }
    }

    fn sign_in(&mut self, at: u64, login: u32) -> &mut Operation {
        let operation = self.operation(at, Action::SignIn, None);
        (operation.callback, operation.status) = (Some(login), Some(303));
        operation
    }

    fn me(&mut self, at: u64, login: u32) -> &mut Operation {
        let operation = self.operation(at, Action::Me, Some(login));
        operation.session = Some(format!("s{login}"));
        operation.answered_user = Some("ann".to_owned());
        operation
    }

    fn tool(&mut self, at: u64, login: u32) -> &mut Operation {
        let operation = self.operation(at, Action::Tool, Some(login));
        operation.sid = Some(format!("p{login}"));
        operation.answered_user = Some("ann".to_owned());
        operation
    }

    fn rejected(&mut self, at: u64, login: u32, reason: &str) -> &mut Operation {
        let operation = self.operation(at, Action::Me, Some(login));
        (operation.status, operation.reason) = (Some(401), Some(reason.to_owned()));
        operation
    }

    fn end(&mut self, at: u64, login: u32, target: u32) -> &mut Operation {
        let operation = self.operation(at, Action::End, Some(login));
        (operation.status, operation.session) = (Some(204), Some(format!("s{target}")));
        operation
    }

    fn list(&mut self, at: u64, login: u32, listed: &[u32]) {
        let operation = self.operation(at, Action::List, Some(login));
        operation.listed = listed.iter().map(|login| format!("s{login}")).collect();
    }

    fn fault(&mut self, from: u64, to: u64, kind: FaultKind, process: Option<usize>) {
        let (start, end) = (millis(from), millis(to));
        self.0.push(Record::Fault(Fault { start, end, kind, process }));
    }

    fn renewal(&mut self, at: u64, login: u32, outcome: RenewalOutcome) {
        let (sid, user) = (format!("p{login}"), "ann".to_owned());
        self.0.push(Record::Renewal(Renewal { at: millis(at), sid, user, outcome }));
    }

    /// Two logins that are known, with their sessions.
    fn with_two_logins() -> Self {
        let mut history = Self::new();
        for login in [0, 1] {
            history.sign_in(u64::from(login) * 20, login);
            history.me(100 + u64::from(login) * 20, login);
            history.tool(200 + u64::from(login) * 20, login);
        }
        history
    }

    #[track_caller]
    fn holds(&self) {
        let violations = check(&self.0).violations;
        assert!(violations.is_empty(), "{violations:?}");
    }

    #[track_caller]
    fn breaks(&self, law: Law) {
        let violations = check(&self.0).violations;
        let laws: Vec<Law> = violations.iter().map(|violation| violation.law).collect();
        assert_eq!(laws, [law], "{violations:?}");
    }
}

#[test]
fn a_correct_history_holds() {
    let mut history = History::with_two_logins();
    history.list(300, 0, &[0, 1]);
    history.sign_in(400, 2);
    history.me(450, 2);
    // From its cache, another process may serve what has ended.
    history.end(500, 2, 1);
    history.me(1_000, 1).process = 1;
    history.rejected(1_600, 1, "revoked_by_user").process = 1;
    history.operation(1_700, Action::SignOut, Some(2)).status = Some(204);
    history.rejected(1_800, 2, "signed_out");
    history.rejected(1_800, 0, "evicted");
    history.holds();
}

#[test]
fn an_operation_without_an_answer_may_have_taken_effect_or_not() {
    for took_effect in [true, false] {
        let mut history = History::with_two_logins();
        history.fault(990, 3_000, FaultKind::Kill, Some(0));
        history.end(1_000, 0, 1).status = None;
        let sign_in = history.sign_in(1_000, 2);
        (sign_in.status, sign_in.login) = (None, Some(0));
        if took_effect {
            history.rejected(9_000, 1, "revoked_by_user");
            history.rejected(9_000, 0, "no_session");
        } else {
            history.me(9_000, 1);
            history.me(9_000, 0);
        }
        history.holds();
    }
}

#[test]
fn a_lost_answer_may_end_that_session_alone() {
    let mut history = History::with_two_logins();
    history.renewal(1_000, 0, RenewalOutcome::Renewed);
    history.renewal(1_000, 0, RenewalOutcome::Lost);
    history.renewal(2_000, 0, RenewalOutcome::Reused);
    history.rejected(2_050, 0, "renewal_refused");
    history.holds();
    history.rejected(2_100, 1, "renewal_refused");
    history.breaks(Law::LoginKept);
}

#[test]
fn a_session_of_another_login_is_named() {
    let mut history = History::with_two_logins();
    history.me(500, 0).session = Some("s1".to_owned());
    history.breaks(Law::OwnSession);
}

#[test]
fn another_user_is_named() {
    let mut history = History::with_two_logins();
    history.tool(500, 0).answered_user = Some("bob".to_owned());
    history.breaks(Law::OwnSession);
}

#[test]
fn a_login_that_is_lost_is_named() {
    for reason in ["no_session", "evicted", "revoked_by_user", "signed_out", "idle"] {
        let mut history = History::with_two_logins();
        history.rejected(500, 0, reason);
        history.breaks(Law::LoginKept);
    }
}

#[test]
fn an_eviction_below_the_cap_is_named() {
    let mut history = History::with_two_logins();
    history.end(300, 0, 1);
    // One later session is live, and the cap is two.
    history.sign_in(400, 2);
    history.rejected(500, 0, "evicted");
    history.breaks(Law::LoginKept);
}

#[test]
fn an_end_that_is_undone_is_named() {
    let mut history = History::with_two_logins();
    history.end(500, 0, 1);
    history.me(2_100, 1).process = 1;
    history.breaks(Law::EndKept);
}

#[test]
fn an_end_that_its_own_process_does_not_see_is_named() {
    let mut history = History::with_two_logins();
    history.end(500, 0, 1);
    history.me(520, 1);
    history.breaks(Law::EndKept);
}

#[test]
fn a_session_over_the_cap_is_named() {
    let mut history = History::with_two_logins();
    history.sign_in(300, 2);
    history.me(320, 2);
    history.list(400, 2, &[0, 1, 2]);
    history.breaks(Law::Cap);
}

#[test]
fn a_list_with_a_session_that_is_over_is_named() {
    let mut history = History::with_two_logins();
    history.end(300, 0, 1);
    history.list(400, 0, &[0, 1]);
    history.breaks(Law::List);
}

#[test]
fn a_list_without_a_live_session_is_named() {
    let mut history = History::with_two_logins();
    history.list(400, 0, &[0]);
    history.me(9_000, 1);
    history.breaks(Law::List);
}

#[test]
fn a_token_that_is_sent_twice_is_named() {
    let mut history = History::with_two_logins();
    history.renewal(1_000, 0, RenewalOutcome::Renewed);
    history.renewal(9_000, 0, RenewalOutcome::Reused);
    history.rejected(9_050, 0, "renewal_refused");
    history.breaks(Law::TokenOnce);
    // A kill long after the new token was stored explains nothing; one at that moment does.
    history.fault(8_000, 8_500, FaultKind::Kill, Some(0));
    history.breaks(Law::TokenOnce);
    history.fault(1_005, 1_500, FaultKind::Kill, Some(0));
    history.holds();
}

#[test]
fn an_error_without_a_fault_is_named() {
    let mut history = History::with_two_logins();
    history.me(1_000, 0).status = Some(503);
    history.breaks(Law::Healthy);
    // Trouble with the provider, or elsewhere, is not felt here.
    history.fault(900, 1_100, FaultKind::FailingProvider, None);
    history.fault(900, 1_100, FaultKind::CutDatabase, Some(1));
    history.breaks(Law::Healthy);
    history.fault(900, 1_100, FaultKind::CutDatabase, Some(0));
    history.holds();
}

#[test]
fn an_error_long_after_a_fault_is_named() {
    let mut history = History::with_two_logins();
    history.fault(900, 1_100, FaultKind::Kill, Some(0));
    history.me(6_000, 0).status = None;
    history.holds();
    history.me(6_200, 0).status = None;
    history.breaks(Law::Healthy);
}

#[test]
fn an_internal_error_has_no_excuse() {
    let mut history = History::with_two_logins();
    history.fault(900, 1_100, FaultKind::Kill, Some(0));
    history.me(1_000, 0).status = Some(500);
    history.breaks(Law::Healthy);
}

#[test]
fn the_time_until_an_end_is_seen_elsewhere_is_measured_without_faults() {
    let mut history = History::with_two_logins();
    history.me(480, 1).process = 1;
    history.end(500, 0, 1);
    history.me(600, 1).process = 1;
    history.rejected(700, 1, "revoked_by_user").process = 1;
    let summary = check(&history.0).summary;
    assert_eq!((summary.delays.as_slice(), summary.delay_ms(99)), (&[millis(200)][..], 200));
    history.fault(0, 10, FaultKind::Kill, Some(0));
    assert!(check(&history.0).summary.delays.is_empty());
}

#[test]
fn a_stall_of_the_machine_excuses_errors_and_nothing_else() {
    let mut history = History::with_two_logins();
    history.me(1_000, 0).status = Some(503);
    history.breaks(Law::Healthy);
    history.fault(500, 900, FaultKind::Stall, None);
    history.holds();
    history.rejected(1_100, 1, "evicted");
    history.breaks(Law::LoginKept);
}

#[test]
fn a_process_that_told_an_end_may_serve_from_its_cache_within_the_bound() {
    let mut history = History::with_two_logins();
    history.end(500, 0, 1).process = 1;
    history.rejected(600, 1, "revoked_by_user");
    history.me(620, 1);
    history.holds();
    history.me(2_100, 1);
    history.breaks(Law::EndKept);
}
