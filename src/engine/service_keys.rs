//! The keys that a service works with: read from the vault, made anew, and taken to another master key.
//!
//! A new generation is in the vault before it signs, so that every node reads what it signed; the older
//! ones are read for as long as what they signed may live.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use whence_events::{Mac, Timestamp};

use crate::infra::keys::{
    Keys, KeysError, Purpose, SHORTEST_LEAD, StoredServiceKey, VaultState, service_place,
};
use crate::infra::sealing::key_place;
use crate::store::{EventStore, KeyName, KeyPlace, Rewrapped, StoreError, StoredKey, VaultChange};

/// How often a service looks for keys that another process made.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// The subject keys that one step of a rotation looks at.
const STEP: usize = 500;

/// Why keys are not read or rotated.
#[derive(Debug, thiserror::Error)]
pub enum ServiceKeysError {
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys that were given do not fit the vault.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The keys of this purpose are not rotated.
    #[error("the {0} key is not rotated: {1}")]
    Fixed(Purpose, &'static str),
    /// The vault goes over to another master key than the one that was given first.
    #[error("the vault goes over to another master key than the first that was given")]
    OtherRotation,
    /// The master key of the vault was given alone, so that there is none to go over to.
    #[error(
        "there is no other master key to go over to: give a new key and, after it, the present one"
    )]
    NoNewMaster,
}

/// Takes over what the vault knows of the keys.
pub async fn load(
    keys: &Keys,
    store: &dyn EventStore,
    now: Timestamp,
) -> Result<VaultState, ServiceKeysError> {
    let state = store.vault_state().await?;
    keys.update(&state, now)?;
    Ok(state)
}

/// Makes a new key of a purpose, and returns when it begins to sign. `at_once` ends what older keys
/// signed then; without it they are read for as long as that lives.
pub async fn rotate(
    keys: &Keys,
    store: &dyn EventStore,
    purpose: Purpose,
    at_once: bool,
    now: Timestamp,
) -> Result<NewServiceKey, ServiceKeysError> {
    let overlap = purpose.overlap().ok_or(ServiceKeysError::Fixed(purpose, why_fixed(purpose)))?;
    loop {
        let state = load(keys, store, now).await?;
        let last = state.keys.iter().rfind(|key| key.purpose == purpose.name());
        let generation = last.map_or(1, |last| last.generation + 1);
        let lead = if at_once { SHORTEST_LEAD } else { purpose.lead() };
        let active_from = (now + lead).max(last.map_or(now, |last| last.active_from));
        let overlap = if at_once { Duration::ZERO } else { overlap };
        let key = StoredServiceKey {
            purpose: purpose.name().to_owned(),
            generation,
            wrapped: keys.new_service_key(purpose, generation),
            created_at: now,
            active_from,
            overlap: i64::try_from(overlap.as_micros()).unwrap_or(i64::MAX),
        };
        store.change_vault(VaultChange::AddServiceKeys(vec![key.clone()])).await?;
        // Another operator may have made one of this number meanwhile, which then counts.
        if load(keys, store, now).await?.keys.contains(&key) {
            return Ok(NewServiceKey { purpose, generation, active_from });
        }
    }
}

fn why_fixed(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Index => "the log names addresses by it for good",
        Purpose::Code => "what it signs lives for minutes, and it changes with nothing",
        Purpose::Network => "networks are compared by what the log has of them",
        Purpose::Csrf
        | Purpose::Refresh
        | Purpose::Cookie
        | Purpose::Device
        | Purpose::Bearer
        | Purpose::Checkpoint => "it is",
    }
}

/// A key that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewServiceKey {
    /// What the key is for.
    pub purpose: Purpose,
    /// The number of the key.
    pub generation: u32,
    /// When it begins to sign.
    pub active_from: Timestamp,
}

impl fmt::Display for NewServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { purpose, generation, active_from } = self;
        writeln!(f, "key {generation} of {purpose} is made, and signs from {active_from} on")
    }
}

/// How far the rotation of the master key is: the answer to a step, and the question of the next one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasterRotation {
    /// The place in the vault that the next step begins after.
    #[serde(default)]
    pub after: Option<KeyPlace>,
    /// Keys that were sealed anew since the vault was last looked at from its beginning.
    #[serde(default)]
    pub in_this_pass: u64,
    /// Keys that were sealed anew in all.
    #[serde(default)]
    pub rewrapped: u64,
    /// Keys that no master key opens, in the last pass.
    #[serde(default)]
    pub damaged: u64,
    /// Whether the vault is under the new master key alone.
    #[serde(default)]
    pub done: bool,
}

