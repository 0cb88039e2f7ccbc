//! Messages as text: who sent it, and the sessions that have changed.

use uuid::Uuid;

use super::Received;
use crate::session::SessionId;

/// How many ids a message has at most: PostgreSQL takes 8,000 bytes.
const MAX_IDS: usize = 200;

/// A node, which leaves out its own messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sender(Uuid);

impl Sender {
    pub(crate) fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// Returns the messages that carry these ids.
    pub(crate) fn messages(self, changed: &[SessionId]) -> impl Iterator<Item = String> {
        changed.chunks(MAX_IDS).map(move |ids| {
            let mut message = self.0.simple().to_string();
            for id in ids {
                message.push(' ');
                message.push_str(&id.as_uuid().simple().to_string());
            }
            message
        })
    }

    /// Reads a message; `None` if it is this node's own, or not one of ours.
    pub(crate) fn read(self, message: &str) -> Option<Received> {
        let mut words = message.split(' ').map(Uuid::try_parse);
        let sender = words.next()?.ok()?;
        let ids: Result<Vec<_>, _> = words.map(|id| id.map(SessionId::from_uuid)).collect();
        (sender != self.0).then_some(Received::Changed(ids.ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::{Received, Sender};
    use crate::clock::Timestamp;
    use crate::session::SessionId;

    #[test]
    fn messages_are_read_by_others_only_and_fit_into_a_notification() {
        let (here, there) = (Sender::new(), Sender::new());
        let ids: Vec<_> =
            (0..450).map(|at| SessionId::generate(Timestamp::from_millis(at))).collect();
        let messages: Vec<_> = here.messages(&ids).collect();
        assert!(messages.iter().all(|message| message.len() < 8000));
        assert!(messages.iter().all(|message| here.read(message).is_none()));
        let read = messages.iter().flat_map(|message| match there.read(message) {
            Some(Received::Changed(ids)) => ids,
            other => panic!("not read: {other:?}"),
        });
        assert_eq!(read.collect::<Vec<_>>(), ids);
    }

    #[test]
    fn foreign_text_is_no_message() {
        for text in ["", " ", "hello", "x y", "0 1"] {
            assert_eq!(Sender::new().read(text), None, "{text:?}");
        }
    }
}
