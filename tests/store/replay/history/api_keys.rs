//! What operators do about the keys of back-ends, and days on which these are used.

use std::time::Duration;

use whence::domain::api_key::{ApiKey, ApiKeyCommand};
use whence::domain::user::measure::Reason;
use whence::infra::random::{new_event_id, random_bytes};
use whence_events::{ApiKeyId, ApiKeyIssued, ApiKeyScope, Hash, StreamId};

use super::{Stream, World};

impl World {
    /// Issues a key, or does something about one.
    #[expect(clippy::unwrap_used, reason = "a helper of tests: it is a reason")]
    pub(super) fn api_key(&mut self, what: u8) {
        let (now, secret_hash) = (self.log.now, Hash(random_bytes()));
        let at = usize::from(what / 8) % 3;
        if self.api_keys.len() <= at {
            let id = StreamId::ApiKey(ApiKeyId(new_event_id().0));
            let issued = ApiKeyIssued {
                name: format!("shop {what}"),
                scopes: ApiKeyScope::ALL[usize::from(what) % 4..].to_vec(),
                secret_hash,
                expires_at: what.is_multiple_of(2).then(|| now + Duration::from_hours(900)),
            };
            let mut key = Stream::<ApiKey>::new(id);
            self.log.run(&mut key, &ApiKeyCommand::Issue { now, issued });
            if what.is_multiple_of(3) {
                let grace = Duration::from_hours(1);
                let secret_hash = Hash(random_bytes());
                self.log.run(&mut key, &ApiKeyCommand::Rotate { now, secret_hash, grace });
                self.log.run(&mut key, &ApiKeyCommand::EndGrace { now });
                let reason = Reason::parse("a reason").unwrap();
                self.log.run(&mut key, &ApiKeyCommand::Revoke { reason });
            }
            self.api_keys.push(key);
            return;
        }
        let grace = Duration::from_hours(u64::from(what % 4));
        let command = match what % 8 {
            0..=2 => ApiKeyCommand::NoteUse { now },
            3..=5 => ApiKeyCommand::Rotate { now, secret_hash, grace },
            6 => ApiKeyCommand::EndGrace { now },
            _ => ApiKeyCommand::Revoke { reason: Reason::parse("a reason").unwrap() },
        };
        self.log.run(&mut self.api_keys[at], &command);
    }
}
