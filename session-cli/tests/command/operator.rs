//! What an operator does, and what `doctor` finds.

use serde_json::Value;
use session_core::EndReason;
use session_core::manager::Resolution;
use session_tests::database::Migrated;
use session_tests::on_every_database;

use crate::service::{NEW, OLD, OTHER, Service};

on_every_database! {
    async fn an_operator_lists_and_ends_sessions(database: Migrated) {
        let service = Service::new(&database).await;
        let (laptop, phone) = (service.sign_in("ann").await, service.sign_in("ann").await);
        let bob = service.sign_in("bob").await;
        let listed = service.succeeds(&["list", "ann"]);
        assert_eq!(listed["sessions"].as_array().unwrap().len(), 2);
        assert!(!listed.to_string().contains("at-"), "no token is listed: {listed}");

        let id = laptop.session.id.to_string();
        let (code, refused) = service.run(OLD, &["end", "bob", &id]);
        assert_eq!(code, Some(1), "it is another user's: {refused}");
        service.succeeds(&["end", "ann", &id, "--actor", "alice@ops"]);
        let ended = service.manager.resolve(&laptop.secret.digest(), None).await.unwrap();
        let Resolution::Ended { ended, .. } = ended else { panic!("{ended:?}") };
        assert_eq!(ended.reason, EndReason::RevokedByAdmin);
        assert_eq!(service.succeeds(&["end-all", "ann", "--of", "github"])["ended"], 0);
        assert_eq!(service.succeeds(&["end-all", "ann"])["ended"], 1);

        let history = service.succeeds(&["history", "ann"]);
        let (phone_id, actor) = (phone.session.id.to_string(), |event: &Value| {
            (event["session"].clone(), event["kind"].clone(), event["actor"].clone())
        });
        let by = |session: &str, kind: &str, by: Value| (session.into(), kind.into(), by);
        let events: Vec<_> = history["events"].as_array().unwrap().iter().map(actor).collect();
        let of_system = whoami::username().map_or(Value::Null, Value::from);
        assert_eq!(events[0], by(&phone_id, "ended", of_system), "{history}");
        assert_eq!(events[1], by(&id, "ended", "alice@ops".into()), "{history}");
        assert!(events[2..].iter().all(|(_, _, actor)| actor.is_null()), "{history}");
        assert_eq!(events.len(), 4, "of this user alone: {history}");
        let newest = service.succeeds(&["history", "ann", "--limit", "1"]);
        assert_eq!(newest["events"].as_array().unwrap()[0], history["events"][0]);

        let stats = service.succeeds(&["stats"]);
        assert_eq!(stats["live"]["okta"], 1);
        assert_eq!(stats["ended"]["revoked_by_admin"], 2);
        assert_eq!(
            (&stats["sealing_keys"]["old"], &stats["revocations"]["pending"]),
            (&3.into(), &2.into())
        );
        assert_eq!(service.succeeds(&["purge", "--older-than", "1"])["sessions"], 0);
        for device in [&phone, &bob] {
            service.manager.resolve(&device.secret.digest(), None).await.unwrap();
        }
    }

    async fn what_is_wrong_is_found_and_nothing_is_changed(database: Migrated) {
        let service = Service::new(&database).await;
        service.sign_in("ann").await;
        let check = |keys: &str, name: &str| {
            let (code, json) = service.run(keys, &["doctor"]);
            let checks = json["checks"].as_array().unwrap().clone();
            let found = checks.into_iter().find(|check| check["check"] == name).unwrap();
            (code, found["is_well"].as_bool().unwrap(), found["message"].as_str().unwrap().to_owned())
        };
        let (code, is_well, message) = check(OLD, "maintenance");
        assert_eq!((code, is_well), (Some(1), false), "{message}");
        assert!(check(OLD, "schema").1 && check(OLD, "sealing keys").1);
        let (_, is_well, message) = check(NEW, "sealing keys");
        assert!(!is_well && message.contains("need the key old"), "{message}");
        let (_, is_well, message) = check(OTHER, "sealing keys");
        assert!(!is_well && message.contains("is not the one"), "{message}");
        let (_, is_well, message) = check(&format!("{NEW},{OLD}"), "sealing keys");
        assert!(is_well && message.contains("sessions reseal"), "{message}");
        let (code, json) = service.run(OLD, &["revoke"]);
        assert_eq!(code, Some(1), "it could revoke nothing: {json}");
        // With a wrong key no command begins.
        for task in [&["reseal"][..], &["end-all", "ann"], &["stats"]] {
            let (code, json) = service.run(OTHER, task);
            assert_eq!(code, Some(1), "{task:?}: {json}");
        }
        assert_eq!(service.succeeds(&["stats"])["live"]["okta"], 1);
    }
}
