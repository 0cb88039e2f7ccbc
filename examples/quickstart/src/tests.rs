//! The application's own test: a user is signed in, without a provider.

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use session_tower::testing::TestSite;
use tower::ServiceExt;

#[tokio::test]
async fn a_user_sees_what_the_other_service_says() -> anyhow::Result<()> {
    let site = TestSite::new().await;
    let service = |request: Request<Vec<u8>>| async move {
        assert_eq!(request.headers()["authorization"], "Bearer at-1");
        Ok::<_, std::io::Error>(Response::new(b"Ann's profile".to_vec()))
    };
    let api = super::OutgoingClient::new(site.sessions.clone(), service, "https://api.example")?;
    let app = super::app(&site.sessions, &site.open_id_sign_in(), api);
    let request = Request::get("/me").header("cookie", site.cookie("ann").await);
    let answer = app.oneshot(request.body(Body::empty())?).await?;
    assert_eq!(to_bytes(answer.into_body(), 1024).await?, "Ann's profile");
    Ok(())
}
