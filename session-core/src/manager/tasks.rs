//! The manager's own tasks: they outlive the requests that began them.

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// How far the manager is on its way down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Running,
    /// Nothing new begins; what has begun may finish.
    Closing,
    /// The deadline has passed: whoever still tries gives up.
    GivingUp,
}

#[derive(Debug)]
pub(super) struct Tasks {
    tracker: TaskTracker,
    runtime: Handle,
    stage: watch::Sender<Stage>,
}

impl Tasks {
    /// Must be called in a runtime.
    pub(super) fn new() -> Self {
        let stage = watch::Sender::new(Stage::Running);
        Self { tracker: TaskTracker::new(), runtime: Handle::current(), stage }
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn_on(task, &self.runtime);
    }

    /// The result of work that goes on even if nobody waits for it any more; `None` if it died.
    pub(super) async fn detach<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        self.tracker.spawn_on(work, &self.runtime).await.ok()
    }

    pub(super) fn is_closing(&self) -> bool {
        *self.stage.borrow() >= Stage::Closing
    }

    /// Completes when nothing new is to begin.
    pub(super) async fn closing(&self) {
        self.reached(Stage::Closing).await;
    }

    /// [`closing`](Self::closing), without holding the manager.
    pub(super) fn closing_later(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stage = self.stage.subscribe();
        async move {
            // An error says that the manager is gone, which is an end as well.
            drop(stage.wait_for(|stage| *stage >= Stage::Closing).await);
        }
    }

    /// Completes when whoever still tries must give up.
    pub(super) async fn giving_up(&self) {
        self.reached(Stage::GivingUp).await;
    }

    async fn reached(&self, stage: Stage) {
        let mut current = self.stage.subscribe();
        if current.wait_for(|current| *current >= stage).await.is_err() {
            std::future::pending().await
        }
    }

    /// From now on nothing new is to begin.
    pub(super) fn close(&self) {
        self.go_to(Stage::Closing);
        self.tracker.close();
    }

    /// From now on whoever still tries must give up.
    pub(super) fn give_up(&self) {
        self.go_to(Stage::GivingUp);
    }

    /// Completes when all tasks have come to their end.
    pub(super) async fn all_done(&self) {
        self.tracker.wait().await;
    }

    fn go_to(&self, stage: Stage) {
        self.stage.send_if_modified(|current| {
            let is_later = stage > *current;
            *current = stage.max(*current);
            is_later
        });
    }
}
