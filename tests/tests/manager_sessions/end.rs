//! Ends: this session, another one, all others, all; by the user, an administrator, the provider.

use std::time::Duration;

use session_core::event::EventKind;
use session_core::manager::{ManagerErrorKind, Resolution, SignIn, SignedIn};
use session_core::session::{Actor, EndCause, ProviderIdentity, ProviderLogout};
use session_core::testing::sample;
use session_core::{EndReason, SessionId, TokenResponse};
use session_tests::manager::{LIFETIME, OKTA, World, policy};

async fn ends(world: &World, devices: &[&SignedIn]) -> Vec<Option<EndReason>> {
    let mut reasons = Vec::new();
    for device in devices {
        reasons.push(world.end_reason(device.session.id).await);
    }
    reasons
}

#[tokio::test]
async fn l5_signing_out_does_not_change_other_devices() {
    let world = World::new().await;
    let (laptop, phone) = (world.sign_in().await, world.sign_in().await);
    let before = world.row(phone.session.id).await;
    assert!(world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap());
    assert!(
        !world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap(),
        "twice is no error"
    );
    assert_eq!(ends(&world, &[&laptop]).await, [Some(EndReason::SignedOut)]);
    assert_eq!(world.row(phone.session.id).await, before);
    let Resolution::Ended { ended, .. } = world.resolve(&laptop).await else { panic!("it lives") };
    assert_eq!(ended.reason, EndReason::SignedOut);
}

#[tokio::test]
async fn law_6_another_users_session_cannot_be_ended_and_looks_like_none() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let (ann, bob) = (sample::user("ann"), sample::user("bob"));
    let unknown = SessionId::generate(world.manager.now());
    for (user, id) in [(&bob, laptop.session.id), (&ann, unknown)] {
        let error = world.manager.end_one(user, id).await.unwrap_err();
        assert_eq!(error.kind(), ManagerErrorKind::NotFound);
    }
    assert_eq!(ends(&world, &[&laptop]).await, [None]);
    world.manager.end_one(&ann, laptop.session.id).await.unwrap();
    assert_eq!(ends(&world, &[&laptop]).await, [Some(EndReason::RevokedByUser)]);
    let again = world.manager.end_one(&ann, laptop.session.id).await.unwrap_err();
    assert_eq!(again.kind(), ManagerErrorKind::NotFound);
}

#[tokio::test]
async fn l2_f23_ending_the_others_keeps_this_one_connected_tools_and_other_users() {
    let world = World::new().await;
    let (ann, tool) = (sample::user("ann"), sample::provider("mcp:files"));
    world.manager.connect(&ann, &tool, TokenResponse::bearer("at-tool")).await.unwrap();
    let (this, one, two) = (world.sign_in().await, world.sign_in().await, world.sign_in().await);
    let bob = world.sign_in_as("bob").await;
    assert_eq!(world.manager.end_others(&sample::user("ann"), this.session.id).await.unwrap(), 2);
    let ended = Some(EndReason::RevokedByUser);
    assert_eq!(ends(&world, &[&this, &one, &two, &bob]).await, [None, ended, ended, None]);
    assert!(world.manager.find_connection(&ann, &tool).await.unwrap().is_some());
}

#[tokio::test]
async fn l2_ending_all_but_another_users_session_ends_all_own_sessions() {
    let world = World::new().await;
    let (laptop, bob) = (world.sign_in().await, world.sign_in_as("bob").await);
    assert_eq!(world.manager.end_others(&sample::user("ann"), bob.session.id).await.unwrap(), 1);
    assert_eq!(ends(&world, &[&laptop, &bob]).await, [Some(EndReason::RevokedByUser), None]);
}

#[tokio::test]
async fn l2_an_administrator_ends_all_or_those_of_one_provider() {
    let world = World::new().await;
    let (ann, github) = (sample::user("ann"), sample::provider("github"));
    let okta = world.sign_in().await;
    let sign_in = SignIn::new(&ann, &github, world.provider.sign_in());
    let hub = world.manager.sign_in(sign_in).await.unwrap();
    let reason = EndReason::RevokedByAdmin;
    let ended = world.manager.end_all(&ann, Some(&github), reason).await.unwrap();
    assert_eq!((ended, ends(&world, &[&okta, &hub]).await), (1, vec![None, Some(reason)]));
    assert_eq!(world.manager.end_all(&ann, None, reason).await.unwrap(), 1);
    assert_eq!(ends(&world, &[&okta]).await, [Some(reason)]);
}

async fn by(world: &World, user: &str, issuer: &str, subject: &str, sid: &str) -> SignedIn {
    let identity = ProviderIdentity {
        issuer: Some(issuer.to_owned()),
        subject: Some(sample::subject(subject)),
        sid: Some(sid.to_owned()),
        account: None,
    };
    world.manager.sign_in(world.login(user).identity(identity)).await.unwrap()
}

