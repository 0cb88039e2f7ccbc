//! A session as an application shows it: for lists, pages and programs.

use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Session, SessionId};

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Session {
    /// Writes what its user may see: `id`, `user`, `provider`, `device`, `origin`, `created_at` and
    /// `last_seen_at`. The identity at the provider is left out (S6).
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Session", 7)?;
        fields.serialize_field("id", &self.id)?;
        fields.serialize_field("user", self.user.as_str())?;
        fields.serialize_field("provider", self.provider.as_str())?;
        fields.serialize_field("device", self.device.as_str())?;
        fields.serialize_field("origin", self.origin.as_str())?;
        fields.serialize_field("created_at", &self.created_at)?;
        fields.serialize_field("last_seen_at", &self.last_seen_at)?;
        fields.end()
    }
}
