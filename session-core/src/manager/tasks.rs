//! The manager's own tasks, which outlive the requests that started them.

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::error::{ManagerError, ManagerErrorKind};

/// How far a shutdown has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ShutdownStage {
    Running,
    /// Nothing new starts; running tasks may finish.
    Closing,
    /// The deadline has passed: tasks that still retry give up.
    GivingUp,
}

#[derive(Debug)]
pub(super) struct Tasks {
    tracker: TaskTracker,
    runtime: Handle,
    stage: watch::Sender<ShutdownStage>,
}

impl Tasks {
    /// Must be called in a tokio runtime.
    pub(super) fn new() -> Self {
        let stage = watch::Sender::new(ShutdownStage::Running);
        Self { tracker: TaskTracker::new(), runtime: Handle::current(), stage }
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn_on(task, &self.runtime);
    }

    /// Starts work that goes on even if the caller stops waiting for it, and returns its result.
    pub(super) fn detach<T, W>(
        &self,
        work: W,
    ) -> impl Future<Output = Result<T, ManagerError>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, ManagerError>> + Send + 'static,
    {
        let task = self.tracker.spawn_on(work, &self.runtime);
        async move {
            task.await.unwrap_or_else(|error| {
                let kind = match error.is_panic() {
                    true => ManagerErrorKind::Panicked,
                    false => ManagerErrorKind::ShuttingDown,
                };
                Err(ManagerError::new(kind))
            })
        }
    }

    /// Returns how many tasks are running.
    pub(super) fn count(&self) -> usize {
        self.tracker.len()
    }

    pub(super) fn is_closing(&self) -> bool {
        *self.stage.borrow() >= ShutdownStage::Closing
    }

    /// Completes when nothing new may start. Does not borrow the manager.
    pub(super) fn closing(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stage = self.stage.subscribe();
        async move {
            // An error means that the manager is gone, which is an end as well.
            drop(stage.wait_for(|stage| *stage >= ShutdownStage::Closing).await);
        }
    }

    /// Completes when tasks that still retry must give up.
    pub(super) async fn giving_up(&self) {
        let mut current = self.stage.subscribe();
        if current.wait_for(|current| *current >= ShutdownStage::GivingUp).await.is_err() {
            std::future::pending().await
        }
    }

    /// Lets nothing new start.
    pub(super) fn close(&self) {
        self.advance_to(ShutdownStage::Closing);
        self.tracker.close();
    }

    /// Tells tasks that still retry to give up.
    pub(super) fn give_up(&self) {
        self.advance_to(ShutdownStage::GivingUp);
    }

    /// Completes when all tasks have finished.
    pub(super) async fn all_done(&self) {
        self.tracker.wait().await;
    }

    fn advance_to(&self, stage: ShutdownStage) {
        self.stage.send_if_modified(|current| {
            let is_later = stage > *current;
            *current = stage.max(*current);
            is_later
        });
    }
}
