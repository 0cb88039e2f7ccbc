//! The steps.

use proptest::prelude::*;
use proptest::sample::Index;

/// One step, on one of two nodes.
#[derive(Debug, Clone)]
pub(crate) struct Op {
    /// Which node.
    pub(crate) node: usize,
    pub(crate) what: What,
}

/// What a step does. An [`Index`] picks one of the secrets or sessions that there are by then.
#[derive(Debug, Clone)]
pub(crate) enum What {
    SignIn { user: usize, provider: usize, supersedes: Option<Index> },
    Connect { user: usize },
    Resolve { secret: Index, user: Option<usize> },
    Request { secret: Index },
    Token { session: Index },
    Rotate { session: Index },
    SignOut { session: Index },
    EndOne { user: usize, session: Index },
    EndOthers { user: usize, session: Index },
    EndAll { user: usize, provider: Option<usize> },
    Provider(Mood),
    Purge,
    WorkOff,
    Advance { seconds: u64 },
}

/// How the provider answers renewals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Away,
    Keeping,
    Refusing,
    Rotating,
}

pub(crate) fn steps() -> impl Strategy<Value = Op> {
    (0..2_usize, what()).prop_map(|(node, what)| Op { node, what })
}

fn what() -> impl Strategy<Value = What> {
    let user = || 0..3_usize;
    let index = any::<Index>;
    let provider = || 0..2_usize;
    prop_oneof![
        4 => (user(), provider(), prop::option::weighted(0.3, index()))
            .prop_map(|(user, provider, supersedes)| What::SignIn { user, provider, supersedes }),
        1 => user().prop_map(|user| What::Connect { user }),
        4 => (index(), prop::option::weighted(0.3, user()))
            .prop_map(|(secret, user)| What::Resolve { secret, user }),
        6 => index().prop_map(|secret| What::Request { secret }),
        2 => index().prop_map(|session| What::Token { session }),
        3 => index().prop_map(|session| What::Rotate { session }),
        1 => index().prop_map(|session| What::SignOut { session }),
        1 => (user(), index()).prop_map(|(user, session)| What::EndOne { user, session }),
        1 => (user(), index()).prop_map(|(user, session)| What::EndOthers { user, session }),
        1 => (user(), prop::option::of(provider()))
            .prop_map(|(user, provider)| What::EndAll { user, provider }),
        1 => mood().prop_map(What::Provider),
        1 => Just(What::Purge),
        1 => Just(What::WorkOff),
        4 => prop_oneof![1..60_u64, 60..400_u64, 400..1_500_u64]
            .prop_map(|seconds| What::Advance { seconds }),
    ]
}

fn mood() -> impl Strategy<Value = Mood> {
    prop_oneof![
        1 => Just(Mood::Away),
        1 => Just(Mood::Keeping),
        1 => Just(Mood::Refusing),
        3 => Just(Mood::Rotating),
    ]
}
