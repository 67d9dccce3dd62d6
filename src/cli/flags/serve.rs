//! The flags of `whence serve`, in the sections of its settings. Each has an environment variable of
//! the same name.

use std::path::Path;

use anyhow::{Context as _, ensure};
use clap::builder::Resettable;
use clap::{Args, Command, FromArgMatches as _};

use super::accounts::AccountArgs;
use super::checkpoints::CheckpointArgs;
use super::development::DevelopmentArgs;
use super::landing::LandingArgs;
use super::limits::LimitArgs;
use super::listening::{ListeningArgs, refuse_development_choices};
use super::log::LogArgs;
use super::mail::MailArgs;
use super::metrics::MetricsArgs;
use super::operators::OperatorArgs;
use super::referrals::ReferralArgs;
use super::{files, mail};
use crate::app::config::{Config, StorageConfig};
use crate::infra::keys::MasterKey;
use crate::store::Location;

/// Run the service
#[derive(Args, Clone, Debug)]
pub(crate) struct ServeArgs {
    #[command(flatten, next_help_heading = "Listening")]
    pub(crate) listening: ListeningArgs,
    #[command(flatten, next_help_heading = "Storage")]
    pub(crate) storage: LogArgs,
    #[command(flatten, next_help_heading = "Mail")]
    pub(crate) mail: MailArgs,
    #[command(flatten, next_help_heading = "Landings and cookies")]
    pub(crate) landing: LandingArgs,
    #[command(flatten, next_help_heading = "Referral rules")]
    pub(crate) referrals: ReferralArgs,
    #[command(flatten, next_help_heading = "Accounts")]
    pub(crate) accounts: AccountArgs,
    #[command(flatten, next_help_heading = "Operators")]
    pub(crate) operators: OperatorArgs,
    #[command(flatten, next_help_heading = "Checkpoints of the log")]
    pub(crate) checkpoints: CheckpointArgs,
    #[command(flatten, next_help_heading = "Limits")]
    pub(crate) limits: LimitArgs,
    #[command(flatten, next_help_heading = "Metrics")]
    pub(crate) metrics: MetricsArgs,
    #[command(flatten, next_help_heading = "Development and logging")]
    pub(crate) development: DevelopmentArgs,
}

impl ServeArgs {
    /// Returns the settings that the flags name. Makes the data directory, and a master key where
    /// there is none; every flag is checked before that, so that a wrong one leaves no traces.
    pub(crate) fn into_config(self) -> anyhow::Result<Config> {
        self.with_key(|given, directory| {
            // From here on there is something on disk.
            directory.map_or(Ok(()), files::make_private)?;
            match (given, directory) {
                (Some(key), _) => Ok(Some(key)),
                (None, Some(directory)) => files::stored_master_key(directory).map(Some),
                (None, None) => Ok(None),
            }
        })
        .map(|(config, _)| config)
    }

    /// Returns the same settings, but makes nothing. The second value is the master key, when there is
    /// one; the one in the settings means nothing without it.
    pub(crate) fn examine(self) -> anyhow::Result<(Config, Option<MasterKey>)> {
        let (config, found) = self.with_key(|given, directory| {
            let Some(directory) = directory.filter(|_| given.is_none()) else { return Ok(given) };
            let found = files::existing_master_key(directory)?;
            ensure!(
                found.is_some() || !directory.join("log.db").exists(),
                "the master key of the log in {} is missing",
                directory.display()
            );
            Ok(Some(found.unwrap_or_else(MasterKey::generate)))
        })?;
        let key = match config.storage.store.directory() {
            Some(directory) if !found => files::existing_master_key(directory)?,
            Some(_) | None => Some(config.storage.master_key.clone()),
        };
        Ok((config, key))
    }

    /// Returns the settings, given a way to find the master key out of the one that was given and of the
    /// directory of the log, and whether the key was given.
    fn with_key(
        mut self,
        find: impl FnOnce(Option<MasterKey>, Option<&Path>) -> anyhow::Result<Option<MasterKey>>,
    ) -> anyhow::Result<(Config, bool)> {
        self.storage.read_files()?;
        self.mail.read_file()?;
        self.operators.read_file()?;
        let store = Location::parse(&self.storage.store, self.storage.read_db.as_deref())?;
        let given_url = self.listening.public_url.clone();
        let mut listening = self.listening.into_config()?;
        self.development.open_to_this_machine(&mut listening, given_url.as_ref(), &store)?;
        let public_url = &listening.public_url;
        self.landing.check_prefix(public_url)?;
        let landing_url = self.landing.landing_url(public_url)?;
        let mail = self.mail.into_config(&store, public_url, &landing_url);
        if !self.development.is_on() {
            refuse_development_choices(public_url, &mail.way)?;
        }
        mail::check(&mail)?;
        let referrals = self.referrals.into_config()?;
        let operators = self.operators.into_config()?;
        let landing = self.landing.into_config(public_url, landing_url)?;
        let checkpoints = self.checkpoints.into_config(public_url, &store)?;
        let given_key = self.storage.take_master_key()?;
        let metrics = self.metrics.into_config()?;
        let is_given = given_key.is_some();
        let master_key = find(given_key, store.directory())?.context(
            "--master-key has to be given for a store that several nodes share: 64 hexadecimal \
             digits, such as `openssl rand -hex 32` prints",
        )?;
        let config = Config {
            listening,
            storage: StorageConfig { store, master_key },
            mail,
            landing,
            referrals,
            accounts: self.accounts.into_config(),
            operators,
            checkpoints,
            limits: self.limits.into_config(),
            metrics,
        };
        Ok((config, is_given))
    }
}

impl Config {
    /// Returns the settings that these flags of `whence serve` give, whatever the environment says:
    /// for the demo, tests and benchmarks.
    pub fn from_flags<'a>(flags: impl IntoIterator<Item = &'a str>) -> anyhow::Result<Self> {
        let command = ServeArgs::augment_args(Command::new("whence").no_binary_name(true));
        let command = command.mut_args(|arg| arg.env(Resettable::Reset));
        let matches = command.try_get_matches_from(flags)?;
        ServeArgs::from_arg_matches(&matches)?.into_config()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_a_program_are_those_of_the_flags() {
        let directory = tempfile::tempdir().unwrap();
        let store = format!("sqlite:{}", directory.path().display());
        let from_flags = Config::from_flags(["--store", &store]).unwrap();
        let key = from_flags.storage.master_key.clone();
        let location = Location::parse(&store, None).unwrap();
        let new = Config::new(from_flags.listening.listen, location, key).unwrap();
        assert_eq!(format!("{new:?}"), format!("{from_flags:?}"));
    }
}
