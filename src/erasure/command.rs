//! `whence erase`: on a log that no service has open, or by asking the service.

use anyhow::Context as _;
use serde_json::json;
use whence_events::{Actor, EmailAddress, StreamId, UserId};

use super::{Erasure, Subject, erase};
use crate::app::App;
use crate::config::{EraseArgs, LogConfig, Place, UserName};
use crate::records::OpenRecords;
use crate::remote::Remote;
use crate::say::{say, say_json};
use crate::secrets::new_correlation_id;

/// Erases a user and says what is gone and what is left.
///
/// # Errors
/// One clear sentence.
pub async fn run(args: EraseArgs) -> anyhow::Result<()> {
    let user = UserName::parse(&args.user)?;
    let json = args.operate.json;
    let erasure = match args.operate.into_place()? {
        Place::Server(remote) => at_service(&remote, &user).await?,
        Place::Log(config, operator) => Box::pin(here(&config, operator, &user)).await?,
    };
    if json { say_json(&erasure) } else { say(&erasure.to_string()) }
}

async fn at_service(remote: &Remote, user: &UserName) -> anyhow::Result<Erasure> {
    let user_id = match user {
        UserName::Id(id) => *id,
        UserName::Email(email) => find(remote, email).await?,
    };
    remote.post(&format!("users/{user_id}/erase"), &json!({})).await
}

/// The user behind an address. It travels in a body: addresses of requests are logged on their way.
pub(crate) async fn find(remote: &Remote, email: &EmailAddress) -> anyhow::Result<UserId> {
    #[derive(serde::Deserialize)]
    struct Found {
        user_id: UserId,
    }
    let found: Found = remote.post("users/find", &json!({ "email": email.as_str() })).await?;
    Ok(found.user_id)
}

async fn here(config: &LogConfig, operator: String, user: &UserName) -> anyhow::Result<Erasure> {
    let open = OpenRecords::open(config).await?;
    let records = open.records();
    let subject = match user {
        UserName::Id(user_id) => Subject { user_id: *user_id, email_key: None },
        UserName::Email(email) => {
            let user_id = records.user_of(email).await?;
            let user_id = user_id.context("there is no user with this address")?;
            Subject { user_id, email_key: Some(records.keys.email_key(email)) }
        }
    };
    let context = App::context(new_correlation_id(), Actor::Operator(operator));
    let erasure = erase(records, subject, &context).await?;
    if let Err(error) = open.project().await {
        let stream = StreamId::User(subject.user_id);
        eprintln!("whence: {stream} is erased, and the tables follow later: {error:#}");
    }
    Ok(erasure)
}
