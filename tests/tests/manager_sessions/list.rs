//! A page of devices, and the connections of tool clients.

use std::time::Duration;

use session_core::SessionId;
use session_core::manager::{ListedSession, SignIn};
use session_core::session::{DeviceLabel, Origin};
use session_core::testing::sample;
use session_tests::manager::{OKTA, World, policy};

const SECOND: Duration = Duration::from_secs(1);

async fn listed(world: &World, current: Option<SessionId>) -> Vec<ListedSession> {
    world.manager.list(&sample::user("ann"), current).await.unwrap()
}

#[tokio::test]
async fn l3_the_list_has_the_users_sessions_newest_first_and_marks_the_current_one() {
    let world = World::new().await;
    let label = DeviceLabel::new("Firefox on Linux");
    let laptop = world.manager.sign_in(world.login("ann").device(label.clone())).await.unwrap();
    world.clock.advance(SECOND);
    let phone = world.sign_in().await;
    world.sign_in_as("bob").await;
    let ended = world.sign_in().await;
    world.manager.sign_out(&ended.session.user, ended.session.id).await.unwrap();

    let list = listed(&world, Some(laptop.session.id)).await;
    let ids: Vec<_> = list.iter().map(|entry| (entry.session.id, entry.is_current)).collect();
    assert_eq!(ids, [(phone.session.id, false), (laptop.session.id, true)]);
    assert_eq!(list[1].session.device, label);
    assert!(listed(&world, None).await.iter().all(|entry| !entry.is_current));
}

#[tokio::test]
async fn l3_the_list_holds_no_token_and_no_secret() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let shown = format!("{:?}", listed(&world, Some(laptop.session.id)).await);
    for secret in ["at-1", "rt-1", laptop.secret.expose()] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn last_seen_is_as_recent_as_this_node_knows() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let _held = world.live(&laptop).await;
    world.clock.advance(SECOND * 20);
    world.live(&laptop).await;
    session_tests::manager::settle().await;
    assert_eq!(world.row(laptop.session.id).await.session.last_seen_at, laptop.session.created_at);
    let list = listed(&world, None).await;
    assert_eq!(list[0].session.last_seen_at, world.manager.now());
}

#[tokio::test]
async fn timed_out_sessions_are_not_listed() {
    let world = World::with(policy().idle_timeout(SECOND * 60)).await;
    world.sign_in().await;
    world.clock.advance(SECOND * 60);
    assert_eq!(listed(&world, None).await, []);
}

#[tokio::test]
async fn f23_a_browsers_session_is_never_lent_to_a_tool_client() {
    let world = World::new().await;
    let (ann, okta) = (sample::user("ann"), sample::provider(OKTA));
    world.sign_in().await;
    assert_eq!(world.manager.find_connection(&ann, &okta).await.unwrap(), None);
    let first = world.manager.connect(&ann, &okta, world.provider.sign_in()).await.unwrap();
    let last = world.manager.connect(&ann, &okta, world.provider.sign_in()).await.unwrap();
    world.sign_in().await;
    let found = world.manager.find_connection(&ann, &okta).await.unwrap().unwrap();
    assert_eq!((found.id, found.origin), (last.session.id, Origin::Connection));
    let tokens = world.manager.access_token(&ann, found.id).await.unwrap();
    assert_eq!(tokens.access_token(), "at-3");

    world.manager.sign_out(&last.session.user, last.session.id).await.unwrap();
    let found = world.manager.find_connection(&ann, &okta).await.unwrap().unwrap();
    assert_eq!(found.id, first.session.id);
    let (bob, github) = (sample::user("bob"), sample::provider("github"));
    assert_eq!(world.manager.find_connection(&bob, &okta).await.unwrap(), None);
    assert_eq!(world.manager.find_connection(&ann, &github).await.unwrap(), None);
}

#[tokio::test]
async fn law_2_a_connection_ends_no_login_and_a_login_no_connection() {
    let world = World::new().await;
    let (ann, mcp) = (sample::user("ann"), sample::provider("mcp:github"));
    let laptop = world.sign_in().await;
    let tool = world.manager.connect(&ann, &mcp, sample::response()).await.unwrap();
    assert_eq!(tool.ended, []);
    for _ in 0..12 {
        let sign_in = SignIn::new(&ann, &sample::provider(OKTA), world.provider.sign_in());
        world.manager.sign_in(sign_in).await.unwrap();
    }
    assert!(world.end_reason(laptop.session.id).await.is_some());
    assert_eq!(world.end_reason(tool.session.id).await, None);
}
