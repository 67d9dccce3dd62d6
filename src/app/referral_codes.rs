//! Referral codes: issues them, disables them, and says whose they are.

use std::sync::Arc;

use whence_events::{CodeKind, ReferralCode, StreamId, UserId};

use crate::app::App;
use crate::app::commands::{name_owner, reserve};
use crate::domain::name::{Name, NameTaken};
use crate::domain::user::{IssuedCode, User, UserCommand, UserRejection};
use crate::engine::handler::{Context, HandleError, Handler};
use crate::infra::random::new_referral_code;
use crate::store::StoreError;

/// How many random codes are tried. One in 2^40 is taken already: when this many are, something is
/// wrong.
const MAX_CODE_TRIES: usize = 8;

/// The owner of a code.
pub(crate) struct CodeOwner {
    /// The id of the owner.
    pub(crate) user_id: UserId,
    /// The owner, with every event that was acknowledged before.
    pub(crate) user: Arc<User>,
    /// The code as it was issued to them.
    pub(crate) issued: IssuedCode,
}

impl App {
    /// Returns the short link with a code.
    #[must_use]
    pub fn link(&self, code: &str) -> String {
        self.config.listening.page(&format!("r/{code}"))
    }

    /// Returns the primary code of a user, and issues it when there is none; `None` when every code
    /// that was tried is taken.
    pub(crate) async fn issue_primary_code(
        &self,
        user_id: UserId,
        context: &Context,
    ) -> Result<Option<String>, HandleError<UserRejection>> {
        let stream = StreamId::User(user_id);
        for _ in 0..MAX_CODE_TRIES {
            let user = self.engine.handler.recent::<User>(&stream).await;
            let user = user.map_err(HandleError::Store)?.state;
            if let Some(issued) = user.codes.iter().find(|code| code.kind == CodeKind::Primary) {
                return Ok(Some(issued.code.as_str().to_owned()));
            }
            let code = new_referral_code();
            self.engine.handler.expect_empty::<Name>(&StreamId::code(&code));
            match reserve(&self.engine.handler, &StreamId::code(&code), user_id, context).await {
                Ok(()) => {}
                Err(HandleError::Rejected(NameTaken)) => continue,
                Err(HandleError::Store(error)) => return Err(HandleError::Store(error)),
            }
            let (now, kind) = (self.clock.now(), CodeKind::Primary);
            let issue = UserCommand::IssueReferralCode { now, code, kind };
            self.run_user(user_id, &issue, context).await?;
        }
        Ok(None)
    }

    /// Makes a code of a user attribute nothing from now on.
    ///
    /// No route calls this yet; tests and programs that embed whence do.
    /// The cause of an error is [`UserRejection::NoSuchCode`] when the code is not theirs, or disabled already.
    pub async fn disable_referral_code(
        &self,
        user_id: UserId,
        code: ReferralCode,
        reason: &str,
    ) -> anyhow::Result<()> {
        let disable = UserCommand::DisableReferralCode { code, reason: reason.to_owned() };
        self.run_user(user_id, &disable, &Context::of_system(None)).await?;
        Ok(())
    }

    /// Returns the owner of a code with the code as issued, in whatever state either is.
    pub(crate) async fn code_owner(
        &self,
        code: &ReferralCode,
    ) -> Result<Option<CodeOwner>, StoreError> {
        let Some(user_id) = name_owner(&self.engine.handler, &StreamId::code(code)).await? else {
            return Ok(None);
        };
        let user = self.engine.handler.load::<User>(&StreamId::User(user_id)).await?.state;
        // A code that is reserved and not issued yet counts as unknown: no user has been given it.
        let issued = user.code(code).cloned();
        Ok(issued.map(|issued| CodeOwner { user_id, user, issued }))
    }
}

/// Returns the user to whom a code was issued, with what became of either as it was a moment ago.
pub(crate) async fn code_holder(
    handler: &Handler,
    code: &ReferralCode,
) -> Result<Option<(UserId, Arc<User>)>, StoreError> {
    let Some(user_id) = name_owner(handler, &StreamId::code(code)).await? else { return Ok(None) };
    let has_code = |user: &User| user.code(code).is_some();
    let user = handler.settled(&StreamId::User(user_id), has_code).await?;
    Ok(has_code(&user).then_some((user_id, user)))
}