#[tokio::test]
async fn b4_b5_f40_a_sid_names_its_rows_and_a_subject_all_of_its_issuers() {
    let world = World::new().await;
    let one = by(&world, "ann", "https://a.example", "s", "1").await;
    let two = by(&world, "ann", "https://a.example", "s", "2").await;
    let elsewhere = by(&world, "ann", "https://b.example", "s", "1").await;
    let bob = by(&world, "bob", "https://a.example", "t", "3").await;
    let plain = world.sign_in().await;
    let all = [&one, &two, &elsewhere, &bob, &plain];
    let end = async |subject: Option<&str>, sid: Option<&str>| {
        let logout = ProviderLogout::new("https://a.example")
            .with_subject(subject.map(sample::subject))
            .with_sid(sid.map(str::to_owned));
        world.manager.end_by_provider(logout).await.unwrap()
    };
    let over = Some(EndReason::ProviderLogout);

    assert_eq!(end(None, None).await, 0, "a logout without sid and sub matches no session");
    assert_eq!(end(Some("t"), Some("1")).await, 0, "both must fit");
    assert_eq!(ends(&world, &all).await, [None; 5]);
    assert_eq!(end(Some("s"), Some("1")).await, 1);
    assert_eq!(ends(&world, &all).await, [over, None, None, None, None]);
    assert_eq!(end(Some("s"), None).await, 1);
    assert_eq!(ends(&world, &all).await, [over, over, None, None, None]);
    assert_eq!(end(None, Some("3")).await, 1);
    assert_eq!(ends(&world, &all).await, [over, over, None, over, None]);
    assert_eq!(end(None, Some("3")).await, 0, "B5: once more has no second effect");
}

#[tokio::test]
async fn b4_tool_clients_are_untouched_by_a_sign_out_at_the_provider() {
    let world = World::new().await;
    let (ann, mcp) = (sample::user("ann"), sample::provider("mcp:github"));
    let tool = world.manager.connect(&ann, &mcp, sample::response()).await.unwrap();
    let laptop = by(&world, "ann", "https://a.example", "s", "1").await;
    let subject = ProviderLogout::new("https://a.example").with_subject(sample::subject("s"));
    let ended = world.manager.end_by_provider(subject).await;
    assert_eq!(ended.unwrap(), 1);
    assert_eq!(ends(&world, &[&laptop]).await, [Some(EndReason::ProviderLogout)]);
    assert_eq!(world.end_reason(tool.session.id).await, None);
}

#[tokio::test]
async fn b7_a_purge_keeps_what_a_sign_out_at_the_provider_needs() {
    let world = World::with(policy().retention(Duration::ZERO)).await;
    let laptop = by(&world, "ann", "https://a.example", "s", "1").await;
    // Its access token expired long ago and was not renewed.
    world.clock.advance(LIFETIME * 100);
    world.manager.purge().await.unwrap();
    let sid = ProviderLogout::new("https://a.example").with_sid("1".to_owned());
    let ended = world.manager.end_by_provider(sid).await;
    assert_eq!(ended.unwrap(), 1);
    assert_eq!(ends(&world, &[&laptop]).await, [Some(EndReason::ProviderLogout)]);
}

#[tokio::test]
async fn a1_the_events_record_the_whole_life_of_a_session() {
    let (world, laptop) = World::expired().await;
    world.token(&laptop).await.unwrap();
    world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    let events = world.sessions().events(laptop.session.id).await.unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    let ended = EventKind::Ended(EndReason::SignedOut);
    assert_eq!(kinds, [EventKind::Created, EventKind::Renewed, ended]);
    for event in &events {
        assert_eq!((event.user.as_str(), event.provider.as_str()), ("ann", OKTA));
    }
    assert_eq!(events[2].at, world.manager.now());
}

#[tokio::test]
async fn a1_an_administrators_end_tells_which_administrator() {
    let world = World::new().await;
    let devices = [world.sign_in().await, world.sign_in().await, world.sign_in().await];
    let (ann, alice) = (sample::user("ann"), Actor::new("alice@ops").unwrap());
    world.manager.end_one_as_admin(&ann, devices[0].session.id, alice.clone()).await.unwrap();
    world.manager.end_one_as_admin(&ann, devices[1].session.id, None).await.unwrap();
    world.manager.end_all(&ann, None, EndCause::by_admin(alice.clone())).await.unwrap();
    let mut ends = Vec::new();
    for device in &devices {
        let last = world.sessions().events(device.session.id).await.unwrap().pop().unwrap();
        assert_eq!(last.kind, EventKind::Ended(EndReason::RevokedByAdmin));
        ends.push(last.actor);
    }
    assert_eq!(ends, [Some(alice.clone()), None, Some(alice)]);
}

#[tokio::test]
async fn l1_an_end_elsewhere_is_noticed_at_the_next_read() {
    let here = World::new().await;
    let there = here.another().await;
    let laptop = here.sign_in().await;
    there.live(&laptop).await;
    here.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    assert!(matches!(there.resolve(&laptop).await, Resolution::Ended { .. }));
}
