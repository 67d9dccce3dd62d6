//! Changes of the name and the picture that a user is shown by.

use std::time::Duration;

use whence_events::{Pii, ProfileUpdated, Timestamp, UserEvent};

use super::{User, UserRejection, full_until};
use crate::EventContext;
use crate::profile::{AvatarUrl, DisplayName};

/// The number of changes within [`UPDATE_WINDOW`], so that no session fills the log.
pub const MAX_UPDATES: usize = 20;

/// The window in which changes are counted.
pub const UPDATE_WINDOW: Duration = Duration::from_hours(1);

/// The command that changes what a user is shown by. What it says is the whole profile, which differs
/// from the one on record.
#[derive(Clone)]
pub struct UpdateProfile {
    /// The current time.
    pub now: Timestamp,
    /// The name.
    pub display_name: Option<DisplayName>,
    /// The URL of the picture.
    pub avatar_url: Option<AvatarUrl>,
}

impl std::fmt::Debug for UpdateProfile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UpdateProfile(..)")
    }
}

impl User {
    pub(super) fn update_profile(
        &self,
        command: &UpdateProfile,
    ) -> Result<Vec<UserEvent>, UserRejection> {
        let ends = self.profile_updates.iter().map(|at| *at + UPDATE_WINDOW);
        if let Some(until) = full_until(ends, MAX_UPDATES, command.now) {
            return Err(UserRejection::TooManyUpdates { until });
        }
        let name = command.display_name.clone().map(DisplayName::into_text);
        let avatar = command.avatar_url.clone().map(AvatarUrl::into_text);
        let display_name = name.map(Pii::Clear);
        let avatar_url = avatar.map(Pii::Clear);
        Ok(vec![ProfileUpdated { display_name, avatar_url }.into()])
    }

    pub(super) fn profile_updated(&mut self, updated: &ProfileUpdated, context: EventContext) {
        self.shown_as = Some((updated.clone(), context.version));
        let at = context.at;
        self.profile_updates.retain(|earlier| *earlier + UPDATE_WINDOW > at);
        self.profile_updates.push(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{START, given, registered};
    use crate::user::UserCommand;

    fn called(name: &str) -> UserEvent {
        let display_name = Some(Pii::Clear(name.to_owned()));
        ProfileUpdated { display_name, avatar_url: None }.into()
    }

    fn call(name: &str, now: Timestamp) -> UserCommand {
        let display_name = DisplayName::parse(name).unwrap();
        UserCommand::UpdateProfile(UpdateProfile { now, display_name, avatar_url: None })
    }

    #[test]
    fn a_profile_is_changed_twenty_times_an_hour() {
        given::<User>([registered()]).when(call("Ada", START)).then([called("Ada")]);
        let history: Vec<_> = std::iter::once(registered())
            .chain((0..MAX_UPDATES).map(|n| called(&format!("Ada {n}"))))
            .collect();
        // The first change is the second event, a second after the first.
        let until = START + Duration::from_secs(1) + UPDATE_WINDOW;
        let too_many = UserRejection::TooManyUpdates { until };
        given::<User>(history.clone()).when(call("Ada", START)).rejected(too_many);
        given::<User>(history).when(call("Ada", until)).then([called("Ada")]);
    }
}
