//! Bodies and streams that end with the session.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use session_core::EndReason;
use session_core::manager::EndedSignal;

pin_project! {
    /// A response body, or a stream such as the receiving half of a web socket, that is over as soon
    /// as the session is.
    ///
    /// What the inner one yields meanwhile is passed on unchanged. An end on this process is seen at
    /// once, one elsewhere within the policy's `max_staleness`.
    ///
    /// ```
    /// use http_body_util::Full;
    /// use session_tower::{CurrentSession, UntilEnded};
    ///
    /// fn events(current: &CurrentSession, events: Full<&'static [u8]>) -> UntilEnded<Full<&'static [u8]>> {
    ///     UntilEnded::new(events, current.ended())
    /// }
    /// ```
    pub struct UntilEnded<T> {
        #[pin]
        inner: T,
        ended: Ended,
    }
}

enum Ended {
    Not(Pin<Box<dyn Future<Output = EndReason> + Send>>),
    Because(EndReason),
}

impl<T> UntilEnded<T> {
    /// Creates a body or stream that ends with the session of this signal.
    #[must_use]
    pub fn new(inner: T, mut signal: EndedSignal) -> Self {
        Self { inner, ended: Ended::Not(Box::pin(async move { signal.wait().await })) }
    }

    /// Returns why the session has ended, if this is why the body or stream is over.
    #[must_use]
    pub const fn reason(&self) -> Option<EndReason> {
        match &self.ended {
            Ended::Not(_) => None,
            Ended::Because(reason) => Some(*reason),
        }
    }
}

impl Ended {
    fn poll_is(&mut self, cx: &mut Context<'_>) -> bool {
        if let Self::Not(signal) = self
            && let Poll::Ready(reason) = signal.as_mut().poll(cx)
        {
            *self = Self::Because(reason);
        }
        matches!(self, Self::Because(_))
    }
}

impl<B: Body> Body for UntilEnded<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        match this.ended.poll_is(cx) {
            true => Poll::Ready(None),
            false => this.inner.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.reason().is_some() || self.inner.is_end_stream()
    }

    /// Promises no length: the body may be cut off.
    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl<S: Stream> Stream for UntilEnded<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        match this.ended.poll_is(cx) {
            true => Poll::Ready(None),
            false => this.inner.poll_next(cx),
        }
    }
}

impl<T> fmt::Debug for UntilEnded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UntilEnded").field("reason", &self.reason()).finish_non_exhaustive()
    }
}