/// Takes one step of the rotation of the master key to the first one that was given. A process that dies
/// at any point leaves a vault that the same steps, from the beginning, bring to the end.
pub async fn rotate_master(
    keys: &Keys,
    store: &dyn EventStore,
    mut at: MasterRotation,
    now: Timestamp,
) -> Result<MasterRotation, ServiceKeysError> {
    let target = keys.fingerprint().current();
    let state = load(keys, store, now).await?;
    match state.next {
        Some(next) if next != target => return Err(ServiceKeysError::OtherRotation),
        Some(_) => {}
        None if state.master == target => {
            // It is done, but for what a node without the new key may have sealed since.
            if keys.fingerprint() == target.into() {
                return Err(ServiceKeysError::NoNewMaster);
            }
        }
        None => {
            begin(keys, store, &state, target, now).await?;
            return Ok(MasterRotation::default());
        }
    }
    let page = store.vault_keys(at.after.as_ref(), STEP).await?;
    let mut anew = Vec::new();
    for key in &page {
        match renewed(keys, key) {
            Ok(found) => anew.extend(found),
            Err(()) => at.damaged += 1,
        }
    }
    at.after = page.last().map(StoredKey::place).filter(|_| page.len() == STEP);
    let ends = at.after.is_none();
    if ends {
        anew.extend(renewed_service_keys(keys, &state));
    }
    at.in_this_pass += anew.len() as u64;
    at.rewrapped += anew.len() as u64;
    if !anew.is_empty() {
        store.change_vault(VaultChange::Rewrap(anew)).await?;
    }
    if ends && at.in_this_pass > 0 {
        // Once more: another node may have sealed keys under the old one meanwhile.
        (at.in_this_pass, at.damaged) = (0, 0);
    } else if ends {
        store.change_vault(VaultChange::EndMaster { next: target }).await?;
        load(keys, store, now).await?;
        at.done = true;
    }
    Ok(at)
}

/// Notes in the vault that it goes over to another master key, and keeps there what derives from the
/// old one: the addresses of the log are named by it.
async fn begin(
    keys: &Keys,
    store: &dyn EventStore,
    state: &VaultState,
    target: Mac,
    now: Timestamp,
) -> Result<(), ServiceKeysError> {
    let derived = keys.derived_service_keys(state.master).ok_or(KeysError::UnknownMaster)?;
    let first = |(purpose, wrapped): (Purpose, Vec<u8>)| StoredServiceKey {
        purpose: purpose.name().to_owned(),
        generation: 0,
        wrapped,
        created_at: now,
        active_from: Timestamp::from_micros(0),
        overlap: 0,
    };
    let derived = derived.into_iter().map(first).collect();
    store.change_vault(VaultChange::BeginMaster { next: target, derived }).await?;
    load(keys, store, now).await?;
    Ok(())
}

/// Returns a subject key sealed anew, when it has to be.
fn renewed(keys: &Keys, key: &StoredKey) -> Result<Option<Rewrapped>, ()> {
    let Some(was) = &key.wrapped else { return Ok(None) };
    let place = key_place(&key.subject, key.generation);
    let wrapped = keys.wrapping.renew(&place, was).map_err(drop)?;
    let (name, generation) = (KeyName::Subject(key.subject.clone()), key.generation);
    Ok(wrapped.map(|wrapped| Rewrapped { name, generation, was: was.clone(), wrapped }))
}

fn renewed_service_keys(keys: &Keys, state: &VaultState) -> Vec<Rewrapped> {
    let renewed = |key: &StoredServiceKey| {
        let place = service_place(Purpose::parse(&key.purpose)?, key.generation);
        let wrapped = keys.wrapping.renew(&place, &key.wrapped).ok()??;
        let name = KeyName::Service(key.purpose.clone());
        Some(Rewrapped { name, generation: key.generation, was: key.wrapped.clone(), wrapped })
    };
    state.keys.iter().filter_map(renewed).collect()
}

/// The keys of a service, without a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyList {
    /// The first digits of the fingerprint of the master key.
    pub master: String,
    /// The same of the master key that takes its place, while it is rotated.
    pub next_master: Option<String>,
    /// How many keys are in the vault and not destroyed.
    pub stored: u64,
    /// How many of them are not sealed under the newest master key.
    pub under_old_master: u64,
    /// How many subject keys are destroyed.
    pub destroyed: u64,
    /// The service keys.
    pub keys: Vec<ListedKey>,
}

