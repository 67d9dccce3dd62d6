//! The logins of an address that are live or ended recently.

use std::time::Duration;

use whence_events::{DeviceId, LoginStarted, Mac, RequestId, Timestamp, TouchId, UserId};

use super::budget::Untried;

/// The number of ended logins that are remembered.
const MAX_ENDED: usize = 10;

/// The time for which an expired login is remembered that nobody tried a code on.
const KEEP_EXPIRED: Duration = Duration::from_hours(1);

/// The logins of an address, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Logins(Vec<TrackedLogin>);

/// A login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TrackedLogin {
    pub(super) request_id: RequestId,
    /// The known device that asked for the code.
    pub(super) device_id: Option<DeviceId>,
    /// The network that the code was asked for from.
    pub(super) network: Option<Mac>,
    /// The landing that the client said at the start.
    pub(super) touch_id: Option<TouchId>,
    /// The user whose account the code moves to this address.
    pub(super) change_of: Option<UserId>,
    pub(super) state: LoginState,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LoginState {
    Live { code_mac: Mac, expires_at: Timestamp, wrong: u8 },
    Consumed,
    Locked,
    Expired,
}

impl TrackedLogin {
    fn is_live(&self) -> bool {
        match self.state {
            LoginState::Live { .. } => true,
            LoginState::Consumed | LoginState::Locked | LoginState::Expired => false,
        }
    }
}

impl Logins {
    /// Adds a login, and drops what is not needed any more. No login that is live is dropped for
    /// others: the limits of starts bound them.
    pub(super) fn start(&mut self, started: &LoginStarted, at: Timestamp) {
        // A dropped login and one that ended long ago get the same answer.
        self.0.retain(|login| match login.state {
            LoginState::Live { expires_at, .. } => expires_at + KEEP_EXPIRED > at,
            LoginState::Consumed | LoginState::Locked | LoginState::Expired => true,
        });
        let mut ended = self.0.iter().filter(|login| !login.is_live()).count();
        self.0.retain(|login| {
            let drop = !login.is_live() && ended > MAX_ENDED;
            ended -= usize::from(drop);
            !drop
        });
        let (code_mac, expires_at) = (started.code_mac, started.expires_at);
        self.0.push(TrackedLogin {
            request_id: started.request_id,
            device_id: started.device_id,
            network: started.network,
            touch_id: started.touch_id,
            change_of: started.change_of,
            state: LoginState::Live { code_mac, expires_at, wrong: 0 },
        });
    }

    pub(super) fn get(&self, id: RequestId) -> Option<&TrackedLogin> {
        self.0.iter().find(|login| login.request_id == id)
    }

    /// Counts a wrong code, and returns its login.
    pub(super) fn count_wrong(&mut self, id: RequestId, attempt: u8) -> Option<&TrackedLogin> {
        let login = self.0.iter_mut().find(|login| login.request_id == id)?;
        if let LoginState::Live { wrong, .. } = &mut login.state {
            *wrong = attempt;
        }
        Some(login)
    }

    pub(super) fn close(&mut self, id: RequestId, end: LoginState) {
        if let Some(login) = self.0.iter_mut().find(|login| login.request_id == id) {
            login.state = end;
        }
    }

    /// Returns the ids of the live logins that a test holds for.
    pub(super) fn live(
        &self,
        of: impl Fn(&TrackedLogin) -> bool,
    ) -> impl Iterator<Item = RequestId> {
        let live = self.0.iter().filter(move |login| login.is_live() && of(login));
        live.map(|login| login.request_id)
    }

    /// Returns the logins of a device, or of all unknown ones, on which no code was tried yet; the
    /// login `but` does not count.
    pub(super) fn untried(
        &self,
        device: Option<DeviceId>,
        but: Option<RequestId>,
        now: Timestamp,
    ) -> Untried {
        let mut untried = Untried::default();
        for login in self.0.iter().filter(|login| login.device_id == device) {
            if let LoginState::Live { expires_at, wrong: 0, .. } = login.state
                && expires_at > now
                && Some(login.request_id) != but
            {
                untried.count += 1;
                untried.until = untried.until.max(Some(expires_at));
            }
        }
        untried
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
