//! Mails that are kept in this process, for tests and benchmarks: found by address, bounded, never
//! rendered.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use whence_events::EmailAddress;

use super::message::Mail;

/// The mails of `memory`, shared by its clones.
#[derive(Clone)]
pub struct Memory(Arc<MemoryShared>);

/// One mail in memory.
#[derive(Clone, Debug)]
pub struct StoredMail {
    /// The address that it was sent to.
    pub to: EmailAddress,
    /// The mail itself.
    pub mail: Mail,
}

struct MemoryShared {
    mails: Mutex<Mails>,
    arrived: Notify,
    capacity: usize,
}

/// The mails, each with the number of its arrival. `oldest` and `by_address` hold the same numbers.
#[derive(Default)]
struct Mails {
    next: u64,
    oldest: BTreeMap<u64, EmailAddress>,
    by_address: HashMap<EmailAddress, VecDeque<(u64, Mail)>>,
}

impl StoredMail {
    /// Returns the code, when it is a login mail.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.mail.code()
    }
}

impl Memory {
    /// Returns a memory of at most `capacity` mails; past it the oldest of all is dropped.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let mails = Mutex::default();
        Self(Arc::new(MemoryShared { mails, arrived: Notify::new(), capacity: capacity.max(1) }))
    }

    /// Takes the oldest mail of an address.
    #[must_use]
    pub fn take(&self, to: &EmailAddress) -> Option<StoredMail> {
        let mut mails = self.mails();
        let mail = mails.remove(to, 0)?;
        Some(StoredMail { to: to.clone(), mail })
    }

    /// Takes the newest login code of an address, and with it all older mails of that address.
    #[must_use]
    pub fn take_code(&self, to: &EmailAddress) -> Option<String> {
        let mut mails = self.mails();
        let newest = mails.by_address.get(to)?.iter().rposition(|(_, mail)| mail.code().is_some());
        for _ in 0..newest? {
            mails.remove(to, 0);
        }
        mails.remove(to, 0)?.code().map(str::to_owned)
    }

    /// Waits until there is a mail for an address, and takes the oldest.
    pub async fn next(&self, to: &EmailAddress) -> StoredMail {
        loop {
            // Registered before looking, so that a mail that comes in between wakes this waiter.
            let mut arrived = std::pin::pin!(self.0.arrived.notified());
            arrived.as_mut().enable();
            if let Some(mail) = self.take(to) {
                return mail;
            }
            arrived.await;
        }
    }

    /// Returns the number of mails.
    #[must_use]
    pub fn len(&self) -> usize {
        self.mails().oldest.len()
    }

    /// Returns whether there are no mails.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn put(&self, to: &EmailAddress, mail: &Mail) {
        let mut mails = self.mails();
        if mails.oldest.len() >= self.0.capacity {
            mails.drop_oldest();
        }
        mails.add(to, mail.clone());
        drop(mails);
        self.0.arrived.notify_waiters();
    }

    /// Locks the mails. A panic elsewhere cannot leave the two maps different: no step in here panics
    /// half-way.
    fn mails(&self) -> MutexGuard<'_, Mails> {
        self.0.mails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mails {
    fn add(&mut self, to: &EmailAddress, mail: Mail) {
        let number = self.next;
        self.next += 1;
        self.oldest.insert(number, to.clone());
        self.by_address.entry(to.clone()).or_default().push_back((number, mail));
    }

    fn remove(&mut self, to: &EmailAddress, index: usize) -> Option<Mail> {
        let queue = self.by_address.get_mut(to)?;
        let (number, mail) = queue.remove(index)?;
        if queue.is_empty() {
            self.by_address.remove(to);
        }
        self.oldest.remove(&number);
        Some(mail)
    }

    fn drop_oldest(&mut self) {
        if let Some((_, to)) = self.oldest.first_key_value() {
            let to = to.clone();
            self.remove(&to, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infra::mail::message::tests::{login_code, welcome};

    fn address(text: &str) -> EmailAddress {
        EmailAddress::parse(text).unwrap()
    }

    #[test]
    fn mails_are_taken_once_and_in_order() {
        let (memory, ada) = (Memory::new(10), address("ada@example.com"));
        memory.put(&ada, &login_code("111111"));
        memory.put(&ada, &login_code("222222"));
        memory.put(&address("bob@example.com"), &login_code("333333"));
        assert_eq!(memory.take(&ada).unwrap().code(), Some("111111"));
        assert_eq!(memory.take(&ada).unwrap().code(), Some("222222"));
        assert!(memory.take(&ada).is_none());
        assert_eq!(memory.len(), 1);
    }

    #[test]
    fn the_newest_code_is_found_behind_other_mails() {
        let (memory, ada) = (Memory::new(10), address("ada@example.com"));
        memory.put(&ada, &login_code("111111"));
        memory.put(&ada, &login_code("222222"));
        memory.put(&ada, &welcome());
        assert_eq!(memory.take_code(&ada).as_deref(), Some("222222"));
        assert_eq!(memory.take_code(&ada), None);
        assert_eq!(memory.take(&ada).unwrap().code(), None);
        assert!(memory.is_empty() && memory.mails().by_address.is_empty());
    }

    #[test]
    fn past_its_capacity_the_oldest_mail_is_dropped() {
        let memory = Memory::new(3);
        for n in 0..5 {
            memory.put(&address(&format!("u{n}@example.com")), &login_code("111111"));
        }
        assert_eq!(memory.len(), 3);
        assert!(memory.take(&address("u1@example.com")).is_none());
        assert!(memory.take(&address("u2@example.com")).is_some());
        assert_eq!(memory.mails().by_address.len(), 2);
    }

    #[tokio::test]
    async fn who_waits_for_a_mail_gets_it_when_it_comes() {
        let (memory, ada) = (Memory::new(3), address("ada@example.com"));
        let waiter = tokio::spawn({
            let (memory, ada) = (memory.clone(), ada.clone());
            async move { memory.next(&ada).await }
        });
        tokio::task::yield_now().await;
        memory.put(&address("bob@example.com"), &login_code("111111"));
        memory.put(&ada, &login_code("222222"));
        assert_eq!(waiter.await.unwrap().code(), Some("222222"));
    }
}