/// A service key, without the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedKey {
    /// What the key is for.
    pub purpose: Purpose,
    /// The number of the key.
    pub generation: u32,
    /// Whether it is to sign, signs, is read, or is over.
    pub state: KeyState,
    /// When it was made; `None` when it derives from the master key.
    pub created_at: Option<Timestamp>,
    /// When it begins to sign, or began.
    pub active_from: Option<Timestamp>,
    /// Until when what it signed is accepted; `None` while no newer key is there.
    pub read_until: Option<Timestamp>,
}

/// What a service key is used for at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// It is known, and signs later.
    Next,
    /// It signs.
    Signs,
    /// What it signed is accepted.
    Read,
    /// What it signed is refused.
    Over,
}

/// Lists the keys, and reads the whole vault for it.
pub async fn list(
    keys: &Keys,
    store: &dyn EventStore,
    now: Timestamp,
) -> Result<KeyList, ServiceKeysError> {
    let state = load(keys, store, now).await?;
    let short = |mac: Mac| mac.to_string().chars().take(8).collect::<String>();
    let mut list = KeyList {
        master: short(state.master),
        next_master: state.next.map(short),
        stored: state.keys.len() as u64,
        under_old_master: renewed_service_keys(keys, &state).len() as u64,
        destroyed: 0,
        keys: Purpose::ALL.iter().flat_map(|purpose| listed(&state, *purpose, now)).collect(),
    };
    let mut after = None;
    loop {
        let page = store.vault_keys(after.as_ref(), STEP).await?;
        for key in &page {
            let live = u64::from(key.wrapped.is_some());
            list.stored += live;
            list.destroyed += 1 - live;
            list.under_old_master += u64::from(!matches!(renewed(keys, key), Ok(None)));
        }
        if page.len() < STEP {
            return Ok(list);
        }
        after = page.last().map(StoredKey::place);
    }
}

/// Lists the keys of one purpose, oldest first.
fn listed(state: &VaultState, purpose: Purpose, now: Timestamp) -> Vec<ListedKey> {
    let stored: Vec<_> = state.keys.iter().filter(|key| key.purpose == purpose.name()).collect();
    let line = |generation, created_at, active_from| ListedKey {
        purpose,
        generation,
        state: KeyState::Signs,
        created_at,
        active_from,
        read_until: None,
    };
    let mut lines = Vec::new();
    if stored.first().is_none_or(|first| first.generation > 0) {
        lines.push(line(0, None, None));
    }
    for key in stored {
        let end = key.active_from + Duration::from_micros(key.overlap.max(0).cast_unsigned());
        for older in &mut lines {
            let older: &mut ListedKey = older;
            older.read_until = Some(older.read_until.map_or(end, |until| until.min(end)));
            if key.active_from <= now {
                older.state = if older.read_until.is_some_and(|until| until <= now) {
                    KeyState::Over
                } else {
                    KeyState::Read
                };
            }
        }
        let derived = key.generation == 0;
        let mut line = line(
            key.generation,
            (!derived).then_some(key.created_at),
            (!derived).then_some(key.active_from),
        );
        if key.active_from > now {
            line.state = KeyState::Next;
        }
        lines.push(line);
    }
    lines
}

impl fmt::Display for KeyList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { master, next_master, stored, under_old_master, destroyed, keys } = self;
        writeln!(
            f,
            "{:<11} {:<4} {:<6} {:<27} read until",
            "purpose", "key", "state", "signs from"
        )?;
        let time = |at: &Option<Timestamp>, none: &str| {
            at.map_or_else(|| none.to_owned(), |at| at.to_string())
        };
        for key in keys {
            let state = match key.state {
                KeyState::Next => "next",
                KeyState::Signs => "signs",
                KeyState::Read => "read",
                KeyState::Over => "over",
            };
            writeln!(
                f,
                "{:<11} {:<4} {state:<6} {:<27} {}",
                key.purpose.name(),
                key.generation,
                time(&key.active_from, "the beginning"),
                time(&key.read_until, "-")
            )?;
        }
        match next_master {
            Some(next) => writeln!(f, "master key {master}, going over to {next}")?,
            None => writeln!(f, "master key {master}")?,
        }
        writeln!(
            f,
            "{stored} keys in the vault, {under_old_master} of them not under the newest master key; \
             {destroyed} destroyed"
        )
    }
}

impl fmt::Display for MasterRotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rewrapped, damaged, done, .. } = self;
        if !done {
            return writeln!(f, "{rewrapped} keys are sealed anew so far: run it again");
        }
        writeln!(
            f,
            "the vault is under the new master key, and {rewrapped} keys were sealed anew: take the \
             old one away from every node"
        )?;
        if *damaged > 0 {
            writeln!(f, "{damaged} keys open with neither: restore them from a backup")?;
        }
        Ok(())
    }
}
