//! Several cookies of the name.

use session_core::manager::Rotation;
use session_core::testing::{Method, sample};

use crate::site::{Site, cookie, send};

#[tokio::test]
async fn c6_exactly_one_live_session_among_several_cookies_is_used_and_nothing_is_cleared() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let bob = site.sign_in("bob").await;
    site.manager.sign_out(&bob.session.user, bob.session.id).await.unwrap();
    let (ended, foreign) = (cookie(&bob.secret), cookie(&sample::secret()));
    let malformed = "__Host-session=planted";
    for other in [ended.as_str(), &foreign, malformed] {
        for pair in [[other, &ann], [&ann, other]] {
            let together = pair.join("; ");
            for cookies in [vec![together.as_str()], pair.to_vec()] {
                let answer = send(&site.service(), &cookies).await;
                assert_eq!(answer.text, "ann");
                assert!(answer.keeps_cookie());
            }
        }
    }
}

#[tokio::test]
async fn c6_two_different_live_sessions_count_as_none_and_nothing_is_cleared() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let bob = cookie(&site.sign_in("bob").await.secret);
    for cookies in [[&*ann, &*bob], [&*bob, &*ann]] {
        let answer = send(&site.service(), &cookies).await;
        assert_eq!(answer.text, "anonymous");
        assert!(answer.keeps_cookie());
        let answer = send(&site.require_session(), &cookies).await;
        assert_eq!(answer.reason(), "no_session");
        assert!(answer.keeps_cookie());
    }
}

#[tokio::test]
async fn old_and_new_secret_of_one_session_are_one_session() {
    let site = Site::new().await;
    let signed_in = site.sign_in("ann").await;
    let Rotation::Rotated { secret, .. } =
        site.manager.rotate_secret(&signed_in.session.user, signed_in.session.id).await.unwrap()
    else {
        panic!("no other rotation is in progress");
    };
    let (old, new) = (cookie(&signed_in.secret), cookie(&secret));
    for cookies in [[&*old, &*new], [&*new, &*old], [&*new, &*new]] {
        let answer = send(&site.service(), &cookies).await;
        assert_eq!(answer.text, "ann");
        assert!(answer.keeps_cookie());
    }
}

#[tokio::test]
async fn a_new_secret_that_arrives_beside_the_old_one_is_not_treated_as_lost() {
    let site = Site::new().await;
    let signed_in = site.sign_in("ann").await;
    let rotated =
        site.manager.rotate_secret(&signed_in.session.user, signed_in.session.id).await.unwrap();
    let Rotation::Rotated { secret, .. } = rotated else {
        panic!("no other rotation is in progress")
    };
    let (old, new) = (cookie(&signed_in.secret), cookie(&secret));
    site.advance(61);
    for cookies in [[&*old, &*new], [&*new, &*old]] {
        let answer = send(&site.service(), &cookies).await;
        assert_eq!((answer.text.as_str(), answer.keeps_cookie()), ("ann", true));
    }
    // Only the rotation above: the requests tried no other.
    assert_eq!(site.store.calls(Method::Find), 1);
}

#[tokio::test]
async fn at_most_four_cookies_of_the_name_are_looked_at() {
    let site = Site::new().await;
    let ann = cookie(&site.sign_in("ann").await.secret);
    let foreign: Vec<String> = (0..4).map(|_| cookie(&sample::secret())).collect();
    let foreign: Vec<&str> = foreign.iter().map(String::as_str).collect();
    let fifth = [&foreign[..], &[&ann]].concat();
    site.store.reset_calls();
    assert_eq!(send(&site.service(), &[&fifth.join("; ")]).await.text, "anonymous");
    assert_eq!(site.store.calls(Method::FindByDigest), 4);
    let fourth = [&foreign[..3], &[&ann]].concat();
    assert_eq!(send(&site.service(), &fourth).await.text, "ann");
}
