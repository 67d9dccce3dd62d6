//! `whence keys`: on a log that no service has open, or by asking the service.

use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::admin_client::AdminClient;
use crate::cli::flags::operate::{OperateArgs, Target};
use crate::cli::terminal::stderr::note;
use crate::cli::terminal::stdout::print_text_or_json;
use crate::engine::Engine;
use crate::engine::service_keys::{self, KeyList, LOOK_INTERVAL, MasterRotation, NewServiceKey};
use crate::infra::clock::Clock;
use crate::infra::keys::Purpose;

/// List the keys of the service, or make new ones while it runs
#[derive(Args, Clone, Debug)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

/// What is done with keys.
#[derive(Clone, Debug, Subcommand)]
enum KeysCommand {
    List(KeysListArgs),
    Rotate(KeysRotateArgs),
}

/// Each key with its state and its age, and what is left under an old master key; no secret
#[derive(Args, Clone, Debug)]
struct KeysListArgs {
    /// The log or the service that is asked, and the operator who asks.
    #[command(flatten)]
    operate: Box<OperateArgs>,
}

/// Make a new key, which signs from now on, while what older ones signed is accepted as long as it lives
#[derive(Args, Clone, Debug)]
struct KeysRotateArgs {
    /// Key to rotate: bearer, cookie, csrf, device, refresh, checkpoint; or master, to seal the vault anew
    #[arg(value_name = "KEY")]
    key: String,

    /// Refuse what older keys signed, for one that got into wrong hands
    #[arg(long, env = "WHENCE_AT_ONCE", value_parser = BoolishValueParser::new())]
    at_once: bool,

    /// The log or the service that is asked, and the operator who asks.
    #[command(flatten)]
    operate: Box<OperateArgs>,
}

/// Lists or rotates.
pub(crate) async fn run(args: KeysArgs) -> anyhow::Result<()> {
    match args.command {
        KeysCommand::List(args) => Box::pin(list(*args.operate)).await,
        KeysCommand::Rotate(args) if args.key == "master" => {
            anyhow::ensure!(
                !args.at_once,
                "--at-once is for keys that sign; what the old master key sealed is sealed anew"
            );
            Box::pin(rotate_master(*args.operate)).await
        }
        KeysCommand::Rotate(args) => Box::pin(rotate(args)).await,
    }
}

async fn list(operate: OperateArgs) -> anyhow::Result<()> {
    let json = operate.json;
    let list: KeyList = match operate.into_target()? {
        Target::Server(client) => client.get("keys", &[]).await?,
        Target::Log(config, _) => {
            // Reading does not need the log for itself.
            let store = config.open_to_read().await?;
            service_keys::list(&config.keys(), &*store, Clock::system().now()).await?
        }
    };
    print_text_or_json(&list, json)
}

async fn rotate(args: KeysRotateArgs) -> anyhow::Result<()> {
    let Some(purpose) = Purpose::parse(&args.key) else {
        anyhow::bail!(
            "{}: the keys are bearer, cookie, csrf, device, refresh, checkpoint and master",
            args.key
        );
    };
    let (json, at_once) = (args.operate.json, args.at_once);
    let made: NewServiceKey = match args.operate.into_target()? {
        Target::Server(client) => {
            let path = format!("keys/{purpose}/rotate");
            client.post(&path, &json!({ "at_once": at_once })).await?
        }
        Target::Log(config, _) => {
            let engine = Engine::open(&config).await?;
            let (keys, store) = (&engine.keys, &*engine.store);
            service_keys::rotate(keys, store, purpose, at_once, Clock::system().now()).await?
        }
    };
    print_text_or_json(&made, json)
}

/// Where the steps of a rotation of the master key are taken.
enum RotationPlace {
    Service(AdminClient),
    Log(Box<Engine>),
}

impl RotationPlace {
    async fn step(&self, at: MasterRotation) -> anyhow::Result<MasterRotation> {
        match self {
            Self::Service(client) => {
                client.post("keys/master/rotate", &serde_json::to_value(at)?).await
            }
            Self::Log(engine) => {
                let now = Clock::system().now();
                Ok(service_keys::rotate_master(&engine.keys, &*engine.store, at, now).await?)
            }
        }
    }
}

async fn rotate_master(operate: OperateArgs) -> anyhow::Result<()> {
    let json = operate.json;
    let (place, is_shared) = match operate.into_target()? {
        Target::Server(client) => (RotationPlace::Service(client), true),
        Target::Log(config, _) => {
            let is_shared = config.store.directory().is_none();
            (RotationPlace::Log(Box::new(Engine::open(&config).await?)), is_shared)
        }
    };
    let mut at = place.step(MasterRotation::default()).await?;
    let mut has_waited = !is_shared;
    while !at.done {
        let begins = at.after.is_none();
        if begins && at.rewrapped > 0 && !has_waited {
            // Every node seals under the new key by then, so that the last look finds the last key.
            note("whence: every key is sealed anew; a last look follows in some seconds");
            tokio::time::sleep(2 * LOOK_INTERVAL).await;
            has_waited = true;
        }
        at = place.step(at).await?;
    }
    print_text_or_json(&at, json)
}
