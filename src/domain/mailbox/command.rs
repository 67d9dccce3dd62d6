//! The commands on an address, and why one is rejected.

use std::time::Duration;

use whence_events::{
    Client, DeliveryFailure, DeviceClass, DeviceId, EmailAddress, Mac, RequestId, Timestamp,
    TouchId, UserId,
};

/// A command on an address.
#[derive(Clone, Debug)]
pub enum MailboxCommand {
    /// Starts a login with a fresh code.
    StartLogin(StartLogin),
    /// Counts a code for another spelling of this address.
    CountStart(CountStart),
    /// Takes back what [`MailboxCommand::CountStart`] counted.
    ReturnStart {
        /// The id of the login.
        request_id: RequestId,
    },
    /// Records that the code could not be sent.
    FailDelivery {
        /// The id of the login.
        request_id: RequestId,
        /// The class of the failure.
        reason: DeliveryFailure,
    },
    /// Tries a code.
    VerifyCode(VerifyCode),
    /// Forgets a known device.
    ForgetDevice {
        /// The device.
        device_id: DeviceId,
    },
    /// Clears what unknown devices have used up: wrong codes, waits, locks and codes of the hour.
    ClearLock {
        /// The reason that the operator gives; empty: none.
        reason: String,
    },
    /// Releases the address from its owner.
    Release {
        /// The owner of the address until now.
        user_id: UserId,
    },
    /// Gives the address to a user whom an operator moves here.
    Claim(ClaimMailbox),
    /// Ends the ownership of the address, whose account moved to another one, and holds it.
    Move(LeaveMailbox),
    /// Gives a held address back to the user that it is held for.
    Reclaim {
        /// The user.
        user_id: UserId,
    },
    /// Forgets an address that has no owner and was not verified in time; its key is destroyed.
    Forget(ForgetMailbox),
}

/// The command that starts a login with a fresh code.
#[derive(Clone, Debug)]
pub struct StartLogin {
    /// The current time.
    pub now: Timestamp,
    /// A fresh id for the login.
    pub request_id: RequestId,
    /// The address that the code is sent to.
    pub email: EmailAddress,
    /// The MAC of the fresh code.
    pub code_mac: Mac,
    /// The network client that asks for the code.
    pub client: Client,
    /// The devices that the request proves to be; they may be forgotten by now.
    pub devices: Vec<DeviceId>,
    /// The MAC of the network that the request comes from; `None` is not limited as a network.
    pub network: Option<Mac>,
    /// The landing that the client says itself.
    pub touch_id: Option<TouchId>,
    /// The user whose account the code moves to this address; `None`: it logs in.
    pub change_of: Option<UserId>,
}

/// The command that counts a code for another spelling of an address.
#[derive(Clone, Copy, Debug)]
pub struct CountStart {
    /// The current time.
    pub now: Timestamp,
    /// The id of the login that is about to start.
    pub request_id: RequestId,
    /// The MAC of the network that the request comes from; `None` is not limited as a network.
    pub network: Option<Mac>,
}

/// The command that tries a code.
#[derive(Clone, Debug)]
pub struct VerifyCode {
    /// The current time.
    pub now: Timestamp,
    /// The id of the login.
    pub request_id: RequestId,
    /// The MAC of the code that was entered.
    pub code_mac: Mac,
    /// The user whose account moves to this address; `None`: the code logs in.
    pub change_of: Option<UserId>,
    /// A fresh user id, which is used when the address has no owner yet.
    pub fresh_user: UserId,
    /// The device that enters the code.
    pub device: DeviceFacts,
    /// The time for which unknown devices are locked out after too many wrong codes; `None`: until
    /// a right one.
    pub lock_time: Option<Duration>,
}

/// The facts about the device that enters a code.
#[derive(Clone, Debug)]
pub struct DeviceFacts {
    /// The devices that the request proves to be; they may be forgotten by now.
    pub proven: Vec<DeviceId>,
    /// A fresh id, which the device gets when it is none of these.
    pub fresh: DeviceId,
    /// The class of the device.
    pub class: Option<DeviceClass>,
}

/// The command that gives an address to a user whom an operator moves here.
#[derive(Clone, Debug)]
pub struct ClaimMailbox {
    /// The user.
    pub user_id: UserId,
    /// The address.
    pub email: EmailAddress,
    /// The reason of the operator.
    pub reason: String,
}

/// The command that holds an address whose account moved to another one.
#[derive(Clone, Copy, Debug)]
pub struct LeaveMailbox {
    /// The owner of the address until now.
    pub user_id: UserId,
    /// The end of the hold.
    pub held_until: Timestamp,
    /// Whether the address forgets its known devices: the user may have lost them with the mailbox.
    pub forget_devices: bool,
}

/// The command that forgets an address which was not verified in time.
#[derive(Clone, Copy, Debug)]
pub struct ForgetMailbox {
    /// The current time.
    pub now: Timestamp,
    /// The time for which an address is kept after its last code was requested.
    pub keep: Duration,
}

/// The reason why an address rejects a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailboxRejection {
    /// No code may be requested now, and that is already recorded.
    #[error("too many codes were asked for or guessed wrong; the next one at {until}")]
    Throttled {
        /// The time from which the next code may be requested.
        until: Timestamp,
        /// The known device that asked; `None`: one that is not known, which is not told the time,
        /// because others may have asked before it.
        device_id: Option<DeviceId>,
    },
    /// The login does not exist, or ended long ago.
    #[error("there is no such login")]
    UnknownRequest,
    /// The login has expired.
    #[error("the login expired")]
    Expired,
    /// The login is locked after too many wrong codes.
    #[error("the login is locked")]
    Locked,
    /// The account moved to another address, and this one is held.
    #[error("the account moved to another address")]
    Moved,
    /// The address belongs to another user, or is held for one.
    #[error("the address belongs to another user")]
    Taken,
    /// The code was used before.
    #[error("the code was used already")]
    AlreadyConsumed,
}
