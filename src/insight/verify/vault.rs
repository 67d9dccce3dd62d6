//! Holds the keys of the vault against the log: a key that is destroyed needs the event that says so, and
//! what is sealed needs a key.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use anyhow::Context as _;
use whence_events::{Event, MailboxEvent, Recorded, StreamId, TouchId, UserEvent, UserId};

use super::findings::VerifyFindings;
use crate::engine::PAGE;
use crate::engine::log_pages::LogPages;
use crate::store::{EventStore, StoredKey};

/// The findings about keys that are described one by one.
const MAX_DESCRIBED: usize = 50;

/// The keys that the vault has, and what the log says of them.
#[derive(Default)]
struct VaultCheck {
    hasher: RandomState,
    /// How many keys of a subject are destroyed.
    destroyed: HashMap<StreamId, u32>,
    /// How many keys of an address the log says are destroyed.
    released: HashMap<StreamId, u32>,
    erased: BTreeSet<UserId>,
    /// The touches that each user's stream names.
    touches_of: BTreeMap<UserId, BTreeSet<TouchId>>,
    /// The first touch of the visitor of each touch, while touches are looked for.
    first_of: BTreeMap<TouchId, TouchId>,
    /// Streams with sealed fields and no key.
    without_key: HashSet<StreamId>,
}

/// Compares vault and log, and adds what does not fit.
pub(super) async fn compare(
    log: &dyn EventStore,
    findings: &mut VerifyFindings,
) -> anyhow::Result<()> {
    let mut check = VaultCheck::default();
    // The log comes first: a key is there no later than what it sealed. What is destroyed between the
    // two is looked at again below.
    let mut sealed = HashSet::new();
    let mut seen = HashSet::new();
    let mut pages = LogPages::new(log, 0, PAGE);
    while let Some(page) = pages.next().await.context("the log cannot be read")? {
        for recorded in &page {
            check.note_event(recorded);
            if is_sealed(recorded) && seen.insert(check.name(&recorded.stream)) {
                sealed.insert(recorded.stream.clone());
            }
        }
        // Kept small: subjects whose key is there need no further look.
        if sealed.len() >= PAGE {
            check.look_for_keys(log, &mut sealed).await?;
        }
    }
    check.look_for_keys(log, &mut sealed).await?;
    check.read_vault(log).await?;
    check.add_to(log, findings).await
}

impl VaultCheck {
    fn name(&self, subject: &StreamId) -> u64 {
        self.hasher.hash_one(subject)
    }

    /// Takes over what an event says of keys.
    fn note_event(&mut self, recorded: &Recorded) {
        match (&recorded.stream, &recorded.event) {
            (
                StreamId::Mailbox(_),
                Event::Mailbox(
                    MailboxEvent::MailboxReleased(_) | MailboxEvent::MailboxForgotten(_),
                ),
            ) => *self.released.entry(recorded.stream.clone()).or_default() += 1,
            (StreamId::User(user), Event::User(event)) => self.note_user_event(*user, event),
            (StreamId::Touch(touch), Event::Touch(event)) => {
                let first = event.touch().first_touch_id.unwrap_or(*touch);
                self.first_of.insert(*touch, first);
            }
            _ => {}
        }
    }

    fn note_user_event(&mut self, user: UserId, event: &UserEvent) {
        if let UserEvent::UserErased(_) = event {
            self.erased.insert(user);
            return;
        }
        let named = if let UserEvent::ReferralAttributed(referral) = event {
            referral.touch_id
        } else if let UserEvent::ReferralRefused(refused) = event {
            refused.evidence.touch_id
        } else {
            event.snapshot().and_then(|snapshot| snapshot.touch_id)
        };
        if let Some(touch) = named {
            self.touches_of.entry(user).or_default().insert(touch);
        }
    }

    /// Keeps the subjects that have no key, and empties the set.
    async fn look_for_keys(
        &mut self,
        log: &dyn EventStore,
        sealed: &mut HashSet<StreamId>,
    ) -> anyhow::Result<()> {
        for subject in std::mem::take(sealed) {
            if log.read_key(&subject).await.context("the vault cannot be read")?.is_none() {
                self.without_key.insert(subject);
            }
        }
        Ok(())
    }

