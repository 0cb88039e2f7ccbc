//! rmcp's HTTP client with the access token of a user's connection.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue};
use futures_util::stream::BoxStream;
use reqwest13::{Client, Error};
use rmcp::model::ClientJsonRpcMessage;
use rmcp::transport::streamable_http_client::{
    AuthRequiredError, SseError, StreamableHttpClient, StreamableHttpError,
    StreamableHttpPostResponse,
};
use session_core::manager::TokenError;
use session_core::{Session, SessionManager};
use sse_stream::Sse;

/// Calls on behalf of a connection: with its access token, renewed first if it has expired; and if the
/// tool server rejects it all the same, renewed and once more.
#[derive(Debug, Clone)]
pub struct Connected {
    /// The client that sends.
    pub http: Client,
    /// The sessions.
    pub sessions: SessionManager,
    /// The user's connection to the tool server.
    pub connection: Session,
}

type Headers = HashMap<HeaderName, HeaderValue>;
type Answer<T> = Result<T, StreamableHttpError<Error>>;

impl Connected {
    async fn with_token<T, F>(&self, call: impl Fn(Option<String>) -> F) -> Answer<T>
    where
        F: Future<Output = Answer<T>>,
    {
        let (user, id) = (&self.connection.user, self.connection.id);
        let tokens = self.sessions.access_token(user, id).await.map_err(no_token)?;
        let rejected = tokens.access_token();
        match call(Some(rejected.to_owned())).await {
            Err(StreamableHttpError::AuthRequired(_)) => {
                let renewed = self.sessions.access_token_after_rejection(user, id, rejected).await;
                let renewed = renewed.map_err(no_token)?;
                call(Some(renewed.access_token().to_owned())).await
            }
            answered => answered,
        }
    }
}

/// Tells rmcp's caller that the user must connect the tool server again, or that it is trouble.
fn no_token(error: TokenError) -> StreamableHttpError<Error> {
    match error.needs_sign_in() {
        true => StreamableHttpError::AuthRequired(AuthRequiredError::new(error.to_string())),
        false => StreamableHttpError::Io(io::Error::other(error)),
    }
}

impl StreamableHttpClient for Connected {
    type Error = Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        _: Option<String>,
        headers: Headers,
    ) -> Answer<StreamableHttpPostResponse> {
        let again = || (uri.clone(), message.clone(), session.clone(), headers.clone());
        self.with_token(|token| {
            let (uri, message, session, headers) = again();
            self.http.post_message(uri, message, session, token, headers)
        })
        .await
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last_event: Option<String>,
        _: Option<String>,
        headers: Headers,
    ) -> Answer<BoxStream<'static, Result<Sse, SseError>>> {
        let again = || (uri.clone(), session.clone(), last_event.clone(), headers.clone());
        self.with_token(|token| {
            let (uri, session, last_event, headers) = again();
            self.http.get_stream(uri, session, last_event, token, headers)
        })
        .await
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session: Arc<str>,
        _: Option<String>,
        headers: Headers,
    ) -> Answer<()> {
        self.with_token(|token| {
            self.http.delete_session(uri.clone(), session.clone(), token, headers.clone())
        })
        .await
    }
}
