//! Keys that are replaced while others use them: the generations of one purpose.

use std::sync::{Arc, PoisonError, RwLock};

/// A value that is replaced as a whole while others read it. Clones share it.
pub(crate) struct Shared<T>(Arc<RwLock<Arc<T>>>);

impl<T> Shared<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(value))))
    }

    /// Returns the value as it is now.
    pub(crate) fn get(&self) -> Arc<T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// A key of a purpose, and whether what it signed is still accepted.
#[derive(Clone)]
pub(crate) struct Generation<K> {
    /// The number of the key, from 0.
    pub(crate) number: u32,
    /// The key itself.
    pub(crate) key: K,
    /// Whether what it signed is accepted: also before it signs anything.
    pub(crate) is_read: bool,
}

/// The keys of a purpose, oldest first, one of which signs.
#[derive(Clone)]
pub(crate) struct Generations<K> {
    signing: usize,
    all: Vec<Generation<K>>,
}

impl<K> Generations<K> {
    /// Returns a purpose with one key.
    pub(crate) fn only(key: K) -> Self {
        Self { signing: 0, all: vec![Generation { number: 0, key, is_read: true }] }
    }

    /// Returns the generations, of which the one at `signing` signs.
    pub(super) fn new(signing: usize, all: Vec<Generation<K>>) -> Self {
        Self { signing: signing.min(all.len().saturating_sub(1)), all }
    }

    /// Returns the key that signs.
    pub(crate) fn signing(&self) -> &Generation<K> {
        &self.all[self.signing]
    }

    /// Returns the keys whose signatures are accepted, the one that signs first.
    pub(crate) fn read(&self) -> impl Iterator<Item = &Generation<K>> {
        let others = self.all.iter().enumerate();
        let others = others.filter(|(at, one)| *at != self.signing && one.is_read);
        std::iter::once(self.signing()).chain(others.map(|(_, one)| one))
    }

    /// Returns all keys up to the one that signs, oldest first.
    pub(crate) fn until_now(&self) -> &[Generation<K>] {
        &self.all[..=self.signing]
    }

    /// Returns the generations with each key changed into another form of it.
    pub(crate) fn map<L>(&self, form: impl Fn(&K) -> L) -> Generations<L> {
        let one = |one: &Generation<K>| Generation {
            number: one.number,
            key: form(&one.key),
            is_read: one.is_read,
        };
        Generations { signing: self.signing, all: self.all.iter().map(one).collect() }
    }
}