    async fn read_vault(&mut self, log: &dyn EventStore) -> anyhow::Result<()> {
        let mut after = None;
        loop {
            let page = log.vault_keys(after.as_ref(), PAGE).await;
            let page = page.context("the vault cannot be read")?;
            for key in &page {
                if key.wrapped.is_none() {
                    *self.destroyed.entry(key.subject.clone()).or_default() += 1;
                }
            }
            if page.len() < PAGE {
                return Ok(());
            }
            after = page.last().map(StoredKey::place);
        }
    }

    /// Returns the touches that went with the erasure of their visitor.
    fn touches_gone(&self) -> BTreeSet<TouchId> {
        let named = self.erased.iter().filter_map(|user| self.touches_of.get(user)).flatten();
        named
            .flat_map(|touch| [Some(*touch), self.first_of.get(touch).copied()])
            .flatten()
            .collect()
    }

    /// Adds the findings.
    async fn add_to(
        &self,
        log: &dyn EventStore,
        findings: &mut VerifyFindings,
    ) -> anyhow::Result<()> {
        let gone = self.touches_gone();
        let mut lost = Vec::new();
        for (subject, destroyed) in &self.destroyed {
            let is_on_record = match subject {
                StreamId::User(user) => self.erased.contains(user),
                StreamId::Touch(touch) => {
                    let first = self.first_of.get(touch).unwrap_or(touch);
                    gone.contains(touch) || gone.contains(first)
                }
                StreamId::Mailbox(_) => self.released.get(subject).unwrap_or(&0) >= destroyed,
                StreamId::Code(_)
                | StreamId::Handle(_)
                | StreamId::Rules(_)
                | StreamId::Audit
                | StreamId::ApiKey(_) => false,
            };
            if !is_on_record && !has_said_since(log, subject, *destroyed).await? {
                lost.push(format!(
                    "key destroyed: the personal data of {subject} cannot be opened any more, and no \
                     event says that it was erased: restore its key from a backup of the vault"
                ));
            }
        }
        for subject in &self.without_key {
            lost.push(format!(
                "key missing: personal data of {subject} is sealed, and the vault has never had its \
                 key: restore the vault from a backup"
            ));
        }
        let more = lost.len().saturating_sub(MAX_DESCRIBED);
        lost.sort_unstable();
        lost.truncate(MAX_DESCRIBED);
        for finding in lost {
            findings.add(finding);
        }
        if more > 0 {
            findings.add(format!("and {more} more keys like these"));
        }
        Ok(())
    }
}

/// Returns whether the stream of a subject says by now that its keys are destroyed: a service may have
/// done it while the vault was read, and writes the event of an address after it destroyed the key.
async fn has_said_since(
    log: &dyn EventStore,
    subject: &StreamId,
    destroyed: u32,
) -> anyhow::Result<bool> {
    let mut said = 0;
    let mut from = 0;
    loop {
        let page = log.read_stream(subject, from, PAGE).await.context("the log cannot be read")?;
        for recorded in &page {
            let is_erased = matches!(
                &recorded.event,
                Event::User(event) if matches!(**event, UserEvent::UserErased(_))
            );
            // One of a newer version may say so.
            if is_erased || matches!(recorded.event, Event::Unknown { .. }) {
                return Ok(true);
            }
            if let Event::Mailbox(
                MailboxEvent::MailboxReleased(_) | MailboxEvent::MailboxForgotten(_),
            ) = &recorded.event
            {
                said += 1;
            }
        }
        if page.len() < PAGE {
            return Ok(said >= destroyed);
        }
        from = page.last().map_or(from, |last| last.version + 1);
    }
}

/// Returns whether an event has personal fields that are sealed.
fn is_sealed(recorded: &Recorded) -> bool {
    let mut event = recorded.event.clone();
    let mut is_sealed = false;
    event.visit_pii(&mut |_, slot| is_sealed |= slot.sealed().is_some());
    is_sealed
}
