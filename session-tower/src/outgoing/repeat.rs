//! Whether a request's body can be sent a second time.

/// Makes a copy of a request's body before it is sent, for a second try; implemented for closures
/// from a body to an optional body.
pub trait Repeat<B> {
    /// Returns a copy, or `None` if the body can be sent only once, as a stream can.
    fn repeat(&self, body: &B) -> Option<B>;
}

/// Repeats no request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Never;

/// Repeats requests whose bodies are cheap to clone, such as `Full<Bytes>`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cloned;

impl<B> Repeat<B> for Never {
    fn repeat(&self, _: &B) -> Option<B> {
        None
    }
}

impl<B: Clone> Repeat<B> for Cloned {
    fn repeat(&self, body: &B) -> Option<B> {
        Some(body.clone())
    }
}

impl<B, F: Fn(&B) -> Option<B>> Repeat<B> for F {
    fn repeat(&self, body: &B) -> Option<B> {
        self(body)
    }
}
