//! A gate that holds calls until a test releases them.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

/// Holds calls while it is closed. Clones are the same gate.
///
/// A test can act while a call is in progress, without sleeping.
///
/// ```
/// use session_core::testing::Gate;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let gate = Gate::new();
/// gate.pass().await; // open
/// gate.close();
/// let held = tokio::spawn({ let gate = gate.clone(); async move { gate.pass().await } });
/// gate.until_held(1).await;
/// assert!(!held.is_finished());
/// gate.open();
/// held.await.unwrap();
/// # });
/// ```
#[derive(Clone)]
pub struct Gate {
    state: Arc<watch::Sender<GateState>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct GateState {
    is_closed: bool,
    /// Raised by each opening: calls that were held before it continue, even if the gate closes again
    /// at once.
    openings: u64,
    held: usize,
}

impl Gate {
    /// Creates an open gate.
    #[must_use]
    pub fn new() -> Self {
        Self { state: Arc::new(watch::Sender::new(GateState::default())) }
    }

    /// Holds every call from now on.
    pub fn close(&self) {
        self.state.send_modify(|state| state.is_closed = true);
    }

    /// Releases all held calls, and holds no further ones.
    pub fn open(&self) {
        self.state.send_modify(|state| {
            state.is_closed = false;
            state.openings += 1;
        });
    }

    /// Returns how many calls are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.state.borrow().held
    }

    /// Waits until at least `count` calls are held.
    pub async fn until_held(&self, count: usize) {
        // The sender lives as long as this gate, so waiting cannot fail.
        self.state.subscribe().wait_for(|state| state.held >= count).await.ok();
    }

    /// Passes the gate; waits until it opens if it is closed.
    pub async fn pass(&self) {
        let mut changes = self.state.subscribe();
        let seen = *changes.borrow();
        if seen.is_closed {
            let _held = Held::at(self);
            changes.wait_for(|state| state.openings > seen.openings).await.ok();
        }
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GateState { is_closed, held, .. } = *self.state.borrow();
        f.debug_struct("Gate").field("is_closed", &is_closed).field("held", &held).finish()
    }
}

/// A held call, counted until it is dropped.
struct Held<'a>(&'a Gate);

impl<'a> Held<'a> {
    fn at(gate: &'a Gate) -> Self {
        gate.state.send_modify(|state| state.held += 1);
        Self(gate)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.held -= 1);
    }
}
